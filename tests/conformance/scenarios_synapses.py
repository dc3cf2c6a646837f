"""Every synapse model between controlled spike trains, and plastic synapses in a recurrent network."""

from typing import Any

import numpy as np

from .scenario import Connection, Each, Node, Phase, Scenario
from .scenarios_neurons import trains

# The trains of three presynaptic parrots, one delay (1 ms) before the parrots fire: the first at 40 Hz or so, the second all but
# silent (two spikes 800 ms apart, while the driven neurons fire more than 60 times), the third at about 15 Hz. Bursts of
# neighbouring steps lie inside a slice of 1 ms (150.3, 150.4; 160.5 to 160.7) and across its border (152.0, 152.1).
BUSY = [*trains(1, 980.0, 26.0)[0], 150.3, 150.4, 152.0, 152.1, 160.5, 160.6, 160.7]
SILENT = [99.0, 899.0]
MEDIUM = [
    20.0,
    50.0,
    86.0,
    140.0,
    141.0,
    150.3,
    230.0,
    310.0,
    400.0,
    402.5,
    455.0,
    555.0,
    600.0,
    699.9,
    780.0,
    850.0,
    899.0,
    950.0,
]
TRAINS = Each([sorted(set(BUSY)), SILENT, MEDIUM])
# The trains that the two postsynaptic parrots repeat 1 ms later. Against MEDIUM, whose parrot fires at t + 1 and whose synapse
# takes d: before, at and after the moments t_post + d = t_pre (for d = 1.0 at 49.0, 139.0, 229.0; for d = 3.7 at 46.3, 136.3)
# and t_post = t_pre (50.0, 140.0), and long stretches with and without postsynaptic spikes.
ECHOES = Each(
    [
        [
            10.0,
            49.0,
            50.0,
            51.0,
            85.1,
            139.0,
            140.0,
            141.0,
            149.3,
            149.4,
            228.9,
            229.0,
            229.1,
            309.9,
            *range(320, 395, 5),
            399.0,
            401.5,
            698.9,
            898.0,
            898.1,
        ],
        [
            46.2,
            46.3,
            46.4,
            50.0,
            136.3,
            137.3,
            146.6,
            146.7,
            226.3,
            300.0,
            396.3,
            *range(480, 550, 7),
            551.3,
            695.9,
            696.2,
            895.3,
        ],
    ]
)
TWICE = {"spike_multiplicities": Each([[1 + (k % 5 == 2) for k in range(len(times))] for times in TRAINS])}
TWICE_ECHOED = {"spike_multiplicities": Each([[1 + (k % 4 == 1) for k in range(len(times))] for times in ECHOES])}


def between(
    synapse_model: str,
    params: dict[str, Any] | None = None,
    weights=(50.0, 90.0),
    name: str | None = None,
    tolerance: str = "plastic_f64",
    twice: bool = False,
    what: str = "",
    delays=(1.0, 3.7),
) -> Scenario:
    """Three presynaptic parrots onto four driven neurons and two parrots that fire at given times.

    Every presynaptic parrot reaches every target, mostly by both delays, with weights between the two given; the first reaches
    the first neuron by four connections, two of them of one delay. The targets' `tau_minus` differ. At half time the currents
    change, and the weights have to carry on.
    """
    params = params or {}
    nodes = [
        Node("drive", "spike_generator", 3, {"spike_times": TRAINS} | (TWICE if twice else {})),
        Node("pre", "parrot_neuron", 3),
        Node(
            "exp",
            "iaf_psc_exp",
            2,
            {"I_e": Each([640.0, 420.0]), "tau_minus": Each([20.0, 33.7]), "tau_minus_triplet": Each([110.0, 80.0])},
        ),
        Node(
            "alpha",
            "iaf_psc_alpha",
            2,
            {"I_e": Each([390.0, 600.0]), "tau_minus": Each([12.5, 20.0]), "tau_minus_triplet": Each([110.0, 140.0])},
        ),
        Node("echo_drive", "spike_generator", 2, {"spike_times": ECHOES} | (TWICE_ECHOED if twice else {})),
        Node("echo", "parrot_neuron", 2, {"tau_minus": Each([20.0, 27.3]), "tau_minus_triplet": Each([110.0, 90.0])}),
    ]
    pairs = [(i, j, d) for j in range(2) for i in range(3) for d in delays]
    extra = [(0, 0, delays[0]), (0, 0, round(delays[-1] + 0.4, 9))]

    def link(post: str, rows, receptor: int = 0) -> Connection:
        pre_idx, post_idx, delay = (np.array(column) for column in zip(*rows, strict=True))
        one = synapse_model in ("static_synapse_hom_w", "tsodyks_synapse_hom")
        spread = np.zeros(len(rows)) if one else np.linspace(0.0, 1.0, len(rows))
        weight = weights[0] + (weights[1] - weights[0]) * spread
        values = {key: np.resize(value, len(rows)) for key, value in params.items()}
        return Connection("pre", post, pre_idx, post_idx, weight, delay, receptor, synapse_model, values, f"to_{post}")

    connections = [
        Connection("drive", "pre", [0, 1, 2], [0, 1, 2]),
        Connection("echo_drive", "echo", [0, 1], [0, 1]),
        link("exp", pairs + extra),
        link("alpha", pairs),
        link("echo", pairs, 1),
    ]
    return Scenario(
        name or synapse_model,
        nodes,
        [Phase(500.0), Phase(500.0, {"exp": {"I_e": Each([660.0, 400.0])}})],
        connections,
        {"exp": ["V_m"], "alpha": ["V_m"]},
        ["pre", "exp", "alpha", "echo"],
        tolerance=tolerance,
        what=what,
    )


