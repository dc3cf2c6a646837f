"""Functions about connections: Connect, Disconnect, GetConnections …"""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxnest.nest._connect import connect, connect_arrays
from jaxnest.nest._connections import SynapseCollection, get_connections
from jaxnest.nest._errors import NESTErrors, type_mismatch
from jaxnest.nest._kernel import kernel
from jaxnest.nest._nodes import NodeCollection
from jaxnest.nest._tripartite import connect_tripartite


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


def TripartiteConnect(
    pre: Any, post: Any, third: Any, conn_spec: Any, third_factor_conn_spec: Any, syn_specs: Any = None
) -> None:
    """Connect `pre` to `post` by a rule (`conn_spec`) and, for some of these connections (`third_factor_conn_spec`), `pre` to a node of `third`,
    and this to `post`. `syn_specs` has the synapses of each: "primary", "third_in", "third_out".

    **Raises:** `TypeError` for what is no NodeCollection; NEST's errors; the network is as it was then.
    """
    if kernel.prepared:
        raise NESTErrors.KernelException("Connections cannot be made between Prepare and Cleanup.")
    for side, which in ((pre, "Presynaptic"), (post, "Postsynaptic"), (third, "Third-factor")):
        if not isinstance(side, NodeCollection):
            raise TypeError(f"{which} nodes must be a NodeCollection")
        if side and side._blocks is not kernel.blocks:
            raise NESTErrors.KernelException("InvalidNodeCollection: sources and targets must be valid NodeCollections.")
    with kernel.settings.timers.running("construction_connect"):
        connect_tripartite(kernel, pre, post, third, conn_spec, third_factor_conn_spec, syn_specs)


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
