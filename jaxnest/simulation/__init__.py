"""Networks, programs and simulations."""

from jaxnest.simulation._network import Network, Nodes, Population, Projection
from jaxnest.simulation._plan import Relaxation, State
from jaxnest.simulation._program import Program, Record
from jaxnest.simulation._run import Simulation, Spikes, Traces, Weights

__all__ = [
    "Network",
    "Nodes",
    "Population",
    "Program",
    "Projection",
    "Record",
    "Relaxation",
    "Simulation",
    "Spikes",
    "State",
    "Traces",
    "Weights",
]
