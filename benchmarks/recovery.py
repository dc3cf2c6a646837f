"""Recover the hidden g, eta and tau_m of Brunel's network from its spikes, by gradients of their likelihood.

The network: 2,000 excitatory and 500 inhibitory `iaf_psc_delta` neurons, 200 and 50 inputs each, J = 0.5 mV, V_th 20 mV, delay 1.5 ms:
Brunel's (2000) with a fifth of the neurons and inputs and J C_E = 100 mV as in his. Hidden: g, the strength of inhibition over that of
excitation; eta, the external drive over the one that suffices to reach threshold; tau_m. Observed: the spikes of all neurons. Known: J, V_th, V_reset,
t_ref, the delay, and who is connected with whom. Unknown: the external Poisson events, of which each neuron has its own, and all potentials.

The likelihood: every neuron hears the *recorded* spikes of its sources, so nothing is chaotic. Between two spikes V = D + Z: D is what
the recorded events and the mean drive make of V_reset, Z what the fluctuations of the drive add, a Ornstein-Uhlenbeck process that is
independent of all else. The density of Z is carried along, on a grid in units of its own standard deviation, and cut off where D + Z reaches
V_th: the mass cut off in a step is the probability to spike in it. That is smooth in all three, and jax differentiates it.

Two stages: `jaxnest.learning.fit` finds drive and inhibition, with tau_m as it is, by a logistic regression of spikes on D; then all three are found by natural gradient
(the score of each neuron by forward mode; their outer products are the Fisher information, which also gives the standard errors).
"""

from __future__ import annotations

import argparse
import sys
import time as clock
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _report

N_EXC, N_INH, C_EXC, C_INH = 2000, 500, 200, 50
J, V_TH, T_REF, DELAY, H = 0.5, 20.0, 2.0, 1.5, 0.1  # mV, mV, ms, ms, ms
BURN = 100.0  # ms at the beginning that nothing is learned from
BAR = 5.0  # %


class Hidden(NamedTuple):
    """What is to be found: g, eta (no units), tau_m (ms)."""

    g: float
    eta: float
    tau_m: float

    @property
    def rate(self) -> float:
        """Of the external events of a neuron (spikes/s): eta times the one whose mean drive just reaches threshold."""
        return 1e3 * self.eta * V_TH / (J * self.tau_m)


SETTINGS = (Hidden(5.0, 2.0, 20.0), Hidden(6.0, 3.0, 25.0), Hidden(8.0, 2.0, 20.0))
STARTS = ((1.4, 0.65, 1.4), (0.65, 1.4, 0.6), (1.4, 1.4, 0.65), (0.6, 0.6, 0.6))  # times the truth, in turn


class Recorded(NamedTuple):
    """Spikes as (stamp in steps, neuron), both (n_spikes,); the sources of each neuron, (n, C_EXC) and (n, C_INH), numbered as the neurons."""

    step: np.ndarray
    neuron: np.ndarray
    exc: np.ndarray
    inh: np.ndarray


class Observed(NamedTuple):
    """Of some neurons, in each step: excitatory and inhibitory events that arrive, and spikes; all (n_steps, n)."""

    exc: Any
    inh: Any
    spikes: Any


def network(hidden: Hidden, seed: int) -> Any:
    """The network as jaxnest describes it: `noise.rate`, `inh.weight` and `cells.tau_m` are what is hidden."""
    import jaxnest as jn

    net = jn.Network(h=H, seed=seed)
    cells = net.create(
        "iaf_psc_delta",
        N_EXC + N_INH,
        name="cells",
        tau_m=hidden.tau_m,
        C_m=1.0,
        E_L=0.0,
        V_reset=0.0,
        V_th=V_TH,
        t_ref=T_REF,
        V_m=jn.uniform(0.0, V_TH),
    )
    noise = net.create("poisson_generator", name="noise", rate=hidden.rate)
    net.connect(noise, cells, weight=J, delay=DELAY, name="ext")
    net.connect(cells[:N_EXC], cells, jn.fixed_indegree(C_EXC), weight=J, delay=DELAY, name="exc")
    net.connect(cells[N_EXC:], cells, jn.fixed_indegree(C_INH), weight=-hidden.g * J, delay=DELAY, name="inh")
    net.connect(cells, net.create("spike_recorder", name="spikes"))
    return net


