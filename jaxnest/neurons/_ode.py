"""What the models share whose equations NEST hands to a numerical solver.

Such a model writes down `rates`, a function from its states to the time derivatives of some of them, and gives it to
`integrate`. Whatever else happens to the neuron, before or after, stands in its own step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxnest._declare import State
from jaxnest._values import Values
from jaxnest.errors import ConfigurationError
from jaxnest.events.ode import rkf45_adaptive, rkf45_fixed
from jaxnest.neurons._base import Env

#: the state that every model of this kind needs
STEP_SIZE = State(0.0, "ms", "sub-step with which the adaptive solver begins the next step; 0: the whole step")


def integrate(
    rates: Callable[[Values], Values],
    s: Values,
    env: Env,
    *,
    eps_abs: Any = 1e-3,
    eps_rel: Any = 0.0,
    a_y: Any = 1.0,
    a_dydt: Any = 0.0,
    event: Callable[[Values], tuple[Values, Any]] | None = None,
    precise: tuple[str, ...] = (),
) -> tuple[Values, Any]:
    """Advance the states `s` by one step of the resolution; return them and the sum of the spikes of `event`.

    ``rates(s)`` returns the time derivatives (1/ms) of some states, by name; the others stay. ``event(s)`` returns
    the states after whatever happens at the end of a sub-step, and the spikes (N,). It is for models in which NEST
    tests the threshold inside its integration loop.

    The states named in `precise` lose nothing to rounding from one step to the next: what they lose is kept in the
    state `residue` (one row each), and added in the next step. For models whose spike times hang on it in float32.

    The tolerances are those of `rkf45_adaptive`; the defaults are what most of NEST's models use. The adaptive solver
    cannot be differentiated backwards, and says so.
    """
    assert not (precise and event), "an event could not see the states that are kept precise"
    moving = tuple(jax.eval_shape(rates, s))
    begin = {name: s[name] for name in precise}
    y = Values({name: s.residue[precise.index(name)] if name in begin else s[name] for name in moving})
    rest = Values({name: s[name] for name in s if name not in moving and name != "step_size"})
    spikes = jnp.zeros_like(s[moving[0]])

    def slopes(y: Values, aux: Any) -> Values:
        at = {name: begin[name] + y[name] if name in begin else y[name] for name in y}
        r = rates(s.replace(**at, **(rest if aux is None else aux[0])))
        return Values({name: jnp.broadcast_to(r[name], y[name].shape) for name in moving})

    def after(y: Values, aux: Any) -> tuple[Values, Any]:
        assert event is not None
        rest, spikes = aux
        new, spike = event(s.replace(**y, **rest))
        return Values({n: new[n] for n in y}), (Values({n: new[n] for n in rest}), spikes + spike)

    aux, after_substep = (None, None) if event is None else ((rest, spikes), after)
    if env.solver == "fixed":
        y, aux = rkf45_fixed(slopes, y, env.h, env.substeps, after_substep, aux)
        step_size = s.step_size
    else:
        # No arithmetic can meet a tolerance far below its rounding; in float64 no value in use comes near to that.
        least = 4 * jnp.finfo(spikes.dtype).eps
        y, step_size, aux = rkf45_adaptive(
            slopes,
            y,
            jnp.where(s.step_size > 0, s.step_size, env.h),
            env.h,
            eps_abs=jnp.maximum(eps_abs, least),
            eps_rel=eps_rel,
            a_y=a_y,
            a_dydt=a_dydt,
            after_substep=after_substep,
            aux=aux,
        )
        y, spikes = jax.tree.map(_no_reverse, (y, spikes if aux is None else aux[1]))
        aux = None if aux is None else (aux[0], spikes)
    rest, spikes = (rest, spikes) if aux is None else aux
    s = s.replace(**y, **rest, step_size=step_size)
    if precise:
        end = {name: begin[name] + y[name] for name in precise}
        lost = jnp.stack([y[name] - (end[name] - begin[name]) for name in precise])
        s = s.replace(**end, residue=jax.lax.stop_gradient(lost))
    return s, spikes


def count_down(refractory: Any, spike: Any, t_ref: Any) -> Any:
    """The refractory counter after a step: `t_ref` steps after a spike, else one less than it was."""
    return jnp.where(spike > 0, t_ref, jnp.maximum(refractory - 1, 0))


def falling(before: Any, after: Any, threshold: Any, refractory: Any, env: Env) -> Any:
    """The spikes of neurons that spike where V_m fell, from `before` to `after`, and is still at least `threshold`, unless refractory.

    Their surrogate derivative is where V_m rises: there, a higher potential is a nearer spike.
    """
    above = env.fire(after - threshold)
    fixed = jax.lax.stop_gradient(above)
    spike = jnp.where(after < before, fixed, above - fixed)
    return jnp.where(refractory == 0, spike, 0.0)


def linoid(x: Any) -> Any:
    """x / (1 - exp(-x)), the voltage dependence of many ion channels; smooth at x = 0, where it is 1."""
    # 1 - exp(-x) and not -expm1(-x): in float32 XLA's expm1 is three times less accurate where it matters.
    near = jnp.abs(x) < 0.1
    far = jnp.where(near, 1.0, x)
    return jnp.where(near, 1 + x / 2 + x**2 / 12 - x**4 / 720 + x**6 / 30240, far / (1 - jnp.exp(-far)))


def _refuse(cotangent: Any, x: Any) -> Any:
    raise ConfigurationError(
        'solver="adaptive" has no reverse-mode gradient: its number of sub-steps depends on the data. '
        'Compile with solver="fixed" (and substeps=... for more accuracy) to use jax.grad'
    )


# The identity: differentiable forwards; a gradient that would pass backwards through it, so through the adaptive
# solver, is refused with a message of our own instead of JAX's about while_loop.
_no_reverse_p = Primitive("jaxnest_no_reverse")
_no_reverse_p.def_impl(lambda x: x)
_no_reverse_p.def_abstract_eval(lambda x: x)
mlir.register_lowering(_no_reverse_p, lambda ctx, x: [x])
ad.deflinear2(_no_reverse_p, _refuse)
batching.defvectorized(_no_reverse_p)
_no_reverse = _no_reverse_p.bind
