"""Memory of this process, in MB of 2**20 bytes."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

_UNIT = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss counts bytes there, KiB elsewhere


def peak_mb(who: int = resource.RUSAGE_SELF) -> float:
    """The largest resident memory so far."""
    return resource.getrusage(who).ru_maxrss * _UNIT / 2**20


def resident_mb() -> float:
    """The resident memory now; where the system does not say, the largest so far."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return peak_mb()
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def grown_mb(run: Callable[[], object]) -> float | None:
    """How far the resident memory rises, at most, above what it is before while `run` runs. None where the system does not say."""
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what is free, but kept, would hide what `run` takes
        reset.write_text("5")  # the largest so far is forgotten
        before = resident_mb()
        run()
        most = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    except (OSError, AttributeError, StopIteration):
        return None
    return int(most) / 2**10 - before
