"""Recorders: what they record and when. The recording itself is `jaxnest.simulation`'s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxnest.devices._base import Parameter, Recorder
from jaxnest.errors import ConfigurationError


class spike_recorder(Recorder):
    """Records the spikes of what is connected to it, in (start, stop]."""


class multimeter(Recorder):
    """Records states of the neurons that it is connected to, every `interval` ms, from `offset`, in (start, stop]."""

    interval = Parameter(1.0, "ms", "time between samples", gt=0)
    offset = Parameter(0.0, "ms", "the samples are at offset + k interval", ge=0)

    options: tuple[str, ...] = ("record_from",)

    @classmethod
    def read_options(cls, owner: str, n: int, given: Mapping[str, Any], h: float) -> dict[str, Any]:
        names = given.get("record_from", ())
        names = (names,) if isinstance(names, str) else tuple(names)
        if not all(isinstance(name, str) for name in names):
            raise ConfigurationError(f"{owner}.record_from={names!r} must be names of recordables")
        return {"record_from": names}


class voltmeter(multimeter):
    """A multimeter that records V_m."""

    options: tuple[str, ...] = ("record_from",)

    @classmethod
    def read_options(cls, owner: str, n: int, given: Mapping[str, Any], h: float) -> dict[str, Any]:
        return super().read_options(owner, n, {"record_from": ("V_m",), **given}, h)


class weight_recorder(Recorder):
    """Records weight, source and target of every event of the projections that name it."""
