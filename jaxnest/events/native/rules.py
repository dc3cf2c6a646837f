"""The rules of a synapse model as C++: `on_pre` and `on_post`, traced by JAX and written as straight-line code.

The Python functions are the one truth. What is written for the models of jaxnest lies in ``rules.inc``, a part of the
library, each with a mark of the model's source (`jaxnest.events.native.marks`), so it is known whether the library has it as it is now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var

from jaxnest._values import Values
from jaxnest.events.native import marks
from jaxnest.synapses._base import Post, Pre, Synapse


class Unsupported(Exception):
    """A rule does something that cannot be written in C++."""


_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_INFIX |= {"and": "&", "or": "|", "xor": "^", "add_any": "+"}
_CALLS = {name: f"jaxnest::{name}" for name in ("exp", "expm1", "log", "log1p", "pow")}
_CALLS |= {"sqrt": "std::sqrt", "abs": "std::abs", "floor": "std::floor", "ceil": "std::ceil"}
_SAME = ("broadcast_in_dim", "reshape", "squeeze", "stop_gradient", "copy", "copy_p", "optimization_barrier")


class _Line(NamedTuple):
    out: str
    uses: tuple[str, ...]
    text: str


class Writer:
    """Writes the equations of a jaxpr, with those of the functions that it calls, as assignments."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.lines: list[_Line] = []

    def write(self, jaxpr: Jaxpr, consts: Sequence[Any], names: Sequence[str]) -> list[str]:
        """The expressions of the results, for arguments called `names`."""
        known: dict[Var, str] = dict(zip(jaxpr.invars, names, strict=True))
        known |= {v: _number(c) for v, c in zip(jaxpr.constvars, consts, strict=True)}

        def of(atom: Any) -> str:
            return _number(atom.val) if isinstance(atom, Literal) else known[atom]

        for equation in jaxpr.eqns:
            arguments = [of(a) for a in equation.invars]
            inner = self._called(equation)
            if inner is not None:
                results = self.write(inner.jaxpr, inner.consts, arguments)
            elif equation.primitive.name in _SAME or _only_type(equation):
                results = arguments
            else:
                results = self.special(equation, arguments) or [self._assign(equation, arguments)]
            known.update(zip(equation.outvars, results, strict=True))
        return [of(a) for a in jaxpr.outvars]

    @staticmethod
    def _called(equation: Any) -> ClosedJaxpr | None:
        for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
            found = equation.params.get(key)
            if isinstance(found, ClosedJaxpr) and equation.primitive.name not in ("scan", "while"):
                return found
            if isinstance(found, Jaxpr):
                return ClosedJaxpr(found, ())
        return None

    def special(self, equation: Any, arguments: list[str]) -> list[str] | None:
        """The results of an equation that a kind of function has for itself, else None."""
        return None

    def _assign(self, equation: Any, arguments: list[str]) -> str:
        return self.line(self._expression(equation, arguments), arguments, equation.outvars[0].aval)

    def line(self, expression: str, uses: Sequence[str], aval: Any) -> str:
        """One more assignment; the name of its result."""
        out = f"v{len(self.lines)}"
        self.lines.append(_Line(out, tuple(uses), f"const {'bool' if aval.dtype == bool else 'T'} {out} = {expression};"))
        return out

    def _expression(self, equation: Any, a: list[str]) -> str:
        name, boolean = equation.primitive.name, equation.invars[0].aval.dtype == bool
        if name in _INFIX:
            return f"{a[0]} {_INFIX[name]} {a[1]}"
        if name in _CALLS:
            return f"{_CALLS[name]}({', '.join(a)})"
        if name == "neg":
            return f"-{a[0]}"
        if name == "not" and boolean:
            return f"!{a[0]}"
        if name in ("max", "min"):
            return f"{a[0]} {'>' if name == 'max' else '<'} {a[1]} || {a[0]} != {a[0]} ? {a[0]} : {a[1]}"
        if name == "sign":
            return f"{a[0]} != T(0) ? ({a[0]} > T(0) ? T(1) : T(-1)) : {a[0]}"
        if name == "select_n" and boolean and len(a) == 3:
            return f"{a[0]} ? {a[2]} : {a[1]}"
        if name == "convert_element_type":
            return f"T({a[0]})" if boolean else f"{a[0]} != T(0)"
        if name == "integer_pow" and equation.params["y"] > 0:
            return " * ".join(a * equation.params["y"])
        if name == "square":
            return f"{a[0]} * {a[0]}"
        raise Unsupported(f"{self.owner}: no C++ for {name!r}")


def _only_type(equation: Any) -> bool:
    """Whether a number becomes a number of another type, or a truth value a truth value: in C++ there is one of each."""
    kinds = [atom.aval.dtype == bool for atom in (*equation.invars[:1], *equation.outvars)]
    return equation.primitive.name == "convert_element_type" and kinds[0] == kinds[1]


def _number(x: Any) -> str:
    if jnp.shape(x) != ():
        raise Unsupported("a constant is an array")
    if jnp.issubdtype(jnp.result_type(x), jnp.bool_):
        return "true" if x else "false"
    return f"T({float(x)!r})"


