"""The base of every synapse model with dynamics: what happens at a synapse when a spike reaches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxnest._declare import Declared, Parameter, State
from jaxnest._values import Values

__all__ = ["Declared", "Parameter", "Post", "Pre", "State", "Synapse", "Values"]


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
    presynaptic spike is delivered, as in NEST.
    Every model has a state `weight`: the weight that the last event carried (before the first: the initial one).
    """

    #: whether `weight` never changes and needs no state: such projections share one table
    static: bool = False
    reads_post: bool = False
    stochastic: bool = False
    #: parameters that NEST keeps once for all synapses of the model: they must be numbers
    common: tuple[str, ...] = ()

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        """A presynaptic spike is delivered: the new states and the weight that it carries."""
        raise NotImplementedError

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        """A postsynaptic spike has reached the synapse: the new states."""
        raise NotImplementedError
