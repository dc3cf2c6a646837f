"""`python -m benchmarks.parts [--lowering xla] [--time 1000]`: where a step of Brunel's network spends its time.

The network runs with its parts added one after the other; each row is the difference to the row before. The floor beside
it is a plain loop's on one core: 1.7 ns an event (rows in order, ring in cache), 2.5 ns a Poisson number, 0.25 ns to read
or write one number of a neuron.
"""

from __future__ import annotations

import argparse
import time as clock

import jaxnest as jn
from benchmarks.brunel import DELAY, DRIVE, NEURON, WEIGHT, G, sizes

_EVENT, _POISSON, _NUMBER = 1.7e-3, 2.5e-3, 0.25e-3  # us


def _step(time: float, lowering: str, synapses: bool, noise: bool, recorded: bool) -> tuple[float, float]:
    """us a step, and events a step."""
    n_exc, n_inh, c_exc, c_inh = sizes(1.0)
    net = jn.Network(seed=1)
    cells = net.create("iaf_psc_delta", n_exc + n_inh, name="cells", **NEURON)
    if noise:
        net.connect(net.create("poisson_generator", rate=DRIVE), cells, weight=WEIGHT, delay=DELAY)
    share = 1 if synapses else 250  # a few stay, so that slices are as long
    net.connect(cells[:n_exc], cells, jn.fixed_indegree(c_exc // share), weight=WEIGHT, delay=DELAY)
    net.connect(cells[n_exc:], cells, jn.fixed_indegree(c_inh // share), weight=-G * WEIGHT, delay=DELAY)
    recorder = net.create("spike_recorder")
    if recorded:
        net.connect(cells, recorder)
    sim = jn.Simulation(net, seed=1, lowering=lowering, delivery="events").run(100.0)
    began = clock.perf_counter()
    sim.run(time)
    us = (clock.perf_counter() - began) * 1e6 / (time / net.h)
    spikes = len(sim.spikes(recorder)) if recorded else 0
    return us, spikes / ((time + 100.0) / net.h) * (c_exc + c_inh) / share


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts")
    parser.add_argument("--lowering", choices=["auto", "xla", "native"], default="auto")
    parser.add_argument("--time", type=float, default=1000.0, help="simulated ms")
    a = parser.parse_args()
    n = sum(sizes(1.0)[:2])
    print(f"| {'part':<28} | us a step | floor, 1 core |\n| {'-' * 28} | --------: | ------------: |")
    before, rows = (
        0.0,
        [("neurons", (False, False, False), 9 * n * _NUMBER), ("Poisson drive", (False, True, False), n * _POISSON)],
    )
    rows.append(("recording (at a higher rate)", (False, True, True), n * _NUMBER))
    for name, parts, floor in rows:
        us, _ = _step(a.time, a.lowering, *parts)
        print(f"| {name:<28} | {us - before:9.1f} | {floor:13.1f} |", flush=True)
        before = us
    us, events = _step(a.time, a.lowering, True, True, True)
    print(f"| {'delivery of ' + format(events, '.0f') + ' events':<28} | {us - before:9.1f} | {events * _EVENT:13.1f} |")
    print(f"| {'all':<28} | {us:9.1f} | {sum(r[2] for r in rows) + events * _EVENT:13.1f} |")


if __name__ == "__main__":
    main()