def translate(
    writer: Writer,
    function: Callable[..., Any],
    names: Any,
    results: Callable[[Any], list[str]],
    dtype_of: Callable[[str], Any],
) -> tuple[list[str], set[str]]:
    """The lines of a C++ function, and which of its arguments it uses. `names`: a tree of arguments' names; `results` of
    the shape of the result: what it is assigned to."""
    leaves, tree = jax.tree.flatten(names)
    with jax.enable_x64(True):  # constants as precise as they come
        avals = [jax.ShapeDtypeStruct((), dtype_of(leaf)) for leaf in leaves]
        traced, shape = jax.make_jaxpr(lambda *x: function(*jax.tree.unflatten(tree, x)), return_shape=True)(*avals)
        outs = writer.write(traced.jaxpr, traced.consts, leaves)
    assignments = dict(zip(results(shape), outs, strict=True))
    assignments = {target: value for target, value in assignments.items() if target != value}  # what stays needs no line
    used, kept = set(assignments.values()), []
    for line in reversed(writer.lines):
        if line.out in used:
            used |= set(line.uses)
            kept.append(line.text)
    # all results are computed before the first is assigned
    fixed = [f"const T r{k} = {value};" for k, value in enumerate(assignments.values())]
    given = [f"{target} = r{k};" for k, target in enumerate(assignments)]
    return [*reversed(kept), *fixed, *given], used & set(leaves) | set(assignments)


def _dtype_of(name: str) -> Any:
    return bool if name == "first" else jnp.float64


def parameters_of(model: type[Synapse]) -> list[str]:
    """The names of what the rules read as ``p``: parameters, and the weight where it is no state."""
    return [*model.parameters, *(() if "weight" in model.states else ("weight",))]


def write(model: type[Synapse]) -> str:
    """The C++ of the rules of `model`. **Raises:** `Unsupported`."""
    if model.reads_modulator:
        raise Unsupported(f"{model.name}: no C++ for a third factor")
    if model.reads_order:
        raise Unsupported(f"{model.name}: no C++ for the order of synapses")
    p = Values({name: f"p[{k}]" for k, name in enumerate(parameters_of(model))})
    s = Values({name: f"s[{k}]" for k, name in enumerate(model.states)})
    pre = ("since_last", "first", "K_minus", "K_minus_triplet", "K_minus_nearest", "uniform")

    def draw(k: Any) -> Any:
        raise Unsupported(f"{model.name}: in C++ there is one random number a synapse and spike")

    def on_pre(p: Values, s: Values, given: tuple[Any, ...]) -> Any:
        new, *sent = model.on_pre(p, s, Pre(**dict(zip(pre, given, strict=True)), draw=draw))
        return list(new.values()), sent

    def results(shape: Any) -> list[str]:
        return [*s.values(), *("weight", "passed")[: len(shape[1])]]

    lines, used = translate(Writer(model.name), on_pre, (p, s, pre), results, _dtype_of)
    post_lines: list[str] = []
    post_used: set[str] = set()
    if model.reads_post:

        def on_post(p: Values, s: Values, given: tuple[Any, ...]) -> Any:
            return list(model.on_post(p, s, Post(*given)).values())

        names = ("since_last", "K_minus_triplet")
        post_lines, post_used = translate(Writer(model.name), on_post, (p, s, names), lambda shape: list(s.values()), _dtype_of)

    def flag(x: bool) -> str:
        return "true" if x else "false"

    def mask(kept: Callable[[str], bool]) -> str:
        return hex(sum(1 << k for k, name in enumerate(s.values()) if kept(name)))

    changed = {line.split(" = ")[0] for line in lines + post_lines}
    body = [
        f"static constexpr int n_params = {len(p)}, n_states = {len(s)};",
        f"static constexpr bool reads_post = {flag(model.reads_post)}, stochastic = {flag(model.stochastic)};",
        f"static constexpr bool pre_K = {flag('K_minus' in used)}, pre_K_triplet = {flag('K_minus_triplet' in used)};",
        f"static constexpr bool pre_nearest = {flag('K_minus_nearest' in used)};",
        f"static constexpr bool post_K_triplet = {flag('K_minus_triplet' in post_used)};",
        f"static constexpr unsigned reads = {mask(lambda n: _read(n, lines + post_lines))};",
        f"static constexpr unsigned writes = {mask(lambda n: n in changed)};",
        f"static constexpr unsigned post_reads = {mask(lambda n: _read(n, post_lines))};",
        f"static constexpr unsigned post_writes = {mask(lambda n: n in {x.split(' = ')[0] for x in post_lines})};",
        "template <typename T>",
        "static JAXNEST_INLINE void on_pre(const T* p, T* s, T since_last, bool first, T K_minus, T K_minus_triplet,",
        "                                  T K_minus_nearest, T uniform, T& weight, T& passed) {",
        *(f"  {line}" for line in lines),
        "}",
        "template <typename T>",
        "static JAXNEST_INLINE void on_post(const T* p, T* s, T since_last, T K_minus_triplet) {",
        *(f"  {line}" for line in post_lines),
        "}",
    ]
    text = "\n".join(f"  {line}" if line else line for line in body)
    return text


def _read(name: str, lines: Sequence[str]) -> bool:
    """Whether `name` stands to the right of an equals sign."""
    return any(name in line.split(" = ", 1)[1] for line in lines)


def number(model: type[Synapse]) -> int | None:
    """Which of the library's rules are those of `model`; None if it has none of these."""
    return marks.number("rule", model, Synapse)
