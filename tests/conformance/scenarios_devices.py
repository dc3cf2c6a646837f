"""When each device acts, and what it does: deterministic devices exactly, stochastic ones by their distributions.

The neurons that listen to a current never fire; their potential, step by step, says which steps the current reached.
"""

import numpy as np

from .scenario import Connection, Each, Node, Phase, Scenario
from .scenarios_neurons import trains

# Start, stop and origin of the copies of a device, in steps: from the beginning, on the first steps, empty and shortest
# windows, shifted ones.
WINDOWS = [
    (0, None, 0),
    (0, 80, 0),
    (1, 80, 0),
    (2, 80, 0),
    (50, 90, 0),
    (50, 50, 0),
    (50, 51, 0),
    (50, 90, 100),
    (0, 30, 210),
    (0, 1, 0),
    (0, 2, 0),
    (125, None, 7),
]
SILENT = {"V_th": 1e6}


def windows(h: float) -> dict[str, Each]:
    """`WINDOWS` as parameters of as many devices."""
    starts, stops, origins = zip(*WINDOWS, strict=True)
    far = 1000.0  # after the end of every scenario
    return {
        "start": Each(round(a * h, 9) for a in starts),
        "stop": Each(far if b is None else round(b * h, 9) for b in stops),
        "origin": Each(round(o * h, 9) for o in origins),
    }


def currents(
    model: str,
    params,
    changes,
    h: float = 0.1,
    name: str | None = None,
    target: str = "iaf_psc_delta",
    receptor: int = 0,
) -> Scenario:
    """One device per window, each onto a neuron of its own by delay h, onto another by 15 h and (twice) onto a third.

    The devices' parameters change half-way, where there are `changes`.
    """
    n = len(WINDOWS)
    k = np.arange(n)
    nodes = [Node("device", model, n, windows(h) | params), Node("cells", target, 3 * n, SILENT)]
    connections = [
        Connection("device", "cells", k, k, 1.0, h, receptor),
        Connection("device", "cells", k, n + k, 0.5 + 0.25 * k, 15 * h, receptor),
        Connection("device", "cells", k, 2 * n + k, -1.0, 2 * h, receptor),
        Connection("device", "cells", k, 2 * n + k, 3.0, 7 * h, receptor),
    ]
    half = round(150 * h, 9)
    return Scenario(
        name or model,
        nodes,
        [Phase(half), Phase(half, {"device": changes})],
        connections,
        {"cells": ["V_m"]},
        h=h,
        what="start, stop and origin on and off the first steps; delays; weights; a change half-way",
    )


def spike_generator() -> Scenario:
    """Weights of both signs, multiplicities, repeated times, windows and new times half-way."""
    n = len(WINDOWS)
    k = np.arange(n)
    times = [0.1, 0.2, 0.3, 3.0, 3.0, 5.0, 5.1, 8.0, 8.1, 9.0, 9.1, 12.5, 12.6, 14.9, 15.0]
    weights = [1.0, -2.0, 0.5, 3.0, -3.5, 1.0, 1.5, -1.0, 2.0, 0.0, 1.0, -1.0, 2.0, 1.0, 1.0]
    nodes = [
        Node(
            "device",
            "spike_generator",
            n,
            windows(0.1)
            | {
                "spike_times": times,
                "spike_weights": weights,
                "spike_multiplicities": [1 + j % 3 for j in range(len(times))],
            },
        ),
        Node("plain", "spike_generator", 2, {"spike_times": trains(2, 30.0, 3.0)}),
        Node("cells", "iaf_psc_exp", n, SILENT | {"tau_syn_ex": 1.0, "tau_syn_in": 3.0}),
        Node("pulses", "iaf_psc_delta", n, SILENT),
    ]
    connections = [
        Connection("device", "cells", k, k, 100.0 - 20.0 * k, 0.1),
        Connection("device", "cells", k, k, -40.0, 1.5),
        Connection("device", "pulses", k, k, 1.0 + 0.1 * k, np.resize([0.1, 1.0, 2.3], n)),
        Connection("plain", "pulses", k % 2, k, -0.5, 0.4),
    ]
    changes = {
        "device": {
            "spike_times": [14.0, 15.0, 15.1, 16.0, 20.0],
            "spike_weights": [9.0, 9.0, 1.0, -1.0, 2.0],
            "spike_multiplicities": [1, 1, 1, 4, 1],
        }
    }
    return Scenario(
        "spike_generator",
        nodes,
        [Phase(15.0), Phase(15.0, changes)],
        connections,
        {"cells": ["V_m", "I_syn_ex", "I_syn_in"], "pulses": ["V_m"]},
        ["device", "plain"],
        what="weights, multiplicities, windows, spikes set in the past and the present",
    )


