"""The connection rules without space: a conn_spec and two collections give pairs of positions in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxnest.connectivity.rules import rule_from
from jaxnest.connectivity.sampling import Stream
from jaxnest.errors import ConfigurationError
from jaxnest.nest._errors import NESTErrors, type_mismatch, unread_keys
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
SWITCHES = ("allow_autapses", "allow_multapses", "make_symmetric", "allow_oversized_mask")


def check_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The conn_spec with all its switches. **Raises:** NEST's errors for what it cannot say."""
    if "rule" not in spec:
        raise ValueError("conn_spec must contain a 'rule' key")
    rule = spec["rule"]
    if rule not in NEEDS:
        raise NESTErrors.BadProperty(f"Unknown connection rule '{rule}'. There are: {', '.join(RULES)}.")
    unknown = [k for k in spec if k not in ("rule", *NEEDS[rule], *SWITCHES)]
    if unknown:
        raise unread_keys("conn_spec", "Connect", unknown)
    for key in NEEDS[rule]:
        if key not in spec:
            raise NESTErrors.UndefinedName(f"{key} is required by the rule {rule}.")
    full = {"allow_autapses": True, "allow_multapses": True, "make_symmetric": False, **spec}
    for key in SWITCHES:
        if key in full and not isinstance(full[key], (bool, np.bool_)):
            raise type_mismatch(key, full[key], "bool")
    if rule == "symmetric_pairwise_bernoulli":
        if full["allow_autapses"]:
            raise NESTErrors.BadProperty("This rule requires allow_autapses=False.")
        if "make_symmetric" not in spec or not full["make_symmetric"]:
            raise NESTErrors.BadProperty("Symmetric connections need make_symmetric=True.")
    elif full["make_symmetric"] and rule not in ("one_to_one", "all_to_all"):
        raise NESTErrors.NotImplemented(f"The rule {rule} does not support make_symmetric.")
    return full


def pairs(spec: Mapping[str, Any], pre: np.ndarray, post: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n,) in `pre` and in `post` (IDs of nodes) of all connections, target by target (one_to_one and
    fixed_outdegree: source by source). `spec` comes from `check_spec`.

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
            raise NESTErrors.DimensionMismatch("Expected dimension size to be equal: one_to_one needs as many sources as targets.")
        place = np.arange(len(pre))
        return _without(place, place, pre == post) if own else (place, place)
    value = {key: _number(key, spec[key], rng) for key in NEEDS[rule]}
    if any(isinstance(v, Parameter) for v in value.values()):
        value = {key: v.draw(Context(n=_size(key, pre, post), rng=rng)) for key, v in value.items()}
        if rule in ("fixed_indegree", "fixed_outdegree"):
            value = {key: np.round(v).astype(np.int64) for key, v in value.items()}
        else:
            return _varying(rule, next(iter(value.values())), pre, post, spec, rng)
    described = {"rule": rule, **value, "allow_autapses": spec["allow_autapses"]}
    if rule != "pairwise_bernoulli":
        described["allow_multapses"] = spec["allow_multapses"]
    if rule == "symmetric_pairwise_bernoulli":
        described["make_symmetric"] = True
    try:
        drawing = rule_from(described).draw(Stream(int(rng.integers(2**63))), pre, post)
        source, target = drawing.pairs()
    except ConfigurationError as fault:
        raise NESTErrors.BadProperty(str(fault)) from None
    return source, target


def _number(key: str, value: Any, rng: np.random.Generator) -> Any:
    if isinstance(value, Parameter):
        return value if key in ("indegree", "outdegree", "p", "pairwise_avg_num_conns") else float(value.GetValue())
    if isinstance(value, (str, bool)) or np.ndim(value):
        raise type_mismatch(key, value, "long" if key in ("indegree", "outdegree", "N") else "double")
    if key in ("indegree", "outdegree", "N"):
        if not isinstance(value, (int, np.integer)):
            raise type_mismatch(key, value, "long")
        if value < 0:
            raise NESTErrors.BadProperty(f"{key} must not be negative.")
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
