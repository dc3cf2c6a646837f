"""A drawing of the network as a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["plot_network"]


def plot_network(nodes: Any, filename: str, ext_conns: bool = False, plot_modelnames: bool = False) -> None:
    """Draw the connections that start at ``nodes`` and save the graph as ``filename``, ending in .pdf or .png.

    ``ext_conns`` and ``plot_modelnames`` are there for the signature's sake, as in NEST.

    **Raises:** `TypeError` if ``nodes`` is no NodeCollection, `ValueError` if it is empty or the file name ends
    otherwise, `NotImplementedError` for the two options, `ModuleNotFoundError` without pydot.
    """
    import jaxnest.nest as nest

    if not isinstance(nodes, nest.NodeCollection):
        raise TypeError("nodes must be a 'NodeCollection'.")
    if not len(nodes):
        raise ValueError("nodes must at least contain one node.")
    if ext_conns:
        raise NotImplementedError("ext_conns")
    if plot_modelnames:
        raise NotImplementedError("plot_modelnames")
    filetype = Path(filename).suffix
    if filetype not in (".pdf", ".png"):
        raise ValueError("Filename must end in '.png' or '.pdf'.")
    try:
        import pydot
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("plot_network needs the package pydot, and graphviz's program dot") from error

    graph = pydot.Dot(rankdir="LR", ranksep="5")
    connections = nest.GetConnections(nodes)
    for source, target in zip(connections.sources(), connections.targets(), strict=True):
        graph.add_edge(pydot.Edge(str(source), str(target)))
    graph.write(filename, format=filetype[1:])
