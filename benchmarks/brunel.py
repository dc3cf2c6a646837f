"""Brunel's (2000) network of 12,500 `iaf_psc_delta` neurons and 15.6 million synapses, here and in NEST."""

from __future__ import annotations

import time as clock
from typing import Any

NEURON = {"tau_m": 20.0, "C_m": 1.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 20.0, "t_ref": 2.0, "V_m": 0.0}
WEIGHT, G, DRIVE, DELAY = 0.1, 5.0, 20_000.0, 1.5


def sizes(scale: float) -> tuple[int, int, int, int]:
    """Excitatory and inhibitory neurons, and indegrees from each."""
    return round(10_000 * scale), round(2_500 * scale), round(1_000 * scale), round(250 * scale)


def jaxnest(scale: float, time: float, seed: int) -> dict[str, Any]:
    """Build and run in jaxnest: build_s, compile_s, sim_s, rate_hz, bytes_per_synapse, synapses."""
    import jax

    import jaxnest as jn

    n_exc, n_inh, c_exc, c_inh = sizes(scale)
    began = clock.perf_counter()
    net = jn.Network(seed=seed)
    cells = net.create("iaf_psc_delta", n_exc + n_inh, name="cells", **NEURON)
    noise = net.create("poisson_generator", name="noise", rate=DRIVE)
    net.connect(noise, cells, weight=WEIGHT, delay=DELAY)
    net.connect(cells[:n_exc], cells, jn.fixed_indegree(c_exc), weight=WEIGHT, delay=DELAY)
    net.connect(cells[n_exc:], cells, jn.fixed_indegree(c_inh), weight=-G * WEIGHT, delay=DELAY)
    recorder = net.create("spike_recorder", name="recorder")
    net.connect(cells, recorder)
    sim = jn.Simulation(net, seed=seed)
    jax.block_until_ready(sim.connections)
    built = clock.perf_counter()
    sim.run(0.1)
    compiled = clock.perf_counter()
    sim.run(time)
    ended = clock.perf_counter()
    synapses = (n_exc + n_inh) * (c_exc + c_inh)
    tables = [t.key for t in sim.program.plan.tables]
    kept = sum(x.nbytes for k in tables for x in jax.tree.leaves((sim.connections[k], sim.params["tables"][k])))
    return {
        "build_s": built - began,
        "compile_s": compiled - built,
        "sim_s": ended - compiled,
        "rate_hz": len(sim.spikes(recorder)) / (n_exc + n_inh) / (time + 0.1) * 1e3,
        "bytes_per_synapse": kept / synapses,
        "synapses": synapses,
    }


def nest(scale: float, time: float, seed: int, threads: int) -> dict[str, Any]:
    """Build and run in NEST: build_s, sim_s, rate_hz."""
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(rng_seed=seed + 1, local_num_threads=threads)
    n_exc, n_inh, c_exc, c_inh = sizes(scale)
    began = clock.perf_counter()
    cells = nest.Create("iaf_psc_delta", n_exc + n_inh, NEURON)
    noise = nest.Create("poisson_generator", params={"rate": DRIVE})
    nest.Connect(noise, cells, syn_spec={"weight": WEIGHT, "delay": DELAY})
    for source, indegree, weight in ((cells[:n_exc], c_exc, WEIGHT), (cells[n_exc:], c_inh, -G * WEIGHT)):
        nest.Connect(source, cells, {"rule": "fixed_indegree", "indegree": indegree}, {"weight": weight, "delay": DELAY})
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    built = clock.perf_counter()
    nest.Prepare()
    prepared = clock.perf_counter()
    nest.Run(time)
    ended = clock.perf_counter()
    nest.Cleanup()
    return {
        "build_s": prepared - began,
        "prepare_s": prepared - built,
        "sim_s": ended - prepared,
        "rate_hz": len(recorder.events["times"]) / (n_exc + n_inh) / time * 1e3,
    }
