"""What a run recorded, on its way to the recorders: who hears it, when it arrives, in which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._calcium import advance_calcium
from jaxnest.nest._currents import Currents
from jaxnest.nest._generators import precise_spikes
from jaxnest.nest._ports import ports

if TYPE_CHECKING:
    from jaxnest.nest._engine import Engine
    from jaxnest.simulation import Population

Rows = tuple[np.ndarray, dict[str, np.ndarray]]  # steps (n,) of the right edges, and the columns (n,)


class Readout:
    """The recordings of an engine. `waiting` holds events that reach their recorder in the next slice only."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._kernel = engine, engine.kernel
        self.waiting: dict[int, list[Rows]] = {}
        self._stimulators = np.array([p.stimulates for p in engine.pops], bool)
        self._listened = _by_recorder(self._kernel.recorded_nodes("spikes"))
        self._ports: dict[str, np.ndarray] = {}
        self.currents = Currents(engine)

    @property
    def slice_steps(self) -> int:
        """NEST's communication interval: the smallest delay, those to recorders included."""
        return max(round(self._kernel.min_delay / self._kernel.resolution), 1)

    @property
    def horizon(self) -> int:
        """The last step of which events that travel by slices have arrived: those of the last slice wait for the next."""
        return (self._kernel.steps - 1) // self.slice_steps * self.slice_steps

    def _arrived(self, node: int, step: np.ndarray, table: dict[str, np.ndarray]) -> Rows | None:
        """Events of a recorder that have arrived, with those that waited; None if there are none at all."""
        rows = [*self.waiting.pop(node, []), *([(step, table)] if len(step) else [])]
        if not rows:
            return None
        step = np.concatenate([r[0] for r in rows])
        table = {f: np.concatenate([r[1][f] for r in rows]) for f in rows[0][1]}
        ready = step <= self.horizon
        if not ready.all():
            self.waiting[node] = [(step[~ready], {f: v[~ready] for f, v in table.items()})]
        return step[ready], {f: v[ready] for f, v in table.items()}

    # --- spikes ---------------------------------------------------------------------------------------------------

    def give_spikes(self, step: np.ndarray, source: np.ndarray, count: np.ndarray, steps: int) -> None:
        k, engine = self._kernel, self._engine
        count = np.round(count).astype(np.int64)
        if (count != 1).any():
            step, source = np.repeat(step, count), np.repeat(source, count)
        ids, step = engine.sources[source], step.astype(np.int64)
        emitted = ids > 0
        counted = emitted.copy()
        counted[emitted] = ~self._stimulators[engine.pop_of[ids[emitted]]]
        engine.counted = int(counted.sum())
        np.maximum.at(engine.last_spike, ids[counted], step[counted])
        advance_calcium(k, ids[counted], step[counted], steps)
        offset = None
        if engine.precise:
            step, ids, offset = precise_spikes(k, engine.precise, ids, step)
            emitted = ids > 0
        for node, listened in self._listened.items():
            times = np.bincount(listened, minlength=k.size + 1)
            mine = np.flatnonzero(emitted)
            mine = np.repeat(mine, times[ids[mine]])
            direct = [-1 - d for d, (recorder, _) in enumerate(engine.direct) if recorder == node]
            if direct:
                mine = np.concatenate([mine, np.flatnonzero(np.isin(ids, direct))])
            who = ids[mine]
            if direct:
                who = np.where(who < 0, np.array([g for _, g in engine.direct])[np.maximum(-1 - who, 0)], who)
            order = np.lexsort((step[mine], who, (step[mine] - 1) // self.slice_steps))
            fields = {} if offset is None else {"offsets": offset[mine][order]}
            k.recorders[node].add(step[mine][order], who[order], **fields)

    # --- samples --------------------------------------------------------------------------------------------------

    def give_samples(self, samples: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray]]]) -> None:
        """Samples reach a multimeter one slice later."""
        new = self._samples_by_meter(samples)
        columns = {name: self._column(senders) for name, (_, senders, _) in new.items()}
        for node, (setting, targets) in self._engine.sampled.items():
            meter: Population | None = self._engine.samplers.get(setting)
            parts = []
            if meter is not None and meter.name in new:
                steps, _, values = new[meter.name]
                place = columns[meter.name][targets]
                known = (place >= 0) & ~self._engine.frozen[targets]
                parts.append((steps, targets[known], {f: np.asarray(v)[..., place[known]] for f, v in values.items()}))
            current = self.currents.samples(setting, targets[~self._engine.frozen[targets]])
            if current is not None:
                parts.append(current)
            turn = self._column(targets)
            rows = [_flat(*part, turn[part[1]]) for part in parts if len(part[0]) and len(part[1])]
            step = np.concatenate([np.zeros(0, np.int64), *(r[0] for r in rows)])
            table = {f: np.concatenate([r[1][f] for r in rows]) for f in rows[0][1]} if rows else {}
            arrived = self._arrived(node, step, table)
            if arrived is None:
                continue
            step, table = arrived
            order = np.lexsort((step, table.pop("order"), (step - 1) // self.slice_steps))
            self._kernel.recorders[node].add(
                step[order], table.pop("senders")[order], **{f: v[order] for f, v in table.items()}
            )

    def _samples_by_meter(
        self, samples: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray]]]
    ) -> dict[str, tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]:
        """By the core's multimeter: steps (m,), the IDs (n,) of the nodes, the values (m, n)."""
        new: dict[str, tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]] = {}
        for s in self._engine.sim.program.plan.samplings:
            if s.key not in samples:
                continue
            steps, values = samples[s.key]
            senders = self._engine.ids_of(s.senders)
            old = new.get(s.recorder)
            if old is not None:
                senders = np.concatenate([old[1], senders])
                values = {f: np.concatenate([old[2][f], v], axis=-1) for f, v in values.items()}
            new[s.recorder] = steps, senders, dict(values)
        return new

    def _column(self, senders: np.ndarray) -> np.ndarray:
        column = np.full(self._kernel.size + 1, -1)
        column[senders] = np.arange(len(senders))
        return column

    # --- weights --------------------------------------------------------------------------------------------------

    def give_weights(self, trails: Mapping[str, tuple[np.ndarray, ...]]) -> None:
        """Weights are recorded when their event is delivered, a slice after the spike."""
        new: dict[int, list[Rows]] = {}
        for wired in self._engine.wired:
            model = wired.parts[0][0].model
            if model.weight_recorder is None:
                continue
            found = self._events_of(wired, trails)
            if found is None:
                continue
            step, table = found
            for node in model.weight_recorder._ids:
                r = self._kernel.recorders[int(node)]
                keep = np.ones(len(step), bool)
                if r.senders is not None and len(r.senders):
                    keep &= np.isin(table["senders"], r.senders._ids)
                if r.targets is not None and len(r.targets):
                    keep &= np.isin(table["targets"], r.targets._ids)
                new.setdefault(int(node), []).append((step[keep], {f: v[keep] for f, v in table.items()}))
        for node in {*new, *(n for n in self.waiting if self._kernel.recorders[n].kind == "weights")}:
            parts = new.get(node, [])
            step = np.concatenate([np.zeros(0, np.int64), *(p[0] for p in parts)])
            table = {f: np.concatenate([p[1][f] for p in parts]) for f in parts[0][1]} if parts else {}
            arrived = self._arrived(node, step, table)
            if arrived is None:
                continue
            step, table = arrived
            order = np.lexsort((table["ports"], step, table["senders"], (step - 1) // self.slice_steps))
            table = {f: v[order] for f, v in table.items()}
            self._kernel.recorders[node].add(step[order], table.pop("senders"), **table)

    def _events_of(self, wired: Any, trails: Mapping[str, tuple[np.ndarray, ...]]) -> Rows | None:
        program = self._engine.sim.program
        order, rows, offset = program.order_of(wired.name), [], 0
        for key, _, n in program.connection_parts(wired.name):
            if key in trails:
                step, place, weight = trails[key]
                rows.append((step.astype(np.int64) + 1, order[place + offset], weight))
            offset += n
        if not rows:
            return None
        step, drawn, weight = (np.concatenate([r[i] for r in rows]) for i in range(3))
        columns = {
            "senders": [(b.pre, b, p) for b, p in wired.parts],
            "targets": [(b.post, b, p) for b, p in wired.parts],
            "receptors": [(b.receptor, b, p) for b, p in wired.parts],
        }
        table = {
            name: np.concatenate([np.broadcast_to(c, len(b))[p] for c, b, p in parts])[drawn].astype(np.int64)
            for name, parts in columns.items()
        }
        return step, {**table, "weights": weight, "ports": self._ports_of(wired)[drawn]}

    def _ports_of(self, wired: Any) -> np.ndarray:
        """The ports (n,) of the connections of a projection, as `GetConnections` shows them."""
        if wired.name not in self._ports:
            found = ports(self._kernel)
            self._ports[wired.name] = np.concatenate([found[batch.number][places] for batch, places in wired.parts])
        return self._ports[wired.name]


def _by_recorder(batches: Any) -> dict[int, np.ndarray]:
    """The senders (with repeats) that each recorder listens to."""
    alive = [slice(None) if b.alive is None else b.alive for b in batches]
    post = np.concatenate([np.zeros(0, np.int32), *(b.post[a] for b, a in zip(batches, alive, strict=True))])
    pre = np.concatenate([np.zeros(0, np.int32), *(b.pre[a] for b, a in zip(batches, alive, strict=True))])
    order = np.argsort(post, kind="stable")
    nodes, starts = np.unique(post[order], return_index=True)
    if not len(nodes):
        return {}
    return {int(n): senders for n, senders in zip(nodes, np.split(pre[order], starts[1:]), strict=True)}


def _flat(steps: np.ndarray, targets: np.ndarray, values: Mapping[str, np.ndarray], turn: np.ndarray) -> Rows:
    """Samples (m, n) of n nodes, which take their turns in the order of `turn`, in m steps, as m n events."""
    m, n = len(steps), len(targets)
    table = {f: np.ascontiguousarray(v).reshape(m * n) for f, v in values.items()}
    table["senders"] = np.tile(targets.astype(np.int64), m)
    table["order"] = np.tile(turn, m)
    return np.repeat(steps.astype(np.int64), n), table
