"""``Parameter.apply``: the values of a parameter at nodes, or from one node to positions in space."""

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._parameters import Context, Parameter
from jaxnest.nest._specs import cast_error

if TYPE_CHECKING:
    from jaxnest.nest._layers import Layer


def apply(parameter: Parameter, nodes: Any, positions: list | tuple | None) -> tuple[float, ...]:
    """See `Parameter.apply`."""
    from jaxnest.nest._kernel import kernel

    if positions is not None:
        _check_positions(nodes, positions)
    if not hasattr(nodes, "_ids"):
        raise AttributeError(f"apply needs a NodeCollection, not {type(nodes).__name__}")
    if positions is None:
        where = None if nodes._layer is None else nodes._layer.positions[nodes._places]
        return tuple(parameter.draw(Context(len(nodes._ids), kernel.rng, positions=where)).tolist())
    if nodes._layer is None:
        raise NESTErrors.KernelException("apply: the NodeCollection has no spatial positions")
    source = nodes._layer.positions[nodes._places[0]]
    return tuple(parameter.draw(_from_source(source, positions, nodes._layer, kernel.rng)).tolist())


def _check_positions(nodes: Any, positions: object) -> None:
    if len(nodes) != 1:
        raise ValueError("The NodeCollection must contain a single node ID only")
    if not isinstance(positions, list | tuple):
        raise TypeError("Positions must be a list or tuple of positions")
    if not all(isinstance(position, list | tuple | np.ndarray) for position in positions):
        raise TypeError("Each position must be a list or tuple")
    if len({len(position) for position in positions}) > 1:
        raise ValueError("All positions must have the same number of dimensions")
    if not positions:
        raise cast_error("targets", positions, "std::vector<std::vector<double>>")


def _from_source(source: np.ndarray, positions: list | tuple, layer: "Layer", rng: np.random.Generator) -> Context:
    targets = np.asarray(positions, float)
    if targets.shape[1] != len(source):
        raise NESTErrors.BadProperty(
            f"Parameter apply: Target position has {targets.shape[1]} dimensions, but source position has "
            f"{len(source)} dimensions."
        )
    sources = np.broadcast_to(source, targets.shape)
    return Context(len(targets), rng, sources=sources, targets=targets, displacement=layer.nearest(sources, targets))