def from_jaxnest(hidden: Hidden, seed: int, time: float) -> Recorded:
    """Run `network` for `time` ms; wiring and Poisson events follow from `seed`."""
    import jaxnest as jn

    net = network(hidden, seed)
    found = jn.Simulation(net, seed=seed + 1000).run(time).spikes(next(p for p in net.populations if p.name == "spikes"))
    wired = {p.name: p for p in net.projections}
    exc, inh = (_by_target(wired[name].sources, wired[name].targets) for name in ("exc", "inh"))
    return Recorded(np.rint(found.times / H).astype(int), found.senders, exc, inh + N_EXC)


def from_nest(hidden: Hidden, seed: int, time: float) -> Recorded:
    """The same network in NEST."""
    import nest

    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.resolution, nest.rng_seed = H, seed + 1
    own = {"tau_m": hidden.tau_m, "C_m": 1.0, "E_L": 0.0, "V_reset": 0.0, "V_th": V_TH, "t_ref": T_REF}
    cells = nest.Create("iaf_psc_delta", N_EXC + N_INH, {**own, "V_m": nest.random.uniform(0.0, V_TH)})
    noise = nest.Create("poisson_generator", params={"rate": hidden.rate})
    nest.Connect(noise, cells, syn_spec={"weight": J, "delay": DELAY})
    sources = []
    for pre, indegree, weight in ((cells[:N_EXC], C_EXC, J), (cells[N_EXC:], C_INH, -hidden.g * J)):
        nest.Connect(pre, cells, {"rule": "fixed_indegree", "indegree": indegree}, {"weight": weight, "delay": DELAY})
        made = nest.GetConnections(pre, cells).get(["source", "target"])
        sources.append(_by_target(np.asarray(made["source"]), np.asarray(made["target"])))
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    nest.Simulate(time)
    first, events = cells[0].global_id, recorder.events
    step = np.rint(np.asarray(events["times"]) / H).astype(int)
    return Recorded(step, np.asarray(events["senders"]) - first, sources[0] - first, sources[1] - first)


