"""Runs NEST's own tests with jaxnest in the place of `nest`, and scores them against the cases that real NEST has.

    python tools/nest_testsuite.py --nest-source DIR [--folder spatial other] [--file 'test_create*'] [--results out.json]

DIR is a checkout of NEST at tag v3.10. The IDs of the cases are collected with real NEST (nest-simulator 3.10.0, in the same
environment) and kept in the user's cache directory: a case that does not exist with jaxnest, for instance because a test runs over
all models, has not been passed. Left out are the tests that need MPI, MUSIC, HDF5 (SONATA) or libneurosim.

`--baseline FILE` compares with the results of an earlier run; the exit status is then 1 if a case that passed no longer does.
Without it the exit status is 0 however many cases pass. `--module nest` runs real NEST, to measure the measure.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import _common
from _common import ToolError
from _pytest_runs import Case, Results, Settings, run_batches, run_files

FOLDERS = (
    "connect",
    "neurons",
    "other",
    "recording",
    "regressions",
    "spatial",
    "stimulating",
    "structural_plasticity",
    "synapses",
)
EXCLUDED = {
    "connect/test_sonata.py": "HDF5",
    "connect/test_connect_conngen.py": "libneurosim",
    "regressions/test_issue_1703.py": "MPI",
    "regressions/test_issue_1974.py": "MUSIC",
}
NEEDED = ("numpy", "pandas", "pytest", "scipy", "matplotlib")
ISSUE_A = frozenset(
    (
        *("iaf_psc_alpha", "iaf_psc_exp", "iaf_psc_delta", "parrot_neuron", "static_synapse"),
        *("spike_generator", "poisson_generator", "dc_generator", "noise_generator", "step_current_generator"),
        *("spike_recorder", "multimeter", "voltmeter", "weight_recorder"),
    )
)
"""The models that jaxnest had when its face of NEST was begun: a fixed set, so that the share passed can be followed."""
FILES_A_PROCESS = 8
OUTCOMES = ("passed", "failed", "errored", "timeout", "crashed", "skipped", "xfailed", "not collected")
GOOD = ("passed", "xfailed")
BAD = ("failed", "errored", "timeout", "crashed", "not collected")


def test_files(root: Path) -> list[str]:
    """The files of tests that can be run by one process on one machine, relative to `root`."""
    found = [path.relative_to(root).as_posix() for folder in FOLDERS for path in sorted((root / folder).rglob("test_*.py"))]
    if not found:
        raise ToolError(f"no tests of NEST in {root}: --nest-source has to be a checkout of NEST at tag v3.10")
    return [file for file in found if file not in EXCLUDED]


def expected_cases(root: Path, files: Sequence[str]) -> list[str]:
    """IDs of the cases that real NEST has in all of `files`; collected once, then read from the cache."""
    sources = [*root.glob("*.py"), *(path for folder in (*FOLDERS, "utilities") for path in (root / folder).rglob("*.py"))]
    key = _common.digest(sources, root, _common.nest_version(), metadata.version("pytest"), *files)
    kept = _common.cache_folder("nest-tests") / f"{_common.nest_version()}-{key}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    print("collecting the cases with real NEST ...", file=sys.stderr)
    results = run_files(files, Settings(root, "nest", timeout=600.0, only_collect=True))
    if results.broken:
        listed = "\n".join(f"  {file}: {reason}" for file, reason in results.broken.items())
        raise ToolError(f"real NEST cannot collect its own tests:\n{listed}")
    cases = sorted(results.collected)
    _common.write_json(kept, cases)
    return cases


def file_of(case: str) -> str:
    return case.split("::")[0]


def check_packages() -> None:
    """Raises `ToolError` when something that NEST's tests import is not installed."""
    probe = f"import importlib.util as u; print(*[n for n in {NEEDED!r} if not u.find_spec(n)])"
    missing = subprocess.run(
        [sys.executable, "-c", probe], env=_common.environment(), capture_output=True, text=True
    ).stdout.split()
    if missing:
        raise ToolError(f"NEST's tests need packages that are not installed: pip install {' '.join(missing)}")


def words(text: str) -> set[str]:
    """The names in a text, among them those of models."""
    return set(re.findall(r"[A-Za-z_]\w*", text))


