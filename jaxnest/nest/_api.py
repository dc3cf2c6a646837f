"""The functions of `nest`: nodes, connections, models, simulation, kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np

from jaxnest.nest._calcium import check_calcium
from jaxnest.nest._clock import Clock
from jaxnest.nest._connect import CollocatedSynapses, connect, connect_arrays
from jaxnest.nest._connections import SynapseCollection, get_connections
from jaxnest.nest._device_rules import check_window
from jaxnest.nest._engine import Engine
from jaxnest.nest._errors import NESTErrors, type_mismatch, unknown_model, unread_keys
from jaxnest.nest._generators import settled
from jaxnest.nest._help import to_json
from jaxnest.nest._kernel import kernel
from jaxnest.nest._layers import Layer
from jaxnest.nest._ledger import cast, check_key, check_values, synapse_check
from jaxnest.nest._models import NODE_KEYS, NodeModel, SynapseModel
from jaxnest.nest._nodes import NodeCollection
from jaxnest.nest._parameters import Parameter
from jaxnest.nest._transfer import transfer
from jaxnest.nest._recorders import with_backend

# --- nodes --------------------------------------------------------------------------------------------------------


def Create(model: str, n: Any = 1, params: Any = None, positions: Any = None) -> NodeCollection:
    """Create `n` nodes of a model, with properties `params` (as for `NodeCollection.set`), at `positions` (`nest.spatial`).
    A dict in the place of `n` stands for the properties of one node.

    **Raises:** `NESTErrors.UnknownModelName`; what `NodeCollection.set` raises, and then there are no new nodes.
    """
    name = model
    kernel.node_model(name)
    if params is not None and not isinstance(params, dict | list | tuple):
        raise TypeError("params must be either a dict of parameters or a list or tuple of dicts")
    if kernel.prepared:
        raise NESTErrors.KernelException("Nodes cannot be created between Prepare and Cleanup.")
    if isinstance(n, dict):
        if params is not None or positions is not None:
            raise ValueError("A dict of parameters as second argument needs a call of Create() with two arguments.")
        n, params = 1, n
    layer = None
    if positions is not None:
        layer = Layer.of(positions, n, kernel.rng)
        n = len(layer.positions)
    elif not isinstance(n, int | float | np.integer | np.floating) or n % 1:
        raise TypeError("n must have an integer value")
    if n < 1:
        raise NESTErrors.BadParameterValue("n must be a positive number of nodes.")
    if isinstance(params, list | tuple) and len(params) != n:
        raise TypeError("list of params must have one dictionary per node")
    with kernel.settings.timers.running("construction_create"):
        return _create(name, int(n), params, layer)


def _create(model: str, n: int, params: Any, layer: Layer | None) -> NodeCollection:
    block = kernel.create(model, n)
    ids = np.arange(block.first, block.first + block.n)
    nodes = NodeCollection._of(ids, layer, None if layer is None else np.arange(block.n))
    if layer is not None:
        kernel.layers.append((block, layer))
    try:
        if params:
            nodes.set(params)
    except BaseException:
        kernel.uncreate(block)
        if layer is not None:
            kernel.layers.pop()
        raise
    return nodes


def GetNodes(properties: Any = {}, local_only: bool = False) -> NodeCollection:  # noqa: B006
    """The nodes whose properties are those given."""
    chosen = []
    for block in kernel.blocks:
        places = np.arange(block.n)
        for key, value in properties.items():
            try:
                values = kernel.node_values(key, block, places)
            except KeyError:
                places = places[:0]
                break
            places = places[[v == value for v in values]]
            if not len(places):
                break
        chosen.append(block.first + places)
    return NodeCollection._of(np.concatenate([np.zeros(0, np.int64), *chosen]))


def PrintNodes() -> None:
    """Print the nodes: ranges of IDs and their models."""
    width = len(str(kernel.size))
    lines = []
    for name, blocks in groupby(kernel.blocks, lambda b: b.model.name):
        *_, end = first, *_ = list(blocks)
        last = end.first + end.n - 1
        ids = f"{first.first:>{width}}" if last == first.first else f"{first.first:>{width}} .. {last:>{width}}"
        lines.append(f"{ids:<{2 * width + 4}} {name}")
    print("\n".join(lines))


def GetLocalNodeCollection(nc: NodeCollection) -> NodeCollection:
    """The nodes of this process: all."""
    if not isinstance(nc, NodeCollection):
        raise TypeError("GetLocalNodeCollection requires a NodeCollection in order to run")
    return nc


# --- connections --------------------------------------------------------------------------------------------------


def Connect(
    pre: Any, post: Any, conn_spec: Any = None, syn_spec: Any = None, return_synapsecollection: bool = False
) -> SynapseCollection | None:
    """Connect `pre` to `post` by a rule (`conn_spec`) with synapses (`syn_spec`); lists of IDs one to one.

    **Raises:** NEST's errors; the network is as it was then.
    """
    if kernel.prepared:
        raise NESTErrors.KernelException("Connections cannot be made between Prepare and Cleanup.")
    collections = isinstance(pre, NodeCollection) and isinstance(post, NodeCollection)
    for side in (pre, post):
        if isinstance(side, NodeCollection) and side and side._blocks is not kernel.blocks:
            raise NESTErrors.KernelException("InvalidNodeCollection: sources and targets must be valid NodeCollections.")
    if not collections:
        one_to_one = (conn_spec.get("rule") if isinstance(conn_spec, dict) else conn_spec) == "one_to_one"
        pre, post = (_as_nodes(side, one_to_one) for side in (pre, post))
        if not (isinstance(pre, NodeCollection) and isinstance(post, NodeCollection)):
            if return_synapsecollection:
                raise ValueError("SynapseCollection cannot be returned when connecting two arrays of node IDs")
            with kernel.settings.timers.running("construction_connect"):
                _connect_lists(pre, post, one_to_one, syn_spec)
            return None
    if not pre or not post:
        raise NESTErrors.IllegalConnection("Presynaptic or postsynaptic nodes are missing: the collection is empty.")
    with kernel.settings.timers.running("construction_connect"):
        connect(kernel, pre, post, conn_spec, syn_spec)
    return GetConnections(pre, post) if return_synapsecollection else None


def _as_nodes(side: Any, one_to_one: bool) -> Any:
    """IDs as a collection where they do not repeat; for one_to_one as they are."""
    if isinstance(side, NodeCollection) or one_to_one or len(np.unique(side)) < len(side):
        return side
    return NodeCollection(side)


def _connect_lists(pre: Any, post: Any, one_to_one: bool, syn_spec: Any) -> None:
    if len(pre) != len(post):
        raise ValueError("If 'pre' or 'post' contain non-unique IDs, then they must have the same length.")
    arrays = [np.asarray(x) for x in (pre, post)]
    for array, name in zip(arrays, ("pre", "post"), strict=True):
        if array.dtype.kind not in "iu":
            raise TypeError(f"'{name}' node IDs must be integers.")
        if array.ndim != 1:
            raise ValueError("Sources and targets must be 1-dimensional arrays")
    if not one_to_one:
        raise ValueError("When connecting two arrays with non-unique IDs, `conn_spec` must be 'one_to_one'.")
    connect_arrays(kernel, arrays[0].astype(np.int64), arrays[1].astype(np.int64), syn_spec)


def TripartiteConnect(*args: Any, **kwargs: Any) -> None:
    """Not there yet. **Raises:** `NESTErrors.NotImplemented`."""
    raise NESTErrors.NotImplemented("TripartiteConnect: NEST has it, jaxnest does not yet (nor astrocytes).")


def Disconnect(*args: Any, conn_spec: Any = None, syn_spec: Any = None) -> None:
    """Delete the connections of a SynapseCollection, or one connection of each pair of `pre` and `post` (one to one, or all).

    **Raises:** `NESTErrors.InexistentConnection` where there is none.
    """
    if kernel.prepared:
        raise NESTErrors.KernelException("Connections cannot be deleted between Prepare and Cleanup.")
    if len(args) == 1:
        (conns,) = args
        if not isinstance(conns, SynapseCollection):
            raise TypeError("Arguments must be either a SynapseCollection or two NodeCollections")
        if conn_spec is not None or syn_spec is not None:
            raise ValueError("conn_spec and syn_spec are not allowed with a SynapseCollection")
        conns.disconnect()
        return
    if len(args) != 2 or not all(isinstance(a, NodeCollection) for a in args):
        raise TypeError("Arguments must be either a SynapseCollection or two NodeCollections")
    pre, post = args
    rule = conn_spec.get("rule") if isinstance(conn_spec, dict) else conn_spec or "one_to_one"
    model = (syn_spec.get("synapse_model") if isinstance(syn_spec, dict) else syn_spec) or "static_synapse"
    kernel.synapse_model(model)
    if rule not in ("one_to_one", "all_to_all"):
        raise IndexError(f"Disconnect takes one_to_one and all_to_all, not {rule}.")
    found = get_connections(pre, post, model, None)
    sources, targets = (np.array(found._gather(key), np.int64) for key in ("source", "target"))
    if rule == "one_to_one":
        if len(pre) != len(post):
            raise NESTErrors.DimensionMismatch("Source and Target population must be of the same size.")
        wanted = pre._ids * (kernel.size + 1) + post._ids
    else:
        wanted = (pre._ids * (kernel.size + 1) + post._ids[:, None]).ravel()
    pairs, first = np.unique(sources * (kernel.size + 1) + targets, return_index=True)
    if not np.isin(wanted, pairs).all():
        raise NESTErrors.InexistentConnection("Deletion of connection is not possible because it does not exist.")
    found._pick(first[np.searchsorted(pairs, wanted)]).disconnect()


def GetConnections(
    source: Any = None, target: Any = None, synapse_model: str | None = None, synapse_label: int | None = None
) -> SynapseCollection:
    """The connections that match what is given.

    **Raises:** `TypeError` for what is no NodeCollection; `NESTErrors.UnknownSynapseType`.
    """
    for side, name in ((source, "source"), (target, "target")):
        if side is None:
            continue
        if not isinstance(side, NodeCollection):
            raise TypeError(f"{name} must be NodeCollection.")
        if side and side._blocks is not kernel.blocks:
            raise NESTErrors.KernelException(f"GetConnection requires valid {name} NodeCollection.")
    if synapse_model is not None:
        if not isinstance(synapse_model, str):
            raise type_mismatch("synapse_model", synapse_model, "std::string")
        kernel.synapse_model(synapse_model)
    if synapse_label is not None and (isinstance(synapse_label, bool) or not isinstance(synapse_label, int | np.integer)):
        raise type_mismatch("synapse_label", synapse_label, "long")
    return get_connections(source, target, synapse_model, synapse_label)


# --- models -------------------------------------------------------------------------------------------------------


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
        base: dict[str, Any] = {**NODE_KEYS, **m.defaults, "model": model, "type_id": m.core.name, "model_id": m.model_id}
        base |= {"element_type": m.element_type, "elementsize": 0}
        base |= {key: np.array([0]) for key in ("available", "capacity", "instantiations")}
        names = m.recordables()
        if names:
            base["recordables"] = names
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
            **s.defaults,
            "element_type": "synapse",
            "has_delay": True,
            "num_connections": sum(b.count for b in kernel.batches if b.model.name == model),
            "requires_symmetric": False,
            "sizeof": s.sizeof,
            "synapse_model": model,
            "synapse_modelid": s.synapse_id,
            "weight_recorder": recorder,
        }
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
        kernel.models.nodes[model] = _with_node_defaults(kernel.models.nodes[model], params)
    elif model in kernel.models.synapses:
        kernel.models.synapses[model] = _with_synapse_defaults(kernel.models.synapses[model], params)
    kernel.models.changed = True


def _with_node_defaults(model: NodeModel, params: dict[str, Any]) -> NodeModel:
    model = with_backend(model, params.get("record_to"))
    unknown = [k for k in params if k not in model.defaults and k not in NODE_KEYS and k != "n_events"]
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
    check_window(owner, model.defaults, {k: new[k] for k in params if k in new}, Clock.of(kernel))
    new |= settled(model.core.name, model.defaults, {k: new[k] for k in params if k in new}, Clock.of(kernel), kernel.steps)
    columns = {k: [new[k]] for k in (*model.core.parameters, *model.states)}
    check_values(model, columns, 1, 0)
    return replace(model, defaults=new)


def _with_synapse_defaults(model: SynapseModel, params: dict[str, Any]) -> SynapseModel:
    from jaxnest.nest._connect import rounded

    known = {*model.defaults, "weight_recorder", *(("synapse_label",) if model.labelled else ())}
    unknown = [k for k in params if k not in known]
    if unknown:
        raise unread_keys("params", "ModelManager::set_synapse_defaults_", unknown)
    params = dict(params)
    recorder = params.pop("weight_recorder", model.weight_recorder)
    if "weight_recorder" in params or recorder is not model.weight_recorder:
        if not isinstance(recorder, NodeCollection):
            raise NESTErrors.TypeMismatch("weight_recorder must be a NodeCollection")
        recorder = recorder if len(recorder) else None
    new = dict(model.defaults)
    for key, value in params.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise NESTErrors.TypeMismatch(f"Expected datatype: Failed to cast '{key}' to type double")
        if key == "delay":
            if value < kernel.resolution - 1e-9:
                text = "Delay must be greater than or equal to resolution"
                raise NESTErrors.BadDelay(f"Delay value {value} is invalid: {text}")
            value = rounded(value, kernel.resolution)
        new[key] = int(value) if key in ("receptor_type", "synapse_label") else float(value)
    synapse_check(model, {k: v for k, v in new.items() if k not in ("delay", "receptor_type", "synapse_label")})
    return replace(model, defaults=new, weight_recorder=recorder)


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


# --- simulation ---------------------------------------------------------------------------------------------------


def Simulate(t: float) -> None:
    """Simulate `t` ms. **Raises:** `NESTErrors.BadParameter` if it is negative or no multiple of the resolution."""
    Prepare()
    try:
        Run(t)
    finally:
        Cleanup()


def Prepare() -> None:
    """Get ready for `Run`: compile, if anything changed, and open the recorders' files."""
    if kernel.prepared:
        raise NESTErrors.KernelException("Prepare called twice.")
    kernel.settings.timers.clear("simulate")
    _compile()
    kernel.prepared = True
    for recorder in kernel.recorders.values():
        recorder.open()


