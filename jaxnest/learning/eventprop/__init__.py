"""Exact gradients with respect to spike times: see `EventProp`."""

from jaxnest.learning.eventprop._program import EventProp, TimedRecord

__all__ = ["EventProp", "TimedRecord"]
