"""Delivery along connections that change: the synapse's rule runs where a presynaptic spike is delivered.

All lowerings have the same element-wise rules (`jaxnest.synapses`). The event lowering visits the rows of sources that
spiked; before a synapse sees a presynaptic spike, it is brought up to date with the postsynaptic spikes that have
reached it, read from the `Log`. When a log is nearly full, all synapses are brought up to date, so no spike is lost.
It is in C++ (events/plastic_native.py) for the models whose rules the library has, on the CPU, else in XLA
(events/plastic_rows.py). The dense lowering (events/plastic_dense.py) visits every synapse in every step; it is
differentiable in reverse mode. In all, a spike of multiplicity m is m spikes at one time.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from jaxnest._values import Values
from jaxnest.events import plastic_native, plastic_rows
from jaxnest.events.deliver import Table
from jaxnest.events.history import Log
from jaxnest.events.native.call import choose
from jaxnest.events.native.rules import number
from jaxnest.events.plastic_dense import deliver_dense, update_dense
from jaxnest.events.plastic_rows import update
from jaxnest.events.rule import Plastic, Rule, Trail

__all__ = ["Plastic", "Rule", "Trail", "bring_up_to_date", "deliver_dense", "deliver_events", "update", "update_dense"]


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
    trail: Trail | None,
    native: bool = False,
    modulator: Log | None = None,
) -> tuple[Any, Plastic, Trail | None]:
    """Deliver `spikes` (L, n_sources) of the steps `first` ... along the rows of the sources that spiked.

    `p`: parameters of the synapses, each (n,) or (1,); `rate` = h / tau_minus of the postsynaptic neurons, and that of the
    slow trace; `h` (ms); `key` of the random numbers; `native`: whether C++ may do it; `modulator`: the log of what the
    synapses' transmitter received. A table with a `trail` or a modulator is XLA's.
    """
    operands = (ring, plastic, spikes, p, first, table, log, rate, h, key)
    if not native or trail is not None or number(rule.model) is None:
        return plastic_rows.deliver_events(rule, *operands, trail, modulator)

    walk: Any = plastic_rows.deliver_events

    def in_xla(*operands: Any) -> Any:
        return walk(rule, *operands, None)[:2]

    ring, plastic = choose(partial(plastic_native.deliver_events, rule), in_xla, *operands)
    return ring, plastic, None


def bring_up_to_date(
    rule: Rule,
    plastic: Plastic,
    p: Values,
    now: Any,
    table: Table,
    log: Log,
    rate: Any,
    h: Any,
    native: bool = False,
    modulator: Log | None = None,
) -> Plastic:
    """Let every synapse use the postsynaptic spikes, and those of its modulator, that have reached it by the stamp `now`."""
    operands = (plastic, p, now, table, log, rate, h)
    if not native or number(rule.model) is None:
        return plastic_rows.bring_up_to_date(rule, *operands, modulator)
    in_cpp, in_xla = (partial(module.bring_up_to_date, rule) for module in (plastic_native, plastic_rows))
    return choose(in_cpp, in_xla, *operands)
