"""Messages and verbosity, help, JSON, and what the build can do."""

from __future__ import annotations

import inspect
import json
import platform
import pydoc
import sys
import warnings
from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from jaxnest.nest._ascii import NEST_VERSION
from jaxnest.nest._errors import type_mismatch


class VerbosityLevel(IntEnum):
    """How grave a message is, and from which gravity on messages are shown."""

    ALL = 0
    DEBUG = 5
    STATUS = 7
    INFO = 10
    PROGRESS = 15
    DEPRECATED = 18
    WARNING = 20
    ERROR = 30
    FATAL = 40
    QUIET = 100


#: for the user's own data: nothing here reads it, and ResetKernel leaves it alone
userdict: dict[str, Any] = {}

_OVERVIEW = """jaxnest's face of PyNEST: NEST's scripts run on it

* ``nest.__version__`` displays the version of NEST that is followed.
* ``nest.build_info`` says what is available.
* ``nest.node_models`` and ``nest.synapse_models`` list the models.
* ``nest.help("iaf_psc_alpha")`` describes a model, ``help(nest.Create)`` a function.
* NEST's own documentation is at https://nest-simulator.readthedocs.io.
"""


def publish(
    threshold: VerbosityLevel, severity: int, text: str, function: str = "", filename: str = "", lineno: int = 0
) -> None:
    """Print a message if ``severity`` reaches ``threshold``, as NEST does.

    Below WARNING to stdout, else to stderr; with the place in the code if the threshold is DEBUG or ALL.
    """
    if severity < threshold:
        return
    known = severity in VerbosityLevel.__members__.values()
    name = VerbosityLevel(severity).name if known else f"Undefined ({severity})"
    place = f" {filename}:{lineno} @ {function}" if threshold <= VerbosityLevel.DEBUG else ""
    stream = sys.stdout if severity < VerbosityLevel.WARNING else sys.stderr
    print(f"[{name}] [{datetime.now():%Y-%m-%d %H:%M:%S}{place}] {text}", file=stream, flush=True)


def message(
    message: str,
    severity: int = VerbosityLevel.INFO,
    *,
    function: str | None = None,
    filename: str | None = None,
    lineno: int | None = None,
) -> None:
    """Issue a message; function, file and line are the caller's unless given.

    **Raises:** `TypeError` if the message is no string or the severity no integer.
    """
    from jaxnest.nest._kernel import kernel

    if not isinstance(message, str):
        raise TypeError(f"the message must be a string, not {type(message).__name__}")
    if not isinstance(severity, int | np.integer):
        raise TypeError(f"the severity must be a VerbosityLevel, not {severity!r}")
    caller = inspect.currentframe()
    caller = caller.f_back if caller else None
    if caller:
        function, filename = function or caller.f_code.co_name, filename or caller.f_code.co_filename
        lineno = lineno or caller.f_lineno
    publish(kernel.verbosity, int(severity), message, function or "", filename or "", lineno or 0)


def as_verbosity(value: Any) -> VerbosityLevel:
    """``value``, if it is a `VerbosityLevel`: the check for ``nest.verbosity = value``.

    **Raises:** `NESTErrors.TypeMismatch` otherwise, for the number of a level as well.
    """
    if not isinstance(value, VerbosityLevel):
        raise type_mismatch("verbosity", value, "nest::VerbosityLevel")
    return value


def get_verbosity() -> int:
    """The verbosity as a number; deprecated in favour of ``nest.verbosity``."""
    from jaxnest.nest._kernel import kernel

    warnings.warn("get_verbosity() is deprecated: read nest.verbosity instead.", stacklevel=2)
    return int(kernel.verbosity)


def set_verbosity(level: str) -> None:
    """Set the verbosity by a name such as "M_WARNING"; deprecated in favour of ``nest.verbosity``.

    **Raises:** `ValueError` for another name.
    """
    from jaxnest.nest._kernel import kernel

    warnings.warn("set_verbosity() is deprecated: set nest.verbosity = nest.VerbosityLevel.XYZ instead.", stacklevel=2)
    levels = {f"M_{known.name}": known for known in VerbosityLevel}
    if level not in levels:
        raise ValueError(f"the verbosity must be one of {', '.join(levels)}, not {level!r}")
    kernel.verbosity = levels[level]


