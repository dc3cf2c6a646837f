"""What rules and selections of nodes are checked for."""

from __future__ import annotations

import dataclasses
import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from jaxnest.connectivity.distributions import Distribution, sample
from jaxnest.connectivity.sampling import Stream
from jaxnest.errors import ConfigurationError

if TYPE_CHECKING:
    from jaxnest.connectivity.rules import Rule

NEST_SWITCHES = {"allow_autapses": True, "allow_multapses": True, "make_symmetric": False}  # with NEST's defaults


def as_ids(rule: Rule, key: str, ids: ArrayLike) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise ConfigurationError(
            f"{rule.name}: {key} has shape {ids.shape} and type {ids.dtype}; give a one-dimensional array of integers"
        )
    if ids.size > np.iinfo(np.int32).max:
        raise ConfigurationError(f"{rule.name}: {key} holds {ids.size} nodes; at most 2**31 - 1 can be connected at once")
    return ids.astype(np.int64, copy=False)


def unique_ids(rule: Rule, pre_ids: ArrayLike, post_ids: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    checked = []
    for key, given in (("pre_ids", pre_ids), ("post_ids", post_ids)):
        ids = as_ids(rule, key, given)
        if ids.size > 1 and not (np.diff(ids) > 0).all():
            ordered = np.sort(ids)
            twice = ordered[1:][ordered[1:] == ordered[:-1]]
            if twice.size:
                raise ConfigurationError(
                    f"{rule.name}: {key} contains {twice[0]} more than once; select each node once, or use one_to_one"
                )
        checked.append(ids)
    return checked[0], checked[1]


def check_switches(rule: Rule, **required: bool) -> None:
    for key in NEST_SWITCHES.keys() & {field.name for field in dataclasses.fields(rule)}:  # type: ignore[arg-type]
        value = getattr(rule, key)
        if not isinstance(value, (bool, np.bool_)):
            raise ConfigurationError(f"{rule.name}: {key}={value!r} is not a truth value; give True or False")
        if key in required and value != required[key]:
            raise ConfigurationError(
                f"{rule.name}: {key}={value} is not supported, by NEST neither; give {key}={required[key]}"
            )


def check_count(rule: Rule, key: str, value: Any) -> None:
    try:
        count = None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        count = None
    if count is None:
        raise ConfigurationError(f"{rule.name}: {key}={value!r} is not an integer; give a whole number such as {key}=10")
    if count < 0:
        raise ConfigurationError(f"{rule.name}: {key}={value} is negative; give {key} >= 0")


def check_degree(rule: Rule, key: str, value: Any) -> None:
    if not isinstance(value, Distribution):
        check_count(rule, key, value)


def check_number(rule: Rule, key: str, value: Any, largest: float) -> None:
    interval = f"0 <= {key} <= {largest:g}" if largest < math.inf else f"a finite {key} >= 0"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ConfigurationError(f"{rule.name}: {key}={value!r} is not a number; give {interval}")
    if not (0 <= value <= largest and math.isfinite(value)):
        raise ConfigurationError(f"{rule.name}: {key}={value} is out of range; give {interval}")


def drawn_degrees(rule: Rule, key: str, value: int | Distribution, n: int, stream: Stream) -> np.ndarray:
    if not isinstance(value, Distribution):
        return np.full(n, int(value), np.int64)
    return np.floor(
        np.maximum(sample(value, n, stream.generator(-1), np.float64, name=f"{rule.name}: {key}"), 0.0) + 0.5
    ).astype(np.int64)


def check_available(rule: Any, key: str, others: str, degrees: np.ndarray, n: int, own: np.ndarray | None) -> None:
    if n == 0:
        raise ConfigurationError(f"{rule.name}: there are no {others}; select at least one node")
    available = np.full(degrees.size, n) if own is None else n - (own >= 0)
    short = np.flatnonzero((degrees > 0) & (available == 0) if rule.allow_multapses else degrees > available)
    if short.size == 0:
        return
    degree, limit = degrees[short[0]], available[short[0]]
    apart = " apart from the neuron itself" if limit < n else ""
    mends = ["allow_autapses=True"] if limit < n and (rule.allow_multapses or degree <= n) else []
    mends += [] if rule.allow_multapses else ["allow_multapses=True"]
    raise ConfigurationError(
        f"{rule.name}: {key}={degree} exceeds the {limit} available {others}{apart}; {', '.join(mends)}, or {key} <= {limit}"
    )
