"""`CreateParameter`: the types of parameters, made from dictionaries."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._parameters import Constant, Distance, Kernel, Parameter, Position, Random
from jaxnest.nest._specs import Specs, cast_error


def CreateParameter(parametertype: str, specs: Mapping[str, object]) -> Parameter:
    """A parameter of type ``parametertype``.

    ``specs`` holds, for constant: value; uniform: min, max; uniform_int: max; normal and lognormal: mean, std;
    exponential: beta; position: dimension, synaptic_endpoint; distance: dimension; exp_distribution: x, beta;
    gaussian: x, mean, std; gaussian2d: x, y, mean_x, mean_y, std_x, std_y, rho; gamma: x, kappa, theta;
    gabor: x, y, theta, gamma, std, lam, psi.

    Raises UndefinedName for an unknown type, UnaccessedDictionaryEntry for unknown keys, IndexError for missing
    keys, TypeMismatch for values of a wrong type and BadProperty for values out of range.
    """
    read = Specs(parametertype, specs)
    if parametertype not in _TYPES:
        raise NESTErrors.UndefinedName(f"The name {parametertype} is not defined.")
    parameter = _TYPES[parametertype](read)
    read.refuse_unread("param", "create_parameter")
    return parameter


def as_parameter(value: object) -> Parameter:
    """A parameter, from a parameter, a number or a dictionary {type: specs}; BadProperty for anything else."""
    if isinstance(value, Parameter):
        return value
    if isinstance(value, Mapping):
        if len(value) != 1:
            raise NESTErrors.BadProperty("Parameter definition dictionary must contain one single key only.")
        [(name, specs)] = value.items()
        return CreateParameter(name, specs)
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise NESTErrors.BadProperty(f"Parameter must be parametertype, constant or dictionary, got {type(value).__name__}")
    return Constant(float(value))


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise NESTErrors.BadProperty(message)


def _operand(specs: Specs, key: str) -> Parameter:
    value = specs.get(key)
    if not isinstance(value, Parameter):
        raise cast_error(key, value, "Parameter")
    return value


def _constant(specs: Specs) -> Parameter:
    return Constant(specs.real("value"))


def _uniform(specs: Specs) -> Parameter:
    low, high = specs.real("min", 0.0), specs.real("max", 1.0)
    _require(low < high, "nest::UniformParameter: min < max required.")
    return Random(lambda rng, n: low + rng.random(n) * (high - low))


def _uniform_int(specs: Specs) -> Parameter:
    high = specs.integer("max", 1)
    _require(high > 0, "nest::UniformIntParameter: max > 0 required.")
    return Random(lambda rng, n: rng.integers(high, size=n), integer=True)


def _normal(specs: Specs) -> Parameter:
    mean, std = specs.real("mean", 0.0), specs.real("std", 1.0)
    _require(std > 0, "nest::NormalParameter: std > 0 required.")
    return Random(lambda rng, n: rng.normal(mean, std, n))


def _lognormal(specs: Specs) -> Parameter:
    mean, std = specs.real("mean", 0.0), specs.real("std", 1.0)
    _require(std > 0, "nest::LognormalParameter: std > 0 required.")
    return Random(lambda rng, n: rng.lognormal(mean, std, n))


def _exponential(specs: Specs) -> Parameter:
    beta = specs.real("beta", 1.0)
    return Random(lambda rng, n: beta * rng.standard_exponential(n))


def _position(specs: Specs) -> Parameter:
    if "dimension" not in specs:
        raise NESTErrors.BadParameterValue("Dimension must be specified when creating a node position parameter.")
    return Position(specs.integer("dimension", 0), specs.integer("synaptic_endpoint", 0))


def _distance(specs: Specs) -> Parameter:
    return Distance(specs.integer("dimension", 0))


def _positive(specs: Specs, key: str, kind: str) -> float:
    value = specs.real(key)
    _require(value > 0, f"{key} > 0 required for {kind} parameter, got {key}={value:f}")
    return value


def _exp_distribution(specs: Specs) -> Parameter:
    x, beta = _operand(specs, "x"), _positive(specs, "beta", "exponential distribution")
    return Kernel("Exponential distribution", lambda x: np.exp(-x / beta), (x,))


def _gaussian(specs: Specs) -> Parameter:
    x, mean = _operand(specs, "x"), specs.real("mean")
    std = _positive(specs, "std", "gaussian distribution")
    return Kernel("Gaussian distribution", lambda x: np.exp(-np.square(x - mean) / (2 * std**2)), (x,))


def _gaussian2d(specs: Specs) -> Parameter:
    operands = (_operand(specs, "x"), _operand(specs, "y"))
    mean_x, mean_y, rho = specs.real("mean_x"), specs.real("mean_y"), specs.real("rho")
    _require(-1 < rho < 1, f"-1 < rho < 1 required for gaussian2d distribution parameter, got rho={rho:f}")
    std_x = _positive(specs, "std_x", "gaussian2d distribution")
    std_y = _positive(specs, "std_y", "gaussian2d distribution")

    def density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        u, v = (x - mean_x) / std_x, (y - mean_y) / std_y
        return np.exp(-(u**2 + v**2 - 2 * rho * u * v) / (2 * (1 - rho**2)))

    return Kernel("Gaussian 2D", density, operands)


def _gamma(specs: Specs) -> Parameter:
    x = _operand(specs, "x")
    kappa = _positive(specs, "kappa", "gamma distribution")
    theta = _positive(specs, "theta", "gamma distribution")
    scale = theta**-kappa / math.gamma(kappa)
    return Kernel("Gamma distribution", lambda x: scale * x ** (kappa - 1) * np.exp(-x / theta), (x,))


def _gabor(specs: Specs) -> Parameter:
    operands = (_operand(specs, "x"), _operand(specs, "y"))
    theta, psi = math.radians(specs.real("theta")), math.radians(specs.real("psi"))
    gamma, lam = _positive(specs, "gamma", "gabor function"), specs.real("lam")
    std = _positive(specs, "std", "gabor function")

    def patch(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        along = x * math.cos(theta) + y * math.sin(theta)
        across = y * math.cos(theta) - x * math.sin(theta)
        envelope = np.exp(-(np.square(gamma * along) + np.square(across)) / (2 * std**2))
        return envelope * np.maximum(np.cos(2 * math.pi * across / lam + psi), 0.0)

    return Kernel("Gabor", patch, operands)


_TYPES: Mapping[str, Callable[[Specs], Parameter]] = {
    "constant": _constant,
    "uniform": _uniform,
    "uniform_int": _uniform_int,
    "normal": _normal,
    "lognormal": _lognormal,
    "exponential": _exponential,
    "position": _position,
    "distance": _distance,
    "exp_distribution": _exp_distribution,
    "gaussian": _gaussian,
    "gaussian2d": _gaussian2d,
    "gamma": _gamma,
    "gabor": _gabor,
}
