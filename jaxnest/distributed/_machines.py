"""Machines and networks by name, for the cost model: what was measured, and what is assumed of machines that were not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from jaxnest.distributed._cost import CONSTANTS, Machine, Size
from jaxnest.models.potjans_diesmann import sizes

#: s; `python -m jaxnest.distributed.plan --measured` of what `taskset -c 1 python -m benchmarks scaling --time 100 --json FILE` wrote with --scale 1 and
#: --scale 0.4 --repeats 8, on a machine that others used at the same time: to be fitted anew on a quiet one
_FITTED: Mapping[str, float] = {
    "slice": 0.0,
    "step": 6.0e-6,
    "neuron": 10.5e-9,
    "event": 9.9e-9,
    "row": 920e-9,
    "source": 0.21e-9,
    "round": 10.5e-6,
    "near": 0.0,
    "far": 0.0,
    "byte": 0.0,
}
_FIT = "fitted, provisional: runs on 1 to 8 virtual devices of one core of a busy machine"

_LAUNCH = 3e-6  # s a kernel
_EFFICIENCY = 0.5  # of the bandwidth of memory, where access is scattered
_USABLE = 0.9  # of the memory
_SECTOR = 32  # bytes: the least that a GPU reads or writes
_BASE, _NVLINK, _NETWORK = 6.6e-6, 0.6e-6, 2.7e-6  # s: NCCL's own model of ring all-gathers, protocol LL
_NIC = 50e9  # bytes/s a GPU


def _gpu(name: str, memory: float, bandwidth: float, link: float, block: int) -> Machine:
    """A GPU of which nothing but the data sheet is known: memory (bytes), its bandwidth and that of its links (bytes/s)."""
    scattered = bandwidth * _EFFICIENCY
    walked = (
        f"{_LAUNCH * 5 * 1e6:.0f} us for {block} connections: 5 kernels, one row after another, as XLA's lowering does it today"
    )
    direct = "4 sectors of 32 bytes, at half of the bandwidth, by a kernel that walks all rows at once: NOT BUILT"
    seconds = {
        "slice": 30 * _LAUNCH,
        "step": 10 * _LAUNCH,
        "neuron": (2 * 7 * 4 + 10 * 4 + 2 * 2 * 4 + 4) / bandwidth,
        "event": (9 + 2 * _SECTOR) / scattered,
        "row": 5 * _LAUNCH if block else 4 * _SECTOR / scattered,
        "source": 3 * 4 / bandwidth,
        "round": _BASE + 2 * _LAUNCH,
        "near": _NVLINK,
        "far": _NETWORK,
        "byte": 1.0 / min(link, _NIC),
    }
    sheet = f"data sheet: {memory / 1e9:.0f} GB, {bandwidth / 1e12:.3g} TB/s"
    why = {
        "memory": f"{sheet}; 90 % of it usable",
        "slice": "30 kernels of 3 us",
        "step": "10 kernels of 3 us",
        "neuron": "116 bytes (7 states read and written, 10 constants and the ring read, the ring cleared, a spike), at the bandwidth",
        "event": "9 bytes read, a sector of 32 bytes of the ring read and written, at half of the bandwidth",
        "row": walked if block else direct,
        "source": "the array of all spikes is written once and read twice, at the bandwidth",
        "round": "NCCL's constants for ring all-gathers (src/graph/tuning.cc, LL): 6.6 us, and two kernels",
        "near": "NCCL's constants: 0.6 us a hop by NVLink, in a ring",
        "far": "NCCL's constants: 2.7 us a hop by network, in a ring",
        "byte": f"{min(link, _NIC) / 1e9:.0f} GB/s: a network card of 400 Gbit/s for each GPU; NVLink ({link / 1e9:.0f} GB/s each way) is faster",
    }
    return Machine(name, _USABLE * memory, 8, seconds, block=block, why=why)


def _cpu() -> Machine:
    why = dict.fromkeys(CONSTANTS, _FIT) | {"memory": "8 GB for all virtual devices together; say yours by --memory"}
    return Machine("cpu", 8e9, 1 << 30, _FITTED, shared=True, due=True, why=why)


_GPUS: Mapping[str, tuple[float, float, float]] = {"a100": (80e9, 2.039e12, 300e9), "h100": (80e9, 3.35e12, 450e9)}


def machines() -> dict[str, Machine]:
    """The machines by name. A GPU has two: with what XLA makes of the lookups today, and with a kernel for them that is not built."""
    found = {"cpu": _cpu()}
    for name, sheet in _GPUS.items():
        found[name] = _gpu(name, *sheet, block=2048)
        found[f"{name}-kernel"] = _gpu(f"{name}-kernel", *sheet, block=0)
    return found


def _microcircuit() -> Size:
    full = sizes()
    return Size(int(full.neurons.sum()), float(np.sum(full.synapses)), 3.2, min_delay=0.1, max_delay=6.0, state=21.0)


#: by name: the network, and where its figures come from
NETWORKS: Mapping[str, tuple[Callable[[], Size], str]] = {
    "microcircuit": (
        _microcircuit,
        "Potjans & Diesmann (2014), jaxnest.models; 3.2 spikes/s and delays of 0.1 to 6 ms as measured (RESULTS.md)",
    ),
    "multi-area": (
        lambda: Size(4_130_000, 24.2e9, 4.0, min_delay=0.1, max_delay=50.0, state=21.0),
        "Schmidt et al. (2018): 4.13 M neurons, 24.2 G synapses; ASSUMED: 4 spikes/s, delays up to 50 ms between areas",
    ),
    "brain": (
        lambda: Size(1_000_000_000, 6e12, 8.0, connection=4.0),
        "1e9 neurons; ASSUMED: 6,000 synapses a neuron, one delay of 1.5 ms, weights in common, 8 spikes/s",
    ),
}
