"""What NEST tells about nodes in space: positions, distances, nearest nodes, partners, and files of all that."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._layers import Layer
from jaxnest.nest._masks import Mask
from jaxnest.nest._regions import Region
from jaxnest.nest._specs import point


def check_nodes(value: object, message: str) -> Any:
    """The value if it is a NodeCollection, else TypeError with the message."""
    from jaxnest.nest._nodes import NodeCollection

    if not isinstance(value, NodeCollection):
        raise TypeError(message)
    return value


def layer_of(nodes: Any) -> Layer:
    """The layer of a NodeCollection; LayerExpected if it has none."""
    if nodes._layer is None:
        raise NESTErrors.LayerExpected("The NodeCollection has no spatial positions.")
    return nodes._layer


def positions_of(nodes: Any) -> np.ndarray:
    """Where the nodes lie, (n, d); LayerExpected if they have no positions."""
    return layer_of(nodes).positions[nodes._places]


def GetPosition(nodes: Any) -> list:
    """The position of a single node, a list of d numbers; of several, a list of positions."""
    check_nodes(nodes, "nodes must be a NodeCollection with spatial extent")
    positions = positions_of(nodes).tolist()
    return positions[0] if len(positions) == 1 else positions


def _steps(from_arg: Any, to_arg: Any, measure: str) -> list:
    """``measure`` (a method of `Layer`) of pairs of nodes, or of positions and nodes.

    Between nodes NEST counts from ``to_arg`` to ``from_arg``, in the layer of the latter; from positions to nodes
    it counts forward, in the layer of the nodes.
    """
    check_nodes(to_arg, "to_arg must be a NodeCollection")
    if isinstance(from_arg, np.ndarray):
        from_arg = (from_arg,)
    if len(from_arg) > 1 and len(to_arg) > 1 and len(from_arg) != len(to_arg):
        raise ValueError("to_arg and from_arg must have same size unless one have size 1.")
    if hasattr(from_arg, "_ids"):
        layer, end = layer_of(from_arg), positions_of(from_arg)
        return getattr(layer, measure)(point(positions_of(to_arg), layer.ndim), end).tolist()
    if not isinstance(from_arg, list | tuple):
        raise TypeError("from_arg must be either a NodeCollection or a list/tuple of positions")
    start = np.array([[float(x) for x in position] for position in from_arg])
    layer = layer_of(to_arg)
    if len(start) > len(to_arg):  # NEST has one result for each node
        start = start[: len(to_arg)]
    return getattr(layer, measure)(point(start, layer.ndim), positions_of(to_arg)).tolist()


def Displacement(from_arg: Any, to_arg: Any) -> list[list[float]]:
    """Displacements, each a list of d numbers, of nodes or positions ``from_arg`` and nodes ``to_arg``.

    One of the two may be single. From positions to nodes it is the nodes' position minus the given one; between
    nodes it is the position of ``from_arg`` minus that of ``to_arg``, as in NEST. Joined edges count.

    Raises TypeError for other arguments, ValueError for lengths that do not fit and LayerExpected for nodes without
    positions.
    """
    return _steps(from_arg, to_arg, "displacement")


def Distance(from_arg: Any, to_arg: Any) -> list[float]:
    """The lengths of the displacements; see `Displacement`."""
    return _steps(from_arg, to_arg, "distance")


def connection_distances(source: np.ndarray, target: np.ndarray) -> list[float]:
    """The distances of connections between the IDs (m,), in the layers of the targets; nan without positions."""
    from jaxnest.nest._kernel import kernel

    start = np.full((len(source), 3), np.nan)
    for block, layer in kernel.layers:
        rows = np.flatnonzero((source >= block.first) & (source < block.first + block.n))
        start[rows, : layer.ndim] = layer.positions[source[rows] - block.first]
    result = np.full(len(source), np.nan)
    for block, layer in kernel.layers:
        rows = np.flatnonzero((target >= block.first) & (target < block.first + block.n))
        result[rows] = layer.distance(start[rows, : layer.ndim], layer.positions[target[rows] - block.first])
    return result.tolist()


def FindNearestElement(layer: Any, locations: Any, find_all: bool = False) -> Any:
    """The node nearest to each location, or all that are equally near (within 1e-14 of the distance).

    Returns, for each location, a NodeCollection of one node or, with ``find_all``, a list of these; for a single
    location not a list but its only entry. Raises TypeError and ValueError for wrong arguments.
    """
    check_nodes(layer, "layer must be a NodeCollection")
    if not len(layer) > 0:
        raise ValueError("layer cannot be empty")
    if not isinstance(locations, Iterable):
        raise TypeError("locations must be coordinate array or list of coordinate arrays")
    places = list(locations)
    if not isinstance(places[0], Iterable):
        places = [places]
    result = []
    for place in places:
        distances = np.array(Distance(np.asarray(place, float), layer))
        if find_all:
            nearest = distances.min()
            result.append([layer[int(i)] for i in np.flatnonzero(distances - nearest <= 1e-14 * nearest)])
        else:
            result.append(layer[int(distances.argmin())])
    return result[0] if len(result) == 1 else result


def FindCenterElement(layer: Any) -> Any:
    """The node nearest to the centre of its layer, as a NodeCollection; TypeError for anything without a layer."""
    check_nodes(layer, "layer must be a NodeCollection")
    if layer._layer is None:
        raise TypeError("layer must be a NodeCollection with spatial positions")
    return FindNearestElement(layer, layer._layer.center.tolist())


def SelectNodesByMask(layer: Any, anchor: Any, mask_obj: Mask) -> Any:
    """The nodes inside the mask around the point ``anchor``, as a NodeCollection without positions.

    Raises TypeError for a wrong layer or mask, LayerExpected for nodes without positions, TypeMismatch and
    BadProperty for dimensions that differ and for a mask larger than a layer with joined edges.
    """
    from jaxnest.nest._nodes import NodeCollection

    check_nodes(layer, "layer must be a NodeCollection.")
    if not isinstance(mask_obj, Mask):
        raise AttributeError(f"mask_obj must be a Mask, not {type(mask_obj).__name__}")
    center = np.array([float(x) for x in anchor])
    if len(center) not in (2, 3):
        raise NESTErrors.BadProperty("Center must be 2- or 3-dimensional.")
    if layer_of(layer).ndim != len(center):
        raise NESTErrors.TypeMismatch(f"Expected datatype: {len(center)}D layer, provided datatype: other type")
    region = Region.within(layer._layer, positions_of(layer), mask_obj)
    rows = [nodes for _, _, _, nodes in region.blocks(center[None])]
    return NodeCollection._of(layer._ids[np.unique(np.concatenate(rows))])


def _connected(sources: Any, targets: Any, syn_model: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Source and target IDs, int64 (m,), of all connections between the two."""
    from jaxnest.nest._api import GetConnections

    connections = GetConnections(sources, targets, synapse_model=syn_model)
    return np.fromiter(connections.sources(), np.int64), np.fromiter(connections.targets(), np.int64)


