"""The gradient of a loss on Brunel's network with respect to every weight, every delay and the neurons' parameters.

Cases: the exact gradient through spike times (`jaxnest.learning.EventProp`), and that by a surrogate. The loss is the mean time of all spikes, and their
number, respectively. Weights are drawn, so that there is one a connection. --scale is of neurons and of indegrees.
backward_over_forward: the time of the way back over that of the forward run of the same program; gradient_over_run: of the whole over a plain
run of the network (`Simulation`), which keeps nothing and has no times within a step.
"""

from __future__ import annotations

import statistics
import time as clock
from collections.abc import Callable
from typing import Any

from ._request import Request, Spec
from .brunel import DELAY, DRIVE, NEURON, WEIGHT, G, sizes

SPEC = Spec(
    peers=(), time=200.0, cases=("surrogate", "eventprop"), shown=("backward_over_forward", "gradient_over_run", "run_s")
)
_REPEATS = 3


def network(jn: Any, request: Request) -> Any:
    n_exc, n_inh, c_exc, c_inh = sizes(request.scale)
    net = jn.Network(seed=request.seed)
    cells = net.create("iaf_psc_delta", n_exc + n_inh, name="cells", **NEURON)
    noise = net.create("poisson_generator", name="noise", rate=DRIVE)
    net.connect(noise, cells, weight=WEIGHT, delay=DELAY)
    for source, indegree, weight in ((cells[:n_exc], c_exc, WEIGHT), (cells[n_exc:], c_inh, -G * WEIGHT)):
        net.connect(source, cells, jn.fixed_indegree(indegree), weight=jn.normal(weight, 0.01 * WEIGHT), delay=DELAY)
    recorder = net.create("spike_recorder", name="recorder")
    net.connect(cells, recorder)
    return net


def jaxnest(request: Request) -> dict[str, Any]:
    import jax
    import jax.numpy as jnp

    import jaxnest as jn
    from jaxnest.learning import EventProp

    began = clock.perf_counter()
    net = network(jn, request)
    exact = request.case == "eventprop"
    program = (
        EventProp(net, learn_delays=True, **request.options) if exact else net.compile(delivery="events", **request.options)
    )
    built = clock.perf_counter()

    def loss(params: Any) -> tuple[Any, Any]:
        state = program.init(params, request.seed)
        if not exact:
            count = (
                program.simulate(params, program.connections, state, request.time, checkpoint=True)[1].spikes["recorder"].sum()
            )
            return count, count
        times = program.simulate(params, program.connections, state, request.time)[1].spike_times["recorder"]
        spiked = jnp.isfinite(times)
        return jnp.where(spiked, times, 0.0).sum() / spiked.sum(), spiked.sum()

    # generators' rates are left out: their Poisson numbers would be drawn once more
    noise = program.params["nodes"]["noise"]
    learned = {"tables": program.params["tables"], "nodes": {k: p for k, p in program.params["nodes"].items() if k != "noise"}}

    def of_learned(learned: Any) -> tuple[Any, Any]:
        return loss({**program.params, "tables": learned["tables"], "nodes": {**learned["nodes"], "noise": noise}})

    began_compile = clock.perf_counter()
    forward = jax.jit(of_learned).lower(learned).compile()
    gradient = jax.jit(jax.value_and_grad(of_learned, has_aux=True)).lower(learned).compile()
    compiled = clock.perf_counter() - began_compile
    forward_s, gradient_s = _median(lambda: forward(learned)), _median(lambda: gradient(learned))
    (_, spikes), found = gradient(learned)
    if not all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(found)):
        raise RuntimeError("the gradient is not finite")
    sim = jn.Simulation(net, seed=request.seed)
    sim.run(request.time)
    run_s = _median(lambda: sim.run(request.time).state)
    n = sum(sizes(request.scale)[:2])
    return {
        "build_s": built - began,
        "compile_s": compiled,
        "sim_s": gradient_s,
        "rate_hz": float(spikes) / n / request.time * 1e3,
        "backward_over_forward": (gradient_s - forward_s) / forward_s,
        "gradient_over_run": gradient_s / run_s,
        "run_s": run_s,
    }


def _median(run: Callable[[], Any]) -> float:
    import jax

    times = []
    for _ in range(_REPEATS + 1):
        began = clock.perf_counter()
        jax.block_until_ready(run())
        times.append(clock.perf_counter() - began)
    return statistics.median(times[1:])