def _compile() -> None:
    if kernel.engine is None or kernel.engine.stale:
        previous = kernel.engine
        with kernel.settings.timers.running("communicate_prepare"):
            engine = Engine(kernel)
            if previous is not None and kernel.steps:
                transfer(previous, engine)
            kernel.engine = engine


def Run(t: float) -> None:
    """Simulate `t` ms, between `Prepare` and `Cleanup`."""
    if not kernel.prepared:
        raise NESTErrors.KernelException("Run called without calling Prepare.")
    if isinstance(t, (str, bool)) or not isinstance(t, (int, float, np.number)):
        raise TypeError("t must be a number")
    t = float(t)
    h = kernel.resolution
    if t < 0:
        raise NESTErrors.BadParameter("The simulation time cannot be negative.")
    if not np.isfinite(t) or t > 1e12:
        raise NESTErrors.BadParameter("The simulation time must be finite.")
    steps = round(t / h)
    if abs(steps * h - t) > 1e-9 * max(t, 1.0):
        raise NESTErrors.BadParameter("The simulation time must be a multiple of the simulation resolution.")
    if kernel.engine is not None and kernel.engine.stale:
        _compile()
    assert kernel.engine is not None
    if steps:
        kernel.simulated = True
        with kernel.settings.timers.running("simulate"):
            kernel.engine.run(steps)


