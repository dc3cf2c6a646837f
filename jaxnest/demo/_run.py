"""The two parts of the demonstration: the microcircuit, and gradient descent through a smaller copy."""

from __future__ import annotations

import importlib.util
import time as clock
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from jaxnest._time import as_steps
from jaxnest.demo import _fit
from jaxnest.errors import ConfigurationError
from jaxnest.models import Statistics, statistics
from jaxnest.models.potjans_diesmann import FULL_CV, FULL_RATES, FULL_SYNCHRONY, POPULATIONS, microcircuit, sizes
from jaxnest.simulation import Nodes, Simulation

TRANSIENT = 500.0  # ms, discarded


@dataclass(frozen=True)
class Activity:
    """What the microcircuit did: spikes in order of time, `senders` counted through all populations of `n` neurons."""

    times: np.ndarray
    senders: np.ndarray
    n: np.ndarray
    statistics: list[Statistics]
    time: float
    synapses: int
    build_seconds: float
    run_seconds: float


def run(scale: float, time: float, seed: int, steps: int, out: Path, progress: bool = True) -> None:
    """Run the demonstration, print its results and save its figures to the folder `out`.

    **Raises:** `ConfigurationError` for arguments that cannot be, before anything is simulated.
    """
    began = clock.perf_counter()
    _check(scale, time, seed, steps, out)
    plots = importlib.util.find_spec("matplotlib") is not None
    if not plots:
        print("No figures: matplotlib is not installed (pip install 'jaxnest[plot]').\n")
    print(f"Cortical microcircuit (Potjans & Diesmann 2014), scale {scale:g}")
    activity = simulate(scale, time, seed, progress)
    print(table(activity))
    if plots:
        from jaxnest.demo import _figures

        print(f"Figure: {_figures.activity(activity, out / 'microcircuit.png')}")
    if steps:
        print(f"\nGradient descent through a copy: scale {_fit.SCALE:g}, indegrees {_fit.K_SCALE:g}, h = {_fit.H:g} ms")
        fit = _fit.fit_drive(steps, seed, _Steps(steps) if progress else None)
        print(fit_table(fit))
        if plots:
            print(f"Figure: {_figures.fit(fit, out / 'gradient.png')}")
    print(f"\n{clock.perf_counter() - began:.0f} s in all.")


def simulate(scale: float, time: float, seed: int, progress: bool) -> Activity:
    """Simulate the microcircuit for `TRANSIENT` + `time` ms."""
    began = clock.perf_counter()
    net, populations = microcircuit(scale, seed=seed)
    recorder = net.create("spike_recorder", start=TRANSIENT)
    net.connect(sum(populations.values(), Nodes(())), recorder)
    simulation = Simulation(net, seed=seed)
    built = clock.perf_counter()
    simulation.run(TRANSIENT + time, progress=progress)
    ended = clock.perf_counter()
    spikes = simulation.spikes(recorder)
    n = np.array([p.n for p in populations.values()])
    edges = np.concatenate([[0], np.cumsum(n)])
    measured = []
    for first, last in pairwise(edges):
        mine = (spikes.senders >= first) & (spikes.senders < last)
        measured.append(statistics(spikes.times[mine], spikes.senders[mine] - first, last - first, TRANSIENT, TRANSIENT + time))
    synapses = sum(len(p) for p in net.projections if p.name != "drive")
    return Activity(spikes.times, spikes.senders, n, measured, time, synapses, built - began, ended - built)


def table(activity: Activity) -> str:
    """The populations' statistics, as text."""
    lines = [
        f"{activity.n.sum()} neurons, {activity.synapses} synapses, {len(activity.times)} spikes, {activity.time:g} ms",
        f"built in {activity.build_seconds:.1f} s, run in {activity.run_seconds:.1f} s (with compilation)",
        "",
        "                      rate (1/s)            CV             synchrony",
        "population  neurons   here  published   here  published   here  published",
    ]
    published = zip(FULL_RATES, FULL_CV, FULL_SYNCHRONY, strict=True)
    for name, n, s, (rate, cv, synchrony) in zip(POPULATIONS, activity.n, activity.statistics, published, strict=True):
        lines.append(
            f"{name:<10} {n:8d} {s.rate:6.2f} {rate:10.2f} {s.cv:6.2f} {cv:10.2f} {s.synchrony:6.2f} {synchrony:10.2f}"
        )
    lines += [
        "",
        "Published: at full scale; rates of the reference implementation in NEST (microcircuit-PD14-model), CV and",
        "synchrony of Romaro et al. (2021), Neural Comput 33:1993, Tables A.3, A.5, from 60 s under Poisson input.",
        "Down-scaling keeps mean and variance of the input, not the correlations (van Albada et al. 2015), so rates are",
        "lower here, in NEST too. CV: of the interspike intervals of neurons with 3 spikes or more (a short run cuts long",
        "intervals off, so it is smaller). Synchrony: variance / mean of the spike count of up to 1000 neurons in 3 ms.",
    ]
    return "\n".join(lines)


def fit_table(fit: _fit.Fit) -> str:
    """What the gradient descent found, as text."""
    lines = [
        f"{fit.neurons} neurons, {fit.synapses} synapses, {_fit.TIME:g} ms; {len(fit.losses)} steps of Adam in "
        f"{fit.seconds:.1f} s ({fit.compile_seconds:.1f} s of it compilation)",
        "",
        "Which external drives (1/s, of a neuron) give each population its rate (1/s)?",
        "",
        "population   drive: at first   found    true     rate: at first   found  wanted",
    ]
    for i, name in enumerate(POPULATIONS):
        lines.append(
            f"{name:<12} {fit.start_drive[i]:15.0f} {fit.found_drive[i]:7.0f} {fit.true_drive[i]:7.0f} "
            f"{fit.start_rates[i]:18.2f} {fit.found_rates[i]:7.2f} {fit.target_rates[i]:7.2f}"
        )
    before, after = fit.distance(fit.start_rates), fit.distance(fit.found_rates)
    lines += [
        "",
        f"mean of ((rate - wanted) / (wanted + 1/s))²: {before:.4f} at first, {after:.4f} in the end "
        f"({before / after:.0f} times less)",
    ]
    return "\n".join(lines)


def _check(scale: float, time: float, seed: int, steps: int, out: Path) -> None:
    sizes(scale)
    if not time > 0:
        raise ConfigurationError(f"--time={time:g} must be positive")
    as_steps("--time", time, 0.1)
    if seed < 0:
        raise ConfigurationError(f"--seed={seed} must not be negative")
    if steps < 0:
        raise ConfigurationError(f"--steps={steps} must not be negative")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--out={out} cannot be a folder: {error.strerror}") from None


class _Steps:
    """A progress bar of the descent, with the loss."""

    def __init__(self, steps: int) -> None:
        from tqdm.auto import tqdm

        self._steps = steps
        self._bar = tqdm(total=steps, unit="step")

    def __call__(self, step: int, loss: float) -> None:
        self._bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
        self._bar.update()
        if step + 1 == self._steps:
            self._bar.close()
