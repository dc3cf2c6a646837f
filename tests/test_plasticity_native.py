"""Plastic synapses in C++ against XLA: every model, both precisions, multiplicities, any number of threads."""

import dataclasses
import os
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn
from jaxnest.events import native
from jaxnest.events.native import _generate, rules
from jaxnest.simulation._advance import advance
from jaxnest.synapses import synapses
from jaxnest.synapses._base import Coupling, Synapse

pytestmark = pytest.mark.skipif(not native.available(), reason=native.status())

H, N, CONNECTIONS = 0.1, 30, 900
#: models that C++ lacks: several random numbers a spike, the order of synapses, a third factor
IN_XLA = ["quantal_stp_synapse", "stdp_dopamine_synapse", "stdp_facetshw_synapse_hom"]
DYNAMIC = [
    name
    for name, model in synapses.items()
    if not (model.static or issubclass(model, Coupling) or model.eager) and name not in IN_XLA
]
#: rules of all shapes; the others are variations, and run with --slow
QUICK = ("bernoulli_synapse", "stdp_synapse", "stdp_triplet_synapse", "stdp_nn_restr_synapse", "tsodyks_synapse")
SOME = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in DYNAMIC]


def parameters(synapse, varied, rng):
    """Parameters at which much happens; those of each connection if `varied` (and if the model has such)."""

    def some(*values):
        return rng.choice(values, CONNECTIONS) if varied and not synapses[synapse].common else values[-1]

    values = {
        "bernoulli_synapse": {"p_transmit": some(0.0, 0.3, 1.0, 0.4)},
        "stdp_synapse": {"mu_plus": some(0.0, 1.0, 0.4), "mu_minus": some(0.0, 1.0, 0.6), "alpha": some(0.5, 1.5)},
        "stdp_synapse_hom": {"mu_plus": 0.4, "mu_minus": 0.6},
        "stdp_pl_synapse_hom": {"lambda": 0.02, "alpha": 0.3},
        "stdp_triplet_synapse": {"Aplus": 0.03, "Aminus": 0.05, "Aplus_triplet": 0.04, "Wmax": some(70.0, 95.0)},
        "tsodyks_synapse": {"U": 0.3, "tau_rec": some(20.0, 150.0), "tau_fac": some(0.0, 50.0)},
        "tsodyks2_synapse": {"U": 0.3, "tau_rec": some(20.0, 150.0), "tau_fac": some(0.0, 50.0)},
        "tsodyks_synapse_hom": {"U": 0.3, "tau_rec": 150.0, "tau_fac": 50.0},
        "ht_synapse": {"tau_P": some(20.0, 150.0), "delta_P": some(0.3, 0.9)},
        "jonke_synapse": {"lambda": 3.0, "mu_plus": -0.01, "mu_minus": 0.005, "beta": 0.1, "Wmax": 85.0},
        "vogels_sprekeler_synapse": {"eta": some(1.0, 6.0), "alpha": some(0.3, 1.5), "Wmax": 95.0},
    }
    values |= {name: values["stdp_synapse"] for name in synapses if name.startswith("stdp_nn_")}
    return values[synapse]


