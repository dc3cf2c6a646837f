"""The base of every neuron model: what a model declares, and what its step sees."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxnest._declare import Declared, Parameter, State
from jaxnest._values import Values

__all__ = [
    "Declared",
    "Env",
    "Inputs",
    "Neuron",
    "Parameter",
    "Routing",
    "State",
    "Values",
    "happens",
    "steps_up",
]


class Routing(enum.Enum):
    """How an arriving event finds its input channel."""

    SIGN = "sign"  # by the sign of the event's weight: two channels, excitatory and inhibitory
    SINGLE = "single"  # one channel for all
    PORTS = "ports"  # by the connection's receptor, 1 ... n
    COUNT = "count"  # one channel that counts events and ignores the weight (relay neurons)
    NONE = "none"  # it hears no spikes


@dataclass(frozen=True)
class Inputs:
    """What reaches a group of N neurons in one step.

    `ex` and `inh` (N,) are the summed weights of the events of this step by sign (``Routing.SIGN``; `inh` is
    not positive); `spikes` (N,) their sum (``SINGLE``) or count (``COUNT``); `ports` (n_ports, N) by receptor.
    `current` (N,) in pA is what the current generators deliver in this step, `filtered` what they deliver to receptor 1
    of a model with two ``current_receptors``. `signals` has, for each channel of `Neuron.hears`, the sum (N,) over couplings.
    """

    ex: Any = None
    inh: Any = None
    spikes: Any = None
    ports: Any = None
    current: Any = 0.0
    filtered: Any = 0.0
    signals: Values = field(default_factory=Values)


@dataclass(frozen=True)
class Env:
    """What a step may use beside its own values.

    `h` (ms) is the resolution. `fire(x)` is 1 where x >= 0, else 0, with the surrogate derivative of the run.
    `uniform(draw)` gives one random number in [0, 1) a neuron, the same for the same seed, step and neuron, `normal(draw)` one of a
    standard normal distribution (None where models are traced for C++).
    `solver` is ``"adaptive"`` (GSL's RKF45, as NEST) or ``"fixed"`` (`substeps` equal RKF45 steps). `reset` says whether the
    surrogate derivative flows through resets (``"attached"``) or not (``"detached"``). `step` is the number of the step (None where
    models are traced for C++).
    """

    h: Any
    fire: Callable[[Any], Any]
    uniform: Callable[[int], Any]
    solver: str = "adaptive"
    substeps: int = 1
    reset: str = "detached"
    normal: Callable[[int], Any] | None = None
    step: Any = None

    def choose(self, spike: Any, at_spike: Any, otherwise: Any) -> Any:
        """`at_spike` where `spike` > 0, else `otherwise`: a reset. The surrogate derivative does not flow through it unless it is attached.

        The derivative of a reset of many mV with respect to the spike makes gradients explode over many steps; leaving
        it out ("detached reset") is what works in practice. Source: Zenke & Vogels (2021), Neural Comput 33:899.
        """
        chosen = jnp.where(spike > 0, at_spike, otherwise)
        if self.reset == "attached":
            chosen = chosen + (spike - lax.stop_gradient(spike)) * (at_spike - otherwise)
        return chosen


class Neuron(Declared):
    """A neuron model: parameters, states, recordables, receptors and a step, all pure.

    A model file defines one subclass. Class attributes that are `Parameter` or `State` are its parameters and
    states; `recordables` names the states that a multimeter may read, `numbered` those of which it may read row k (from
    1) by a prefix and k, as in ``{"I_syn_": "I_port"}``; `routing` says how events find their
    channel. `constants` is computed once a run, inside the compiled program, so it has gradients.

    Neurons may also be coupled by continuous signals (see `jaxnest.synapses._base.Coupling`): `emits` names those that a model
    sends, which `signal` computes, `hears` the channels of those that it takes. A signal is transformed by `heard`, with the
    parameters of the neuron that hears it, before it is weighted. Where connections' receptors tell which channel a signal goes to,
    `signal_ports` has the channels of the receptors 1, 2 ..., by signal.

    Synapses that learn in every step (see `jaxnest.synapses._base.Synapse.eager`) reach only models that teach their kind,
    `teaches`: `shows` is what they see of their target at the end of a step, and `flushes` whether a source ends in it the time that
    synapses count from its last spike, as NEST's flush events do.
    """

    recordables: tuple[str, ...] = ()
    numbered: Mapping[str, str] = {}
    routing: Routing = Routing.SIGN
    #: the dimension that numbers the receptors of a ``Routing.PORTS`` model
    ports_dim: str = "ports"
    accepts_current: bool = True
    #: whether its spikes go anywhere
    sends: bool = True
    emits: tuple[str, ...] = ()
    #: whether its signals in a step depend on what it hears in this step: then they are found by iterations (`waveform`)
    relaxed: bool = False
    hears: tuple[str, ...] = ()
    signal_ports: Mapping[str, tuple[str, ...]] = {}
    #: whether signals have the values of a step's end (a delay then counts from there), else of its beginning
    emits_new: bool = False
    may_flush: bool = False
    current_receptors: int = 1
    stochastic: bool = False
    #: whether a spike is where V_m reaches a fixed threshold, after which it is held at V_reset while `refractory` > 0
    timed: bool = False

    tau_minus = Parameter(20.0, "ms", "time constant of the postsynaptic trace of STDP", gt=0)
    tau_minus_triplet = Parameter(110.0, "ms", "time constant of the slow postsynaptic trace (triplet rule)", gt=0)

    @classmethod
    def readable(cls, dims: Mapping[str, int]) -> dict[str, tuple[str, int | None]]:
        """All that a multimeter may read: by name, the state and which row of it, of a model with these dimensions."""
        names: dict[str, tuple[str, int | None]] = {name: (name, None) for name in cls.recordables}
        for prefix, state in cls.numbered.items():
            names |= {f"{prefix}{k + 1}": (state, k) for k in range(dims[cls.states[state].dim])}  # type: ignore[index]
        return names

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        """Propagators and whatever else depends on parameters and resolution alone."""
        return Values()

    @staticmethod
    def signal(p: Values, k: Values, s: Values, env: Env) -> Values:
        """The continuous signals of N neurons in the step that begins now, with the states `s`, each (N,)."""
        raise NotImplementedError

    @classmethod
    def waveform(cls, p: Values, k: Values, before: Values, after: Values, signals: Values, env: Env, order: int) -> Values:
        """The signals (terms, N) of N `relaxed` neurons in a step that led from the states `before` to `after`, in which they heard `signals`;
        of an interpolation `order` of 0, 1 or 3."""
        raise NotImplementedError

    @staticmethod
    def shows(p: Values, k: Values, s: Values, heard: Values, env: Env) -> Values:
        """What synapses that learn in every step see of N neurons, (N,) each, when the step ``env.step`` ends, with the states `s` and
        what is heard at that time."""
        raise NotImplementedError

    @staticmethod
    def flushes(p: Values, k: Values, s: Values) -> Any:
        """Which of N neurons, (N,), send a flush event in the step that ended with the states `s`."""
        raise NotImplementedError

    @staticmethod
    def heard(p: Values, x: Any) -> Any:
        """A signal `x` (n,) as n neurons with the parameters `p` hear it."""
        return x

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        """Advance the states `s` of N neurons by one step; return them and the spikes (N,), 0 or 1."""
        raise NotImplementedError


def happens(probability: Any, uniform: Any) -> Any:
    """1 where `uniform`, a random number in [0, 1), is below `probability`, else 0; its derivative is that of
    `probability` (the straight-through estimator: Bengio, Léonard & Courville 2013, arXiv:1308.3432)."""
    event = (uniform < probability).astype(jnp.result_type(probability))
    return event + (probability - lax.stop_gradient(probability))


def steps_up(t: Any, h: Any) -> Any:
    """The time `t` (ms) in steps of `h`, rounded up on NEST's grid of 1 µs tics (2.04 ms is 21 steps of 0.1), or without a
    grid for an `h` that does not lie on that."""
    tics = jnp.round(jnp.asarray(t) * 1000.0)
    per_step = jnp.round(jnp.asarray(h) * 1000.0)
    exact = jnp.asarray(t) / h
    near = jnp.round(exact)
    exact = jnp.where(jnp.abs(exact - near) < 1e-5 * (near + 1), near, jnp.ceil(exact))
    on_grid = (per_step > 0) & (jnp.abs(jnp.asarray(h) * 1000.0 - per_step) < 1e-4 * per_step)
    return jnp.where(on_grid, jnp.ceil(tics / jnp.maximum(per_step, 1)), exact).astype(jnp.int32)
