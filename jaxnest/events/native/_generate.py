"""Writes ``rules.inc`` and ``steps.inc``, the C++ of synapse and neuron models. Run it after a change of a model, then
install again:

python -m jaxnest.events.native._generate
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from jaxnest._declare import Declared
from jaxnest.events.native import marks, rules, steps
from jaxnest.events.native.rules import Unsupported, parameters_of
from jaxnest.neurons import neurons
from jaxnest.neurons._base import Neuron
from jaxnest.synapses import synapses
from jaxnest.synapses._base import Coupling, Synapse

FOLDER = Path(__file__).parent


def text(name: str) -> str:
    """What the file ``NAME.inc`` should say now; a model that cannot be written in C++ is left out, and runs in XLA."""
    if name == "rules":
        plastic = [
            m for m in synapses.values() if not (m.static or m.eager or issubclass(m, Coupling)) and writes(rules.write, m)
        ]
        return _file(name, "synapse", plastic, Synapse, rules.write, parameters_of)
    stepped = [m for m in neurons.values() if has_step(m)]
    return _file(name, "neuron", stepped, Neuron, steps.write, lambda model: list(model.parameters))


def has_step(model: type[Neuron]) -> bool:
    """Whether the step of a model can be written in C++."""
    return not (model.emits or model.hears) and writes(steps.write, model)


def writes(write: Callable[..., str], model: type[Declared]) -> bool:
    try:
        write(model)
    except Unsupported:
        return False
    return True


def _file(
    name: str,
    kind: str,
    models: Iterable[type[Declared]],
    base: type[Declared],
    write: Callable[..., str],
    parameters: Callable[..., list[str]],
) -> str:
    written: dict[str, str] = {}
    known: list[tuple[str, str]] = []
    out = [
        f"// The {name} of the {kind} models. Written by `python -m jaxnest.events.native._generate`: do not edit.",
        "// p: parameters, s: states; in the order of the comments.",
        "",
    ]
    for model in models:
        body = write(model)
        known.append((model.name, f"{model.__name__}:{marks.mark(model, base)}"))
        if body in written:
            out += [f"using {model.name} = {written[body]};", ""]
            continue
        written[body] = model.name
        out += [
            f"// p: {', '.join(parameters(model))}",
            f"// s: {', '.join(model.states) or 'none'}",
            f"struct {model.name} {{",
            body,
            "};",
            "",
        ]
    out.append(f"#define JAXNEST_{name.upper()}(F) " + " ".join(f'F({model}, "{mark}")' for model, mark in known))
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    for which in ("rules", "steps"):
        path = FOLDER / f"{which}.inc"
        path.write_text(text(which))
        print(path)