def meters() -> Scenario:
    """A neuron watched by recorders that differ in interval, offset, start, stop and origin."""
    grids = {
        "every_step": {"interval": 0.1},
        "half": {"interval": 0.5},
        "offset": {"interval": 0.5, "offset": 0.2},
        "odd": {"interval": 0.7},
        "window": {"interval": 0.3, "start": 1.0, "stop": 2.1},
        "origin": {"interval": 0.5, "offset": 0.7, "start": 0.5, "stop": 30.0, "origin": 0.4},
        "late": {"interval": 2.0, "offset": 20.0},
        "long": {"interval": 13.0},
    }
    windows_of = {
        "all": {},
        "between": {"start": 10.0, "stop": 40.0},
        "shifted": {"start": 10.0, "stop": 40.0, "origin": 5.5},
        "end": {"start": 59.0},
    }
    cells = Node("cells", "iaf_psc_exp", 3, {"I_e": Each([400.0, 700.0, 1500.0])})
    nodes = [cells] + [Node(f"meter_{name}", "multimeter", 1, {"record_from": ["V_m"]} | grid) for name, grid in grids.items()]
    nodes += [Node(f"recorder_{name}", "spike_recorder", 1, window) for name, window in windows_of.items()]
    every = np.arange(3)
    connections = [Connection(f"meter_{name}", "cells", np.zeros(3, int), every) for name in grids]
    connections += [Connection("cells", f"recorder_{name}", every, np.zeros(3, int)) for name in windows_of]
    return Scenario(
        "recorders",
        nodes,
        [Phase(25.0), Phase(35.0)],
        connections,
        spikes=["cells"],
        what="which samples and spikes each recorder keeps",
    )


def poisson() -> Scenario:
    """Independent trains to 150 parrots and 150 neurons, within a window."""
    n = 150
    k, zero = np.arange(n), np.zeros(n, int)
    nodes = [
        Node("device", "poisson_generator", 1, {"rate": 90.0, "start": 40.0, "stop": 350.0, "origin": 10.0}),
        Node("many", "poisson_generator", 1, {"rate": 20000.0}),
        Node("parrots", "parrot_neuron", n),
        Node("cells", "iaf_psc_exp", n),
    ]
    connections = [
        Connection("device", "parrots", zero, k, 1.0, 1.5),
        Connection("many", "cells", zero, k, 30.0, 0.1),
        Connection("many", "cells", zero, k, -15.0, 0.1),
    ]
    changes = {"device": {"rate": 30.0}, "many": {"rate": 25000.0}}
    return Scenario(
        "poisson_generator",
        nodes,
        [Phase(200.0), Phase(200.0, changes)],
        connections,
        {"cells": ["V_m"]},
        ["parrots", "cells"],
        interval=5.0,
        tolerance="statistical",
        what="rate, window, independence of targets and of the connections to one target",
    )


def poisson_window() -> Scenario:
    """A rate so high (40 spikes a step) that every step in the window has a spike: the first and the last step are certain."""
    n = len(WINDOWS)
    k = np.arange(n)
    nodes = [
        Node("homogeneous", "poisson_generator", n, windows(0.1) | {"rate": 4e5}),
        Node(
            "inhomogeneous",
            "inhomogeneous_poisson_generator",
            n,
            windows(0.1) | {"rate_times": [0.1, 6.0, 7.0, 20.0], "rate_values": [4e5, 0.0, 4e5, 0.0]},
        ),
        Node("marks", "parrot_neuron", 2 * n),
    ]
    connections = [
        Connection("homogeneous", "marks", k, k, 1.0, 0.1),
        Connection("inhomogeneous", "marks", k, n + k, 1.0, 1.5),
    ]
    return Scenario(
        "poisson_windows",
        nodes,
        [Phase(15.0), Phase(15.0)],
        connections,
        spikes=["marks"],
        tolerance="occupied_steps",
        what="first and last step with spikes",
    )


