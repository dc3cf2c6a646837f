"""The connection rules without space: a conn_spec and two collections give pairs of positions in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxnest.connectivity.rules import rule_from
from jaxnest.connectivity.sampling import Stream
from jaxnest.errors import ConfigurationError
from jaxnest.nest._errors import NESTErrors, type_mismatch, unread_keys
from jaxnest.nest._ledger import in_range
from jaxnest.nest._parameters import Context, Parameter
from jaxnest.nest._settings import RULES

#: what each rule needs, beside the switches that all have
NEEDS: Mapping[str, tuple[str, ...]] = {
    "all_to_all": (),
    "one_to_one": (),
    "fixed_indegree": ("indegree",),
    "fixed_outdegree": ("outdegree",),
    "fixed_total_number": ("N",),
    "pairwise_bernoulli": ("p",),
    "pairwise_poisson": ("pairwise_avg_num_conns",),
    "symmetric_pairwise_bernoulli": ("p",),
}
SWITCHES = ("allow_autapses", "allow_multapses", "make_symmetric")


def check_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The conn_spec with all its switches. **Raises:** NEST's errors for what it cannot say."""
    rule = spec["rule"]
    if not isinstance(rule, str):
        raise type_mismatch("rule", rule, "std::string")
    if rule not in NEEDS:
        raise NESTErrors.BadProperty(f"Unknown connectivity rule: {rule}. There are: {', '.join(RULES)}.")
    for key in NEEDS[rule]:
        if key not in spec:
            raise IndexError(f"{key} is required by the rule {rule}.")
    unknown = [k for k in spec if k not in ("rule", *NEEDS[rule], *SWITCHES)]
    if unknown:
        raise unread_keys("conn_spec", "Connect", unknown)
    full = {"allow_autapses": True, "allow_multapses": True, "make_symmetric": False, **spec}
    for key in SWITCHES:
        if not isinstance(full[key], bool | np.bool_):
            raise type_mismatch(key, full[key], "bool")
    if full["make_symmetric"] and rule not in ("one_to_one", "symmetric_pairwise_bernoulli"):
        raise NESTErrors.NotImplemented("This connection rule does not support symmetric connections.")
    if rule in ("pairwise_poisson", "symmetric_pairwise_bernoulli") and not full["allow_multapses"]:
        raise NESTErrors.BadProperty("Multapses must be allowed for this connection rule.")
    if rule == "symmetric_pairwise_bernoulli":
        if _number("p", full["p"]) == 1:
            raise NESTErrors.BadProperty("Connection probability 0 <= p < 1 required.")
        if full["allow_autapses"]:
            raise NESTErrors.BadProperty("Autapses must be prohibited for this connection rule.")
        if not full["make_symmetric"]:
            raise NESTErrors.BadProperty("Symmetric connections must be enabled for this connection rule.")
    return full


def pairs(
    spec: Mapping[str, Any], pre: np.ndarray, post: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n,) in `pre` and in `post` (IDs of nodes) of all connections, target by target (one_to_one and
    fixed_outdegree: source by source); of symmetric rules those of one direction. `spec` comes from `check_spec`.

    **Raises:** `BadProperty` where the rule cannot be followed.
    """
    rule = spec["rule"]
    own = not spec["allow_autapses"]
    if rule == "all_to_all":
        source = np.tile(np.arange(len(pre)), len(post))
        target = np.repeat(np.arange(len(post)), len(pre))
        return _without(source, target, pre[source] == post[target]) if own else (source, target)
    if rule == "one_to_one":
        if len(pre) != len(post):
            raise NESTErrors.DimensionMismatch("Source and Target population must be of the same size.")
        place = np.arange(len(pre))
        return _without(place, place, pre == post) if own else (place, place)
    (key,) = NEEDS[rule]
    value = _number(key, spec[key])
    if rule == "fixed_total_number" and not spec["allow_multapses"]:
        if value > len(pre) * len(post):
            raise NESTErrors.BadProperty(
                "Total number of connections cannot exceed product of source and target population sizes."
            )
        text = "Connect doesn't support the suppression of multapses in the FixedTotalNumber connector."
        raise NESTErrors.NotImplemented(text)
    if rule == "symmetric_pairwise_bernoulli":
        degrees = _truncated_binomial(len(pre), value, len(post), rng)
        return _by_degrees(
            {"rule": "fixed_indegree", "allow_autapses": False, "allow_multapses": False}, degrees, pre, post, rng
        )
    if isinstance(value, Parameter):
        drawn = value.draw(Context(n=_size(key, pre, post), rng=rng))
        if rule not in ("fixed_indegree", "fixed_outdegree"):
            return _varying(rule, drawn, pre, post, spec, rng)
        degrees = np.trunc(drawn + np.copysign(0.5, drawn)).astype(np.int64)
        if (degrees < 0).any():
            raise NESTErrors.BadProperty(f"{key.capitalize()} cannot be less than zero.")
        return _by_degrees(spec, degrees, pre, post, rng)
    return _drawn(spec, value, pre, post, rng)


def _drawn(
    spec: Mapping[str, Any], value: Any, pre: np.ndarray, post: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of a random rule with one `value` for all."""
    rule = spec["rule"]
    described = {"rule": rule, NEEDS[rule][0]: value, "allow_autapses": spec["allow_autapses"]}
    if rule != "pairwise_bernoulli":
        described["allow_multapses"] = spec["allow_multapses"]
    available = {"fixed_indegree": len(pre), "fixed_outdegree": len(post)}.get(rule)
    if available is not None and not spec["allow_multapses"] and value > available:
        raise NESTErrors.BadProperty(f"{NEEDS[rule][0].capitalize()} cannot be larger than population size.")
    try:
        return rule_from(described).draw(Stream(int(rng.integers(2**63))), pre, post).pairs()
    except ConfigurationError as fault:
        raise NESTErrors.BadProperty(str(fault)) from None


