"""The ledger of nodes and connections: plain arrays, which the engine compiles to the core's network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxnest._declare import check_together, checked
from jaxnest._values import Values
from jaxnest.errors import ConfigurationError
from jaxnest.nest._errors import NESTErrors, type_mismatch
from jaxnest.nest._models import NODE_KEYS, NOT_YET, READ_ONLY, NodeModel, SynapseModel
from jaxnest.neurons._base import Neuron


@dataclass(eq=False)
class Block:
    """The nodes of one `Create`: `n` of one model, from the ID `first` on. A property has one value for all of them
    (`shared`) or one for each (`each`, arrays or lists of length n, which come first)."""

    model: NodeModel
    first: int
    n: int
    shared: dict[str, Any]
    each: dict[str, Any] = field(default_factory=dict)
    synapse: np.ndarray | None = None  # (n,) of generators: the number of the synapse model that each sends by, -1 for none yet

    def keys(self) -> frozenset[str]:
        return frozenset(self.shared)

    def value(self, key: str, place: int) -> Any:
        return self.each[key][place] if key in self.each else self.shared[key]

    def column(self, key: str, places: np.ndarray) -> list[Any]:
        """The values of the nodes at `places`."""
        if key in self.each:
            values = self.each[key]
            return values[places].tolist() if isinstance(values, np.ndarray) else [values[i] for i in places]
        return [self.shared[key]] * len(places)

    def array(self, key: str, places: np.ndarray) -> np.ndarray:
        """The values (n,) of the nodes at `places`, of a property that is a number."""
        return np.asarray(self.each[key], float)[places] if key in self.each else np.full(len(places), float(self.shared[key]))

    def assign(self, key: str, places: np.ndarray, values: Any, several: bool) -> None:
        """Set the property of the nodes at `places`: to one value, or (`several`) to one each."""
        if len(places) == self.n and not several:
            self.each.pop(key, None)
            self.shared[key] = values
            return
        if key not in self.each:
            old = self.shared[key]
            plain = isinstance(old, (float, int)) and not isinstance(old, bool)
            self.each[key] = np.full(self.n, old, type(old)) if plain else [old] * self.n
        column = self.each[key]
        for k, place in enumerate(places):
            column[place] = values[k] if several else values


def in_range(value: Any) -> None:
    """**Raises:** Python's `OverflowError` for an integer that does not fit 64 bits."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise OverflowError(f"Integer {value} out of range for C++ long [{-(2**63)}, {2**63 - 1}]")


def cast(model: NodeModel, key: str, value: Any) -> Any:
    """`value` of a property as NEST stores it. **Raises:** `TypeMismatch`; `OverflowError`."""
    in_range(value)
    like = model.defaults[key]
    if isinstance(like, bool):
        if not isinstance(value, (bool, np.bool_)):
            raise type_mismatch(key, value, "bool")
        return bool(value)
    if isinstance(like, float):
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise type_mismatch(key, value, "double")
        return float(value)
    if isinstance(like, int):
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
            raise type_mismatch(key, value, "long")
        return int(value)
    if isinstance(like, str):
        if not isinstance(value, str):
            raise type_mismatch(key, value, "std::string")
        return value
    if isinstance(like, np.ndarray):
        try:
            array = np.asarray(value, float if like.dtype.kind == "f" else np.int64)
        except (TypeError, ValueError):
            raise type_mismatch(key, value, "std::vector<double>") from None
        if array.ndim != 1:
            raise type_mismatch(key, value, "std::vector<double>")
        return array
    if isinstance(like, list):
        if isinstance(value, str) or not all(isinstance(v, str) for v in value):
            raise type_mismatch(key, value, "std::vector<std::string>")
        return list(value)
    return value


def check_key(model: NodeModel, key: str, value: Any) -> None:
    """**Raises:** an error for a property that cannot be set (unless it is set to what it is)."""
    if key in READ_ONLY:
        raise NESTErrors.UnaccessedDictionaryEntry(
            f"Unaccessed elements in params, in function NodeManager::set_status:  {key}"
        )
    if key == "frozen" and value and issubclass(model.core, Neuron) and not model.core.sends:
        raise NESTErrors.NotImplemented(f"{model.name}: NEST can freeze it, jaxnest does not yet")
    if key == "frozen" and value and model.records == "states":
        raise NESTErrors.BadProperty(f"Setting status of a '{model.name}': {model.core.name} cannot be frozen.")
    if model.core.teaches and key.startswith("ignore_and_spike") and value != model.defaults[key]:
        raise NESTErrors.NotImplemented(f"{model.name}: NEST can change {key}, jaxnest does not yet")
    if key in NOT_YET and value != {**NODE_KEYS, **model.defaults}[key]:
        raise NESTErrors.NotImplemented(f"{model.name}: NEST can change {key}, jaxnest does not yet")


