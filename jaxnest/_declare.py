"""How a model declares its parameters and states, and how values given by a user are checked against that."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnest._values import Values
from jaxnest.connectivity.distributions import Distribution, sample
from jaxnest.errors import ConfigurationError


@dataclass(frozen=True)
class Parameter:
    """A parameter of a model.

    `default` is a number or, for a parameter with a `dim`, a tuple. `dim` names a model dimension (such as
    ``"ports"``): each neuron then has that many values; with a `pad`, neurons may have unequal numbers of them, and
    `pad` fills up where it makes no difference. `gt`, `ge`, `lt`, `le` bound the value. A `flag` is true or false, 1 or 0 to the model.
    A parameter with `choices` is one of these names, to the model its place among them (as which it may be given, too).
    """

    default: float | tuple[float, ...]
    unit: str = ""
    doc: str = ""
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    dim: str | None = None
    pad: float | None = None
    flag: bool = False
    choices: tuple[str, ...] = ()

    def chosen(self, value: Any) -> Any:
        """`value`, with names of choices as their numbers. **Raises:** `ConfigurationError` for a name that is none of them."""
        array = np.asarray(value)
        if not self.choices or array.dtype.kind not in "UO":
            return value
        unknown = [name for name in array.ravel() if name not in self.choices]
        if unknown:
            raise ConfigurationError(f"{unknown[0]!r} must be one of {', '.join(map(repr, self.choices))}")
        return np.array([self.choices.index(name) for name in array.ravel()], float).reshape(array.shape)

    def fault(self, value: np.ndarray) -> str | None:
        """What is wrong with `value` (any shape), or None."""
        if np.isnan(value).any():
            return "must not be NaN"
        if self.flag and not np.isin(value, (0.0, 1.0)).all():
            return "must be True or False"
        if self.choices and not np.isin(value, range(len(self.choices))).all():
            return f"must be one of {', '.join(map(repr, self.choices))}"
        checks = (
            (self.gt, np.greater, ">"),
            (self.ge, np.greater_equal, ">="),
            (self.lt, np.less, "<"),
            (self.le, np.less_equal, "<="),
        )
        for bound, holds, sign in checks:
            if bound is not None and not holds(value, bound).all():
                return f"must be {sign} {bound:g}{' ' + self.unit if self.unit else ''}"
        return None


@dataclass(frozen=True)
class State:
    """A state variable: `init` is a number, the name of a parameter, or a function of the parameters.

    `dim` as for `Parameter`, or a number of values; `dtype` is ``"float"`` or ``"int"``. A value given by a user must be at least `ge`, at most `le`.
    `relative_to` names a parameter of a neuron: its step sees, and returns, the state's difference to that, which a float32 has more
    digits of; initial values, `get`, `set` and recorders speak of the whole.
    """

    init: float | str | Callable[[Any], Any] = 0.0
    unit: str = ""
    doc: str = ""
    dtype: str = "float"
    dim: str | int | None = None
    ge: float | None = None
    le: float | None = None
    relative_to: str | None = None

    def fault(self, value: np.ndarray) -> str | None:
        """What is wrong with `value` (any shape), or None."""
        return Parameter(0.0, self.unit, ge=self.ge, le=self.le).fault(value)


class Declared:
    """Base of every model: collects the `Parameter` and `State` attributes of the class and its bases, without those that
    it sets to None.

    A model is configuration only: it has no instances with state, and its functions are pure.
    """

    parameters: Mapping[str, Parameter] = {}
    states: Mapping[str, State] = {}
    name: str = ""
    #: pairs ``(low, high)`` of parameters of which the first must be less than the second
    ordered: Sequence[tuple[str, str]] = ()
    #: the kind of synapses that learn in every step which may end at it (see `Synapse.eager`)
    teaches: str = ""
    #: parameters that NEST has once, for its kernel
    of_kernel: tuple[str, ...] = ()

    @staticmethod
    def check(p: Any) -> str | None:
        """What is wrong with the parameters `p` (`Values` of numpy arrays) taken together, or None."""
        return None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = cls.__name__
        declared: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                if value is None or isinstance(value, (Parameter, State)):
                    declared[name.rstrip("_")] = value  # `lambda_` declares the parameter `lambda`
        cls.parameters = {k: v for k, v in declared.items() if isinstance(v, Parameter)}
        cls.states = {k: v for k, v in declared.items() if isinstance(v, State)}


def nearest(name: str, known: Sequence[str]) -> str:
    """A hint `; did you mean ...?` for a name that is not known, or the list of known ones."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(known))}"


