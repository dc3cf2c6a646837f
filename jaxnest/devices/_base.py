"""The base of every device: generators that drive neurons or emit spikes, and recorders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnest._declare import Declared, Parameter, State
from jaxnest._values import Values

__all__ = [
    "Declared",
    "Drive",
    "Moment",
    "Parameter",
    "Recorder",
    "Source",
    "State",
    "Values",
    "active",
    "fault_in_times",
    "steps_of",
    "take_at",
]


@dataclass(frozen=True)
class Moment:
    """The step that a generator is in: `step` (traced int32; it covers (step h, (step + 1) h]) and `h` (ms).

    `uniform(draw)`, `normal(draw)` give one number for each element that
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

    #: what the device reads by itself (`read_options`), beside its parameters
    options: tuple[str, ...] = ()
    #: whether connections may begin at it: see `Neuron.sends`
    sends: bool = True

    @staticmethod
    def check(p: Values) -> str | None:
        return "stop must not lie before start" if (p.stop < p.start).any() else None

    @classmethod
    def read_options(cls, owner: str, n: int, given: Mapping[str, Any], h: float) -> dict[str, Any]:
        """What the options given for `n` devices say. **Raises:** `ConfigurationError` for what makes no sense."""
        return dict(given)


class Drive(Device):
    """A generator that acts on each of its targets: by spikes (`kind` "spikes") or by a current ("current").

    `emit` gives, for each element, the number of spikes of the step or the current in pA. An element is a connection
    when the model is `per_target` (random generators: every target gets its own draws), else a device. States are
    one for each element, or without `own_state` as the parameters are: a single device has one for all its targets.
    """

    kind: str = "spikes"
    per_target: bool = True
    own_state: bool = True

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


def steps_of(t: Any, h: Any) -> Any:
    """Times `t` (ms, on the grid; inf: never) in steps."""
    return jnp.clip(jnp.round(t / h), -(2.0**30), 2.0**30).astype(jnp.int32)


def take_at(steps: Any, stamp: Any, values: Any, otherwise: Any) -> Any:
    """`values[j]` where `stamp` is one of the increasing `steps[j]` (k, 1) or (k, n), `otherwise` (n,) elsewhere."""
    size = steps.shape[0]
    if size == 0:
        return otherwise
    if steps.shape[1] == 1:
        steps, found = steps[:, 0], jnp.searchsorted(steps[:, 0], stamp)[None]
        hit = steps[jnp.minimum(found, size - 1)] == stamp
    else:
        found = jax.vmap(jnp.searchsorted, (1, None))(steps, stamp)
        hit = jnp.take_along_axis(steps, jnp.minimum(found, size - 1)[None], 0)[0] == stamp
    place = jnp.minimum(found, size - 1)
    if values.shape[1] == 1:
        value = values[place, 0]
    elif place.shape[0] == 1:
        value = values[place[0]]
    else:
        value = jnp.take_along_axis(values, place[None], 0)[0]
    return jnp.where(hit, value, otherwise)


def fault_in_times(name: str, times: Any) -> str | None:
    """What is wrong with lists of `times` (k, n), or None."""
    with np.errstate(invalid="ignore"):
        rising = np.diff(times, axis=0) > 0
    if (times <= 0).any() or not (rising | np.isposinf(times[1:])).all():
        return f"{name}={np.array2string(times.T, threshold=8)} must be > 0 and increase"
    return None


class Source(Device):
    """A device that is the origin of spikes like a neuron: its connections may be of any synapse model."""

    @staticmethod
    def leaves(options: Mapping[str, Any], p: Mapping[str, Any], h: float, dtype: Any) -> dict[str, Any]:
        """The arrays that `emit` reads, from the options and the parameters."""
        raise NotImplementedError

    @staticmethod
    def emit(p: Values, n: Any, count: int) -> tuple[Any, Any]:
        """How many spikes each of `count` devices emits in step `n`, and the sums of their positive and negative weights
        (2 count,), or None where all weights are 1."""
        raise NotImplementedError

    @classmethod
    def in_steps(cls, p: Values, steps: Any, count: int) -> Any:
        """How many spikes each of `count` devices emits in each of `steps` (k,): (k, count)."""
        return jax.vmap(lambda n: jnp.broadcast_to(cls.emit(p, n, count)[0], (count,)))(steps)

    @staticmethod
    def amplitudes(p: Values, first: Any, n: int, count: int, h: Any) -> tuple[Any, Any]:
        """For spikes with times within a step: the rows (n + 1, count) of amplitudes of the spikes of `n` steps from `first` on, and which of them may
        depend on something. Row k holds what is at the point of the grid (first + k) h; a spike between two points is shared by
        them, the more the nearer."""
        raise NotImplementedError


class Recorder(Device):
    """A device that records; it has no dynamics."""
