"""One step of gradient descent, compiled once."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from jaxnest.errors import ConfigurationError
from jaxnest.events import random
from jaxnest.learning.fitting._bounds import Transform
from jaxnest.learning.fitting._history import named
from jaxnest.learning.fitting._paths import params_from

_STREAM = 0x66697400  # of the random numbers that keys of steps are, and next to it of validations
_HOISTED = 1 << 16  # bytes from which an array is an argument of what is compiled, not a constant in it


class Report(NamedTuple):
    """What a step measured; `gradient_fine` and `update_fine` say, by path, whether all is finite."""

    loss: Any
    aux: Mapping[str, Any]
    gradients: Mapping[str, Any]
    gradient_fine: Mapping[str, Any]
    update_fine: Mapping[str, Any]


def step_function(program: Any, loss: Callable[..., Any], found: Mapping[str, Transform], optimiser: Any) -> Callable[..., Any]:
    """(free numbers, optimiser's state, params, key, step, batch) → (free numbers, state, `Report`).

    Where anything is not finite, free numbers and state stay what they were.
    """
    import optax

    loss, update = unwrapped(loss), optax.with_extra_args_support(optimiser).update

    def one(free: Any, opt: Any, params: Any, key: Any, step: Any, batch: Any) -> Any:
        def objective(free: Any) -> tuple[Any, Any]:
            returned = loss(params_from(found, program, params, free), _key(key, _STREAM, step), batch)
            value, aux = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, {})
            return scalar("loss", value), named(aux)

        (value, aux), gradient = jax.value_and_grad(objective, has_aux=True)(free)
        changes, new_opt = update(gradient, opt, free, value=value, grad=gradient, value_fn=lambda free: objective(free)[0])
        new_free = optax.apply_updates(free, changes)
        report = Report(value, aux, jax.tree.map(_norm, gradient), *(jax.tree.map(_fine, x) for x in (gradient, new_free)))
        every = [jnp.isfinite(value), *report.gradient_fine.values(), *report.update_fine.values()]
        good = reduce(operator.and_, every)
        free, opt = jax.tree.map(lambda new, old: jnp.where(good, new, old), (new_free, new_opt), (free, opt))
        return free, opt, report

    return one


def validation_function(program: Any, validate: Callable[..., Any], found: Mapping[str, Transform]) -> Callable[..., Any]:
    """(free numbers, params, key) → the value to watch."""
    validate = unwrapped(validate)

    def value(free: Any, params: Any, key: Any) -> Any:
        return scalar("validate", validate(params_from(found, program, params, free), _key(key, _STREAM + 1, 0)))

    return value


def compiled(
    function: Callable[..., Any], *args: Any, donate: tuple[int, ...] = (), where: NamedSharding | None = None
) -> Callable[..., Any]:
    """`function`, compiled for arguments such as `args`, the arrays that it closes over `hoisted`, with its results `where` one is given."""
    flat, held = hoisted(function, *args)
    ready = jax.jit(flat, donate_argnums=tuple(1 + i for i in donate), out_shardings=where).lower(held, *args).compile()
    return lambda *args: ready(held, *args)


def where_of(params: Any) -> NamedSharding | None:
    """Where the numbers of a fit lie: on every device of the mesh that the parameters are laid over; None: wherever JAX puts them."""
    h = params["h"]
    return h.sharding if isinstance(h, jax.Array) and isinstance(h.sharding, NamedSharding) else None


def hoisted(function: Callable[..., Any], *args: Any) -> tuple[Callable[..., Any], list[Any]]:
    """A function of (held, *args) that does what `function` does for arguments such as `args`, and `held`: the large arrays that it closes
    over, such as a network's connections, and all that lie over several devices. As constants they would be copied into the program, and XLA would
    compute with them."""
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    structure = jax.tree.structure(shapes)
    large = [i for i, x in enumerate(closed.consts) if getattr(x, "nbytes", 0) >= _HOISTED or _spread(x)]

    def flat(held: Any, *args: Any) -> Any:
        consts = list(closed.consts)
        for i, x in zip(large, held, strict=True):
            consts[i] = x
        return jax.tree.unflatten(structure, jax.core.eval_jaxpr(closed.jaxpr, consts, *jax.tree.leaves(args)))

    return flat, [jnp.asarray(closed.consts[i]) for i in large]


def unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` without its `jax.jit`, which would hide the arrays that it closes over."""
    jitted: Any = function
    return jitted.__wrapped__ if isinstance(function, type(jax.jit(lambda: 0))) else function


def scalar(what: str, value: Any) -> Any:
    """`value` if it is one real number.

    **Raises:** `ConfigurationError` otherwise.
    """
    value = jnp.asarray(value)
    if value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
        raise ConfigurationError(
            f"{what} must return one real number (loss: or a pair of it and what else to keep), "
            f"not shape {value.shape} of {value.dtype}"
        )
    return value


def owned(tree: Any, where: NamedSharding | None = None) -> Any:
    """A copy of every leaf, which may be donated, on the device, or `where` one is given."""
    copied = jax.tree.map(lambda x: x.copy() if isinstance(x, jax.Array) else jnp.array(np.asarray(x)), tree)
    return copied if where is None else jax.device_put(copied, where)


def _spread(x: Any) -> bool:
    """Whether an array is laid over several devices."""
    return isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer) and len(x.sharding.device_set) > 1


def _key(key: Any, stream: int, step: Any) -> Any:
    return jnp.stack(random.bits(key, stream, step, 0))


def _norm(x: Any) -> Any:
    return jnp.sqrt(jnp.sum(x * x))


def _fine(x: Any) -> Any:
    return jnp.isfinite(x).all()
