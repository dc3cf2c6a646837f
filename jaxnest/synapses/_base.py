"""The base of every synapse model with dynamics: what happens at a synapse when a spike reaches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxnest._declare import Declared, Parameter, State
from jaxnest._values import Values

__all__ = ["Declared", "Parameter", "Post", "Pre", "State", "Synapse", "Values", "power"]


@dataclass(frozen=True)
class Pre:
    """A presynaptic spike as the synapse sees it.

    `since_last` (ms) is the time since the presynaptic neuron's previous spike (since 0 at the first, where `first` is
    true). `K_minus`,
    `K_minus_triplet` are the traces of the postsynaptic neuron's spikes strictly before the spike's time less the
    (dendritic) delay, None for a model that does not read them. `uniform` is one random number in [0, 1) a synapse
    and spike, None for a model that is not stochastic.
    """

    since_last: Any
    first: Any
    K_minus: Any = None
    K_minus_triplet: Any = None
    uniform: Any = None


@dataclass(frozen=True)
class Post:
    """A postsynaptic spike that has reached the synapse.

    `since_last` (ms) is the time from the presynaptic neuron's last spike to the arrival of this one (its time plus
    the dendritic delay). `K_minus_triplet` is the slow postsynaptic trace just before this spike.
    """

    since_last: Any
    K_minus_triplet: Any = None


class Synapse(Declared):
    """A synapse model: parameters and states of each synapse, and pure, element-wise rules.

    `on_pre` is called when a presynaptic spike is delivered; it returns the new states and the weight that the
    event carries. Models with `reads_post` also have `on_post`, called, in order of time and before `on_pre`, for
    each postsynaptic spike that reached the synapse since the previous presynaptic one: weights change only when a
    presynaptic spike is delivered, as in NEST. A spike of multiplicity m, on either side, is m spikes at one time.

    A model whose weight changes declares a state `weight`: the weight of the last event (before the first: the
    initial one). The weight of every other model is a parameter, ``p.weight``, even where events carry a part of it.
    States are numbers of type float.
    """

    #: whether events carry the parameter `weight` and nothing else happens: such projections share one table
    static: bool = False
    reads_post: bool = False
    stochastic: bool = False
    #: what NEST keeps once for all synapses of the model: these must be numbers
    common: tuple[str, ...] = ()

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        """A presynaptic spike is delivered: the new states and the weight that it carries."""
        raise NotImplementedError

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        """A postsynaptic spike has reached the synapse: the new states."""
        raise NotImplementedError

    @staticmethod
    def transmits(p: Values, pre: Pre) -> Any:
        """1 where the spike is passed on and 0 where it is lost (and not recorded); None: none is lost."""
        return None


def power(x: Any, mu: Any) -> Any:
    """x**mu with finite derivatives at x = 0 (where 0**0 is 1, as in C); for x < 0 that of mu = 0 or 1, else 0."""
    positive = x > 0
    rest = jnp.where(mu == 0, 1.0, jnp.where(mu == 1, x, 0.0))
    return jnp.where(positive, jnp.where(positive, x, 1.0) ** mu, rest)
