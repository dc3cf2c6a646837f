"""Runs NEST's example scripts with NEST and with jaxnest in its place, and compares what their recorders hold.

    python tools/pynest_examples.py --nest-source DIR [--only brunel_alpha_nest one_neuron] [--results out.json]

DIR is a checkout of NEST at tag v3.10; real NEST (nest-simulator 3.10.0) has to be in the same environment. Each script runs
unchanged, in a copy of the examples' folder, twice with NEST (the second time with other seeds; kept in the user's cache directory)
and once with jaxnest. If both runs of NEST record the same, jaxnest has to record the same, times and values up to 1e-6 of a trace's
range; else counts and means have to agree, see `_recordings.compare_statistics`. In the table "difference" is the largest one in
units of a trace's range, or for random scripts of a count in units of what is allowed.

Not counted are scripts that name a model jaxnest lacks, those that NEST cannot run here or not within --timeout, and modules that
build no network by themselves. The exit status is 1 if a script that is counted fails. `--module nest` runs NEST in the place of
jaxnest.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import _common
import _recordings
from _common import ToolError
from _recordings import Recording

SHIFT = 1000
TOO_SLOW = "took more than"
MISSING = "ModuleNotFoundError"


@dataclass(frozen=True)
class Verdict:
    """What came of one script. `counted` is False where there was nothing to compare."""

    script: str
    counted: bool
    good: bool
    kind: str
    said: str
    nest_seconds: float = 0.0
    seconds: float = 0.0
    recorders: int = 0
    events: int = 0
    difference: float | None = None


def left_out(script: str, kind: str, said: str, nest_seconds: float = 0.0) -> Verdict:
    return Verdict(script, False, False, kind, said, nest_seconds)


def sources(script: Path) -> list[Path]:
    """The script and the modules beside it that it imports, directly or not."""
    found = [script]
    for path in found:
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            beside = [path.with_name(f"{name.split('.')[0]}.py") for name in names]
            found += [module for module in dict.fromkeys(beside) if module.exists() and module not in found]
    return found


def record(examples: Path, script: str, module: str, shift: int, timeout: float, out: Path) -> None:
    """Run one script in a copy of the examples, and write what it recorded to the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="jaxnest-examples-") as temporary:
        copy = Path(temporary) / "examples"
        shutil.copytree(examples, copy, ignore=shutil.ignore_patterns("__pycache__", "*.png", "*.svg"))
        path = copy / script
        command = [sys.executable, str(_common.TOOLS / "_record.py"), str(path), str(out), module, str(shift)]
        with (out / "output").open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=path.parent,
                env=_common.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                failed(out, f"{TOO_SLOW} {timeout:g} s", timeout)
                return
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
    if not (out / "run.json").exists():
        tail = _common.last_line((out / "output").read_text(errors="replace"))
        failed(out, f"exit status {process.returncode}: {tail}", 0.0)


def failed(out: Path, error: str, seconds: float) -> None:
    _common.write_json(out / "run.json", {"error": error, "seconds": seconds, "epochs": []})


def nest_run(examples: Path, script: str, shift: int, timeout: float) -> Recording:
    """What NEST records, from the cache if it ran before. A run that was too slow is tried again if there is more time."""
    files = [*sources(examples / script), _common.TOOLS / "_record.py"]
    key = _common.digest(files, Path("/"), _common.nest_version(), script)
    out = _common.cache_folder("nest-examples", f"{_common.nest_version()}-{key}") / str(shift)
    if (out / "run.json").exists():
        kept = _recordings.load(out)
        if not (kept.error.startswith(TOO_SLOW) and kept.seconds < timeout):
            return kept
    shutil.rmtree(out, ignore_errors=True)
    record(examples, script, "nest", shift, timeout, out)
    return _recordings.load(out)