def mixed() -> Scenario:
    """Eight neurons, recurrently connected by static inhibition, STDP (an autapse among it) and short-term plasticity."""
    n = 8
    cells = np.arange(n)
    nodes = [
        Node("drive", "spike_generator", 4, {"spike_times": trains(4, 795.0, 12.0)}),
        Node(
            "cells",
            "iaf_psc_exp",
            n,
            {
                "I_e": Each(360.0 + 8.0 * k for k in range(n)),
                "tau_syn_ex": 2.0,
                "tau_syn_in": 5.0,
                "tau_minus": Each(15.0 + 3.0 * k for k in range(n)),
                "t_ref": Each(2.0 + 0.37 * (k % 3) for k in range(n)),
                "tau_m": Each(9.0 + 0.5 * k for k in range(n)),
            },
        ),
    ]
    stdp_pre = np.concatenate([cells, cells, [3]])
    stdp_post = np.concatenate([(cells + 1) % n, (cells + 3) % n, [3]])
    static_pre, static_post = np.concatenate([cells, cells]), np.concatenate([(cells + 2) % n, (cells + 5) % n])
    connections = [
        Connection("drive", "cells", cells % 4, cells, 180.0 + 15.0 * cells, 1.0),
        Connection(
            "cells",
            "cells",
            static_pre,
            static_post,
            np.linspace(-120.0, -60.0, 2 * n),
            np.resize([1.0, 1.5, 2.9], 2 * n),
            weight_recorder="static",
        ),
        Connection(
            "cells",
            "cells",
            stdp_pre,
            stdp_post,
            np.linspace(60.0, 160.0, len(stdp_pre)),
            np.resize([1.0, 3.7, 1.2], len(stdp_pre)),
            0,
            "stdp_synapse",
            {"lambda": 0.05, "Wmax": 250.0, "alpha": 1.1, "mu_plus": 0.4, "mu_minus": 1.0},
            "stdp",
        ),
        Connection(
            "cells",
            "cells",
            cells,
            (cells + 6) % n,
            300.0,
            np.resize([1.0, 2.2], n),
            0,
            "tsodyks2_synapse",
            {"U": 0.3, "u": 0.3, "tau_rec": 150.0, "tau_fac": np.linspace(0.0, 400.0, n)},
            "tsodyks2",
        ),
    ]
    return Scenario(
        "mixed_plastic_network",
        nodes,
        [Phase(400.0), Phase(400.0)],
        connections,
        {"cells": ["V_m", "I_syn_ex", "I_syn_in"]},
        ["cells"],
        tolerance="plastic_f64",
        what="static, STDP and short-term plastic connections together, recurrent",
    )


