"""Lists of times of generators: NEST's checks, its rounding to the grid, and spikes between the points of the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._clock import Clock
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._models import ALIASED, ALIASES, PER_MS

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel
    from jaxnest.nest._ledger import Block

_FLAGS = ("precise_times", "shift_now_spikes", "allow_offgrid_times")
#: generators of a value that changes at given times: the keys of times and values, and how NEST's messages call them
_STEPPED = {
    "step_rate_generator": ("amplitude_times", "amplitude_values", "Amplitude"),
    "step_current_generator": ("amplitude_times", "amplitude_values", "Amplitude"),
    "inhomogeneous_poisson_generator": ("rate_times", "rate_values", "Rate"),
}


def settled(name: str, old: Mapping[str, Any], new: Mapping[str, Any], clock: Clock, now: int) -> dict[str, Any]:
    """What properties of a generator become when those in `new` are set, at the step `now`: times rounded as NEST does.

    `old` has all properties. For other models there is nothing to do.

    **Raises:** `BadProperty`, `StepMultipleRequired`.
    """
    if name == "spike_generator":
        return _spikes({**old, **new}, old, new, clock, now)
    if name in _STEPPED:
        return _stepped(name, old, new, clock, now)
    if name in ALIASED:
        return _aliased(new)
    if "f_target" in new and name in PER_MS:
        return {"f_target": new["f_target"] / 1000.0}
    if name == "noise_generator" and "dt" in new and not (clock.nearest(new["dt"])[1] and new["dt"] > 0):
        raise NESTErrors.StepMultipleRequired(
            f"The time property dt = {new['dt']:g} ms of model noise_generator must be a multiple of the resolution "
            f"{clock.ms(1):g} ms."
        )
    return {}


def _aliased(new: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that have two names."""
    both = [*ALIASES.items(), *((key, alias) for alias, key in ALIASES.items())]
    return {other: new[key] for key, other in both if key in new and other not in new}


def _spikes(p: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any], clock: Clock, now: int) -> dict[str, Any]:
    if p["precise_times"] and (p["allow_offgrid_times"] or p["shift_now_spikes"]):
        raise NESTErrors.BadProperty(
            "Option precise_times cannot be set to true when either allow_offgrid_times or shift_now_spikes is set to true."
        )
    given = "spike_times" in new
    if not given and len(old["spike_times"]) and any(k in new and new[k] != old[k] for k in _FLAGS):
        raise NESTErrors.BadProperty("Options can only be set together with spike times or if no spike times have been set.")
    times = np.asarray(p["spike_times"], float)
    for key in ("spike_weights", "spike_multiplicities"):
        if len(p[key]) not in (0, len(times)):
            raise NESTErrors.BadProperty(
                f"{key} must have the same number of elements as spike_times, or 0 elements to clear the property."
            )
    if not given:
        return {}
    if not p["shift_now_spikes"] and (times == 0).any():
        raise NESTErrors.BadProperty("spike time cannot be set to 0.")
    if (np.diff(times) < 0).any():
        raise NESTErrors.BadProperty("Spike times must be sorted in non-descending order.")
    if p["precise_times"]:
        return {}
    steps = _on_grid("spike_generator", times, bool(p["allow_offgrid_times"]), clock)
    if p["shift_now_spikes"]:
        origin = int(clock.nearest(p["origin"])[0])
        steps = steps + (steps + origin == now)
    return {"spike_times": clock.ms(steps)}


