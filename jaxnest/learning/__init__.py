"""Learning: surrogate and exact derivatives of spikes, losses, encoders, initial weights, and gradient descent on parameters chosen by path (`fit`)."""

from jaxnest.events.surrogate import (
    arctan,
    arctan_derivative,
    boxcar,
    exponential,
    fast_sigmoid,
    fast_sigmoid_derivative,
    gaussian,
    multi_gaussian,
    piecewise_linear,
    spike_function,
    straight_through,
    surrogates,
    triangle,
)
from jaxnest.learning import distances, encoders, losses
from jaxnest.learning.diagnosis import Diagnosis, diagnose
from jaxnest.learning.eventprop import EventProp, TimedRecord
from jaxnest.learning.fitting import Bounded, FitError, FitResult, dale, fit, minibatches, positive
from jaxnest.learning.initialise import fluctuation_driven, membrane_moments

__all__ = [
    "Bounded",
    "Diagnosis",
    "EventProp",
    "FitError",
    "FitResult",
    "TimedRecord",
    "arctan",
    "arctan_derivative",
    "boxcar",
    "dale",
    "diagnose",
    "distances",
    "encoders",
    "exponential",
    "fast_sigmoid",
    "fast_sigmoid_derivative",
    "fit",
    "fluctuation_driven",
    "gaussian",
    "losses",
    "membrane_moments",
    "minibatches",
    "multi_gaussian",
    "piecewise_linear",
    "positive",
    "spike_function",
    "straight_through",
    "surrogates",
    "triangle",
]
