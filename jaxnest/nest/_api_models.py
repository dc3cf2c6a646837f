"""Functions about models: CopyModel, GetDefaults, SetDefaults …"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from jaxnest.errors import ConfigurationError
from jaxnest.nest._calcium import check_calcium
from jaxnest.nest._clock import Clock
from jaxnest.nest._coupled import check_coupled
from jaxnest.nest._device_rules import check_window
from jaxnest.nest._eprop import has_optimizer, shown_defaults, with_flat_optimizer
from jaxnest.nest._errors import NESTErrors, type_mismatch, unknown_model, unread_keys
from jaxnest.nest._forced import check_forced, heed
from jaxnest.nest._generators import settled
from jaxnest.nest._help import to_json
from jaxnest.nest._kernel import kernel
from jaxnest.nest._ledger import cast, check_key, check_values, synapse_check
from jaxnest.nest._models import NODE_KEYS, NodeModel, SynapseModel
from jaxnest.nest._nodes import NodeCollection
from jaxnest.nest._parameters import Parameter
from jaxnest.nest._recorders import with_backend
from jaxnest.nest._specs import as_integer, as_integers
from jaxnest.synapses._base import Coupling


def CopyModel(existing: str, new: str, params: Any = None) -> None:
    """Make a model `new` like `existing`, with other defaults. **Raises:** `UnknownModelName`, `NewModelNameExists`."""
    if existing not in kernel.models.nodes and existing not in kernel.models.synapses:
        raise unknown_model(existing, "model")
    if not isinstance(new, str):
        raise TypeError("the name of the new model must be a string")
    kernel.models.copy(existing, new)
    kernel.models.changed = True
    if params:
        try:
            _set_defaults(new, params)
        except BaseException:
            kernel.models.nodes.pop(new, None)
            kernel.models.synapses.pop(new, None)
            raise


def _all_defaults(model: str) -> dict[str, Any]:
    if model in kernel.models.nodes:
        m = kernel.models.nodes[model]
        base: dict[str, Any] = {
            **NODE_KEYS,
            "node_uses_wfr": m.relaxed and kernel.settings.values["use_wfr"],
            **m.defaults,
            "model": model,
            "type_id": m.core.name,
            "model_id": m.model_id,
        }
        base |= {"element_type": m.element_type, "elementsize": 0}
        base |= {key: np.array([0]) for key in ("available", "capacity", "instantiations")}
        if m.logs:
            base["recordables"] = m.recordables()
        if m.element_type == "recorder":
            fields = {"states": [], "weights": ["targets", "weights", "receptors", "ports"]}.get(m.records, [])
            base["events"] = {k: np.zeros(0) for k in ("senders", "times", *fields)}
            base["n_events"] = 0
        if any(p.dim == "ports" for p in m.core.parameters.values()):
            base |= {"n_synapses": len(m.defaults["tau_syn"]), "has_connections": False}
        return dict(sorted(base.items()))
    if model in kernel.models.synapses:
        s = kernel.models.synapses[model]
        recorder = NodeCollection() if s.weight_recorder is None else s.weight_recorder
        base = {
            **(shown_defaults(s) if has_optimizer(s) else s.defaults),
            "element_type": "synapse",
            "has_delay": not issubclass(s.core, Coupling) or s.core.delayed,
            "num_connections": sum(b.count for b in kernel.batches if b.model.name == model),
            "requires_symmetric": issubclass(s.core, Coupling) and s.core.symmetric,
            "synapse_model": model,
            "synapse_modelid": s.synapse_id,
            "weight_recorder": recorder,
        }
        if s.sizeof is not None:
            base["sizeof"] = s.sizeof
        if s.core.reads_modulator:
            base["volume_transmitter"] = NodeCollection() if s.volume_transmitter is None else s.volume_transmitter
        if s.labelled:
            base.setdefault("synapse_label", -1)
        return dict(sorted(base.items()))
    raise unknown_model(str(model), "component")


def GetDefaults(model: str, keys: Any = None, output: str = "") -> Any:
    """What new nodes or connections of a model begin with: all in a dict, one by name, some as a list.

    **Raises:** `NESTErrors.UnknownComponent`; `KeyError` for an unknown name.
    """
    found = _all_defaults(model)
    if keys is None:
        result: Any = found
    elif isinstance(keys, str) or not np.iterable(keys):
        result = found[keys]
    else:
        result = [found[k] for k in keys]
    return to_json(result) if output == "json" else result


def SetDefaults(model: str, params: Any, val: Any = None) -> None:
    """Set what new nodes or connections of a model begin with.

    **Raises:** `NESTErrors.UnknownComponent`, and what setting raises; nothing changes then.
    """
    if val is not None:
        params = {params: val}
    if not isinstance(params, dict):
        raise TypeError("params must be dictionary unless val is given.")
    scalars = {k for k, v in _all_defaults(model).items() if isinstance(v, float | int)}
    for key, value in params.items():
        if key in scalars and isinstance(value, Parameter | list | tuple | np.ndarray):
            raise ValueError("SetDefaults() accepts only explicit, single parameter values.")
    _set_defaults(model, params)


def _set_defaults(model: str, params: dict[str, Any]) -> None:
    if not isinstance(params, dict):
        raise TypeError("params must be a dictionary")
    if model in kernel.models.nodes:
        heed(kernel, model, params)
        kernel.models.nodes[model] = _with_node_defaults(kernel.models.nodes[model], params)
    elif model in kernel.models.synapses:
        kernel.models.synapses[model] = _with_synapse_defaults(kernel.models.synapses[model], params)
        if params.keys() & {"volume_transmitter", *kernel.models.synapses[model].core.common}:
            kernel.structure_changed()  # connections that there are have the new values, too
    kernel.models.changed = True


def _with_node_defaults(model: NodeModel, params: dict[str, Any]) -> NodeModel:
    model = with_backend(model, params.get("record_to"))
    unknown = [k for k in params if (k not in model.defaults and k not in NODE_KEYS and k != "n_events")]
    unknown += [k for k in params if k == "frozen" and not (params[k] and model.records == "states")]
    if unknown:
        raise unread_keys("params", "ModelManager::set_node_defaults_", unknown)
    new = dict(model.defaults)
    for key, value in params.items():
        check_key(model, key, value)
        if isinstance(value, Parameter):
            raise NESTErrors.BadProperty(f"{key}: a model's default must be a value, not a Parameter.")
        if key in new:
            new[key] = cast(model, key, value)
    owner = f"Setting status of model '{model.name}'"
    check_calcium(owner, new)
    check_forced(owner, new)
    check_window(owner, model.defaults, {k: new[k] for k in params if k in new}, Clock.of(kernel))
    new |= settled(model.core.name, model.defaults, {k: new[k] for k in params if k in new}, Clock.of(kernel), kernel.steps)
    columns = {k: [new[k]] for k in (*model.core.parameters, *model.states) if k not in model.core.of_kernel}
    columns |= {k: [kernel.settings.values[k]] for k in model.core.of_kernel}
    check_values(model, columns, 1, 0)
    return replace(model, defaults=new)


def _with_synapse_defaults(model: SynapseModel, params: dict[str, Any]) -> SynapseModel:
    from jaxnest.nest._connect import rounded

    if has_optimizer(model):
        params = with_flat_optimizer(model, params, any(b.model.name == model.name and b.count for b in kernel.batches))
    known = {*model.defaults, "weight_recorder", *(("synapse_label",) if model.labelled else ())}
    known |= {"volume_transmitter"} if model.core.reads_modulator else set()
    unknown = [k for k in params if k not in known]
    if unknown:
        raise unread_keys("params", "ModelManager::set_synapse_defaults_", unknown)
    check_coupled(model, params)
    params = dict(params)
    transmitter = _transmitter(params.pop("volume_transmitter")) if "volume_transmitter" in params else model.volume_transmitter
    recorder = params.pop("weight_recorder", model.weight_recorder)
    if "weight_recorder" in params or recorder is not model.weight_recorder:
        if not isinstance(recorder, NodeCollection):
            raise NESTErrors.TypeMismatch("weight_recorder must be a NodeCollection")
        recorder = recorder if len(recorder) else None
    new = dict(model.defaults)
    for key, value in params.items():
        if key in model.core.tables:
            new[key] = _table(model, key, value)
            continue
        if key in model.core.parameters and model.core.parameters[key].flag:
            if not isinstance(value, bool | np.bool_):
                raise type_mismatch(key, value, "bool")
            new[key] = bool(value)
            continue
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise NESTErrors.TypeMismatch(f"Expected datatype: Failed to cast '{key}' to type double")
        if key == "delay":
            if value < kernel.resolution - 1e-9:
                text = "Delay must be greater than or equal to resolution"
                raise NESTErrors.BadDelay(f"Delay value {value} is invalid: {text}")
            value = value if model.core.delay_rounds_up else rounded(value, kernel.resolution)
        if key in model.core.whole:
            as_integer(key, value)
        new[key] = int(value) if key in ("receptor_type", "synapse_label", *model.core.whole) else float(value)
    computed = {key: value(new) for key, value in model.core.derived.items()}
    for key in params.keys() & computed.keys():
        if new[key] != computed[key]:
            raise NESTErrors.NotImplemented(f"{model.name}: NEST can change {key}, jaxnest computes it from other parameters")
    new |= computed
    synapse_check(model, {k: v for k, v in new.items() if k not in ("delay", "receptor_type", "synapse_label")})
    return replace(model, defaults=new, weight_recorder=recorder, volume_transmitter=transmitter)


def _transmitter(given: Any) -> NodeCollection:
    """**Raises:** `TypeMismatch`, `BadProperty` for what is no volume_transmitter."""
    if not isinstance(given, NodeCollection):
        raise type_mismatch("volume_transmitter", given, "std::shared_ptr<nest::NodeCollection>")
    if len(given) != 1:
        raise NESTErrors.BadProperty("Property volume_transmitter must be a single element NodeCollection")
    if kernel.block_of(int(given._ids[0])).model.element_type != "other":
        raise NESTErrors.BadProperty("Property volume_transmitter must be set to a node of type volume_transmitter")
    return given


def _table(model: SynapseModel, key: str, value: Any) -> np.ndarray:
    """**Raises:** `TypeMismatch` if it is no list of integers, `BadProperty` if the model refuses it."""
    table = as_integers(key, value)
    try:
        model.core.configured({key: table})
    except ConfigurationError as fault:
        raise NESTErrors.BadProperty(str(fault)) from None
    return table


def Models(mtype: str = "all", sel: str | None = None) -> tuple[str, ...]:
    """Names of models: "all", "nodes" or "synapses"; those that contain `sel`."""
    if mtype not in ("all", "nodes", "synapses"):
        raise ValueError("mtype has to be one of 'all', 'nodes', or 'synapses'.")
    names = [*(kernel.models.nodes if mtype != "synapses" else ()), *(kernel.models.synapses if mtype != "nodes" else ())]
    return tuple(sorted(n for n in names if sel is None or sel in n))


def ConnectionRules() -> tuple[str, ...]:
    """The names of the connection rules."""
    return tuple(sorted(kernel.settings.get("connection_rules")))


def Install(module_name: str) -> None:
    """Modules of compiled models cannot be used. **Raises:** `NESTErrors.DynamicModuleManagementError`."""
    raise NESTErrors.DynamicModuleManagementError(
        f"Module '{module_name}' cannot be installed: compiled modules of NEST do not run in jaxnest; write the model in Python."
    )
