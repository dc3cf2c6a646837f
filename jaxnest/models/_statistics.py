"""Statistics of spike trains, as they are reported for cortical network models."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Statistics(NamedTuple):
    """`rate` (spikes/s), the mean over neurons; `cv` of the interspike intervals; `synchrony`."""

    rate: float
    cv: float
    synchrony: float


def statistics(times: np.ndarray, senders: np.ndarray, n: int, start: float, stop: float) -> Statistics:
    """Rate, irregularity and synchrony of `n` neurons from their spikes in (start, stop] (ms).

    **Arguments:** `times` (n_spikes,) ms in order of time, `senders` (n_spikes,) in 0 ... n - 1.

    See `mean_rate`, `cv_of_isis` and `synchrony`.
    """
    inside = (times > start) & (times <= stop)
    times, senders = times[inside], senders[inside]
    return Statistics(
        mean_rate(times, n, start, stop), cv_of_isis(times, senders, n), synchrony(times, senders, n, start, stop)
    )


def mean_rate(times: np.ndarray, n: int, start: float, stop: float) -> float:
    """Spikes a neuron and second; silent neurons count."""
    return len(times) / n / (stop - start) * 1e3


def cv_of_isis(times: np.ndarray, senders: np.ndarray, n: int, spikes: int = 3) -> float:
    """The coefficient of variation (standard deviation / mean, of the sample as it is) of a neuron's interspike
    intervals, averaged over the neurons with at least `spikes` spikes; NaN without such a neuron.

    1 for a Poisson process. Short recordings make it smaller: long intervals are cut off, and few intervals vary less.
    """
    order = np.argsort(senders, kind="stable")
    times, senders = np.asarray(times, float)[order], np.asarray(senders)[order]
    same = senders[1:] == senders[:-1]
    isi, owner = np.diff(times)[same], senders[1:][same]
    count = np.bincount(owner, minlength=n)
    enough = count >= spikes - 1
    if not enough.any():
        return float("nan")
    safe = np.maximum(count, 1)
    mean = np.bincount(owner, isi, minlength=n) / safe
    variance = np.bincount(owner, (isi - mean[owner]) ** 2, minlength=n) / safe
    return float((np.sqrt(variance[enough]) / mean[enough]).mean())


def synchrony(
    times: np.ndarray,
    senders: np.ndarray,
    n: int,
    start: float,
    stop: float,
    bin_width: float = 3.0,
    neurons: int = 1000,
) -> float:
    """Variance over mean of the number of spikes of a population in bins of `bin_width` ms; NaN without spikes.

    As in Potjans & Diesmann (2014), of `neurons` neurons, here the first ones, or all where there are fewer. 1 for
    independent Poisson processes. Common fluctuations make it grow with the number of neurons: compare equal ones.
    """
    bins = int((stop - start) / bin_width + 1e-9)
    if bins < 2:
        return float("nan")
    chosen = np.asarray(times)[np.asarray(senders) < min(n, neurons)]
    counts, _ = np.histogram(chosen, start + bin_width * np.arange(bins + 1))
    return float(counts.var() / counts.mean()) if counts.any() else float("nan")
