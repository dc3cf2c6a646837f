"""The kernel's timers: how long Create, Connect, compiling and simulating took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_NAMES = ("construction_create", "construction_connect", "communicate_prepare", "simulate")


@dataclass
class Timers:
    """Seconds by name: of the clock on the wall, and of this process's threads together."""

    wall: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_NAMES, 0.0))
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_NAMES, 0.0))

    def get(self, attribute: str) -> Any:
        """The kernel's attribute `time_NAME` or `time_NAME_cpu`: a number, or one a thread (of which here is one)."""
        name = attribute.removeprefix("time_")
        seconds = self.cpu[name.removesuffix("_cpu")] if name.endswith("_cpu") else self.wall[name]
        return np.array([seconds]) if "communicate" in name else seconds

    def clear(self, name: str) -> None:
        self.wall[name] = self.cpu[name] = 0.0

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Add the time of a block."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall[name] += time.perf_counter() - wall
            self.cpu[name] += time.process_time() - cpu


__all__ = ["Timers"]
