"""Functions about nodes and properties: Create, GetNodes, GetStatus …"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from jaxnest.nest._connections import SynapseCollection
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._help import to_json
from jaxnest.nest._kernel import kernel
from jaxnest.nest._layers import Layer
from jaxnest.nest._nodes import NodeCollection


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
