"""The network of `train` in jaxnest, in a bare `lax.scan`, and in Spyx.

Each function returns the counts of the output spikes (batch, classes) as a function of the weights and the input; see `train` for what
the neurons do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .train_task import CLASSES, DECAY, TAU_M, THRESHOLD, Task

Counts = Callable[[Any, Any], Any]
LIF = {"tau_m": TAU_M, "C_m": TAU_M, "E_L": 0.0, "V_reset": 0.0, "V_m": 0.0, "V_th": THRESHOLD, "t_ref": 0.0}


def surrogate(x: Any) -> Any:
    """1 / (1 + |x|)**2: the one formula that all libraries have."""
    return 1.0 / (1.0 + jnp.abs(x)) ** 2


def cross_entropy(counts: Any, y: Any) -> Any:
    """The mean over the batch; `counts` (batch, classes) are the logits."""
    return -jnp.take_along_axis(jax.nn.log_softmax(counts), y[:, None], axis=1).mean()


def jaxnest(task: Task, checkpoint: bool = False, model: Any = "iaf_psc_delta", neuron: Any = LIF, **options: Any) -> Counts:
    """Of (w1, w2) and x (steps, batch, inputs). `options` are those of `Network.compile`.

    Both delays are one step, so two steps more are run: the network is the bare one, shifted.
    """
    import jaxnest as jn

    n, hidden = task.w1.shape
    net = jn.Network(h=1.0)
    source = net.create("spike_input", n, name="x", spikes=np.zeros((task.steps, n)))
    middle = net.create(model, hidden, name="hidden", **neuron)
    last = net.create(model, CLASSES, name="out", **neuron)
    net.connect(source, middle, weight=task.w1.ravel(), delay=1.0)
    net.connect(middle, last, weight=task.w2.ravel(), delay=1.0)
    recorder = net.create("spike_recorder", name="spikes")
    net.connect(last, recorder)
    program = net.compile(**{"delivery": "matrix", "surrogate": surrogate, **options})

    def one(params: Any, x: Any) -> Any:
        params = program.set(params, {"x.spikes": x})
        state = program.init(params)
        _, record = program.simulate(params, program.connections, state, task.steps + 2.0, checkpoint=checkpoint)
        return record.spikes["spikes"].sum(0)

    def counts(w: Any, x: Any) -> Any:
        params = program.set(program.params, {"x->hidden.weight": w[0].ravel(), "hidden->out.weight": w[1].ravel()})
        return jax.vmap(one, (None, 1))(params, x)

    return counts


def scan(task: Task, checkpoint: bool = False) -> Counts:
    """Of (w1, w2) and x (steps, batch, inputs): the least that has to be written.

    Without `checkpoint`, the first product is one for all steps, ahead of the loop: the fastest. With it, as in jaxnest, states are kept
    about sqrt(steps) times and each stretch between is run again, its part of the first product too.
    """
    steps = task.steps
    each = math.isqrt(steps) if checkpoint else steps

    @jax.custom_jvp
    def fire(v: Any) -> Any:
        return (v >= 0).astype(v.dtype)

    fire.defjvp(lambda v, t: (fire(v[0]), surrogate(v[0]) * t[0]))

    def counts(w: Any, x: Any) -> Any:
        w1, w2 = w

        def step(carry: Any, current: Any) -> tuple[Any, None]:
            v1, v2, n = carry
            v1 = DECAY * v1 + current
            s1 = fire(v1 - THRESHOLD)
            v2 = DECAY * v2 + s1 @ w2
            s2 = fire(v2 - THRESHOLD)
            return (jnp.where(s1 > 0, 0.0, v1), jnp.where(s2 > 0, 0.0, v2), n + s2), None

        def stretch(carry: Any, x: Any) -> tuple[Any, None]:
            return lax.scan(step, carry, x @ w1)

        batch, outputs = x.shape[1], (x.shape[1], w2.shape[1])
        carry = (jnp.zeros((batch, w1.shape[1])), jnp.zeros(outputs), jnp.zeros(outputs))
        if not checkpoint:
            return stretch(carry, x)[0][2]
        whole = steps // each * each
        kept = jax.checkpoint(stretch)
        carry, _ = lax.scan(kept, carry, x[:whole].reshape(-1, each, *x.shape[1:]))
        return (stretch(carry, x[whole:])[0] if whole < steps else carry)[2]

    return counts


def spyx(task: Task) -> tuple[Any, Any]:
    """The model, and its counts: of the model and x (steps, batch, inputs). Weights are those of the task."""
    import spyx.axn
    import spyx.nn
    from flax import nnx

    rngs = nnx.Rngs(0)
    layers: list[Any] = []
    for w in (task.w1, task.w2):
        linear = nnx.Linear(*w.shape, use_bias=False, rngs=rngs)
        linear.kernel[...] = jnp.asarray(w)
        neurons = spyx.nn.LIF((w.shape[1],), beta=DECAY, threshold=THRESHOLD, activation=spyx.axn.superspike(k=1.0), rngs=rngs)
        layers += [linear, neurons]
    model = spyx.nn.Sequential(*layers)

    def counts(model: Any, x: Any) -> Any:
        outputs, _ = spyx.nn.run(model, x)
        return outputs.sum(0)

    return model, counts
