"""The base of every synapse model with dynamics: what happens at a synapse when a spike reaches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp

from jaxnest._declare import Declared, Parameter, State
from jaxnest._values import Values

__all__ = [
    "Coupling",
    "Declared",
    "Modulation",
    "Now",
    "Order",
    "Parameter",
    "Post",
    "Pre",
    "State",
    "Synapse",
    "Values",
    "power",
]


class Order(NamedTuple):
    """Where a presynaptic spike stands among all of a table, in the order of delivery: step, source, target.

    `time` (ms) is its own; `number` is how many synapses had a spike before this one had its first (at this one's first
    spike only); `awake` is how many have had one by now, this one included.
    """

    time: Any
    number: Any
    awake: Any


@dataclass(frozen=True)
class Pre:
    """A presynaptic spike as the synapse sees it.

    `since_last` (ms) is the time since the presynaptic neuron's previous spike (since 0 at the first, where `first` is
    true). `K_minus`, `K_minus_triplet` are the traces of the postsynaptic neuron's spikes strictly before the spike's
    time less the (dendritic) delay, `K_minus_nearest` that of the last of them alone; None for a model that does not read them.
    `uniform` is one random number in [0, 1) a synapse and spike, and ``draw(k)`` with k >= 1 are as many more as are
    asked for (k may be traced); None for a model that is not stochastic. C++ has the first one only, and no `order`,
    which is there for models with `reads_order`.
    """

    since_last: Any
    first: Any
    K_minus: Any = None
    K_minus_triplet: Any = None
    K_minus_nearest: Any = None
    uniform: Any = None
    draw: Callable[[Any], Any] | None = None
    order: Order | None = None


@dataclass(frozen=True)
class Post:
    """A postsynaptic spike that has reached the synapse.

    `since_last` (ms) is the time from the presynaptic neuron's last spike to the arrival of this one (its time plus
    the dendritic delay). `K_minus_triplet` is the slow postsynaptic trace just before this spike.
    """

    since_last: Any
    K_minus_triplet: Any = None


@dataclass(frozen=True)
class Modulation:
    """A spike of the neurons that modulate the synapse, as its volume transmitter passes it on.

    `since_last` (ms) is the time from the last update of the synapse, as in `Post`; `multiplicity` the number of spikes at
    this time.
    """

    since_last: Any
    multiplicity: Any


@dataclass(frozen=True)
class Now:
    """The end of a step, as synapses that learn in every step see it.

    `stamp` is the number of steps done, `h` (ms) the resolution. Of each synapse's source, `spike` says whether it spiked in the step, `flush`
    whether it sent a flush event; `target` is what its target shows (see `jaxnest.neurons._base.Neuron.shows`), a neuron of the `model`.
    """

    stamp: Any
    h: Any
    spike: Any
    flush: Any
    target: Values
    model: type


class Synapse(Declared):
    """A synapse model: parameters and states of each synapse, and pure, element-wise rules.

    `on_pre` is called when a presynaptic spike is delivered; it returns the new states and the weight that the
    event carries and, if spikes may be lost, 1 where the spike is passed on and 0 where it is lost (and not recorded).
    Models with `reads_post` also have `on_post`, called, in order of time and before `on_pre`, for each postsynaptic spike
    that reached the synapse since the previous presynaptic one: weights change only when a presynaptic spike is
    delivered, as in NEST. A spike of multiplicity m, on either side, is m spikes at one time.

    Models with `reads_modulator` have a third factor, the spikes that reach a volume transmitter: `on_modulator` is called for
    each of them, in order of time together with `on_post` (and before it at the same time). The transmitter updates its
    synapses at regular intervals by `on_update`, before the presynaptic spikes of the slice that ends then are delivered, as
    in NEST. `since_last` counts from the last presynaptic spike or update, whichever came last to the synapse: so it is
    negative for a presynaptic spike that an update overtook.

    `eager` models learn in every step: beside their own name for it, nothing of the above is theirs, but `on_step`, called for all synapses at
    the end of each step. They reach only targets that teach this, and their delays are one step, so their spikes are delivered then.

    A model whose weight changes declares a state `weight`: the weight of the last event (before the first: the
    initial one). The weight of every other model is a parameter, ``p.weight``, even where events carry a part of it.
    States are numbers of type float.
    """

    #: whether events carry the parameter `weight` and nothing else happens: such projections share one table
    static: bool = False
    reads_post: bool = False
    reads_modulator: bool = False
    stochastic: bool = False
    reads_order: bool = False
    #: what their targets must teach, for models that learn in every step
    eager: str = ""
    #: parameters and states that are whole numbers, though computed with as floats
    whole: tuple[str, ...] = ()
    #: states that a user neither sees nor sets
    inner: tuple[str, ...] = ("w",)
    #: whether a delay between points of the grid counts as the next one; else as the nearest
    delay_rounds_up: bool = False
    #: what NEST keeps once for all synapses of the model: these must be numbers
    common: tuple[str, ...] = ()
    #: what NEST also shows of the model: functions of its common parameters
    derived: ClassVar[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {}
    #: common parameters that are lists, and part of the compiled structure
    tables: ClassVar[Mapping[str, tuple[int, ...]]] = {}

    @classmethod
    def configured(cls, given: Mapping[str, Any]) -> tuple[type[Synapse], dict[str, Any]]:
        """The model with those of the parameters `given` that are part of its structure, and the others."""
        return cls, dict(given)

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Any, ...]:
        """A presynaptic spike is delivered: the new states, the weight that it carries, and whether it is passed on."""
        raise NotImplementedError

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        """A postsynaptic spike has reached the synapse: the new states."""
        raise NotImplementedError

    @staticmethod
    def on_modulator(p: Values, s: Values, spike: Modulation) -> Values:
        """Spikes of the modulating neurons have reached the synapse: the new states."""
        raise NotImplementedError

    @staticmethod
    def on_update(p: Values, s: Values, since_last: Any) -> Values:
        """The volume transmitter updates the synapse: the states at that time."""
        raise NotImplementedError

    @staticmethod
    def on_step(p: Values, s: Values, now: Now) -> tuple[Values, Any, Any]:
        """A step has ended: the new states, the weight that a spike of this step carries, and whether it is passed on."""
        raise NotImplementedError


class Coupling(Synapse):
    """A connection that carries a continuous `signal` of its source, in every step: its value at the beginning of the step or, if it is
    `delayed`, so much earlier (0 before the run's beginning). It adds to the `channels` of its target what `carried` says.
    """

    signal: str = ""
    delayed: bool = True
    #: by how many steps a signal comes earlier than by its delay
    lead: int = 0
    #: whether it has a weight
    weighted: bool = True
    channels: tuple[str, ...] = ()
    #: whether there must be one of the same weight in the other direction
    symmetric: bool = False

    @staticmethod
    def carried(p: Values, x: Any) -> Values:
        """What n couplings add to each of their targets' channels, (n,) each, at a signal `x` (n,), or (terms, n)."""
        raise NotImplementedError


def power(x: Any, mu: Any) -> Any:
    """x**mu with finite derivatives at x = 0 (where 0**0 is 1, as in C); for x < 0 that of mu = 0 or 1, else 0."""
    positive = x > 0
    rest = jnp.where(mu == 0, 1.0, jnp.where(mu == 1, x, 0.0))
    return jnp.where(positive, jnp.where(positive, x, 1.0) ** mu, rest)
