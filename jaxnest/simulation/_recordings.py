"""What a run recorded: raw, chunk by chunk, and as users see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jaxnest._declare import nearest
from jaxnest.errors import ConfigurationError, SimulationError
from jaxnest.simulation._advance import Buffers
from jaxnest.simulation._names import Names
from jaxnest.simulation._network import Population, Projection

Columns = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Spikes:
    """Recorded spikes in order of time: `times` (n,) ms, `senders` (n,) positions among the recorded nodes (in the
    order in which they were connected), `ids` (n,) global identities. A multiplicity m stands m times."""

    times: np.ndarray
    senders: np.ndarray
    ids: np.ndarray
    n_nodes: int

    def __len__(self) -> int:
        return len(self.times)

    def by_sender(self) -> list[np.ndarray]:
        """The spike times of each node."""
        order = np.argsort(self.senders, kind="stable")
        return np.split(self.times[order], np.cumsum(np.bincount(self.senders, minlength=self.n_nodes))[:-1])


@dataclass(frozen=True)
class Traces:
    """What a multimeter recorded: `times` (n_samples,) ms; each recordable (n_samples, n_nodes), by name or attribute."""

    times: np.ndarray
    ids: np.ndarray
    values: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_") or name not in self.values:
            raise AttributeError(f"no recordable {name!r}; {nearest(name, list(self.values))}")
        return self.values[name]


@dataclass(frozen=True)
class Weights:
    """What a weight_recorder recorded: for each event its `times` (n,) ms, `connections` (n,) places among the
    projection's connections (`Program.connections_of`), and `weights` (n,)."""

    times: np.ndarray
    connections: np.ndarray
    weights: np.ndarray


class Taken(NamedTuple):
    """Raw recordings: `spikes` (step of the right edge, source, multiplicity), each (n,); `samples` by sampling of the plan:
    steps (rows,) and the values by name (…, rows, n); `trails` by table: (step of emission, place in the table, weight)."""

    spikes: tuple[np.ndarray, ...]
    samples: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray]]]
    trails: Mapping[str, tuple[np.ndarray, ...]]


