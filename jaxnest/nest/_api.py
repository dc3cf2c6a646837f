"""The functions of `nest`: nodes, connections, models, simulation, kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from jaxnest.nest._connect import CollocatedSynapses, connect, connect_arrays
from jaxnest.nest._connections import SynapseCollection, get_connections
from jaxnest.nest._engine import Engine
from jaxnest.nest._errors import NESTErrors, unknown_model, unread_keys
from jaxnest.nest._help import to_json
from jaxnest.nest._kernel import kernel
from jaxnest.nest._layers import Layer
from jaxnest.nest._ledger import cast, check_key, check_values, synapse_check
from jaxnest.nest._models import NODE_KEYS, NodeModel, SynapseModel
from jaxnest.nest._nodes import NodeCollection
from jaxnest.nest._parameters import Parameter

# --- nodes --------------------------------------------------------------------------------------------------------


def Create(model: str, n: int = 1, params: Any = None, positions: Any = None) -> NodeCollection:
    """Create `n` nodes of a model, with properties `params` (as for `NodeCollection.set`), at `positions` (`nest.spatial`).

    **Raises:** `NESTErrors.UnknownModelName`; what `NodeCollection.set` raises, and then there are no new nodes.
    """
    name = model
    kernel.node_model(name)
    if isinstance(params, (list, tuple)) and params and len(params) != n and positions is None:
        raise TypeError(f"params must be a dict or a list of dicts of length {n}")
    if kernel.prepared:
        raise NESTErrors.KernelException("Nodes cannot be created between Prepare and Cleanup.")
    layer = None
    if positions is not None:
        layer = Layer.of(positions, n, kernel.rng)
        n = len(layer.positions)
    elif not isinstance(n, (int, np.integer)) or isinstance(n, bool):
        raise TypeError("n must be an integer")
    if n < 1:
        raise NESTErrors.RangeCheck("n must be a positive number of nodes.")
    block = kernel.create(name, int(n))
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
    for b in kernel.blocks:
        last = b.first + b.n - 1
        ids = f"{b.first:>{width}}" if b.n == 1 else f"{b.first:>{width}} .. {last:>{width}}"
        lines.append(f"{ids:<{2 * width + 4}} {b.model.name}")
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
    if not collections:
        _connect_lists(pre, post, conn_spec, syn_spec)
        pre = NodeCollection(np.unique(np.asarray(pre)))
        post = NodeCollection(np.unique(np.asarray(post)))
    else:
        if not pre or not post:
            raise NESTErrors.IllegalConnection("Presynaptic or postsynaptic nodes are missing: the collection is empty.")
        connect(kernel, pre, post, conn_spec, syn_spec)
    return GetConnections(pre, post) if return_synapsecollection else None


def _connect_lists(pre: Any, post: Any, conn_spec: Any, syn_spec: Any) -> None:
    if isinstance(pre, NodeCollection) or isinstance(post, NodeCollection):
        pre, post = (x._ids if isinstance(x, NodeCollection) else x for x in (pre, post))
    arrays = [np.asarray(x) for x in (pre, post)]
    if any(a.ndim != 1 or a.dtype.kind not in "iu" for a in arrays):
        raise TypeError("pre and post must be NodeCollections or arrays of node IDs")
    rule = conn_spec.get("rule") if isinstance(conn_spec, dict) else conn_spec
    if len(np.unique(arrays[0])) == len(arrays[0]) and len(np.unique(arrays[1])) == len(arrays[1]) and rule != "one_to_one":
        sides = [NodeCollection(sorted(a.tolist())) for a in arrays]
        connect(kernel, *sides, conn_spec, syn_spec)
        return
    if rule != "one_to_one":
        raise ValueError("When connecting two arrays of node IDs with repeats, the connection rule must be 'one_to_one'")
    if len(arrays[0]) != len(arrays[1]):
        raise ValueError("Sources and targets must be of equal length when connecting arrays of node IDs")
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
        raise NESTErrors.BadProperty(f"Disconnect takes one_to_one and all_to_all, not {rule}.")
    found = get_connections(pre, post, model, None)
    sources, targets = np.array(found._gather("source")), np.array(found._gather("target"))
    if rule == "one_to_one":
        if len(pre) != len(post):
            raise NESTErrors.DimensionMismatch("one_to_one needs as many sources as targets.")
        pairs = list(zip(pre._ids, post._ids, strict=True))
    else:
        pairs = [(s, t) for t in post._ids for s in pre._ids]
    index = []
    for s, t in pairs:
        here = np.flatnonzero((sources == s) & (targets == t)) if len(sources) else []
        if not len(here):
            raise NESTErrors.InexistentConnection("Trying to delete a connection which does not exist.")
        index.append(int(here[0]))
    found._pick(np.array(index)).disconnect()


def GetConnections(
    source: Any = None, target: Any = None, synapse_model: str | None = None, synapse_label: int | None = None
) -> SynapseCollection:
    """The connections that match what is given.

    **Raises:** `TypeError` for what is no NodeCollection; `NESTErrors.UnknownSynapseType`.
    """
    for side in (source, target):
        if side is not None and not isinstance(side, NodeCollection):
            raise TypeError("source and target must be NodeCollections.")
    if synapse_model is not None:
        kernel.synapse_model(synapse_model)
    if synapse_label is not None and (isinstance(synapse_label, bool) or not isinstance(synapse_label, (int, np.integer))):
        raise TypeError("synapse_label must be an integer")
    return get_connections(source, target, synapse_model, synapse_label)


# --- models -------------------------------------------------------------------------------------------------------


def CopyModel(existing: str, new: str, params: Any = None) -> None:
    """Make a model `new` like `existing`, with other defaults. **Raises:** `UnknownModelName`, `NewModelNameExists`."""
    if existing not in kernel.models.nodes and existing not in kernel.models.synapses:
        raise unknown_model(existing, "model")
    kernel.models.copy(existing, new)
    if params:
        try:
            SetDefaults(new, params)
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
    """What new nodes or connections of a model begin with: all in a dict, one by name, some as a tuple.

    **Raises:** `NESTErrors.UnknownComponent`; `KeyError` for an unknown name.
    """
    found = _all_defaults(model)
    if keys is None:
        result: Any = found
    elif isinstance(keys, str):
        result = found[keys]
    elif isinstance(keys, Sequence):
        result = tuple(found[k] for k in keys)
    else:
        raise TypeError("keys should be either a string or an iterable")
    return to_json(result) if output == "json" else result


def SetDefaults(model: str, params: Any, val: Any = None) -> None:
    """Set what new nodes or connections of a model begin with.

    **Raises:** `NESTErrors.UnknownComponent`, and what setting raises; nothing changes then.
    """
    if val is not None:
        params = {params: val}
    if model in kernel.models.nodes:
        kernel.models.nodes[model] = _with_node_defaults(kernel.models.nodes[model], params)
    elif model in kernel.models.synapses:
        kernel.models.synapses[model] = _with_synapse_defaults(kernel.models.synapses[model], params)
    else:
        raise unknown_model(str(model), "component")


def _with_node_defaults(model: NodeModel, params: dict[str, Any]) -> NodeModel:
    from dataclasses import replace

    unknown = [k for k in params if k not in model.defaults and k not in NODE_KEYS]
    if unknown:
        raise unread_keys("params", "ModelManager::set_node_defaults_", unknown)
    new = dict(model.defaults)
    for key, value in params.items():
        check_key(model, key, value)
        if isinstance(value, Parameter):
            raise NESTErrors.BadProperty(f"{key}: a model's default must be a value, not a Parameter.")
        if key in new:
            new[key] = cast(model, key, value)
    columns = {k: [new[k]] for k in (*model.core.parameters, *model.states)}
    check_values(model, columns, 1, 0)
    return replace(model, defaults=new)


def _with_synapse_defaults(model: SynapseModel, params: dict[str, Any]) -> SynapseModel:
    from dataclasses import replace

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
        if isinstance(value, (str, bool)) or isinstance(value, Parameter):
            raise NESTErrors.TypeMismatch(f"Expected datatype: Failed to cast '{key}' to type double")
        if key == "delay":
            if value < kernel.resolution - 1e-9:
                raise NESTErrors.BadDelay(f"Delay {value} must be greater than or equal to resolution")
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
    _compile()
    kernel.prepared = True
    for recorder in kernel.recorders.values():
        recorder.open()


def _compile() -> None:
    if kernel.engine is None or kernel.engine.stale:
        previous = kernel.engine
        kernel.engine = Engine(kernel)
        if previous is not None and kernel.steps:
            from jaxnest.nest._transfer import transfer

            transfer(previous, kernel.engine)


def Run(t: float) -> None:
    """Simulate `t` ms, between `Prepare` and `Cleanup`."""
    if not kernel.prepared:
        raise NESTErrors.KernelException("Run called without calling Prepare.")
    if isinstance(t, (str, bool)) or not np.isscalar(t):
        raise TypeError("t must be a number")
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
    """Attributes of the kernel: all in a dict, one by name, several in a dict."""
    if not args:
        return GetKernelStatus()
    if len(args) == 1:
        return kernel.settings.get(args[0])
    return {name: kernel.settings.get(name) for name in args}


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
        result = tuple(nodes_or_conns._values(keys) if isinstance(nodes_or_conns, NodeCollection) else nodes_or_conns._gather(keys))
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
