"""The models by NEST's names, and what NEST shows of each: parameters, states, recordables, bookkeeping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from jaxnest._values import Values
from jaxnest.devices import devices
from jaxnest.devices._base import Device, Recorder, Source
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._nest_models import NODE_MODELS, connection_size
from jaxnest.neurons import neurons
from jaxnest.neurons._base import Neuron, Routing
from jaxnest.neurons._rate import Integrating
from jaxnest.synapses import synapses
from jaxnest.synapses._base import Coupling, Synapse

_LARGEST = float(np.finfo(np.float64).max)
#: states of the core's models that NEST does not show among a node's properties
_HIDDEN = frozenset(
    [
        "I_stim",
        "I_SIC",
        "J_noise",
        "SIC",
        "I_filtered",
        "refractory",
        "wait",
        "step_size",
        "residue",
        "waiting",
        "t_ref_remaining",
        "sfa",
        "stc",
        "I_syn",
        "I_syn_ex",
        "I_syn_in",
        "I_port",
        "dI_port",
        "dI_ex",
        "dI_in",
        "current",
        "next_draw",
        "phase",
        "amplitude",
        "i_in",
        "z",
        "f_av",
        "n_spikes",
        "last_event",
        "flush",
        "regularisation",
        "before_psi",
        "before_regularisation",
        "before_error",
    ]
)
#: what every node has, and cannot be set
NODE_KEYS: Mapping[str, Any] = {
    "frozen": False,
    "global_id": 0,
    "local": True,
    "model": "",
    "model_id": 0,
    "element_type": "",
    "node_uses_wfr": False,
    "thread": -1,
    "thread_local_id": -1,
    "vp": -1,
}
_FORCED_KEYS: Mapping[str, Any] = {
    "ignore_and_spike": False,
    "ignore_and_spike_interval": 100.0,
    "ignore_and_spike_offset": 1.0,
}
_NEURON_KEYS: Mapping[str, Any] = {
    "Ca": 0.0,
    "beta_Ca": 0.001,
    "tau_Ca": 10000.0,
    "archiver_length": 0,
    **_FORCED_KEYS,
    "post_trace": 0.0,
    "synaptic_elements": {},
    "t_spike": -1.0,
}
#: properties that NEST has and jaxnest cannot change yet
NOT_YET = frozenset(
    [
        "synaptic_elements",
        "node_uses_wfr",
        "stimulus_source",
        "y_0",
        "y_1",
        "off_grid_spiking",
    ]
)
#: properties that are there to be read
READ_ONLY = frozenset(NODE_KEYS) - {"frozen"} | {
    "archiver_length",
    "post_trace",
    "t_spike",
    "recordables",
    "n_synapses",
    "has_connections",
    "type_id",
    "elementsize",
    "instantiations",
    "available",
    "capacity",
    "noise",
    "noisy_rate",
    "V_th_adapt",
    "surrogate_gradient",
    "learning_signal",
    "error_signal",
    "readout_signal",
    "readout_signal_unnorm",
    "target_signal",
    "receptor_types",
}
#: signals that NEST finds by waveform relaxation
_RELAXED = frozenset(c.signal for c in cast(Iterable[type], synapses.values()) if issubclass(c, Coupling) and not c.delayed)
#: by the core's model, a state that begins anew, at a value, whenever a property of the node is set: any one (""), or this one
RENEWED: Mapping[str, tuple[str, float, str]] = {
    "ignore_and_fire": ("wait", -1, ""),
    "iaf_psc_delta_forced": ("wait", -1, "ignore_and_spike_offset"),
}
#: other names of parameters of rate neurons, of old
ALIASES: Mapping[str, str] = {"mean": "mu", "std": "sigma"}
ALIASED = frozenset(m.name for m in neurons.values() if issubclass(m, Integrating))
#: models whose target rate is given in spikes/s, and kept in spikes/ms
PER_MS = frozenset(m.name for m in neurons.values() if "f_target" in m.parameters)
MAX_SYNAPSE_MODELS = 511
_CURRENT_RECORDABLES = ("ac_generator", "dc_generator", "noise_generator", "step_current_generator")


@dataclass(frozen=True, eq=False)
class NodeModel:
    """A node model by its name in NEST: `core` is the class that it is of, `defaults` what new nodes begin with."""

    name: str
    core: type[Any]
    model_id: int
    defaults: Mapping[str, Any]
    kept: tuple[str, ...] = ()

    @property
    def element_type(self) -> str:
        if issubclass(self.core, Recorder):
            return "recorder"
        if issubclass(self.core, Device):
            return "stimulator"
        return "neuron" if self.core.sends or self.core.emits else "other"

    @property
    def records(self) -> str:
        """What kind of recorder it is: "" for none, else "spikes", "states" or "weights"."""
        names = {c.__name__ for c in self.core.__mro__}
        return {"spike_recorder": "spikes", "multimeter": "states", "weight_recorder": "weights"}.get(
            next((n for n in ("spike_recorder", "multimeter", "weight_recorder") if n in names), ""), ""
        )

    @property
    def states(self) -> frozenset[str]:
        """The keys that are states of the core's model."""
        return frozenset(self.core.states) & frozenset(self.defaults)

    @property
    def vectors(self) -> frozenset[str]:
        """The keys of which one node has a list."""
        return frozenset(k for k, v in self.defaults.items() if isinstance(v, (np.ndarray, list, tuple)))

    @property
    def logs(self) -> bool:
        """Whether a multimeter may be connected to it, if only to read nothing."""
        neuron = issubclass(self.core, Neuron) and self.core.routing is not Routing.COUNT
        return neuron or self.core.name in _CURRENT_RECORDABLES

    @property
    def relaxed(self) -> bool:
        """Whether NEST may use waveform relaxation for it."""
        if not issubclass(self.core, Neuron) or issubclass(self.core, Device) or self.core.emits_new:
            return False
        return not _RELAXED.isdisjoint(self.core.emits)

    def recordables(self, values: Mapping[str, Any] | None = None) -> list[str]:
        """What a multimeter may read of a node with these values."""
        if issubclass(self.core, Neuron):
            dims = self.dims(self.defaults if values is None else values)
            return sorted(self.core.readable(dims))
        return ["I"] if self.core.name in _CURRENT_RECORDABLES else []

    def dims(self, values: Mapping[str, Any]) -> dict[str, int]:
        """The sizes of the model's dimensions for a node with these values."""
        return {p.dim: len(values[k]) for k, p in self.core.parameters.items() if p.dim is not None}


