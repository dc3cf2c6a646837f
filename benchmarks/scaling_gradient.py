"""The gradient through Brunel's network over 1, 2, 4 … devices, in float64, beside that of a program on one device.

The loss is the number of spikes, by a surrogate, with `checkpoint=True`; derivatives are those with respect to all weights and all parameters of the neurons.
error: the 2-norm of the difference to one device over that of the gradient, the largest of all weights together and of each parameter; gradient_s the
least time of the repeats (on CPUs devices share the cores); temp_mb what XLA says that the program takes on a device beside what goes in and comes out;
params_mb what a device holds of the parameters (and so of the gradient).
"""

from __future__ import annotations

import time as clock
from typing import Any

_LEARNED = ("tau_m", "C_m", "V_th", "t_ref")


def measured(devices: list[int], scale: float, time: float, repeats: int, seed: int) -> list[dict[str, Any]]:
    """The figures for each number of devices, after those of one device (0: `jaxnest.Program`)."""
    import jax
    import numpy as np

    import jaxnest as jn
    from jaxnest import distributed

    from ._request import Request
    from .gradient import network

    with jax.enable_x64(True):
        net = network(jn, Request("gradient", "jaxnest", "", scale, time, 1, "float64", "auto", seed))
        records: list[dict[str, Any]] = []
        expected: dict[str, np.ndarray] = {}
        for n in (0, *devices):
            began = clock.perf_counter()
            mesh = distributed.mesh_of(max(n, 1))
            program: Any = distributed.Program(net, mesh=mesh) if n else net.compile(delivery="events")
            record, found = _measure(program, time, repeats, seed)
            expected = expected or found
            errors = [np.linalg.norm(found[k] - x) / np.linalg.norm(x) for k, x in expected.items() if np.linalg.norm(x)]
            whole = clock.perf_counter() - began
            records.append({"benchmark": "scaling gradient", "devices": n, "error": max(errors), **record, "whole_s": whole})
    return records


def _measure(program: Any, time: float, repeats: int, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures, and the gradient by path, whole."""
    import jax
    import numpy as np

    params = program.params
    learned = {"tables": params["tables"], "cells": {k: params["nodes"]["iaf_psc_delta"][k] for k in _LEARNED}}

    def spikes(learned: Any, connections: Any) -> Any:
        cells = params["nodes"]["iaf_psc_delta"].replace(**learned["cells"])
        now = {**params, "tables": learned["tables"], "nodes": {**params["nodes"], "iaf_psc_delta": cells}}
        _, record = program.simulate(now, connections, program.init(now, seed), time, checkpoint=True)
        return record.spikes["recorder"].sum()

    compiled = jax.jit(jax.value_and_grad(spikes)).lower(learned, program.connections).compile()
    took = []
    for _ in range(repeats):
        began = clock.perf_counter()
        number, gradient = jax.block_until_ready(compiled(learned, program.connections))
        took.append(clock.perf_counter() - began)
    weights = np.concatenate([np.asarray(program.get({**params, "tables": gradient["tables"]}, p)) for p in _weights(program)])
    found = {"weights": weights, **{k: np.asarray(x).sum() for k, x in gradient["cells"].items()}}
    held = sum(x.addressable_shards[0].data.nbytes for x in jax.tree.leaves(params))
    memory = compiled.memory_analysis()
    return {
        "spikes": int(number),
        "gradient_s": min(took),
        "temp_mb": memory.temp_size_in_bytes / 2**20,
        "params_mb": held / 2**20,
    }, found


def _weights(program: Any) -> list[str]:
    """The paths of the weights of the network's two recurrent projections."""
    return ["cells->cells.weight", "cells->cells_2.weight"]
