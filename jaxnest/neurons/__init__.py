"""Neuron models."""

from jaxnest.neurons.aeif_cond_alpha import aeif_cond_alpha
from jaxnest.neurons.aeif_cond_alpha_astro import aeif_cond_alpha_astro
from jaxnest.neurons.aeif_cond_exp import aeif_cond_exp
from jaxnest.neurons.astrocyte_lr_1994 import astrocyte_lr_1994
from jaxnest.neurons.eprop_iaf import eprop_iaf
from jaxnest.neurons.eprop_iaf_adapt import eprop_iaf_adapt
from jaxnest.neurons.eprop_iaf_adapt_bsshslm_2020 import eprop_iaf_adapt_bsshslm_2020
from jaxnest.neurons.eprop_iaf_bsshslm_2020 import eprop_iaf_bsshslm_2020
from jaxnest.neurons.eprop_iaf_psc_delta import eprop_iaf_psc_delta
from jaxnest.neurons.eprop_iaf_psc_delta_adapt import eprop_iaf_psc_delta_adapt
from jaxnest.neurons.eprop_readout import eprop_readout
from jaxnest.neurons.eprop_readout_bsshslm_2020 import eprop_readout_bsshslm_2020
from jaxnest.neurons.gauss_rate import gauss_rate_ipn, rate_transformer_gauss
from jaxnest.neurons.gif_psc_exp import gif_psc_exp
from jaxnest.neurons.hh_cond_beta_gap_traub import hh_cond_beta_gap_traub
from jaxnest.neurons.hh_psc_alpha import hh_psc_alpha
from jaxnest.neurons.hh_psc_alpha_gap import hh_psc_alpha_gap
from jaxnest.neurons.iaf_cond_alpha import iaf_cond_alpha
from jaxnest.neurons.iaf_cond_exp import iaf_cond_exp
from jaxnest.neurons.iaf_psc_alpha import iaf_psc_alpha
from jaxnest.neurons.iaf_psc_alpha_multisynapse import iaf_psc_alpha_multisynapse
from jaxnest.neurons.iaf_psc_delta import iaf_psc_delta
from jaxnest.neurons.iaf_psc_exp import iaf_psc_exp
from jaxnest.neurons.iaf_psc_exp_multisynapse import iaf_psc_exp_multisynapse
from jaxnest.neurons.ignore_and_fire import ignore_and_fire
from jaxnest.neurons.izhikevich import izhikevich
from jaxnest.neurons.lin_rate import lin_rate_ipn, lin_rate_opn, rate_transformer_lin
from jaxnest.neurons.mat2_psc_exp import mat2_psc_exp
from jaxnest.neurons.parrot_neuron import parrot_neuron
from jaxnest.neurons.siegert_neuron import siegert_neuron
from jaxnest.neurons.sigmoid_rate import rate_transformer_sigmoid, sigmoid_rate_ipn
from jaxnest.neurons.sigmoid_rate_gg_1998 import rate_transformer_sigmoid_gg_1998, sigmoid_rate_gg_1998_ipn
from jaxnest.neurons.tanh_rate import rate_transformer_tanh, tanh_rate_ipn, tanh_rate_opn
from jaxnest.neurons.threshold_lin_rate import rate_transformer_threshold_lin, threshold_lin_rate_ipn, threshold_lin_rate_opn

#: every neuron model by NEST's name
neurons = {
    model.name: model
    for model in (
        aeif_cond_alpha,
        aeif_cond_alpha_astro,
        aeif_cond_exp,
        astrocyte_lr_1994,
        eprop_iaf,
        eprop_iaf_adapt,
        eprop_iaf_adapt_bsshslm_2020,
        eprop_iaf_bsshslm_2020,
        eprop_iaf_psc_delta,
        eprop_iaf_psc_delta_adapt,
        eprop_readout,
        eprop_readout_bsshslm_2020,
        gauss_rate_ipn,
        gif_psc_exp,
        hh_cond_beta_gap_traub,
        hh_psc_alpha,
        hh_psc_alpha_gap,
        iaf_cond_alpha,
        iaf_cond_exp,
        iaf_psc_alpha,
        iaf_psc_alpha_multisynapse,
        iaf_psc_delta,
        iaf_psc_exp,
        iaf_psc_exp_multisynapse,
        ignore_and_fire,
        izhikevich,
        lin_rate_ipn,
        lin_rate_opn,
        mat2_psc_exp,
        parrot_neuron,
        rate_transformer_gauss,
        rate_transformer_lin,
        rate_transformer_sigmoid,
        rate_transformer_sigmoid_gg_1998,
        rate_transformer_tanh,
        rate_transformer_threshold_lin,
        siegert_neuron,
        sigmoid_rate_gg_1998_ipn,
        sigmoid_rate_ipn,
        tanh_rate_ipn,
        tanh_rate_opn,
        threshold_lin_rate_ipn,
        threshold_lin_rate_opn,
    )
}

__all__ = ["neurons", *neurons]
