"""``nest.spatial_distributions``: functions of space, for probabilities, weights and delays of connections."""

from jaxnest.nest._parameter_types import CreateParameter
from jaxnest.nest._parameters import Parameter

__all__ = ["exponential", "gabor", "gamma", "gaussian", "gaussian2D"]


def exponential(x: Parameter, beta: float = 1.0) -> Parameter:
    """exp(-x / beta); BadProperty unless beta > 0."""
    return CreateParameter("exp_distribution", {"x": x, "beta": beta})


def gaussian(x: Parameter, mean: float = 0.0, std: float = 1.0) -> Parameter:
    """exp(-(x - mean)² / (2 std²)); BadProperty unless std > 0."""
    return CreateParameter("gaussian", {"x": x, "mean": mean, "std": std})


def gaussian2D(
    x: Parameter,
    y: Parameter,
    mean_x: float = 0.0,
    mean_y: float = 0.0,
    std_x: float = 1.0,
    std_y: float = 1.0,
    rho: float = 0.0,
) -> Parameter:
    """The Gaussian of two variables with correlation rho, 1 at its peak; BadProperty unless |rho| < 1, std > 0."""
    means = {"mean_x": mean_x, "mean_y": mean_y}
    return CreateParameter("gaussian2d", {"x": x, "y": y, **means, "std_x": std_x, "std_y": std_y, "rho": rho})


def gamma(x: Parameter, kappa: float = 1.0, theta: float = 1.0) -> Parameter:
    """The density of the gamma distribution at x; BadProperty unless kappa > 0 and theta > 0."""
    return CreateParameter("gamma", {"x": x, "kappa": kappa, "theta": theta})


def gabor(
    x: Parameter,
    y: Parameter,
    theta: float = 0.0,
    gamma: float = 1.0,
    std: float = 1.0,
    lam: float = 1.0,
    psi: float = 0.0,
) -> Parameter:
    """The positive part of a Gabor function, angles in degrees; BadProperty unless gamma > 0 and std > 0."""
    shape = {"theta": theta, "gamma": gamma, "std": std, "lam": lam, "psi": psi}
    return CreateParameter("gabor", {"x": x, "y": y, **shape})
