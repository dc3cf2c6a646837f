"""Every scenario in jaxnest against NEST's frozen results, in both precisions and both lowerings."""

import pytest

from tests.conformance import TOLERANCES, all_scenarios, compare
from tests.conformance.freeze import load
from tests.conformance.jaxnest_runner import run
from tests.conformance.table import cases

SCENARIOS = all_scenarios()


@pytest.mark.parametrize(("name", "dtype", "delivery"), cases(SCENARIOS.values()))
def test_agrees_with_nest(name, dtype, delivery):
    scenario = SCENARIOS[name]
    exact = scenario.tolerance not in ("statistical", "occupied_steps")
    tolerance = TOLERANCES["float32"] if dtype == "float32" and exact else None
    report = compare(scenario, load(scenario), run(scenario, dtype, delivery=delivery), tolerance)
    assert report.passed, str(report)
