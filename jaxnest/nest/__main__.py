"""``python -m jaxnest.nest script.py [args]``: run a script of PyNEST."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def run(script: str, arguments: list[str]) -> None:
    """Run a script, in which `import nest` finds jaxnest."""
    from jaxnest.nest import _as_nest

    _as_nest.install()
    path = Path(script)
    if not path.is_file():
        raise SystemExit(f"jaxnest: there is no file {script}")
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(path.resolve().parent))
    runpy.run_path(str(path), run_name="__main__")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("usage: python -m jaxnest.nest script.py [arguments]")
    run(sys.argv[1], sys.argv[2:])
