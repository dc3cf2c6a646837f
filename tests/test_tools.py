"""The tools that measure jaxnest against NEST: what hangs, crashes or is missing is counted, and differences are seen."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

TOOLS = Path(__file__).parents[1] / "tools"
if str(TOOLS) not in sys.path:
    sys.path.insert(0, str(TOOLS))  # the tools are scripts: each imports those beside it

runs = importlib.import_module("_pytest_runs")
suite = importlib.import_module("nest_testsuite")
recordings = importlib.import_module("_recordings")
examples = importlib.import_module("pynest_examples")
common = importlib.import_module("_common")

needs_nest = pytest.mark.skipif(find_spec("nest") is None, reason="needs real NEST")

OUTCOMES = """
import os, signal, time, unittest
import pytest

@pytest.fixture
def broken():
    raise KeyError("set-up")

@pytest.mark.parametrize("model", ["iaf_psc_alpha", "iaf_psc_exp"])
def test_passes(model): pass
def test_fails(): assert 1 + 1 == 3, "sum of 2"
def test_errs(broken): pass
@pytest.mark.skip(reason="not here")
def test_skipped(): pass
@pytest.mark.xfail
def test_expected(): raise ValueError
def test_kills(): os.kill(os.getpid(), signal.SIGSEGV)
class TestUnit(unittest.TestCase):
    def test_sub(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertEqual(number, 1)
def test_hangs(): time.sleep(600)
def test_after(): pass
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_every_outcome_is_kept(tmp_path: Path) -> None:
    root = write(tmp_path, test_a=OUTCOMES, test_b="import no_such_module", test_c="def test_one(): pass")
    results = runs.run_files(["test_a.py", "test_b.py", "test_c.py"], runs.Settings(root, "nest", timeout=4.0))
    outcomes = {name.partition("::")[2]: case.outcome for name, case in results.cases.items()}
    assert outcomes == {
        "test_passes[iaf_psc_alpha]": "passed",
        "test_passes[iaf_psc_exp]": "passed",
        "test_fails": "failed",
        "test_errs": "errored",
        "test_skipped": "skipped",
        "test_expected": "xfailed",
        "test_kills": "crashed",
        "TestUnit::test_sub": "failed",
        "test_hangs": "timeout",
        "test_after": "passed",
        "test_one": "passed",
    }
    reasons = {name.partition("::")[2]: case.reason for name, case in results.cases.items()}
    assert "sum of 2" in reasons["test_fails"]
    assert "KeyError" in reasons["test_errs"]
    assert "SIGSEGV" in reasons["test_kills"]
    assert "no_such_module" in results.broken["test_b.py"]


def test_a_file_that_keeps_crashing_is_given_up(tmp_path: Path) -> None:
    text = "import os, pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_dies(n): os._exit(7)"
    root = write(tmp_path, test_a=text, test_b="def test_one(): pass", test_c="import os; os._exit(7)")
    results = runs.run_files(["test_a.py", "test_b.py", "test_c.py"], runs.Settings(root, "nest"))
    dead = [case for name, case in results.cases.items() if name.startswith("test_a")]
    assert [case.outcome for case in dead] == ["crashed"] * 6
    assert sum("given up" in case.reason for case in dead) == 6 - runs.CHANCES
    assert results.cases["test_b.py::test_one"].outcome == "passed"
    assert "crashed while it was imported" in results.broken["test_c.py"]


def test_pytest_that_does_not_start_is_no_success(tmp_path: Path) -> None:
    root = write(tmp_path, conftest="import no_such_module", test_a="def test_one(): pass")
    results = runs.run_files(["test_a.py"], runs.Settings(root, "nest"))
    assert not results.cases
    assert "pytest stopped" in results.broken["test_a.py"]


def test_cases_that_are_not_collected_are_counted() -> None:
    results = runs.Results(cases={"f/a.py::t": runs.Case()}, broken={"f/b.py": "ImportError: x"})
    expected = ["f/a.py::t", "f/a.py::t[hh-0]", "f/a.py::t[other]", "f/b.py::t"]
    scored = suite.score(expected, results, {"hh", "iaf"}, {"iaf"})
    assert list(scored) == expected
    assert [case.outcome for case in scored.values()] == ["passed", *["not collected"] * 3]
    reasons = [case.reason for case in scored.values()]
    assert reasons[1:] == ["parametrised by a model list that lacks hh", "the file has no such case", "ImportError: x"]
    assert suite.share(list(scored.values())) == "25.0 %"


def test_reasons_are_grouped_by_similarity() -> None:
    scored = {
        "a": runs.Case("failed", reason="E: hh_a is unknown, see 'here' at 3.5e-2"),
        "b": runs.Case("failed", reason="E: hh_b is unknown, see 'there' at -7"),
        "c": runs.Case("errored", reason="E: hh_b is unknown, see 'there' at -7"),
        "d": runs.Case("passed"),
    }
    found = suite.groups(scored, {"hh_a", "hh_b"})
    assert [cases for _, cases in found] == [["a", "b"], ["c"]]
    assert found[0][0] == "failed: E: MODEL is unknown, see '…' at N"


def test_files_are_chosen_by_the_models_they_name(tmp_path: Path) -> None:
    texts = {"a": "x = 'iaf'", "b": "x = ('iaf', 'hh')", "c": "for m in nest.node_models: pass", "d": "x = 'nothing'"}
    write(tmp_path, **texts)
    chosen = suite.files_naming_only(tmp_path, [f"{name}.py" for name in texts], {"iaf", "hh"}, {"iaf"})
    assert chosen == {"a.py", "d.py"}


def test_a_baseline_shows_what_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {"a": runs.Case("passed"), "b": runs.Case("failed"), "c": runs.Case("passed")}
    baseline = tmp_path / "baseline.json"
    common.write_json(baseline, {"cases": {name: vars(case) for name, case in before.items()}})
    now = {"a": runs.Case("failed", reason="why"), "b": runs.Case("passed"), "d": runs.Case("failed")}
    assert suite.compare(now, baseline) == 1
    assert "no longer: a: failed: why" in capsys.readouterr().out


def test_sources_that_are_not_nest_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert examples.main(["--nest-source", str(tmp_path)]) == 2
    assert "checkout of NEST" in capsys.readouterr().err
    with pytest.raises(common.ToolError, match="checkout of NEST"):
        suite.test_files(tmp_path)


def recording(rng: np.random.Generator, rate: float = 5.0, mean: float = -60.0, nodes: int = 3) -> recordings.Recording:
    """A spike recorder and a voltmeter over 1000 ms."""
    times = np.sort(np.round(rng.uniform(0, 1000, rng.poisson(100 * rate)), 1))
    spikes = {"times": times, "senders": np.ones(len(times), int)}
    volts = {"times": np.arange(1000.0), "senders": np.ones(1000, int), "V_m": rng.normal(mean, 2.0, 1000)}
    recorders = {"0/spike_recorder/2": recordings.ordered(spikes), "0/voltmeter/3": recordings.ordered(volts)}
    return recordings.Recording("", 1.0, [{"nodes": nodes, "connections": 2}], recorders)


def changed(original: recordings.Recording, key: str, variable: str, values: np.ndarray) -> recordings.Recording:
    recorder = {**original.recorders[key], variable: values}
    return recordings.Recording("", 1.0, original.epochs, {**original.recorders, key: recorder})


def test_traces_are_compared_value_by_value() -> None:
    run = recording(np.random.default_rng(0))
    assert recordings.identical(run, run)
    assert recordings.compare_traces(run, run) == ([], 0.0)
    volts = run.recorders["0/voltmeter/3"]["V_m"]
    near = changed(run, "0/voltmeter/3", "V_m", volts + 1e-8)
    problems, largest = recordings.compare_traces(run, near)
    assert not recordings.identical(run, near)
    assert not problems
    assert 0 < largest < 1e-8
    for key, variable, values in (
        ("0/voltmeter/3", "V_m", volts + 1e-3),
        ("0/voltmeter/3", "V_m", np.where(np.arange(1000) == 5, np.nan, volts)),
        ("0/voltmeter/3", "senders", np.full(1000, 2)),
        ("0/spike_recorder/2", "times", run.recorders["0/spike_recorder/2"]["times"] + 0.1),
        ("0/spike_recorder/2", "times", np.arange(3.0)),
    ):
        assert len(recordings.compare_traces(run, changed(run, key, variable, values))[0]) == 1
    fewer = recordings.Recording("", 1.0, [{"nodes": 4, "connections": 2}], {"0/voltmeter/3": run.recorders["0/voltmeter/3"]})
    assert len(recordings.compare_traces(run, fewer)[0]) == 2


def test_random_runs_are_compared_by_counts_and_means() -> None:
    rng = np.random.default_rng(1)
    reference, again = recording(rng), recording(rng)
    problems, used = recordings.compare_statistics(reference, again, recording(rng))
    assert not problems
    assert used < 1
    for other in (recording(rng, rate=8.0), recording(rng, mean=-55.0), recording(rng, nodes=4)):
        assert len(recordings.compare_statistics(reference, again, other)[0]) == 1


EXAMPLES = {
    "steady": "import nest, beside\nnest.ResetKernel()\nn = nest.Create('iaf_psc_alpha', params={'I_e': beside.CURRENT})\n"
    "v = nest.Create('voltmeter')\nnest.Create('multimeter', params={'record_to': 'ascii'})\nnest.Connect(v, n)\nnest.Simulate(20.0)\nnest.ResetKernel()\nnest.Create('parrot_neuron')",
    "beside": "CURRENT = 400.0\nNAMED = 'hh_psc_alpha'",
    "noisy": "import nest\nnest.rng_seed = 5\ng = nest.Create('poisson_generator', params={'rate': 2000.0})\n"
    "nest.CopyModel('spike_recorder', 'mine')\nr = nest.Create('mine')\nnest.Connect(g, r)\nnest.Simulate(500.0)",
    "stops": "raise RuntimeError('no more')",
}


@needs_nest
def test_examples_are_run_and_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "examples"
    folder.mkdir()
    write(folder, **EXAMPLES)
    assert examples.chosen_scripts(folder, ["noisy", "steady.py"]) == ["noisy.py", "steady.py"]

    def judge(name: str, lacking: set[str]) -> examples.Verdict:
        return examples.judge(folder, f"{name}.py", "nest", 60.0, lacking)

    needs, steady, noisy = judge("steady", {"hh_psc_alpha"}), judge("steady", set()), judge("noisy", set())
    assert (needs.counted, needs.said) == (False, "needs: hh_psc_alpha")
    assert (steady.kind, steady.said, steady.recorders, steady.difference) == ("deterministic", "agrees", 1, 0.0)
    assert (noisy.kind, noisy.said, noisy.recorders) == ("random", "agrees", 1)
    assert judge("stops", set()).said == "with NEST: RuntimeError: no more"
    assert judge("beside", set()).kind == "no network"
    examples.report([needs, steady, noisy])
