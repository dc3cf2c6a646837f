"""The frozen data are what live NEST gives, and the comparer tells right from wrong."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.conformance import TOLERANCES, Result, all_scenarios, compare
from tests.conformance.freeze import DATA, load

SCENARIOS = all_scenarios()
# One of every kind; all of them take seconds through `python -m tests.conformance.freeze`.
LIVE = (
    "iaf_psc_exp_network",
    "iaf_cond_alpha_network",
    "gif_psc_exp_network",
    "parrot_neuron_network",
    "stdp_synapse",
    "stdp_triplet_synapse_multiplicity",
    "tsodyks2_synapse_facilitating",
    "mixed_plastic_network",
    "spike_generator",
    "dc_generator",
    "ac_generator",
    "recorders",
    "poisson_windows",
)


@pytest.mark.parametrize("name", LIVE)
def test_live_nest_gives_the_frozen_data(name):
    pytest.importorskip("nest")
    from tests.conformance.nest_runner import run

    scenario = SCENARIOS[name]
    report = compare(scenario, load(scenario), run(scenario))
    assert report.passed, str(report)


@pytest.mark.parametrize("name", ["gif_psc_exp_escape_noise", "poisson_generator", "noise_generator"])
def test_another_seed_gives_the_same_statistics(name):
    pytest.importorskip("nest")
    from tests.conformance.nest_runner import run

    scenario = SCENARIOS[name]
    report = compare(scenario, load(scenario), run(dataclasses.replace(scenario, seed=2)))
    assert report.passed, str(report)


def test_every_scenario_is_frozen_and_none_is_empty():
    assert {path.stem for path in DATA.glob("*.npz")} == set(SCENARIOS)
    for scenario in SCENARIOS.values():
        frozen = load(scenario)
        assert sum(len(times) for times, _ in frozen.spikes.values()) or sum(
            np.ptp(v) for t in frozen.traces.values() for v in t.values.values()
        )
        assert compare(scenario, frozen, frozen).passed


def shifted(result: Result, milliseconds: float) -> Result:
    return dataclasses.replace(
        result, spikes={name: (times + milliseconds, senders) for name, (times, senders) in result.spikes.items()}
    )


def test_comparer_notices_what_is_wrong():
    scenario = SCENARIOS["stdp_synapse"]
    frozen = load(scenario)
    late = compare(scenario, frozen, shifted(frozen, 0.1))
    assert not late.passed and late.n_differing_spikes > 0 and "lacks a spike" in late.first_difference
    assert not compare(scenario, frozen, dataclasses.replace(frozen, traces={})).passed

    traces = load(scenario)
    traces.traces["exp"].values["V_m"][7, 1] += 1e-5
    report = compare(scenario, frozen, traces)
    assert not report.passed and "exp[1].V_m" in str(report)
    assert compare(scenario, frozen, traces, TOLERANCES["float32"]).passed
    traces.traces["exp"].values["V_m"][7, 1] = np.nan
    assert not compare(scenario, frozen, traces).passed

    weights = load(scenario)
    weights.weights["to_alpha"].weights[3] *= 1 + 1e-6
    assert not compare(scenario, frozen, weights).passed
    weights = load(scenario)
    weights.final[2]["weight"][0] *= 1 + 1e-6
    assert not compare(scenario, frozen, weights).passed
    assert not compare(
        SCENARIOS["poisson_generator"],
        load(SCENARIOS["poisson_generator"]),
        shifted(load(SCENARIOS["poisson_generator"]), 20.0),
    ).passed