@dataclass(frozen=True, eq=False)
class SynapseModel:
    """A synapse model by its name in NEST: `core` is the class that it is of."""

    name: str
    core: type[Synapse]
    synapse_id: int
    defaults: Mapping[str, Any]
    labelled: bool = False
    hpc: bool = False  # smaller in NEST, and only for the receptor 0
    weight_recorder: Any = None
    volume_transmitter: Any = None  # of models with a third factor
    sizeof: int | None = None  # in bytes, of models that tell

    @property
    def parameters(self) -> tuple[str, ...]:
        """Keys that a connection has of its own (beside weight, delay and receptor)."""
        shared = ("weight", "delay", "receptor_type", "synapse_label", *self.core.common, *self.core.derived)
        return tuple(k for k in self.defaults if k not in shared)


@dataclass
class Registry:
    """All models, those that `CopyModel` made too."""

    nodes: dict[str, NodeModel] = field(default_factory=dict)
    synapses: dict[str, SynapseModel] = field(default_factory=dict)
    changed: bool = False  # by CopyModel or SetDefaults: then the resolution must stay as it is

    def round_delays(self, h: float) -> None:
        """Bring the delays of synapse models onto the grid of `h` ms: upwards, as NEST does."""
        for name, model in self.synapses.items():
            delay = round(float(np.ceil(model.defaults["delay"] / h - 1e-9)) * h, 12)
            if delay != model.defaults["delay"]:
                self.synapses[name] = replace(model, defaults={**model.defaults, "delay": delay})

    @classmethod
    def fresh(cls) -> Registry:
        found = cls()
        for number, (name, core) in enumerate(sorted(_known_to_nest({**neurons, **devices}))):
            found.nodes[name] = NodeModel(name, core, number, node_defaults(core))
        number = 0
        for name, synapse in sorted(synapses.items()):
            variants = ("", "_hpc") if synapse.eager else ("", "_hpc", "_lbl")
            for suffix in ("",) if issubclass(synapse, Coupling) else variants:
                found.synapses[name + suffix] = SynapseModel(
                    name + suffix,
                    synapse,
                    number,
                    synapse_defaults(synapse),
                    labelled=suffix == "_lbl",
                    hpc=suffix == "_hpc",
                    sizeof=connection_size(name, suffix),
                )
                number += 1
        return found

    def copy(self, existing: str, new: str) -> None:
        """Add the model `new` like `existing`. **Raises:** `NewModelNameExists`."""
        if new in self.nodes or new in self.synapses:
            raise NESTErrors.NewModelNameExists(f"Model {new} is the name of an existing model and cannot be re-used.")
        if existing in self.nodes:
            number = max(m.model_id for m in self.nodes.values()) + 1
            self.nodes[new] = replace(self.nodes[existing], name=new, model_id=number)
        else:
            if len(self.synapses) >= MAX_SYNAPSE_MODELS:
                raise NESTErrors.KernelException("Synapse model count exceeded")
            number = max(m.synapse_id for m in self.synapses.values()) + 1
            self.synapses[new] = replace(self.synapses[existing], name=new, synapse_id=number)


