"""A current-clamp recording as sweeps, spikes and intervals, for `recordings`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .accuracy_data import FOLDER, Missing

FILE = "fsi_current_clamp.npz"
SOURCE = "https://github.com/swharden/pyABF"
LEVEL = -20.0  # mV; a spike is an upward crossing
_NEAR = 5.0  # ms after a spike, within which a change of the current begins no interval
_PAUSE = 2.5  # median intervals of a response; longer ones are pauses


class Recording(NamedTuple):
    """`V_m` (sweeps, samples) mV under `current` (sweeps, samples) pA, `dt` ms a sample."""

    V_m: np.ndarray
    current: np.ndarray
    dt: float

    @property
    def duration(self) -> float:
        """Of a sweep, in ms."""
        return self.V_m.shape[1] * self.dt

    def spikes(self, sweep: int) -> np.ndarray:
        """Times in ms at which V_m crosses `LEVEL` upwards."""
        above = self.V_m[sweep] >= LEVEL
        return (np.flatnonzero(above[1:] & ~above[:-1]) + 1) * self.dt

    def changes(self, sweep: int) -> tuple[np.ndarray, np.ndarray]:
        """Times in ms at which the current changes, 0 first, and the currents from then on in pA."""
        at = np.r_[0, np.flatnonzero(np.diff(self.current[sweep])) + 1]
        return at * self.dt, self.current[sweep, at]

    def before(self, sweep: int, time: float) -> float:
        """The mean potential in the 0.5 ms before `time`, or the first 0.5 ms."""
        end, n = round(time / self.dt), max(1, round(0.5 / self.dt))
        return float(self.V_m[sweep, max(0, end - n) : max(end, n)].mean())


class Intervals(NamedTuple):
    """Stretches of constant current that begin with a spike, or where the current changes, and end likewise; arrays (n,)."""

    sweep: np.ndarray
    begin: np.ndarray  # ms
    length: np.ndarray  # ms
    after_spike: np.ndarray  # whether a spike began it
    reset: np.ndarray  # whether the model begins it at V_reset: after a spike, or where a current ends under which it spiked
    spiked: np.ndarray  # whether a spike ended it
    current: np.ndarray  # pA
    V_m: np.ndarray  # mV, recorded at its begin

    def take(self, chosen: np.ndarray) -> Intervals:
        return Intervals(*(a[chosen] for a in self))


def load(folder: Path) -> Recording:
    """The fast-spiking interneuron. **Raises** `Missing`."""
    if not (folder / FILE).is_file():
        raise Missing(
            f"{FILE} (17 sweeps of pyABF's sample data, {SOURCE}) is not in {folder}; bring it with\n"
            f"    export {FOLDER}=FOLDER_OF_THE_FILE\nor --folder FOLDER_OF_THE_FILE. Arrays: V_m (sweeps, samples) mV, "
            "I_stim likewise in pA, dt in ms"
        )
    with np.load(folder / FILE) as f:
        return Recording(f["V_m"].astype(float), f["I_stim"].astype(float), float(f["dt"]))


def halves(n: int) -> tuple[list[int], list[int]]:
    """Sweeps to train on and sweeps held out: every second one, the outermost for training."""
    return list(range(0, n, 2)), list(range(1, n, 2))


def intervals(recording: Recording, sweeps: Iterable[int]) -> Intervals:
    """All intervals that a model of one adaptation current can be asked for.

    Left out are intervals without current that a spike ends (spontaneous spikes, of irregular times; silence is asked for), and those with a current
    that begin less than 5 ms after a spike. The spikes between the onset of a current and the last pause in the response (an interval above 2.5 medians) are taken as
    absent: the interval lasts from the onset to the spike after the pause.
    """
    rows: list[tuple[Any, ...]] = []
    for sweep in sweeps:
        spikes, (changes, _) = recording.spikes(sweep), recording.changes(sweep)
        edges = np.r_[changes, recording.duration]
        for begin, end in pairwise(edges):
            rows += _response(recording, sweep, begin, end, spikes)
    return Intervals(*(np.array(column) for column in zip(*rows)))


def _response(recording: Recording, sweep: int, begin: float, end: float, spikes: np.ndarray) -> list[tuple[Any, ...]]:
    """The intervals between two changes of the current."""
    current = float(recording.current[sweep, round(begin / recording.dt)])
    own = spikes[(spikes >= begin) & (spikes < end)]
    between = np.diff(own)
    if current > 0 and begin > 0 and len(between) > 3:
        pauses = np.flatnonzero(between > _PAUSE * np.median(between))
        own = own[pauses[-1] + 1 :] if len(pauses) else own
    previous = float(recording.current[sweep, max(0, round(begin / recording.dt) - 1)])
    edges = np.r_[begin, own, end]
    rows = []
    for k, (a, b) in enumerate(pairwise(edges)):
        close = k == 0 and a > 0 and current != 0 and np.any((a - spikes >= 0) & (a - spikes < _NEAR))
        reset = k > 0 or (current == 0 and previous > 0)
        spontaneous = current == 0 and k < len(own)
        if b > a and not close and not spontaneous:
            rows.append((sweep, a, b - a, k > 0, reset, k < len(own), current, recording.before(sweep, a)))
    return rows


def without_spikes(recording: Recording, sweep: int, bin_ms: float = 1.0) -> np.ndarray:
    """V_m in means over bins, spikes cut out from 0.3 ms before the crossing to 1.5 ms after it: what drives adaptation below threshold."""
    V = recording.V_m[sweep].copy()
    before, after = round(0.3 / recording.dt), round(1.5 / recording.dt)
    for spike in recording.spikes(sweep):
        k = round(spike / recording.dt)
        a, b = max(0, k - before), min(len(V) - 1, k + after)
        V[a : b + 1] = np.linspace(V[a], V[b], b - a + 1)
    return V.reshape(-1, round(bin_ms / recording.dt)).mean(1)
