"""The benchmarks run, and write what they say; how long anything takes is not looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command_line
from benchmarks import _compare, _report
from benchmarks._request import Request, Spec

ROOT = Path(__file__).parents[1]
ALWAYS = {"benchmark", "peak_mb"}
NETWORK = {"build_s", "compile_s", "sim_s", "real_time_factor", "bytes_per_synapse", "rate_hz"}
RULES = ("fixed_indegree", "fixed_total_number", "pairwise_bernoulli")


def run(tmp_path: Path, *arguments: str) -> list[dict]:
    target = tmp_path / "records.json"
    results = tmp_path / "RESULTS.md"
    results.write_text("# Results\n")
    command = [sys.executable, "-m", "benchmarks", *arguments, "--time", "20", "--repeats", "1"]
    command += ["--json", str(target), "--results", str(results)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    records = json.loads(target.read_text())
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(rows) == len(records) + 2
    of_memory = ("memory_ratio",) if arguments[0] == "train" else ()
    assert all(tuple(r) == (*_compare.KEYS, *of_memory) for r in records)
    head, section = results.read_text().split("\n## ")
    assert head == "# Results\n"
    assert section.startswith(f"`python -m benchmarks {' '.join(arguments)}")
    assert "jax 0." in section and "\n".join(rows) in section
    return records


@pytest.mark.parametrize(
    "arguments, names, filled",
    [
        ("brunel --scale 0.02", ["brunel"], {*NETWORK, "ns_per_event"}),
        ("stdp --scale 0.02 --precision float64", ["stdp"], NETWORK),
        ("build --scale 0.02", [*(f"build {r}" for r in RULES), "build brunel"], {"build_s", "bytes_per_synapse"}),
        ("startup", ["startup cold", "startup warm"], {"sim_s", "rate_hz"}),
        ("train --scale 0.05", ["train checkpoint", "train"], {"build_s", "compile_s", "sim_s"}),
    ],
    ids=lambda a: a.split()[0] if isinstance(a, str) else "",
)
def test_runs_and_writes_its_records(tmp_path, arguments, names, filled):
    records = run(tmp_path, *arguments.split())
    assert [r["benchmark"] for r in records] == names
    for record in records:
        assert {key for key, value in record.items() if value is not None} >= filled | ALWAYS
        assert record["peer"] is record["peer_sim_s"] is record["ratio"] is None


OURS = [{"sim_s": s, "build_s": 1.0, "rate_hz": r, "events": 1e9, "peak_mb": 10.0} for s, r in ((1.0, 9.9), (2.0, 10.1))]
THEIRS = [{"sim_s": 3.0, "build_s": 5.0, "rate_hz": 10.0, "peak_mb": 7.0}] * 2


def test_a_record_has_medians_and_ratios_of_pairs():
    record = _compare.record(Spec(), Request("brunel", "jaxnest", time=500.0), "nest", OURS, THEIRS)
    assert tuple(record) == _compare.KEYS
    assert (record["sim_s"], record["peer_sim_s"]) == (1.5, 3.0)
    assert record["ratio"] == pytest.approx((3.0 + 1.5) / 2)
    assert record["real_time_factor"] == pytest.approx(3.0)
    assert record["ns_per_event"] == pytest.approx(1.5)
    assert record["compile_s"] is None
    build = _compare.record(Spec(timed="build_s"), Request("build", "jaxnest"), "nest", OURS, THEIRS)
    assert (build["peer_sim_s"], build["ratio"]) == (5.0, 5.0)


def test_the_memory_of_pairs_is_compared_where_a_benchmark_asks_for_it():
    ours, theirs = [{"sim_s": 1.0, "step_mb": 60.0}], [{"sim_s": 2.0, "step_mb": 50.0}]
    spec, request = Spec(memory="step_mb"), Request("train", "jaxnest")
    assert _compare.record(spec, request, "scan", ours, theirs)["memory_ratio"] == pytest.approx(1.2)
    assert _compare.record(spec, request, "scan", ours, [{"sim_s": 2.0, "step_mb": None}])["memory_ratio"] is None
    assert _compare.record(spec, request, None, ours, [])["memory_ratio"] is None


def test_peers_run_in_turn_and_some_say_that_they_do_not(monkeypatch):
    asked = []

    def measure(request):
        asked.append((request.side, request.seed))
        return {"skipped": "no"} if request.side == "spyx" else {"sim_s": 1.0}

    monkeypatch.setattr(_compare, "measure", measure)
    runs = _compare.in_turn(Request("train", "", seed=1), ["spyx", "scan"], 2)
    assert {side: len(found) for side, found in runs.items()} == {"jaxnest": 2, "scan": 2}
    assert asked == [("jaxnest", 1), ("spyx", 1), ("scan", 1), ("jaxnest", 2), ("scan", 2)]


def test_different_rates_are_told():
    assert _compare.differences(Spec(), OURS, THEIRS) == []
    (told,) = _compare.differences(Spec(), OURS, [{**THEIRS[0], "rate_hz": 10.3}])
    assert "rate_hz" in told and "not the same network" in told


def test_a_table_keeps_the_record_and_leaves_out_what_nothing_fills():
    text = _report.table([{"benchmark": "a", "sim_s": None, "mine": None, "other": 1.0}, {"benchmark": "b", "other": 2.5}])
    assert text.splitlines()[0] == "| benchmark | sim s | other |"
    assert text.splitlines()[2] == "|         a |       |     1 |"


@pytest.mark.parametrize(
    "arguments, word",
    [
        ("brunel --against brian2", "nest only"),
        ("train --against scan nest", "scan only"),
        ("brunel --scale 0", "positive"),
        ("cuba --against brian2", "pip install"),
    ],
)
def test_what_cannot_run_is_refused(monkeypatch, capsys, arguments, word):
    monkeypatch.setattr(command_line.importlib.util, "find_spec", lambda name: None)
    assert command_line.main(arguments.split()) == 2
    assert word in capsys.readouterr().err


def test_a_run_that_fails_ends_with_its_message(monkeypatch, capsys):
    def fails(request, peer, repeats):
        raise _compare.Failed("jaxnest failed with exit code 1")

    monkeypatch.setattr(_compare, "in_turn", fails)
    assert command_line.main(["brunel"]) == 1
    assert "exit code 1" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["cuba --scale 0.05", "deliver --scale 0.02 --lowering xla", "microcircuit --scale 0.01"])
def test_the_others_run(tmp_path, arguments):
    (record,) = run(tmp_path, *arguments.split())
    assert record["sim_s"] is not None
