"""Builds and runs a network in jaxnest, with the clock running."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from typing import Any

from ._memory import peak_mb, resident_mb
from ._request import Request


def measure(
    request: Request, describe: Callable[[Any], tuple[Any, Any]], synapses: int | None = None, run: bool = True
) -> tuple[dict[str, Any], Any, Any]:
    """Build the network that `describe` (of the module jaxnest) returns with its recorder, and run it.

    build_s ends when everything is there that a first run needs but the compiled program; compile_s is the time of
    a first run of one step.

    **Returns:** what was measured, the simulation, the recorder.
    """
    import jax

    import jaxnest as jn

    jax.devices()  # starts XLA
    before = resident_mb()
    began = clock.perf_counter()
    net, recorder = describe(jn)
    sim = jn.Simulation(net, seed=request.seed, **request.options)
    jax.block_until_ready((sim.connections, sim.params, sim.state))
    built = clock.perf_counter()
    found: dict[str, Any] = {"build_s": built - began}
    kept = kept_bytes(sim)
    if synapses:
        found["synapses"] = synapses
        found["bytes_per_synapse"] = kept / synapses
        found["peak_over_final"] = (peak_mb() - before) * 2**20 / kept
    if run:
        sim.run(net.h)
        compiled = clock.perf_counter()
        sim.run(request.time)
        found |= {"compile_s": compiled - built, "sim_s": clock.perf_counter() - compiled}
    found["peak_mb"] = peak_mb()
    return found, sim, recorder


def kept_bytes(sim: Any) -> int:
    """Bytes of all arrays of connections, their parameters and their states."""
    import jax

    leaves = jax.tree.leaves((sim.connections, sim.params["tables"], sim.state.tables))
    return sum(x.nbytes for x in {id(x): x for x in leaves}.values())


def spiking(sim: Any, recorder: Any, sizes: Sequence[int], outgoing: Sequence[float]) -> dict[str, Any]:
    """rate_hz, over all neurons and the whole run, and events: spikes times connections.

    **Arguments:** `sizes` of the populations in the order in which they were recorded; `outgoing`: all connections
    that leave each of them.
    """
    import numpy as np

    owner = np.repeat(np.arange(len(sizes)), sizes)
    counts = np.bincount(owner[sim.spikes(recorder).senders], minlength=len(sizes))
    return {
        "rate_hz": float(counts.sum() / sum(sizes) / sim.time * 1e3),
        "events": float((counts * np.asarray(outgoing) / np.asarray(sizes)).sum()),
    }
