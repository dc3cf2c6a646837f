"""The base of every device: generators that drive neurons or emit spikes, and recorders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxnest._declare import Declared, Parameter, State
from jaxnest._values import Values

__all__ = ["Declared", "Drive", "Moment", "Parameter", "Recorder", "Source", "State", "Values", "active"]


@dataclass(frozen=True)
class Moment:
    """The step that a generator is in: `step` (traced int32; it covers (step h, (step + 1) h]) and `h` (ms).

    `bits(draw)` gives a pair of uint32 words, `uniform(draw)`, `normal(draw)` one number for each element that
    draws; `poisson(table)` a count. All depend on nothing but seed, step, and the identity of what draws.
    """

    step: Any
    h: Any
    uniform: Callable[[int], Any]
    normal: Callable[[int], Any]
    poisson: Callable[[Any], Any]


class Device(Declared):
    """A device has an activity window: `start`, `stop`, relative to `origin` (ms)."""

    start = Parameter(0.0, "ms", "activity begins, relative to origin")
    stop = Parameter(float("inf"), "ms", "activity ends, relative to origin")
    origin = Parameter(0.0, "ms", "reference time of start and stop")

    ordered = ()


class Drive(Device):
    """A generator that acts on each of its targets: by spikes (`kind` "spikes") or by a current ("current").

    `emit` gives, for each element, the number of spikes of the step or the current in pA. An element is a connection
    when the model is `per_target` (random generators: every target gets its own draws), else a device.
    """

    kind: str = "spikes"
    per_target: bool = True

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        """What depends on parameters and resolution alone."""
        return Values()

    @staticmethod
    def emit(p: Values, k: Values, s: Values, m: Moment) -> tuple[Values, Any]:
        """The new states and the output of the step `m`, for every element."""
        raise NotImplementedError


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Window:
    """The steps in which a device acts: called with a step, 1.0 inside and 0.0 outside."""

    first: Any
    last: Any

    def __call__(self, step: Any) -> Any:
        return ((step >= self.first) & (step < self.last)).astype(float)


def active(p: Values, h: Any, after: int = 0) -> Window:
    """The steps whose right edge lies in (origin + start + after h, origin + stop + after h]."""
    edge = [jnp.clip(jnp.round((p.origin + t) / h), -1e9, 1e9).astype(jnp.int32) + after for t in (p.start, p.stop)]
    return Window(*edge)


class Source(Device):
    """A device that is the origin of spikes like a neuron: its connections may be of any synapse model."""


class Recorder(Device):
    """A device that records; it has no dynamics."""
