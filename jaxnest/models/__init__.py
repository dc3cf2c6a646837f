"""Published network models, and the statistics that they are judged by."""

from jaxnest.models._statistics import Statistics, cv_of_isis, mean_rate, statistics, synchrony
from jaxnest.models.potjans_diesmann import microcircuit

__all__ = ["Statistics", "cv_of_isis", "mean_rate", "microcircuit", "statistics", "synchrony"]
