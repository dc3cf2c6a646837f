"""`aeif_cond_exp` and a recording: how well it tells when each interval ends, and what it does by itself, here and in NEST."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxnest as jn

from .recordings_data import LEVEL, Intervals, Recording, without_spikes

MODEL = "aeif_cond_exp"
FIXED = {"V_peak": LEVEL}  # a spike of the model is what a spike of the recording is


class Free(NamedTuple):
    """A parameter that is fitted: where it starts, its bounds, and a typical change."""

    start: float
    low: float
    high: float
    scale: float


FREE: Mapping[str, Free] = {
    "C_m": Free(60.0, 20.0, 100.0, 50.0),
    "g_L": Free(6.0, 1.0, 20.0, 4.0),
    "E_L": Free(-55.0, -75.0, -45.0, 5.0),
    "Delta_T": Free(4.0, 0.3, 6.0, 1.0),
    "V_th": Free(-45.0, -55.0, -30.0, 5.0),
    "V_reset": Free(-55.0, -70.0, -50.0, 5.0),
    "a": Free(-4.0, -8.0, 10.0, 2.0),
    "b": Free(5.0, -50.0, 300.0, 20.0),
    "tau_w": Free(100.0, 10.0, 800.0, 50.0),
    "t_ref": Free(3.5, 0.5, 5.0, 0.5),
}
_TOLERANCE = 0.05  # of the logarithm of an interval
_LINEAR = 3.0  # tolerances, beyond which the loss grows linearly
_TRAIN, _UPSTROKE = 100.0, -40.0  # ms, mV
_UNIT = 10.0  # ms; an interval of this length that a spike ends has weight 1 in the loss, others in proportion
_AHEAD = 2  # steps before the spike, from where on its time is computed in closed form
_MARGIN = 5.0  # mV, by which the mean potential may be wrong where silence is asked for after a response
_SILENCE = 3.0  # the square root of the weight of an interval that no spike ended


class _Part(NamedTuple):
    """Intervals of similar length, each a neuron of its own, simulated for `time` ms."""

    program: jn.Program
    rows: Intervals
    chosen: np.ndarray
    h: float
    time: float


class IntervalLoss:
    """What a set of parameters (in the order of `FREE`) says about when each interval ends.

    Each interval is a neuron: it begins at V_reset after a spike (or a current that made it spike), else at the recorded V_m, with the w to which the recorded potential and spikes have led
    it by then. So errors do not accumulate, and derivatives go through one interval only, to its end, without a surrogate.
    """

    def __init__(self, recording: Recording, rows: Intervals, short: float = 35.0, longest: float = 320.0) -> None:
        """`short` ms and less are simulated for 51.2 ms in steps of 0.1, all others for `longest` in steps of 0.2."""
        self._rows = rows
        few = rows.length <= short
        settings = ((few, 0.1, 51.2), (~few, 0.2, longest))
        self._parts = [
            _Part(_program(rows.take(m), h), rows.take(m), np.flatnonzero(m), h, t) for m, h, t in settings if m.any()
        ]
        self.order = np.concatenate([part.chosen for part in self._parts])  # the interval of each residual
        self._sweeps = list(dict.fromkeys(rows.sweep.tolist()))
        self._V = np.stack([without_spikes(recording, s) for s in self._sweeps])
        self._since, self._interval = (np.full_like(self._V, np.inf) for _ in range(2))
        self._counts = np.zeros_like(self._V)
        for i, s in enumerate(self._sweeps):
            spikes = recording.spikes(s)
            np.add.at(self._counts[i], spikes.astype(int).clip(max=self._counts.shape[1] - 1), 1)
            middle = np.arange(self._V.shape[1]) + 0.5
            for begin, end in pairwise(spikes):
                inside = (middle >= begin) & (middle < end) & (end - begin < _TRAIN)
                self._since[i, inside], self._interval[i, inside] = middle[inside] - begin, end - begin
        currents = recording.current[self._sweeps]
        self._lowest = float(currents.min())
        self._held = float(np.median(recording.V_m[self._sweeps][currents == self._lowest]))

    def lengths(self, x: Any) -> Any:
        """When the model ends each interval, in ms (n,), in the order of `order`."""
        p = dict(zip(FREE, x))
        w = self._adaptation(p)
        return jnp.concatenate([_lengths(part, p, w[part.chosen]) for part in self._parts])

    def residuals(self, x: Any) -> Any:
        """(n + 1,); half the sum of their squares is the loss. The last one is of the steady potential (mV) under the lowest
        current, if that is negative."""
        p, rows = dict(zip(FREE, x)), self._rows.take(self.order)
        longest = np.concatenate([np.full(len(part.chosen), part.time) for part in self._parts])
        target = np.minimum(rows.length, longest)
        error = jnp.log(self.lengths(x) / target)
        late_enough = jnp.minimum(error, 0.0)  # for what no spike ended
        timed = rows.spiked & (rows.length < longest)
        error, weight = jnp.where(timed, error, late_enough), np.where(timed, np.sqrt(target / _UNIT), _SILENCE)
        held = p["E_L"] + self._lowest / jnp.maximum(p["g_L"] + p["a"], 0.1) - self._held if self._lowest < 0 else 0.0
        return jnp.append(_robust(error / _TOLERANCE) * weight, held)

    def __call__(self, x: Any) -> Any:
        """The loss."""
        return 0.5 * jnp.sum(self.residuals(x) ** 2)

    def _adaptation(self, p: Mapping[str, Any]) -> Any:
        """w (n,) at the begin of the intervals, where t_ref ends after a spike: in bins of 1 ms, from the recorded spikes and V_m.

        Between spikes less than 100 ms apart V_m is instead what the model has there, about: a line from V_reset to -40 mV. With a large `a`, millivolts
        between the two would be as many pA as there are between silence and firing.
        """
        rows, decay = self._rows, jnp.exp(-1.0 / p["tau_w"])
        train = np.isfinite(self._since)
        risen = (np.where(train, self._since, 0.0) - p["t_ref"]) / jnp.maximum(
            np.where(train, self._interval, 10.0) - p["t_ref"], 1.0
        )
        potential = jnp.where(train, p["V_reset"] + (_UPSTROKE - p["V_reset"]) * jnp.clip(risen, 0.0, 1.0), self._V)

        def step(w: Any, bin_: Any) -> tuple[Any, Any]:
            V, spikes = bin_
            return w * decay + p["a"] * (V - p["E_L"]) * (1 - decay) + p["b"] * spikes * jnp.sqrt(decay), w

        _, all_w = jax.lax.scan(step, 0.0 * p["a"] * self._V[:, 0], (potential.T, self._counts.T))
        at, sweep = rows.begin.astype(int), np.array([self._sweeps.index(s) for s in rows.sweep])
        rest = jnp.exp(-(rows.begin - at) / p["tau_w"])
        w = all_w[at, sweep] * rest + p["a"] * (potential[sweep, at] - p["E_L"]) * (1 - rest) + p["b"] * rows.after_spike
        w = w - _MARGIN * jnp.abs(p["a"]) * (rows.reset & ~rows.after_spike)
        held = jnp.exp(-p["t_ref"] / p["tau_w"])
        return jnp.where(rows.after_spike, w * held + p["a"] * (p["V_reset"] - p["E_L"]) * (1 - held), w)


def _program(rows: Intervals, h: float) -> jn.Program:
    net, n = jn.Network(h=h), len(rows.begin)
    own = {name: f.start for name, f in FREE.items()} | FIXED | {"t_ref": 0.0}
    cells = net.create(MODEL, n, name="cells", I_e=rows.current, V_m=rows.V_m, w=np.zeros(n), **own)
    net.connect(net.create("multimeter", name="meter", record_from=["V_m", "w"], interval=h), cells)
    net.connect(cells, net.create("spike_recorder", name="spikes"))
    return net.compile(solver="fixed", substeps=1)


def _lengths(part: _Part, p: Mapping[str, Any], w: Any) -> Any:
    """The lengths of the intervals of one part (n,). Where there is no spike in time, what the state at the end lets expect."""
    rows, program = part.rows, part.program
    V = jnp.where(rows.reset, p["V_reset"], rows.V_m)
    changes = {f"cells.{name}": value for name, value in p.items() if name != "t_ref"} | {"cells.w": w, "cells.V_m": V}
    params = program.set(program.params, changes)
    _, record = program.simulate(params, program.connections, program.init(params), part.time)
    trace = record.traces["meter"]
    spiked = jax.lax.stop_gradient(record.spikes["spikes"]) > 0
    first = jnp.argmax(spiked, 0)  # the step of the spike
    early = jnp.maximum(first - _AHEAD, 0)  # that of a state from before the upstroke is too steep for the solver's derivative

    def there(begin: Any, values: Any) -> Any:
        return jnp.take_along_axis(jnp.concatenate([begin[None], values]), early[None], 0)[0]

    rest = _to_the_peak(p, there(V, trace.V_m), there(w, trace.w), rows.current)
    crossing = early * part.h + jnp.clip(rest, 0.0, (_AHEAD + 2) * part.h)
    never = part.time + jnp.maximum(_to_the_peak(p, trace.V_m[-1], trace.w[-1], rows.current), 0.0)
    return jnp.maximum(jnp.where(spiked.any(0), crossing, never), part.h) + p["t_ref"] * rows.after_spike


def _to_the_peak(p: Mapping[str, Any], V: Any, w: Any, current: Any) -> Any:
    """The time in ms from V, late in the upstroke, to V_peak, where all currents but the exponential one are constant:

    y = exp(-(V - V_th) / Delta_T) obeys dy/dt = -(F y + A) / Delta_T, with A = g_L Delta_T / C_m and F the other currents over C_m.
    """
    D, A = p["Delta_T"], p["g_L"] * p["Delta_T"] / p["C_m"]
    F = (-p["g_L"] * (V - p["E_L"]) - w + current) / p["C_m"]
    y, end = jnp.exp(-(V - p["V_th"]) / D), jnp.exp(-(LEVEL - p["V_th"]) / D)
    z = (y - end) / jnp.maximum(F * end + A, 1e-6)
    q = jnp.maximum(F * z, -0.999)
    q = jnp.where(jnp.abs(q) < 1e-6, 1e-6, q)  # log1p(q) / q is 1 there
    return D * z * jnp.log1p(q) / q


def _robust(r: Any) -> Any:
    """What of which the square is r² near 0 and linear in |r| beyond `_LINEAR` (pseudo-Huber)."""
    # 2 L² (√(1 + q) - 1) = 2 r² / (√(1 + q) + 1), q = (r / L)²: smooth at 0, without cancellation
    return r * jnp.sqrt(2.0 / (jnp.sqrt(1.0 + (r / _LINEAR) ** 2) + 1.0))


def parameters(x: Any, h: float) -> dict[str, float]:
    """NEST's names to values; t_ref on the grid, as both simulators have it."""
    p = {name: float(value) for name, value in zip(FREE, x)} | FIXED
    return p | {"t_ref": round(p["t_ref"] / h) * h}