def _groups(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> list[np.ndarray]:
    """For each of the IDs ``wanted``, the values whose key it is, in their order."""
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    starts, ends = np.searchsorted(keys, wanted), np.searchsorted(keys, wanted, side="right")
    return [values[start:end] for start, end in zip(starts, ends, strict=True)]


def GetTargetNodes(sources: Any, tgt_layer: Any, syn_model: str | None = None) -> tuple:
    """For each source, the NodeCollection of its targets in ``tgt_layer``."""
    from jaxnest.nest._nodes import NodeCollection

    check_nodes(sources, "sources must be a NodeCollection.")
    check_nodes(tgt_layer, "tgt_layer must be a NodeCollection")
    source, target = _connected(sources, tgt_layer, syn_model)
    return tuple(NodeCollection._of(np.unique(ids)) for ids in _groups(source, target, sources._ids))


def GetSourceNodes(src_layer: Any, targets: Any, syn_model: str | None = None) -> tuple:
    """For each target, the NodeCollection of its sources in ``src_layer``."""
    from jaxnest.nest._nodes import NodeCollection

    check_nodes(src_layer, "src_layer must be a NodeCollection")
    check_nodes(targets, "targets must be a NodeCollection.")
    source, target = _connected(src_layer, targets, syn_model)
    return tuple(NodeCollection._of(np.unique(ids)) for ids in _groups(target, source, targets._ids))


def GetTargetPositions(sources: Any, tgt_layer: Any, syn_model: str | None = None) -> list[list[list[float]]]:
    """For each source, the positions of its targets in ``tgt_layer``, one for each connection."""
    check_nodes(sources, "sources must be a NodeCollection.")
    check_nodes(tgt_layer, "tgt_layer must be a NodeCollection")
    where = positions_of(tgt_layer)
    source, target = _connected(sources, tgt_layer, syn_model)
    rows = np.searchsorted(tgt_layer._ids, target)
    return [where[group].tolist() for group in _groups(source, rows, sources._ids)]


def GetSourcePositions(src_layer: Any, targets: Any, syn_model: str | None = None) -> list[list[list[float]]]:
    """For each target, the positions of its sources in ``src_layer``, one for each connection."""
    check_nodes(src_layer, "src_layer must be a NodeCollection")
    check_nodes(targets, "targets must be a NodeCollection.")
    where = positions_of(src_layer)
    source, target = _connected(src_layer, targets, syn_model)
    rows = np.searchsorted(src_layer._ids, source)
    return [where[group].tolist() for group in _groups(target, rows, targets._ids)]


def _whole_layer(nodes: Any) -> Any:
    """All nodes of the layer from which ``nodes`` may be a slice."""
    from jaxnest.nest._nodes import NodeCollection

    layer = layer_of(nodes)
    places = np.arange(len(layer.positions))
    return NodeCollection._of(nodes._ids[0] - nodes._places[0] + places, layer, places)


def _write(outname: str | os.PathLike, rows: Iterable[tuple]) -> None:
    """One line for each row, numbers with six digits, as NEST prints them."""
    with open(outname, "w") as file:
        file.writelines(" ".join(f"{x:g}" if isinstance(x, float) else str(x) for x in row) + "\n" for row in rows)


def DumpLayerNodes(layer: Any, outname: str | os.PathLike) -> None:
    """Writes ID and position of each node of the layer, a line each; of a slice, the whole layer.

    Raises TypeError for anything but a NodeCollection, LayerExpected without positions and OSError if the file
    cannot be written.
    """
    check_nodes(layer, "layer must be a NodeCollection")
    nodes = _whole_layer(layer)
    _write(outname, ((i, *x) for i, x in zip(nodes._ids.tolist(), positions_of(nodes).tolist(), strict=True)))


def DumpLayerConnections(source_layer: Any, target_layer: Any, synapse_model: str, outname: str | os.PathLike) -> None:
    """Writes source, target, weight, delay and displacement of each connection, a line each.

    The sources are those given, the targets all of the layer. Errors as of `DumpLayerNodes`.
    """
    from jaxnest.nest._api import GetConnections

    check_nodes(source_layer, "source_layer must be a NodeCollection")
    check_nodes(target_layer, "target_layer must be a NodeCollection")
    where, nodes = positions_of(source_layer), _whole_layer(target_layer)
    connections = GetConnections(source_layer, nodes, synapse_model=synapse_model)
    source, target = np.fromiter(connections.sources(), np.int64), np.fromiter(connections.targets(), np.int64)
    start = where[np.searchsorted(source_layer._ids, source)]
    end = nodes._layer.positions[target - nodes._ids[0]]
    steps = nodes._layer.displacement(start, end)
    values = ([], []) if not len(source) else (connections.get("weight"), connections.get("delay"))
    weight, delay = (np.atleast_1d(np.asarray(value, float)).tolist() for value in values)
    columns = zip(source.tolist(), target.tolist(), weight, delay, steps.tolist(), strict=True)
    _write(outname, ((s, t, w, d, *x) for s, t, w, d, x in columns))
