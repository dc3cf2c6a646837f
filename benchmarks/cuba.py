"""The CUBA network of Brette et al. (2007), after Vogels & Abbott (2005): 4,000 neurons, 2 % connected, no external drive.

`iaf_psc_exp` in jaxnest and NEST; the same equations, integrated exactly, in Brian2's C++ standalone mode (there,
build_s has code generation, C++ compilation and the binary's own set-up). Potentials in mV: E_L -49, threshold -50,
reset -60, initially uniform in between; tau_m 20 ms, currents of 5 and 10 ms, weights that make V rise by 1.62 and fall
by 9 mV/tau_m, refractory for 5 ms; steps and delays of 0.1 ms. Connections and initial potentials are drawn once and given to all
three: from one draw of the connections to the next the rate varies by 6 %, in one network over 5 s by 1 %. --scale is of
neurons, the mean indegree stays 80.
"""

from __future__ import annotations

import time as clock
from typing import Any

from . import _jaxnest, _nest
from ._request import Request, Spec

SPEC = Spec(peers=("nest", "brian2"), time=5000.0)
TAU_M, TAU_EXC, TAU_INH, T_REF = 20.0, 5.0, 10.0, 5.0  # ms
E_L, V_TH, V_RESET = -49.0, -50.0, -60.0  # mV
JUMP_EXC, JUMP_INH = 1.62, -9.0  # mV, of the current times the membrane's resistance
C_M = 200.0  # pF; a resistance of TAU_M / C_M = 0.1 mV/pA
DELAY = 0.1  # ms
NEURON = {
    "C_m": C_M,
    "tau_m": TAU_M,
    "tau_syn_ex": TAU_EXC,
    "tau_syn_in": TAU_INH,
    "t_ref": T_REF,
    "E_L": E_L,
    "V_th": V_TH,
    "V_reset": V_RESET,
}
WEIGHTS = (JUMP_EXC * C_M / TAU_M, JUMP_INH * C_M / TAU_M)  # pA


def draw(scale: float, seed: int) -> tuple[int, int, list[tuple[Any, Any]], Any]:
    """Excitatory and inhibitory neurons; the connections from each, (sources, targets) among all; initial potentials, mV."""
    import numpy as np

    rng = np.random.default_rng(seed)
    n_exc, n_inh = round(3200 * scale), round(800 * scale)
    n, p = n_exc + n_inh, min(0.02 / scale, 1.0)
    rows = [np.flatnonzero(rng.random(n) < p) for _ in range(n)]
    pairs = []
    for part in (range(n_exc), range(n_exc, n)):
        targets = [rows[i] for i in part]
        pairs.append((np.repeat(np.array(part), list(map(len, targets))), np.concatenate(targets)))
    return n_exc, n_inh, pairs, rng.uniform(V_RESET, V_TH, n)


def jaxnest(request: Request) -> dict[str, Any]:
    n_exc, n_inh, pairs, V = draw(request.scale, request.seed)

    def describe(jn: Any) -> tuple[Any, Any]:
        net = jn.Network(seed=request.seed)
        cells = net.create("iaf_psc_exp", n_exc + n_inh, name="cells", **NEURON, V_m=V)
        for (sources, targets), weight in zip(pairs, WEIGHTS):
            net.connect(cells, cells, jn.explicit(sources, targets), weight=weight, delay=DELAY)
        recorder = net.create("spike_recorder")
        net.connect(cells, recorder)
        return net, recorder

    outgoing = [len(sources) for sources, _ in pairs]
    found, sim, recorder = _jaxnest.measure(request, describe, sum(outgoing))
    return found | _jaxnest.spiking(sim, recorder, [n_exc, n_inh], outgoing)


def nest(request: Request) -> dict[str, Any]:
    import numpy as np

    n_exc, n_inh, pairs, V = draw(request.scale, request.seed)

    def describe(nest: Any) -> list[Any]:
        cells = nest.Create("iaf_psc_exp", n_exc + n_inh, NEURON)
        cells.V_m = V
        ids = np.array(cells.tolist())
        for (sources, targets), weight in zip(pairs, WEIGHTS):
            values = {"weight": np.full(len(sources), weight), "delay": np.full(len(sources), DELAY)}
            nest.Connect(ids[sources], ids[targets], "one_to_one", values)
        recorder = nest.Create("spike_recorder")
        nest.Connect(cells, recorder)
        return [recorder]

    return _nest.measure(request, describe, n_exc + n_inh)


def brian2(request: Request) -> dict[str, Any]:
    import tempfile

    import brian2 as b

    n_exc, n_inh, pairs, V = draw(request.scale, request.seed)
    ms, mV = b.ms, b.mV
    with tempfile.TemporaryDirectory() as folder:
        began = clock.perf_counter()
        b.set_device("cpp_standalone", directory=folder, build_on_run=False)
        b.prefs.devices.cpp_standalone.openmp_threads = request.threads
        b.defaultclock.dt = 0.1 * ms
        b.seed(request.seed)
        cells = b.NeuronGroup(
            n_exc + n_inh,
            """
            dv/dt = (E_L - v + g_exc + g_inh) / tau_m : volt (unless refractory)
            dg_exc/dt = -g_exc / tau_exc : volt
            dg_inh/dt = -g_inh / tau_inh : volt
            """,
            threshold="v >= V_th",
            reset="v = V_reset",
            refractory=T_REF * ms,
            method="exact",
            namespace={
                "E_L": E_L * mV,
                "V_th": V_TH * mV,
                "V_reset": V_RESET * mV,
                "tau_m": TAU_M * ms,
                "tau_exc": TAU_EXC * ms,
                "tau_inh": TAU_INH * ms,
            },
        )
        cells.v = V * mV
        objects = [cells]
        for (sources, targets), event in zip(pairs, (f"g_exc += {JUMP_EXC} * mV", f"g_inh += {JUMP_INH} * mV")):
            synapses = b.Synapses(cells, cells, on_pre=event, delay=DELAY * ms)
            synapses.connect(i=sources, j=targets)
            objects.append(synapses)
        recorder = b.SpikeMonitor(cells)
        network = b.Network(*objects, recorder)
        network.run(request.time * ms)
        b.device.build(compile=True, run=False, directory=folder)
        b.device.run(directory=folder, with_output=False)
        ended = clock.perf_counter()
        sim_s = b.device._last_run_time  # of the loop in the binary, by its own clock
        rate = recorder.num_spikes / (n_exc + n_inh) / request.time * 1e3
        return {"build_s": ended - began - sim_s, "sim_s": sim_s, "rate_hz": float(rate), "peak_mb": _children_mb()}


def _children_mb() -> float:
    """The largest memory of a child process: of the binary, or of the compiler where that took more."""
    import resource

    from ._memory import peak_mb

    return peak_mb(resource.RUSAGE_CHILDREN)