def _stepped(name: str, old: Mapping[str, Any], new: Mapping[str, Any], clock: Clock, now: int) -> dict[str, Any]:
    times_key, values_key, what = _STEPPED[name]
    flag = bool({**old, **new}["allow_offgrid_times"])
    if times_key not in new and len(old[times_key]) and flag != old["allow_offgrid_times"]:
        if what == "Rate":
            raise NESTErrors.BadProperty("Option can only be set together with rate times or if no rate times have been set.")
        raise NESTErrors.BadProperty(
            "allow_offgrid_times can only be changed before amplitude_times have been set, or together with "
            "amplitude_times and amplitude_values."
        )
    if (times_key in new) != (values_key in new):
        raise NESTErrors.BadProperty(f"{what} times and values must be reset together.")
    if times_key not in new:
        return {}
    times = np.asarray(new[times_key], float)
    if len(times) != len(new[values_key]):
        raise NESTErrors.BadProperty(f"{what} times and values have to be the same size.")
    if what == "Rate" and (times <= clock.ms(now)).any():
        raise NESTErrors.BadProperty("Time points must lie strictly in the future.")
    if (times <= 0).any():
        raise NESTErrors.BadProperty("Amplitude can only be changed at strictly positive times (t > 0).")
    steps = _on_grid(name, times, flag, clock)
    if (np.diff(steps) <= 0).any():
        text = "Rate times must be strictly increasing."
        raise NESTErrors.BadProperty(
            text if what == "Rate" else f"{name}: amplitude times must be at strictly increasing time steps."
        )
    return {times_key: clock.ms(steps)}


def _on_grid(name: str, times: np.ndarray, offgrid: bool, clock: Clock) -> np.ndarray:
    """Times in steps: to the nearest tic if that is on the grid, else (`offgrid`) to the end of the step."""
    steps, fits = clock.nearest(times)
    if not fits.all() and not offgrid:
        raise NESTErrors.BadProperty(f"{name}: Time point {times[~fits][0]:g} is not representable in current resolution.")
    return np.where(fits, steps, clock.end_of_step(times))


def settle(
    kernel: Kernel, block: Block, places: np.ndarray, columns: dict[str, tuple[Any, bool]]
) -> dict[str, tuple[Any, bool]]:
    """`columns` (see `Kernel.set_nodes`) with what `settled` makes of them."""
    core = block.model.core.name
    if core not in ("spike_generator", "noise_generator", *_STEPPED, *ALIASED, *PER_MS):
        return columns
    clock, now = Clock.of(kernel), kernel.steps

    def one(place: int, k: int) -> dict[str, Any]:
        old = {key: block.value(key, place) for key in block.shared}
        return settled(core, old, {key: v[k] if several else v for key, (v, several) in columns.items()}, clock, now)

    if not block.each and not any(several for _, several in columns.values()):
        return {**columns, **{key: (value, False) for key, value in one(int(places[0]), 0).items()}}
    rows = [one(int(place), k) for k, place in enumerate(places)]
    keys = {key for row in rows for key in row}
    kept = {key: [row.get(key, block.value(key, int(p))) for row, p in zip(rows, places, strict=True)] for key in keys}
    return {**columns, **{key: (values, True) for key, values in kept.items()}}


def precise_spikes(
    kernel: Kernel, nodes: Sequence[int], ids: np.ndarray, step: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spikes (n,) with those of the generators `nodes`, which have precise times, taken from their lists instead: steps,
    IDs, and offsets (ms) by which they lie before the ends of their steps."""
    clock = Clock.of(kernel)
    others = ~np.isin(ids, nodes)
    parts = [(step[others], ids[others], np.zeros(int(others.sum())))]
    for node in nodes:
        block = kernel.block_of(node)
        place = node - block.first
        times = np.asarray(block.value("spike_times", place), float)
        counts = block.value("spike_multiplicities", place)
        if len(counts):
            times = np.repeat(times, counts)
        stamps = clock.end_of_step(times)
        offsets = clock.ms(stamps) - times
        offsets[np.abs(offsets) < 2 * np.finfo(float).eps * np.abs(clock.ms(stamps) + times)] = 0.0
        stamps = stamps + int(clock.nearest(block.value("origin", place))[0])
        now = np.isin(stamps, step[ids == node])
        parts.append((stamps[now], np.full(int(now.sum()), node), offsets[now]))
    steps, who, offsets = (np.concatenate([p[i] for p in parts]) for i in range(3))
    order = np.argsort(steps, kind="stable")
    return steps[order], who[order], offsets[order]
