"""Pictures of layers, of the partners of a node, and of masks and probabilities around it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxnest.nest._apply import apply
from jaxnest.nest._parameters import Parameter
from jaxnest.nest._spatial_api import GetSourcePositions, GetTargetPositions, check_nodes, layer_of, positions_of

_EDGE = {"ec": "black", "alpha": 0.2, "lw": 2}


def _axes(fig: Any, ndim: int) -> tuple[Any, Any]:
    """The figure and its axes; new ones if ``fig`` is None."""
    import matplotlib.pyplot as plt

    if fig is not None:
        return fig, fig.gca()
    fig = plt.figure()
    return fig, fig.add_subplot(projection="3d") if ndim == 3 else fig.add_subplot()


def _frame(axes: Any, layer: Any) -> None:
    """The edges of a layer in two dimensions, with a little room around."""
    from matplotlib.patches import Rectangle

    (left, bottom), (width, height) = layer.lower_left, layer.extent
    axes.add_patch(Rectangle((left, bottom), width, height, fc="none", ec="0.5", lw=1, zorder=1))
    axes.set_xlim(left - 0.05 * width, left + 1.05 * width)
    axes.set_ylim(bottom - 0.05 * height, bottom + 1.05 * height)
    axes.set(aspect="equal", xticks=(), yticks=())


def PlotLayer(layer: Any, fig: Any = None, nodecolor: Any = "b", nodesize: float = 20) -> Any:
    """Draws the nodes of a layer in two or three dimensions; returns the figure.

    Raises TypeError for anything but a NodeCollection, LayerExpected without positions, and ImportError if
    matplotlib is not installed.
    """
    check_nodes(layer, "layer must be a NodeCollection.")
    where = positions_of(layer)
    fig, axes = _axes(fig, where.shape[1])
    axes.scatter(*where.T, s=nodesize, c=nodecolor)
    if where.shape[1] == 2:
        _frame(axes, layer._layer)
    return fig


def PlotTargets(
    src_nrn: Any,
    tgt_layer: Any,
    syn_type: str | None = None,
    fig: Any = None,
    mask: Mapping[str, Any] | None = None,
    probability_parameter: Parameter | None = None,
    src_color: Any = "red",
    src_size: float = 50,
    tgt_color: Any = "blue",
    tgt_size: float = 20,
    mask_color: Any = "yellow",
    probability_cmap: Any = "Greens",
) -> Any:
    """Draws a node and its targets in ``tgt_layer``, in 2D with mask and probability around it; returns the figure.

    ``syn_type`` takes only the connections of one synapse model. Errors as of `PlotLayer`.
    """
    _single(src_nrn, "src_nrn")
    check_nodes(tgt_layer, "tgt_layer must be a NodeCollection.")
    partners = GetTargetPositions(src_nrn, tgt_layer, syn_type)[0]
    colors = {"node": (src_color, src_size), "partners": (tgt_color, tgt_size)}
    return _partners(src_nrn, tgt_layer, partners, fig, colors, mask, probability_parameter, mask_color, probability_cmap)


def PlotSources(
    src_layer: Any,
    tgt_nrn: Any,
    syn_type: str | None = None,
    fig: Any = None,
    mask: Mapping[str, Any] | None = None,
    probability_parameter: Parameter | None = None,
    tgt_color: Any = "red",
    tgt_size: float = 50,
    src_color: Any = "blue",
    src_size: float = 20,
    mask_color: Any = "yellow",
    probability_cmap: Any = "Greens",
) -> Any:
    """Draws a node and its sources in ``src_layer``, in 2D with mask and probability around it; returns the figure.

    ``syn_type`` takes only the connections of one synapse model. Errors as of `PlotLayer`.
    """
    _single(tgt_nrn, "tgt_nrn")
    check_nodes(src_layer, "src_layer must be a NodeCollection.")
    partners = GetSourcePositions(src_layer, tgt_nrn, syn_type)[0]
    colors = {"node": (tgt_color, tgt_size), "partners": (src_color, src_size)}
    return _partners(tgt_nrn, src_layer, partners, fig, colors, mask, probability_parameter, mask_color, probability_cmap)


def _single(node: Any, name: str) -> None:
    message = f"{name} must be a single element NodeCollection."
    if len(check_nodes(node, message)) != 1:
        raise TypeError(message)


def _partners(
    node: Any,
    nodes: Any,
    partners: list[list[float]],
    fig: Any,
    colors: Mapping[str, tuple[Any, float]],
    mask: Mapping[str, Any] | None,
    probability: Parameter | None,
    mask_color: Any,
    cmap: Any,
) -> Any:
    """The picture of `PlotTargets` and `PlotSources`."""
    layer = layer_of(nodes)
    fig, axes = _axes(fig, layer.ndim)
    color, size = colors["partners"]
    if partners:
        axes.scatter(*np.array(partners).T, s=size, c=color)
    color, size = colors["node"]
    axes.scatter(*positions_of(node).T, s=size, c=color, alpha=0.4, zorder=-10)
    if layer.ndim == 2:
        if mask is not None or probability is not None:
            low, high = layer.center - layer.extent, layer.center + layer.extent
            edges = [low[0], high[0], low[1], high[1]]
            PlotProbabilityParameter(node, probability, mask=mask, edges=edges, ax=axes, prob_cmap=cmap, mask_color=mask_color)
        _frame(axes, layer)
    return fig


def PlotProbabilityParameter(
    source: Any,
    parameter: Parameter | None = None,
    mask: Mapping[str, Any] | None = None,
    edges: Sequence[float] = (-0.5, 0.5, -0.5, 0.5),
    shape: Sequence[int] = (100, 100),
    ax: Any = None,
    prob_cmap: Any = "Greens",
    mask_color: Any = "yellow",
) -> None:
    """Draws the probability of connections from ``source``, a single node in 2D, and the outline of a mask.

    Args:
        source: a NodeCollection of one node.
        parameter: the probability; cut off at 0 and 1.
        mask: a dictionary {type: specs, "anchor": anchor}, of a circular, doughnut, rectangular or elliptical mask.
        edges: left, right, lower and upper edge of the picture.
        shape: how many points along x and along y.
        ax: the axes to draw on; new ones by default.

    Raises ValueError without both parameter and mask and for other masks.
    """
    import matplotlib.pyplot as plt

    if parameter is None and mask is None:
        raise ValueError("At least one of parameter or mask must be specified")
    axes = plt.subplots()[1] if ax is None else ax
    axes.set_xlim(*edges[:2])
    axes.set_ylim(*edges[2:])
    if parameter is not None:
        x, y = np.linspace(edges[0], edges[1], shape[0]), np.linspace(edges[2], edges[3], shape[1])
        points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        values = np.array(apply(parameter, source, list(points))).reshape(len(y), len(x))
        image = axes.imshow(
            np.clip(values, 0.0, 1.0),
            extent=(edges[0], edges[1], edges[2], edges[3]),
            origin="lower",
            cmap=prob_cmap,
            vmin=0.0,
            vmax=1.0,
        )
        plt.colorbar(image, ax=axes, fraction=0.046, pad=0.04)
    if mask is not None:
        layer = layer_of(source)
        here = positions_of(source)[0]
        shifts = np.array([(0, 0)])
        if layer.edge_wrap:
            shifts = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 2)
        for shift in shifts:
            axes.add_patch(_outline(mask, here + shift * layer.extent, mask_color))


def _outline(mask: Mapping[str, Any], center: np.ndarray, color: Any) -> Any:
    """The patch of a mask around ``center`` (2,)."""
    from matplotlib.patches import Annulus, Circle, Ellipse, Rectangle

    center = center + np.asarray(mask.get("anchor", (0.0, 0.0)), float)
    style = {**_EDGE, "fc": color, "zorder": 0.5}
    for kind in ("circular", "doughnut", "rectangular", "elliptical"):
        if kind in mask:
            specs = mask[kind]
            break
    else:
        raise ValueError("Mask type cannot be plotted with this version of PyNEST.")
    center = center + np.asarray(specs.get("anchor", (0.0, 0.0)), float)
    angle = specs.get("azimuth_angle", 0.0)
    if kind == "circular":
        return Circle(tuple(center), specs["radius"], **style)
    if kind == "doughnut":
        inner, outer = specs["inner_radius"], specs["outer_radius"]
        return Annulus(tuple(center), outer, outer - inner, **style)
    if kind == "elliptical":
        return Ellipse(tuple(center), specs["major_axis"], specs["minor_axis"], angle=angle, **style)
    low, high = (np.asarray(specs[key], float) for key in ("lower_left", "upper_right"))
    return Rectangle(tuple(center + low), *(high - low), angle=angle, rotation_point="center", **style)
