"""A step of training: forward, backward and Adam's update of 512 inputs -> 512 -> 10 LIF neurons, 500 steps, batch of 64.

The loss is the cross-entropy of the counts of output spikes. Peers: snnTorch (`Leaky`), norse (`LIFBoxCell`), SpikingJelly (`LIFNode`,
multi-step), each also with `torch.compile` on a step of its neurons ("… compiled"); Spyx (`LIF`); "scan" is a bare `lax.scan`
written for this network. Membranes decay by exp(-1/10) a step, the threshold is 1, neurons reset to 0, detached from the gradient (but
Spyx's: by subtraction, attached: it has no other), the surrogate derivative is 1 / (1 + |x|)^2: from the same weights all must
have the same loss (but Spyx). --scale is of inputs and hidden neurons, --time of steps.

sim_s is the median of the training steps of a run, compile_s the first step's time beyond that (in JAX: lowering and compilation). The case
"checkpoint" keeps states about sqrt(500) times and computes the rest again, in jaxnest and in the scan. step_mb is what the largest resident
memory in a step exceeds that before it; temp_mb XLA's own figure for the program's temporary arrays; memory_ratio compares
step_mb, jaxnest's over the peer's.
"""

from __future__ import annotations

import statistics
import time as clock
from collections.abc import Callable
from functools import partial
from typing import Any

from ._memory import grown_mb, peak_mb
from ._request import Request, Spec
from .train_task import CLASSES, LEARNING_RATE, Task, draw

_TORCH = ("snntorch", "norse", "spikingjelly")
SPEC = Spec(
    peers=(*_TORCH, "spyx", "scan"),
    time=500.0,
    cases=("checkpoint", ""),
    same={"loss": 1e-3},
    real_time=False,
    packages={"scan": ("jax",), "spyx": ("spyx", "flax"), **{name: (name, "torch") for name in _TORCH}},
    variants={name: (name, f"{name}_compiled") for name in _TORCH},
    memory="step_mb",
    shown=("step_mb", "temp_mb"),
)
_STEPS = 3  # that are timed


def jaxnest(request: Request) -> dict[str, Any]:
    from . import train_jax

    task = _task(request)
    began = clock.perf_counter()
    counts = train_jax.jaxnest(task, checkpoint=request.case == "checkpoint")
    built = clock.perf_counter() - began
    return {"build_s": built, **_jax(task, counts, task.x)}


def scan(request: Request) -> dict[str, Any]:
    from . import train_jax

    task = _task(request)
    return _jax(task, train_jax.scan(task, request.case == "checkpoint"), task.x)


def spyx(request: Request) -> dict[str, Any]:
    """As Spyx's own `optimize.make_train_step`: `nnx.jit` around the loss, its gradient and the update in place."""
    if request.case:
        return {"skipped": "Spyx's training has no checkpoints"}
    import jax
    import optax
    from flax import nnx
    from spyx.optimize import make_train_step

    from . import train_jax

    task = _task(request)
    model, counts = train_jax.spyx(task)
    optimizer = nnx.Optimizer(model, optax.adam(LEARNING_RATE), wrt=nnx.Param)
    train = make_train_step(lambda model, x, y: train_jax.cross_entropy(counts(model, x), y))
    x, y = jax.numpy.asarray(task.x), jax.numpy.asarray(task.y)

    def step() -> float:
        loss = train(model, optimizer, x, y)
        jax.block_until_ready(nnx.state(model))
        return float(loss)

    found = _timed(step)
    del found["loss"]  # that of another reset
    return found


def _jax(task: Task, counts: Callable[[Any, Any], Any], x: Any) -> dict[str, Any]:
    import jax
    import jax.numpy as jnp
    import optax

    from .train_jax import cross_entropy

    optimizer = optax.adam(LEARNING_RATE)

    def train(w: Any, state: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        loss, gradient = jax.value_and_grad(lambda w: cross_entropy(counts(w, x), y))(w)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(w, updates), state, loss

    w: Any = (jnp.asarray(task.w1), jnp.asarray(task.w2))
    at = [w, optimizer.init(w)]
    x, y = jnp.asarray(x), jnp.asarray(task.y)
    began = clock.perf_counter()
    program = jax.jit(train, donate_argnums=(0, 1)).lower(*at, x, y).compile()
    compiled = clock.perf_counter() - began

    def step() -> float:
        *at[:], loss = jax.block_until_ready(program(*at, x, y))
        return float(loss)

    found = _timed(step)
    return {**found, "compile_s": compiled, "temp_mb": program.memory_analysis().temp_size_in_bytes / 2**20}


def _torch(library: str, compiled: bool, request: Request) -> dict[str, Any]:
    if request.case:
        return {"skipped": "checkpoints are compared with those of the scan alone"}
    import torch

    from .train_torch import MODULES

    torch.set_num_threads(request.threads)
    task = _task(request)
    network = MODULES[library](task, compiled)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    x, y = torch.from_numpy(task.x), torch.from_numpy(task.y)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return _timed(step)


snntorch, snntorch_compiled = partial(_torch, "snntorch", False), partial(_torch, "snntorch", True)
norse, norse_compiled = partial(_torch, "norse", False), partial(_torch, "norse", True)
spikingjelly, spikingjelly_compiled = partial(_torch, "spikingjelly", False), partial(_torch, "spikingjelly", True)


def _task(request: Request) -> Task:
    return draw(request.seed, round(request.time), max(CLASSES, round(512 * request.scale)))


def _timed(step: Callable[[], float]) -> dict[str, Any]:
    """`step` trains once and returns the loss before that."""
    began = clock.perf_counter()
    loss = step()
    first = clock.perf_counter() - began
    peak = peak_mb()  # which the next line forgets
    grown = grown_mb(step)
    took = []
    for _ in range(_STEPS):
        began = clock.perf_counter()
        step()
        took.append(clock.perf_counter() - began)
    each = statistics.median(took)
    return {"sim_s": each, "compile_s": max(0.0, first - each), "loss": loss, "step_mb": grown, "peak_mb": max(peak, peak_mb())}
