"""The ledger compiled to the core: populations by model, projections by synapse model, one recorder for all spikes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxnest.connectivity.rules import explicit
from jaxnest.devices._base import Device, Drive, Recorder, Source
from jaxnest.errors import ConfigurationError, SimulationError
from jaxnest.events import random
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._ledger import Batch, Block
from jaxnest.neurons._base import Neuron
from jaxnest.simulation import Network, Nodes, Population, Simulation

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel

#: properties of more nodes, weights of more connections, than this are one number where they are equal
_PLAIN_FROM = 1 << 17
#: static connections of one weight and delay are compiled by themselves from this number on
_LARGE = 1 << 14


@dataclass(eq=False)
class Pop:
    """A population of the core and the IDs (n,) of its nodes."""

    core: Population
    ids: np.ndarray


@dataclass(eq=False)
class Wired:
    """A projection of the core, and which connections it has: batches, and in each the places of those alive."""

    name: str
    parts: list[tuple[Batch, np.ndarray]]

    @property
    def n(self) -> int:
        return sum(len(places) for _, places in self.parts)


class Engine:
    """A compiled ledger. `stale` when nodes or connections came or went: then the kernel makes a new one."""

    def __init__(self, kernel: Kernel, *, simulate: bool = True) -> None:
        self._kernel = kernel
        self.stale = False
        self.counted = 0
        with jax.enable_x64(True):
            self.net = Network(kernel.resolution, seed=int(kernel.settings.values["rng_seed"]))
            self._populations()
            self._projections()
            self._recorders()
            if not simulate:
                return
            try:
                self.sim = Simulation(self.net, seed=int(kernel.settings.values["rng_seed"]), delivery="events")
            except ConfigurationError as fault:
                raise NESTErrors.BadProperty(str(fault)) from None
        self._sources = self._source_ids()
        self.last_spike = np.full(kernel.size + 1, -1.0)
        self._waiting: dict[int, list[tuple[np.ndarray, dict[str, np.ndarray]]]] = {}

    # --- building -------------------------------------------------------------------------------------------------

    def _populations(self) -> None:
        """One population for each model and each set of sizes of its lists; generators only if they are connected."""
        k = self._kernel
        used = np.zeros(k.size + 1, bool)
        for b in k.batches:
            used[b.pre if b.alive is None else b.pre[b.alive]] = True
        members: dict[tuple[Any, ...], list[tuple[Block, np.ndarray]]] = {}
        for block in k.blocks:
            core = block.model.core
            places = np.arange(block.n)
            if issubclass(core, Recorder):
                continue
            if issubclass(core, Device):
                places = places[used[block.first + places]]
            for key, chosen in _by_sizes(block, places):
                members.setdefault((core, *key), []).append((block, chosen))
        self.pops: list[Pop] = []
        self.pop_of = np.full(k.size + 1, -1, np.int32)
        self.place_of = np.full(k.size + 1, -1, np.int32)
        for (core, *_), parts in members.items():
            ids = np.concatenate([block.first + places for block, places in parts])
            try:
                params = _params(core, parts)
                pop = self.net.create(core, len(ids), name=f"{core.name}#{len(self.pops)}", **params)
            except ConfigurationError as fault:
                raise NESTErrors.BadProperty(str(fault)) from None
            self.pop_of[ids] = len(self.pops)
            self.place_of[ids] = np.arange(len(ids))
            self.pops.append(Pop(pop, ids))
        self._offset = np.cumsum([0, *(len(p.ids) for p in self.pops)])

    def _projections(self) -> None:
        """Static connections are joined by kind; those of each plastic model make a projection of their own."""
        groups: dict[tuple[Any, ...], list[tuple[Batch, np.ndarray]]] = {}
        for number, batch in enumerate(self._kernel.batches):
            if batch.kind not in ("neurons", "spikes_in", "current_in"):
                continue
            alive = np.arange(len(batch)) if batch.alive is None else np.flatnonzero(batch.alive)
            if not len(alive):
                continue
            plain = batch.model.core.static and batch.model.weight_recorder is None
            large = plain and len(alive) >= _LARGE and np.ndim(batch.weight) == 0 and np.ndim(batch.delay) == 0
            source, target = self.pop_of[batch.pre[alive]], self.pop_of[batch.post[alive]]
            drives = batch.kind != "neurons"
            routing = np.array([p.core.model.routing.value if issubclass(p.core.model, Neuron) else "" for p in self.pops])
            rows = [source if drives else np.zeros_like(source), np.unique(routing, return_inverse=True)[1][target]]
            _, which = np.unique(np.stack(rows), axis=1, return_inverse=True)
            for part in range(which.max() + 1):
                chosen = alive[which.ravel() == part]
                pre = int(self.pop_of[batch.pre[chosen[0]]]) if drives else -1
                name = "static" if plain else batch.model.name
                key = (batch.kind, name, pre, routing[self.pop_of[batch.post[chosen[0]]]], number if large else -1)
                groups.setdefault(key, []).append((batch, chosen))
        self.wired: list[Wired] = []
        self.find: dict[int, list[tuple[int, int, np.ndarray]]] = {}
        for key, parts in groups.items():
            self._project(key, parts)

    def _project(self, key: tuple[Any, ...], parts: list[tuple[Batch, np.ndarray]]) -> None:
        ids = [np.concatenate([side[places] for side, places in zip(sides, (p for _, p in parts), strict=True)])
               for sides in ([b.pre for b, _ in parts], [b.post for b, _ in parts])]  # fmt: skip
        nodes, index = zip(*(self._selection(each) for each in ids), strict=True)
        model = parts[0][0].model
        columns = {name: _joined([(b.column(name), places) for b, places in parts], name == "delay")
                   for name in ("weight", "delay", "receptor", *model.parameters)}  # fmt: skip
        receptor = columns.pop("receptor")
        if np.ndim(receptor) and (receptor == receptor[0]).all():
            receptor = int(receptor[0])
        n = len(ids[0])
        if np.ndim(columns["weight"]) == 0 and n < _PLAIN_FROM and "weight" not in model.core.common:
            columns["weight"] = np.full(n, columns["weight"])
        extra: dict[str, Any] = {k: model.defaults[k] for k in model.core.common if k != "weight"}
        if model.core.static:
            columns = {k: columns[k] for k in ("weight", "delay")}
            core: Any = "static_synapse"
            extra = {}
        else:
            core = model.core
        recorder = None
        if model.weight_recorder is not None:
            recorder = self.net.create("weight_recorder", name=f"weights#{len(self.wired)}")
        name = f"{key[1]}#{len(self.wired)}"
        try:
            self.net.connect(
                nodes[0], nodes[1], explicit(*index), synapse=core, receptor=receptor, name=name, weight_recorder=recorder,
                **columns, **extra,
            )  # fmt: skip
        except ConfigurationError as fault:
            raise NESTErrors.BadProperty(str(fault)) from None
        start = 0
        for b, places in parts:
            self.find.setdefault(b.number, []).append((len(self.wired), start, places))
            start += len(places)
        self.wired.append(Wired(name, parts))

    def _selection(self, ids: np.ndarray) -> tuple[Nodes, np.ndarray]:
        """The populations that nodes lie in, as a selection, and the nodes' positions in it."""
        pops = np.unique(self.pop_of[ids])
        sizes = [len(self.pops[p].ids) for p in pops]
        starts = np.zeros(len(self.pops), np.int64)
        starts[pops] = np.cumsum([0, *sizes[:-1]])
        nodes = sum((self.pops[p].core for p in pops[1:]), Nodes.of(self.pops[pops[0]].core))
        return nodes, (starts[self.pop_of[ids]] + self.place_of[ids]).astype(np.int32)

    def _recorders(self) -> None:
        """All spikes of neurons are recorded, and those of generators that a spike_recorder listens to."""
        k = self._kernel
        self._all = None
        emitting = [p for p in self.pops if not issubclass(p.core.model, Drive)]
        if emitting:
            self._all = self.net.create("spike_recorder", name="spikes")
            self.net.connect(sum((p.core for p in emitting[1:]), Nodes.of(emitting[0].core)), self._all)
        self._direct: list[tuple[int, int]] = []  # of the drives that are recorded: recorder and generator, by place
        for batch in k.recorded_nodes("spikes"):
            alive = np.arange(len(batch)) if batch.alive is None else np.flatnonzero(batch.alive)
            for i in alive:
                pop = self.pops[self.pop_of[batch.pre[i]]]
                if issubclass(pop.core.model, Drive):
                    one = self.net.create("spike_recorder", name=f"direct#{len(self._direct)}")
                    self.net.connect(pop.core[int(self.place_of[batch.pre[i]])], one)
                    self._direct.append((int(batch.post[i]), int(batch.pre[i])))
        self.samplers: dict[tuple[Any, ...], tuple[Population, np.ndarray]] = {}
        self._sampled: dict[int, tuple[tuple[Any, ...], np.ndarray]] = {}
        wanted: dict[tuple[Any, ...], list[np.ndarray]] = {}
        for batch in k.recorded_nodes("states"):
            alive = np.ones(len(batch), bool) if batch.alive is None else batch.alive
            for node in np.unique(batch.pre[alive]):
                r = k.recorders[int(node)]
                fields = tuple(r.value("record_from"))
                setting = (fields, r.value("interval"), r.value("offset"))
                targets = batch.post[alive & (batch.pre == node)]
                if not fields:
                    continue
                old = self._sampled.get(int(node), (setting, np.zeros(0, np.int32)))[1]
                self._sampled[int(node)] = setting, np.concatenate([old, targets])
                wanted.setdefault(setting, []).append(targets)
        for number, (setting, lists) in enumerate(wanted.items()):
            fields, interval, offset = setting
            ids = np.unique(np.concatenate(lists))
            meter = self.net.create(
                "multimeter", name=f"states#{number}", record_from=list(fields), interval=interval, offset=offset
            )
            nodes, _ = self._selection(ids)
            picked = Nodes(tuple((pop, np.sort(self.place_of[ids[self.pop_of[ids] == self._number(pop)]])) for pop, _ in nodes))
            try:
                self.net.connect(meter, picked)
            except ConfigurationError as fault:
                raise NESTErrors.IllegalConnection(str(fault)) from None
            self.samplers[setting] = meter, ids

    def _number(self, pop: Population) -> int:
        return next(i for i, p in enumerate(self.pops) if p.core is pop)

    def _source_ids(self) -> np.ndarray:
        """The ID of the node behind each source of the program (n_sources,); of recorded drives minus their place - 1."""
        plan = self.sim.program.plan
        by_first = {p.core.first: p for p in self.pops}
        firsts = np.array(sorted(by_first))
        ids = np.zeros(plan.n_sources, np.int64)
        if len(firsts):
            at = np.searchsorted(firsts, plan.source_ids, side="right") - 1
            for k, first in enumerate(firsts):
                here = at == k
                ids[here] = by_first[int(first)].ids[plan.source_ids[here] - first]
        for d in plan.drives:
            if d.source >= 0:
                number = int(d.key.split("<-")[0].split("#")[1])
                ids[d.source : d.source + d.n] = -1 - number
        return ids

    # --- running --------------------------------------------------------------------------------------------------

    def run(self, steps: int) -> None:
        """Simulate, and give the recorders what they recorded."""
        h = self._kernel.resolution
        try:
            with jax.enable_x64(True):
                self.sim.run(round(steps * h, 9), progress=bool(self._kernel.settings.values["print_time"]))
        except SimulationError as fault:
            raise NESTErrors.NumericalInstability(str(fault)) from None
        self._kernel.steps += steps
        taken = self.sim.take()
        self._give_spikes(*taken.spikes)
        self._give_samples(taken.samples)
        self._give_weights(taken.trails)

    def _give_spikes(self, step: np.ndarray, source: np.ndarray, count: np.ndarray) -> None:
        k = self._kernel
        count = np.round(count).astype(np.int64)
        if (count != 1).any():
            step, source = np.repeat(step, count), np.repeat(source, count)
        ids = self._sources[source]
        step = step.astype(np.int64)
        neurons = ids > 0
        stimulators = np.array([issubclass(p.core.model, Device) for p in self.pops], bool)
        counted = neurons.copy()
        counted[neurons] = ~stimulators[self.pop_of[ids[neurons]]]
        self.counted = int(counted.sum())
        np.maximum.at(self.last_spike, ids[neurons], step[neurons] * k.resolution)
        slices = (step - 1) // self._slice
        for node, r in k.recorders.items():
            if r.kind != "spikes":
                continue
            senders = [b.pre[(b.post == node) & (True if b.alive is None else b.alive)] for b in k.recorded_nodes("spikes")]
            listed = np.concatenate([np.zeros(0, np.int32), *senders])
            if not len(listed):
                continue
            times = np.bincount(listed, minlength=k.size + 1)
            mine = np.flatnonzero(neurons)
            mine = np.repeat(mine, times[ids[mine]])
            direct = [-1 - d for d, (recorder, _) in enumerate(self._direct) if recorder == node]
            if direct:
                mine = np.concatenate([mine, np.flatnonzero(np.isin(ids, direct))])
            who = ids[mine]
            who = np.where(who < 0, np.array([g for _, g in self._direct] or [0])[np.maximum(-1 - who, 0)], who)
            order = np.lexsort((step[mine], who, slices[mine]))
            r.add(step[mine][order], who[order])

    @property
    def _slice(self) -> int:
        return max(round(self._kernel.min_delay / self._kernel.resolution), 1)

    def _give_samples(self, samples: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray]]]) -> None:
        """Samples reach a multimeter one slice later: those of the last slice wait for the next run."""
        k = self._kernel
        plan = self.sim.program.plan
        new: dict[str, tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]] = {}
        for s in plan.samplings:
            if s.key not in samples:
                continue
            steps, values = samples[s.key]
            senders = self._core_ids(s.senders)
            old = new.get(s.recorder)
            if old is not None:
                senders = np.concatenate([old[1], senders])
                values = {f: np.concatenate([old[2][f], v], axis=-1) for f, v in values.items()}
            new[s.recorder] = steps, senders, dict(values)
        length = self._slice
        horizon = (-(-k.steps // length) - 1) * length
        for node, (setting, targets) in self._sampled.items():
            meter, _ = self.samplers[setting]
            rows = self._waiting.pop(node, [])
            if meter.name in new:
                steps, senders, values = new[meter.name]
                column = np.full(k.size + 1, -1)
                column[senders] = np.arange(len(senders))
                picked = column[targets]
                m, n = len(steps), len(targets)
                flat = {f: np.asarray(v)[..., picked].reshape(m * n) for f, v in values.items()}
                flat["senders"] = np.tile(targets.astype(np.int64), m)
                flat["order"] = np.tile(np.arange(n), m)
                rows.append((np.repeat(steps.astype(np.int64), n), flat))
            if not rows:
                continue
            step = np.concatenate([r[0] for r in rows])
            table = {f: np.concatenate([r[1][f] for r in rows]) for f in rows[0][1]}
            ready = step <= horizon
            if not ready.all():
                self._waiting[node] = [(step[~ready], {f: v[~ready] for f, v in table.items()})]
            step, table = step[ready], {f: v[ready] for f, v in table.items()}
            order = np.lexsort((step, table.pop("order"), (step - 1) // length))
            r = k.recorders[node]
            r.add(step[order], table.pop("senders")[order], **{f: v[order] for f, v in table.items()})

    def _core_ids(self, core: np.ndarray) -> np.ndarray:
        """IDs of nodes from the core's identities."""
        out = np.zeros(len(core), np.int64)
        for p in self.pops:
            here = (core >= p.core.first) & (core < p.core.first + p.core.n)
            out[here] = p.ids[core[here] - p.core.first]
        return out

    def _give_weights(self, trails: Mapping[str, tuple[np.ndarray, ...]]) -> None:
        k = self._kernel
        for wired in self.wired:
            model = wired.parts[0][0].model
            if model.weight_recorder is None:
                continue
            order = self.sim.program.order_of(wired.name)
            rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
            offset = 0
            for key, _, n in self.sim.program._connection_parts(wired.name):
                if key in trails:
                    step, place, weight = trails[key]
                    rows.append((step.astype(np.int64) + 1, order[place + offset], weight))
                offset += n
            if not rows:
                continue
            step, drawn, weight = (np.concatenate([r[i] for r in rows]) for i in range(3))
            pre, post, receptor = (
                np.concatenate([np.broadcast_to(c, len(b))[p] for c, b, p in each])
                for each in (
                    [(b.pre, b, p) for b, p in wired.parts],
                    [(b.post, b, p) for b, p in wired.parts],
                    [(b.receptor, b, p) for b, p in wired.parts],
                )
            )
            ports = np.argsort(np.argsort(pre, kind="stable"), kind="stable")
            sort = np.lexsort((drawn, step))
            step, drawn, weight = step[sort], drawn[sort], weight[sort]
            for node in model.weight_recorder._ids:
                r = k.recorders[int(node)]
                keep = np.ones(len(step), bool)
                if r.senders is not None and len(r.senders):
                    keep &= np.isin(pre[drawn], r.senders._ids)
                if r.targets is not None and len(r.targets):
                    keep &= np.isin(post[drawn], r.targets._ids)
                d = drawn[keep]
                r.add(
                    step[keep],
                    pre[d].astype(np.int64),
                    weights=weight[keep],
                    targets=post[d].astype(np.int64),
                    receptors=receptor[d].astype(np.int64),
                    ports=ports[d].astype(np.int64),
                )

    # --- live values ----------------------------------------------------------------------------------------------

    def holds(self, block: Block) -> bool:
        """Whether (some of) the nodes of a block are in the program."""
        return bool((self.pop_of[block.first : block.first + block.n] >= 0).any()) if block.first < len(self.pop_of) else False

    def read(self, block: Block, key: str, places: np.ndarray) -> list[Any] | None:
        """The present values of a state, None for what is no state."""
        if key == "t_spike":
            return [float(np.round(t, 6)) for t in self.last_spike[block.first + places]]
        if key not in block.model.states:
            return None
        ids = block.first + places
        pops = self.pop_of[ids]
        out: list[Any] = [None] * len(ids)
        with jax.enable_x64(True):
            for p in np.unique(pops):
                here = np.flatnonzero(pops == p)
                values = np.asarray(self.sim.program.get(self.sim.state, f"{self.pops[p].core.name}.{key}"))
                for i in here:
                    v = values[..., self.place_of[ids[i]]]
                    out[i] = float(v) if v.ndim == 0 else v
        return out

    def write(self, block: Block, places: np.ndarray, columns: Mapping[str, tuple[Any, bool]]) -> None:
        """Bring parameters and states of nodes into the program."""
        core, ids = block.model.core, block.first + places
        names = [k for k in columns if k in core.parameters or k in block.model.states or k in getattr(core, "options", ())]
        if not names or issubclass(core, Recorder):
            return
        if any(core.parameters[k].dim is not None for k in names if k in core.parameters) and issubclass(core, Neuron):
            self.stale = True  # lists of another length make another program
        with jax.enable_x64(True):
            for p in np.unique(self.pop_of[ids]):
                if p >= 0:
                    self._write(self.pops[p], block, names)

    def _write(self, pop: Pop, block: Block, names: list[str]) -> None:
        core = block.model.core
        parts = [(b, p - b.first) for b, p in self._parts(pop)]
        if issubclass(core, Device):
            wanted = _params(core, parts)
            self.sim.set(pop.core, **{k: wanted[k] for k in names if k in wanted})
            return
        sim, n = self.sim, len(pop.ids)
        for key in names:
            column = np.asarray(sum((b.column(key, places) for b, places in parts), []), float)
            if core.parameters.get(key) is not None and core.parameters[key].dim is not None:
                continue
            path = f"{pop.core.name}.{key}"
            if key in core.states:
                old = np.array(sim.program.get(sim.state, path))
                at = 0
                for b, places in parts:
                    if b is block:
                        old[at : at + len(places)] = column[at : at + len(places)]
                    at += len(places)
                sim.state = sim.program.set(sim.state, {path: old})
            else:
                same = n >= _PLAIN_FROM and (column == column[0]).all()
                sim.params = sim.program.set(sim.params, {path: column[0] if same else column})
        sim.state = jax.tree.map(lambda x: jax.numpy.array(x, copy=True), sim.state)

    def _parts(self, pop: Pop) -> list[tuple[Block, np.ndarray]]:
        found = []
        for block, here, _ in self._kernel.blocks_of(pop.ids):
            found.append((block, pop.ids[here]))
        return found

    def connection_values(self, batch: Batch, key: str, state: Any = None) -> np.ndarray | None:
        """The values (n,) in `state` (the present one) of a property that changes in the run (NaN: connections that are not
        in the program), None for one that does not change."""
        core = batch.model.core
        if core.static or (key not in core.states) or batch.number not in self.find:
            return None
        out = np.full(len(batch), np.nan)
        with jax.enable_x64(True):
            for number, start, places in self.find[batch.number]:
                wired = self.wired[number]
                values = np.empty(wired.n)
                values[self.sim.program.order_of(wired.name)] = np.asarray(
                    self.sim.program.get(self.sim.state if state is None else state, f"{wired.name}.{key}")
                )
                out[places] = values[start : start + len(places)]
        return out

    def write_connections(self, batch: Batch, key: str) -> None:
        """Bring a property of connections into the program."""
        if batch.kind in ("spikes", "states") or batch.number not in self.find:
            return
        if key in ("delay", "receptor"):
            self.stale = True
            return
        core = batch.model.core
        with jax.enable_x64(True):
            for number, _, _ in self.find[batch.number]:
                wired = self.wired[number]
                live = key in core.states and not core.static
                column = _joined([(b.column(key), places) for b, places in wired.parts], False)
                if np.ndim(column):
                    column = np.asarray(column)[self.sim.program.order_of(wired.name)]
                path = f"{wired.name}.{key}"
                if live:
                    self.sim.state = self.sim.program.set(self.sim.state, {path: column})
                else:
                    self.sim.params = self.sim.program.set(self.sim.params, {path: column})
            self.sim.state = jax.tree.map(lambda x: jax.numpy.array(x, copy=True), self.sim.state)

    def reseed(self) -> None:
        key = random.key_from_seed(int(self._kernel.settings.values["rng_seed"]))
        self.sim.state = jax.tree.map(lambda x: x, self.sim.state)
        object.__setattr__(self.sim.state, "key", key)


def _by_sizes(block: Block, places: np.ndarray) -> list[tuple[tuple[Any, ...], np.ndarray]]:
    """Nodes of a block by the lengths of their lists and by what all nodes of a population must share."""
    core = block.model.core
    keys = [k for k, p in core.parameters.items() if p.dim is not None] if issubclass(core, Neuron) else []
    flags = [k for k in ("allow_offgrid_times",) if k in block.shared]
    if not len(places):
        return []
    if not any(k in block.each for k in (*keys, *flags)):
        first = int(places[0])
        key = tuple(len(block.value(k, first)) for k in keys) + tuple(block.value(k, first) for k in flags)
        return [(key, places)]
    found: dict[tuple[Any, ...], list[int]] = {}
    for place in places:
        key = tuple(len(block.value(k, int(place))) for k in keys) + tuple(block.value(k, int(place)) for k in flags)
        found.setdefault(key, []).append(int(place))
    return [(key, np.array(chosen)) for key, chosen in found.items()]


def _params(core: type[Any], parts: list[tuple[Block, np.ndarray]]) -> dict[str, Any]:
    """The parameters, initial states and options of the nodes of `parts`, as the core takes them."""
    n = sum(len(places) for _, places in parts)
    keys = [*core.parameters, *(k for k in core.states if k in parts[0][0].shared), *getattr(core, "options", ())]
    params: dict[str, Any] = {}
    for key in keys:
        column: list[Any] = []
        for block, places in parts:
            column += block.column(key, places)
        if key == "allow_offgrid_times":
            params[key] = column[0]
            continue
        vector = np.ndim(column[0]) > 0
        if vector:
            lengths = {len(v) for v in column}
            if lengths == {0}:
                if key not in getattr(core, "options", ()):
                    continue
            params[key] = [np.asarray(v, float) for v in column] if len(lengths) > 1 or n > 1 else np.asarray(column[0], float)
            if len(lengths) == 1 and n > 1 and key in core.parameters:
                params[key] = np.asarray(column, float)
            continue
        values = np.asarray(column, float)
        if key == "stop":
            values = np.where(values > 1e300, np.inf, values)
        if key == "V_min":
            values = np.where(values < -1e300, -np.inf, values)
        params[key] = float(values[0]) if n >= _PLAIN_FROM and (values == values[0]).all() else values
    return params


def _joined(parts: list[tuple[Any, np.ndarray]], may_be_one: bool) -> Any:
    """Values of connections: one for all if it is one everywhere, else an array."""
    ones = {float(v) for v, _ in parts if np.ndim(v) == 0}
    if len(ones) == 1 and all(np.ndim(v) == 0 for v, _ in parts):
        value = next(iter(ones))
        return int(value) if isinstance(parts[0][0], (int, np.integer)) else value
    return np.concatenate([np.broadcast_to(v, len(p)) if np.ndim(v) == 0 else np.asarray(v)[p] for v, p in parts])


__all__ = ["Engine"]