def Cleanup() -> None:
    """The end of `Prepare` ... `Run`: close the recorders' files."""
    if not kernel.prepared:
        raise NESTErrors.KernelException("Cleanup called without calling Prepare.")
    kernel.prepared = False
    for recorder in kernel.recorders.values():
        recorder.close()


@contextmanager
def RunManager() -> Iterator[None]:
    """`Prepare` before and `Cleanup` after a block of `Run`s."""
    Prepare()
    try:
        yield
    finally:
        Cleanup()


def ResetKernel() -> None:
    """Back to the beginning: no nodes, no connections, models and settings as they came."""
    kernel.reset()


def SetKernelStatus(params: dict[str, Any]) -> None:
    """Set attributes of the kernel. **Raises:** NEST's errors; nothing changes then."""
    if not isinstance(params, dict):
        raise TypeError("params must be a dict")
    kernel.settings.set(params)
    if "rng_seed" in params and kernel.engine is not None:
        kernel.engine.reseed()


def GetKernelStatus(keys: Any = None) -> Any:
    """Attributes of the kernel: all in a dict, one by name, some as a tuple. **Raises:** `KeyError`."""
    if keys is None:
        return {name: kernel.settings.get(name) for name in kernel.settings.names()}
    if isinstance(keys, str):
        return kernel.settings.get(keys)
    if isinstance(keys, Sequence):
        return tuple(kernel.settings.get(k) for k in keys)
    raise TypeError("keys should be either a string or an iterable")


