"""Plots of membrane potentials over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._tables import FileNames, as_names, column_names, device_type, join_tables, read_table

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

__all__ = ["from_device", "from_file"]

_STEPS = "Time (steps of length interval)"


def from_file(fname: FileNames, title: str | None = None, grayscale: bool = False) -> list[Any]:
    """Plot the potentials in one or several files, taken together, into the current axes.

    The files hold numbers in 1 column (potentials), 2 (node ID, potential) or 3 (node ID, time in ms, potential),
    or are a recorder's files. Returns the list of lines, or a list with such a list for each neuron if there
    are node IDs.

    **Raises:** `ValueError` for another number of columns or without data.
    """
    names = as_names(fname)
    data = join_tables(names, [read_table(name) for name in names])
    if not data.size:
        raise ValueError("No data to plot.")
    in_steps = "time_step" in column_names(names[0])
    if in_steps:
        data = np.delete(data, 2, axis=1)  # the offset, which is 0 for potentials
    num_columns = data.shape[1]
    if num_columns > 3:
        raise ValueError(f"Inappropriate data shape {data.shape}!")

    lines: list[Any]
    if num_columns == 1:
        print("INFO: only found 1 column in the file. Assuming that only one neuron was recorded.")
        lines = _draw(None, data[:, 0], grayscale)
    else:
        if num_columns == 2:
            print("INFO: found 2 columns in the file. Assuming them to be node ID, pot.")
        times = data[:, 1] if num_columns == 3 else None
        lines = _draw_each(np.unique(data[:, 0]).astype(int), data[:, 0], times, data[:, -1], grayscale)
    xlabel = ("Steps" if in_steps else "Time (ms)") if num_columns == 3 else _STEPS
    _label(title or f"Membrane potential from file '{fname}'", xlabel, legend=num_columns > 1)
    return lines


def from_device(
    detec: Any, neurons: Any = None, title: str | None = None, grayscale: bool = False, timeunit: str = "ms"
) -> list[Any]:
    """Plot what a voltmeter, or a multimeter recording V_m, recorded to memory or to text files.

    ``neurons`` are the IDs of the neurons to show, in this order (all, if None), ``timeunit`` is "ms" or "s".
    Returns a list with the list of lines of each neuron.

    **Raises:** `TypeError` for another device; `ValueError` for a multimeter without V_m, without events, or if they
    went elsewhere; `KeyError` for a neuron of which nothing is recorded.
    """
    if len(detec) > 1:
        raise ValueError("Please provide a single 'voltmeter' or 'multimeter'.")
    kind, target = device_type(detec), detec.get("record_to")
    if kind not in ("voltmeter", "multimeter"):
        raise TypeError("Please provide a 'voltmeter' or a 'multimeter' measuring V_m.")
    recorded = list(detec.get("record_from"))
    if "V_m" not in recorded:
        raise ValueError("Please provide a 'multimeter' measuring 'V_m'.")
    if target != "memory" and len(recorded) > 1:
        raise ValueError("Please provide a 'multimeter' measuring only 'V_m' or record to memory.")
    if target == "ascii":
        return from_file(list(detec.get("filenames")), title, grayscale)
    if target != "memory":
        raise ValueError("Provided device neither records to ascii file nor to memory.")

    events = detec.get("events")
    senders, times = np.asarray(events["senders"]), np.asarray(events["times"])
    if not len(times):
        raise ValueError("No events recorded.")
    in_steps = detec.get("time_in_steps")
    if timeunit == "s" and not in_steps:
        times = times / 1000.0
    else:
        timeunit = "ms"
    chosen = _first_seen(senders) if neurons is None else np.atleast_1d(np.asarray(neurons, dtype=np.int64))
    unknown = chosen[~np.isin(chosen, senders)]
    if len(unknown):
        raise KeyError(f"nothing is recorded of the neurons {unknown.tolist()}")
    lines = _draw_each(chosen, senders, times, np.asarray(events["V_m"]), grayscale)
    _label(title or "Membrane potential", "Steps" if in_steps else f"Time ({timeunit})", legend=True)
    return lines


def _first_seen(senders: np.ndarray) -> np.ndarray:
    """The distinct senders in the order in which they first appear."""
    distinct, first = np.unique(senders, return_index=True)
    return distinct[np.argsort(first)]


def _draw_each(
    neurons: np.ndarray, senders: np.ndarray, times: np.ndarray | None, potentials: np.ndarray, grayscale: bool
) -> list[list[Line2D]]:
    """One line a neuron, against time or, without times, against the row's number among the neuron's."""
    lines = []
    for neuron in neurons:
        rows = senders == neuron
        lines.append(_draw(None if times is None else times[rows], potentials[rows], grayscale, f"Neuron {neuron}"))
    return lines


def _draw(times: np.ndarray | None, potentials: np.ndarray, grayscale: bool, label: str | None = None) -> list[Line2D]:
    import matplotlib.pyplot as plt

    across = np.arange(len(potentials)) if times is None else times
    return plt.plot(across, potentials, "k" if grayscale else "", label=label)


def _label(title: str, xlabel: str, legend: bool) -> None:
    import matplotlib.pyplot as plt

    plt.title(title)
    plt.xlabel(xlabel)
    plt.ylabel("Membrane potential (mV)")
    if legend:
        plt.legend(loc="best")
    if plt.isinteractive():  # else whoever shows or saves the figure draws it
        plt.draw()
