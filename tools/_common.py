"""What both tools need: where NEST is, what stands in for it, which models a script names, tables."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

TOOLS = Path(__file__).parent
STAND_IN = "jaxnest.nest._as_nest"
"""Importing this module puts jaxnest's `nest` and its sub-modules into `sys.modules`."""


class ToolError(Exception):
    """The tool cannot do what it was asked; the message says what is missing."""


def nest_version() -> str:
    """The version of the installed NEST.

    Raises `ToolError` where there is none.
    """
    try:
        return metadata.version("nest-simulator")
    except metadata.PackageNotFoundError:
        raise ToolError("real NEST is needed for comparison: pip install nest-simulator==3.10.0") from None


def stand_in(module: str) -> str | None:
    """The module to import before `nest`, or None for real NEST. `module` is "jaxnest", "nest" or the name of such a module."""
    return {"jaxnest": STAND_IN, "nest": None}.get(module, module)


def cache_folder(*parts: str) -> Path:
    """A folder (made if needed) in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(base).expanduser().joinpath("jaxnest", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def digest(paths: Iterable[Path], root: Path, *more: str) -> str:
    """16 hexadecimal digits that change with the names (from `root`) or contents of the files, or with `more`."""
    total = hashlib.sha256("\0".join(more).encode())
    for path in sorted(paths):
        total.update(f"\0{path.relative_to(root)}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:16]


def environment(**more: str) -> dict[str, str]:
    """The variables of a subprocess: the same order of sets in every run, no window, no banner, nothing written beside sources."""
    fixed = {
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYNEST_QUIET": "1",
        "OMP_WAIT_POLICY": "passive",
        "MPLBACKEND": "Agg",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(TOOLS), os.environ.get("PYTHONPATH")])),
    }
    return {**os.environ, **fixed, **more}


def model_names(module: str) -> set[str]:
    """Names of all models of nodes and synapses that `nest` has, with `module` in its place.

    Raises `ToolError` if it cannot be imported.
    """
    first = stand_in(module)
    lines = [f"import {first}"] if first else []
    lines += ["import nest, json", "print('\\n' + json.dumps([*nest.node_models, *nest.synapse_models]))"]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise ToolError(f"with {module} in its place, nest cannot be imported: {last_line(done.stderr)}")
    return set(json.loads(done.stdout.splitlines()[-1]))


def last_line(text: str) -> str:
    """The last line that is not blank."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no output")


def names_used(path: Path) -> tuple[set[str], set[str]]:
    """String constants in a Python file, and the attributes it takes of anything."""
    tree = ast.parse(path.read_bytes(), filename=str(path))
    nodes = list(ast.walk(tree))
    strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return strings, {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Aligned text: columns of numbers to the right, the others to the left."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    columns = list(zip(*cells))
    widths = [max(map(len, column)) for column in columns]
    sides = [">" if all(not cell or cell[0] in "-0123456789" for cell in column[1:]) else "<" for column in columns]
    lines = ["  ".join(f"{c:{side}{w}}" for c, side, w in zip(row, sides, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def end_on_termination() -> None:
    """A request to terminate ends the tool as an exception does, so that what it started is ended too."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def write_json(path: str | Path, content: object) -> None:
    """Write at once: a reader never sees half of it."""
    path = Path(path)
    part = path.with_name(f"{path.name}.part{os.getpid()}")
    part.write_text(json.dumps(content, indent=1) + "\n")
    part.replace(path)
