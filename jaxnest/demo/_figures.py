"""The figures of the demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxnest.models.potjans_diesmann import FULL_RATES, POPULATIONS

if TYPE_CHECKING:
    from jaxnest.demo._fit import Fit
    from jaxnest.demo._run import Activity

COLORS = ("#23539e", "#c1443a")  # excitatory, inhibitory
GREY = "#8a8a8a"
_RASTER = 300.0  # ms shown
_DOTS = 2000  # neurons shown


def activity(of: Activity, path: Path) -> Path:
    """Raster of the first 300 ms after the transient, and the rates beside those of the full network."""
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    raster, rates = figure.subplots(1, 2, width_ratios=(2.2, 1))
    edges = np.concatenate([[0], np.cumsum(of.n)])
    total, every = edges[-1], max(int(np.ceil(edges[-1] / _DOTS)), 1)
    start = np.floor(of.times[0] / 100) * 100 if len(of.times) else 0.0
    seen = (of.times <= start + min(_RASTER, of.time)) & (of.senders % every == 0)
    for i in range(8):
        mine = seen & (of.senders >= edges[i]) & (of.senders < edges[i + 1])
        raster.plot(of.times[mine], total - of.senders[mine], ".", ms=2, color=COLORS[i % 2], mew=0)
    raster.set(
        xlabel="time (ms)",
        xlim=(start, start + min(_RASTER, of.time)),
        ylim=(0, total),
        title=f"spikes of every {every}th neuron" if every > 1 else "spikes",
    )
    raster.set_yticks(total - (edges[:-1] + edges[1:]) / 2, POPULATIONS)
    raster.tick_params(axis="y", length=0)
    for edge in edges[2:-1:2]:
        raster.axhline(total - edge, color="0.85", lw=0.8, zorder=0)
    place = np.arange(8)
    rates.barh(place - 0.2, [s.rate for s in of.statistics], 0.4, color=[COLORS[i % 2] for i in range(8)])
    rates.barh(place + 0.2, FULL_RATES, 0.4, color="0.8")
    rates.set_yticks(place, POPULATIONS)
    rates.set(xlabel="rate (spikes/s)", title="rates; grey: full scale, NEST", ylim=(7.6, -0.6))
    return _save(figure, path)


def fit(of: Fit, path: Path) -> Path:
    """The loss, the drives and the rates of a gradient descent."""
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    loss, drive, rates = figure.subplots(1, 3)
    loss.semilogy(np.arange(1, len(of.losses) + 1), of.losses, color=COLORS[0], lw=1.2)
    loss.set(xlabel="step of the descent", ylabel="loss", title="loss, new random numbers each step")
    place = np.arange(8)
    for axes, title, values in (
        (
            drive,
            "drive of a neuron (spikes/s)",
            (("at first", of.start_drive), ("found", of.found_drive), ("true", of.true_drive)),
        ),
        (
            rates,
            "rate (spikes/s)",
            (("at first", of.start_rates), ("found", of.found_rates), ("wanted", of.target_rates)),
        ),
    ):
        marks: dict[str, dict[str, Any]] = {
            "at first": {"marker": "o", "color": GREY},
            "found": {"marker": "D", "color": COLORS[0]},
            "true": {"marker": "_", "color": COLORS[1], "ms": 14, "mew": 2},
            "wanted": {"marker": "_", "color": COLORS[1], "ms": 14, "mew": 2},
        }
        for label, value in values:
            axes.plot(place, value, ls="none", label=label, **marks[label])
        axes.set_xticks(place, POPULATIONS, rotation=45)
        axes.set(title=title, ylim=(0, None))
        axes.legend(frameon=False)
    return _save(figure, path)


def _save(figure: Figure, path: Path) -> Path:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=150)
    return path
