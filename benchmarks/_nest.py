"""Builds and runs a network in NEST, with the clock running."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterable
from typing import Any

from ._memory import peak_mb
from ._request import Request


def measure(request: Request, describe: Callable[[Any], Iterable[Any]], neurons: int, run: bool = True) -> dict[str, Any]:
    """Build the network that `describe` (of the module nest) makes, returning its spike recorders, and run it.

    build_s is the time of creation, connection and preparation, as all of it precedes a first run.
    """
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(rng_seed=request.seed + 1, local_num_threads=request.threads, resolution=0.1)
    began = clock.perf_counter()
    recorders = list(describe(nest))
    nest.Prepare()
    built = clock.perf_counter()
    found: dict[str, Any] = {"build_s": built - began}
    if run:
        nest.Run(request.time)
        found["sim_s"] = clock.perf_counter() - built
    nest.Cleanup()
    found["peak_mb"] = peak_mb()
    if run:
        found["rate_hz"] = sum(r.n_events for r in recorders) / neurons / request.time * 1e3
    return found