def _by_degrees(
    spec: Mapping[str, Any], degrees: np.ndarray, pre: np.ndarray, post: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of fixed_indegree or fixed_outdegree with a degree of its own for each target or source."""
    by_source = spec["rule"] == "fixed_outdegree"
    sources, targets = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for degree in np.unique(degrees):
        here = np.flatnonzero(degrees == degree)
        some = (pre[here], post) if by_source else (pre, post[here])
        source, target = _drawn(spec, int(degree), *some, rng)
        sources.append(here[source] if by_source else source)
        targets.append(target if by_source else here[target])
    source, target = np.concatenate(sources), np.concatenate(targets)
    order = np.argsort(source if by_source else target, kind="stable")
    return source[order], target[order]


def _truncated_binomial(n: int, p: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """Binomial numbers (size,) out of `n`, drawn again where they are `n`, as NEST does."""
    degrees = rng.binomial(n, p, size)
    again = np.flatnonzero(degrees == n)
    while again.size:
        degrees[again] = rng.binomial(n, p, again.size)
        again = again[degrees[again] == n]
    return degrees


_NEGATIVE = {
    "indegree": "Indegree cannot be less than zero.",
    "outdegree": "Outdegree cannot be less than zero.",
    "N": "Total number of connections cannot be negative.",
}


def _number(key: str, value: Any) -> Any:
    if isinstance(value, Parameter) and key != "N":
        return value
    in_range(value)
    if isinstance(value, str | bool | Parameter) or np.ndim(value) or value is None:
        raise type_mismatch(key, value, "long" if key in _NEGATIVE else "double")
    if key in _NEGATIVE:
        if not isinstance(value, int | np.integer):
            raise type_mismatch(key, value, "long")
        if value < 0:
            raise NESTErrors.BadProperty(_NEGATIVE[key])
        return int(value)
    if key == "p" and not 0 <= value <= 1:
        raise NESTErrors.BadProperty("Connection probability 0 <= p <= 1 required.")
    if key == "pairwise_avg_num_conns" and value < 0:
        raise NESTErrors.BadProperty("Connection parameter 0 ≤ pairwise_avg_num_conns required.")
    return float(value)


def _size(key: str, pre: np.ndarray, post: np.ndarray) -> int:
    return {"indegree": len(post), "outdegree": len(pre)}.get(key, len(pre) * len(post))


def _varying(
    rule: str, value: np.ndarray, pre: np.ndarray, post: np.ndarray, spec: Mapping[str, Any], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A probability, or mean number, of its own for each pair."""
    source, target = np.tile(np.arange(len(pre)), len(post)), np.repeat(np.arange(len(post)), len(pre))
    count = rng.poisson(np.maximum(value, 0)) if rule == "pairwise_poisson" else (rng.random(len(value)) < value).astype(int)
    if not spec["allow_autapses"]:
        count[pre[source] == post[target]] = 0
    return np.repeat(source, count), np.repeat(target, count)


def _without(source: np.ndarray, target: np.ndarray, these: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return source[~these], target[~these]
