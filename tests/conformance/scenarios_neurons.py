"""Every neuron model alone, and in a small network that has all that has gone wrong in simulators before."""

import numpy as np

from .scenario import Connection, Each, Node, Phase, Scenario

N = 6
EX_IN = ["I_syn_ex", "I_syn_in"]
G_EX_IN = ["g_ex", "g_in"]
PORTS = ["I_syn", "I_syn_1", "I_syn_2", "I_syn_3"]
TAU_SYN = {"tau_syn_ex": Each([2.0, 1.5, 2.2, 2.0, 3.1, 2.5]), "tau_syn_in": Each([6.0, 5.0, 4.0, 3.0, 6.0, 10.0])}
TAU_PORTS = {
    "tau_syn": Each([[2.0, 6.0, 0.7], [1.5, 5.0, 0.7], [2.2, 4.0, 1.1], [2.0, 3.0, 0.4], [3.1, 6.0, 0.9], [2.5, 12.0, 2.2]])
}
# Not on the grid of 0.1 ms, on it, and (the last) shorter than every delay.
T_REF = {"t_ref": Each([2.04, 2.0, 3.37, 2.04, 1.0, 0.51])}
# A hazard that is a step at V_T_star + adaptation, to within 1e-6 mV, so that the outcome does not hang on random numbers.
STEP_HAZARD = {"Delta_V": 1e-8, "lambda_0": 1.0}
CHAIN = {
    "E_L": Each([-70.0, -68.5, -70.0, -72.0, -70.0, -69.0]),
    "C_m": Each([250.0, 230.0, 270.0, 250.0, 200.0, 300.0]),
}


# Per model: I_e of the neurons that are alone (below threshold, just above, strong) and, as `drive`, of those in the network,
# before and after its change; what is recorded; and the network's parameters, weights (from outside: excitation, inhibition;
# among the cells: excitation, inhibition), delays and change half-way. The drive makes every cell fire at 25 to 80 Hz.
LINEAR = (
    CHAIN
    | T_REF
    | {
        "tau_m": Each([10.0, 12.0, 9.0, 10.0, 15.0, 11.0]),
        "V_th": Each([-55.0, -54.0, -56.0, -55.0, -52.5, -55.0]),
        "V_reset": Each([-70.0, -65.0, -71.0, -70.0, -60.0, -68.0]),
    }
)
LATER = {
    "V_th": Each([-55.5, -54.0, -55.0, -56.0, -53.0, -54.5]),
    "tau_m": Each([11.0, 12.0, 9.5, 10.0, 14.0, 11.0]),
}
CONDUCTANCE = (
    CHAIN
    | T_REF
    | TAU_SYN
    | {
        "g_L": Each([16.6667, 15.0, 18.0, 17.0, 14.0, 20.0]),
        "E_ex": Each([0.0, 5.0, 0.0, -5.0, 0.0, 0.0]),
        "E_in": Each([-85.0, -80.0, -85.0, -90.0, -75.0, -85.0]),
    }
)
FIRE = CONDUCTANCE | {
    "V_th": Each([-55.0, -54.0, -56.0, -55.0, -52.5, -55.0]),
    "V_reset": Each([-60.0, -65.0, -61.0, -70.0, -60.0, -62.0]),
}
FIRE_LATER = {
    "V_th": Each([-55.5, -54.0, -55.0, -56.0, -53.0, -54.5]),
    "g_L": Each([16.0, 15.0, 17.0, 17.0, 14.5, 20.0]),
}
ADAPTIVE = CONDUCTANCE | {
    "E_L": Each([-70.6, -68.5, -70.6, -72.0, -70.0, -69.0]),
    "C_m": Each([281.0, 250.0, 270.0, 281.0, 220.0, 300.0]),
    "g_L": Each([30.0, 25.0, 30.0, 32.0, 24.0, 30.0]),
    "V_th": Each([-50.4, -51.0, -50.4, -52.0, -49.0, -50.4]),
    "V_reset": Each([-60.0, -58.0, -61.0, -70.0, -55.0, -62.0]),
    "V_peak": Each([0.0, 0.0, -20.0, 0.0, 10.0, -40.0]),
    "Delta_T": Each([2.0, 1.5, 2.0, 2.5, 2.0, 1.0]),
    "a": Each([4.0, 0.0, 2.0, 4.0, 4.0, -1.0]),
    "b": Each([80.5, 40.0, 30.0, 60.0, 20.0, 0.0]),
    "tau_w": Each([144.0, 100.0, 144.0, 50.0, 200.0, 144.0]),
}
ADAPTIVE_LATER = {
    "V_th": Each([-51.0, -51.0, -50.0, -52.0, -50.0, -51.0]),
}

