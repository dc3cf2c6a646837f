"""Reading the dictionaries that describe parameters, masks and layers, with NEST's errors for what is wrong in them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxnest.nest._errors import NESTErrors, unread_keys

Number = int | float | np.integer | np.floating | np.bool_


def cast_error(key: str, value: object, wanted: str) -> Exception:
    """NEST's TypeMismatch for ``value`` under ``key``; to be raised by the caller."""
    return NESTErrors.TypeMismatch(f"Expected datatype: Failed to cast '{key}' from {type(value).__name__} to type {wanted}.")


def as_real(key: str, value: object) -> float:
    """A number as float; anything else raises TypeMismatch."""
    if not isinstance(value, Number):
        raise cast_error(key, value, "double")
    return float(value)


def as_integer(key: str, value: object) -> int:
    """An integer; floats and booleans raise RuntimeError, as in NEST."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise RuntimeError(f"The dictionary value with key {key} does not hold a numeric integer type.")
    return int(value)


def as_flag(key: str, value: object) -> bool:
    """True or False; anything else, 0 and 1 included, raises TypeMismatch."""
    if not isinstance(value, bool | np.bool_):
        raise cast_error(key, value, "bool")
    return bool(value)


def as_vector(key: str, value: object) -> np.ndarray:
    """A list, tuple or array of numbers as float64 (d,); anything else raises TypeMismatch."""
    vector = np.asarray(value) if isinstance(value, list | tuple | np.ndarray) else np.zeros((), object)
    if vector.ndim != 1 or vector.dtype.kind not in "iuf":
        raise cast_error(key, value, "std::vector<double>")
    return vector.astype(float)


def as_integers(key: str, value: object) -> np.ndarray:
    """A list, tuple or array of integers as int64 (d,); anything else raises TypeMismatch."""
    if not is_integers(value):
        raise cast_error(key, value, "std::vector<long>")
    return np.asarray(value, np.int64)


def is_integers(value: object) -> bool:
    """Whether ``value`` is a non-empty sequence of integers."""
    if not isinstance(value, list | tuple | np.ndarray):
        return False
    vector = np.asarray(value)
    return vector.ndim == 1 and vector.dtype.kind in "iu"


def point(vector: np.ndarray, ndim: int) -> np.ndarray:
    """``vector`` if it has ``ndim`` coordinates, else BadProperty."""
    if vector.shape[-1] != ndim:
        raise NESTErrors.BadProperty(f"Expected a {ndim}-dimensional position.")
    return vector


def all_columns(flags: np.ndarray) -> np.ndarray:
    """Which rows of (n, d) are all true; for few columns faster than NumPy's own."""
    return np.logical_and.reduce([flags[:, i] for i in range(flags.shape[1])])


def row_sums(values: np.ndarray) -> np.ndarray:
    """The sums of the rows of (n, d), from the first column on; for few columns faster than NumPy's own."""
    total = values[:, 0].copy()
    for i in range(1, values.shape[1]):
        total += values[:, i]
    return total


class Specs:
    """A dictionary that remembers which of its keys were read, so that the rest can be refused."""

    def __init__(self, name: str, values: object) -> None:
        if not isinstance(values, Mapping):
            raise cast_error(name, values, "Dictionary")
        self._values: Mapping[str, Any] = values
        self._read: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> Any:
        """The value of ``key``; IndexError if it is missing."""
        if key not in self._values:
            raise IndexError(f"'{key}' is required")
        self._read.add(key)
        return self._values[key]

    def real(self, key: str, default: float | None = None) -> float:
        """A number; IndexError if it is missing and has no default."""
        return default if default is not None and key not in self else as_real(key, self.get(key))

    def integer(self, key: str, default: int) -> int:
        """An integer, or ``default`` if it is missing."""
        return as_integer(key, self.get(key)) if key in self else default

    def vector(self, key: str, ndim: int) -> np.ndarray:
        """A position of ``ndim`` coordinates, float64 (ndim,)."""
        return point(as_vector(key, self.get(key)), ndim)

    def refuse_unread(self, where: str, function: str) -> None:
        """UnaccessedDictionaryEntry if a key was not read."""
        unread = [key for key in self._values if key not in self._read]
        if unread:
            raise unread_keys(where, function, unread)
