"""Learning: surrogate derivatives of spikes."""

from jaxnest.learning.surrogate import arctan, fast_sigmoid, gaussian, spike_function, triangle

__all__ = ["arctan", "fast_sigmoid", "gaussian", "spike_function", "triangle"]
