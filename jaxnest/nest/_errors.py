"""NEST's exceptions: ``NESTErrors.BadProperty("message")`` and its 56 siblings.

As in NEST 3.10, ``NESTErrors`` is a module-like object, every class derives directly from
``NESTErrors.KernelException`` (also called ``NESTError``), and ``str(error)`` is the message alone: the name of
the class is not part of it. ``NESTErrors.KeyError`` and ``NESTErrors.IOError`` are not Python's.
"""

from types import ModuleType

from jaxnest.nest._nest_models import NODE_MODELS, SYNAPSE_MODELS

_NAMES = """
    BackendAlreadyRegistered BackendNotPrepared BackendPrepared BadDelay BadParameter BadParameterValue BadProperty
    DimensionMismatch DistributionError DynamicModuleManagementError GSLSolverFailure IOError IllegalConnection
    IncompatibleReceptorType InexistentConnection InternalError InvalidDefaultResolution InvalidTimeInModel KeyError
    LayerExpected LayerNodeExpected LocalNodeExpected MPIErrorCode MPIPortsFileMissing MPIPortsFileUnknown
    MUSICChannelAlreadyMapped MUSICChannelUnknown MUSICPortAlreadyPublished MUSICPortHasNoWidth MUSICPortUnconnected
    MUSICPortUnknown MUSICSimulationHasRun ModelInUse NamingConflict NewModelNameExists NoThreadSiblingsAvailable
    NodeWithProxiesExpected NotImplemented NumericalInstability RangeCheck StepMultipleRequired TimeMultipleRequired
    TypeMismatch UnaccessedDictionaryEntry UndefinedName UnexpectedEvent UnknownCompartment UnknownComponent
    UnknownModelName UnknownNode UnknownPort UnknownReceptorType UnknownSynapseType UnknownThread UnmatchedSteps
    UnsupportedEvent
"""


class NESTError(Exception):
    """Base of all errors of NEST's face; ``NESTErrors.KernelException`` is this class."""


def _collect() -> ModuleType:
    """The object with one class a name; ``__qualname__`` lets the errors be pickled."""
    errors = ModuleType("NESTErrors", "The errors that NEST raises.")
    NESTError.__name__ = "KernelException"
    NESTError.__qualname__ = "NESTErrors.KernelException"
    errors.KernelException = NESTError  # type: ignore[attr-defined]
    for name in _NAMES.split():
        attributes = {"__module__": __name__, "__qualname__": f"NESTErrors.{name}", "__doc__": None}
        setattr(errors, name, type(name, (NESTError,), attributes))
    return errors


NESTErrors = _collect()

# for each kind of lookup: the error's class, NEST's text, and the names that NEST 3.10 would have found
_UNKNOWN = {
    "node": ("UnknownModelName", "{} is not a known model name.", NODE_MODELS),
    "model": ("UnknownModelName", "{} is not a known model name.", NODE_MODELS | SYNAPSE_MODELS),
    "synapse": ("UnknownSynapseType", "Synapse with name {} does not exist.", SYNAPSE_MODELS),
    "component": ("UnknownComponent", "{} is not a known component.", NODE_MODELS | SYNAPSE_MODELS),
}


def unknown_model(name: str, kind: str) -> NESTError:
    """The error for a model that does not exist here, to be raised by the caller.

    ``kind`` says who looked: "node" (Create), "model" (CopyModel), "synapse" (Connect, GetConnections) or
    "component" (GetDefaults, SetDefaults). The message is NEST's; if NEST 3.10 has the model, it says so as well.
    """
    error, text, elsewhere = _UNKNOWN[kind]
    message = text.format(name)
    if name in elsewhere:
        message += " NEST has it, jaxnest does not yet."
    return getattr(NESTErrors, error)(message)


def unread_keys(where: str, function: str, keys: list[str]) -> NESTError:
    """The UnaccessedDictionaryEntry error for ``keys`` that nothing read.

    ``where`` is what NEST calls the dictionary ("params", "syn_spec", "conn_spec") and ``function`` who read it,
    e.g. "NodeManager::set_status", "ModelManager::set_node_defaults_",
    "ModelManager::set_synapse_defaults_", "Connect" or "connection.set()".
    """
    listed = " ".join(sorted(keys))
    return NESTErrors.UnaccessedDictionaryEntry(f"Unaccessed elements in {where}, in function {function}:  {listed}")


def type_mismatch(key: str, value: object, wanted: str) -> NESTError:
    """The TypeMismatch error for a ``value`` given for ``key`` where NEST wants the C++ type ``wanted``.

    ``wanted`` is e.g. "long", "double", "bool" or "std::string".
    """
    given = {str: "std::string", int: "long", float: "double", bool: "bool"}.get(type(value), type(value).__name__)
    return NESTErrors.TypeMismatch(f"Expected datatype: Failed to cast '{key}' from {given} to type {wanted}")