class Run(NamedTuple):
    """Spike times in ms, an array a sweep, and V_m (sweeps, samples) in mV."""

    spikes: list[np.ndarray]
    V_m: np.ndarray


def simulate(recording: Recording, x: Any) -> Run:
    """What the model does over whole sweeps, without any help of the recording but V_m at the begin; w is 0 then."""
    h = recording.dt
    net, n = jn.Network(h=h), len(recording.V_m)
    begin = [recording.before(s, 0.0) for s in range(n)]
    cells = net.create(MODEL, n, name="cells", V_m=begin, **parameters(x, h))
    for s in range(n):
        times, values = _currents(recording, s)
        source = net.create("step_current_generator", amplitude_times=times, amplitude_values=values)
        net.connect(source, cells[s : s + 1], delay=h)
    meter = net.create("multimeter", record_from=["V_m"], interval=h)
    net.connect(meter, cells)
    spikes = net.create("spike_recorder")
    net.connect(cells, spikes)
    sim = jn.Simulation(net).run(recording.duration)
    heard, V = sim.spikes(spikes), np.asarray(sim.traces(meter).V_m)
    V_m = np.vstack([np.array(begin), V])[: recording.V_m.shape[1]].T
    return Run([np.sort(heard.times[heard.senders == s]) for s in range(n)], V_m)


