"""Simulations that are kept on disk while they run, and go on from there: with any number of devices."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
    arrays = {**as_arrays("state", state), **as_arrays("parameters", params), **sim.recorded_arrays()}
    checkpoints.save(round(sim.time / sim.network.h), arrays, {"network": _facts(sim)})


def resume(sim: Simulation, folder: str | Path) -> bool:
    """Bring a simulation to where the last checkpoint in `folder` was; false if there is none."""
    if not Path(folder).is_dir():
        return False
    checkpoints = Checkpoints(folder, _KEEP)
    try:
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
        sim.take_recorded(arrays)
        return True
    finally:
        checkpoints.close()


def _facts(sim: Simulation) -> dict[str, Any]:
    net = sim.network
    return {
        "h": net.h,
        "seed": net.seed,
        "nodes": {p.name: [p.model.name, p.n] for p in net.populations},
        "projections": {p.name: [p.model.name, p.rule.name, len(p.pre), len(p.post)] for p in net.projections},
    }


class Saver:
    """Writes checkpoints of a run to `folder`, every so many steps of it (None: at its end only), and when SIGTERM has come."""

    def __init__(self, sim: Simulation, folder: str | Path, every: int | None) -> None:
        self._sim, self._every, self._done = sim, every, 0
        self._checkpoints = Checkpoints(folder, _KEEP)
        self._stop = Stop()

    def left(self, steps: int) -> int:
        """How many of so many steps to do before the next checkpoint."""
        return steps if self._every is None else min(steps, self._every - self._done % self._every)

    def advance(self, steps: int, *, last: bool) -> None:
        """So many steps were done.

        **Raises:** `SystemExit` with 143 after a SIGTERM, when the checkpoint is written.
        """
        self._done += steps
        stopping = self._sim.agreed(self._stop.asked)
        if last or stopping or (self._every is not None and self._done % self._every == 0):
            save(self._sim, self._checkpoints)
        if stopping:
            raise SystemExit(128 + signal.SIGTERM)

    def __enter__(self) -> Saver:
        self._signals = on_sigterm(self._stop)
        self._signals.__enter__()
        return self

    def __exit__(self, *fault: Any) -> None:
        self._signals.__exit__(*fault)
        self._checkpoints.close()


class Stop:
    """Whether SIGTERM has come."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, *_: Any) -> None:
        self.asked = True


@contextmanager
def on_sigterm(stop: Stop) -> Iterator[None]:
    """While this lasts, SIGTERM (with which batch systems announce the end) is only noted. In another thread than the main one, it is not."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