def judge(examples: Path, script: str, module: str, timeout: float, lacking: set[str]) -> Verdict:
    """Run one script on both, and compare. `lacking`: models that NEST has and the module has not."""
    needs = sorted(lacking & set().union(*(_common.names_used(path)[0] for path in sources(examples / script))))
    if needs:
        return left_out(script, "needs models", f"needs: {', '.join(needs)}")
    reference = nest_run(examples, script, 0, timeout)
    if reference.error:
        kind = next(
            (k for sign, k in ((TOO_SLOW, "too slow"), (MISSING, "needs extras")) if sign in reference.error), "NEST fails"
        )
        return left_out(script, kind, f"with NEST: {reference.error}", reference.seconds)
    if not reference.epochs:
        return left_out(script, "no network", "builds no network by itself", reference.seconds)
    again = nest_run(examples, script, SHIFT, timeout)
    if again.error:
        return left_out(script, "NEST fails", f"with NEST and other seeds: {again.error}", reference.seconds)
    with tempfile.TemporaryDirectory(prefix="jaxnest-examples-") as out:
        record(examples, script, module, 0, timeout, Path(out))
        other = _recordings.load(Path(out))
    random = not _recordings.identical(reference, again)
    kind = ("random" if random else "deterministic") if reference.recorders else "nothing recorded"
    measured = (reference.seconds, other.seconds, len(reference.recorders), reference.events)
    if other.error:
        return Verdict(script, True, False, kind, f"fails: {other.error}", *measured)
    if random:
        problems, difference = _recordings.compare_statistics(reference, again, other)
    else:
        problems, difference = _recordings.compare_traces(reference, other)
    said = (
        f"differs: {'; '.join(problems[:3])}{f'; {len(problems) - 3} more' if len(problems) > 3 else ''}"
        if problems
        else "agrees"
    )
    return Verdict(script, True, not problems, kind, said, *measured, difference)


def chosen_scripts(examples: Path, only: Sequence[str]) -> list[str]:
    """Paths from the examples' folder; `only` are names or paths, with or without ".py"."""
    scripts = sorted(path.relative_to(examples).as_posix() for path in examples.rglob("*.py"))
    if not scripts:
        raise ToolError(f"no examples in {examples}: --nest-source has to be a checkout of NEST at tag v3.10")
    if not only:
        return scripts
    wanted = {name.removesuffix(".py") for name in only}
    names = {script: {script.removesuffix(".py"), Path(script).stem, Path(script).parent.as_posix()} for script in scripts}
    unknown = wanted - set().union(*names.values())
    if unknown:
        raise ToolError(f"no such example: {', '.join(sorted(unknown))}")
    return [script for script in scripts if names[script] & wanted]


def row(verdict: Verdict) -> list[str]:
    difference = "" if verdict.difference is None else f"{verdict.difference:.1e}"
    numbers = [f"{verdict.nest_seconds:.1f}", f"{verdict.seconds:.1f}", str(verdict.recorders), str(verdict.events), difference]
    return [verdict.script, verdict.kind, *(numbers if verdict.counted else [numbers[0], *[""] * 4]), verdict.said]


def report(verdicts: Iterable[Verdict]) -> None:
    verdicts = list(verdicts)
    header = ["script", "kind", "NEST s", "s", "recorders", "events", "difference", "verdict"]
    print(_common.table(header, map(row, verdicts)))
    counted = [verdict for verdict in verdicts if verdict.counted]
    agree = sum(verdict.good for verdict in counted)
    others = Counter(verdict.kind for verdict in verdicts if not verdict.counted)
    listed = ", ".join(f"{kind} {number}" for kind, number in others.most_common())
    print(
        f"\n{len(verdicts)} scripts: {agree} of {len(counted)} agree with NEST; not counted {others.total()} ({listed or '-'})"
    )


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nest-source", type=Path, required=True, help="a checkout of NEST at tag v3.10")
    parser.add_argument("--module", default="jaxnest", help="what takes nest's place: jaxnest (default), nest, or a module")
    parser.add_argument("--only", nargs="+", default=[], help="only these scripts, or those of these folders")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds a script may take")
    parser.add_argument("--results", type=Path, help="write the verdicts to this JSON file")
    return parser.parse_args(given)


def run(options: argparse.Namespace) -> int:
    examples = (options.nest_source / "pynest" / "examples").resolve()
    scripts = chosen_scripts(examples, options.only)
    lacking = _common.model_names("nest") - _common.model_names(options.module)
    verdicts = []
    for script in scripts:
        verdicts.append(judge(examples, script, options.module, options.timeout, lacking))
        print(f"{len(verdicts)} of {len(scripts)}: {script}: {verdicts[-1].said}", file=sys.stderr)
    report(verdicts)
    if options.results:
        content = {"module": options.module, "nest": _common.nest_version(), "scripts": [asdict(v) for v in verdicts]}
        _common.write_json(options.results, content)
    return 1 if any(verdict.counted and not verdict.good for verdict in verdicts) else 0


def main(given: Sequence[str] | None = None) -> int:
    _common.end_on_termination()
    try:
        return run(arguments(given))
    except ToolError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
