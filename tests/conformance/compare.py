"""The one comparer, and the one table of tolerances."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from .scenario import Result, Scenario, Trace


@dataclass(frozen=True)
class Tolerance:
    """How far a result may be from the reference.

    `spikes` is "identical", "counts" (per population within `count_rtol`, or by one spike), "occupied" (which steps have spikes,
    no matter how many) or "distribution".
    A trace may differ by `trace_atol + trace_rtol * |reference|`, in the unit of the recordable; with `until_first_difference`
    only before the first spike that differs. Weights may differ by `weight_rtol` of themselves; the sequence of transmitted
    weights has to be that of the reference. `p_value` bounds the Kolmogorov-Smirnov tests, all those of one comparison together.
    """

    name: str
    spikes: str = "identical"
    count_rtol: float = 0.0
    trace_atol: float = 0.0
    trace_rtol: float = 0.0
    until_first_difference: bool = False
    weight_rtol: float = 0.0
    p_value: float | None = None


TOLERANCES = {
    tolerance.name: tolerance
    for tolerance in (
        Tolerance("exact_f64", trace_atol=1e-9, trace_rtol=1e-12, weight_rtol=1e-12),
        Tolerance("rkf45_f64", trace_atol=1e-6, trace_rtol=1e-9, weight_rtol=1e-9),
        Tolerance("plastic_f64", trace_atol=1e-7, trace_rtol=1e-9, weight_rtol=1e-9),
        Tolerance(
            "float32",
            "counts",
            count_rtol=0.01,
            trace_atol=1e-2,
            trace_rtol=1e-4,
            until_first_difference=True,
            weight_rtol=1e-3,
        ),
        Tolerance("occupied_steps", "occupied"),
        Tolerance("statistical", "distribution", p_value=0.01),
    )
}


@dataclass
class Report:
    """The outcome of one comparison; `str(report)` says what differs."""

    scenario: str
    tolerance: str
    trace_errors: dict[tuple[str, str], float] = field(default_factory=dict)
    weight_errors: dict[str, float] = field(default_factory=dict)
    p_values: dict[str, float] = field(default_factory=dict)
    n_spikes: tuple[int, int] = (0, 0)
    n_differing_spikes: int = 0
    first_difference: str | None = None
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.failures

    def __str__(self):
        lines = [f"{self.scenario} at {self.tolerance}: {'passed' if self.passed else 'FAILED'}"]
        lines += [f"  {failure}" for failure in self.failures]
        lines.append(
            f"  spikes: {self.n_spikes[0]} in the reference, {self.n_spikes[1]} here, {self.n_differing_spikes} differ"
        )
        if self.first_difference:
            lines.append(f"  first difference: {self.first_difference}")
        lines += [
            f"  largest error of {name}.{recordable}: {error:.3g}" for (name, recordable), error in self.trace_errors.items()
        ]
        lines += [f"  largest relative error of {name}: {error:.3g}" for name, error in self.weight_errors.items()]
        lines += [f"  p = {p:.3g} for {name}" for name, p in self.p_values.items()]
        return "\n".join(lines)


def compare(scenario: Scenario, ref: Result, got: Result, tolerance: Tolerance | None = None) -> Report:
    """Holds `got` against `ref`: everything that `ref` has, `got` has to have.

    Traces are compared at the times of `ref`, which may be a thinned-out set. `tolerance` defaults to the scenario's own.
    """
    tolerance = tolerance or TOLERANCES[scenario.tolerance]
    report = Report(scenario.name, tolerance.name)
    report.n_spikes = tuple(sum(len(times) for times, _ in result.spikes.values()) for result in (ref, got))
    missing = [
        f"no {kind} of {key}"
        for kind, ours, theirs in (
            ("spikes", ref.spikes, got.spikes),
            ("trace", ref.traces, got.traces),
            ("weight log", ref.weights, got.weights),
        )
        for key in ours
        if key not in theirs
    ]
    if len(got.final) < len(ref.final):
        missing.append("no final weights")
    report.failures += missing
    if missing:
        return report
    if tolerance.spikes == "distribution":
        compare_distributions(scenario, ref, got, tolerance, report)
        return report
    first_step = compare_spikes(scenario, ref, got, tolerance, report)
    compare_traces(scenario, ref, got, tolerance, report, first_step if tolerance.until_first_difference else np.inf)
    compare_weights(scenario, ref, got, tolerance, report)
    return report


def steps_of(times, h: float) -> np.ndarray:
    return np.round(np.asarray(times, float) / h).astype(np.int64)


def compare_spikes(scenario, ref, got, tolerance, report) -> float:
    """Returns the step of the first spike that differs, infinity if none does."""
    first = (np.inf, "")
    for name in ref.spikes:
        ours, theirs = (
            Counter(
                zip(
                    steps_of(r.spikes[name][0], scenario.h).tolist(),
                    np.asarray(r.spikes[name][1]).tolist(),
                    strict=True,
                )
            )
            for r in (ref, got)
        )
        if tolerance.spikes == "occupied":
            ours, theirs = Counter(ours.keys()), Counter(theirs.keys())
        lacking, surplus = ours - theirs, theirs - ours
        report.n_differing_spikes += lacking.total() + surplus.total()
        for spikes, word in ((lacking, "lacks"), (surplus, "has")):
            if spikes:
                step, index = min(spikes)
                first = min(first, (step, f"{name}[{index}] {word} a spike at {step * scenario.h:.10g} ms"))
        if tolerance.spikes == "counts" and abs(ours.total() - theirs.total()) > max(1.0, tolerance.count_rtol * ours.total()):
            report.failures.append(f"{name} fired {theirs.total()} spikes where the reference has {ours.total()}")
    if first[1]:
        report.first_difference = first[1]
    if tolerance.spikes in ("identical", "occupied") and report.n_differing_spikes:
        report.failures.append(f"{report.n_differing_spikes} spikes differ")
    return first[0]


def compare_traces(scenario, ref, got, tolerance, report, before_step) -> None:
    for name, trace in ref.traces.items():
        other = aligned(trace, got.traces[name], scenario.h)
        if isinstance(other, str):
            report.failures.append(f"{name}: {other}")
            continue
        kept = steps_of(trace.times, scenario.h) < before_step
        for recordable, values in trace.values.items():
            if recordable not in other.values:
                report.failures.append(f"no trace of {name}.{recordable}")
                continue
            a, b = np.asarray(values, float)[kept], np.asarray(other.values[recordable], float)[kept]
            if a.shape != b.shape:
                report.failures.append(f"{name}.{recordable} has shape {b.shape} instead of {a.shape}")
                continue
            if not a.size:
                report.trace_errors[name, recordable] = 0.0
                continue
            error = np.abs(a - b)
            report.trace_errors[name, recordable] = float(np.max(error))  # NaN if there is any
            bad = ~(error <= tolerance.trace_atol + tolerance.trace_rtol * np.abs(a))
            if bad.any():
                k, i = np.argwhere(bad)[0]
                at = f"{name}[{i}].{recordable} at {trace.times[kept][k]:.10g} ms is {b[k, i]:.12g} instead of {a[k, i]:.12g}"
                report.failures.append(
                    f"{at}; {bad.sum()} of {bad.size} samples are off, the worst by {report.trace_errors[name, recordable]:.3g}"
                )
                report.first_difference = report.first_difference or at


def aligned(trace: Trace, other: Trace, h: float) -> Trace | str:
    """`other` at the times of `trace`, or a sentence saying why it cannot be had."""
    wanted, there = steps_of(trace.times, h), steps_of(other.times, h)
    if not len(there) or not np.isin(wanted, there).all():
        late = wanted[~np.isin(wanted, there)]
        return f"no sample at {late[0] * h:.10g} ms ({len(late)} of {len(wanted)} samples are missing)"
    order = np.argsort(there, kind="stable")
    places = order[np.searchsorted(there[order], wanted)]
    return Trace(trace.times, {name: np.asarray(values)[places] for name, values in other.values.items()})


def compare_weights(scenario, ref, got, tolerance, report) -> None:
    for name, log in ref.weights.items():
        other = sorted_log(got.weights[name], scenario.h)
        ours = sorted_log(log, scenario.h)
        if len(ours[0]) != len(other[0]) or any((a != b).any() for a, b in zip(ours[:3], other[:3], strict=True)):
            shared = min(len(ours[0]), len(other[0]))
            parted = np.any([a[:shared] != b[:shared] for a, b in zip(ours[:3], other[:3], strict=True)], axis=0)
            same = int(np.argmax(parted)) if parted.any() else shared
            at = tuple(int(column[same]) for column in ours[:3]) if same < len(ours[0]) else "the end"
            report.failures.append(
                f"{name} has {len(other[0])} events instead of {len(ours[0])}; they part at (step, pre, post) = {at}"
            )
            continue
        check_relative(
            name,
            ours[3],
            other[3],
            tolerance,
            report,
            lambda k, ours=ours: f"step {ours[0][k]}, {ours[1][k]} to {ours[2][k]}",
        )
    for k, state in enumerate(ref.final):
        link = scenario.connections[k]
        for name, values in state.items():
            if name in got.final[k]:
                label = f"final {name} of connection {k} ({link.pre} to {link.post})"
                check_relative(label, values, np.asarray(got.final[k][name], float), tolerance, report, lambda i: f"index {i}")
            elif name == "weight":
                report.failures.append(f"no final weight of connection {k}")


def sorted_log(log, h):
    columns = steps_of(log.times, h), np.asarray(log.pre), np.asarray(log.post), np.asarray(log.weights, float)
    order = np.lexsort(columns[::-1])
    return tuple(column[order] for column in columns)


def check_relative(name, ours, theirs, tolerance, report, where) -> None:
    if ours.shape != theirs.shape:
        report.failures.append(f"{name} has shape {theirs.shape} instead of {ours.shape}")
        return
    # What is left of a weight that was depressed to almost nothing is rounding; so small values are held to the largest.
    error = np.abs(ours - theirs) / np.maximum(np.maximum(np.abs(ours), 1e-3 * np.max(np.abs(ours), initial=0.0)), 1e-300)
    report.weight_errors[name] = float(np.max(error)) if error.size else 0.0
    bad = ~(error <= tolerance.weight_rtol)
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        report.failures.append(
            f"{name}: {bad.sum()} of {bad.size} are off, first at {where(k)}: {theirs[k]:.12g} instead of {ours[k]:.12g}"
        )


def compare_distributions(scenario, ref, got, tolerance, report) -> None:
    """Kolmogorov-Smirnov tests of what the nodes of a population, which have to be independent of each other, drew.

    Spikes: the counts per node, the intervals between spikes, and where the population's spikes lie in time. Traces: each
    node's mean and deviation over time, and the values at the last sample. Weight logs: the number of events per connection.
    """
    samples = {}
    for name in ref.spikes:
        n = population_size(scenario, name)
        pair = [spike_statistics(*result.spikes[name], n) for result in (ref, got)]
        samples |= {f"{key} of {name}": (pair[0][key], pair[1][key]) for key in pair[0]}
    for name, trace in ref.traces.items():
        other = aligned(trace, got.traces[name], scenario.h)
        if isinstance(other, str):
            report.failures.append(f"{name}: {other}")
            continue
        for recordable, values in trace.values.items():
            for key, statistic in (("mean", np.mean), ("deviation", np.std), ("last sample", lambda x, axis: x[-1])):
                samples[f"{key} of {name}.{recordable}"] = (
                    statistic(values, axis=0),
                    statistic(np.asarray(other.values[recordable]), axis=0),
                )
    for name, log in ref.weights.items():
        samples[f"events of {name}"] = tuple(
            np.unique(np.stack([x.pre, x.post]), axis=1, return_counts=True)[1] for x in (log, got.weights[name])
        )
    for name, (ours, theirs) in samples.items():
        if min(len(ours), len(theirs)) < 10:
            if len(ours) or len(theirs):
                report.failures.append(f"{name}: {len(ours)} and {len(theirs)} samples are too few")
            continue
        if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
            report.failures.append(f"{name}: not finite")
            continue
        # Values that differ by rounding only are ties.
        scale = 1e-9 * max(np.abs(ours).max(), 1e-300)
        report.p_values[name] = float(stats.ks_2samp(np.round(ours / scale), np.round(theirs / scale)).pvalue)
    bound = tolerance.p_value / max(1, len(report.p_values))
    report.failures += [f"{name}: p = {p:.3g}, below {bound:.3g}" for name, p in report.p_values.items() if not p > bound]
    if not samples:
        report.failures.append("nothing to compare")


def population_size(scenario: Scenario, name: str) -> int:
    node = scenario.node(name)
    if node.model != "spike_recorder":
        return node.n
    return max(scenario.node(link.pre).n for link in scenario.connections if link.post == name)


def spike_statistics(times, senders, n: int) -> dict[str, np.ndarray]:
    times, senders = np.asarray(times, float), np.asarray(senders)
    order = np.lexsort((times, senders))
    intervals = np.diff(times[order])[np.diff(senders[order]) == 0]
    return {"spike count": np.bincount(senders, minlength=n).astype(float), "interval": intervals, "spike time": times}
