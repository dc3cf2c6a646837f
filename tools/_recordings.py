"""Compares what recorders held in two runs of one script: trace by trace, or by counts and means."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

TIME_TOLERANCE = 1e-6
"""Milliseconds; far below any step, above the rounding of spike times between steps."""
TRACE_RTOL = 1e-6
"""Of the range of the reference's trace."""
COUNT_RTOL = 0.1
SIGMAS = 4.0
SEEDS = 3.0
"""How many times the difference between two seeds of NEST is allowed."""
BLOCKS = 10
WHOLE = ("senders", "targets", "receptors", "rports", "ports")
"""Variables that say which connection an event is of: they have to be equal."""

Recorder = Mapping[str, np.ndarray]
"""The events of one recorder, an array of shape (events,) by variable."""


@dataclass(frozen=True)
class Recording:
    """What one run left: the error that stopped it, its seconds, numbers of nodes and connections, events by recorder."""

    error: str
    seconds: float
    epochs: list[dict[str, int]] = field(default_factory=list)
    recorders: dict[str, Recorder] = field(default_factory=dict)

    @property
    def events(self) -> int:
        return sum(len(recorder["times"]) for recorder in self.recorders.values())


def load(folder: Path) -> Recording:
    """Read what `_record.py` wrote."""
    about = json.loads((folder / "run.json").read_text())
    recorders: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    if (folder / "records.npz").exists():
        with np.load(folder / "records.npz") as arrays:
            for name in arrays.files:
                recorder, _, variable = name.rpartition("/")
                recorders[recorder][variable] = arrays[name]
    return Recording(about["error"], about["seconds"], about["epochs"], {key: ordered(r) for key, r in recorders.items()})


def ordered(recorder: Recorder) -> Recorder:
    """Events by time, sender, target, ...: within a step their order means nothing."""
    keys = [np.round(recorder["times"] / TIME_TOLERANCE), *(recorder[name] for name in WHOLE if name in recorder)]
    order = np.lexsort(keys[::-1])
    return {variable: np.asarray(values)[order] for variable, values in recorder.items()}


def identical(first: Recording, second: Recording) -> bool:
    """Whether two runs of NEST built and recorded the same, to the last bit."""
    if first.epochs != second.epochs or first.recorders.keys() != second.recorders.keys():
        return False
    pairs = [(first.recorders[key], second.recorders[key]) for key in first.recorders]
    return all(a.keys() == b.keys() and all(np.array_equal(a[v], b[v], equal_nan=True) for v in a) for a, b in pairs)


def compare_traces(reference: Recording, other: Recording) -> tuple[list[str], float]:
    """For a script in which nothing is random: what differs, and the largest difference of a value in units of its trace's range."""
    problems = structure(reference, other, counts_rtol=0.0)
    largest = 0.0
    for key in reference.recorders.keys() & other.recorders.keys():
        a, b = reference.recorders[key], other.recorders[key]
        if len(a["times"]) != len(b["times"]):
            problems.append(f"{key}: {len(b['times'])} events, not {len(a['times'])}")
            continue
        if np.any(np.abs(a["times"] - b["times"]) > TIME_TOLERANCE):
            first = np.argmax(np.abs(a["times"] - b["times"]) > TIME_TOLERANCE)
            problems.append(f"{key}: times differ, first {b['times'][first]:g} ms, not {a['times'][first]:g} ms")
            continue
        for variable in a.keys() & b.keys() - {"times"}:
            difference = relative_difference(a[variable], b[variable])
            limit = 0.0 if variable in WHOLE else TRACE_RTOL
            if difference > limit:
                problems.append(f"{key}: {variable} differs by {difference:.2g} of its range")
            largest = max(largest, difference if variable not in WHOLE else 0.0)
    return problems, largest


def relative_difference(reference: np.ndarray, other: np.ndarray) -> float:
    """The largest difference in units of the reference's range (of its size where it is constant); infinite if NaNs differ."""
    if not len(reference):
        return 0.0
    if not np.array_equal(np.isnan(reference), np.isnan(other)):
        return np.inf
    finite = reference[np.isfinite(reference)]
    if not len(finite):
        return 0.0
    span = np.ptp(finite) or np.max(np.abs(finite)) or 1.0
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(np.where(reference == other, 0.0, np.abs(reference - other)), initial=0.0) / span)


