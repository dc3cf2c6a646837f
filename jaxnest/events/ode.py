"""Runge-Kutta-Fehlberg 4(5) for all neurons at once: NEST's adaptive stepper and a fixed-step one for gradients.

`rkf45_adaptive` follows the behaviour that NEST gets from GSL's ``odeiv`` (step ``rkf45``, standard control, evolve),
sub-step by sub-step: its results differ from NEST's by rounding alone. `rkf45_fixed` is the same formula with equal
sub-steps.

The state y is any pytree, in which the last axes of each leaf are those of ``h_step``: an array of shape (n_states, N),
or a tuple of arrays of shape (N,), which needs no stacking. ``f(y, aux)`` returns dy/dt [1/ms] as a tree like y.
``aux`` is any pytree of such leaves that the right-hand side needs but the method does not advance, such as the
refractory counter. Neurons do not see one another within a step.

Sources: Fehlberg (1969) NASA TR R-315, formula 2; GSL reference manual, "Adaptive Step-size Control".
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

# Row i: the weights of the slopes k1..ki in the argument of slope k(i+1).
_STAGES = (
    (1 / 4,),
    (3 / 32, 9 / 32),
    (1932 / 2197, -7200 / 2197, 7296 / 2197),
    (8341 / 4104, -32832 / 4104, 29440 / 4104, -845 / 4104),
    (-6080 / 20520, 41040 / 20520, -28352 / 20520, 9295 / 20520, -5643 / 20520),
)
# The fifth-order result, and its difference from the fourth-order one.
_RESULT = (902880 / 7618050, 0, 3953664 / 7618050, 3855735 / 7618050, -1371249 / 7618050, 277020 / 7618050)
_ERROR = (1 / 360, 0, -128 / 4275, -2197 / 75240, 1 / 50, 2 / 55)
_ORDER = 5
_SAFETY = 0.9

RightHandSide = Callable[[Any, Any], Any]
AfterSubstep = Callable[[Any, Any], tuple[Any, Any]]


def rkf45_adaptive(
    f: RightHandSide,
    y: Any,
    h_step: jax.Array,
    dt: Any,
    *,
    eps_abs: Any,
    eps_rel: Any = 0.0,
    a_y: Any = 1.0,
    a_dydt: Any = 0.0,
    h_min: Any = None,
    after_substep: AfterSubstep | None = None,
    aux: Any = None,
    max_tries: int = 100_000,
) -> tuple[Any, jax.Array, Any]:
    """Advances every neuron by dt, each with its own step size.

    A sub-step is repeated with a smaller step when its estimated error exceeds 1.1 times
    ``eps_abs + eps_rel (a_y |y| + a_dydt |h dy/dt|)`` in any component. NEST's models use ``eps_abs=1e-3`` (most), or
    ``eps_abs=eps_rel=gsl_error_tol, a_y=0, a_dydt=1`` (aeif_*); and start with ``h_step = dt``.

    Forward-mode derivatives hold the sequence of sub-steps fixed. There is no reverse mode: see `rkf45_fixed`.

    Args:
      f: the right-hand side, ``f(y, aux) -> dy/dt``.
      y: the state at the beginning.
      h_step: each neuron's suggested sub-step [ms], shape (N,) (or any, also ()): what the previous call returned.
      dt: how far to go [ms].
      eps_abs: absolute tolerance, in the units of y. This and the next three are numbers or arrays of h_step's shape.
      eps_rel: relative tolerance.
      a_y: weight of ``|y|`` in the relative part.
      a_dydt: weight of ``|h dy/dt|``; a plain 0 saves one evaluation of f.
      h_min: the smallest sub-step [ms]: one that has failed down to there is accepted as it is. By default, as in GSL,
        the smallest that still advances time.
      after_substep: ``(y, aux) -> (y, aux)`` after each accepted sub-step; only neurons that just accepted are changed.
        Thresholds, resets and spike counts that NEST handles inside its integration loop belong here.
      aux: what f and after_substep need beside y; leaves end in the axes of h_step.
      max_tries: bound on the trips of the loop, failed ones included.

    Returns:
      y at dt, the suggested sub-step for the next call (it may exceed dt), and aux. A neuron whose y has become NaN or
      infinite stops there and shows it; one that has not arrived after ``max_tries`` is NaN.
    """
    dtype = h_step.dtype
    dt = jnp.asarray(dt, dtype)
    h_min = lax.stop_gradient(jnp.asarray(jnp.finfo(dtype).eps * dt if h_min is None else h_min, dtype))
    needs_slope = not (isinstance(a_dydt, (int, float)) and a_dydt == 0)

    def attempt(carry):
        tries, t, h, done, y, aux = carry
        final = h > dt - t
        h_tried = jnp.where(final, dt - t, h)
        y_new, error = _stages(f, y, aux, h_tried)
        t_new = jnp.where(final, dt, t + h_tried)
        slope = f(y_new, aux) if needs_slope else None
        ratio = _largest_error(y_new, error, slope, h_tried, eps_abs, eps_rel, a_y, a_dydt)
        h_wanted = lax.stop_gradient(_adjust(h_tried, ratio, h_min))
        fails = (h_wanted < h_tried) & (t_new + h_wanted != t_new)
        accepts = ~fails & ~done
        # A step whose smaller repetition would no longer advance time is accepted, and its size kept.
        h_next = jnp.where(fails, h_wanted, jnp.maximum(jnp.maximum(h_wanted, h_min), lax.stop_gradient(h_tried)))
        h = jnp.where(done, h, h_next)
        t = jnp.where(accepts, t_new, t)
        if after_substep is not None:
            y_new, aux_new = after_substep(y_new, aux)
            aux = _select(accepts, aux_new, aux)
        y = _select(accepts, y_new, y)
        done = done | (t >= dt) | ~_all_finite(y, h)
        return tries + 1, t, h, done, y, aux

    def unfinished(carry):
        tries, _, _, done, _, _ = carry
        return (tries < max_tries) & ~jnp.all(done)

    start = jnp.maximum(lax.stop_gradient(h_step), h_min)
    nobody = start < 0  # written with h_step, and so is time, to vary over a device mesh as it does
    time = jnp.where(nobody, start, 0)
    _, _, h, done, y, aux = lax.while_loop(unfinished, attempt, (0, time, start, nobody, y, aux))
    y = jax.tree.map(lambda leaf: jnp.where(_align(done, leaf), leaf, jnp.nan), y)
    return y, h, aux


def rkf45_fixed(
    f: RightHandSide,
    y: Any,
    dt: Any,
    n_sub: int = 1,
    after_substep: AfterSubstep | None = None,
    aux: Any = None,
) -> tuple[Any, Any]:
    """Advances every neuron by dt in n_sub equal sub-steps of the fifth-order formula; reverse-differentiable.

    Args:
      f: the right-hand side, ``f(y, aux) -> dy/dt``.
      y: the state at the beginning.
      dt: how far to go [ms]; a scalar, or one for each neuron.
      n_sub: number of sub-steps, static.
      after_substep: ``(y, aux) -> (y, aux)`` after each sub-step.
      aux: what f and after_substep need beside y.

    Returns:
      y at dt, and aux.
    """
    h = jnp.asarray(dt / n_sub, jax.tree.leaves(y)[0].dtype)

    def substep(carry, _):
        y, aux = carry
        y, _ = _stages(f, y, aux, h)
        return (y, aux) if after_substep is None else after_substep(y, aux), None

    if n_sub == 1:
        return substep((y, aux), None)[0]
    return lax.scan(substep, (y, aux), None, length=n_sub)[0]


def _stages(f, y, aux, h):
    """One step of size h: the fifth-order result and its estimated error."""
    slopes = [f(y, aux)]
    for weights in _STAGES:
        slopes.append(f(jax.tree.map(lambda y, dy: y + dy, y, _combine(weights, slopes, h)), aux))
    y_new = jax.tree.map(lambda y, dy: y + dy, y, _combine(_RESULT, slopes, h))
    return y_new, _combine(_ERROR, slopes, h)


def _combine(weights, slopes, h):
    """h times the weighted sum of slopes."""

    def leaf(*k):
        used = [w * x for w, x in zip(weights, k, strict=True) if w]
        return _align(h, k[0]) * sum(used[1:], used[0])

    return jax.tree.map(leaf, *slopes)


def _largest_error(y, error, slope, h, eps_abs, eps_rel, a_y, a_dydt):
    """The largest ratio of estimated to tolerated error over a neuron's components; NaN counts as none, as in GSL."""
    ratio = jnp.full_like(h, jnp.finfo(h.dtype).tiny)
    slopes = [None] * len(jax.tree.leaves(y)) if slope is None else jax.tree.leaves(slope)
    for value, err, rate in zip(jax.tree.leaves(y), jax.tree.leaves(error), slopes, strict=True):
        scale = _align(a_y, value) * jnp.abs(value)
        if rate is not None:
            scale = scale + _align(a_dydt, value) * jnp.abs(_align(h, value) * rate)
        tolerated = _align(eps_rel, value) * scale + _align(eps_abs, value)
        leading = tuple(range(value.ndim - h.ndim))
        worst = jnp.max(jnp.nan_to_num(jnp.abs(err) / tolerated, posinf=jnp.inf), leading)
        ratio = jnp.maximum(ratio, worst)
    return ratio


def _adjust(h, ratio, h_min):
    """The step that GSL's standard control suggests after a step of h with this ratio of error to tolerance."""
    shrunk = jnp.maximum(jnp.maximum(_SAFETY / ratio ** (1 / _ORDER), 0.2) * h, h_min)
    grown = jnp.clip(_SAFETY / ratio ** (1 / (_ORDER + 1)), 1, 5) * h
    return jnp.where(ratio > 1.1, shrunk, jnp.where(ratio < 0.5, grown, h))


def _align(x, leaf):
    """x with leading axes of length 1 up to the rank of leaf."""
    if jnp.ndim(x) == 0:
        return x
    return jnp.reshape(x, (1,) * (leaf.ndim - jnp.ndim(x)) + jnp.shape(x))


def _select(mask, new, old):
    return jax.tree.map(lambda n, o: jnp.where(_align(mask, n), n, o), new, old)


def _all_finite(y, like):
    finite = jnp.ones_like(like, bool)
    for leaf in jax.tree.leaves(y):
        finite = finite & jnp.all(jnp.isfinite(leaf), tuple(range(leaf.ndim - like.ndim)))
    return finite
