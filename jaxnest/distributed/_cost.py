"""What a network over many devices needs of memory and time: counts, which follow from how jaxnest works, times constants of a machine.

Per slice each device advances its neurons, exchanges spikes with all others (`jaxnest.events.exchange`), and looks every spike of the whole network
up in its own tables. So a device's neurons, connections and events shrink with the number of devices; row pointers, the array of all spikes, and
look-ups do not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from jaxnest.errors import ConfigurationError
from jaxnest.events.exchange import LENGTH, bytes_sent
from jaxnest.simulation._compile import _LONGEST_SLICE
from jaxnest.simulation._tables import _RING_FROM, _SEGMENT_FROM

_INT = 4
_INDEX_LIMIT = 2**31
#: of a neuron, beside states and buffers: its id, its number, whether it is recorded
_OTHER_BYTES = 9
#: a recorded spike: step, source, multiplicity; buffers hold two slices in which all neurons spike, and so many at least
_RECORD_BYTES, _RECORDS = 12, 1 << 18
#: what the compiled loop holds for each of (steps of a slice) x (all neurons) beside a float: XLA's memory analysis on the CPU
_SCRATCH_BYTES = 0.6

#: what a machine needs time for: unit in which it is told, factor to seconds, and what there is one of it
CONSTANTS: Mapping[str, tuple[str, float, str]] = {
    "slice": ("us", 1e-6, "a slice, whatever is in it"),
    "step": ("us", 1e-6, "a step, whatever is in it"),
    "neuron": ("ns", 1e-9, "a neuron of the device, and step"),
    "event": ("ns", 1e-9, "an event: a connection of a neuron that spiked"),
    "row": ("ns", 1e-9, "a spike of any device, looked up in a table"),
    "source": ("ns", 1e-9, "a neuron of the whole network, and step: the array of all spikes"),
    "round": ("us", 1e-6, "a round of the exchange"),
    "near": ("us", 1e-6, "a round of the exchange, for each further device of a node"),
    "far": ("us", 1e-6, "a round of the exchange, for each further node"),
    "byte": ("ns", 1e-9, "a byte that a device receives"),
}


@dataclass(frozen=True)
class Size:
    """What matters of a network: `neurons`; `synapses`; `rate`, spikes/s a neuron; resolution `h` and the shortest and longest delay of spikes, ms; bytes a
    synapse has for target, weight and delay (`connection`: 4 where weight and delay are common, 9 in float32 with its own) and for plasticity (`plastic`;
    0: static); `state`: floats of a neuron, states and parameters of its own (8 of `iaf_psc_exp` where only V_m is given, 21 where several populations differ); `channels`: input columns of a neuron; `tables` that hold connections of the same
    sources; `itemsize` of floats; whether spikes are `recorded`.

    **Raises:** `ConfigurationError` for values that no network has.
    """

    neurons: int
    synapses: float
    rate: float
    h: float = 0.1
    min_delay: float = 1.5
    max_delay: float = 1.5
    connection: float = 9.0
    plastic: float = 0.0
    state: float = 8.0
    channels: int = 2
    tables: int = 1
    itemsize: int = 4
    recorded: bool = True

    def __post_init__(self) -> None:
        for name in ("neurons", "h", "connection", "channels", "tables"):
            self._check(name, getattr(self, name) > 0, "must be positive")
        for name in ("synapses", "rate", "plastic", "state"):
            self._check(name, getattr(self, name) >= 0, "must not be negative")
        self._check("min_delay", self.min_delay >= self.h * (1 - 1e-9), f"must be h={self.h} ms or more")
        self._check("max_delay", self.max_delay >= self.min_delay, f"must be min_delay={self.min_delay} ms or more")
        self._check("rate", self.rate * self.h <= 1000.0, "is more than a spike a step")
        self._check("itemsize", self.itemsize in (4, 8), "must be 4 or 8")

    def _check(self, name: str, holds: bool, text: str) -> None:
        value = getattr(self, name)
        if not (holds and math.isfinite(value)):
            raise ConfigurationError(f"{name}={value!r} {text}")

    @property
    def slice_steps(self) -> int:
        return min(max(round(self.min_delay / self.h), 1), _LONGEST_SLICE)

    @property
    def slots(self) -> int:
        """Rows of the ring buffer."""
        return round(self.max_delay / self.h) + 1

    @property
    def segments(self) -> int:
        """Into how many segments rows are cut, by delay."""
        number = self.slots - max(round(self.min_delay / self.h), 1)
        ring = self.slots * self.channels * self.neurons * self.itemsize
        worth = self.synapses / self.tables >= _SEGMENT_FROM * self.neurons * number and ring >= _RING_FROM
        return number if worth and number > 1 else 1

    @property
    def slices(self) -> float:
        """Slices in a second of the network's time."""
        return 1000.0 / (self.slice_steps * self.h)


@dataclass(frozen=True)
class Machine:
    """Devices: `memory` of one, bytes; `node`: devices in a node; `shared`: whether they are virtual ones that share the processor, whose constants are
    then those of all of it; `block`: connections that a look-up takes at once (0: all of a row); `due`: whether events are delivered when they are due
    (C++); `seconds` of each of `CONSTANTS`; `why`: where they come from."""

    name: str
    memory: float
    node: int
    seconds: Mapping[str, float]
    shared: bool = False
    block: int = 0
    due: bool = False
    why: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """For a number of `devices`: `bytes` of each by what needs them, seconds a slice by what takes them (`times`), the real-time `factor`, bytes that a
    device sends and receives a slice, and the `faults`: why it would not run."""

    devices: int
    bytes: Mapping[str, float]
    times: Mapping[str, float]
    factor: float
    sent: float
    received: float
    faults: tuple[str, ...]

    @property
    def memory(self) -> float:
        return sum(self.bytes.values())

    @property
    def limit(self) -> str:
        """What most of the time goes into."""
        return max(self.times, key=lambda name: self.times[name])


