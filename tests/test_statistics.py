"""Networks with random drive and random connections agree with NEST in distribution."""

import numpy as np
import pytest
from scipy import stats

import jaxnest as jn

SEEDS = range(20)
N_EXC, N_INH, C_EXC, C_INH = 160, 40, 32, 8
WEIGHT, G, RATE, DELAY = 0.4, 5.0, 6000.0, 1.5
T, WARMUP = 600.0, 100.0
NEURON = {"tau_m": 20.0, "C_m": 1.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 20.0, "t_ref": 2.0, "V_m": 0.0}


def brunel_jaxnest(seed, n_exc, n_inh, c_exc, c_inh, weight, rate, time, threads=None):
    """Spike times and senders of Brunel's network."""
    net = jn.Network(seed=seed)
    exc = net.create("iaf_psc_delta", n_exc, name="exc", **NEURON)
    inh = net.create("iaf_psc_delta", n_inh, name="inh", **NEURON)
    noise = net.create("poisson_generator", name="noise", rate=rate)
    net.connect(noise, exc + inh, weight=weight, delay=DELAY)
    net.connect(exc, exc + inh, jn.fixed_indegree(c_exc), weight=weight, delay=DELAY)
    net.connect(inh, exc + inh, jn.fixed_indegree(c_inh), weight=-G * weight, delay=DELAY)
    recorder = net.create("spike_recorder", name="recorder")
    net.connect(exc + inh, recorder)
    sim = jn.Simulation(net, seed=seed).run(time)
    spikes = sim.spikes(recorder)
    return spikes.times, spikes.senders


def brunel_nest(seed, n_exc, n_inh, c_exc, c_inh, weight, rate, time, threads=1):
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(rng_seed=seed + 1, local_num_threads=threads)
    cells = nest.Create("iaf_psc_delta", n_exc + n_inh, NEURON)
    exc, inh = cells[:n_exc], cells[n_exc:]
    noise = nest.Create("poisson_generator", params={"rate": rate})
    nest.Connect(noise, cells, syn_spec={"weight": weight, "delay": DELAY})
    nest.Connect(exc, cells, {"rule": "fixed_indegree", "indegree": c_exc}, {"weight": weight, "delay": DELAY})
    nest.Connect(inh, cells, {"rule": "fixed_indegree", "indegree": c_inh}, {"weight": -G * weight, "delay": DELAY})
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    nest.Simulate(time)
    events = recorder.events
    return events["times"], events["senders"] - 1


def statistics(times, senders, n, time, warmup):
    """Rates (Hz) and CVs of the neurons, and correlations of pairs of spike counts in bins of 5 ms."""
    keep = times > warmup
    times, senders = times[keep], senders[keep]
    rates = np.bincount(senders, minlength=n) / (time - warmup) * 1e3
    order = np.lexsort((times, senders))
    owner, intervals = senders[order], np.diff(times[order])
    same = np.diff(owner) == 0
    owner, intervals = owner[1:][same], intervals[same]
    count = np.bincount(owner, minlength=n)
    mean = np.bincount(owner, intervals, n) / np.maximum(count, 1)
    square = np.bincount(owner, intervals**2, n) / np.maximum(count, 1)
    enough = count >= 5
    cv = np.sqrt(np.maximum(square - mean**2, 0))[enough] / mean[enough]
    bins = np.zeros((n, int((time - warmup) / 5.0)))
    np.add.at(bins, (senders, np.minimum(((times - warmup) / 5.0001).astype(int), bins.shape[1] - 1)), 1)
    chosen = bins[bins.std(axis=1) > 0][:40]
    correlation = np.corrcoef(chosen)[np.triu_indices(len(chosen), 1)]
    return rates, cv, correlation


def test_rates_cvs_and_correlations_are_distributed_as_in_nest():
    pytest.importorskip("nest")
    size = (N_EXC, N_INH, C_EXC, C_INH, WEIGHT, RATE, T)
    n = N_EXC + N_INH
    ours, theirs = ([statistics(*run(seed, *size), n, T, WARMUP) for seed in SEEDS] for run in (brunel_jaxnest, brunel_nest))
    for k, name in enumerate(("rate", "CV", "correlation")):
        # Neurons of one network are not independent of each other, networks of different seeds are.
        a, b = ([s[k].mean() for s in runs] for runs in (ours, theirs))
        p = stats.ks_2samp(a, b).pvalue
        assert p > 0.01, f"{name}: p = {p:.3g}; means {np.mean(a):.4g} here, {np.mean(b):.4g} in NEST"
        spread = stats.ks_2samp([s[k].std() for s in ours], [s[k].std() for s in theirs]).pvalue
        assert spread > 0.01, f"spread of {name}: p = {spread:.3g}"
        assert np.mean(a) == pytest.approx(np.mean(b), rel=0.05, abs=0.005)


@pytest.mark.slow
def test_rate_of_brunels_network_is_that_of_nest():
    """12,500 neurons: the mean rate of each population within 2 % of NEST's mean over 5 seeds."""
    pytest.importorskip("nest")
    size = (10_000, 2_500, 1_000, 250, 0.1, 20_000.0, 500.0)
    rates = {}
    for name, run in (("here", brunel_jaxnest), ("NEST", brunel_nest)):
        per_seed = []
        for seed in range(5):
            times, senders = run(seed, *size, threads=2)
            kept = senders[times > 100.0]
            per_seed.append([(kept < 10_000).sum() / 10_000 / 0.4, (kept >= 10_000).sum() / 2_500 / 0.4])
        rates[name] = np.array(per_seed)
        print(name, "exc, inh [Hz]:", rates[name].mean(0), "+-", rates[name].std(0, ddof=1) / np.sqrt(5))
    np.testing.assert_allclose(rates["here"].mean(0), rates["NEST"].mean(0), rtol=0.02)
