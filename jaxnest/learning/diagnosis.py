"""What keeps a network from learning: populations that are silent, or fire all the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnest._declare import nearest
from jaxnest.errors import ConfigurationError
from jaxnest.learning.eventprop import TimedRecord
from jaxnest.neurons._base import Neuron
from jaxnest.simulation._program import Record
from jaxnest.simulation._run import Simulation

#: a neuron is saturated above this share of the highest rate that its refractory period allows
_SATURATED = 0.5
#: a population is named silent (saturated) where more than this share of its neurons is
_MOST, _SOME = 0.5, 0.1


@dataclass(frozen=True)
class Activity:
    """What one population did: `n` neurons (of those recorded), `rate` in spikes/s, its largest `highest` among neurons; the shares
    of neurons that are `silent` (no spike at all) and `saturated`; `verdict`, in a word; `advice`, what to try."""

    population: str
    model: str
    n: int
    rate: float
    highest: float
    silent: float
    saturated: float
    verdict: str
    advice: tuple[str, ...]

    def __str__(self) -> str:
        head = (
            f"{self.population}: {self.verdict}. {self.n}{' ' + self.model if self.model else ''}, mean rate {self.rate:.3g} /s "
            f"(highest {self.highest:.3g}), {self.silent:.0%} silent, {self.saturated:.0%} saturated"
        )
        return "\n".join([head, *(f"  - {line}" for line in self.advice)])


@dataclass(frozen=True)
class Diagnosis:
    """The `Activity` of each population that was recorded; printed, a text that says what is wrong and what to try."""

    populations: tuple[Activity, ...]

    @property
    def healthy(self) -> bool:
        """Whether no population is silent or saturated."""
        return not any(a.advice for a in self.populations)

    def __getitem__(self, population: str) -> Activity:
        for a in self.populations:
            if a.population == population:
                return a
        raise ConfigurationError(
            f"{population!r} was not recorded; {nearest(population, [a.population for a in self.populations])}"
        )

    def __iter__(self) -> Iterator[Activity]:
        return iter(self.populations)

    def __str__(self) -> str:
        return "\n".join(map(str, self.populations))


def diagnose(recorded: Any, network: Any = None) -> Diagnosis:
    """Which share of each population is silent or saturated, its mean rate, and what to try.

    **Arguments:**

    - `recorded`: the `Record` of `Program.simulate` (or of `EventProp`), also of a batch: under `jax.vmap`, with one more
      axis in front. A neuron is then silent that is so in all examples. Or a `Simulation` that has run.
    - `network`: the `Network`; with it a recorder's columns are told apart by population, the highest rates follow from `t_ref`, and the
      sources of a silent population are looked at. A `Simulation` knows its own.

    **Raises:** `ConfigurationError` if there is no spike_recorder, or nothing was simulated.
    """
    if isinstance(recorded, Simulation):
        network = recorded.network
        counted = _from_simulation(recorded)
    else:
        counted = _from_record(recorded, network)
    if not counted:
        raise ConfigurationError("nothing to diagnose: connect a spike_recorder to the populations")
    # the recorders of a record are in the order of their names
    order = list(counted) if network is None else [r.recorder.name for r in network.recordings if r.recorder.name in counted]
    parts = [part for name in dict.fromkeys([*order, *counted]) for part in _by_population(name, counted[name], network)]
    return Diagnosis(tuple(_with_advice(a, parts, network) for a in parts))


@dataclass(frozen=True)
class _Counted:
    """Of one recorder: rates (n,) in spikes/s, which neurons never spiked (n,), the length of a step (ms)."""

    rates: np.ndarray
    never: np.ndarray
    h: float


def _from_record(record: Any, network: Any) -> dict[str, _Counted]:
    if not isinstance(record, (Record, TimedRecord)):
        raise ConfigurationError(f"diagnose: {type(record).__name__} is no Record, nor a Simulation that has run")
    times = np.asarray(record.times)
    n_steps = times.shape[-1]
    if n_steps == 0 or (n_steps == 1 and network is None):
        raise ConfigurationError("diagnose: simulate at least two steps, or give the network")
    h = network.h if network is not None else float(times.reshape(-1)[1] - times.reshape(-1)[0])
    found = {}
    for name, values in record.spikes.items():
        counts = np.asarray(values).reshape(-1, n_steps, np.shape(values)[-1]).sum(1)
        found[name] = _Counted(counts.mean(0) / (n_steps * h) * 1e3, (counts == 0).all(0), h)
    return found


def _from_simulation(simulation: Any) -> dict[str, _Counted]:
    h = simulation.network.h
    found = {}
    for recording in simulation.program.plan.recordings:
        stop = min(recording.stop, round(simulation.time / h))
        n_steps = stop - max(recording.start, 0)
        if n_steps <= 0:
            raise ConfigurationError(f"diagnose: {recording.recorder} has recorded nothing yet; run the simulation")
        spikes = simulation.spikes(simulation.network[recording.recorder])
        counts = np.bincount(spikes.senders, minlength=spikes.n_nodes)
        found[recording.recorder] = _Counted(counts / (n_steps * h) * 1e3, counts == 0, h)
    return found


def _by_population(name: str, one: _Counted, network: Any) -> list[Activity]:
    """The activity of the populations that one recorder listens to, without advice."""
    if network is None:
        return [_activity(name, "", one, slice(None), np.asarray(1e3 / one.h))]
    nodes = [part for r in network.recordings if r.recorder.name == name for part in r.nodes]
    n = sum(len(local) for _, local in nodes)
    if n != len(one.rates):
        raise ConfigurationError(f"diagnose: {name} recorded {len(one.rates)} neurons, but {n} in this network; give its own")
    found, start = [], 0
    for pop, local in nodes:
        t_ref = np.broadcast_to(pop.values.get("t_ref", 0.0), (pop.n,))[local]
        limit = 1e3 / (np.ceil(t_ref / one.h - 1e-9) + 1) / one.h
        found.append(_activity(pop.name, pop.model.name, one, slice(start, start + len(local)), limit))
        start += len(local)
    return found


def _activity(population: str, model: str, one: _Counted, columns: slice, limit: np.ndarray) -> Activity:
    rates, silent = one.rates[columns], float(one.never[columns].mean())
    saturated = float((rates > _SATURATED * limit).mean())
    if silent > _MOST:
        verdict = "silent" if silent == 1 else "mostly silent"
    elif saturated > _MOST:
        verdict = "saturated"
    elif silent > _SOME or saturated > _SOME:
        verdict = " and ".join(
            f"partly {word}" for word, share in (("silent", silent), ("saturated", saturated)) if share > _SOME
        )
    else:
        verdict = "healthy"
    return Activity(population, model, len(rates), float(rates.mean()), float(rates.max()), silent, saturated, verdict, ())


def _with_advice(a: Activity, parts: list[Activity], network: Any) -> Activity:
    advice: list[str] = []
    if a.silent > _SOME:
        advice += _for_silent(a, parts, network)
    if a.saturated > _SOME:
        advice += [
            "make weights or drive smaller, or inhibition stronger: neurons that always fire tell nothing of their inputs",
            "add rate_bounds(spikes, h, high=...) to the loss, which pulls rates down",
        ]
        if network is not None and not network[a.population].values.get("t_ref", np.ones(1)).any():
            advice.append("give a refractory period (t_ref): without one a neuron may fire in every step")
    return Activity(**{**vars(a), "advice": tuple(advice)})


def _for_silent(a: Activity, parts: list[Activity], network: Any) -> list[str]:
    if network is not None:
        pop = network[a.population]
        if not issubclass(pop.model, Neuron):
            return ["it is an input that sends nothing: look at its times, rates or arrays, and at start and stop"]
        sources = {p.name for proj in network.projections if pop in [q for q, _ in proj.post] for p, _ in proj.pre}
        if not sources and not np.any(pop.values.get("I_e", 0.0)):
            return ["nothing is connected to it, and its I_e is 0: connect its inputs"]
        known = {b.population: b for b in parts if b.population in sources - {a.population}}
        if known and sources - {a.population} == known.keys() and all(b.silent > _MOST for b in known.values()):
            return [f"its sources are silent, too ({', '.join(sorted(known))}): mend these first"]
    return [
        "make weights larger: jaxnest.learning.fluctuation_driven chooses them from number and rate of the inputs",
        "look at more time, or at a batch: longer than all delays on the way, and than the time between two spikes that you want",
        "use a surrogate with long tails (fast_sigmoid, or a larger width): far below threshold the others are 0, and so is the gradient",
        "add rate_bounds(spikes, h, low=...) to the loss, which brings silent neurons back",
    ]
