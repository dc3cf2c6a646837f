"""Neuron models."""

from jaxnest.neurons.iaf_psc_exp import iaf_psc_exp

#: every neuron model by NEST's name
neurons = {model.name: model for model in (iaf_psc_exp,)}

__all__ = ["iaf_psc_exp", "neurons"]
