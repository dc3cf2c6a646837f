"""Memory of this process, in MB of 2**20 bytes."""

from __future__ import annotations

import os
import resource
import sys
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
