"""Every scenario in jaxnest against NEST's frozen results, in both precisions and both lowerings."""

import pytest

from tests.conformance import TOLERANCES, all_scenarios, compare
from tests.conformance.freeze import load
from tests.conformance.jaxnest_runner import run
from tests.conformance.table import cases

SCENARIOS = all_scenarios()


#: The upstroke of an Izhikevich spike multiplies rounding by some 50,000: NEST itself, started half a float32 ulp (3.8e-6 mV)
#: higher, leaves its own trace by 0.18 mV in this network. So the bar of 1e-2 mV is out of float32's reach here.
OUT_OF_REACH = {("izhikevich_network", "float32")}


def rows():
    """Every scenario in double precision by one of the deliveries in turn, every third also in single precision; all else with --slow."""
    every = cases(SCENARIOS.values())
    found = []
    for k, name in enumerate(SCENARIOS):
        mine = [row for row in every if row[0] == name]
        double = [row for row in mine if row[1] == "float64"]
        quick = {double[k % len(double)], *(row for row in mine if row[1] == "float32" and k % 3 == 0)}
        found += [pytest.param(*row, marks=() if row in quick else pytest.mark.slow) for row in mine]
    return found


@pytest.mark.parametrize(("name", "dtype", "delivery"), rows())
def test_agrees_with_nest(name, dtype, delivery, request):
    scenario = SCENARIOS[name]
    if (name, dtype) in OUT_OF_REACH:
        request.applymarker(pytest.mark.xfail(strict=True, reason="rounding in float32 exceeds the bar, in NEST too"))
    exact = scenario.tolerance not in ("statistical", "occupied_steps")
    tolerance = TOLERANCES["float32"] if dtype == "float32" and exact else None
    report = compare(scenario, load(scenario), run(scenario, dtype, delivery=delivery), tolerance)
    assert report.passed, str(report)
