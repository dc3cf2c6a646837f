"""The conformance suite: NEST is the oracle.

A `Scenario` says what to simulate without saying with what. `nest_runner.run` simulates it in NEST, `freeze.load` returns what
NEST gave when the data were frozen, and `compare.compare` holds two results against each other.
"""

from .compare import TOLERANCES, Report, Tolerance, compare
from .scenario import Connection, Each, Node, Phase, Result, Scenario, Trace, WeightLog

__all__ = [
    "TOLERANCES",
    "Connection",
    "Each",
    "Node",
    "Phase",
    "Report",
    "Result",
    "Scenario",
    "Tolerance",
    "Trace",
    "WeightLog",
    "all_scenarios",
    "compare",
]


def all_scenarios() -> dict[str, Scenario]:
    """Every scenario by name, neurons first, then synapses, then devices."""
    from . import scenarios_devices, scenarios_neurons, scenarios_synapses

    modules = (scenarios_neurons, scenarios_synapses, scenarios_devices)
    listed = [scenario for module in modules for scenario in module.SCENARIOS]
    named = {scenario.name: scenario for scenario in listed}
    if len(named) != len(listed):
        raise ValueError("two scenarios share a name")
    return named