MODELS = {
    "iaf_psc_delta": dict(
        drive=([280.0, 225.0, 370.0, 380.0, 230.0, 245.0], [315.0, 200.0, 435.0, 310.0, 235.0, 335.0]),
        alone=(370.0, 378.0, 700.0),
        params=LINEAR
        | {
            "V_min": Each([-1e9, -1e9, -71.0, -1e9, -1e9, -1e9]),
            "refractory_input": Each([False, True, False, True, False, True]),
        },
        weights=(3.5, -3.0, 2.5, -2.0),
        later=LATER,
        delays=(0.1, 1.7, 4.3),
    ),
    "iaf_psc_exp": dict(
        drive=([295.0, 275.0, 330.0, 360.0, 100.0, 290.0], [315.0, 245.0, 420.0, 290.0, 115.0, 385.0]),
        alone=(370.0, 378.0, 700.0),
        record=EX_IN,
        params=LINEAR | TAU_SYN,
        weights=(420.0, -110.0, 300.0, -90.0),
        later=LATER,
    ),
    "iaf_psc_alpha": dict(
        drive=([305.0, 265.0, 335.0, 350.0, 85.0, 285.0], [280.0, 235.0, 425.0, 285.0, 90.0, 365.0]),
        alone=(370.0, 378.0, 700.0),
        record=EX_IN,
        params=LINEAR | TAU_SYN,
        weights=(160.0, -40.0, 110.0, -33.0),
        later=LATER,
        delays=(0.1, 1.7, 4.3),
    ),
    "iaf_psc_exp_multisynapse": dict(
        drive=([320.0, 300.0, 345.0, 410.0, 135.0, 350.0], [330.0, 245.0, 425.0, 360.0, 145.0, 450.0]),
        alone=(370.0, 378.0, 700.0),
        record=PORTS,
        params=LINEAR | TAU_PORTS,
        weights=(420.0, -110.0, 300.0, -90.0),
        later=LATER,
        ports=True,
    ),
    "iaf_psc_alpha_multisynapse": dict(
        drive=([320.0, 305.0, 360.0, 400.0, 130.0, 350.0], [325.0, 250.0, 420.0, 355.0, 130.0, 430.0]),
        alone=(370.0, 378.0, 700.0),
        record=PORTS,
        params=LINEAR | TAU_PORTS,
        weights=(160.0, -40.0, 110.0, -33.0),
        later=LATER,
        ports=True,
    ),
    "iaf_cond_exp": dict(
        drive=([215.0, 220.0, 180.0, 300.0, 120.0, 275.0], [210.0, 180.0, 265.0, 235.0, 115.0, 345.0]),
        alone=(245.0, 252.0, 500.0),
        record=G_EX_IN,
        params=FIRE,
        weights=(7.0, -5.0, 5.0, -4.0),
        later=FIRE_LATER,
        tolerance="rkf45_f64",
    ),
    "iaf_cond_alpha": dict(
        drive=([195.0, 220.0, 185.0, 270.0, 100.0, 240.0], [200.0, 180.0, 250.0, 230.0, 95.0, 315.0]),
        alone=(245.0, 252.0, 500.0),
        record=[*G_EX_IN, "t_ref_remaining"],
        params=FIRE,
        weights=(3.0, -2.0, 2.0, -1.6),
        later=FIRE_LATER,
        tolerance="rkf45_f64",
    ),
    "aeif_cond_exp": dict(
        drive=([835.0, 485.0, 615.0, 765.0, 410.0, 525.0], [1000.0, 440.0, 800.0, 720.0, 480.0, 550.0]),
        alone=(480.0, 720.0, 1200.0),
        record=[*G_EX_IN, "w"],
        params=ADAPTIVE,
        weights=(12.0, -6.0, 9.0, -5.0),
        later=ADAPTIVE_LATER,
        tolerance="rkf45_f64",
    ),
    "aeif_cond_alpha": dict(
        drive=([825.0, 485.0, 650.0, 765.0, 400.0, 490.0], [1000.0, 445.0, 790.0, 720.0, 475.0, 525.0]),
        alone=(480.0, 720.0, 1200.0),
        record=[*G_EX_IN, "w"],
        params=ADAPTIVE,
        weights=(4.5, -2.2, 3.5, -1.8),
        later=ADAPTIVE_LATER,
        tolerance="rkf45_f64",
    ),
    "gif_psc_exp": dict(
        drive=([150.0, 175.0, 165.0, 120.0, 170.0, 160.0], [195.0, 165.0, 200.0, 110.0, 235.0, 210.0]),
        alone=(138.0, 143.0, 300.0),
        always=STEP_HAZARD,
        record=["E_sfa", "I_stc", *EX_IN],
        params=TAU_SYN
        | {
            "E_L": Each([-70.0, -68.5, -70.0, -72.0, -70.0, -69.0]),
            "t_ref": Each([4.04, 4.0, 3.37, 2.04, 1.0, 4.0]),
            "C_m": Each([80.0, 70.0, 85.0, 80.0, 100.0, 90.0]),
            "g_L": Each([4.0, 4.5, 4.0, 3.5, 5.0, 4.0]),
            "V_T_star": Each([-40.0, -42.0, -38.0, -40.0, -45.0, -40.0]),
            "V_reset": Each([-55.0, -60.0, -55.0, -50.0, -55.0, -58.0]),
            "tau_sfa": Each([[120.0, 10.0], [80.0], [120.0, 10.0], [], [200.0], [50.0]]),
            "q_sfa": Each([[3.0, 5.0], [4.0], [2.0, -1.0], [], [2.0], [1.0]]),
            "tau_stc": Each([[5.0, 50.0], [30.0], [], [10.0], [20.0, 90.0], [50.0]]),
            "q_stc": Each([[10.0, -5.0], [20.0], [], [30.0], [10.0, 5.0], [15.0]]),
        },
        weights=(140.0, -45.0, 90.0, -35.0),
        later={
            "V_T_star": Each([-41.0, -42.0, -39.0, -40.0, -46.0, -40.0]),
        },
    ),
    "mat2_psc_exp": dict(
        drive=([435.0, 380.0, 305.0, 370.0, 460.0, 275.0], [540.0, 360.0, 440.0, 400.0, 550.0, 395.0]),
        alone=(375.0, 400.0, 800.0),
        record=["V_th"],
        params=TAU_SYN
        | {
            "E_L": Each([-70.0, -68.5, -70.0, -72.0, -70.0, -69.0]),
            "C_m": Each([100.0, 110.0, 90.0, 100.0, 120.0, 100.0]),
            "tau_m": Each([5.0, 6.5, 5.5, 7.0, 5.0, 9.0]),
            "t_ref": Each([2.04, 2.0, 3.37, 2.04, 1.0, 0.51]),
            "omega": Each([-51.0, -50.0, -52.0, -51.0, -53.0, -51.0]),
            "alpha_1": Each([37.0, 30.0, 20.0, 37.0, 40.0, 25.0]),
            "alpha_2": Each([2.0, 1.0, 3.0, 2.0, 0.5, 1.5]),
            "tau_1": Each([10.0, 12.0, 8.0, 10.0, 9.0, 10.0]),
            "tau_2": Each([200.0, 150.0, 100.0, 200.0, 300.0, 200.0]),
        },
        weights=(400.0, -150.0, 250.0, -110.0),
        later={
            "omega": Each([-51.0, -50.5, -51.0, -52.0, -53.0, -50.0]),
            "tau_m": Each([5.5, 6.5, 5.5, 6.8, 5.0, 8.5]),
        },
    ),
    "hh_psc_alpha": dict(
        drive=([180.0, 155.0, 150.0, 360.0, 290.0, 235.0], [225.0, 105.0, 185.0, 200.0, 525.0, 225.0]),
        alone=(200.0, 660.0, 1500.0),
        record=["Act_m", "Inact_h", "Act_n", *EX_IN],
        params=T_REF
        | {
            "tau_syn_ex": Each([0.6, 1.5, 0.7, 2.0, 1.1, 0.2]),
            "tau_syn_in": Each([2.0, 5.0, 3.0, 4.0, 6.0, 2.5]),
            "C_m": Each([100.0, 110.0, 95.0, 100.0, 105.0, 100.0]),
            "g_L": Each([30.0, 28.0, 30.0, 32.0, 30.0, 25.0]),
            "g_Na": Each([12000.0, 12000.0, 12500.0, 11500.0, 12000.0, 12000.0]),
            "g_K": Each([3600.0, 3500.0, 3600.0, 3700.0, 3600.0, 3600.0]),
            "E_L": Each([-54.402, -54.0, -55.0, -54.402, -53.5, -54.402]),
        },
        weights=(700.0, -300.0, 400.0, -250.0),
        later={"g_L": Each([30.0, 30.0, 32.0, 32.0, 28.0, 26.0])},
        tolerance="rkf45_f64",
    ),
    # The quadratic upstroke multiplies a difference in the last bit by 1e5, so the network is held to the looser tolerance.
    "izhikevich": dict(
        drive=([9.75, 4.5, 3.0, 4.5, 8.75, 6.75], [14.75, 3.75, 5.0, 4.25, 11.25, 13.5]),
        alone=(3.0, 4.0, 14.0),
        record=["U_m"],
        params={
            "a": Each([0.02, 0.1, 0.02, 0.02, 0.05, 0.02]),
            "b": Each([0.2, 0.2, 0.25, 0.2, 0.2, 0.22]),
            "c": Each([-65.0, -65.0, -55.0, -50.0, -65.0, -60.0]),
            "d": Each([8.0, 6.0, 4.0, 2.0, 8.0, 6.0]),
            "V_m": Each([-65.0, -70.0, -60.0, -65.0, -72.0, -65.0]),
            "V_min": Each([-1e9, -1e9, -66.0, -1e9, -1e9, -1e9]),
            "consistent_integration": Each([True, True, True, False, False, True]),
        },
        weights=(5.0, -3.0, 3.0, -2.5),
        network_tolerance="rkf45_f64",
        later={
            "V_th": Each([30.0, 25.0, 30.0, 20.0, 30.0, 28.0]),
            "d": Each([6.0, 6.0, 3.0, 2.0, 8.0, 6.0]),
        },
    ),
}


