"""NEST's results as files: `python -m tests.conformance.freeze [name ...]` makes them anew from live NEST."""

import sys
from pathlib import Path

import numpy as np

from . import all_scenarios
from .scenario import Result, Scenario, Trace, WeightLog

DATA = Path(__file__).parent / "data"
# Which samples of a trace are kept: all in the first DENSE ms of a phase, then every STRIDE-th step, so that the files stay small.
DENSE, STRIDE = 3.0, 23


def thin(scenario: Scenario, trace: Trace) -> Trace:
    """The samples of `trace` that are frozen; short traces and statistical ones stay whole."""
    if len(trace.times) <= 500 or scenario.tolerance == "statistical":
        return trace
    starts = np.cumsum([0.0] + [phase.duration for phase in scenario.phases[:-1]])
    kept = np.zeros(len(trace.times), bool)
    kept[::STRIDE] = True
    kept[-1] = True
    for start in starts:
        kept |= (trace.times > start) & (trace.times <= start + DENSE)
    return Trace(trace.times[kept], {name: values[kept] for name, values in trace.values.items()})


def save(scenario: Scenario, result: Result) -> Path:
    arrays = {}
    for name, (times, senders) in result.spikes.items():
        rows = np.stack([np.round(times / scenario.h), senders]).astype(np.int32)
        if scenario.tolerance == "occupied_steps":
            rows = np.unique(rows, axis=1)
        arrays[f"spikes/{name}/steps"], arrays[f"spikes/{name}/senders"] = rows
    for name, trace in result.traces.items():
        kept = thin(scenario, trace)
        arrays[f"traces/{name}/steps"] = np.round(kept.times / scenario.h).astype(np.int32)
        for recordable, values in kept.values.items():
            arrays[f"traces/{name}/values/{recordable}"] = values
    for name, log in result.weights.items():
        arrays[f"weights/{name}/steps"] = np.round(log.times / scenario.h).astype(np.int32)
        for key, values in (
            ("pre", log.pre.astype(np.int16)),
            ("post", log.post.astype(np.int16)),
            ("weights", log.weights),
        ):
            arrays[f"weights/{name}/{key}"] = values
    for k, state in enumerate(result.final):
        for name, values in state.items():
            arrays[f"final/{k}/{name}"] = values
    DATA.mkdir(exist_ok=True)
    path = DATA / f"{scenario.name}.npz"
    np.savez_compressed(path, **arrays)
    return path


def load(scenario: Scenario) -> Result:
    """What NEST gave for `scenario`; the traces are thinned out (see `thin`)."""
    result = Result()
    with np.load(DATA / f"{scenario.name}.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}

    def milliseconds(steps):
        return np.round(steps * scenario.h, 9)

    for key, steps in arrays.items():
        kind, name, *rest = key.split("/")
        if rest[0] != "steps":
            continue
        under = f"{kind}/{name}/"
        if kind == "spikes":
            result.spikes[name] = milliseconds(steps), arrays[under + "senders"]
        elif kind == "traces":
            values = {
                other.removeprefix(under + "values/"): value
                for other, value in arrays.items()
                if other.startswith(under + "values/")
            }
            result.traces[name] = Trace(milliseconds(steps), values)
        elif kind == "weights":
            result.weights[name] = WeightLog(
                milliseconds(steps), *(arrays[under + column] for column in ("pre", "post", "weights"))
            )
    for k in range(len(scenario.connections)):
        under = f"final/{k}/"
        result.final.append({key.removeprefix(under): value for key, value in arrays.items() if key.startswith(under)})
    return result


def main(names: list[str]) -> None:
    from .nest_runner import run

    scenarios = all_scenarios()
    for name in names or scenarios:
        result = run(scenarios[name])
        path = save(scenarios[name], result)
        counts = {population: len(times) for population, (times, _) in result.spikes.items()}
        logged = {log: len(entries.times) for log, entries in result.weights.items()}
        print(f"{name}: {path.stat().st_size / 1024:.1f} KiB, spikes {counts}, weights {logged}")
    stale = [path for path in DATA.glob("*.npz") if path.stem not in scenarios]
    for path in stale:
        path.unlink()
    print(f"{sum(path.stat().st_size for path in DATA.glob('*.npz')) / 2**20:.2f} MiB in all")


if __name__ == "__main__":
    main(sys.argv[1:])