def structure(reference: Recording, other: Recording, counts_rtol: float) -> list[str]:
    """Differences between the networks, and between the sets of recorders and of what they record."""
    problems = []
    if len(reference.epochs) != len(other.epochs):
        problems.append(f"{len(other.epochs)} networks built, not {len(reference.epochs)}")
    for number, (a, b) in enumerate(zip(reference.epochs, other.epochs)):
        if a["nodes"] != b["nodes"]:
            problems.append(f"network {number}: {b['nodes']} nodes, not {a['nodes']}")
        slack = max(counts_rtol * a["connections"], SIGMAS * np.sqrt(a["connections"])) if counts_rtol else 0
        if abs(a["connections"] - b["connections"]) > slack:
            problems.append(f"network {number}: {b['connections']} connections, not {a['connections']}")
    for key in sorted(reference.recorders.keys() ^ other.recorders.keys()):
        problems.append(f"{key}: {'missing' if key in reference.recorders else 'not in NEST'}")
    for key in reference.recorders.keys() & other.recorders.keys():
        lacking = reference.recorders[key].keys() - other.recorders[key].keys()
        if lacking:
            problems.append(f"{key}: {', '.join(sorted(lacking))} not recorded")
    return problems


def compare_statistics(reference: Recording, again: Recording, other: Recording) -> tuple[list[str], float]:
    """For a script in which something is random: what differs more than chance allows, and the largest difference of a count
    in units of what is allowed.

    `reference` and `again` are NEST with two seeds. Allowed are, for the number n of events of a recorder, the largest of 10 % of n,
    4 sqrt(2 n) and 3 times the difference between the seeds; for the mean of a recorded variable, the largest of a tenth of its
    standard deviation, 4 standard errors (from the means of 10 blocks of time) and 3 times the difference between the seeds; for the
    standard deviation, a factor of 2.
    """
    problems = structure(reference, other, COUNT_RTOL)
    largest = 0.0
    for key in reference.recorders.keys() & again.recorders.keys() & other.recorders.keys():
        a, b, c = (run.recorders[key] for run in (reference, again, other))
        counts = [len(events["times"]) for events in (a, b, c)]
        used = count_difference(*counts)
        largest = max(largest, used)
        if used > 1:
            problems.append(f"{key}: {counts[2]} events, NEST {counts[0]} and {counts[1]}")
            continue
        for variable in (a.keys() & b.keys() & c.keys()) - {"times", *WHOLE}:
            problem = mean_difference(*(events[variable].astype(float) for events in (a, b, c)))
            if problem:
                problems.append(f"{key}: {variable}: {problem}")
    return problems, largest


def count_difference(reference: int, again: int, other: int) -> float:
    """The difference of a count from the mean of two seeds, in units of what is allowed."""
    mean = (reference + again) / 2
    allowed = max(COUNT_RTOL * mean, SIGMAS * np.sqrt(2 * max(mean, 1.0)), SEEDS * abs(reference - again))
    return float(abs(other - mean) / allowed)


def mean_difference(reference: np.ndarray, again: np.ndarray, other: np.ndarray) -> str:
    """What is wrong with mean or spread of a variable, or "". Arrays are in the order of time."""
    runs = [values[np.isfinite(values)] for values in (reference, again, other)]
    if any(len(values) < 2 * BLOCKS for values in runs):
        return ""
    means, spreads = [values.mean() for values in runs], [values.std() for values in runs]
    errors = [np.std([block.mean() for block in np.array_split(values, BLOCKS)]) / np.sqrt(BLOCKS) for values in runs]
    spread = max(spreads[:2])
    rounding = TRACE_RTOL * max(np.ptp(runs[0]), np.max(np.abs(runs[0])))
    chance = SIGMAS * np.hypot(max(errors[:2]), errors[2])
    allowed = max(spread / 10, chance, SEEDS * abs(means[0] - means[1]), rounding)
    middle = (means[0] + means[1]) / 2
    if abs(means[2] - middle) > allowed:
        return f"mean {means[2]:.6g}, NEST {middle:.6g} +- {allowed:.2g}"
    if spreads[2] > 2 * spread + rounding or spreads[2] < min(spreads[:2]) / 2 - rounding:
        return f"standard deviation {spreads[2]:.4g}, NEST {spread:.4g}"
    return ""
