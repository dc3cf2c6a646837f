"""Neuron models."""

from jaxnest.neurons.aeif_cond_alpha import aeif_cond_alpha
from jaxnest.neurons.aeif_cond_exp import aeif_cond_exp
from jaxnest.neurons.gif_psc_exp import gif_psc_exp
from jaxnest.neurons.hh_psc_alpha import hh_psc_alpha
from jaxnest.neurons.iaf_cond_alpha import iaf_cond_alpha
from jaxnest.neurons.iaf_cond_exp import iaf_cond_exp
from jaxnest.neurons.iaf_psc_alpha import iaf_psc_alpha
from jaxnest.neurons.iaf_psc_alpha_multisynapse import iaf_psc_alpha_multisynapse
from jaxnest.neurons.iaf_psc_delta import iaf_psc_delta
from jaxnest.neurons.iaf_psc_exp import iaf_psc_exp
from jaxnest.neurons.iaf_psc_exp_multisynapse import iaf_psc_exp_multisynapse
from jaxnest.neurons.ignore_and_fire import ignore_and_fire
from jaxnest.neurons.izhikevich import izhikevich
from jaxnest.neurons.mat2_psc_exp import mat2_psc_exp
from jaxnest.neurons.parrot_neuron import parrot_neuron

#: every neuron model by NEST's name
neurons = {
    model.name: model
    for model in (
        aeif_cond_alpha,
        aeif_cond_exp,
        gif_psc_exp,
        hh_psc_alpha,
        iaf_cond_alpha,
        iaf_cond_exp,
        iaf_psc_alpha,
        iaf_psc_alpha_multisynapse,
        iaf_psc_delta,
        iaf_psc_exp,
        iaf_psc_exp_multisynapse,
        ignore_and_fire,
        izhikevich,
        mat2_psc_exp,
        parrot_neuron,
    )
}

__all__ = [
    "aeif_cond_alpha",
    "aeif_cond_exp",
    "gif_psc_exp",
    "hh_psc_alpha",
    "iaf_cond_alpha",
    "iaf_cond_exp",
    "iaf_psc_alpha",
    "iaf_psc_alpha_multisynapse",
    "iaf_psc_delta",
    "iaf_psc_exp",
    "iaf_psc_exp_multisynapse",
    "ignore_and_fire",
    "izhikevich",
    "mat2_psc_exp",
    "neurons",
    "parrot_neuron",
]