def simulated(synapse, lowering, varied=False, multiple=False, parts=False, time=60.0):
    """What parrots with plastic synapses to other parrots (to their deaf receptor, where these spike too) and to neurons
    end in."""
    rng = np.random.default_rng(3)
    at = [np.flatnonzero(rng.random(int(time / H) - 20) < 0.03) * H + H for _ in range(2 * N)]
    count = [rng.integers(1, 4 if multiple else 2, len(t)) for t in at]
    net = jn.Network(h=H)
    drive = net.create("spike_generator", 2 * N, name="drive", spike_times=at, spike_multiplicities=count)
    relays = net.create("parrot_neuron", 2 * N, name="relays", tau_minus=17.0)
    cells = net.create("iaf_psc_exp", N, name="cells", V_th=-60.0)
    net.connect(drive, relays, "one_to_one", delay=H)
    pairs = jn.explicit(rng.integers(0, N, CONNECTIONS), rng.integers(0, N, CONNECTIONS))
    weight = 60.0 if "weight" in synapses[synapse].common else rng.uniform(20.0, 90.0, CONNECTIONS)
    given = {"synapse": synapse, "weight": weight, **parameters(synapse, varied, rng)}
    given["delay"] = rng.integers(5, 40, CONNECTIONS) * H if varied else 1.5
    net.connect(relays[:N], relays[N:], pairs, receptor=1 if synapses[synapse].reads_post else None, **given)
    net.connect(relays[:N], cells, pairs, **given)
    recorder = net.create("spike_recorder")
    net.connect(cells, recorder)
    sim = jn.Simulation(net, delivery="events", lowering=lowering, seed=5)
    if parts:  # rows are sorted by target here: let threads share them, however short they are
        plan = sim.program.plan
        tables = tuple(
            dataclasses.replace(t, layout=t.layout._replace(low=0, high=plan.columns)) if t.model else t for t in plan.tables
        )
        sim.program.plan = plan = dataclasses.replace(plan, tables=tables)
        sim._advance = jax.jit(partial(advance, plan, sim.program.fire), donate_argnums=(2, 3))
    for part in (10.0, 0.3, time - 10.3):
        sim.run(part)
    found = {f"{key}.{name}": x for key, table in sim.state.tables.items() for name, x in table.synapse.items()}
    found |= {f"{key}.last": table.last for key, table in sim.state.tables.items()}
    found |= {f"log.{name}": x for log in sim.state.history.values() for name, x in log._asdict().items() if x is not None}
    found |= {"ring": sim.state.ring, "V": sim.state.nodes["iaf_psc_exp"].V_m, "spikes": sim.spikes(recorder).times}
    return {key: np.asarray(x) for key, x in found.items()}


def compare(synapse, tolerance, **how):
    expected, found = simulated(synapse, "xla", **how), simulated(synapse, "native", **how)
    assert expected.keys() == found.keys()
    for key, x in expected.items():
        scale = max(1.0, float(np.abs(x).max(initial=0.0))) if x.dtype.kind == "f" else 0.0
        np.testing.assert_allclose(found[key], x, rtol=tolerance if scale else 0, atol=tolerance * scale, err_msg=key)


@pytest.mark.parametrize("varied", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("synapse", DYNAMIC)
def test_both_lowerings_agree(x64, synapse, varied):
    compare(synapse, 1e-12, varied=varied, multiple=varied)


@pytest.mark.parametrize("synapse", SOME)
def test_both_lowerings_agree_in_single_precision(synapse):
    compare(synapse, 1e-5)


_ONE_RUN = """
import hashlib, os, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
sys.path.insert(0, sys.argv[2])
import test_plasticity_native as t
t.N, t.CONNECTIONS = 40, 40_000
for synapse in ("stdp_pl_synapse_hom", "bernoulli_synapse"):
    found = t.simulated(synapse, "native", multiple=True, parts=True)
    print(hashlib.sha256(b"".join(x.tobytes() for x in found.values())).hexdigest())
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="one processor")
def test_threads_change_nothing():
    folder = os.path.dirname(__file__)
    runs = [
        subprocess.run([sys.executable, "-c", _ONE_RUN, n, folder], stdout=subprocess.PIPE, text=True, check=True).stdout
        for n in ("1", "2")
    ]
    assert runs[0] == runs[1] and len(runs[0].split()) == 2


def test_the_rules_in_the_library_are_those_of_the_models():
    written = (_generate.FOLDER / "rules.inc").read_text()
    assert written == _generate.text("rules"), "run: python -m jaxnest.events.native._generate"
    assert (
        sorted(
            name
            for name, m in synapses.items()
            if not (m.static or issubclass(m, Coupling) or m.eager) and rules.number(m) is None
        )
        == IN_XLA
    )


def test_a_model_that_the_library_lacks_is_left_to_xla():
    class cosine_synapse(Synapse):
        @staticmethod
        def on_pre(p, s, pre):
            return s, p.weight * jnp.cos(pre.since_last)

    class halving_synapse(Synapse):
        @staticmethod
        def on_pre(p, s, pre):
            return s, p.weight * 0.5

    with pytest.raises(rules.Unsupported, match=r"cosine_synapse.*'cos'"):
        rules.write(cosine_synapse)
    assert rules.number(cosine_synapse) is None and rules.number(halving_synapse) is None
