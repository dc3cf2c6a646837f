"""The microcircuit of Potjans & Diesmann: its numbers, its statistics, its rates beside NEST's."""

import numpy as np
import pytest

import jaxnest
from jaxnest.models import cv_of_isis, mean_rate, microcircuit, statistics, synchrony
from jaxnest.models import potjans_diesmann as tables

SEEDS = (1, 2, 3, 4, 5)
#: what NEST 3.10 gives at scale 0.05 (mean of two runs of 1 s), spikes/s
AT_A_TWENTIETH = np.array([0.27, 1.32, 3.23, 3.85, 5.53, 6.59, 0.55, 6.04])


def rates(scale: float, seed: int, time: float, transient: float = 500.0) -> np.ndarray:
    net, populations = microcircuit(scale, seed=seed)
    recorder = net.create("spike_recorder", start=transient)
    net.connect(sum(populations.values()), recorder)
    sim = jaxnest.Simulation(net, seed=seed).run(transient + time)
    n = [p.n for p in populations.values()]
    counts = np.bincount(np.repeat(np.arange(8), n)[sim.spikes(recorder).senders], minlength=8)
    return counts / n / time * 1e3


def test_full_scale_numbers():
    s = tables.sizes()
    assert s.neurons.sum() == 77169
    assert s.synapses.sum() == pytest.approx(299e6, rel=0.01)
    assert s.external.sum() == tables.EXTERNAL_INDEGREES.sum()
    assert (s.current == 0).all()
    assert s.external_weight == pytest.approx(87.81, abs=0.01)  # pA, for 0.15 mV
    assert s.weights[0, 2] == pytest.approx(2 * s.weights[0, 0])
    assert s.weights[:, 1::2] == pytest.approx(-4 * 87.81, abs=0.04)


def test_psc_gives_a_psp_of_that_height():
    t = np.linspace(0, 20, 200_001)
    C, tau_m, tau_s = 250.0, 10.0, 0.5
    psp = (np.exp(-t / tau_m) - np.exp(-t / tau_s)) * tau_m * tau_s / (tau_m - tau_s) / C
    assert tables.psc_of_psp(C, tau_m, tau_s) * psp.max() == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("scales", [(0.1, None), (0.2, 0.05), (1.0, 0.3)])
def test_scaling_keeps_mean_and_variance_of_the_input(scales):
    scale, k_scale = scales
    k_scale = k_scale or scale
    full, s = tables.sizes(), tables.sizes(*scales)
    tau = tables.NEURON["tau_syn_ex"] * 1e-3

    def moments(z):
        indegree = z.synapses / z.neurons[:, None]
        mean = (z.weights * indegree) @ tables.FULL_RATES + z.external_weight * z.external * tables.EXTERNAL_RATE
        variance = (z.weights**2 * indegree) @ tables.FULL_RATES
        variance += z.external_weight**2 * z.external * tables.EXTERNAL_RATE
        return mean * tau + z.current, variance

    assert s.neurons == pytest.approx(full.neurons * scale, abs=0.5)
    assert s.synapses == pytest.approx(full.synapses * scale * k_scale, abs=1.01)
    for scaled, whole in zip(moments(s), moments(full), strict=True):
        assert scaled == pytest.approx(whole, rel=0.01)


def test_network_is_as_the_tables_say():
    net, populations = microcircuit(0.02, seed=3)
    s = tables.sizes(0.02)
    assert [p.n for p in populations.values()] == list(s.neurons)
    assert len(net["drive"]) == s.neurons.sum()
    for i, target in enumerate(tables.POPULATIONS):
        for j, source in enumerate(tables.POPULATIONS):
            if s.synapses[i, j] == 0:
                continue
            projection = net[f"{source}->{target}"]
            assert len(projection) == s.synapses[i, j]
            assert (projection.weight * (1 if j % 2 == 0 else -1) > 0).all()
            assert projection.delay.min() >= 1
            if len(projection) > 2000:
                assert projection.weight.mean() == pytest.approx(s.weights[i, j], rel=0.01)
                assert projection.weight.std() == pytest.approx(abs(s.weights[i, j]) * 0.1, rel=0.1)
                assert projection.delay.mean() * 0.1 == pytest.approx(tables.DELAYS[j % 2], rel=0.08)
    drives = np.asarray(net["external"].values["rate"])
    assert drives == pytest.approx(8.0 * np.round(tables.EXTERNAL_INDEGREES * 0.02))


def test_min_delay_gives_longer_slices():
    net, _ = microcircuit(0.01, h=0.1, min_delay=0.5)
    assert min(p.delay.min() for p in net.projections) == 5
    assert net.compile().plan.slice_steps == 5


@pytest.mark.parametrize(
    "wrong",
    [{"scale": 0.0}, {"scale": 1.5}, {"scale": 0.1, "k_scale": -1.0}, {"scale": 0.001}, {"min_delay": 5.0}],
)
def test_wrong_scales_are_refused(wrong):
    with pytest.raises(jaxnest.ConfigurationError, match=next(iter(sorted(wrong, key=lambda k: k == "scale")))):
        microcircuit(**{"scale": 0.01, **wrong})


def test_statistics_of_known_trains():
    rng = np.random.default_rng(0)
    n, time = 500, 20_000.0
    counts = rng.poisson(10 * time / 1e3, n)
    senders = np.repeat(np.arange(n), counts)
    times = rng.uniform(0, time, len(senders))
    order = np.argsort(times)
    s = statistics(times[order], senders[order], n, 0.0, time)
    assert s.rate == pytest.approx(10, rel=0.02)
    assert s.cv == pytest.approx(1.0, abs=0.03)
    assert s.synchrony == pytest.approx(1.0, abs=0.05)

    clocks = np.arange(5.0, 1000.0, 10.0)
    assert cv_of_isis(clocks, np.zeros(len(clocks), int), 2) == pytest.approx(0.0, abs=1e-9)
    together = np.repeat(clocks, 100)
    assert synchrony(together, np.tile(np.arange(100), len(clocks)), 100, 0.0, 1000.0) > 50
    assert mean_rate(clocks, 4, 0.0, 1000.0) == 25.0
    assert np.isnan(cv_of_isis(np.array([1.0, 2.0]), np.array([0, 0]), 1))
    assert np.isnan(synchrony(np.empty(0), np.empty(0, int), 5, 0.0, 100.0))


def test_rates_at_a_twentieth():
    found = rates(0.05, seed=1, time=1000.0)
    assert (found > AT_A_TWENTIETH * 0.6 - 0.3).all()
    assert (found < AT_A_TWENTIETH * 1.6 + 0.3).all()


@pytest.mark.slow
def test_rates_agree_with_nest():
    """Each population's mean rate over 5 seeds (network and noise) of 4 s is within 2 % of NEST's over 5 seeds."""
    pytest.importorskip("nest")
    from benchmarks import nest_microcircuit

    scale, time = 0.2, 4000.0
    ours = np.array([rates(scale, seed, time) for seed in SEEDS])
    theirs = np.array([nest_microcircuit.simulate(scale, seed, time) for seed in SEEDS])
    mean, expected = ours.mean(0), theirs.mean(0)
    error = np.hypot(ours.std(0, ddof=1), theirs.std(0, ddof=1)) / np.sqrt(len(SEEDS)) / expected
    report = "\n".join(
        f"{name}: {a:.3f}, NEST {b:.3f}, difference {100 * (a / b - 1):+.2f} % (standard error {100 * e:.2f} %)"
        for name, a, b, e in zip(tables.POPULATIONS, mean, expected, error, strict=True)
    )
    print(report)
    assert mean == pytest.approx(expected, rel=0.02), report
