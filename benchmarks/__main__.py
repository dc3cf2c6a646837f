"""`python -m benchmarks BENCHMARK [--against nest] [--json FILE]`: jaxnest and its peers, in turn in the same call."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import shlex
import sys
from collections.abc import Sequence

from . import _compare, _report, accuracy, recordings, recovery, scaling
from ._request import Request, Spec

_BENCHMARKS = ("brunel", "microcircuit", "stdp", "cuba", "build", "startup", "deliver", "train", "gradient")
_OWN = {
    "accuracy": accuracy,
    "recordings": recordings,
    "recovery": recovery,
    "scaling": scaling,
}  # what has its own options and reports


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 1 if the peer computed something else or a run failed, 2 for wrong input or without the peer."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    a = _parser().parse_args(arguments)
    if a.benchmark in _OWN:
        return _OWN[a.benchmark].run(a, "python -m benchmarks " + shlex.join(arguments))
    spec: Spec = importlib.import_module(f"benchmarks.{a.benchmark}").SPEC
    if not set(a.against) <= set(spec.peers):
        return _report.complain(f"{a.benchmark} runs against {' or '.join(spec.peers)} only", 2)
    packages = list(dict.fromkeys(p for peer in a.against for p in spec.packages.get(peer, (peer,))))
    for package in packages:
        if importlib.util.find_spec(package) is None:
            return _report.complain(f"{package} is not installed; in a clone of the repository: pip install -e '.[bench]'", 2)
    peers = [side for peer in a.against for side in spec.variants.get(peer, (peer,))]
    scale, time = (spec.scale if a.scale is None else a.scale), (spec.time if a.time is None else a.time)
    if min(scale, time, a.threads, a.repeats) <= 0:
        return _report.complain("--scale, --time, --threads and --repeats must be positive", 2)
    request = Request(a.benchmark, "jaxnest", "", scale, time, a.threads, a.precision, a.lowering, a.seed)
    records, rows, notes = [], [], []
    for case in spec.cases:
        if spec.by_lowering and a.lowering not in ("auto", case):
            continue
        asked = Request(**{**vars(request), "case": case})
        try:
            runs = _compare.in_turn(asked, peers, a.repeats)
        except _compare.Failed as failure:
            return _report.complain(str(failure), 1)
        ours = runs.pop("jaxnest")
        if "skipped" in ours[0]:
            _report.complain(f"{case} left out: {ours[0]['skipped']}", 0)
            continue
        for peer, theirs in runs.items() or [(None, [])]:
            records.append(_compare.record(spec, asked, peer, ours, theirs))
            rows.append({**records[-1], **_compare.more(spec, ours, theirs)})
            of = f"{records[-1]['benchmark']}" + (f", {peer}" if len(peers) > 1 else "")
            notes += [f"{of}: {text}" for text in _compare.differences(spec, ours, theirs)]
    if not records:
        return _report.complain("nothing was measured", 1)
    text = _report.table(rows)
    print(text)
    for note in notes:
        _report.complain(note, 1)
    _report.write(a, "python -m benchmarks " + shlex.join(arguments), packages, records, text, notes)
    return 1 if notes else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What jaxnest takes, and a peer beside it.")
    commands = parser.add_subparsers(dest="benchmark", metavar="BENCHMARK", required=True)
    for name in _BENCHMARKS:
        module = importlib.import_module(f"benchmarks.{name}")
        about = (module.__doc__ or "").strip().replace("%", "%%")
        command = commands.add_parser(name, help=about.splitlines()[0], description=about)
        command.add_argument("--scale", type=float, help=f"of the network; default {module.SPEC.scale:g}")
        command.add_argument("--time", type=float, help=f"simulated ms; default {module.SPEC.time:g}")
        command.add_argument("--threads", type=int, default=2, help="of jaxnest and of the peer; default 2")
        command.add_argument("--precision", choices=["float32", "float64"], default="float32", help="of jaxnest")
        command.add_argument("--lowering", choices=["auto", "xla", "native"], default="auto", help="of jaxnest")
        command.add_argument("--repeats", type=int, default=3, help="runs, in turn; medians are shown; default 3")
        command.add_argument("--seed", type=int, default=1, help="of the first run; the next ones have the next ones")
        command.add_argument("--against", nargs="+", default=[], metavar="PEER", help=f"of {', '.join(module.SPEC.peers)}")
        _report.add_outputs(command)
    for name, own in _OWN.items():
        about = (own.__doc__ or "").replace("%", "%%")
        own.add_arguments(commands.add_parser(name, help=about.splitlines()[0], description=about))
    return parser


if __name__ == "__main__":
    sys.exit(main())
