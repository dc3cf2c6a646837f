"""Text files of recorders are byte for byte those of NEST, given the same events."""

import numpy as np
import pytest

from jaxnest.nest._ascii import TextFiles, columns, print_events
from jaxnest.nest._errors import NESTErrors

SPIKES = {"senders": np.array([2, 3, 2]), "times": np.array([1.0, 1.2, 12.7])}
WEIGHTS = np.random.default_rng(1).normal(20.0, 5.0, (5, 3))
# the NEST models of the recorders below, and what each records
RECORDERS = {
    "spike_recorder": {},
    "multimeter": {"record_from": ["V_m", "I_syn_ex"], "interval": 0.5},
    "voltmeter": {"interval": 2.0},
    "weight_recorder": {},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def twins(nest, settings, threads=1, **file_settings):
    """A small network where each recorder exists twice: pairs (writing to memory, writing to a file)."""
    nest.ResetKernel()
    nest.set(local_num_threads=threads, data_path="here", data_prefix="p_", overwrite_files=False)
    noise = nest.Create("poisson_generator_ps", params={"rate": 2000.0})
    parrots = nest.Create("parrot_neuron_ps", 3)
    cells = nest.Create("iaf_psc_alpha", 5)
    pairs = []
    for model, params in RECORDERS.items():
        memory = nest.Create(model, params={**params, **settings})
        text = nest.Create(model, params={**params, **settings, "record_to": "ascii", **file_settings})
        pairs.append((memory, text, nest.network_size))
        if model == "weight_recorder":
            for name, recorder in (("for_memory", memory), ("for_text", text)):
                nest.CopyModel("static_synapse", name, {"weight_recorder": recorder})
                nest.Connect(parrots, cells, syn_spec={"synapse_model": name, "weight": WEIGHTS})
        else:
            for recorder in (memory, text):
                if model == "spike_recorder":
                    nest.Connect(parrots, recorder)
                else:
                    nest.Connect(recorder, cells)
    nest.Connect(noise, parrots)
    nest.Create("parrot_neuron", 100)  # more digits for the last node's ID: the recorders keep their padding
    return pairs


@pytest.mark.parametrize(
    ("settings", "file_settings", "threads"),
    [
        ({}, {}, 1),
        ({"time_in_steps": True}, {"precision": 6}, 1),
        ({}, {"precision": 0, "file_extension": "txt"}, 1),
        ({}, {"precision": -1}, 1),
        ({}, {}, 3),
    ],
)
def test_same_bytes_as_nest(folder, settings, file_settings, threads):
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    (folder / "here").mkdir()
    (folder / "ours").mkdir()
    pairs = twins(nest, settings, threads, **file_settings)
    ours = []
    for _, text, size in pairs:
        made = TextFiles(text.model, text.global_id, size, num_vps=threads)
        made.set({**settings, **file_settings}, simulated=False)
        shown = text.get(list(made.status()))
        expected = made.status("here", "p_")
        assert set(shown.pop("filenames")) <= set(expected.pop("filenames"))
        assert shown == expected
        names = RECORDERS[text.model].get("record_from", ["V_m"] if text.model == "voltmeter" else [])
        made.open(columns(text.model, names), "ours", "p_")
        ours.append(made)

    written = [0] * len(pairs)
    nest.Prepare()
    for run in (5.0, 7.0) if threads == 1 else (12.0,):  # several threads: memory is in the files' order for one run only
        nest.Run(run)
        for k, (memory, *_) in enumerate(pairs):
            ours[k].write({name: values[written[k] :] for name, values in memory.events.items()})
            written[k] = memory.n_events
    nest.Cleanup()
    for made in ours:
        made.close()

    assert sorted(path.name for path in (folder / "here").iterdir()) == sorted(
        path.name for path in (folder / "ours").iterdir()
    )
    for path in (folder / "here").iterdir():
        assert (folder / "ours" / path.name).read_bytes() == path.read_bytes(), path.name
        assert path.read_bytes().count(b"\n") > 5
    nest.ResetKernel()
    nest.set(data_path=".", data_prefix="")


def test_label_replaces_the_model():
    files = TextFiles("spike_recorder", 7, 12, label="my")
    assert files.filenames() == ["my-07-0.dat"]
    assert files.filenames("/a", "b") == files.filenames("/a/", "b") == ["/a/bmy-07-0.dat"]


def test_a_file_is_not_overwritten_unasked(folder):
    files = TextFiles("spike_recorder", 1, 1, num_vps=2)
    files.open(())
    files.write(SPIKES)
    files.close()
    before = (folder / "spike_recorder-1-0.dat").read_text()
    assert before.endswith("2\t1.000\n2\t12.700\n")
    with pytest.raises(NESTErrors.IOError, match="already exists and overwriting files is disabled"):
        files.open(())
    assert (folder / "spike_recorder-1-0.dat").read_text() == before
    files.open((), overwrite=True)
    assert (folder / "spike_recorder-1-0.dat").read_text().endswith("sender\ttime_ms\n")


def test_bad_input(folder):
    files = TextFiles("spike_recorder", 1, 1)
    with pytest.raises(NESTErrors.BackendNotPrepared):
        files.write(SPIKES)
    with pytest.raises(NESTErrors.IOError, match="while opening file 'nowhere/"):
        files.open((), "nowhere")
    with pytest.raises(NESTErrors.TypeMismatch, match="cast 'precision' from double to type long"):
        files.set({"precision": 2.0, "label": "a"}, simulated=False)
    assert files.label == ""
    with pytest.raises(NESTErrors.BadProperty, match="time_in_steps cannot be set after Simulate"):
        files.set({"time_in_steps": True}, simulated=True)
    files.set({"time_in_steps": False, "precision": np.int64(4)}, simulated=True)
    assert files.precision == 4


def test_screen(capsys):
    spikes = {**SPIKES, "state": np.array([1, 2, 3]), "x": np.array([0.25, np.nan, -np.inf])}
    print_events(spikes, ("x", "state"), precision=1)
    assert capsys.readouterr().out == "2\t1.0\t0.2\t1\n3\t1.2\tnan\t2\n2\t12.7\t-inf\t3\n"
    steps = {"senders": np.array([5]), "times": np.array([12])}
    print_events(steps, (), time_in_steps=True)
    assert capsys.readouterr().out == "5\t12\t0.000\n"
    print_events({"senders": np.array([]), "times": np.array([])}, ())
    assert capsys.readouterr().out == ""


def test_screen_same_as_nest(capfd):
    nest = pytest.importorskip("nest")
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    source = nest.Create("spike_generator", params={"spike_times": [1.0, 2.3]})
    parrot = nest.Create("parrot_neuron")
    screen = nest.Create("spike_recorder", params={"record_to": "screen", "precision": 5})
    memory = nest.Create("spike_recorder")
    nest.Connect(source, parrot)
    nest.Connect(parrot, screen + memory)
    capfd.readouterr()
    nest.Simulate(10.0)
    theirs = capfd.readouterr().out
    print_events(memory.events, (), precision=5)
    assert capfd.readouterr().out == theirs == "2\t2.00000\n2\t3.30000\n"