def bernoulli() -> Scenario:
    """Each spike gets through with probability 0.3, independently on each of 200 connections."""
    times = [round(5.0 + 2.5 * k, 9) for k in range(300)]
    n = 200
    return Scenario(
        "bernoulli_synapse",
        [
            Node("drive", "spike_generator", 1, {"spike_times": times}),
            Node("pre", "parrot_neuron"),
            Node("post", "parrot_neuron", n),
        ],
        [Phase(800.0)],
        [
            Connection("drive", "pre"),
            Connection(
                "pre",
                "post",
                np.zeros(n, int),
                np.arange(n),
                1.0,
                1.5,
                0,
                "bernoulli_synapse",
                {"p_transmit": 0.3},
                "log",
            ),
        ],
        spikes=["post"],
        tolerance="statistical",
        what="transmission with probability 0.3",
    )


NEAREST = {
    "mu_plus": [0.4, 1.0],
    "mu_minus": [1.0, 0.0, 0.6],
    "lambda": 0.05,
    "tau_plus": [15.0, 20.0, 31.4],
    "Wmax": [100.0, 120.0],
}

SCENARIOS = [
    between("static_synapse", weights=(100.0, -60.0), tolerance="exact_f64", what="both signs in one projection"),
    between("static_synapse_hom_w", weights=(70.0, 70.0), tolerance="exact_f64", what="one weight for all"),
    between("stdp_synapse", what="NEST's defaults: multiplicative"),
    between(
        "stdp_synapse",
        {"mu_plus": 0.0, "mu_minus": 0.0, "lambda": 0.02},
        name="stdp_synapse_additive",
        what="no dependence on the weight",
    ),
    between(
        "stdp_synapse",
        {"mu_plus": 0.4, "mu_minus": 0.4, "lambda": 0.05, "tau_plus": [15.0, 20.0, 31.4]},
        name="stdp_synapse_power",
        what="exponent 0.4, tau_plus differs among the connections",
    ),
    between(
        "stdp_synapse",
        {"mu_plus": 0.0, "mu_minus": 0.0, "lambda": 0.3, "Wmax": [95.0, 120.0], "alpha": [0.4, 1.6]},
        name="stdp_synapse_bounds",
        what="weights reach Wmax and zero",
    ),
    between(
        "stdp_synapse",
        {"alpha": [0.2, 1.7, 1.0], "lambda": [0.1, 0.03], "Wmax": 300.0},
        weights=(100.0, 280.0),
        name="stdp_synapse_alpha",
        what="alpha and lambda differ among the connections",
    ),
    between(
        "stdp_synapse",
        {"Wmax": -200.0, "lambda": 0.05},
        weights=(-40.0, -150.0),
        name="stdp_synapse_inhibitory",
        what="negative weights and Wmax",
    ),
    between(
        "stdp_synapse",
        {"Kplus": [2.0, 0.0, 0.7], "lambda": 0.05},
        name="stdp_synapse_initial_trace",
        what="a presynaptic trace to start with",
    ),
    between(
        "stdp_synapse",
        {"lambda": 0.05},
        name="stdp_synapse_multiplicity",
        twice=True,
        what="spikes of multiplicity 2 on both sides",
    ),
    between(
        "stdp_synapse",
        {"lambda": 0.05},
        name="stdp_synapse_long_delays",
        delays=(1.3, 17.0),
        what="delays longer than intervals between spikes",
    ),
    between(
        "stdp_synapse_hom",
        {"lambda": 0.03, "alpha": 1.05, "mu_plus": 0.4, "mu_minus": 1.0, "Wmax": 120.0, "tau_plus": 17.0},
        what="parameters shared by all connections",
    ),
    between("stdp_pl_synapse_hom", {"lambda": 0.05, "alpha": 0.2, "mu": 0.4, "tau_plus": 15.0}, what="power law"),
    between(
        "stdp_triplet_synapse",
        {
            "Aplus": 0.3,
            "Aminus": 0.5,
            "Aplus_triplet": 0.4,
            "Aminus_triplet": 0.2,
            "Wmax": [100.0, 92.0, 70.0],
            "tau_plus": [16.8, 12.0],
        },
        what="all four terms at work, Wmax reached",
    ),
    between(
        "stdp_triplet_synapse",
        {"Aplus": 0.3, "Aminus": 0.5, "Aplus_triplet": 0.4, "Aminus_triplet": 0.2},
        name="stdp_triplet_synapse_multiplicity",
        twice=True,
        what="spikes of multiplicity 2 on both sides",
    ),
    between("tsodyks_synapse", weights=(100.0, 250.0), what="NEST's defaults: depression only"),
    between(
        "tsodyks_synapse",
        {
            "U": [0.1, 0.3],
            "tau_fac": [1000.0, 50.0, 0.0],
            "tau_rec": [100.0, 300.0],
            "tau_psc": [2.0, 3.0],
            "x": [1.0, 0.6, 0.5],
            "y": [0.0, 0.1, 0.4],
            "u": [0.0, 0.4],
        },
        weights=(200.0, -300.0),
        name="tsodyks_synapse_facilitating",
        what="facilitation, and states that are not at rest at the start",
    ),
    between("tsodyks2_synapse", weights=(100.0, 250.0), what="NEST's defaults: depression only"),
    between(
        "tsodyks2_synapse",
        {"U": [0.1, 0.3, 0.7], "tau_fac": [1000.0, 50.0, 0.0], "tau_rec": [100.0, 300.0]},
        weights=(200.0, -300.0),
        name="tsodyks2_synapse_facilitating",
        what="U is given but u is not: u still starts at 0.5",
    ),
    between(
        "tsodyks2_synapse",
        {"U": [0.1, 0.3], "u": [0.1, 0.3], "x": [1.0, 0.5, 0.8], "tau_fac": [300.0, 0.0], "tau_rec": 100.0},
        weights=(200.0, -300.0),
        name="tsodyks2_synapse_initial",
        what="u and x given",
    ),
    between("cont_delay_synapse", weights=(100.0, -60.0), tolerance="exact_f64", what="delays on the grid"),
    between("ht_synapse", weights=(100.0, 250.0), what="NEST's defaults"),
    between(
        "ht_synapse",
        {"tau_P": [100.0, 300.0], "delta_P": [0.4, 0.9, 0.0], "P": [1.0, 0.3]},
        weights=(200.0, -300.0),
        name="ht_synapse_varied",
        twice=True,
        what="parameters differ among the connections, spikes of multiplicity 2",
    ),
    between(
        "tsodyks_synapse_hom",
        {
            "U": 0.3,
            "tau_fac": 50.0,
            "tau_rec": 100.0,
            "tau_psc": 2.0,
            "x": [1.0, 0.6, 0.5],
            "y": [0.0, 0.1, 0.4],
            "u": [0.0, 0.4],
        },
        weights=(200.0, 200.0),
        what="weight and parameters shared, states that are not at rest at the start",
    ),
    *(
        between(model, NEAREST, name=model + suffix, twice=bool(suffix), what=what)
        for model in ("stdp_nn_symm_synapse", "stdp_nn_pre_centered_synapse", "stdp_nn_restr_synapse")
        for suffix, what in (("", "nearest neighbours"), ("_multiplicity", "spikes of multiplicity 2 on both sides"))
    ),
    between(
        "stdp_nn_pre_centered_synapse",
        {**NEAREST, "Kplus": [2.0, 0.0, 0.7], "Wmax": -200.0, "mu_plus": 0.0},
        weights=(-40.0, -150.0),
        name="stdp_nn_pre_centered_synapse_inhibitory",
        delays=(1.3, 17.0),
        what="negative weights, a trace to start with, delays longer than intervals between spikes",
    ),
    between(
        "vogels_sprekeler_synapse",
        {"Wmax": [100.0, 92.0], "eta": [0.5, 3.0], "alpha": [0.12, 1.5, 0.4], "tau": [20.0, 14.0, 31.0]},
        twice=True,
        what="Wmax is reached, spikes of multiplicity 2",
    ),
    between(
        "vogels_sprekeler_synapse",
        {"Wmax": -200.0, "eta": 8.0, "alpha": [2.0, 0.1, 6.0], "Kplus": [2.0, 0.0]},
        weights=(-40.0, -150.0),
        name="vogels_sprekeler_synapse_inhibitory",
        what="negative weights, which reach zero",
    ),
    between(
        "jonke_synapse",
        {"lambda": 0.5, "alpha": 0.6, "beta": 0.2, "mu_plus": -0.02, "mu_minus": 0.01, "tau_plus": 15.0, "Wmax": 92.0},
        twice=True,
        what="weight dependence and drift, spikes of multiplicity 2",
    ),
    mixed(),
    bernoulli(),
]
