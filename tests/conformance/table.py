"""The conformance table: `python -m tests.conformance.table` runs every scenario and writes docs/conformance.md."""

import sys
from collections.abc import Iterable
from pathlib import Path

from jaxnest.neurons import neurons

from . import TOLERANCES, all_scenarios, compare
from .freeze import load
from .jaxnest_runner import run
from .scenario import Scenario

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
HEAD = """# Conformance with NEST 3.10.0

Written by `python -m tests.conformance.table`; the same comparisons are tests (`tests/test_conformance.py`), and the frozen
NEST results are themselves checked against live NEST (`tests/test_conformance_frozen.py`).

`alone`: three neurons under different I_e. `network`: six cells of unequal parameters under excitation and inhibition that
arrive in the same step with unequal time constants, three delays, a multapse, an autapse, a `t_ref` off the grid, and changes of
parameters half-way. Each row: the largest difference from NEST over all cells, samples and recordables (in the recordable's unit;
weights: relative), and spikes that differ. float32 is compared up to the first differing spike. Bars in float64: `exact_f64`
1e-9 mV, `rkf45_f64` 1e-6 mV, `plastic_f64` 1e-9 relative; spikes identical. In float32: spike counts within 1 %, 1e-2 mV.
Statistical scenarios: smallest p of their Kolmogorov-Smirnov tests (bar: 0.01 divided by their number).

| scenario | precision, lowering | tolerance | spikes in NEST | here | differing | largest difference of traces | of weights (relative) | smallest p | passed |
|---|---|---|---|---|---|---|---|---|---|
"""


def cases(scenarios: Iterable[Scenario]) -> list[tuple[str, str, str]]:
    """(scenario, precision, lowering): float64 and float32, and in float64 the second lowering where a spiking source is
    connected, since only then it has a part."""
    out = []
    for s in scenarios:
        models = {n.name: n.model for n in s.nodes}
        spiking = any(neurons.get(models[c.pre]) or models[c.pre] == "spike_generator" for c in s.connections)
        out += [(s.name, "float64", "events"), (s.name, "float32", "events")]
        if spiking:
            out.append((s.name, "float64", "dense"))
    return out


def main() -> int:
    scenarios = all_scenarios()
    rows, failed = [], 0
    for name, dtype, delivery in cases(scenarios.values()):
        scenario = scenarios[name]
        exact = scenario.tolerance not in ("statistical", "occupied_steps")
        tolerance = TOLERANCES["float32" if dtype == "float32" and exact else scenario.tolerance]
        report = compare(scenario, load(scenario), run(scenario, dtype, delivery=delivery), tolerance)
        failed += not report.passed
        trace = f"{max(report.trace_errors.values()):.1e}" if report.trace_errors else "–"
        weight = f"{max(report.weight_errors.values()):.1e}" if report.weight_errors else "–"
        p = f"{min(report.p_values.values()):.2f}" if report.p_values else "–"
        differing = report.n_differing_spikes if exact else "–"
        passed = "yes" if report.passed else "**no**"
        row = (name, f"{dtype}, {delivery}", tolerance.name, *report.n_spikes, differing, trace, weight, p, passed)
        rows.append("| " + " | ".join(map(str, row)) + " |")
        print(rows[-1], flush=True)
        if not report.passed:
            print(report)
    PAGE.write_text(HEAD + "\n".join(rows) + f"\n\n{len(rows) - failed} of {len(rows)} comparisons passed.\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
