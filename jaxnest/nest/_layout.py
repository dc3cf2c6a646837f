"""The ledger as a network of the core: populations by model, projections by synapse model, one recorder for all spikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxnest.connectivity.rules import explicit
from jaxnest.devices._base import Device, Drive, Recorder, Source
from jaxnest.errors import ConfigurationError
from jaxnest.nest._clock import Clock
from jaxnest.nest._columns import PLAIN_FROM, by_sizes, joined, params_of
from jaxnest.nest._coupled import ahead, delays_ahead, rate_connection_ahead, unset
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._ledger import Batch, Block
from jaxnest.nest._models import SynapseModel
from jaxnest.neurons._base import Neuron, Routing
from jaxnest.simulation import Network, Nodes, Population
from jaxnest.synapses._base import Coupling

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel

#: static connections of one weight and delay are compiled by themselves from this number on
_LARGE = 1 << 14


@dataclass(eq=False)
class Pop:
    """A population of the core and the IDs (n,) of its nodes."""

    core: Population
    ids: np.ndarray

    @property
    def stimulates(self) -> bool:
        """Whether it is of generators that are no nodes of their own in the program, unlike a step_rate_generator."""
        return issubclass(self.core.model, Device) and not issubclass(self.core.model, Neuron)


@dataclass(eq=False)
class Wired:
    """A projection of the core, and which connections it has: batches, and in each the places of those alive."""

    name: str
    parts: list[tuple[Batch, np.ndarray]]

    @property
    def n(self) -> int:
        return sum(len(places) for _, places in self.parts)


class Layout:
    """A network of the core, `net`, with the nodes and connections that the ledger has now, and where each of them went:
    `pops` and, by ID, `pop_of` and `place_of`; `wired` and, by number of a batch, `find`."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._signs: list[tuple[str, Any]] = []
        self.precise: list[int] = []  # generators whose spikes lie between the points of the grid
        with jax.enable_x64(True):
            given = kernel.settings.values
            self.net = Network(kernel.resolution, seed=int(given["rng_seed"]), tics_per_ms=given["tics_per_ms"])
            self._populations()
            self._projections()
            self._recorders()

    def _populations(self) -> None:
        """One population for each model and each set of sizes of its lists; generators only if they are connected."""
        k = self.kernel
        self.frozen = k.frozen
        used = np.zeros(k.size + 1, bool)
        for b in k.batches:
            used[b.pre if b.alive is None else b.pre[b.alive]] = True
        members: dict[tuple[Any, ...], list[tuple[Block, np.ndarray]]] = {}
        for block in k.blocks:
            core = block.model.core
            places = np.arange(block.n)
            if issubclass(core, Recorder):
                continue
            if issubclass(core, Device) and not issubclass(core, Neuron):
                places = places[used[block.first + places]]
            if issubclass(core, Source):
                self.precise += [block.first + int(p) for p in places if block.value("precise_times", int(p))]
            for key, chosen in by_sizes(block, places):
                members.setdefault((core, *key), []).append((block, chosen))
        self.pops: list[Pop] = []
        self.pop_of = np.full(k.size + 1, -1, np.int32)
        self.place_of = np.full(k.size + 1, -1, np.int32)
        for (core, *_), parts in members.items():
            ids = np.concatenate([block.first + places for block, places in parts])
            try:
                params = params_of(core, parts, Clock.of(k))
                params |= {key: k.settings.values[key] for key in core.of_kernel}
                name = f"{core.name}#{len(self.pops)}"
                pop = self.net.create(core, len(ids), name=name, frozen=self.frozen[ids], **params)
            except ConfigurationError as fault:
                raise NESTErrors.BadProperty(str(fault)) from None
            self.pop_of[ids] = len(self.pops)
            self.place_of[ids] = np.arange(len(ids))
            self.pops.append(Pop(pop, ids))
        self._offset = np.cumsum([0, *(len(p.ids) for p in self.pops)])

    def _projections(self) -> None:
        """Static connections are joined by kind; those of each plastic model make a projection of their own."""
        groups: dict[tuple[Any, ...], list[tuple[Batch, np.ndarray]]] = {}
        inputs, input_of = np.unique([_inputs(p.core) for p in self.pops], return_inverse=True)
        for number, batch in enumerate(self.kernel.batches):
            listened = batch.kind == "spikes" and not batch.model.core.static
            if batch.kind not in ("neurons", "spikes_in", "current_in") and not listened:
                continue
            alive = np.arange(len(batch)) if batch.alive is None else np.flatnonzero(batch.alive)
            if not len(alive):
                continue
            plain = batch.model.core.static and batch.model.weight_recorder is None
            large = plain and len(alive) >= _LARGE and np.ndim(batch.weight) == 0 and np.ndim(batch.delay) == 0
            drives = batch.kind in ("spikes_in", "current_in")
            source = self.pop_of[batch.pre[alive]] if drives else np.zeros(1, np.int32)
            code = source * len(inputs) + input_of[self.pop_of[batch.post[alive]]]
            code = 2 * code + ahead(self.kernel, batch, alive)
            codes = np.flatnonzero(np.bincount(code))
            for each in codes:
                chosen = alive if len(codes) == 1 else alive[code == each]
                name = "static" if plain else batch.model.name
                pre = int(each) // 2 // len(inputs) if drives else -1
                key = (batch.kind, name, pre, inputs[each // 2 % len(inputs)], number if large else -1, bool(each % 2))
                groups.setdefault(key, []).append((batch, chosen))
        self.wired: list[Wired] = []
        self.find: dict[int, list[tuple[int, int, np.ndarray]]] = {}
        for key, parts in groups.items():
            self._project(key, parts)

    def _project(self, key: tuple[Any, ...], parts: list[tuple[Batch, np.ndarray]]) -> None:
        ids = [np.concatenate([side[places] for side, places in zip(sides, (p for _, p in parts), strict=True)])
               for sides in ([b.pre for b, _ in parts], [b.post for b, _ in parts])]  # fmt: skip
        if key[0] == "spikes":  # recorders hear the neurons themselves; something has to be there for the synapses to change
            unheard = self.net.create("volume_transmitter", name=f"unheard#{len(self.wired)}")
            self.pops.append(Pop(unheard, np.zeros(1, np.int64)))
            (pre, places), (post, ends) = self._selection(ids[0]), (Nodes.of(unheard), np.zeros(len(ids[1]), np.int32))
        else:
            (pre, places), (post, ends) = (self._selection(each) for each in ids)
        model = parts[0][0].model
        self._check_flushing(model, ids[0])
        now = self.kernel.models.synapses[model.name].defaults
        columns = {name: joined([(b.column(name), places) for b, places in parts])
                   for name in ("receptor", *model.parameters)}  # fmt: skip
        columns["weight"] = joined([(self._weight(b), places) for b, places in parts])
        columns["delay"] = joined([(b.arrival(self.kernel.resolution), places) for b, places in parts])
        if key[5]:
            columns["delay"] = np.concatenate([delays_ahead(self.kernel, b, places) for b, places in parts])
        receptor = columns.pop("receptor")
        if np.ndim(receptor) and (receptor == receptor[0]).all():
            receptor = int(receptor[0])
        n = len(ids[0])
        if np.ndim(columns["weight"]) == 0 and n < PLAIN_FROM and "weight" not in model.core.common:
            columns["weight"] = np.full(n, columns["weight"])
        extra: dict[str, Any] = {k: now[k] for k in model.core.common if k != "weight"}
        if issubclass(model.core, Coupling):
            ports = any(model.core.signal in pop.model.signal_ports for pop, _ in post)  # type: ignore[attr-defined]
            receptor = receptor if ports else None
            columns = {k: v for k, v in columns.items() if k not in unset(model)}
        if model.core.static:
            columns = {k: columns[k] for k in ("weight", "delay")}
            core: Any = "static_synapse"
            extra = {}
        else:
            core = rate_connection_ahead if key[5] else model.core
        name = f"{key[1]}#{len(self.wired)}"
        self._heed_signs(name, columns)
        self._heed_bounds(name, model, columns)
        recorder = None
        if model.weight_recorder is not None:
            recorder = self.net.create("weight_recorder", name=f"weights#{len(self.wired)}")
        if model.core.reads_modulator:
            node = int(self.kernel.models.synapses[model.name].volume_transmitter._ids[0])
            extra["modulator"] = self.pops[self.pop_of[node]].core[int(self.place_of[node])]
        try:
            self.net.connect(
                pre, post, explicit(places, ends), synapse=core, receptor=receptor, name=name, weight_recorder=recorder,
                **columns, **extra,
            )  # fmt: skip
        except ConfigurationError as fault:
            raise NESTErrors.BadProperty(str(fault)) from None
        start = 0
        for b, places in parts:
            self.find.setdefault(b.number, []).append((len(self.wired), start, places))
            start += len(places)
        self.wired.append(Wired(name, parts))

    def _check_flushing(self, model: SynapseModel, ids: np.ndarray) -> None:
        """**Raises:** `NotImplemented` for synapses of e-prop from relays that send flush events."""
        for block, _, places in self.kernel.blocks_of(ids) if model.core.eager else ():
            relay = issubclass(block.model.core, Neuron) and not block.model.core.may_flush
            if (
                relay
                and "flush_event_send_interval" in block.shared
                and np.isfinite(block.array("flush_event_send_interval", places)).any()
            ):
                name = f"{block.model.name}.flush_event_send_interval"
                raise NESTErrors.NotImplemented(f"{name}: NEST heeds it at {model.name}, jaxnest does not yet")

    def _weight(self, batch: Batch) -> Any:
        shared = "weight" in batch.model.core.common
        return self.kernel.models.synapses[batch.model.name].defaults["weight"] if shared else batch.weight

    def _heed_signs(self, name: str, columns: dict[str, Any]) -> None:
        """Weights whose sign is not that of Wmax: NEST takes them in Connect, the core only when it is compiled."""
        if "Wmax" not in columns:
            return
        weight = columns["weight"]
        wrong = (np.asarray(weight) >= 0) != (np.asarray(columns["Wmax"]) >= 0)
        if wrong.any():
            self._signs.append((name, weight))
            columns["weight"] = np.where(wrong, -np.asarray(weight), weight)
            columns["weight"] = np.where(columns["weight"] == 0, columns["Wmax"], columns["weight"])

    def _heed_bounds(self, name: str, model: SynapseModel, columns: dict[str, Any]) -> None:
        """Weights beyond the bounds that an optimiser keeps: the same."""
        if not model.core.eager:
            return
        now = self.kernel.models.synapses[model.name].defaults
        weight = columns["weight"]
        columns["weight"] = np.clip(weight, now["Wmin"], now["Wmax"])
        if np.any(columns["weight"] != weight):
            self._signs.append((name, weight))

    def _selection(self, ids: np.ndarray) -> tuple[Nodes, np.ndarray]:
        """The populations that nodes lie in, as a selection, and the nodes' positions in it."""
        pops = np.flatnonzero(np.bincount(self.pop_of[ids]))
        sizes = [len(self.pops[p].ids) for p in pops]
        starts = np.zeros(len(self.pops), np.int64)
        starts[pops] = np.cumsum([0, *sizes[:-1]])
        nodes = sum((self.pops[p].core for p in pops[1:]), Nodes.of(self.pops[pops[0]].core))
        return nodes, (starts[self.pop_of[ids]] + self.place_of[ids]).astype(np.int32)

    def _recorders(self) -> None:
        """All spikes of neurons are recorded, and those of generators that a spike_recorder listens to."""
        k = self.kernel
        self._all = None
        emitting = [p for p in self.pops if not issubclass(p.core.model, Drive) and p.core.model.sends]  # type: ignore[attr-defined]
        if emitting:
            self._all = self.net.create("spike_recorder", name="spikes")
            self.net.connect(sum((p.core for p in emitting[1:]), Nodes.of(emitting[0].core)), self._all)
        self.direct: list[tuple[int, int]] = []  # of the drives that are recorded: recorder and generator, by place
        for batch in k.recorded_nodes("spikes"):
            alive = np.arange(len(batch)) if batch.alive is None else np.flatnonzero(batch.alive)
            for i in alive:
                pop = self.pops[self.pop_of[batch.pre[i]]]
                if issubclass(pop.core.model, Drive):
                    one = self.net.create("spike_recorder", name=f"direct#{len(self.direct)}")
                    self.net.connect(pop.core[int(self.place_of[batch.pre[i]])], one)
                    self.direct.append((int(batch.post[i]), int(batch.pre[i])))
        self.samplers: dict[tuple[Any, ...], Population] = {}
        self.sampled: dict[int, tuple[tuple[Any, ...], np.ndarray]] = {}
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
                old = self.sampled.get(int(node), (setting, np.zeros(0, np.int32)))[1]
                self.sampled[int(node)] = setting, np.concatenate([old, targets])
                wanted.setdefault(setting, []).append(targets)
        stimulators = np.array([p.stimulates for p in self.pops], bool)
        for number, (setting, lists) in enumerate(wanted.items()):
            fields, interval, offset = setting
            ids = np.unique(np.concatenate(lists))
            meter = self.net.create(
                "multimeter", name=f"states#{number}", record_from=list(fields), interval=interval, offset=offset
            )
            ids = ids[self.pop_of[ids] >= 0]  # of generators, `Readout` computes the currents
            ids = ids[~stimulators[self.pop_of[ids]]] if len(ids) else ids
            if not len(ids):
                continue
            nodes, _ = self._selection(ids)
            picked = Nodes(tuple((pop, np.sort(self.place_of[ids[self.pop_of[ids] == self._number(pop)]])) for pop, _ in nodes))
            try:
                self.net.connect(meter, picked)
            except ConfigurationError as fault:
                raise NESTErrors.IllegalConnection(str(fault)) from None
            self.samplers[setting] = meter

    def _number(self, pop: Population) -> int:
        return next(i for i, p in enumerate(self.pops) if p.core is pop)


def _inputs(pop: Population) -> str:
    """What connections to nodes of a population have in common: how they are routed, and to how many ports."""
    if not issubclass(pop.model, Neuron):
        return ""
    ports = str(pop.dims.get("ports", "")) if pop.model.routing is Routing.PORTS else ""
    return pop.model.routing.value + ports + ("" if pop.model.sends else "!")
