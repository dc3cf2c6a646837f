"""``nest.random``: parameters that are random numbers."""

from jaxnest.nest._parameter_types import CreateParameter
from jaxnest.nest._parameters import Parameter

__all__ = ["exponential", "lognormal", "normal", "uniform", "uniform_int"]


def uniform(min: float = 0.0, max: float = 1.0) -> Parameter:
    """Uniform in [min, max); BadProperty unless min < max."""
    return CreateParameter("uniform", {"min": float(min), "max": float(max)})


def uniform_int(max: int) -> Parameter:
    """Integers 0 … max - 1; BadProperty unless max > 0."""
    return CreateParameter("uniform_int", {"max": max})


def normal(mean: float = 0.0, std: float = 1.0) -> Parameter:
    """Normal; BadProperty unless std > 0."""
    return CreateParameter("normal", {"mean": float(mean), "std": float(std)})


def exponential(beta: float = 1.0) -> Parameter:
    """Exponential with mean beta."""
    return CreateParameter("exponential", {"beta": float(beta)})


def lognormal(mean: float = 0.0, std: float = 1.0) -> Parameter:
    """Log-normal; mean and std are those of the logarithm. BadProperty unless std > 0."""
    return CreateParameter("lognormal", {"mean": float(mean), "std": float(std)})