def trains(n: int, until: float, mean: float, h: float = 0.1) -> Each:
    """`n` irregular trains of times on the grid, the same on every machine and for every library version."""
    state, out = 12345, []
    for _ in range(n):
        steps, step = [], 0
        while True:
            state = (1103515245 * state + 12345) % 2**31
            step += 1 + int(2 * mean / h * (state >> 8) / 2**23)
            if step * h > until:
                break
            steps.append(step)
        out.append([round(step * h, 9) for step in steps])
    return Each(out)


def alone(model: str, alone, record=(), always=None, tolerance="exact_f64", **_) -> Scenario:
    cells = Node("cells", model, len(alone), (always or {}) | {"I_e": Each(alone)})
    recordables = ["V_m", *(name for name in record if name not in ("I_syn_1", "I_syn_2", "I_syn_3"))]
    return Scenario(
        f"{model}_alone",
        [cells],
        [Phase(250.0)],
        record={"cells": recordables},
        spikes=["cells"],
        tolerance=tolerance,
        what="three neurons with default parameters: below threshold, just above it, far above it",
    )


def network(
    model: str,
    params,
    drive,
    weights,
    later,
    record=(),
    always=None,
    delays=(0.5, 1.7, 4.3),
    ports=False,
    tolerance="exact_f64",
    network_tolerance=None,
    **_,
) -> Scenario:
    """Six unlike cells; each half of the run lasts 200 ms.

    Every cell gets excitation and inhibition from generators with the same spike times and the same delay, so in the same
    step, and so it does from its neighbour in the ring. Cell 0 reaches cell 1 by a multapse of unequal weights and delays,
    and by another of one delay; cell 2 inhibits and cell 5 excites itself.
    """
    out_ex, out_in, ring_ex, ring_in = weights
    times = trains(3, 395.0, 9.0)
    nodes = [
        Node("ex", "spike_generator", 3, {"spike_times": times}),
        Node("in", "spike_generator", 3, {"spike_times": times}),
        Node("cells", model, N, (always or {}) | params | {"I_e": Each(drive[0])}),
    ]
    cells = np.arange(N)
    short, middle, long = delays
    # pre, post, weight, delay, port
    rows = [(i, (i + 1) % N, ring_ex * (1 + 0.1 * i), short, 1) for i in range(N)]
    rows += [(i, (i + 1) % N, ring_in * (1 - 0.05 * i), short, 2) for i in range(N)]
    rows += [(i, (i + 2) % N, ring_ex * (0.6 + 0.1 * i), middle, 1) for i in range(N)]
    rows += [(i, (i + 3) % N, ring_in * (1 + 0.1 * i), long, 2) for i in range(N)]
    rows += [(i, (i + 4) % N, (ring_ex if i % 2 else ring_in) * 0.7, middle, 3) for i in range(N)]
    rows += [
        (0, 1, ring_ex * 0.5, middle, 1),
        (0, 1, ring_ex * 0.3, long, 1),
        (0, 1, ring_ex * 0.4, long, 3),
        (0, 1, ring_in * 0.2, long, 3),
    ]
    rows += [(2, 2, ring_in, round(short + 2.6, 9), 2), (5, 5, ring_ex * 0.8, long, 1)]
    pre, post, weight, delay, port = (np.array(column) for column in zip(*rows, strict=True))
    none = np.zeros(N, int)
    connections = [
        Connection("ex", "cells", cells % 3, cells, out_ex * (1 + 0.05 * cells), 1.0, none + 1 if ports else 0),
        Connection("in", "cells", cells % 3, cells, out_in * (1 + 0.07 * cells), 1.0, none + 2 if ports else 0),
        Connection("ex", "cells", (cells + 1) % 3, cells, out_ex * 0.6, 2.3, none + 3 if ports else 0),
        Connection("cells", "cells", pre, post, weight, delay, port if ports else 0),
    ]
    return Scenario(
        f"{model}_network",
        nodes,
        [Phase(200.0), Phase(200.0, {"cells": later | {"I_e": Each(drive[1])}})],
        connections,
        {"cells": ["V_m", *record]},
        ["cells"],
        tolerance=network_tolerance or tolerance,
        what="six unlike cells in a recurrent network, parameters changed half-way",
    )


