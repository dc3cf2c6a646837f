"""What one measurement is asked for, and what a benchmark says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """One measurement: `time` in ms; `case` is one of the benchmark's cases; `side` the simulator."""

    benchmark: str
    side: str
    case: str = ""
    scale: float = 1.0
    time: float = 1000.0
    threads: int = 2
    precision: str = "float32"
    lowering: str = "auto"
    seed: int = 1

    @property
    def options(self) -> dict[str, Any]:
        """What to pass to `jaxnest.Simulation` beside network and seed."""
        return {} if self.lowering == "auto" else {"lowering": self.lowering}


@dataclass(frozen=True)
class Spec:
    """A benchmark: the simulators it can be compared with, its defaults, and how its runs are compared.

    `cases`: one record each, the headline last. `timed`: the time that `ratio` compares and that is given as
    `peer_sim_s`. `same`: quantities that must agree with the peer's (mean over the repeats), and to which fraction.
    `packages`: what a peer needs, where that is not a package of its name; `variants`: what one peer is run as, where
    that is not once, by the names of the functions. `memory`: the quantity of which memory_ratio, a key of such a benchmark's records alone, is
    ours over theirs; `shown`: quantities that the table has beside the record's; `keys`: more keys of the records. `by_lowering`: the cases are lowerings. `real_time`: whether sim_s over `time` means anything.
    """

    peers: tuple[str, ...] = ("nest",)
    scale: float = 1.0
    time: float = 1000.0
    cases: tuple[str, ...] = ("",)
    timed: str = "sim_s"
    same: Mapping[str, float] = field(default_factory=lambda: {"rate_hz": 0.02})
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    memory: str | None = None
    shown: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    by_lowering: bool = False
    real_time: bool = True
