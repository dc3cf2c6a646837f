"""The classifier of `accuracy`: events in, one hidden layer, and a readout by neurons that do not spike."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

import jaxnest as jn
from jaxnest import learning

from .accuracy_data import Data, Examples
from .accuracy_settings import Settings

_CHUNK = 1000  # examples classified at once


@dataclass(frozen=True)
class Outcome:
    """Fractions of examples classified rightly; `curve` after each epoch: loss, fraction in training, fraction of the watched ones (or NaN)."""

    test: float
    train: float
    curve: np.ndarray
    spikes: float  # a hidden neuron and example
    silent: float  # share of hidden neurons that no example of the last batch made spike
    seconds: float  # an epoch, without the classification of the watched examples; the median
    compile_seconds: float
    taus: dict[str, np.ndarray]


def network(s: Settings, data: Data, seed: int) -> Any:
    """The compiled network; `x.spikes` is what it reads."""
    rng = np.random.default_rng(seed)
    net = jn.Network(h=1.0)
    rest = {"C_m": 10.0, "E_L": 0.0, "V_m": 0.0, "V_reset": 0.0, "t_ref": 0.0}
    syn = {} if s.model == "iaf_psc_delta" else {"tau_syn_ex": s.tau_syn, "tau_syn_in": s.tau_syn}
    source = net.create("spike_input", data.n_inputs, name="x", spikes=np.zeros((data.n_steps, data.n_inputs)))
    hidden = net.create(s.model, s.hidden, name="hidden", V_th=1.0, tau_m=s.tau_m, **rest, **syn)
    out = net.create(s.model, data.classes, name="out", V_th=1e9, tau_m=s.tau_out, **rest, **syn)
    root = np.sqrt(s.hidden)
    net.connect(source, hidden, name="in", weight=rng.normal(*s.inputs, data.n_inputs * s.hidden), delay=1.0)
    net.connect(hidden, out, name="read", weight=rng.normal(0.0, s.outputs / root, s.hidden * data.classes), delay=1.0)
    if s.recurrent:
        net.connect(hidden, hidden, name="rec", weight=rng.normal(0.0, s.recurrent / root, s.hidden**2), delay=1.0)
    net.connect(hidden, net.create("spike_recorder", name="spikes"))
    net.connect(net.create("multimeter", name="meter", record_from=["V_m"], interval=1.0), out)
    return net.compile(delivery="matrix", surrogate=learning.fast_sigmoid(s.slope, s.height))


def reader(program: Any, s: Settings, data: Data) -> Callable[[Any, Any], tuple[Any, Any]]:
    """A function of parameters and the events of one example that gives logits (classes,) and spike counts (hidden,)."""

    def read(params: Any, events: Any) -> tuple[Any, Any]:
        params = program.set(params, {"x.spikes": events})
        _, record = program.simulate(params, program.connections, program.init(params), float(data.n_steps))
        V = record.traces["meter"].V_m
        return s.sharpness * (V.max(0) if s.readout == "max" else V.mean(0)), record.spikes["spikes"].sum(0)

    return read


def train(s: Settings, data: Data, seed: int, told: Callable[[str], None] = lambda text: None) -> Outcome:
    """Train with `jaxnest.learning.fit`, by Adam with a rate that falls to 0 as a cosine; what the last step left is tested."""
    import optax

    program = network(s, data, seed)
    read = reader(program, s, data)
    per_epoch = len(data.train.y) // s.batch
    n_steps = per_epoch * s.epochs

    def loss(params: Any, key: Any, batch: Examples) -> Any:
        keys = jax.random.split(jax.random.wrap_key_data(key), s.batch)
        logits, counts = jax.vmap(read, (None, 0))(params, jax.vmap(data.encode)(batch.x, keys))
        value = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y).mean()
        right, silent = (logits.argmax(1) == batch.y).mean(), (counts.sum(0) == 0).mean()
        return value, {"right": right, "rate": counts.mean(), "silent": silent}

    classify = jax.jit(lambda params, x: jax.vmap(lambda x: read(params, data.encode(x, None))[0].argmax())(x))
    curve: list[tuple[float, float, float]] = []
    recent: list[tuple[float, float]] = []
    seconds: list[float] = []
    began = last = clock.perf_counter()

    def after(p: Any) -> None:
        nonlocal last
        recent.append((p.loss, float(p.aux["right"])))
        if p.step % per_epoch:
            return
        seconds.append(clock.perf_counter() - last)
        watched = fraction(classify, p.params(), data.watched) if data.watched else float("nan")
        curve.append((*np.mean(recent, 0), watched))
        recent.clear()
        values = " ".join(f"{x:.4f}" for x in curve[-1])
        told(f"epoch {len(curve)}: {values}, {float(p.aux['rate']):.2f} spikes, {clock.perf_counter() - began:.0f} s")
        last = clock.perf_counter()

    paths = {"in.weight": None, "read.weight": None, **({"rec.weight": None} if s.recurrent else {})}
    result = learning.fit(
        program,
        loss,
        {**paths, **{f"hidden.{name}": learning.Bounded(1.0, 200.0) for name in s.learned}},
        steps=n_steps,
        optimiser=optax.adam(optax.cosine_decay_schedule(s.rate, n_steps)),
        batches=learning.minibatches(data.train, s.batch, seed),
        seed=seed,
        callback=after,
        progress=False,
    )
    shown = {name: float(result.history.aux[name][-per_epoch:].mean()) for name in ("rate", "silent")}
    seconds[0] -= result.compile_seconds
    return Outcome(
        test=fraction(classify, result.params, data.test),
        train=float(curve[-1][1]),
        curve=np.array(curve),
        spikes=shown["rate"],
        silent=shown["silent"],
        seconds=float(np.median(seconds)),
        compile_seconds=result.compile_seconds,
        taus={name: result.values[f"hidden.{name}"] for name in s.learned},
    )


def fraction(classify: Callable[[Any, Any], Any], params: Any, examples: Examples) -> float:
    """The fraction of `examples` that are classified rightly."""
    starts = range(0, len(examples.y), _CHUNK)
    found = [np.asarray(classify(params, examples.x[k : k + _CHUNK])) for k in starts]
    return float((np.concatenate(found) == examples.y).mean())