def why_not_collected(case: str, results: Results, models: Iterable[str], known: set[str]) -> str:
    """`models` are the names that real NEST has, `known` those of the module under test."""
    broken = results.broken.get(file_of(case))
    if broken:
        return broken
    lacking = sorted(words(case.partition("[")[2]) & (set(models) - known))
    if lacking:
        return f"parametrised by a model list that lacks {', '.join(lacking)}"
    return "the file has no such case"


def score(expected: Iterable[str], results: Results, models: Iterable[str], known: set[str]) -> dict[str, Case]:
    """What became of each of the expected cases; no case that real NEST has is missing from the answer."""
    models = list(models)
    scored = {}
    for case in expected:
        done = results.cases.get(case)
        scored[case] = done or Case("not collected", reason=why_not_collected(case, results, models, known))
    return scored


def normalised(reason: str, models: set[str]) -> str:
    """A reason without what differs from case to case: models' names, what is quoted, numbers, addresses."""
    text = re.sub(r"(model list that lacks) .*", r"\1 MODEL", reason)
    text = re.sub(r"[A-Za-z_]\w*", lambda name: "MODEL" if name[0] in models else name[0], text)
    text = re.sub(r"0x[0-9a-fA-F]+", "0x…", text)
    text = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", "'…'", text)
    text = re.sub(r"(?<![A-Za-z_])[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", "N", text)
    return text[:160]


def groups(scored: Mapping[str, Case], models: set[str]) -> list[tuple[str, list[str]]]:
    """Cases that did not pass, by normalised reason, the largest group first."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, case in scored.items():
        if case.outcome in BAD:
            found[f"{case.outcome}: {normalised(case.reason, models)}"].append(name)
    return sorted(found.items(), key=lambda group: -len(group[1]))


def files_naming_only(root: Path, files: Iterable[str], models: set[str], allowed: Iterable[str]) -> set[str]:
    """Files that name no model of NEST's outside `allowed`, and do not take the list of all models."""
    chosen = set()
    for file in files:
        strings, attributes = _common.names_used(root / file)
        if not strings & (models - set(allowed)) and not attributes & {"node_models", "synapse_models"}:
            chosen.add(file)
    return chosen


def share(cases: Sequence[Case]) -> str:
    """Of all cases those that passed, or failed where NEST's test says that it has to; what is skipped is not passed."""
    passed = sum(case.outcome in GOOD for case in cases)
    return f"{100 * passed / len(cases):.1f} %" if cases else "-"


def by_folder(scored: Mapping[str, Case]) -> str:
    """The table of outcomes."""
    rows = []
    folders = defaultdict(list)
    for name, case in scored.items():
        folders[name.split("/")[0]].append(case)
    folders["all"] = list(scored.values())
    for folder, cases in folders.items():
        counts = Counter(case.outcome for case in cases)
        ran = sum(case.outcome != "not collected" for case in cases)
        seconds = sum(case.seconds for case in cases) / ran if ran else 0.0
        rows.append([folder, len(cases), *(counts[name] for name in OUTCOMES), share(cases), f"{seconds:.3f}"])
    return _common.table(["folder", "cases", *OUTCOMES, "share", "s a case"], rows)


def report(root: Path, scored: Mapping[str, Case], models: set[str], known: set[str], most: int = 40) -> None:
    """Print the tables, the reasons, and the special sets."""
    print(by_folder(scored))
    found = groups(scored, models)
    if found:
        print(f"\nReasons ({len(found)} groups{f', the {most} largest' if len(found) > most else ''}):")
    for reason, cases in found[:most]:
        where = scored[cases[0]].where
        print(f"{len(cases):6}  {reason}\n        e.g. {cases[0]}{f'  ({where})' if where else ''}")
    lacking = Counter(name for case in scored.values() if case.outcome in BAD for name in words(case.reason) & (models - known))
    if lacking:
        print("\nModels named as missing, and by how many cases:")
        print("  " + ", ".join(f"{name} {count}" for name, count in lacking.most_common(30)))
    files = sorted({file_of(case) for case in scored})
    print()
    for title, allowed in (("the models of issue A", ISSUE_A), ("models that the module has", known)):
        chosen = files_naming_only(root, files, models, allowed)
        within = [case for name, case in scored.items() if file_of(name) in chosen]
        passed = sum(case.outcome in GOOD for case in within)
        print(f"files that name only {title}: {len(chosen)} files, {len(within)} cases, {passed} passed ({share(within)})")