class Recordings:
    """What the recorders of a network saw and was not yet taken. `names` tells what they are and where its connections lie."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._forget()

    def _forget(self) -> None:
        plan = self._names.plan
        self._spikes: list[Columns] = []
        self._samples: dict[str, list[tuple[np.ndarray, Mapping[str, np.ndarray]]]] = {s.key: [] for s in plan.samplings}
        self._trails: dict[str, list[Columns]] = {t.key: [] for t in plan.tables if t.recorder}

    # --- as the loop writes it ------------------------------------------------------------------------------------

    def add(self, buffers: Buffers) -> None:
        """What the loop wrote to `buffers`."""
        b = buffers.spikes
        if b is not None and int(b.count):
            self.add_spikes(_rows((b.step, b.source, b.multiplicity), int(b.count)))
        for key, sample in buffers.samples.items():
            n = int(sample.count)
            if n:
                steps, *values = _rows((sample.step, *sample.values.values()), n)
                self.add_samples(key, steps, dict(zip(sample.values, values, strict=True)))
        for key, trail in buffers.trails.items():
            n = int(trail.count)
            if n >= trail.step.shape[0]:
                raise SimulationError(
                    f"{key}: more weights in a slice than its weight_recorder has room for, through spikes of high "
                    "multiplicity; record a projection with fewer connections"
                )
            if n:
                self._trails[key].append(_rows((trail.step, trail.connection, trail.weight), n))

    def add_spikes(self, spikes: Columns) -> None:
        """Spikes as in `Taken`."""
        self._spikes.append(spikes)

    def add_samples(self, key: str, steps: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        """Samples of one sampling of the plan, as in `Taken`."""
        self._samples[key].append((steps, values))

    def take(self) -> Taken:
        """What was recorded since the last call; it is forgotten here."""
        taken = self._all()
        self._forget()
        return taken

    def _all(self) -> Taken:
        samples = {
            key: (
                np.concatenate([steps for steps, _ in chunks]),
                {f: np.concatenate([values[f] for _, values in chunks]) for f in chunks[0][1]},
            )
            for key, chunks in self._samples.items()
            if chunks
        }
        return Taken(_joined(self._spikes), samples, {key: _joined(rows) for key, rows in self._trails.items() if rows})

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it, as named arrays."""
        spikes, samples, trails = self._all()
        arrays = {f"spikes {k}": x for k, x in enumerate(spikes)}
        for key, (steps, values) in samples.items():
            arrays |= {f"samples {key}": steps, **{f"samples {key} {f}": v for f, v in values.items()}}
        for key, columns in trails.items():
            arrays |= {f"trails {k} {key}": x for k, x in enumerate(columns)}
        return arrays

    def replace(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Have these `arrays`, and nothing else."""
        self._forget()
        self.add_spikes(tuple(arrays[f"spikes {k}"] for k in range(3)))
        for s in self._names.plan.samplings:
            if f"samples {s.key}" in arrays:
                self.add_samples(s.key, arrays[f"samples {s.key}"], {f: arrays[f"samples {s.key} {f}"] for f in s.fields})
        for key, rows in self._trails.items():
            if f"trails 0 {key}" in arrays:
                rows.append(tuple(arrays[f"trails {k} {key}"] for k in range(3)))

    # --- as users see it ------------------------------------------------------------------------------------------

    def spikes(self, recorder: Population) -> Spikes:
        plan = self._names.plan
        recording = next((r for r in plan.recordings if r.recorder == recorder.name), None)
        if recording is None:
            raise ConfigurationError(f"{recorder!r} is no spike_recorder that is connected")
        step, source, count = _joined(self._spikes)
        position = np.full(plan.n_all, -1, np.int32)
        position[recording.sources] = np.arange(len(recording.sources))
        keep = (position[source] >= 0) & (step > recording.start) & (step <= recording.stop)
        step, source, count = step[keep], source[keep], np.abs(np.round(count[keep])).astype(int)
        if (count != 1).any():
            step, source = np.repeat(step, count), np.repeat(source, count)
        return Spikes(self._time(step), position[source], plan.source_ids[source], len(recording.sources))

    def traces(self, recorder: Population) -> Traces:
        parts = [s for s in self._names.plan.samplings if s.recorder == recorder.name]
        if not parts:
            raise ConfigurationError(f"{recorder!r} is no multimeter that is connected and records something")
        joined: dict[str, list[np.ndarray]] = {f: [] for f in parts[0].fields}
        steps = np.empty(0, np.int32)
        for s in parts:
            chunks = self._samples[s.key]
            steps = np.concatenate([c[0] for c in chunks]) if chunks else steps
            for f in s.fields:
                none = np.empty((0, len(s.index)))
                joined[f].append(np.concatenate([c[1][f] for c in chunks]) if chunks else none)
        values = {f: np.concatenate(v, axis=-1) for f, v in joined.items()}
        return Traces(self._time(steps), np.concatenate([s.senders for s in parts]), values)

    def weights(self, projection: Projection) -> Weights:
        if projection.weight_recorder is None:
            raise ConfigurationError(f"{projection!r} has no weight_recorder; give it one in connect")
        collected, offset = [], 0
        for key, _, n in self._names.connection_parts(projection.name):
            step, connection, weight = _joined(self._trails[key])
            collected.append((step + 1, connection + offset, weight))
            offset += n
        step, connection, weight = (np.concatenate([c[i] for c in collected]) for i in range(3))
        order = np.argsort(step, kind="stable")
        return Weights(self._time(step[order]), connection[order], weight[order])

    def _time(self, steps: np.ndarray) -> np.ndarray:
        return np.round(steps * self._names.h, 6)


def _rows(arrays: Sequence[Any], n: int) -> Columns:
    """Copies of the first `n` rows."""
    return tuple(np.array(np.asarray(x)[:n]) for x in arrays)


def _joined(chunks: Sequence[Columns]) -> Columns:
    """Three columns of all chunks."""
    return tuple(np.concatenate([c[i] for c in chunks]) if chunks else np.empty(0, np.int32) for i in range(3))
