"""How well networks trained by surrogate gradients classify real data: `--data yinyang`, `braille` or `mnist`.

yinyang: latencies, `iaf_psc_exp`, 200 hidden neurons. braille: 27 letters under a fingertip with twelve taxels, 80 % of the readings for
training, a recurrent hidden layer of `iaf_psc_exp`; "fixed" has the same time constants in all hidden neurons, "learned" begins with
the same ones and learns one of each kind for each neuron. mnist: `iaf_psc_delta`, 400 hidden neurons. A step of the networks is
1 ms. Neurons that do not spike read out; the class is that of the largest V_m (its maximum or mean in time).

Each seed draws the weights, the order of the examples, and in braille what is for the test. test_% is what the last epoch left
classifies rightly of the test set, which nothing was chosen by.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _report, accuracy_data
from .accuracy_settings import BARS, CASES, Settings

if TYPE_CHECKING:
    from .accuracy_net import Outcome

_READ: Mapping[str, Callable[[Path, int], accuracy_data.Data]] = {
    "yinyang": accuracy_data.yinyang,
    "braille": accuracy_data.braille,
    "mnist": accuracy_data.mnist,
}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options of `python -m benchmarks accuracy`."""
    command.add_argument("--data", choices=list(CASES), required=True, help="what is learned")
    command.add_argument("--seeds", type=int, default=3, help="how many; default 3, from 0 on")
    command.add_argument("--epochs", type=int, help="instead of the default; nothing is demanded of the result then")
    command.add_argument("--folder", help=f"of the data; default: the environment variable {accuracy_data.FOLDER}, or here")
    _report.add_outputs(command)


def run(a: argparse.Namespace, command: str) -> int:
    """Train and report. Returns the exit code: 1 if a bar was missed, 2 for wrong input or missing data."""
    if a.seeds < 1 or (a.epochs is not None and a.epochs < 1):
        return _report.complain("--seeds and --epochs must be positive", 2)
    from .accuracy_net import train

    records: list[dict[str, Any]] = []
    for seed in range(a.seeds):
        try:
            data = _READ[a.data](accuracy_data.folder_of(a.folder), seed)
        except accuracy_data.Missing as missing:
            return _report.complain(str(missing), 2)
        for case, settings in CASES[a.data].items():
            name = f"accuracy {a.data} {case}".rstrip()
            if a.epochs is not None:
                settings = dataclasses.replace(settings, epochs=a.epochs)
            outcome = train(settings, data, seed, partial(_tell, f"{name}, seed {seed}"))
            records.append(record(name, seed, settings, outcome))
    text = _report.table([{k: v for k, v in r.items() if k in _SHOWN} for r in records])
    notes, missed = judged(a.data, records, a.epochs is None)
    notes += curves(records)
    print(text, *notes, sep="\n")
    _report.write(a, command, ["optax"], records, text, notes)
    return 1 if missed else 0


_SHOWN = ("benchmark", "seed", "test_%", "train_%", "epochs", "epoch_s", "compile_s", "spikes", "silent_%")


def record(name: str, seed: int, settings: Settings, outcome: Outcome) -> dict[str, Any]:
    """One run: `train_%` is of the last epoch, while it was trained; `spikes` of a hidden neuron and example; `curve` has a row an epoch: loss,
    fraction right in training, and of examples held out of training, where there are any."""
    return {
        "benchmark": name,
        "seed": seed,
        "test_%": 100.0 * outcome.test,
        "train_%": 100.0 * outcome.train,
        "epochs": settings.epochs,
        "epoch_s": outcome.seconds,
        "compile_s": outcome.compile_seconds,
        "spikes": outcome.spikes,
        "silent_%": 100.0 * outcome.silent,
        "curve": [[None if x != x else float(x) for x in row] for row in outcome.curve],
        "time_constants": {tau: [float(x) for x in values] for tau, values in outcome.taus.items()},
    }


def judged(data: str, records: Sequence[Mapping[str, Any]], demanded: bool) -> tuple[list[str], bool]:
    """What the means over the seeds say, and whether something that is demanded was missed."""
    means = {}
    for name in dict.fromkeys(r["benchmark"] for r in records):
        means[name] = statistics.mean(r["test_%"] for r in records if r["benchmark"] == name)
    notes = [
        f"{name}: {mean:.2f} % of the test set, mean of {len(records) // len(means)} run(s)" for name, mean in means.items()
    ]
    if not demanded:
        return notes, False
    last = list(means.values())[-1]
    missed = last < 100.0 * BARS[data] or any(mean >= last for mean in list(means.values())[:-1])
    more = ", and more than with fixed time constants" if len(means) > 1 else ""
    notes.append(f"demanded: at least {100.0 * BARS[data]:.1f} %{more}: {'missed' if missed else 'reached'}")
    return notes, missed


def curves(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The course of the training of each run: of some ten epochs, from the first to the last."""
    lines = []
    for r in records:
        n = len(r["curve"])
        chosen = sorted({1, n, *range(max(1, n // 8), n, max(1, n // 8))})
        right = ", ".join(f"{k}: {100.0 * r['curve'][k - 1][1]:.1f}" for k in chosen)
        lines.append(f"{r['benchmark']}, seed {r['seed']}: % of the training set right by epoch: {right}")
    return lines


def _tell(of: str, text: str) -> None:
    print(f"{of}: {text}", file=sys.stderr, flush=True)
