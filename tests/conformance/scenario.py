"""What to simulate, as plain values that belong to no simulator, and what comes back.

Units are NEST's: ms, mV, pA, nS, Hz. Every connection is listed by index, so that two simulators build the very same network.
Parameters carry NEST's names and NEST's defaults hold wherever nothing is said.

A parameter is shared by all nodes of a population unless it is wrapped in `Each`, which gives one value per node. The wrapper
keeps a list-valued parameter (`tau_syn`, `spike_times`) apart from a list of scalars.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

# A node of these models is part of the network that a scenario describes; its data appear in the result under its own name.
RECORDERS = ("spike_recorder", "multimeter")


class Each(tuple):
    """One value per node, in the order of the nodes."""


@dataclass(frozen=True)
class Node:
    """A population of `n` nodes of one model."""

    name: str
    model: str
    n: int = 1
    params: dict[str, Any] = field(default_factory=dict)

    def of(self, index: int) -> dict[str, Any]:
        """The parameters of the node at `index`."""
        return pick(self.params, index)


@dataclass(frozen=True)
class Connection:
    """Connections between two populations, pairwise: `pre_idx[k]` to `post_idx[k]`.

    The same pair may occur several times (a multapse) and a node may connect to itself (an autapse). `weight`, `delay`,
    `receptor` and every entry of `synapse_params` are one value for all or an array with one value per connection.
    A `weight_recorder` is a name under which every transmitted weight is logged; each name is used by one `Connection` only.

    Connecting to a `spike_recorder` goes from the recorded node to the recorder; connecting a `multimeter` goes from the
    multimeter to the recorded node, as in NEST.
    """

    pre: str
    post: str
    pre_idx: Any = (0,)
    post_idx: Any = (0,)
    weight: Any = 1.0
    delay: Any = 1.0
    receptor: Any = 0
    synapse_model: str = "static_synapse"
    synapse_params: dict[str, Any] = field(default_factory=dict)
    weight_recorder: str | None = None

    def __post_init__(self):
        pre_idx, post_idx = (np.atleast_1d(np.asarray(index, dtype=np.int64)) for index in (self.pre_idx, self.post_idx))
        if pre_idx.shape != post_idx.shape:
            raise ValueError(f"{self.pre} to {self.post}: pre_idx and post_idx differ in length")
        values = {"weight": np.float64, "delay": np.float64, "receptor": np.int64}
        broadcast = {
            name: np.broadcast_to(np.asarray(getattr(self, name), dtype), pre_idx.shape) for name, dtype in values.items()
        }
        params = {
            name: np.broadcast_to(np.asarray(value, np.float64), pre_idx.shape) for name, value in self.synapse_params.items()
        }
        for name, value in (broadcast | {"pre_idx": pre_idx, "post_idx": post_idx, "synapse_params": params}).items():
            object.__setattr__(self, name, value)

    @property
    def n(self) -> int:
        return len(self.pre_idx)


@dataclass(frozen=True)
class Phase:
    """A stretch of simulated time, preceded by changes of parameters (`Each` works here too)."""

    duration: float
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """A network and an experiment on it.

    `record` maps a population to the recordables to sample from all of its nodes every `interval` (None: every step).
    `spikes` lists the populations, devices included, of which all spikes are recorded.
    `tolerance` names the entry of `compare.TOLERANCES` that a float64 simulator has to meet.
    `what` says in one line what the scenario is for.
    """

    name: str
    nodes: list[Node]
    phases: list[Phase]
    connections: list[Connection] = field(default_factory=list)
    record: dict[str, list[str]] = field(default_factory=dict)
    spikes: list[str] = field(default_factory=list)
    interval: float | None = None
    h: float = 0.1
    tolerance: str = "exact_f64"
    seed: int = 1
    what: str = ""

    def __post_init__(self):
        sizes = {node.name: node.n for node in self.nodes}
        if len(sizes) != len(self.nodes):
            raise ValueError(f"{self.name}: two populations share a name")
        for node in self.nodes:
            for name, value in node.params.items():
                if isinstance(value, Each) and len(value) != node.n:
                    raise ValueError(f"{self.name}: {node.name}.{name} has {len(value)} values for {node.n} nodes")
        for link in self.connections:
            for end, index in ((link.pre, link.pre_idx), (link.post, link.post_idx)):
                if end not in sizes or index.min() < 0 or index.max() >= sizes[end]:
                    raise ValueError(f"{self.name}: {link.pre} to {link.post} does not fit the populations")
        logs = [link.weight_recorder for link in self.connections if link.weight_recorder]
        if len(logs) != len(set(logs)):
            raise ValueError(f"{self.name}: two connections share a weight_recorder")

    @property
    def duration(self) -> float:
        return sum(phase.duration for phase in self.phases)

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)


@dataclass
class Trace:
    """`values[recordable]` has shape (len(times), n); times in ms."""

    times: np.ndarray
    values: dict[str, np.ndarray]


@dataclass
class WeightLog:
    """Every weight that a plastic connection transmitted: stamp of the presynaptic spike (ms), indices, weight."""

    times: np.ndarray
    pre: np.ndarray
    post: np.ndarray
    weights: np.ndarray


@dataclass
class Result:
    """What a run gave.

    `spikes[name]` is (times in ms, index of the node that fired), sorted by time, then index, and repeated for multiplicities.
    The name is a population of `Scenario.spikes`, or a `spike_recorder` node (the index then is that of the recorded node).
    `traces[name]` is a population of `Scenario.record` or a `multimeter` node.
    `weights[name]` is keyed by `Connection.weight_recorder` and sorted by time, pre, post, weight.
    `final[k]` holds, for `Scenario.connections[k]`, the weights (and the state variables that NEST shows) after the run,
    in the order of the connections given.
    """

    spikes: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    traces: dict[str, Trace] = field(default_factory=dict)
    weights: dict[str, WeightLog] = field(default_factory=dict)
    final: list[dict[str, np.ndarray]] = field(default_factory=list)

    @property
    def final_weights(self) -> list[np.ndarray]:
        return [state["weight"] for state in self.final]


def pick(params: dict[str, Any], index: int) -> dict[str, Any]:
    """`params` with every `Each` replaced by its value at `index`."""
    return {name: value[index] if isinstance(value, Each) else value for name, value in params.items()}
