"""The exceptions that jaxnest raises."""


class JaxnestError(Exception):
    """Base class of every error raised by jaxnest."""


class ConfigurationError(JaxnestError, ValueError):
    """A description is wrong: raised before anything compiles; names the parameter, the value and the mend."""


class SimulationError(JaxnestError, RuntimeError):
    """A fault arose while simulating (NaN, overflow): names the model, the neuron and the time."""