def as_values(what: str, value: Any, n: int, dim: int | None) -> np.ndarray:
    """`value` as a float array of shape (), (n,), (dim, 1) or (dim, n); the last axis counts neurons.

    **Raises:** `ConfigurationError` if it is no number or its shape does not fit.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{what}={value!r} is no number or array of numbers") from None
    if dim is None:
        if array.shape in ((), (1,)):
            return array.reshape(())
        if array.shape == (n,):
            return array
        raise ConfigurationError(f"{what} has shape {array.shape}; give a number or an array of shape ({n},)")
    if array.ndim == 0:
        array = array.reshape(1)
    if array.shape == (dim,):
        return array[:, None]
    if array.shape == (n, dim):
        return array.T
    raise ConfigurationError(f"{what} has shape {array.shape}; give {dim} values, or an array of shape ({n}, {dim})")


def resolve(
    model: type[Declared], owner: str, n: int, given: Mapping[str, Any], rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Check `given` (parameters and initial states) for `n` nodes of `model`, and fill in the defaults.

    Returns the values by name, each of shape () or (n,) or (dim, 1) or (dim, n), and the sizes of the model's
    dimensions, which follow from the lengths of the vector parameters.

    **Raises:** `ConfigurationError` for an unknown name, a wrong shape, or a value out of bounds.
    """
    known = {**model.parameters, **model.states}
    given = {key.rstrip("_"): value for key, value in given.items()}
    for key in given:
        if key not in known:
            raise ConfigurationError(f"{owner}: {model.name} has no parameter {key!r}; {nearest(key, list(known))}")
    dims = _dimensions(model, owner, n, given)
    values: dict[str, np.ndarray] = {}
    for key, parameter in model.parameters.items():
        value = given.get(key, parameter.default)
        dim = None if parameter.dim is None else dims[parameter.dim]
        if isinstance(value, Distribution):
            value = sample(value, n if dim is None else n * dim, rng)
            value = value if dim is None else value.reshape(n, dim)
        values[key] = checked(f"{owner}.{key}", parameter, _padded(parameter, value), n, dim)
    check_together(model, owner, values)
    for key, state in model.states.items():
        if key in given:
            value = given[key]
            if isinstance(value, Distribution):
                value = sample(value, n, rng)
            dim = dims.get(state.dim, state.dim)  # type: ignore[arg-type,assignment]
            values[key] = as_values(f"{owner}.{key}", value, n, dim)
            fault = state.fault(values[key])
            if fault:
                raise ConfigurationError(f"{owner}.{key}={_show(values[key])} {fault}")
    return values, dims


def check_together(model: type[Declared], owner: str, values: Mapping[str, np.ndarray]) -> None:
    """Check what parameters must satisfy with respect to one another.

    **Raises:** `ConfigurationError` if `values` break it.
    """
    for low, high in model.ordered:
        if not (values[low] < values[high]).all():
            raise ConfigurationError(f"{owner}: {low}={_show(values[low])} must be less than {high}={_show(values[high])}")
    fault = model.check(Values(values))
    if fault:
        raise ConfigurationError(f"{owner}: {fault}")


def checked(what: str, parameter: Parameter, value: Any, n: int, dim: int | None) -> np.ndarray:
    """`value` of a parameter as an array within its bounds; see `as_values`."""
    try:
        value = parameter.chosen(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"{what}={error}") from None
    array = as_values(what, value, n, dim)
    fault = parameter.fault(array)
    if fault:
        raise ConfigurationError(f"{what}={_show(array)} {fault}")
    return array


def _dimensions(model: type[Declared], owner: str, n: int, given: Mapping[str, Any]) -> dict[str, int]:
    """The size of each dimension: the length of the vectors that are given, else of the default."""
    dims: dict[str, int] = {}
    counts: dict[str, tuple[str, np.ndarray]] = {}
    for key, parameter in model.parameters.items():
        if parameter.dim is None:
            continue
        if key not in given:
            dims.setdefault(parameter.dim, len(parameter.default))  # type: ignore[arg-type]
            continue
        count = _count(parameter, given[key])
        other, there = counts.setdefault(parameter.dim, (key, count))
        if count.shape not in ((), (n,)) or not np.all(count == there):
            raise ConfigurationError(
                f"{owner}.{key} has {_show(count)} values, but {other}, another {parameter.dim!r} parameter of "
                f"{model.name}, has {_show(there)}; give them the same length"
            )
        dims[parameter.dim] = int(np.max(count, initial=0))
    for key, parameter in model.parameters.items():
        if parameter.dim in counts and key not in given and len(parameter.default) != dims[parameter.dim]:  # type: ignore[arg-type]
            other, there = counts[parameter.dim]
            raise ConfigurationError(f"{owner}.{other} has {_show(there)} values: give as many for {key}, too")
    return dims


def _rows(parameter: Parameter, value: Any) -> bool:
    """Whether `value` has one list a neuron, which may be of unequal lengths."""
    nested = parameter.pad is not None and isinstance(value, (list, tuple)) and len(value) > 0
    return nested and all(np.ndim(row) == 1 for row in value)


def _count(parameter: Parameter, value: Any) -> np.ndarray:
    """How many values `value` has: for all neurons (), or for each (n,)."""
    if _rows(parameter, value):
        return np.array([len(row) for row in value])
    shape = np.shape(value)
    return np.asarray(shape[-1] if shape else 1)


def _padded(parameter: Parameter, value: Any) -> Any:
    """`value` with lists of unequal lengths made equal, where the parameter allows that."""
    if not _rows(parameter, value):
        return value
    size = max(len(row) for row in value)
    return np.array([[*row, *[parameter.pad] * (size - len(row))] for row in value], dtype=np.float64)


def _show(array: np.ndarray) -> str:
    return f"{float(array):g}" if array.ndim == 0 else np.array2string(array, threshold=6, precision=6)
