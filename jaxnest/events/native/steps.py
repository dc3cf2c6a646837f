"""The step of a neuron model as C++, traced by JAX like the rules of synapses (`jaxnest.events.native.rules`).

Models whose parameters and states are one number a neuron and whose step has no loops can be written; what is written for
the models of jaxnest lies in ``steps.inc``. All numbers of a step are of one type T in C++, integers too.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive

from jaxnest._values import Values
from jaxnest.events.native import marks
from jaxnest.events.native.rules import Unsupported, Writer, translate
from jaxnest.neurons._base import Env, Inputs, Neuron, Routing

#: what reaches a neuron, in the order in which the C++ function takes it
INPUTS = {Routing.SIGN: ("ex", "inh"), Routing.SINGLE: ("spikes",)}

_uniform = Primitive("jaxnest_uniform")  # a random number of a neuron; exists in traces for C++ only
_uniform.def_abstract_eval(lambda *, draw: jax.core.ShapedArray((), jnp.result_type(float)))


class _StepWriter(Writer):
    """Also writes random numbers, and conditions on what is the same for all neurons: both branches, of which the C++
    compiler drops one, since the conditions are constants of a template."""

    def special(self, equation: Any, arguments: list[str]) -> list[str] | None:
        name, out = equation.primitive.name, equation.outvars[0].aval
        if equation.primitive is _uniform:
            return [self.line(f"uniform({equation.params['draw']})", (), out)]
        if name == "convert_element_type":
            old = equation.invars[0].aval.dtype
            if jnp.issubdtype(old, jnp.floating) and jnp.issubdtype(out.dtype, jnp.integer):
                raise Unsupported(f"{self.owner}: a number is cut to an integer")
            return arguments if _is_condition(arguments[0]) else None
        if name == "cond":
            condition, *rest = arguments
            if not _is_condition(condition):
                raise Unsupported(f"{self.owner}: a condition that may differ between neurons")
            no, yes = (self.write(b.jaxpr, b.consts, rest) for b in equation.params["branches"])
            return [
                self.line(f"{condition} ? {a} : {b}", (condition, a, b), v.aval)
                for a, b, v in zip(yes, no, equation.outvars, strict=True)
            ]
        return None


def _is_condition(name: str) -> bool:
    return name in ("c0", "c1")


def constants_of(model: type[Neuron]) -> Values:
    """The constants of a model, by shape: () where one serves all neurons whatever the parameters are, else (2,)."""
    p = Values({name: jax.ShapeDtypeStruct((2,), jnp.result_type(float)) for name in model.parameters})
    return jax.eval_shape(model.constants, p, jax.ShapeDtypeStruct((), jnp.result_type(float)))


def write(model: type[Neuron]) -> str:
    """The C++ of the step of `model`. **Raises:** `Unsupported`."""
    if model.routing not in INPUTS:
        raise Unsupported(f"{model.name}: its inputs have ports, or are counted")
    dims = [*(p.dim for p in model.parameters.values()), *(s.dim for s in model.states.values())]
    if any(dim is not None for dim in dims):
        raise Unsupported(f"{model.name}: it has values of several numbers a neuron")
    try:
        shapes = constants_of(model)
    except Exception as fault:  # a user's model: whatever is wrong with it shows where it runs
        raise Unsupported(f"{model.name}: its constants cannot be traced: {fault}") from None
    if any(x.shape not in ((), (2,)) for x in shapes.values()):
        raise Unsupported(f"{model.name}: it has constants of several numbers a neuron")
    conditions = [name for name, x in shapes.items() if x.dtype == bool]
    if len(conditions) > 2 or any(shapes[name].shape for name in conditions):
        raise Unsupported(f"{model.name}: too many conditions, or such that differ between neurons")
    k = {name: f"k[{i}]" for i, name in enumerate(n for n in shapes if n not in conditions)}
    k |= {name: f"c{i}" for i, name in enumerate(conditions)}
    p = Values({name: f"p[{i}]" for i, name in enumerate(model.parameters)})
    s = Values({name: f"s[{i}]" for i, name in enumerate(model.states)})
    inputs = {name: name for name in (*INPUTS[model.routing], "current", "filtered")}

    def step(p: Values, k: Values, s: Values, x: dict[str, Any], h: Any) -> Any:
        env = Env(h, lambda v: jnp.where(v >= 0, 1.0, 0.0), lambda draw: _uniform.bind(draw=draw))
        new, spike = model.step(p, k, s, Inputs(**x), env)
        return [new[name] for name in s], spike

    integer = [name for name, state in model.states.items() if state.dtype == "int"]
    dtypes = dict.fromkeys((*(s[n] for n in integer), *(k[n] for n in k if shapes[n].dtype == jnp.int32)), jnp.int32)
    dtypes |= {f"c{i}": bool for i in range(len(conditions))}
    try:
        lines, used = translate(
            _StepWriter(model.name),
            step,
            (p, Values(k), s, inputs, "h"),
            lambda shape: [*s.values(), "spike"],
            lambda name: dtypes.get(name, jnp.float64),
        )
    except Unsupported:
        raise
    except Exception as fault:
        raise Unsupported(f"{model.name}: its step cannot be traced for one neuron: {fault}") from None

    def mask(kept: Any) -> str:
        return hex(sum(1 << i for i, one in enumerate(kept) if one))

    body = [
        f"static constexpr int n_params = {len(p)}, n_constants = {len(k) - len(conditions)}, n_states = {len(s)};",
        f"static constexpr int n_conditions = {len(conditions)};",
        f"static constexpr bool by_sign = {'true' if model.routing is Routing.SIGN else 'false'};",
        f"static constexpr uint64_t params_used = {mask(x in used for x in p.values())};",
        f"static constexpr uint64_t constants_used = {mask(x in used for x in k.values() if not _is_condition(x))};",
        f"static constexpr uint64_t integers = {mask(n in integer for n in s)};",
        "template <bool c0, bool c1, typename T, typename Uniform>",
        "static JAXNEST_INLINE void step(const T* p, const T* k, T* s, T ex, T inh, T spikes, T current, T filtered, T h,",
        "                                Uniform uniform, T& spike) {",
        *(f"  {line}" for line in lines),
        "}",
    ]
    return "\n".join(f"  {line}" for line in body)


def number(model: type[Neuron]) -> int | None:
    """Which of the library's steps is that of `model`; None if it has none."""
    return marks.number("step", model, Neuron)


def operands(model: type[Neuron], p: Values, k: Values, h: Any, key: Any, step: Any, ids: Any) -> list[Any]:
    """What the C++ handler of a step is given before what it changes: see ``steps.cpp``."""
    values = [jnp.asarray(x) for x in k.values()]
    conditions, numbers = [x for x in values if x.dtype == bool], [x for x in values if x.dtype != bool]
    dtype = jnp.result_type(h)
    numbers = [x if jnp.issubdtype(x.dtype, jnp.integer) else x.astype(dtype) for x in numbers]
    return [step, key, ids, h, *(p[name].astype(dtype) for name in model.parameters), *numbers, *conditions]