def parrots() -> list[Scenario]:
    """Parrots repeat what comes in on port 0, multiplicities included, and ignore weights and port 1."""
    generator = Node(
        "source",
        "spike_generator",
        2,
        {
            "spike_times": Each([[1.0, 2.5, 2.6, 10.0, 50.0], [2.5, 30.0, 90.0]]),
            "spike_multiplicities": Each([[1, 2, 1, 3, 1], [1, 1, 4]]),
        },
    )
    first = Scenario(
        "parrot_neuron_alone",
        [generator, Node("cells", "parrot_neuron", 3)],
        [Phase(100.0)],
        [Connection("source", "cells", [0, 1, 0, 1], [0, 0, 1, 2], [1.0, -1.0, 0.0, 5.0], [1.0, 1.0, 0.1, 7.3])],
        spikes=["cells", "source"],
        what="weights do not matter, multiplicities do",
    )
    # Each spike of cell 0 circulates in the ring 0 -> 1 -> 2 -> 0 of 60 ms; cell 3 listens to a multapse; cell 4 repeats itself;
    # cell 5 hears port 1 too.
    second = Scenario(
        "parrot_neuron_network",
        [
            Node("source", "spike_generator", 2, {"spike_times": Each([[1.0, 7.7, 20.0], [3.3]])}),
            Node("cells", "parrot_neuron", 6),
        ],
        [Phase(150.0), Phase(150.0, {"source": {"spike_times": Each([[150.1, 151.0], [200.0, 200.0]])}})],
        [
            Connection("source", "cells", [0, 1, 1, 0], [0, 4, 3, 5], 1.0, [1.0, 1.0, 2.2, 1.0], [0, 0, 0, 1]),
            Connection(
                "cells",
                "cells",
                [0, 1, 2, 0, 0, 1, 4, 2],
                [1, 2, 0, 3, 3, 3, 4, 5],
                1.0,
                [20.0, 20.5, 19.5, 1.5, 1.5, 3.0, 45.0, 0.3],
                [0] * 7 + [1],
            ),
            Connection("cells", "cells", [3], [5], -2.0, 0.4),
        ],
        spikes=["cells", "source"],
        what="ring, multapse, autapse, port 1",
    )
    return [first, second]


