"""``nest.math``: functions of parameters."""

import numpy as np

from jaxnest.nest._parameters import Constant, Function, Parameter, Redraw

__all__ = ["cos", "exp", "max", "min", "redraw", "sin"]


def exp(parameter: Parameter) -> Parameter:
    """The exponential of the parameter."""
    return Function(np.exp, (_parameter(parameter),), False)


def sin(parameter: Parameter) -> Parameter:
    """The sine of the parameter."""
    return Function(np.sin, (_parameter(parameter),), False)


def cos(parameter: Parameter) -> Parameter:
    """The cosine of the parameter."""
    return Function(np.cos, (_parameter(parameter),), False)


def min(parameter: Parameter, value: float) -> Parameter:
    """The parameter, or the number if that is less."""
    return _bounded(np.minimum, parameter, value)


def max(parameter: Parameter, value: float) -> Parameter:
    """The parameter, or the number if that is greater."""
    return _bounded(np.maximum, parameter, value)


def redraw(parameter: Parameter, min: float, max: float) -> Parameter:
    """The parameter, drawn again until it lies in [min, max]; KernelException after 1000 draws."""
    return Redraw(_parameter(parameter), float(min), float(max))


def _bounded(function: np.ufunc, parameter: Parameter, value: float) -> Parameter:
    inner, bound = _parameter(parameter), Constant(float(value))
    return Function(function, (inner, bound), inner.returns_int_only() and bound.returns_int_only())


def _parameter(value: object) -> Parameter:
    if not isinstance(value, Parameter):
        raise AttributeError(f"a Parameter is needed, not {type(value).__name__}")
    return value
