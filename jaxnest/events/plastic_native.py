"""The event lowering of plastic tables in C++ (events/native/plastic.cpp), for the rules that the library has."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest._values import Values
from jaxnest.events.deliver import Table
from jaxnest.events.history import Log
from jaxnest.events.native.call import in_place
from jaxnest.events.native.rules import number, parameters_of
from jaxnest.events.rule import Plastic, Rule


def deliver_events(
    rule: Rule,
    ring: Any,
    plastic: Plastic,
    spikes: Any,
    p: Values,
    first: Any,
    table: Table,
    log: Log | None,
    rate: Any,
    h: Any,
    key: Any,
) -> tuple[Any, Plastic]:
    """What `jaxnest.events.plastic_rows.deliver_events` does, without a trail."""
    dtype = ring.dtype
    given = [*_table(rule, p, table, h, dtype), spikes.astype(dtype), jnp.asarray(first, jnp.int32), key]
    if rule.model.reads_post:
        assert log is not None
        given += [plastic.done, *_log(rule, log, rate, dtype)]
    changed = [ring, plastic.last, *plastic.synapse.values()]
    ring, last, *states = in_place("plastic", given, changed, **_attributes(rule))
    return ring, Plastic(_states(plastic, states), last, plastic.done)


def bring_up_to_date(rule: Rule, plastic: Plastic, p: Values, now: Any, table: Table, log: Log, rate: Any, h: Any) -> Plastic:
    """What `jaxnest.events.plastic_rows.bring_up_to_date` does."""
    dtype = log.K.dtype
    given = [*_table(rule, p, table, h, dtype), plastic.last, now, plastic.done, *_log(rule, log, rate, dtype)]
    states = in_place("up_to_date", given, list(plastic.synapse.values()), **_attributes(rule))
    return Plastic(_states(plastic, states), plastic.last, now)


def _table(rule: Rule, p: Values, table: Table, h: Any, dtype: Any) -> list[Any]:
    parameters = [p[name].astype(dtype) for name in parameters_of(rule.model)]
    return [jnp.asarray(h, dtype), *parameters, table.row_ptr, table.target, table.delay]


def _log(rule: Rule, log: Log, rate: Any, dtype: Any) -> list[Any]:
    times = [log.times] if rule.post_repeats else []
    return [log.stamp, log.K, log.K_triplet, *(r.astype(dtype) for r in rate), *times]


def _states(plastic: Plastic, states: list[Any]) -> Values:
    return Values(dict(zip(plastic.synapse, states, strict=True)))


def _attributes(rule: Rule) -> dict[str, int]:
    found = number(rule.model)
    assert found is not None
    layout = rule.layout
    return {
        "rule": found,
        "first_source": layout.first_source,
        "low": layout.low,
        "high": layout.high,
        "inhibitory": layout.inhibitory,
        "first_column": rule.first_column,
        "n_post": rule.n_post,
        "stream": rule.stream,
        "counts_events": rule.counts_events,
        "post_repeats": rule.post_repeats,
    }
