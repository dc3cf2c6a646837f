"""Brunel's network over 1, 2, 4 … devices (on CPUs: virtual ones that share the cores), strong and weak scaling.

Strong: the same network; weak: as many connections a device; quiet: as strong, with so little drive that nothing spikes. sim_s is the least time of --time ms among the repeats, "cost" that time over
the one of the first number of devices (on CPUs the cores are the same, so 1 is what there is to reach; in weak scaling the number of devices), table_mb and
state_mb what each device holds, share that times the number of devices over what all of it is on the first number of devices, spikes what the device with the most
spikes emitted in a slice, on average, sent_kb what each device sent in it. The spikes of all strong runs must be the same. What --json writes is also what
`python -m jaxnest.distributed.plan --measured FILE` fits the cost model to.

--gradient: instead, the gradient over as many devices: see `benchmarks.scaling_gradient`. Its errors must be at most 1e-12.
"""

from __future__ import annotations

import argparse
import math
import time as clock
from typing import Any

from . import _report, scaling_gradient

_SCALE = 0.5
_QUIET = 5000.0  # spikes/s of the drive, with which no neuron reaches its threshold


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options of `python -m benchmarks scaling`."""
    command.add_argument(
        "--devices", type=int, nargs="+", default=[1, 2, 4, 8], help="how many; the first is what others are compared with"
    )
    command.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="size of the network; weak scaling begins with half of it, a quarter of the connections",
    )
    command.add_argument("--time", type=float, default=200.0, help="simulated time, ms")
    command.add_argument("--repeats", type=int, default=3)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--gradient", action="store_true", help="the gradient of the number of spikes, in float64")
    _report.add_outputs(command)


def run(a: argparse.Namespace, command: str) -> int:
    """Returns the exit code: 1 if spikes differ, 2 for wrong input."""
    if min(*a.devices, a.repeats) < 1 or min(a.scale, a.time) <= 0:
        return _report.complain("--devices, --scale, --time and --repeats must be positive", 2)
    import jax

    jax.config.update("jax_num_cpu_devices", max(a.devices))
    if a.gradient:
        return _gradients(a, command)
    records: list[dict[str, Any]] = []
    spikes: set[tuple[int, float]] = set()
    for kind in ("strong", "weak", "quiet"):
        first: dict[str, Any] = {}
        for n in a.devices:
            scale = a.scale * (_SCALE * math.sqrt(n / a.devices[0]) if kind == "weak" else 1.0)
            record, seen = measured(n, scale, a, quiet=kind == "quiet")
            first = first or {**record, "held": n * (record["table_mb"] + record["state_mb"])}
            record["cost"] = record["sim_s"] / first["sim_s"]
            if kind == "strong":
                record["share"] = n * (record["table_mb"] + record["state_mb"]) / first["held"]
            records.append({"benchmark": f"scaling {kind}", "devices": n, **record})
            if kind == "strong":
                spikes.add(seen)
    text = _report.table(records)
    print(text)
    notes = [] if len(spikes) == 1 else ["the spikes of runs with different numbers of devices differ"]
    for note in notes:
        _report.complain(note, 1)
    _report.write(a, command, [], records, text, notes)
    return 1 if notes else 0


def _gradients(a: argparse.Namespace, command: str) -> int:
    records = scaling_gradient.measured(a.devices, a.scale, a.time, a.repeats, a.seed)
    text = _report.table(records)
    print(text)
    notes = [] if all(r["error"] <= 1e-12 for r in records) else ["gradients differ by more than 1e-12"]
    for note in notes:
        _report.complain(note, 1)
    _report.write(a, command, [], records, text, notes)
    return 1 if notes else 0


def measured(n: int, scale: float, a: argparse.Namespace, *, quiet: bool) -> tuple[dict[str, Any], tuple[int, float]]:
    """The figures of a run over `n` devices, and a mark of its spikes."""
    import jax
    import numpy as np

    import jaxnest as jn
    from jaxnest import distributed
    from jaxnest.events.exchange import bytes_sent
    from jaxnest.simulation._part import parts_of

    from ._request import Request
    from .brunel import DELAY, describe_jaxnest, sizes

    request = Request("brunel", "jaxnest", "", scale, a.time, 1, "float32", "auto", a.seed)
    net, recorder = describe_jaxnest(jn, request)
    began = clock.perf_counter()
    sim = distributed.Simulation(net, seed=a.seed, mesh=distributed.mesh_of(n))
    built = clock.perf_counter() - began
    if quiet:
        sim.set("noise", rate=_QUIET)
    began = clock.perf_counter()
    sim.run(20.0)
    compiled = clock.perf_counter() - began
    took = []
    for _ in range(a.repeats):
        began = clock.perf_counter()
        sim.run(a.time)
        took.append(clock.perf_counter() - began)
    found = sim.spikes(recorder)
    plan = sim.plan
    total = 20.0 + a.repeats * a.time
    cells = net["cells"]
    owner = np.searchsorted(parts_of(net, n)[0].cuts["cells"], found.ids - cells.first, side="right") - 1
    emitted = (np.rint(found.times / net.h).astype(int) - 1) // plan.slice_steps
    counts = np.zeros((n, math.ceil(total / net.h / plan.slice_steps)), int)
    np.add.at(counts, (owner, emitted), 1)
    busiest = counts.max(axis=0)

    def held(tree: Any) -> float:
        return sum(x.addressable_shards[0].data.nbytes for x in jax.tree.leaves(tree)) / 2**20

    record = {
        "neurons": plan.n_all,
        "synapses": plan.n_all * sum(sizes(scale)[2:]),
        "rate_hz": 1000.0 * len(found) / plan.n_all / total,
        "build_s": built,
        "compile_s": compiled,
        "sim_s": min(took),
        "table_mb": held((sim.connections, sim.params["tables"])),
        "state_mb": held(sim.state),
        "spikes": float(busiest.mean()),
        "sent_kb": float(bytes_sent(busiest, plan.multiple).mean()) / 1024,
        "time_ms": a.time,
        "h": net.h,
        "min_delay": DELAY,
    }
    return record, (len(found), float(found.times.sum()))
