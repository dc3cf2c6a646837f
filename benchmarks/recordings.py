"""`aeif_cond_exp` fitted to a recorded fast-spiking interneuron, by gradients without surrogates and by CMA-ES.

Every second sweep trains; the others are held out. The loss asks when each recorded interval ends. By gradient it is descended from a fixed start; CMA-ES has
the same loss, start, bounds and cores. What is fitted then runs freely over whole sweeps in jaxnest and in live NEST: numbers of spikes, and coincidence
factors with windows of 4 ms. gamma is (Jolivet 2008) of a whole sweep.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _report, accuracy_data, recordings_data

if TYPE_CHECKING:
    from .recordings_fit import Descent

_COUNT, _GAMMA, _WINDOW = 0.1, 0.6, 4.0


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options of `python -m benchmarks recordings`."""
    command.add_argument("--seed", type=int, default=1, help="of CMA-ES, > 0; default 1")
    command.add_argument("--budget", type=float, default=300.0, help="most seconds for CMA-ES; default 300")
    command.add_argument("--folder", help=f"of the data; default: the environment variable {accuracy_data.FOLDER}, or here")
    _report.add_outputs(command)


def run(a: argparse.Namespace, command: str) -> int:
    """Fit, simulate, report. Returns the exit code: 1 if a bar was missed, 2 for wrong input, missing data or packages."""
    if a.seed < 1 or a.budget <= 0:
        return _report.complain("--seed and --budget must be positive", 2)
    for package in ("cma", "nest"):
        if importlib.util.find_spec(package) is None:
            return _report.complain(f"{package} is not installed; in a clone of the repository: pip install -e '.[bench]'", 2)
    try:
        recording = recordings_data.load(accuracy_data.folder_of(a.folder))
    except accuracy_data.Missing as missing:
        return _report.complain(str(missing), 2)
    import jax

    jax.config.update("jax_enable_x64", True)
    from . import recordings_fit as fits
    from .recordings_model import FREE, IntervalLoss, parameters, simulate, simulate_in_nest

    training, held_out = recordings_data.halves(len(recording.V_m))
    loss = IntervalLoss(recording, recordings_data.intervals(recording, training))
    ours = fits.by_gradient(loss)
    _tell(f"gradient: loss {ours.loss:.0f} after {ours.seconds:.1f} s, {dict(zip(FREE, ours.x.round(3).tolist()))}")
    peer = fits.by_evolution(loss, a.seed, max(a.budget, ours.seconds), ours.loss)
    _tell(f"CMA-ES: loss {peer.loss:.0f} after {peer.seconds:.1f} s")
    runs = {"jaxnest": simulate(recording, ours.x).spikes, "NEST": simulate_in_nest(recording, ours.x)}
    rows = [row(recording, s, {name: times[s] for name, times in runs.items()}) for s in (*training, *held_out)]
    for r in rows:
        r["part"] = "held out" if r["sweep"] in held_out else "training"
    notes, missed = judged([r for r in rows if r["part"] == "held out"])
    more, slower = compared(ours, peer)
    text = _report.table(rows)
    told = ", ".join(f"{name} {value:.4g}" for name, value in parameters(ours.x, recording.dt).items())
    notes = [*notes, *more, f"fitted: {told}"]
    print(text, *notes, sep="\n")
    curves = {"gradient": ours.curve, "CMA-ES": peer.curve}
    record = {"sweeps": rows, "parameters": parameters(ours.x, recording.dt), "curves": curves}
    _report.write(a, command, ["scipy", "cma", "nest"], record, text, notes)
    return 1 if missed or slower else 0


def gamma(model: np.ndarray, recorded: np.ndarray, duration: float) -> float:
    """The coincidence factor with a window of 4 ms; NaN if neither has spikes, or the model too many for it to say anything."""
    from jaxnest.learning.distances import coincidence_factor

    if 2.0 * len(model) * _WINDOW >= duration:
        return math.nan
    return coincidence_factor(model, recorded, duration, _WINDOW)


def row(recording: recordings_data.Recording, sweep: int, runs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What is told of a sweep: the step's current, how many spikes were recorded, and each run's number and Γ."""
    recorded = recording.spikes(sweep)
    _, values = recording.changes(sweep)
    step = float(values[1]) if len(values) > 2 else 0.0
    told: dict[str, Any] = {"part": "", "sweep": sweep, "step_pA": step, "spikes": len(recorded)}
    for name, spikes in runs.items():
        told |= {f"{name} spikes": len(spikes), f"{name} gamma": gamma(spikes, recorded, recording.duration)}
    return told


def judged(rows: Sequence[Mapping[str, Any]], model: str = "jaxnest") -> tuple[list[str], bool]:
    """What the held-out sweeps say, and whether a bar was missed: every sweep's number of spikes, and the mean Γ of all sweeps."""
    driven = [r for r in rows if r["step_pA"] > 0]
    notes, missed = [], False
    for of, chosen, demanded in (("held-out sweeps", rows, True), ("held-out sweeps with a current above 0", driven, False)):
        counted, recorded = (sum(r[key] for r in chosen) for key in (f"{model} spikes", "spikes"))
        wrong = [r["sweep"] for r in chosen if abs(r[f"{model} spikes"] - r["spikes"]) > _COUNT * r["spikes"]]
        mean = float(np.mean([np.nan_to_num(r[f"{model} gamma"]) for r in chosen]))
        notes.append(
            f"{len(chosen)} {of}: {counted} spikes of {recorded} recorded ({100.0 * (counted / recorded - 1.0):+.1f} %), "
            f"more than {100.0 * _COUNT:.0f} % off in sweeps {wrong or 'none'}; mean gamma {mean:.3f}"
        )
        if demanded:
            missed = bool(wrong) or mean < _GAMMA
    notes.append(f"demanded: each within {100.0 * _COUNT:.0f} %, mean gamma {_GAMMA}: {'missed' if missed else 'reached'}")
    return notes, missed


def compared(ours: Descent, peer: Descent) -> tuple[list[str], bool]:
    """What the two descents took, and whether CMA-ES was first."""
    there, needed = peer.reached(ours.loss), ours.curve[-1][0]
    in_time = min((value for seconds, value in peer.curve if seconds <= needed), default=math.nan)
    reached = (
        f"the same loss after {there:.1f} s" if there else f"not the same loss in {peer.seconds:.0f} s, but {peer.loss:.0f}"
    )
    slower = there is not None and there <= needed
    return [
        f"gradient: loss {ours.loss:.0f} in {needed:.1f} s and {ours.evaluations} evaluations (compiled in {ours.compile_seconds:.0f} s)",
        f"CMA-ES: {in_time:.0f} in that time; {reached}, {peer.evaluations} evaluations (compiled in {peer.compile_seconds:.0f} s)",
        f"demanded: less time than CMA-ES to the same loss: {'missed' if slower else 'reached'}",
    ], slower


def _tell(text: str) -> None:
    print(f"recordings: {text}", file=sys.stderr, flush=True)