def help(obj: Any = None, return_text: bool = False) -> str | None:
    """Describe the model named ``obj``, or this package without one.

    A model's text opens in the pager, or is returned with ``return_text``; if there is none, a note is printed.
    """
    if obj is None:
        print(_OVERVIEW)
        return None
    text = _model_text(obj)
    if text is None:
        print(f"\nSorry, there is no help for model '{obj}'.\nUse the Python help() function for functions.")
    elif return_text:
        return text
    else:
        pydoc.pager(text)
    return None


def _model_text(name: Any) -> str | None:
    """The model's description and the table of its parameters, or None if it has none here."""
    from jaxnest import devices, neurons, synapses

    models: dict[str, Any] = {**neurons.neurons, **devices.devices, **synapses.synapses}
    if not isinstance(name, str) or name not in models:
        return None
    model = models[name]
    table = [
        f"{key:<20}{parameter.default!s:>12} {parameter.unit:<6} {parameter.doc}" for key, parameter in model.parameters.items()
    ]
    return "\n".join([name, "=" * len(name), "", inspect.getdoc(model) or "", "", "Parameters", "----------", *table, ""])


def serialize_data(data: Any) -> Any:
    """``data`` with arrays and tuples as lists, NumPy's scalars as Python's, collections as IDs or dicts of status.

    What JSON cannot hold either way is returned as it is.
    """
    if isinstance(data, np.ndarray):
        return serialize_data(data.tolist()) if data.dtype == object else data.tolist()
    if isinstance(data, np.generic):
        return data.item()
    if isinstance(data, list | tuple):
        return [serialize_data(item) for item in data]
    if isinstance(data, Mapping):
        return {serialize_data(key): serialize_data(value) for key, value in data.items()}
    if data is None or isinstance(data, str | int | float):
        return data
    return _serialize_collection(data)


def _serialize_collection(data: Any) -> Any:
    """A NodeCollection as the list of its IDs, a SynapseCollection as its status, anything else as it is."""
    from jaxnest.nest._connections import SynapseCollection
    from jaxnest.nest._nodes import NodeCollection

    if isinstance(data, NodeCollection):
        return data.tolist()
    if isinstance(data, SynapseCollection):
        return serialize_data(data.get())
    return data


def to_json(data: Any, **kwargs: Any) -> str:
    """``data`` as JSON; ``kwargs`` go to `json.dumps`.

    **Raises:** `TypeError` for what JSON cannot hold.
    """
    return json.dumps(serialize_data(data), **kwargs)


def build_info() -> dict[str, Any]:
    """What is available, under NEST's names.

    ``have_gsl`` and ``have_boost`` say that the models and features for which NEST needs these libraries are not
    missing for want of them (no such library is used here); ``have_threads`` that a number of threads may be asked
    for. ``version`` is that of the NEST which is followed.
    """
    from jaxnest import __version__

    package = Path(__file__).resolve().parents[1]
    absent = ("hdf5", "libneurosim", "mpi", "music", "sionlib")
    return {
        "built": f"jaxnest {__version__}",
        "datadir": str(package),
        "docdir": str(package),
        "exitcode": 0,
        "have_boost": True,
        "have_gsl": True,
        **{f"have_{feature}": False for feature in absent},
        "have_threads": True,
        "host": platform.platform(),
        "hostcpu": platform.machine(),
        "hostos": platform.system().lower(),
        "hostvendor": "unknown",
        "ndebug": True,
        "prefix": str(package),
        "test_exitcodes": {
            "abort": 134,
            "exception": 125,
            "fatal": 127,
            "scripterror": 126,
            "segfault": 139,
            "skipped": 200,
            "skipped_have_mpi": 202,
            "skipped_no_gsl": 204,
            "skipped_no_mpi": 201,
            "skipped_no_music": 205,
            "skipped_no_threading": 203,
            "success": 0,
            "unknownerror": 10,
            "userabort": 15,
        },
        "threads_model": "xla",
        "version": NEST_VERSION,
    }
