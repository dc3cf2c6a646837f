"""Raster plots: a point for each spike, and below it a histogram of the rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._tables import FileNames, as_names, device_type, join_tables, read_table

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

__all__ = ["extract_events", "from_data", "from_device", "from_file", "from_file_numpy", "from_file_pandas"]

_SLACK = 1e-9  # in bins: a spike on the edge belongs to the later bin, whatever its time's last digit


def extract_events(data: Any, time: Sequence[float] | None = None, sel: Sequence[int] | None = None) -> np.ndarray:
    """The rows (node ID, time) of ``data`` that lie in an interval and come from some nodes.

    ``time`` is [t_max] or [t_min, t_max], for 0 <= t < t_max or t_min <= t < t_max; ``sel`` lists node IDs.
    None or an empty list selects all.
    """
    events = np.asarray(data)
    if not len(events):
        return events
    nodes, times = events[:, 0], events[:, 1]
    start, end = (time[0] if time and len(time) > 1 else 0.0), (time[-1] if time else np.inf)
    chosen = (start <= times) & (times < end)
    if sel is not None and len(sel):
        chosen &= np.isin(nodes, np.asarray(sel))
    return events[chosen]


def from_data(data: Any, sel: Sequence[int] | None = None, **kwargs: Any) -> list[Line2D]:
    """Plot rows (node ID, time in ms); only those of the nodes ``sel`` as points, all in the histogram.

    ``kwargs`` are ``hist``, ``hist_binwidth``, ``grayscale``, ``title`` and ``xlabel``.

    **Raises:** `ValueError` if there are no rows.
    """
    events = np.asarray(data)
    if not len(events):
        raise ValueError("No data to plot.")
    shown = extract_events(events, sel=sel)
    return _make_plot(events[:, 1], shown[:, 1], shown[:, 0], events[:, 0], **kwargs)


def from_file(fname: FileNames, **kwargs: Any) -> list[Line2D]:
    """Plot the spikes in one or several of a recorder's files, taken together; ``kwargs`` as for `from_data`.

    **Raises:** `TypeError` if ``fname`` is neither a name nor a list of names; `ValueError` without spikes.
    """
    names = as_names(fname)
    try:
        import pandas  # noqa: F401
    except ImportError:
        return from_file_numpy(names, **kwargs)
    return from_file_pandas(names, **kwargs)


def from_file_pandas(fname: FileNames, **kwargs: Any) -> list[Line2D]:
    """`from_file`, read with pandas: faster for large files."""
    import pandas

    names = as_names(fname)
    tables = [pandas.read_table(name, header=2, skipinitialspace=True).to_numpy() for name in names]
    return from_data(join_tables(names, tables), **kwargs)


def from_file_numpy(fname: FileNames, **kwargs: Any) -> list[Line2D]:
    """`from_file`, read with NumPy."""
    names = as_names(fname)
    return from_data(join_tables(names, [read_table(name) for name in names]), **kwargs)


def from_device(detec: Any, **kwargs: Any) -> list[Line2D]:
    """Plot what a spike recorder recorded, to memory or to text files; ``kwargs`` as for `from_data`.

    **Raises:** `TypeError` for another device, `ValueError` if nothing is recorded or it went elsewhere.
    """
    if device_type(detec) != "spike_recorder":
        raise TypeError("Please provide a 'spike_recorder'.")
    settings: dict[str, Any] = {}
    if detec.get("time_in_steps"):
        import jaxnest.nest as nest

        settings = {"xlabel": "Steps", "unit": nest.GetKernelStatus("resolution")}
    target = detec.get("record_to")
    if target == "ascii":
        return from_file(list(detec.get("filenames")), **(settings | kwargs))
    if target != "memory":
        raise ValueError("No data to plot. Make sure that 'record_to' is set to either 'ascii' or 'memory'.")

    events = detec.get("events")
    times, senders = events["times"], events["senders"]
    if not len(times):
        raise ValueError("No events recorded by 'spike_recorder'.")
    settings["title"] = f"Raster plot from device '{detec.get('global_id')}'"
    return _make_plot(times, times, senders, senders, **(settings | kwargs))


def _make_plot(
    ts: Any,
    ts1: Any,
    node_ids: Any,
    neurons: Any,
    hist: bool = True,
    hist_binwidth: float = 5.0,
    grayscale: bool = False,
    title: str | None = None,
    xlabel: str | None = None,
    unit: float = 1.0,
) -> list[Line2D]:
    """A new figure with a point at each of (``ts1``, ``node_ids``); returns what was drawn as points.

    The histogram shows the mean rate of the distinct ``neurons`` from all times ``ts``, in bins of
    ``hist_binwidth`` ms. ``unit`` is the duration in ms of the unit of time.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    figure = plt.figure()
    raster = figure.add_axes((0.1, 0.3, 0.85, 0.6)) if hist else figure.add_subplot()
    points = raster.plot(ts1, node_ids, "k." if grayscale else ".")
    raster.yaxis.set_major_locator(MaxNLocator(integer=True))
    raster.set_ylabel("Neuron ID")
    raster.set_title("Raster plot" if title is None else title)
    below = raster
    if hist:
        below = figure.add_axes((0.1, 0.1, 0.85, 0.17))
        edges, rates = _rates(np.asarray(ts), len(np.unique(neurons)), hist_binwidth, unit)
        color = "gray" if grayscale else "blue"
        below.bar(edges[:-1], rates, width=np.diff(edges), align="edge", color=color, edgecolor="black")
        below.set_yticks(np.linspace(0.0, int(rates.max() * 1.1) + 5, 4).astype(int))
        below.set_ylabel("Rate (spks/s)")
        shown, other = (raster, below) if len(ts1) else (below, raster)
        other.set_xlim(shown.get_xlim())
        raster.set_xticks([])
    below.set_xlabel("Time (ms)" if xlabel is None else xlabel)
    plt.sca(raster)
    if plt.isinteractive():  # else whoever shows or saves the figure draws it
        plt.draw()
    return points


def _rates(times: np.ndarray, num_neurons: int, binwidth: float, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Edges of bins from the first spike on, and each bin's mean rate of a neuron in spikes/s.

    **Raises:** `ValueError` if the bins have no width.
    """
    if not binwidth > 0:
        raise ValueError(f"hist_binwidth must be > 0, not {binwidth!r}")
    width = binwidth / unit
    position = (times - times.min()) / width
    num_bins = max(1, int(np.ceil(position.max() - _SLACK)))
    counts = np.bincount(np.minimum((position + _SLACK).astype(int), num_bins - 1), minlength=num_bins)
    return times.min() + width * np.arange(num_bins + 1), 1000.0 * counts / (binwidth * num_neurons)