def predict(size: Size, machine: Machine, devices: int, *, listed: bool = False) -> Prediction:
    """Memory, time and exchange of a network over so many devices. `listed`: as if tables had rows only for sources with targets in the part, and spikes
    were handed on as lists, which is not built.

    **Raises:** `ConfigurationError` unless `devices` are between 1 and the number of neurons.
    """
    if not 1 <= devices <= size.neurons:
        raise ConfigurationError(f"devices={devices!r} must be between 1 and the number of neurons, {size.neurons}")
    needed = memory(size, machine, devices, listed=listed)
    counts = work(size, machine, devices, listed=listed)
    seconds = {name: count * machine.seconds[name] for name, count in counts.items()}
    groups = {
        "update": ("slice", "step", "neuron"),
        "events": ("event",),
        "look-ups": ("row",),
        "all spikes": ("source",),
        "exchange": ("round", "near", "far", "byte"),
    }
    times = {group: sum(seconds[name] for name in names) for group, names in groups.items()}
    busiest = math.ceil(_busiest(size, devices))
    sent = float(bytes_sent(np.array(busiest), False, size.itemsize))
    faults = _faults(size, machine, devices, needed, listed)
    return Prediction(devices, needed, times, sum(times.values()) * size.slices, sent, devices * sent, tuple(faults))


def memory(size: Size, machine: Machine, devices: int, *, listed: bool = False) -> dict[str, float]:
    """Bytes of each device, by what needs them."""
    n, steps, item = -(-size.neurons // devices), size.slice_steps, size.itemsize
    ring = size.slots * size.channels * n * item
    logs = 2 * (size.slots - 1 + 2 * steps + 16) * (_INT + 2 * item) * n if size.plastic else 0
    records = _RECORD_BYTES * max(_RECORDS, 2 * steps * n) if size.recorded else 0
    if listed:
        rows = size.tables * _present(size, devices) * (2 if not size.plastic else 3) * _INT
        spikes = size.neurons * size.rate * 1e-3 * size.h * steps * (_INT + item)
    else:
        rows = size.tables * size.neurons * (size.segments + bool(size.plastic)) * _INT
        spikes = steps * size.neurons * (item + _SCRATCH_BYTES)
    queue = size.slots * size.neurons * (_INT + item) if machine.due and size.segments > 1 and not size.plastic else 0
    return {
        "connections": size.synapses / devices * (size.connection + size.plastic),
        "row pointers": rows,
        "neurons": n * (size.state * item + steps * item + _OTHER_BYTES),
        "ring": ring,
        "histories": logs,
        "recordings": records,
        "all spikes": spikes + queue,
    }


def work(size: Size, machine: Machine, devices: int, *, listed: bool = False) -> dict[str, float]:
    """How often a slice needs each of `CONSTANTS`."""
    n, steps = size.neurons / devices, size.slice_steps
    per_slice = size.rate * 1e-3 * size.h * steps
    share = devices if machine.shared else 1
    look_ups = size.neurons * per_slice * size.tables
    if machine.block:
        look_ups *= max(1.0, size.synapses / size.tables / size.neurons / devices / machine.block)
    rounds = max(1.0, math.ceil(_busiest(size, devices) / LENGTH)) if devices > 1 else 0.0
    nodes = -(-devices // machine.node)
    return {
        "slice": share,
        "step": share * steps,
        "neuron": share * steps * n,
        "event": share * size.synapses / devices * per_slice,
        "row": share * look_ups,
        "source": 0.0 if listed else share * steps * size.neurons,
        "round": rounds,
        "near": rounds * (devices - nodes),
        "far": rounds * (nodes - 1),
        "byte": rounds * devices * LENGTH * _INT,
    }


def _busiest(size: Size, devices: int) -> float:
    """Spikes of the device that has the most in a slice: of independent Poisson numbers."""
    mean = size.neurons / devices * size.rate * 1e-3 * size.h * size.slice_steps
    return mean + math.sqrt(2.0 * math.log(devices) * mean)


def _present(size: Size, devices: int) -> float:
    """Sources with a target in a part."""
    return size.neurons * -math.expm1(-size.synapses / devices / size.tables / size.neurons)


def _faults(size: Size, machine: Machine, devices: int, needed: Mapping[str, float], listed: bool) -> list[str]:
    n, total = -(-size.neurons // devices), sum(needed.values())
    faults = []
    if total > machine.memory:
        most = max(needed, key=lambda name: needed[name])
        faults.append(
            f"needs {total / 1e9:.3g} GB of {machine.memory / 1e9:.3g}, most of it {most} ({needed[most] / 1e9:.3g} GB)"
        )
    if size.synapses / devices / size.tables >= _INDEX_LIMIT:
        faults.append(f"{size.synapses / devices / size.tables:.2g} connections in one table, more than 2^31")
    if size.slots * size.channels * n >= _INDEX_LIMIT:
        faults.append(f"a ring buffer of {size.slots} x {size.channels * n:.2g} places, more than 2^31")
    if not listed and size.slice_steps * size.neurons >= _INDEX_LIMIT:
        faults.append(f"{size.slice_steps} steps x {size.neurons:.2g} neurons are more than 2^31")
    return faults
