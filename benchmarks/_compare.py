"""Runs jaxnest and its peers in turn, each time in a new process, and puts together what they measured."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ._request import Request, Spec

KEYS = (
    "benchmark",
    "build_s",
    "compile_s",
    "sim_s",
    "real_time_factor",
    "ns_per_event",
    "bytes_per_synapse",
    "peak_mb",
    "rate_hz",
    "peer",
    "peer_sim_s",
    "ratio",
)


class Failed(Exception):
    """A measurement that ended with an error."""


def measure(request: Request) -> dict[str, Any]:
    """One measurement in a new process.

    **Raises:** `Failed`, with what the process said.
    """
    environment = {
        **os.environ,
        "JAX_ENABLE_X64": "1" if request.precision == "float64" else "0",
        "JAXNEST_CACHE": "0",
        "OMP_NUM_THREADS": str(request.threads),
        "PYNEST_QUIET": "1",
        "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",
    }
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "benchmarks._worker", json.dumps(asdict(request)), str(answer)]
        root = Path(__file__).parents[1]
        done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"{request.side} failed with exit code {done.returncode}:\n{done.stderr.strip()}")
        return json.loads(answer.read_text())


def in_turn(request: Request, peers: Sequence[str], repeats: int) -> dict[str, list[dict[str, Any]]]:
    """The runs of jaxnest and those of the peers: ours, theirs, ours, theirs …, the k-th ones with seed + k.

    A peer that says "skipped" is left out. If jaxnest does, that is all there is.
    """
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in ("jaxnest", *peers)}
    for k in range(repeats):
        for side in list(runs):
            print(f"{name(request)}: {side}, {k + 1} of {repeats}", file=sys.stderr, flush=True)
            found = measure(replace(request, side=side, seed=request.seed + k))
            if "skipped" not in found:
                runs[side].append(found)
            elif side == "jaxnest":
                return {"jaxnest": [found]}
            else:
                del runs[side]
    return runs


def record(spec: Spec, request: Request, peer: str | None, ours: Sequence[Any], theirs: Sequence[Any]) -> dict[str, Any]:
    """The record of one case and peer: medians over the runs, `KEYS`, None where a key does not apply; memory_ratio if `spec.memory`."""
    found = dict.fromkeys(KEYS)
    found |= {key: middle(ours, key) for key in (*KEYS, *spec.keys) if key in ours[0]}
    found["benchmark"] = name(request)
    sim_s = found["sim_s"]
    if sim_s is not None and spec.real_time:
        found["real_time_factor"] = sim_s / request.time * 1e3
    if sim_s is not None and middle(ours, "events"):
        found["ns_per_event"] = statistics.median(r["sim_s"] / r["events"] for r in ours) * 1e9
    if theirs:
        found["peer"] = peer
        found["peer_sim_s"] = middle(theirs, spec.timed)
        found["ratio"] = statistics.median(t[spec.timed] / o[spec.timed] for o, t in zip(ours, theirs))
    if spec.memory:
        known = theirs and None not in [r[spec.memory] for r in (*ours, *theirs)]
        each = [o[spec.memory] / t[spec.memory] for o, t in zip(ours, theirs)] if known else []
        found["memory_ratio"] = statistics.median(each) if each else None
    return found


def more(spec: Spec, ours: Sequence[Any], theirs: Sequence[Any]) -> dict[str, Any]:
    """What the table shows beside the record."""
    quantities = [key for key in spec.same if key != "rate_hz"]
    shown = {key: middle(ours, key) for key in spec.shown} | {f"peer {key}": middle(theirs, key) for key in spec.shown}
    return {
        "peak/final": middle(ours, "peak_over_final") if spec.timed == "build_s" else None,
        **{key: mean(ours, key) for key in quantities},
        "peer build s": middle(theirs, "build_s"),
        "peer peak MB": middle(theirs, "peak_mb"),
        **{f"peer {key}": mean(theirs, key) for key in ("rate_hz", *quantities)},
        "peer compile s": middle(theirs, "compile_s") if spec.shown else None,
        **shown,
    }


def differences(spec: Spec, ours: Sequence[Any], theirs: Sequence[Any]) -> list[str]:
    """What ours and theirs do not agree upon, in words. Means over the repeats, as single seeds vary."""
    found = []
    for key, tolerance in spec.same.items():
        if theirs and key in ours[0] and key in theirs[0]:
            a, b = mean(ours, key), mean(theirs, key)
            if abs(a - b) > tolerance * abs(b):
                found.append(f"{key} differs by more than {tolerance:.1%}: {a:.5g}, the peer {b:.5g}: not the same network")
    return found


def name(request: Request) -> str:
    """How a record names its benchmark and case."""
    return f"{request.benchmark} {request.case}".strip()


def middle(runs: Sequence[Any], key: str) -> float | None:
    """The median over the runs, None if they did not measure `key`."""
    return statistics.median(r[key] for r in runs) if runs and runs[0].get(key) is not None else None


def mean(runs: Sequence[Any], key: str) -> float | None:
    """The mean over the runs, None if they did not measure `key`."""
    return statistics.fmean(r[key] for r in runs) if runs and runs[0].get(key) is not None else None