def check_elements(model: NodeModel, params: Mapping[str, Any]) -> None:
    """**Raises:** `NotImplemented` for changes of synaptic elements that are there in NEST."""
    if params.get("synaptic_elements_param") and "synaptic_elements" in model.defaults:
        raise NESTErrors.NotImplemented(f"{model.name}: NEST can change synaptic_elements_param, jaxnest does not yet")


def check_values(model: NodeModel, columns: Mapping[str, Sequence[Any]], n: int, first_id: int) -> None:
    """Check properties of `n` nodes against what the core's model says: `columns` has all its parameters.

    **Raises:** `BadProperty`.
    """
    core = model.core
    owner = f"Setting status of a '{model.name}' with node ID {first_id}"
    try:
        values = {}
        for key, p in core.parameters.items():
            column = p.chosen(list(columns[key])) if p.choices else columns[key]
            if p.dim is None:
                values[key] = checked(f"{owner}: {key}", p, np.asarray(column, float), n, None)
            elif len({len(v) for v in column}) == 1:
                values[key] = checked(f"{owner}: {key}", p, np.asarray(column, float), n, len(column[0]))
        for key in model.states:
            fault = core.states[key].fault(np.asarray(list(columns[key]), float))
            if fault:
                raise ConfigurationError(f"{owner}: {key} {fault}")
        if len(values) == len(core.parameters):
            check_together(core, owner, values)
    except ConfigurationError as fault:
        raise NESTErrors.BadProperty(str(fault)) from None


def rounded_up(delay: Any, h: float) -> Any:
    """Delays on the next point of the grid of `h`."""
    out = np.round(np.ceil(np.asarray(delay, float) / h - 1e-9) * h, 12)
    return float(out) if out.ndim == 0 else out


@dataclass(eq=False)
class Batch:
    """The connections of one `Connect`, in the order in which they were made.

    `pre`, `post` (n,) int32 are node IDs; `weight`, `delay` (ms), `receptor`, `label` and the further `values` of the model
    are one for all or arrays (n,). `alive` (n,) is None while none was deleted; `number` is its place in the ledger.
    """

    model: SynapseModel
    pre: np.ndarray
    post: np.ndarray
    weight: Any
    delay: Any
    receptor: Any
    label: Any
    values: dict[str, Any]
    kind: str
    alive: np.ndarray | None = None
    number: int = -1

    def __len__(self) -> int:
        return len(self.pre)

    def arrival(self, h: float) -> Any:
        """The delays after which events count: those of some synapses lie between the points of the grid."""
        return rounded_up(self.delay, h) if self.model.core.delay_rounds_up else self.delay

    @property
    def count(self) -> int:
        return len(self) if self.alive is None else int(self.alive.sum())

    def column(self, key: str) -> Any:
        """The values of a property: one for all or (n,). **Raises:** `KeyError`."""
        if key in ("weight", "delay", "receptor", "label"):
            return {"weight": self.weight, "delay": self.delay, "receptor": self.receptor, "label": self.label}[key]
        return self.values[key]

    def assign(self, key: str, places: np.ndarray, new: Any) -> None:
        """Set a property of the connections at `places` to `new`, one for all or one each."""
        old = self.column(key)
        whole = len(places) == len(self)
        if not (whole and np.ndim(new) == 0):
            full = np.array(np.broadcast_to(old, len(self)))
            if full.dtype.kind in "iu" and np.asarray(new).dtype.kind == "f":
                full = full.astype(float)
            full[places] = new
            new = full
        if key in ("weight", "delay", "receptor", "label"):
            setattr(self, key, new)
        else:
            self.values[key] = new


#: time constants that NEST takes whatever they are; what is wrong with them is said when the network is simulated
_TAKEN = frozenset({"tau_plus", "tau_plus_triplet", "tau"})


def synapse_check(model: SynapseModel, values: Mapping[str, Any]) -> None:
    """Check parameters of connections against what the core's model says.

    **Raises:** `BadProperty`.
    """
    core = model.core
    try:
        given = {}
        for key, p in core.parameters.items():
            value = values.get(key, model.defaults[key])
            fault = p.fault(np.asarray(value, float))
            if fault and not (key in _TAKEN and core.name != "stdp_pl_synapse_hom"):
                raise ConfigurationError(f"{model.name}: {key} {fault}")
            given[key] = np.asarray(value, float)
        for key, s in core.states.items():
            if key in values:
                fault = s.fault(np.asarray(values[key], float))
                if fault:
                    raise ConfigurationError(f"{model.name}: {key} {fault}")
            if key in model.defaults:
                given[key] = np.asarray(values.get(key, model.defaults[key]), float)
        given["weight"] = np.asarray(values.get("weight", model.defaults["weight"]), float)
        check_together(core, model.name, Values(given))
    except ConfigurationError as fault:
        raise NESTErrors.BadProperty(str(fault)) from None
