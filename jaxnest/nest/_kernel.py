"""The one object with state: the ledger of nodes and connections, the models, the settings, the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest import _help
from jaxnest.nest._calcium import check_calcium
from jaxnest.nest._clock import Clock
from jaxnest.nest._device_rules import check_windows
from jaxnest.nest._errors import NESTErrors, unknown_model, unread_keys
from jaxnest.nest._forced import check_forced, heed
from jaxnest.nest._generators import settle
from jaxnest.nest._ledger import Batch, Block, cast, check_elements, check_key, check_values
from jaxnest.nest._models import NODE_KEYS, NodeModel, Registry, SynapseModel
from jaxnest.nest._parameters import Context, Parameter
from jaxnest.nest._recorders import BACKEND_KEYS, Recorder
from jaxnest.nest._settings import Settings
from jaxnest.synapses._base import Coupling

if TYPE_CHECKING:
    from jaxnest.nest._engine import Engine
    from jaxnest.nest._layers import Layer


class Kernel:
    """Everything that NEST's kernel knows. `reset` is NEST's ResetKernel."""

    def __init__(self) -> None:
        self.verbosity: _help.VerbosityLevel = _help.VerbosityLevel.INFO
        self.settings = Settings(self)
        self.reset()

    def reset(self) -> None:
        self.models = Registry.fresh()
        self.settings.reset()
        self.blocks: list[Block] = []
        self.batches: list[Batch] = []
        self.layers: list[tuple[Block, Layer]] = []
        self.recorders: dict[int, Recorder] = {}
        self.engine: Engine | None = None
        self.prepared = False
        self.simulated = False
        self.steps = 0
        self.changes = 0  # of the connections: what SynapseCollections compare themselves with
        self.delays_used: tuple[float, float] | None = None
        self.froze = False  # whether a node was ever frozen: what reached it may still wait
        self.ports: tuple[int, list[np.ndarray]] | None = None  # of all connections, and the number of changes then
        self.reseed()

    def reseed(self) -> None:
        self.rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.settings.values["rng_seed"], 0])))

    @property
    def resolution(self) -> float:
        return float(self.settings.values["resolution"])

    @property
    def time(self) -> float:
        """The time simulated so far, ms."""
        return float(Clock.of(self).ms(self.steps))

    @property
    def size(self) -> int:
        """The number of nodes."""
        return self.blocks[-1].first + self.blocks[-1].n - 1 if self.blocks else 0

    def structure_changed(self) -> None:
        """What was compiled no longer fits: the next simulation compiles anew, and goes on from the same state."""
        if self.engine is not None:
            self.engine.stale = True

    # --- nodes ----------------------------------------------------------------------------------------------------

    def node_model(self, name: str) -> NodeModel:
        if not isinstance(name, str):
            raise TypeError("model must be a string")
        if name not in self.models.nodes:
            raise unknown_model(name, "node")
        return self.models.nodes[name]

    def create(self, name: str, n: int) -> Block:
        model = self.node_model(name)
        block = Block(model, self.size + 1, n, dict(model.defaults))
        self.blocks.append(block)
        if model.element_type == "recorder":
            settings = {k: block.shared.pop(k) for k in BACKEND_KEYS if k in block.shared}
            for node in range(block.first, block.first + n):
                self.recorders[node] = Recorder(self, node, block, settings)
        self.structure_changed()
        return block

    def uncreate(self, block: Block) -> None:
        """Take back the last `create`, whose parameters were wrong."""
        self.blocks.remove(block)
        for node in range(block.first, block.first + block.n):
            self.recorders.pop(node, None)

    def blocks_of(self, ids: np.ndarray) -> list[tuple[Block, np.ndarray, np.ndarray]]:
        """The blocks of nodes: for each block, the positions among `ids`, and the places in the block."""
        firsts = np.array([b.first for b in self.blocks])
        which = np.searchsorted(firsts, ids, side="right") - 1
        found = []
        for k in np.unique(which):
            here = np.flatnonzero(which == k)
            found.append((self.blocks[k], here, np.asarray(ids)[here] - self.blocks[k].first))
        return found

    def block_of(self, node: int) -> Block:
        return self.blocks_of(np.array([node]))[0][0]

    def threads_of(self, ids: np.ndarray) -> np.ndarray:
        """The thread (n,) that NEST would have each node on: neurons take turns, devices are counted to the first."""
        threads = np.array(ids) % self.settings.values["total_num_virtual_procs"]
        for block, here, _ in self.blocks_of(ids):
            if block.model.element_type != "neuron":
                threads[here] = 0
        return threads

    def _thread_places(self, ids: np.ndarray) -> list[int]:
        """The number of each node among those on its thread, where NEST has a copy of each device on each thread; -1 before
        there are connections or a simulation."""
        if not (self.simulated or self.batches):
            return [-1] * len(ids)
        step, threads = self.settings.values["total_num_virtual_procs"], self.threads_of(ids)
        before = np.zeros(len(ids), np.int64)
        for b in self.blocks:
            end = np.clip(ids, b.first, b.first + b.n)
            if b.model.element_type == "neuron":
                before += (end - threads + step - 1) // step - (b.first - threads + step - 1) // step
            else:
                before += end - b.first
        return [int(i) for i in before]

    def keys_of(self, block: Block) -> list[str]:
        """The properties that `get` shows of the nodes of a block."""
        keys = {*NODE_KEYS, *block.shared}
        if block.model.element_type == "recorder":
            keys |= {"events", "n_events"} if self.recorders[block.first].value("record_to") == "memory" else {"n_events"}
            keys |= self.recorders[block.first].status_keys()
        if block.model.logs:
            keys.add("recordables")
        if "n_synapses" not in keys and any(p.dim == "ports" for p in block.model.core.parameters.values()):
            keys |= {"n_synapses", "has_connections"}
        return sorted(keys)

    def node_values(self, key: str, block: Block, places: np.ndarray) -> list[Any]:
        """A property of nodes of one block. **Raises:** Python's `KeyError`."""
        ids = block.first + places
        if key == "global_id":
            return [int(i) for i in ids]
        if key == "vp" or key == "thread":
            return [int(t) for t in self.threads_of(ids)]
        if key == "thread_local_id":
            return self._thread_places(ids)
        fixed = {
            "model": block.model.name,
            "model_id": block.model.model_id,
            "element_type": block.model.element_type,
            "local": True,
            "node_uses_wfr": block.model.relaxed and self.settings.values["use_wfr"],
        }
        if key in fixed:
            return [fixed[key]] * len(ids)
        if key == "recordables" and block.model.logs:
            return [block.model.recordables({k: block.value(k, int(p)) for k in block.shared}) for p in places]
        if key == "n_synapses" and "tau_syn" in block.shared:
            return [len(block.value("tau_syn", int(p))) for p in places]
        if key == "has_connections" and "tau_syn" in block.shared:
            return [any((b.post == i).any() for b in self.batches) for i in ids]
        if block.model.element_type == "recorder":
            mine = [self.recorders[int(i)].status(key) for i in ids]
            if mine[0] is not NotImplemented:
                return mine
        if key not in block.shared:
            raise KeyError(key)
        if self.engine is not None and self.engine.holds(block):
            live = self.engine.read(block, key, places)
            if live is not None:
                return live
        return block.column(key, places)

    def set_nodes(self, ids: np.ndarray, params: Mapping[str, Any], each: frozenset[str] = frozenset()) -> None:
        """Set properties of nodes. Those in `each` have one value a node, the others one for all.

        All is checked first: a call that raises changes nothing.
        """
        ids = np.asarray(ids)
        parts = self.blocks_of(ids)
        for block, _, _ in parts:
            heed(self, block.model.name, params)
        prepared = [self._prepared(block, here, places, params, each) for block, here, places in parts]
        for (block, _, places), columns in zip(parts, prepared, strict=True):
            for key, (values, several) in sorted(columns.items(), key=lambda item: item[0] != "record_to"):
                if block.model.element_type == "recorder" and self._set_recorders(block, places, key, values, several):
                    continue
                block.assign(key, places, values, several)
            self.froze |= "frozen" in columns and bool(self.frozen.any())
            if self.engine is not None and self.engine.holds(block):
                self.engine.write(block, places, columns)

    def _prepared(
        self, block: Block, here: np.ndarray, places: np.ndarray, params: Mapping[str, Any], each: frozenset[str]
    ) -> dict[str, tuple[Any, bool]]:
        """The new values by key, checked: (value, False) for all, or (values, True)."""
        model, first_id = block.model, int(block.first + places[0])
        special = {"events", "n_events"} if model.element_type == "recorder" else set()
        known = (
            block.keys() | special | (self.recorders[block.first].status_keys(params.get("record_to")) if special else set())
        )
        check_elements(model, params)
        unknown = [k for k in params if k not in known and k not in NODE_KEYS]
        if unknown and self.settings.values["dict_miss_is_error"]:
            raise unread_keys("params", "NodeManager::set_status", unknown)
        columns: dict[str, tuple[Any, bool]] = {}
        for key, value in params.items():
            if key in unknown:
                continue
            if isinstance(value, Parameter):
                drawn = value.draw(self._context(block, places))
                if value.returns_int_only():
                    drawn = np.round(drawn).astype(np.int64)
                like = model.defaults.get(key)
                if isinstance(like, int) and not isinstance(like, bool):
                    columns[key] = [int(v) for v in drawn], True
                else:
                    columns[key] = [cast(model, key, float(v)) for v in drawn], True
            elif key in each:
                chosen = [value[i] for i in here]
                for v in chosen:
                    check_key(model, key, v)
                columns[key] = [v if key in special else cast(model, key, v) for v in chosen], True
            else:
                check_key(model, key, value)
                columns[key] = (value if key in special or key not in model.defaults else cast(model, key, value)), False
        check_windows(block, places, columns, Clock.of(self))
        owner = f"Setting status of a '{model.name}' with node ID {first_id}"
        given = {key: values for key, (values, _) in columns.items()}
        check_calcium(owner, given)
        check_forced(owner, given)
        columns = settle(self, block, places, columns)
        touched = set(columns) & (set(model.core.parameters) | model.states)
        if touched:
            numbers = {}
            for k in (*model.core.parameters, *model.states):
                if k in model.core.of_kernel:
                    numbers[k] = [self.settings.values[k]] * len(places)
                elif k in columns:
                    values, several = columns[k]
                    numbers[k] = values if several else [values] * len(places)
                else:
                    numbers[k] = self.node_values(k, block, places)
            check_values(model, numbers, len(places), first_id)
        return columns

    def _context(self, block: Block, places: np.ndarray) -> Context:
        positions = next((layer.positions[places] for b, layer in self.layers if b is block), None)
        return Context(n=len(places), rng=self.rng, positions=positions)

    def _set_recorders(self, block: Block, places: np.ndarray, key: str, values: Any, several: bool) -> bool:
        nodes = [self.recorders[int(block.first + p)] for p in places]
        taken = [r.set(key, values[k] if several else values) for k, r in enumerate(nodes)]
        return all(taken)

    @property
    def frozen(self) -> np.ndarray:
        """Whether each node is frozen, (size + 1,), by ID."""
        columns = [b.each.get("frozen") or np.full(b.n, b.shared["frozen"]) for b in self.blocks]
        return np.concatenate([[False], *columns])

    # --- connections ----------------------------------------------------------------------------------------------

    def synapse_model(self, name: str) -> SynapseModel:
        if name not in self.models.synapses:
            raise unknown_model(str(name), "synapse")
        return self.models.synapses[name]

    @property
    def n_connections(self) -> int:
        return sum(b.count for b in self.batches)

    def add_batch(self, batch: Batch) -> None:
        if not len(batch):
            return
        batch.number = len(self.batches)
        self.batches.append(batch)
        self.changes += 1
        if issubclass(batch.model.core, Coupling) and not batch.model.core.delayed:
            delays = np.atleast_1d(self.settings.values["wfr_comm_interval"])
        else:
            delays = np.atleast_1d(batch.arrival(self.resolution))
        self.note_delays(float(delays.min()), float(delays.max()))
        if batch.kind == "states":
            for node in np.unique(batch.pre):
                self.recorders[int(node)].connected = True
        self.structure_changed()

    def check_delays(self, low: float, high: float) -> None:
        """**Raises:** `BadDelay`."""
        text = "Delay value {:g} is invalid: Delay must be {}"
        if low < self.resolution - 1e-9:
            raise NESTErrors.BadDelay(text.format(low, "greater than or equal to resolution"))
        fixed = self.simulated and self.delays_used is not None
        if not fixed and self.settings.user_delays is None:
            return
        why = " You may set min_delay before creating connections."
        if fixed:
            why = " Minimum and maximum delay cannot be changed after Simulate has been called."
        if low < self.min_delay - 1e-9:
            raise NESTErrors.BadDelay(text.format(low, "greater than or equal to min_delay.") + why)
        if high > self.max_delay + 1e-9:
            raise NESTErrors.BadDelay(text.format(high, "smaller than or equal to max_delay.") + why)

    def note_delays(self, low: float, high: float) -> None:
        if self.delays_used is None:
            self.delays_used = low, high
        else:
            self.delays_used = min(low, self.delays_used[0]), max(high, self.delays_used[1])

    @property
    def min_delay(self) -> float:
        if self.settings.user_delays is not None:
            return self.settings.user_delays[0]
        return self.resolution if self.delays_used is None else self.delays_used[0]

    @property
    def max_delay(self) -> float:
        if self.settings.user_delays is not None:
            return self.settings.user_delays[1]
        return self.resolution if self.delays_used is None else self.delays_used[1]

    def recorded_nodes(self, kind: str) -> Sequence[Batch]:
        """The batches of connections of recorders of a kind."""
        return [b for b in self.batches if b.kind == kind]


kernel = Kernel()