def compare(scored: Mapping[str, Case], baseline: Path) -> int:
    """Print what changed since an earlier run; the number of cases that passed then and do not now."""
    before = {name: case["outcome"] for name, case in json.loads(baseline.read_text())["cases"].items()}
    common = [name for name in scored if name in before]
    lost = [name for name in common if before[name] in GOOD and scored[name].outcome not in GOOD]
    won = [name for name in common if before[name] not in GOOD and scored[name].outcome in GOOD]
    print(f"\nagainst {baseline}: {len(common)} cases in common, {len(won)} pass now that did not, {len(lost)} no longer pass")
    for name in lost:
        print(f"  no longer: {name}: {scored[name].outcome}: {scored[name].reason}")
    return len(lost)


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nest-source", type=Path, required=True, help="a checkout of NEST at tag v3.10")
    parser.add_argument("--module", default="jaxnest", help="what takes nest's place: jaxnest (default), nest, or a module")
    parser.add_argument("--folder", nargs="+", choices=FOLDERS, default=list(FOLDERS), help="only these folders")
    parser.add_argument("--file", nargs="+", default=["*"], help="only files whose name or path matches one of these patterns")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds a case may take")
    parser.add_argument("--results", type=Path, help="write what became of each case to this JSON file")
    parser.add_argument("--baseline", type=Path, help="compare with the --results of an earlier run")
    parser.add_argument("--list-failures", action="store_true", help="print each case that did not pass, with its reason")
    return parser.parse_args(given)


def chosen_files(files: Iterable[str], folders: Sequence[str], patterns: Sequence[str]) -> list[str]:
    kept = [file for file in files if file.split("/")[0] in folders]
    return [file for file in kept if any(fnmatch(file, p) or fnmatch(Path(file).name, p) for p in patterns)]


def run(options: argparse.Namespace) -> int:
    root = (options.nest_source / "testsuite" / "pytests").resolve()
    check_packages()
    everything = test_files(root)
    files = chosen_files(everything, options.folder, options.file)
    if not files:
        raise ToolError(f"no file of {', '.join(options.folder)} matches {' '.join(options.file)}")
    expected = [case for case in expected_cases(root, everything) if file_of(case) in set(files)]
    models, known = _common.model_names("nest"), _common.model_names(options.module)
    batches = [
        folder_files[start : start + FILES_A_PROCESS]
        for folder in FOLDERS
        for folder_files in [[file for file in files if file.split("/")[0] == folder]]
        for start in range(0, len(folder_files), FILES_A_PROCESS)
    ]
    begin = time.monotonic()
    finished = Counter[str]()

    def progress(results: Results) -> None:
        finished.update(case.outcome for case in results.cases.values())
        said = ", ".join(f"{finished[name]} {name}" for name in OUTCOMES if finished[name])
        print(f"{time.monotonic() - begin:6.0f} s  {finished.total()} of {len(expected)}: {said}", file=sys.stderr)

    results = run_batches(batches, Settings(root, options.module, options.timeout), options.workers, progress)
    scored = score(expected, results, models, known)
    report(root, scored, models, known)
    extra = len(results.collected - set(expected))
    print(f"{time.monotonic() - begin:.0f} s with {options.workers} workers" + (f"; {extra} cases NEST lacks" if extra else ""))
    if options.list_failures:
        print("\nCases that did not pass:")
        for name, case in scored.items():
            if case.outcome in BAD:
                print(f"{name}\n    {case.outcome}: {case.reason}{f'  ({case.where})' if case.where else ''}")
    lost = compare(scored, options.baseline) if options.baseline else 0
    if options.results:
        content = {"module": options.module, "nest": _common.nest_version(), "cases": {n: vars(c) for n, c in scored.items()}}
        _common.write_json(options.results, content)
    return 1 if lost else 0


def main(given: Sequence[str] | None = None) -> int:
    _common.end_on_termination()
    try:
        return run(arguments(given))
    except ToolError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
