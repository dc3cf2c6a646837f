"""The table, and the section of a file of results."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

_HEADS = {
    "benchmark": "benchmark",
    "build_s": "build s",
    "compile_s": "compile s",
    "sim_s": "sim s",
    "real_time_factor": "real-time factor",
    "ns_per_event": "ns per event",
    "bytes_per_synapse": "bytes per synapse",
    "peak_mb": "peak MB",
    "rate_hz": "rate Hz",
    "peer": "peer",
    "peer_sim_s": "peer sim s",
    "ratio": "ratio",
}
_DISTRIBUTIONS = {"nest": "nest-simulator"}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table of records and what belongs to them; columns that nothing fills are left out, but the record's."""
    keys = [k for k in rows[0] if k in _HEADS or any(r.get(k) is not None for r in rows)]
    heads = [_HEADS.get(k, k) for k in keys]
    cells = [[_cell(r.get(k)) for k in keys] for r in rows]
    width = [max(map(len, column)) for column in zip(heads, *cells)]
    lines = [heads, ["-" * (w - 1) + ":" for w in width], *cells]
    return "\n".join("| " + " | ".join(c.rjust(w) for c, w in zip(line, width)) + " |" for line in lines)


def section(command: str, others: Sequence[str], text: str, notes: Sequence[str]) -> str:
    """A section of the file of results: how, when, where and with what; the table; what did not agree. `others`: the peers' packages."""
    packages = dict.fromkeys(["jaxnest", "jax", "numpy", *(_DISTRIBUTIONS.get(name, name) for name in others)])
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    lines = [
        f"## `{command}`",
        "",
        f"{datetime.date.today()}, {_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}",
        "",
        text,
        "",
        *(f"- {note}" for note in notes),
    ]
    return "\n".join(lines).rstrip() + "\n"


def add_outputs(command: argparse.ArgumentParser) -> None:
    """The options that `write` reads."""
    command.add_argument("--json", metavar="FILE", help="write the records to this file")
    command.add_argument("--results", metavar="FILE", help="append a section to this file (benchmarks/RESULTS.md)")


def write(a: argparse.Namespace, command: str, others: Sequence[str], records: Any, text: str, notes: Sequence[str]) -> None:
    """What --json and --results ask for; `records` as JSON, the rest as in `section`."""
    if a.json:
        Path(a.json).write_text(json.dumps(records, indent=1))
    if a.results:
        with open(a.results, "a") as file:
            file.write("\n" + section(command, others, text, notes))


def complain(text: str, code: int) -> int:
    """Say something on the error stream; returns the exit code `code`."""
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)
    return code


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
