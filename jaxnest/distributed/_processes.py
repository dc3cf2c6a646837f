"""Several processes: joining those that belong together, and starting some of them here for trying a script out."""

from __future__ import annotations

import os
import runpy
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any

import jax

from jaxnest.errors import ConfigurationError

_COORDINATOR, _NUMBER, _RANK = "JAXNEST_COORDINATOR", "JAXNEST_PROCESSES", "JAXNEST_RANK"
#: by any of these JAX finds the processes of a batch job
_CLUSTERS = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "JAX_COORDINATOR_ADDRESS")
_LAST_LINES = 20
_PATIENCE = 10.0  # s until processes that were asked to end are ended


def initialize() -> None:
    """Join the processes of this run: those of ``jaxnest launch``, or of a job under SLURM or Open MPI, which JAX knows. Alone, do nothing.

    Call it before anything that touches a device. A process that vanishes ends the others within a minute.
    """
    if jax.distributed.is_initialized():  # `jaxnest launch` did
        return
    env = os.environ
    if _COORDINATOR in env:
        given: dict[str, Any] = {
            "coordinator_address": env[_COORDINATOR],
            "num_processes": int(env[_NUMBER]),
            "process_id": int(env[_RANK]),
        }
    elif any(int(env[name]) > 1 for name in _CLUSTERS[:3] if env.get(name, "").isdigit()) or _CLUSTERS[3] in env:
        given = {}
    else:
        return
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(**given, heartbeat_timeout_seconds=30)
    sys.excepthook = _fail


def _fail(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The end of a process by an exception: at once, where Python's would first wait for the others."""
    traceback.print_exception(kind, error, trace)
    _leave(130 if issubclass(kind, KeyboardInterrupt) else 1)


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@dataclass
class _Process:
    rank: int
    handle: subprocess.Popen[str]
    errors: deque[str]
    reader: threading.Thread


def launch(n: int, script: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Run a script in `n` processes of this machine, which are one run. What it prints is printed by the first alone; errors by all, with the rank.

    **Returns:** 0, or the exit code of the first process that failed, whose rank and last words are told; the others are then ended.

    **Raises:** `ConfigurationError` for a script that is not there, or `n` below 1.
    """
    if n < 1:
        raise ConfigurationError(f"n={n!r} must be at least 1")
    if not os.path.isfile(script):
        raise ConfigurationError(f"no file {script!r}")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{s.getsockname()[1]}"
    processes = [_start(rank, n, address, script, arguments, environment or os.environ) for rank in range(n)]
    try:
        return _watch(processes)
    finally:
        _end(processes)


def _start(rank: int, n: int, address: str, script: str, arguments: Sequence[str], environment: Mapping[str, str]) -> _Process:
    env = {**environment, _COORDINATOR: address, _NUMBER: str(n), _RANK: str(rank)}
    command = [sys.executable, "-m", "jaxnest.distributed", script, *arguments]
    out = None if rank == 0 else subprocess.DEVNULL
    handle = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.PIPE, text=True)
    errors: deque[str] = deque(maxlen=_LAST_LINES)
    assert handle.stderr is not None
    reader = threading.Thread(target=_relay, args=(rank, handle.stderr, errors), daemon=True)
    reader.start()
    return _Process(rank, handle, errors, reader)


def _relay(rank: int, stream: IO[str], errors: deque[str]) -> None:
    with stream:
        for line in stream:
            errors.append(line)
            print(f"[{rank}] {line}", end="", file=sys.stderr, flush=True)


def _watch(processes: Sequence[_Process]) -> int:
    """Wait for all, or for the first that fails."""
    while True:
        codes = [p.handle.poll() for p in processes]
        failed = [p for p, code in zip(processes, codes, strict=True) if code]
        if failed:
            return _told(failed)
        if all(code == 0 for code in codes):
            return 0
        time.sleep(0.05)


def _told(failed: Sequence[_Process]) -> int:
    """Say who failed, and why; of several that end together the one that did not fail because of another."""
    first = min(failed, key=lambda p: (any("coordination service" in line.lower() for line in p.errors), p.rank))
    first.reader.join(1.0)
    code = first.handle.returncode
    how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    last = next((line.strip() for line in reversed(first.errors) if line.strip()), "it left no message")
    print(f"jaxnest: process {first.rank} {how}: {last}", file=sys.stderr)
    return code if code > 0 else 128 - code


def _end(processes: Sequence[_Process]) -> None:
    for p in processes:
        if p.handle.poll() is None:
            p.handle.terminate()
    until = time.monotonic() + _PATIENCE
    for p in processes:
        try:
            p.handle.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            p.handle.kill()
            p.handle.wait()
        p.reader.join(1.0)


def work(script: str, arguments: Sequence[str]) -> None:
    """What each process does: join the others, run the script as a main program."""
    initialize()
    sys.argv = [script, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if code:
            if not isinstance(end.code, int):
                print(end.code, file=sys.stderr)
            _leave(code)
        raise