def set(**kwargs: Any) -> None:
    """Set attributes of the kernel by keywords."""
    SetKernelStatus(kwargs)


def get(*args: Any) -> Any:
    """Attributes of the kernel: all in a dict, one by name, several as a tuple."""
    return GetKernelStatus(args if len(args) > 1 else args[0] if args else None)


def EnableStructuralPlasticity() -> None:
    """Not there yet. **Raises:** `NESTErrors.NotImplemented`."""
    raise NESTErrors.NotImplemented("EnableStructuralPlasticity: NEST has it, jaxnest does not yet.")


def DisableStructuralPlasticity() -> None:
    """Structural plasticity is off: there is none yet."""


# --- processes ----------------------------------------------------------------------------------------------------


def Rank() -> int:
    return 0


def NumProcesses() -> int:
    return 1


def SyncProcesses() -> None:
    """There is one process: nothing to wait for."""


def GetLocalVPs() -> range:
    return range(kernel.settings.values["total_num_virtual_procs"])


def SetAcceptableLatency(port_name: str, latency: float) -> None:
    raise NESTErrors.NotImplemented("SetAcceptableLatency needs MUSIC, which jaxnest does not have.")


def SetMaxBuffered(port_name: str, size: int) -> None:
    raise NESTErrors.NotImplemented("SetMaxBuffered needs MUSIC, which jaxnest does not have.")


