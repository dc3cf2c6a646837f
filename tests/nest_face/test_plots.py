"""The plots show what NEST's show, from the same devices of NEST and the same files."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest

import jaxnest
from jaxnest.nest import raster_plot, visualization, voltage_trace

matplotlib = pytest.importorskip("matplotlib")
DATA = np.array([[2.0, 1.0], [3.0, 2.0], [2.0, 12.5], [4.0, 21.0]])  # node ID, time
# no spike on a bin's edge, where NEST leaves it to rounding into which bin it falls
BINS = {"hist_binwidth": 3.333}


@pytest.fixture(autouse=True)
def plt(monkeypatch):
    matplotlib.use("Agg")
    plt = importlib.import_module("matplotlib.pyplot")
    yield plt
    plt.close("all")


@pytest.fixture
def nest(tmp_path, monkeypatch):
    """NEST, standing for this package's face as well: our plots read NEST's own devices."""
    nest = pytest.importorskip("nest")
    for module in ("raster_plot", "voltage_trace"):
        importlib.import_module(f"nest.{module}")
    monkeypatch.setattr(jaxnest, "nest", nest, raising=False)
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(overwrite_files=True, data_path=str(tmp_path), data_prefix="")
    yield nest
    nest.ResetKernel()
    nest.set(data_path=".", data_prefix="")


@pytest.fixture
def devices(nest):
    """Recorders of a few spiking neurons, after 200 ms."""
    noise = nest.Create("poisson_generator", params={"rate": 8000.0})
    cells = nest.Create("iaf_psc_alpha", 4)
    nest.Connect(noise, cells, syn_spec={"weight": 60.0})
    settings = {
        "spikes": ("spike_recorder", {}),
        "spike_steps": ("spike_recorder", {"time_in_steps": True}),
        "spike_file": ("spike_recorder", {"record_to": "ascii"}),
        "spike_file_steps": ("spike_recorder", {"record_to": "ascii", "time_in_steps": True}),
        "spike_screen": ("spike_recorder", {"record_to": "screen", "start": 1000.0}),
        "volts": ("voltmeter", {}),
        "volt_steps": ("voltmeter", {"time_in_steps": True}),
        "volt_file": ("voltmeter", {"record_to": "ascii", "precision": 9}),
        "volt_file_steps": ("voltmeter", {"record_to": "ascii", "time_in_steps": True, "precision": 9}),
        "volt_screen": ("voltmeter", {"record_to": "screen", "start": 1000.0}),
        "meter": ("multimeter", {"record_from": ["I_syn_ex", "V_m"]}),
        "meter_file": ("multimeter", {"record_from": ["I_syn_ex", "V_m"], "record_to": "ascii"}),
        "current": ("multimeter", {"record_from": ["I_syn_ex"]}),
    }
    made = {name: nest.Create(model, params=params) for name, (model, params) in settings.items()}
    for name, device in made.items():
        if name.startswith("spike"):
            nest.Connect(cells, device)
        else:
            nest.Connect(device, cells[:3])
    silent = {"no_spikes": nest.Create("spike_recorder"), "no_volts": nest.Create("voltmeter")}
    nest.Simulate(200.0)
    return SimpleNamespace(**made, **silent, cells=cells)


def picture(plt, draw):
    """What ``draw`` returns (its nesting of lists) and what the current figure then shows."""
    plt.close("all")
    returned = draw()
    axes = plt.gcf().axes
    shown = [(a.get_title(), a.get_xlabel(), a.get_ylabel(), a.get_xlim(), len(a.patches)) for a in axes]
    lines = [(line.get_label(), line.get_color(), line.get_marker(), line.get_linestyle()) for a in axes for line in a.lines]
    points = [line.get_xydata() for a in axes for line in a.lines]
    bars = [patch.get_height() for a in axes for patch in a.patches]
    legend = [text.get_text() for a in axes if a.get_legend() for text in a.get_legend().get_texts()]
    nesting = [len(part) if isinstance(part, list) else type(part).__name__ for part in returned or []]
    return nesting, shown, lines, points, bars, legend, axes.index(plt.gca())


def assert_same(ours, theirs, returned=True):
    if returned:
        assert ours[0] == theirs[0]
    for (*texts, limits, bars), (*other_texts, other_limits, other_bars) in zip(ours[1], theirs[1], strict=True):
        assert texts == other_texts and bars == other_bars
        np.testing.assert_allclose(limits, other_limits, rtol=1e-6, atol=1e-6)
    assert ours[2] == theirs[2] and ours[5:] == theirs[5:]
    for mine, other in zip(ours[3], theirs[3], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)  # NEST keeps potentials in single precision
    np.testing.assert_allclose(ours[4], theirs[4], rtol=1e-12)


@pytest.mark.parametrize("kwargs", [BINS, {"hist": False}, {**BINS, "grayscale": True, "title": "mine"}])
def test_raster_of_a_device(plt, nest, devices, kwargs):
    assert_same(
        picture(plt, lambda: raster_plot.from_device(devices.spikes, **kwargs)),
        picture(plt, lambda: nest.raster_plot.from_device(devices.spikes, **kwargs)),
    )


def test_raster_of_files(plt, nest, devices):
    theirs = picture(plt, lambda: nest.raster_plot.from_file_numpy(devices.spike_file.filenames, **BINS))
    name = devices.spike_file.filenames[0]
    draws = [
        lambda: raster_plot.from_file_numpy([name], **BINS),
        lambda: raster_plot.from_file_numpy(name, **BINS),
        lambda: raster_plot.from_file(name, **BINS),
        lambda: raster_plot.from_file((name,), **BINS),
        lambda: raster_plot.from_device(devices.spike_file, **BINS),
    ]
    for draw in draws:
        assert_same(picture(plt, draw), theirs)
    twice = picture(plt, lambda: raster_plot.from_file([name, name], hist=False))
    assert len(twice[3][0]) == 2 * len(theirs[3][0])


def test_raster_of_files_with_pandas(plt, nest, devices):
    pytest.importorskip("pandas")
    names = list(devices.spike_file.filenames)
    assert_same(
        picture(plt, lambda: raster_plot.from_file_pandas(names)),
        picture(plt, lambda: raster_plot.from_file_numpy(names)),
    )


@pytest.mark.parametrize("kwargs", [{}, {"sel": [2, 4]}, {"sel": [], "xlabel": "x"}])
def test_raster_of_data(plt, nest, kwargs):
    assert_same(
        picture(plt, lambda: raster_plot.from_data(DATA, **kwargs)),
        picture(plt, lambda: nest.raster_plot.from_data(DATA, **kwargs)),
    )


def test_rates_are_those_of_the_bins(plt):
    """The bars begin at the first spike, lie where their spikes are, and their heights are rates."""
    raster_plot.from_data(DATA, sel=[99], hist_binwidth=10.0)
    upper, lower = plt.gcf().axes
    assert [bar.get_x() for bar in lower.patches] == [1.0, 11.0]
    assert [bar.get_height() for bar in lower.patches] == pytest.approx([2 / 3 / 0.01, 2 / 3 / 0.01])
    assert len(upper.lines[0].get_xdata()) == 0 and upper.get_xlim() == lower.get_xlim()
    raster_plot.from_data(DATA[:1].tolist())
    assert [bar.get_height() for bar in plt.gcf().axes[1].patches] == [200.0]
    grid = 0.1 * np.arange(3, 1003)  # bins of 50 spikes, whatever the rounding of their times
    raster_plot.from_data(np.stack([np.ones(1000), grid], axis=1))
    assert [bar.get_height() for bar in plt.gcf().axes[1].patches] == [10000.0] * 20
    with pytest.raises(ValueError, match="hist_binwidth must be > 0"):
        raster_plot.from_data(DATA, hist_binwidth=0.0)


def test_raster_in_steps_has_the_same_rates(plt, devices):
    in_ms = picture(plt, lambda: raster_plot.from_device(devices.spikes))
    in_steps = picture(plt, lambda: raster_plot.from_device(devices.spike_steps))
    assert in_steps[1][1][1] == "Steps"
    np.testing.assert_allclose(in_steps[3][0][:, 0], in_ms[3][0][:, 0] / 0.1)
    assert in_steps[4] == in_ms[4]
    from_file = picture(plt, lambda: raster_plot.from_device(devices.spike_file_steps, title=in_steps[1][0][0]))
    assert_same(from_file, in_steps)


def test_extract_events(nest):
    for kwargs in (
        {},
        {"time": [12.5]},
        {"time": [2.0, 12.5]},
        {"time": []},
        {"sel": [2]},
        {"sel": []},
        {"time": [0.0, 20.0], "sel": [2, 4]},
    ):
        ours, theirs = raster_plot.extract_events(DATA, **kwargs), nest.raster_plot.extract_events(DATA, **kwargs)
        np.testing.assert_array_equal(ours, theirs)
    assert len(raster_plot.extract_events(DATA, sel=[99])) == 0
    assert len(raster_plot.extract_events([])) == 0
    np.testing.assert_array_equal(raster_plot.extract_events([[1, -2.0], [1, 3.0]]), [[1, 3.0]])


def test_raster_errors(nest, devices):
    for kind, device in (
        (TypeError, devices.volts),
        (ValueError, devices.no_spikes),
        (ValueError, devices.spike_screen),
    ):
        with pytest.raises(kind) as theirs:
            nest.raster_plot.from_device(device)
        with pytest.raises(kind) as ours:
            raster_plot.from_device(device)
        assert str(ours.value) == str(theirs.value)
    with pytest.raises(ValueError, match="No data to plot"):
        raster_plot.from_data([])
    with pytest.raises(TypeError, match="single device"):
        raster_plot.from_device(devices.spikes + devices.no_spikes)
    with pytest.raises(TypeError, match="fname should be one of"):
        raster_plot.from_file(3)
    with pytest.raises(FileNotFoundError):
        raster_plot.from_file_numpy("no_such_file")


@pytest.mark.parametrize("device", ["volts", "volt_steps", "meter"])
@pytest.mark.parametrize("kwargs", [{}, {"neurons": [3, 2], "grayscale": True}, {"title": "mine", "timeunit": "s"}])
def test_trace_of_a_device(plt, nest, devices, device, kwargs):
    device = getattr(devices, device)
    assert_same(
        picture(plt, lambda: voltage_trace.from_device(device, **kwargs)),
        picture(plt, lambda: nest.voltage_trace.from_device(device, **kwargs)),
    )


def test_trace_of_chosen_neurons(plt, devices):
    by_id = picture(plt, lambda: voltage_trace.from_device(devices.volts, neurons=[2, 3]))
    assert_same(picture(plt, lambda: voltage_trace.from_device(devices.volts, neurons=devices.cells[:2])), by_id)
    with pytest.raises(KeyError, match="99"):
        voltage_trace.from_device(devices.volts, neurons=[2, 99])


def test_trace_of_a_recorders_file(plt, devices):
    """NEST cannot read its own files here; ours show what the device in memory shows."""
    for name, memory in (("volt_file", devices.volts), ("volt_file_steps", devices.volt_steps)):
        device = getattr(devices, name)
        expected = picture(plt, lambda memory=memory: voltage_trace.from_device(memory, title="t"))
        assert_same(picture(plt, lambda device=device: voltage_trace.from_device(device, title="t")), expected)
        names = list(device.filenames)
        assert_same(picture(plt, lambda names=names: voltage_trace.from_file(names, "t")), expected)


@pytest.mark.parametrize("columns", [[2], [0, 2], [0, 1, 2]])
def test_trace_of_a_table(plt, nest, devices, tmp_path, columns):
    events = devices.volts.events
    table = np.stack([events["senders"], events["times"], events["V_m"]], axis=1)
    name = str(tmp_path / "table.txt")
    np.savetxt(name, table[:, columns])
    for kwargs in ({}, {"title": "mine", "grayscale": True}):
        assert_same(
            picture(plt, lambda kwargs=kwargs: voltage_trace.from_file(name, **kwargs)),
            picture(plt, lambda kwargs=kwargs: nest.voltage_trace.from_file(name, **kwargs)),
        )


def test_trace_errors(nest, devices, tmp_path):
    for kind, device in (
        (TypeError, devices.spikes),
        (ValueError, devices.current),
        (ValueError, devices.meter_file),
        (ValueError, devices.no_volts),
        (ValueError, devices.volt_screen),
        (ValueError, devices.volts + devices.no_volts),
    ):
        with pytest.raises(kind) as theirs:
            nest.voltage_trace.from_device(device)
        with pytest.raises(kind) as ours:
            voltage_trace.from_device(device)
        assert str(ours.value) == str(theirs.value)
    np.savetxt(tmp_path / "four.txt", np.ones((2, 4)))
    with pytest.raises(ValueError, match="Inappropriate data shape"):
        voltage_trace.from_file(tmp_path / "four.txt")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(ValueError, match="No data to plot"):
        voltage_trace.from_file(str(tmp_path / "empty.txt"))


def test_network_errors(nest, tmp_path):
    cells = nest.Create("iaf_psc_alpha", 2)
    with pytest.raises(TypeError, match="nodes must be a 'NodeCollection'"):
        visualization.plot_network([1, 2], "a.png")
    with pytest.raises(ValueError, match="at least contain one node"):
        visualization.plot_network(nest.NodeCollection([]), "a.png")
    with pytest.raises(NotImplementedError, match="ext_conns"):
        visualization.plot_network(cells, "a.png", ext_conns=True)
    with pytest.raises(NotImplementedError, match="plot_modelnames"):
        visualization.plot_network(cells, "a.png", plot_modelnames=True)
    with pytest.raises(ValueError, match=r"must end in '\.png' or '\.pdf'"):
        visualization.plot_network(cells, "a.svg")


def test_network_without_pydot(nest, monkeypatch):
    monkeypatch.setitem(importlib.import_module("sys").modules, "pydot", None)
    with pytest.raises(ModuleNotFoundError, match="needs the package pydot"):
        visualization.plot_network(nest.Create("iaf_psc_alpha"), "a.png")


def test_network_graph(nest, monkeypatch):
    """Each connection is an edge; the drawing itself is graphviz's."""
    edges, written = [], []

    class Dot(SimpleNamespace):
        def add_edge(self, edge):
            edges.append(edge)

        def write(self, name, format):
            written.append((name, format, self.rankdir))

    fake = SimpleNamespace(Dot=Dot, Edge=lambda source, target: (source, target))
    monkeypatch.setitem(importlib.import_module("sys").modules, "pydot", fake)
    cells = nest.Create("iaf_psc_alpha", 3)
    nest.Connect(cells[:2], cells[1:])
    visualization.plot_network(cells, "a.pdf")
    assert sorted(edges) == [("1", "2"), ("1", "3"), ("2", "2"), ("2", "3")]
    assert written == [("a.pdf", "pdf", "LR")]