def simulate_in_nest(recording: Recording, x: Any) -> list[np.ndarray]:
    """The same in live NEST."""
    import nest

    h = recording.dt
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.resolution = h
    cells = nest.Create(MODEL, len(recording.V_m), params=parameters(x, h))
    cells.V_m = [recording.before(s, 0.0) for s in range(len(recording.V_m))]
    for s, cell in enumerate(cells):
        times, values = _currents(recording, s)
        source = nest.Create("step_current_generator", params={"amplitude_times": times, "amplitude_values": values})
        nest.Connect(source, cell, syn_spec={"delay": h})
    spikes = nest.Create("spike_recorder")
    nest.Connect(cells, spikes)
    nest.Simulate(recording.duration)
    senders, heard = (np.asarray(spikes.events[key]) for key in ("senders", "times"))
    return [np.sort(heard[senders == cell.global_id]) for cell in cells]


def _currents(recording: Recording, sweep: int) -> tuple[list[float], list[float]]:
    """What a generator has to be given, one delay earlier than it acts; the first current from the first step on."""
    times, values = recording.changes(sweep)
    shifted = np.round(np.maximum(times / recording.dt - 1, 1)) * recording.dt
    return shifted.tolist(), values.tolist()


def made_up(
    x: Any, steps: Any, begin: float = 50.0, length: float = 150.0, duration: float = 250.0, dt: float = 0.05
) -> Recording:
    """A recording of the model itself, where there is no other: a sweep of `duration` ms for each of the currents `steps` (pA), which lasts `length` ms.

    The model has no spikes' shapes; they are lines of 0.5 ms from `LEVEL` to 30 mV above it.
    """
    n_samples = round(duration / dt)
    current = np.zeros((len(steps), n_samples))
    current[:, round(begin / dt) : round((begin + length) / dt)] = np.asarray(steps, float)[:, None]
    run = simulate(Recording(np.full(current.shape, float(x[list(FREE).index("E_L")])), current, dt), x)
    V = run.V_m.copy()
    for s, times in enumerate(run.spikes):
        for time in times:
            k = round(time / dt)
            end = min(n_samples, k + round(0.5 / dt))
            V[s, k:end] = np.linspace(LEVEL + 1.0, LEVEL + 30.0, end - k)
    return Recording(V, current, dt)
