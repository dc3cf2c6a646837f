"""jaxnest: NEST's networks of spiking neurons, compiled and differentiable, on JAX."""

import os as _os

# XLA's loader of cached CPU programs complains about tuning flags of the very machine that it compiled for.
_os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from jaxnest import devices, learning, neurons, synapses
from jaxnest.connectivity.distributions import exponential, lognormal, normal, uniform
from jaxnest.connectivity.rules import (
    all_to_all,
    explicit,
    fixed_indegree,
    fixed_outdegree,
    fixed_total_number,
    one_to_one,
    pairwise_bernoulli,
    pairwise_poisson,
    symmetric_pairwise_bernoulli,
)
from jaxnest.errors import ConfigurationError, JaxnestError, SimulationError
from jaxnest.simulation import Network, Nodes, Population, Program, Projection, Record, Simulation, State

__version__ = "0.1.0"

__all__ = [
    "ConfigurationError",
    "JaxnestError",
    "Network",
    "Nodes",
    "Population",
    "Program",
    "Projection",
    "Record",
    "Simulation",
    "SimulationError",
    "State",
    "all_to_all",
    "devices",
    "explicit",
    "exponential",
    "fixed_indegree",
    "fixed_outdegree",
    "fixed_total_number",
    "learning",
    "lognormal",
    "neurons",
    "normal",
    "one_to_one",
    "pairwise_bernoulli",
    "pairwise_poisson",
    "symmetric_pairwise_bernoulli",
    "synapses",
    "uniform",
]
