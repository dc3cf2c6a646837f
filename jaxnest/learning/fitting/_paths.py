"""What is learned: from the paths that a user gives to transforms, and what a model demands of several parameters together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxnest._declare import Declared, Parameter, check_together
from jaxnest.errors import ConfigurationError
from jaxnest.learning.fitting._bounds import Bounded, Transform, transform
from jaxnest.synapses._base import Synapse


def transforms(program: Any, params: Any, parameters: Mapping[str, Any] | Sequence[str]) -> dict[str, Transform]:
    """The transform of each path; `parameters` are paths with a `Bounded`, a pair (low, high) or None, or paths only.

    **Raises:** `ConfigurationError` for an unknown path, bounds that make no sense, or a start value outside.
    """
    if isinstance(parameters, str) or not isinstance(parameters, (Mapping, Sequence)) or not parameters:
        raise ConfigurationError(f"parameters={parameters!r} must be paths, or a dict of paths and bounds, and not empty")
    wanted = parameters if isinstance(parameters, Mapping) else dict.fromkeys(parameters)
    found: dict[str, Transform] = {}
    for path, spec in wanted.items():
        start = program.get(params, path)
        if not jnp.issubdtype(start.dtype, jnp.floating):
            raise ConfigurationError(f"{path}: is no real number ({start.dtype}), so it has no derivative")
        owner, _, name = path.rpartition(".")
        name = name.rstrip("_")  # `lambda_` stands for `lambda`
        path = f"{owner}.{name}"
        if path in found:
            raise ConfigurationError(f"{path} is given twice")
        bounded = _bounded(path, spec)
        model = program.model_of(owner)
        if issubclass(model, Synapse) and name in model.common:
            bounded = Bounded(bounded.low, bounded.high, bounded.keep_sign, True, bounded.scale)
        own, unit = _declared(program, model, name)
        found[path] = transform(path, np.asarray(start), bounded, own, unit)
    return found


def free_from(found: Mapping[str, Transform], program: Any, params: Any) -> dict[str, np.ndarray]:
    """The free numbers that stand for what `params` hold, by path."""
    dtype = params["h"].dtype
    return {path: t.free(np.asarray(program.get(params, path))).astype(dtype) for path, t in found.items()}


def params_from(found: Mapping[str, Transform], program: Any, params: Any, free: Mapping[str, Any]) -> Any:
    """`params` with the learned values exchanged: pure, differentiable."""
    return program.set(params, {path: _as_set(t, t.value(free[path])) for path, t in found.items()})


def _as_set(t: Transform, value: Any) -> Any:
    """`value` as `Program.set` takes it: one number where all share it, (n,) or (n_values, n)."""
    return value[0] if t.shared and len(t.shape) == 1 else value


def relations(program: Any, params: Any, found: Mapping[str, Transform]) -> Callable[[Mapping[str, Any]], None] | None:
    """A check of what models demand of parameters together (V_reset < V_th), of values by path; None: they demand nothing.

    The check **raises** `ConfigurationError`.
    """
    demanding: dict[str, tuple[type[Declared], dict[str, np.ndarray]]] = {}
    for path in found:
        owner, _, name = path.rpartition(".")
        model = program.model_of(owner)
        known = {*model.parameters, "weight"}
        related = any(name in pair for pair in model.ordered) or model.check is not Declared.check
        if owner not in demanding and name in known and related:
            demanding[owner] = model, _values(program, params, owner, known)
    if not demanding:
        return None

    def check(values: Mapping[str, Any]) -> None:
        for owner, (model, fixed) in demanding.items():
            learned = {path.rpartition(".")[2]: np.asarray(v) for path, v in values.items() if path.rpartition(".")[0] == owner}
            check_together(model, owner, {**fixed, **learned})

    return check


def _values(program: Any, params: Any, owner: str, names: set[str]) -> dict[str, np.ndarray]:
    values = {}
    for name in names:
        try:
            values[name] = np.asarray(program.get(params, f"{owner}.{name}"))
        except ConfigurationError:
            continue  # no parameter of the compiled network
    return values


def _bounded(path: str, spec: Any) -> Bounded:
    if spec is None:
        return Bounded()
    if isinstance(spec, Bounded):
        return spec
    if isinstance(spec, tuple) and len(spec) == 2:
        return Bounded(*spec)
    raise ConfigurationError(f"{path}: {spec!r} is no bound; give Bounded(...), positive, dale, (low, high) or None")


def _declared(program: Any, model: type[Declared], name: str) -> tuple[tuple[float, float], str]:
    """The bounds that the model declares for a parameter, infinite where it has none, and its unit."""
    if name == "delay_offset" and name not in model.parameters:
        return (0.0, program.h), "ms"
    declared: Any = model.parameters.get(name) or model.states.get(name)
    if declared is None:
        return (-math.inf, math.inf), ""
    bounded = isinstance(declared, Parameter)  # a state has a lower bound at most
    lows = [x for x in (declared.gt if bounded else None, declared.ge) if x is not None]
    highs = [x for x in ((declared.lt, declared.le) if bounded else ()) if x is not None]
    return (max(lows, default=-math.inf), min(highs, default=math.inf)), declared.unit
