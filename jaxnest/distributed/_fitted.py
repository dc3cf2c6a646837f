"""The constants of a machine, fitted to measured runs on several numbers of devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import nnls

from jaxnest.distributed._cost import CONSTANTS, Machine, Size, work
from jaxnest.errors import ConfigurationError

#: what a fit can tell apart; the others stay 0: a slice is counted among its steps, a byte among the rounds
_FREE = ("step", "neuron", "event", "row", "source", "round", "near")
_KEYS = ("devices", "neurons", "synapses", "rate_hz", "h", "min_delay", "time_ms", "sim_s")


@dataclass(frozen=True)
class Measured:
    """A run over `devices`: what it took, `seconds` a slice; `tables`: bytes of a device's connections and row pointers (None: not told)."""

    name: str
    size: Size
    devices: int
    seconds: float
    tables: float | None


@dataclass(frozen=True)
class Fit:
    """`machine` with the fitted constants, and of each run what it `predicted`, seconds a slice."""

    machine: Machine
    runs: tuple[Measured, ...]
    predicted: tuple[float, ...]

    @property
    def residuals(self) -> np.ndarray:
        """Relative: predicted over measured, less 1."""
        return np.array([p / run.seconds - 1.0 for p, run in zip(self.predicted, self.runs, strict=True)])


def read(records: Sequence[Mapping[str, Any]]) -> list[Measured]:
    """The runs among the records that `python -m benchmarks scaling --json FILE` writes.

    **Raises:** `ConfigurationError` if they are not such records.
    """
    runs = []
    for r in records:
        missing = [key for key in _KEYS if not isinstance(r.get(key), int | float)]
        if missing:
            raise ConfigurationError(
                f"a measured run has no number for {', '.join(missing)}; give what benchmarks scaling --json wrote"
            )
        size = Size(
            int(r["neurons"]),
            float(r["synapses"]),
            float(r["rate_hz"]),
            h=float(r["h"]),
            min_delay=float(r["min_delay"]),
            max_delay=float(r.get("max_delay", r["min_delay"])),
            connection=float(r.get("connection", 4.0)),
        )
        if min(r["time_ms"], r["sim_s"]) <= 0:
            raise ConfigurationError(f"a measured run of {r['time_ms']} ms in {r['sim_s']} s: both must be positive")
        seconds = float(r["sim_s"]) / (float(r["time_ms"]) * 1e-3 * size.slices)
        tables = None if r.get("table_mb") is None else float(r["table_mb"]) * 2**20
        runs.append(Measured(str(r.get("benchmark", "run")), size, int(r["devices"]), seconds, tables))
    return runs


def fit(runs: Sequence[Measured], machine: Machine) -> Fit:
    """The constants, none negative, that make the squares of the relative errors least. What they say of runs unlike these rests on the model alone.

    **Raises:** `ConfigurationError` for fewer than two numbers of devices.
    """
    if len({run.devices for run in runs}) < 2:
        raise ConfigurationError("runs with at least two numbers of devices are needed for a fit")
    counts = [work(run.size, machine, run.devices) for run in runs]
    matrix = np.array([[each[name] * CONSTANTS[name][1] for name in _FREE] for each in counts])
    measured = np.array([run.seconds for run in runs])
    values, _ = nnls(matrix / measured[:, None], np.ones(len(runs)))
    found = {name: float(value) * CONSTANTS[name][1] for name, value in zip(_FREE, values, strict=True)}
    seconds = {name: found.get(name, 0.0) for name in CONSTANTS}
    predicted = matrix @ values
    return Fit(replace(machine, seconds=seconds), tuple(runs), tuple(predicted.tolist()))