def _by_target(sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Row k: the sources of the k-th target."""
    return sources[np.argsort(targets, kind="stable")].reshape(len(np.unique(targets)), -1)


def observe(recorded: Recorded, neurons: int, time: float) -> Observed:
    """What the first `neurons` neurons heard and did between `BURN` and `time` (ms)."""
    raster = np.zeros((round(time / H) + 1, N_EXC + N_INH), np.float32)
    early = recorded.step < len(raster)
    raster[recorded.step[early], recorded.neuron[early]] = 1.0
    heard, delay = np.roll(raster, round(DELAY / H), 0), round(BURN / H)
    exc, inh = (
        np.stack([heard[:, row].sum(1) for row in sources[:neurons]], 1)[delay:] for sources in (recorded.exc, recorded.inh)
    )
    return Observed(exc, inh, raster[delay:, :neurons] > 0.0)


# The unknowns in logarithms: of the drive (mV/ms), g and tau_m (ms). Each moves the potential in its own way.


def to_x(hidden: Hidden) -> np.ndarray:
    return np.log([hidden.eta * V_TH / hidden.tau_m, hidden.g, hidden.tau_m])


def from_x(x: Any) -> Hidden:
    drive, g, tau = np.exp(np.asarray(x, float))
    return Hidden(float(g), float(drive * tau / V_TH), float(tau))


_TO_HIDDEN = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])  # d log Hidden / d x


def _walk(x: Any, seen: Observed, step: Callable[..., Any], carry: Any) -> Any:
    """Scan over steps. `step(carry, D, free, spikes)` returns the carry and a value to be summed up over steps.

    D (n,) is the potential without fluctuations (mV); `free` (n,) tells neurons that are past their first spike and not refractory.
    """
    import jax
    import jax.numpy as jnp

    drive, g, tau = jnp.exp(x)
    decay, n = jnp.exp(-H / tau), seen.spikes.shape[1]

    def one(c: Any, at: Observed) -> Any:
        D, refractory, started, inner, total = c
        free = started & (refractory == 0)
        D = jnp.where(free, decay * D + J * (at.exc - g * at.inh) + drive * H, 0.0)
        inner, value = step(inner, D, free, at.spikes)
        refractory = jnp.where(at.spikes, round(T_REF / H), jnp.maximum(refractory - 1, 0))
        return (jnp.where(at.spikes, 0.0, D), refractory, started | at.spikes, inner, total + value), None

    begin = (jnp.zeros(n, x.dtype), jnp.zeros(n, int), jnp.zeros(n, bool), carry, jnp.zeros(n, x.dtype))
    return jax.lax.scan(one, begin, seen)[0][-1]


def rough_likelihood(x: Any, seen: Observed, width: Any) -> Any:
    """Log-likelihoods (n,) of a logistic regression: the odds of a spike in a step are exp((D - V_th) / width - 3)."""
    import jax
    import jax.numpy as jnp

    def step(inner: Any, D: Any, free: Any, spikes: Any) -> Any:
        odds = (D - V_TH) / width - 3.0
        return inner, jnp.where(free, -jax.nn.softplus(jnp.where(spikes, -odds, odds)), 0.0)

    return _walk(x, seen, step, ())


_CELL = 0.1  # of the grid of Z, in its own standard deviations
_EDGES = np.arange(-60, 51, dtype=np.float32) * np.float32(_CELL)
_LAPSE = 1e-6  # probability that a step is as the model says it cannot be: keeps logarithms finite far from the truth


def likelihood(x: Any, seen: Observed) -> Any:
    """Log-likelihoods (n,) of the spikes of each neuron, from its first one on."""
    import jax.numpy as jnp
    from jax.scipy.special import ndtr

    drive, _, tau = jnp.exp(x)
    decay = jnp.exp(-H / tau)
    spread = jnp.sqrt(J * drive * H / (1.0 - decay**2))  # of Z, stationary, mV
    middle = (_EDGES[1:] + _EDGES[:-1]) / 2
    # a cell spreads what is in it by _CELL^2 / 12 already
    edges = ndtr((_EDGES[:, None] - decay * middle[None]) / jnp.sqrt(1.0 - decay**2 - _CELL**2 / 12))
    edges = edges.at[0].set(0.0).at[-1].set(1.0)
    move = edges[1:] - edges[:-1]
    begin = np.zeros((len(middle), 1))
    begin[np.argsort(np.abs(middle))[:2]] = 0.5
    fresh = jnp.asarray(begin, x.dtype)

    def step(density: Any, D: Any, free: Any, spikes: Any) -> Any:
        # over three cells: a sharp cut makes the likelihood rough, by some nats, as the threshold moves from cell to cell
        part = jnp.clip(((V_TH - D)[None] / spread - middle[:, None]) / (3.0 * _CELL) + 0.5, 0.0, 1.0)
        below = part**2 * (3.0 - 2.0 * part)
        left = move @ density * below
        silent = left.sum(0)
        seen_so = jnp.where(spikes, jnp.maximum(1.0 - silent, 0.0), silent)
        left = jnp.where(silent[None] > 1e-12, left / jnp.maximum(silent, 1e-12)[None], fresh)
        density = jnp.where((free & ~spikes)[None], left, fresh)
        return density, jnp.where(free, jnp.log((1.0 - _LAPSE) * seen_so + _LAPSE), 0.0)

    return _walk(x, seen, step, jnp.tile(fresh, (1, seen.spikes.shape[1])))


def rough(start: Hidden, seen: Observed, seed: int, steps: int = 80) -> Hidden:
    """Drive and inhibition by `fit`, along the network's own `noise.rate` and `inh.weight`; tau_m stays. The width of the odds shrinks on the way."""
    import jax.numpy as jnp
    import optax

    from jaxnest import learning

    program = network(start, seed).compile()
    n_spikes = seen.spikes.sum()

    def loss(params: Any, key: Any, width: Any) -> Any:
        drive = J * program.get(params, "noise.rate")[0] * 1e-3
        g = -program.get(params, "inh.weight").reshape(-1)[0] / J
        x = jnp.log(jnp.stack([drive, g, jnp.asarray(start.tau_m, drive.dtype)]))
        return -rough_likelihood(x, seen, width).sum() / n_spikes

    result = learning.fit(
        program,
        loss,
        {"noise.rate": learning.positive, "inh.weight": learning.Bounded(keep_sign=True, shared=True)},
        steps=steps,
        optimiser=optax.adam(optax.cosine_decay_schedule(0.15, steps), b1=0.8, b2=0.95),
        batches=lambda k: np.float32(12.0 * (2.5 / 12.0) ** min(1.0, 1.5 * k / steps)),
        progress=False,
    )
    rate, weight = (float(np.ravel(result.values[path])[0]) for path in ("noise.rate", "inh.weight"))
    return Hidden(-weight / J, rate * 1e-3 * J * start.tau_m / V_TH, start.tau_m)


class Found(NamedTuple):
    """`error` are the standard errors in % that the Fisher information promises; `path` what each step arrived at; `loss` a spike."""

    hidden: Hidden
    error: tuple[float, float, float]
    path: list[Hidden]
    loss: list[float]


def refine(start: Hidden, seen: Observed, steps: int, told: Callable[[str], None] = lambda text: None) -> Found:
    """Natural gradient ascent of `likelihood`; a step doubles after a success and is halved after a failure."""
    import jax
    import jax.numpy as jnp

    def twice(x: Any) -> Any:
        values = likelihood(x, seen)
        return values, values

    of_neurons = jax.jit(jax.jacfwd(twice, has_aux=True))

    def look(x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        scores, values = (np.asarray(a, float) for a in of_neurons(jnp.asarray(x, jnp.float32)))
        return float(values.sum()), scores.sum(0), scores.T @ scores

    n_spikes = int(seen.spikes.sum())
    x, stride = to_x(start), 1.0
    value, score, fisher = look(x)
    path, losses = [start], [-value / n_spikes]
    for _ in range(steps):
        change = stride * np.linalg.solve(fisher + 1e-4 * np.diag(np.diag(fisher)), score)
        change *= min(1.0, 0.3 / np.abs(change).max())
        new = look(x + change)
        if new[0] > value:
            small = new[0] - value < 0.1 and stride >= 1.0
            x, (value, score, fisher), stride = x + change, new, min(2.0 * stride, 16.0)
            path.append(from_x(x))
            losses.append(-value / n_spikes)
            told(f"  {losses[-1]:.4f} a spike at {_text(path[-1])}")
        else:
            small, stride = stride < 0.1, 0.5 * stride if stride <= 1.0 else max(1.0, stride / 4.0)
        if small:
            break
    covariance = _TO_HIDDEN @ np.linalg.inv(fisher) @ _TO_HIDDEN.T
    g, eta, tau = 100.0 * np.sqrt(np.diag(covariance))
    return Found(path[-1], (float(g), float(eta), float(tau)), path, losses)


def recover(
    start: Hidden, recorded: Recorded, time: float, neurons: int, seed: int, told: Callable[[str], None] = lambda text: None
) -> Found:
    """From `start` to the estimate: roughly and then finely of few neurons, at last of all `neurons`."""
    few = observe(recorded, min(neurons, 50), min(time, BURN + 300.0))
    near = rough(start, few, seed)
    told(f"  by logistic regression: {_text(near)}")
    coarse = refine(near, few, 30, told)
    fine = refine(coarse.hidden, observe(recorded, neurons, time), 5, told)
    return Found(fine.hidden, fine.error, [start, *coarse.path, *fine.path], [*coarse.loss, *fine.loss])


def irregularity(recorded: Recorded, time: float) -> tuple[float, float]:
    """Mean rate (spikes/s) and mean coefficient of variation of the intervals, after `BURN`."""
    late = recorded.step * H > BURN
    order = np.lexsort((recorded.step[late], recorded.neuron[late]))
    step, neuron = recorded.step[late][order], recorded.neuron[late][order]
    of = np.split(step, np.flatnonzero(np.diff(neuron)) + 1)
    cvs = [np.diff(s).std() / np.diff(s).mean() for s in of if len(s) > 4]
    return len(step) / (N_EXC + N_INH) / (time - BURN) * 1e3, float(np.mean(cvs))


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options of `python -m benchmarks recovery`."""
    command.add_argument("--seed", type=int, help="only this one; default: 0 and 1")
    command.add_argument("--setting", type=int, choices=range(len(SETTINGS)), help="only this one of the hidden settings")
    command.add_argument(
        "--time", type=float, default=900.0, help=f"recorded ms, of which the first {BURN:g} are left out; 900"
    )
    command.add_argument("--neurons", type=int, default=400, help="whose spikes are explained; default 400")
    command.add_argument("--spikes-from", choices=["jaxnest", "nest"], default="jaxnest", help="who runs the hidden network")
    _report.add_outputs(command)


def run(a: argparse.Namespace, command: str) -> int:
    """Recover and report. Returns the exit code: 1 if an error is above the bar, 2 for wrong input."""
    if a.time <= BURN or not 1 <= a.neurons <= N_EXC + N_INH:
        return _report.complain(f"--time must be above {BURN:g} and --neurons from 1 to {N_EXC + N_INH}", 2)
    record = from_nest if a.spikes_from == "nest" else from_jaxnest
    rows: list[dict[str, Any]] = []
    paths = []
    for seed in (0, 1) if a.seed is None else (a.seed,):
        for k, truth in enumerate(SETTINGS):
            if a.setting is not None and k != a.setting:
                continue
            start = Hidden(*np.multiply(truth, STARTS[(k + len(SETTINGS) * seed) % len(STARTS)]))
            began = clock.perf_counter()
            recorded = record(truth, seed, a.time)
            rate, cv = irregularity(recorded, a.time)
            _report.complain(f"{_text(truth)}, seed {seed}: {rate:.1f} spikes/s, CV {cv:.2f}", 0)
            found = recover(
                start, recorded, a.time, a.neurons, seed + 77, lambda text: print(text, file=sys.stderr, flush=True)
            )
            rows.append({**row(truth, seed, start, found), "rate_hz": rate, "cv": cv, "s": clock.perf_counter() - began})
            paths.append([list(h) for h in found.path])
            _report.complain(f"{_text(found.hidden)} after {rows[-1]['s']:.0f} s", 0)
    text, (notes, missed) = _report.table(rows), judged(rows)
    print(text, *notes, sep="\n")
    peers = ["nest"] if a.spikes_from == "nest" else []
    _report.write(a, command, ["optax", *peers], [{**r, "path": p} for r, p in zip(rows, paths)], text, notes)
    return 1 if missed else 0


def row(truth: Hidden, seed: int, start: Hidden, found: Found) -> dict[str, Any]:
    """One line of the table: errors and standard errors (`se`) in % of the truth."""
    errors = 100.0 * (np.divide(found.hidden, truth) - 1.0)
    names = ("g", "eta", "tau_m")
    return {
        "truth": _text(truth),
        "seed": seed,
        "start": _text(start),
        "estimate": _text(found.hidden),
        **{f"{n} error %": float(e) for n, e in zip(names, errors)},
        **{f"{n} se %": e for n, e in zip(names, found.error)},
    }


def judged(rows: Sequence[dict[str, Any]]) -> tuple[list[str], bool]:
    """What the largest errors are, and whether one is above the bar."""
    largest = {n: max(abs(r[f"{n} error %"]) for r in rows) for n in ("g", "eta", "tau_m")}
    missed = not all(e <= BAR for e in largest.values())
    said = ", ".join(f"{n} {e:.2f} %" for n, e in largest.items())
    return [
        f"largest errors of {len(rows)} recoveries: {said}; demanded: all within {BAR:g} %: {'missed' if missed else 'reached'}"
    ], missed


def _text(hidden: Hidden) -> str:
    return f"({hidden.g:.3f}, {hidden.eta:.3f}, {hidden.tau_m:.2f})"