def inhomogeneous() -> Scenario:
    n = 150
    nodes = [
        Node(
            "device",
            "inhomogeneous_poisson_generator",
            1,
            {
                "rate_times": [20.0, 100.0, 180.0, 260.0],
                "rate_values": [40.0, 150.0, 0.0, 80.0],
                "start": 10.0,
                "stop": 380.0,
            },
        ),
        Node("parrots", "parrot_neuron", n),
    ]
    link = Connection("device", "parrots", np.zeros(n, int), np.arange(n), 1.0, 1.5)
    return Scenario(
        "inhomogeneous_poisson_generator",
        nodes,
        [Phase(400.0)],
        [link],
        spikes=["parrots"],
        tolerance="statistical",
        what="piecewise constant rates",
    )


def noise() -> Scenario:
    """Each connection draws its own currents, which hold for dt; two noise_generators modulate their deviation."""
    n = 150
    k, zero = np.arange(n), np.zeros(n, int)
    nodes = [
        Node("white", "noise_generator", 1, {"mean": 250.0, "std": 300.0}),
        Node("slow", "noise_generator", 1, {"mean": 300.0, "std": 150.0, "dt": 5.0, "start": 30.0, "stop": 295.0}),
        Node(
            "modulated",
            "noise_generator",
            1,
            {"std": 300.0, "std_mod": 290.0, "frequency": 5.0, "phase": 90.0, "dt": 0.5},
        ),
        *(Node(name, "iaf_psc_exp", n, SILENT) for name in ("a", "b", "c")),
        Node("firing", "iaf_psc_exp", n),
    ]
    connections = [
        Connection("white", "a", zero, k, 1.0, 1.0),
        Connection("white", "a", zero, k, -0.5, 2.0),
        Connection("slow", "b", zero, k),
        Connection("modulated", "c", zero, k),
        Connection("white", "firing", zero, k, 1.5, 1.0),
    ]
    return Scenario(
        "noise_generator",
        nodes,
        [Phase(150.0), Phase(150.0)],
        connections,
        {name: ["V_m"] for name in ("a", "b", "c")},
        ["firing"],
        interval=5.0,
        tolerance="statistical",
        what="mean, deviation, dt, window, modulation, independence of the connections",
    )


def constant_noise() -> Scenario:
    """Noise without deviation is a direct current, and so shows when a noise_generator acts."""
    return currents("noise_generator", {"mean": 100.0}, {"mean": 60.0}, name="noise_generator_windows")


ALTERNATING = {"amplitude": 80.0, "offset": 20.0, "frequency": 50.0, "phase": 30.0}
# In steps of h: on the first step possible, while a device is off, in the middle of its window.
STEPS = {
    "amplitude_times": [0.1, 0.2, 5.1, 6.0, 12.0, 20.0],
    "amplitude_values": [30.0, 100.0, -50.0, 20.0, 70.0, -10.0],
}
# Given after 15 ms: the times that are past or present count for nothing.
NEW_STEPS = {"amplitude_times": [14.0, 15.0, 15.1, 18.0], "amplitude_values": [1.0, 2.0, 200.0, 20.0]}

SCENARIOS = [
    spike_generator(),
    currents("dc_generator", {"amplitude": 100.0}, {"amplitude": 50.0}),
    currents("dc_generator", {"amplitude": 100.0}, {"amplitude": 50.0}, h=0.5, name="dc_generator_coarse"),
    currents("dc_generator", {"amplitude": 100.0}, {"start": 20.0, "stop": 25.0, "origin": 0.0}, name="dc_generator_moved"),
    currents("dc_generator", {"amplitude": 100.0}, {"amplitude": 50.0}, name="dc_generator_psc_exp", target="iaf_psc_exp"),
    currents(
        "dc_generator",
        {"amplitude": 100.0},
        {"amplitude": 50.0},
        name="dc_generator_filtered",
        target="iaf_psc_exp",
        receptor=1,
    ),
    currents("dc_generator", {"amplitude": 100.0}, {"amplitude": 50.0}, name="dc_generator_psc_alpha", target="iaf_psc_alpha"),
    currents("ac_generator", ALTERNATING, {"amplitude": 40.0, "frequency": 35.0}),
    currents("ac_generator", ALTERNATING, {}, h=0.2, name="ac_generator_coarse"),
    currents("step_current_generator", STEPS, NEW_STEPS),
    currents("step_current_generator", STEPS, {}, name="step_current_generator_unchanged"),
    constant_noise(),
    meters(),
    poisson(),
    poisson_window(),
    inhomogeneous(),
    noise(),
]