def ignoring() -> list[Scenario]:
    """Neurons that fire at fixed intervals, on the grid and off it, whatever reaches them."""
    clock = {"rate": Each([13.7, 50.0, 101.3, 333.0]), "phase": Each([0.3, 1.0, 0.77, 0.013])}
    cells = Node("cells", "ignore_and_fire", 4, clock)
    first = Scenario("ignore_and_fire_alone", [cells], [Phase(250.0)], spikes=["cells"], what="four rates and phases")
    each = np.arange(4)
    second = Scenario(
        "ignore_and_fire_network",
        [
            Node("source", "spike_generator", 1, {"spike_times": [1.0, 3.5, 60.0]}),
            Node("current", "dc_generator", 1, {"amplitude": 500.0}),
            cells,
            Node("listeners", "iaf_psc_exp", 4, {"I_e": 380.0}),
        ],
        [Phase(150.0), Phase(150.0, {"listeners": {"I_e": 420.0}})],
        [
            Connection("source", "cells", each * 0, each, 100.0, 1.0),
            Connection("current", "cells", each * 0, each, 1.0, 1.0),
            Connection("cells", "cells", each, (each + 1) % 4, [50.0, -50.0, 50.0, 900.0], 1.5),
            Connection("cells", "listeners", each, each, [300.0, -100.0, 90.0, 25.0], [0.5, 1.7, 4.3, 1.0]),
            Connection("listeners", "cells", each, each[::-1], 500.0, 0.5),
        ],
        {"listeners": ["V_m", *EX_IN]},
        ["cells", "listeners"],
        what="inputs of all kinds are ignored; others hear the spikes",
    )
    return [first, second]


def noisy() -> Scenario:
    """Escape noise as such: independent neurons with the default hazard and adaptation."""
    params = {
        "I_e": 150.0,
        "V_T_star": -42.0,
        "Delta_V": 1.5,
        "lambda_0": 5.0,
        "tau_sfa": [60.0],
        "q_sfa": [2.0],
        "tau_stc": [20.0],
        "q_stc": [10.0],
    }
    return Scenario(
        "gif_psc_exp_escape_noise",
        [Node("cells", "gif_psc_exp", 200, params)],
        [Phase(600.0)],
        spikes=["cells"],
        tolerance="statistical",
        what="200 independent neurons that fire at random",
    )


SCENARIOS = (
    [make(model, **settings) for model, settings in MODELS.items() for make in (alone, network)]
    + parrots()
    + ignoring()
    + [noisy()]
)
