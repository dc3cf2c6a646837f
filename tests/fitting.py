"""What the tests of `fit` share: a network whose losses need no simulation, so that they compile quickly."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxnest as jn
from jaxnest.learning import fit

WEIGHTS = np.array([[-20.0, 0.0, 30.0], [40.0, -50.0, 60.0]])


def cells():
    """Two neurons that excite and inhibit three others: its losses look at parameters only, so it compiles in no time."""
    net = jn.Network(seed=1)
    exc = net.create("iaf_psc_exp", 2, name="exc", tau_m=[10.0, 20.0], I_e=100.0)
    inh = net.create("iaf_psc_exp", 3, name="inh")
    multi = net.create("iaf_psc_exp_multisynapse", 2, name="multi", tau_syn=[1.0, 5.0])
    net.connect(exc, inh, weight=WEIGHTS.ravel(), name="exc->inh")
    net.connect(inh, exc, weight=-5.0, name="inh->exc")
    net.connect(exc, exc, synapse="stdp_synapse_hom", weight=1.0, name="plastic")
    net.connect(exc, multi, receptor=1, name="exc->multi")
    return net.compile()


def towards(program, **targets):
    """A loss: how far parameters are from targets, by path with dots written as double underscores; noisy, and with batches if given."""

    def loss(params, key, batch):
        noise = jax.random.normal(key, (2,), params["h"].dtype)
        errors = [jnp.mean((program.get(params, p.replace("__", ".")) - t) ** 2) for p, t in targets.items()]
        shift = 0.0 if batch is None else batch.sum()
        value = sum(errors) * (1.0 + 0.1 * noise[0]) + shift * errors[0]
        return value, {"rates": {"exc": jnp.stack(errors)}, "noise": noise[1]}

    return loss


def quiet(*args, **options):
    return fit(*args, **{"progress": False, **options})
