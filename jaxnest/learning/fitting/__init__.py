"""Gradient descent on the parameters of a network: see `fit`."""

from jaxnest.learning.fitting._batches import minibatches
from jaxnest.learning.fitting._bounds import Bounded, dale, positive
from jaxnest.learning.fitting._fit import fit
from jaxnest.learning.fitting._history import History
from jaxnest.learning.fitting._loop import Progress
from jaxnest.learning.fitting._result import FitError, FitResult

__all__ = ["Bounded", "FitError", "FitResult", "History", "Progress", "dale", "fit", "minibatches", "positive"]
