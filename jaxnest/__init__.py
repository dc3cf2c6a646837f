"""jaxnest: NEST's networks of spiking neurons, compiled and differentiable, on JAX."""

import importlib as _importlib
import os as _os
from typing import TYPE_CHECKING as _TYPE_CHECKING

# XLA's loader of cached CPU programs complains about tuning flags of the very machine that it compiled for.
_os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from jaxnest import devices, neurons, synapses
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
from jaxnest.simulation import Network, Nodes, Population, Program, Projection, Record, Relaxation, Simulation, State

if _TYPE_CHECKING:
    from types import ModuleType as _ModuleType

    from jaxnest import distributed, learning

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
    "Relaxation",
    "Simulation",
    "SimulationError",
    "State",
    "all_to_all",
    "devices",
    "distributed",
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


def __getattr__(name: str) -> "_ModuleType":
    """`learning` and `distributed`, imported when they are first asked for: who only simulates starts without them."""
    if name in ("learning", "distributed"):
        return _importlib.import_module(f"jaxnest.{name}")
    raise AttributeError(f"module 'jaxnest' has no attribute {name!r}")
