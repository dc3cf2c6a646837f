"""``nest.logic``: choosing between parameters."""

import numpy as np

from jaxnest.nest._parameters import Conditional, Constant, Parameter

__all__ = ["conditional"]


def conditional(condition: Parameter, param_if_true: Parameter | float, param_if_false: Parameter | float) -> Parameter:
    """``param_if_true`` where the condition, usually a comparison, is not 0, else ``param_if_false``."""
    if not isinstance(condition, Parameter):
        raise AttributeError(f"the condition must be a Parameter, not {type(condition).__name__}")
    return Conditional(condition, _branch(param_if_true), _branch(param_if_false))


def _branch(value: object) -> Parameter:
    if isinstance(value, int | float | np.integer | np.floating):
        return Constant(float(value))
    if not isinstance(value, Parameter):
        raise AttributeError(f"a Parameter or a number is needed, not {type(value).__name__}")
    return value
