"""Simulations that are kept on disk while they run, and go on from there: with any number of devices."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxnest._checkpoint import Checkpoints, as_arrays, from_arrays
from jaxnest.errors import ConfigurationError

if TYPE_CHECKING:
    from jaxnest.simulation._run import Simulation

_KEEP = 2


def save(sim: Simulation, checkpoints: Checkpoints) -> None:
    """State, parameters, weights and recordings so far."""
    state, params = sim.whole_state(), sim.whole_params()
    arrays = {**as_arrays("state", state), **as_arrays("parameters", params), **sim.recordings.arrays()}
    checkpoints.save(round(sim.time / sim.network.h), arrays, {"network": _facts(sim)})


def resume(sim: Simulation, folder: str | Path) -> bool:
    """Bring a simulation to where the last checkpoint in `folder` was; false if there is none."""
    if not Path(folder).is_dir():
        return False
    with closing(Checkpoints(folder, _KEEP)) as checkpoints:
        if checkpoints.latest is None:
            return False
        facts, here = checkpoints.facts(), _facts(sim)
        if facts["network"] != here:
            raise ConfigurationError(f"checkpoint: {folder} is of the network {facts['network']}, this one is {here}")
        arrays = checkpoints.arrays()
    state = from_arrays("state", arrays, sim.whole_state())
    params = from_arrays("parameters", arrays, sim.whole_params())
    sim.take_params(params)
    sim.take_state(state)
    sim.recordings.replace(arrays)
    return True


def _facts(sim: Simulation) -> dict[str, Any]:
    net = sim.network
    return {
        "h": net.h,
        "seed": net.seed,
        "nodes": {p.name: [p.model.name, p.n] for p in net.populations},
        "projections": {p.name: [p.model.name, p.rule.name, len(p.pre), len(p.post)] for p in net.projections},
    }


class Saver:
    """Writes checkpoints of a run, every so many steps of it (None: at its end only), and when it was asked to `stop`."""

    def __init__(self, sim: Simulation, checkpoints: Checkpoints, every: int | None, stop: threading.Event) -> None:
        self._sim, self._checkpoints, self._every, self._stop = sim, checkpoints, every, stop
        self._done = 0

    def left(self, steps: int) -> int:
        """How many of so many steps to do before the next checkpoint."""
        return steps if self._every is None else min(steps, self._every - self._done % self._every)

    def advance(self, steps: int, *, last: bool) -> None:
        """So many steps were done.

        **Raises:** `SystemExit` with 143 after a SIGTERM, when the checkpoint is written.
        """
        self._done += steps
        stopping = self._sim.agreed(self._stop.is_set())
        if last or stopping or (self._every is not None and self._done % self._every == 0):
            save(self._sim, self._checkpoints)
        if stopping:
            raise SystemExit(128 + signal.SIGTERM)


@contextmanager
def saving(sim: Simulation, folder: str | Path, every: int | None) -> Iterator[Saver]:
    """A `Saver` to a folder. While it lasts, SIGTERM (with which batch systems announce the end) is only noted; but not in another thread
    than the main one."""
    stop, main = threading.Event(), threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set()) if main else None
    try:
        with closing(Checkpoints(folder, _KEEP)) as checkpoints:
            yield Saver(sim, checkpoints, every, stop)
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)