def node_defaults(core: type[Any]) -> dict[str, Any]:
    """What `GetDefaults` shows of a node model and nodes begin with, bookkeeping not included."""
    found: dict[str, Any] = {}
    for key, p in core.parameters.items():
        if key in core.of_kernel:
            continue
        if p.choices:
            found[key] = p.choices[int(p.default)]  # type: ignore[arg-type]
            continue
        if key == "f_target":  # which NEST keeps, and shows, in spikes/ms
            found[key] = p.default / 1000.0  # type: ignore[operator]
            continue
        value = np.array(p.default, float) if p.dim is not None else p.default
        found[key] = _LARGEST if key == "stop" and value == np.inf else bool(value) if p.flag else value
        if key == "V_min" and (core.name in ("iaf_psc_delta", "izhikevich") or core.teaches):
            found[key] = -_LARGEST
    plain = Values({k: np.asarray(v, float) for k, v in found.items() if not isinstance(v, str)})
    for key, s in core.states.items():
        if key in _HIDDEN or issubclass(core, Device):
            continue
        value = s.init(plain) if callable(s.init) else found[s.init] if isinstance(s.init, str) else s.init
        found[key] = float(np.asarray(value)) if np.ndim(value) == 0 else np.asarray(value, float)
    if issubclass(core, Neuron) and not issubclass(core, Device):
        if not (core.sends or core.emits):
            return {key: int(value) for key, value in found.items()} | {"frozen": False}  # NEST counts in whole numbers
        keys = (
            (_FORCED_KEYS if core.may_flush else {}) if core.teaches else _NEURON_KEYS if "tau_minus" in core.parameters else {}
        )
        found |= keys
    found |= _extra(core, found)
    return found | {"frozen": False}


def _extra(core: type[Any], found: Mapping[str, Any]) -> dict[str, Any]:
    if issubclass(core, Recorder):
        kind = {"record_to": "memory", "label": "", "time_in_steps": False}
        if core.name in ("multimeter", "voltmeter"):
            return kind | {"record_from": ["V_m"] if core.name == "voltmeter" else []}
        return kind
    if issubclass(core, Source):
        times = {"spike_times": np.zeros(0), "spike_weights": np.zeros(0), "spike_multiplicities": np.zeros(0, np.int64)}
        flags = {"allow_offgrid_times": False, "precise_times": False, "shift_now_spikes": False}
        return times | flags | {"label": "", "stimulus_source": ""}
    if issubclass(core, Device):
        more = {"y_0": 0.0, "y_1": 0.0} if core.name in ("ac_generator", "noise_generator") else {}
        offgrid = {"allow_offgrid_times": False} if "allow_offgrid_times" in core.options else {}
        return {"label": "", "stimulus_source": ""} | more | offgrid
    if issubclass(core, Integrating):
        return {alias: found[key] for alias, key in ALIASES.items()}
    if core.signal_ports:
        return {"receptor_types": {name: k + 1 for names in core.signal_ports.values() for k, name in enumerate(names)}}
    if core.routing is Routing.COUNT:
        return {"flush_event_send_interval": float("inf")}
    return {}


def synapse_defaults(core: type[Synapse]) -> dict[str, Any]:
    """What new connections begin with."""
    found: dict[str, Any] = {"weight": 1.0, "delay": 1.0, "receptor_type": 0}
    found |= {k: bool(p.default) if p.flag else p.default for k, p in core.parameters.items()}
    for key, s in core.states.items():
        if key not in core.inner:
            found[key] = found[s.init] if isinstance(s.init, str) else float(np.asarray(s.init))
    found |= {key: int(found[key]) for key in core.whole}
    found |= {key: np.array(table) for key, table in core.tables.items()}
    found |= {key: value(found) for key, value in core.derived.items()}
    return found


def _known_to_nest(models: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Without models of jaxnest's own, which scripts of PyNEST do not know."""
    return [(name, model) for name, model in models.items() if name in NODE_MODELS]
