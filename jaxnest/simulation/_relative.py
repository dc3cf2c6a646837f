"""States that are kept as the difference to a parameter: `State.relative_to`.

A model sees the difference, whoever speaks of the state by name the whole. What to add, the *origin*, stands beside the difference among the
states of a group, under a name of its own: so a state has a meaning without parameters, and a parameter that is changed moves the origin
when the next run begins (`rebased`), and never the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import lax

from jaxnest._values import Values
from jaxnest.neurons._base import Neuron

if TYPE_CHECKING:
    from jaxnest.simulation._plan import Plan

_ORIGIN = "origin of "


def with_origins(model: type[Neuron], p: Values, states: Values) -> Values:
    """The states of a group, given as whole ones: differences, and their origins."""
    parts = dict(states)
    for name, parameter in _relative(model).items():
        parts[_ORIGIN + name] = jnp.broadcast_to(p[parameter].astype(states[name].dtype), states[name].shape)
        parts[name] = states[name] - parts[_ORIGIN + name]
    return Values(parts)


def own(model: type[Neuron], states: Values) -> Values:
    """What a model's step takes: without the origins."""
    return Values({name: states[name] for name in model.states})


def whole(states: Mapping[str, Any], name: str) -> Any:
    """The value of a state."""
    return states[name] + states[_ORIGIN + name] if _ORIGIN + name in states else states[name]


def kept(states: Mapping[str, Any], name: str, value: Any) -> Any:
    """What is kept of a new `value`. Where it is the present one no bit changes, though the sum of two parts may be rounded."""
    if _ORIGIN + name not in states:
        return value
    new = value - states[_ORIGIN + name]
    return new + lax.stop_gradient(jnp.where(value == whole(states, name), states[name] - new, 0.0))


def rebased(plan: Plan, params: Mapping[str, Any], state: Any) -> Any:
    """A state with the origins that the parameters say now; the whole values stay."""
    nodes = dict(state.nodes)
    for g in plan.groups:
        p, states = params["nodes"][g.key], nodes[g.key]
        for name, parameter in _relative(g.model).items():
            old = states[_ORIGIN + name]
            new = jnp.broadcast_to(p[parameter].astype(old.dtype), old.shape)
            states = states.replace(**{name: states[name] - (new - old), _ORIGIN + name: new})
        nodes[g.key] = states
    return replace(state, nodes=nodes)


def _relative(model: type[Neuron]) -> dict[str, str]:
    return {name: state.relative_to for name, state in model.states.items() if state.relative_to is not None}
