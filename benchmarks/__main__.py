"""`python -m benchmarks brunel [--against nest] [--json FILE]`: build and run, the peer in turn in the same call."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys

import jaxnest  # noqa: F401 - before jax, so that it can quiet XLA's loader

from . import brunel


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("benchmark", choices=["brunel"])
    parser.add_argument("--scale", type=float, default=1.0, help="of neurons and of indegrees")
    parser.add_argument("--time", type=float, default=1000.0, help="simulated ms")
    parser.add_argument("--threads", type=int, default=2, help="of NEST")
    parser.add_argument("--repeats", type=int, default=3, help="runs, in turn; the median is shown")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--against", choices=["nest"], help="the peer")
    parser.add_argument("--json", help="also write the record to this file")
    a = parser.parse_args()
    ours, theirs = [], []
    for k in range(a.repeats):
        ours.append(brunel.jaxnest(a.scale, a.time, a.seed + k))
        if a.against:
            theirs.append(brunel.nest(a.scale, a.time, a.seed + k, a.threads))

    def median(runs: list[dict], key: str) -> float:
        return statistics.median(r[key] for r in runs)

    events = median(ours, "rate_hz") * ours[0]["synapses"] * a.time / 1e3
    record = {
        "benchmark": a.benchmark,
        "build_s": median(ours, "build_s"),
        "compile_s": ours[0]["compile_s"],
        "sim_s": median(ours, "sim_s"),
        "real_time_factor": median(ours, "sim_s") / a.time * 1e3,
        "ns_per_event": median(ours, "sim_s") / events * 1e9,
        "bytes_per_synapse": ours[0]["bytes_per_synapse"],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rate_hz": median(ours, "rate_hz"),
        "peer": a.against,
        "peer_sim_s": median(theirs, "sim_s") if theirs else None,
        "ratio": statistics.median(t["sim_s"] / o["sim_s"] for o, t in zip(ours, theirs)) if theirs else None,
    }
    for key, value in record.items():
        print(f"{key:18} {value:.4g}" if isinstance(value, float) else f"{key:18} {value}")
    if theirs:
        rate = median(theirs, "rate_hz")
        print(f"{'peer_build_s':18} {median(theirs, 'build_s'):.4g}\n{'peer_rate_hz':18} {rate:.4g}")
        if abs(record["rate_hz"] - rate) > 0.02 * rate:
            print("the rates differ by more than 2 %: not the same network", file=sys.stderr)
            return 1
    if a.json:
        with open(a.json, "w") as file:
            json.dump([record], file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