def set_communicator(comm: Any) -> None:
    raise NESTErrors.NotImplemented("set_communicator needs MPI, which jaxnest does not use.")


# --- status -------------------------------------------------------------------------------------------------------


def GetStatus(nodes_or_conns: Any, keys: Any = None, output: str = "") -> Any:
    """Properties of nodes or connections, as a tuple: of dicts, of values (`keys` a string), of tuples (a list)."""
    if not isinstance(nodes_or_conns, (NodeCollection, SynapseCollection)):
        raise TypeError("The first input (nodes_or_conns) must be NodeCollection or SynapseCollection with connection handles")
    if not len(nodes_or_conns):
        return "[]" if output == "json" else ()
    if keys is None:
        result: Any = tuple(one.get() for one in nodes_or_conns)
    elif isinstance(keys, str):
        result = tuple(
            nodes_or_conns._values(keys) if isinstance(nodes_or_conns, NodeCollection) else nodes_or_conns._gather(keys)
        )
    elif isinstance(keys, Sequence):
        result = tuple(tuple(one.get(k) for k in keys) for one in nodes_or_conns)
    else:
        raise TypeError("keys should be either a string or an iterable")
    return to_json(result) if output == "json" else result


def SetStatus(nodes_or_conns: Any, params: Any, val: Any = None) -> None:
    """Set properties of nodes or connections."""
    if not isinstance(nodes_or_conns, (NodeCollection, SynapseCollection)):
        raise TypeError("The first input (nodes_or_conns) must be NodeCollection or SynapseCollection with connection handles")
    if val is not None:
        params = {params: list(val)} if isinstance(val, (list, tuple)) else {params: val}
    nodes_or_conns.set(params)


__all__ = [
    "Cleanup", "CollocatedSynapses", "Connect", "ConnectionRules", "CopyModel", "Create", "DisableStructuralPlasticity", "Disconnect",
    "EnableStructuralPlasticity", "GetConnections", "GetDefaults", "GetKernelStatus", "GetLocalNodeCollection", "GetLocalVPs",
    "GetNodes", "GetStatus", "Install", "Models", "NodeCollection", "NumProcesses", "Prepare", "PrintNodes", "Rank", "ResetKernel",
    "Run", "RunManager", "SetAcceptableLatency", "SetDefaults", "SetKernelStatus", "SetMaxBuffered", "SetStatus", "Simulate",
    "SynapseCollection", "SyncProcesses", "TripartiteConnect", "get", "set", "set_communicator",
]  # fmt: skip
