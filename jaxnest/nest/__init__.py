"""NEST's Python interface on jaxnest: ``import jaxnest.nest as nest``.

Scripts for PyNEST 3.10 run by changing their import, or unchanged by ``jaxnest run script.py``. The face keeps a ledger of
nodes and connections and compiles it at the next `Simulate`; it computes in float64, as NEST does. What differs from NEST stands
in docs/differences_from_nest.md.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from jaxnest.nest import _api as _functions
from jaxnest.nest import logic, math, random, raster_plot, spatial, spatial_distributions, visualization, voltage_trace
from jaxnest.nest._api import *  # noqa: F403
from jaxnest.nest._errors import NESTError, NESTErrors
from jaxnest.nest._help import (
    VerbosityLevel,
    get_verbosity,
    help,
    message,
    serialize_data,
    set_verbosity,
    to_json,
    userdict,
)
from jaxnest.nest._kernel import kernel as _kernel
from jaxnest.nest._mask_types import CreateMask
from jaxnest.nest._masks import Mask
from jaxnest.nest._network import network
from jaxnest.nest._parameter_types import CreateParameter
from jaxnest.nest._parameters import Parameter
from jaxnest.nest._settings import ATTRIBUTES as _ATTRIBUTES
from jaxnest.nest._settings import DEFAULTS as _DEFAULTS
from jaxnest.nest._settings import SETTABLE as _SETTABLE
from jaxnest.nest._sonata import SonataNetwork
from jaxnest.nest._spatial_api import (
    Displacement,
    Distance,
    DumpLayerConnections,
    DumpLayerNodes,
    FindCenterElement,
    FindNearestElement,
    GetPosition,
    GetSourceNodes,
    GetSourcePositions,
    GetTargetNodes,
    GetTargetPositions,
    SelectNodesByMask,
)
from jaxnest.nest._spatial_plots import PlotLayer, PlotProbabilityParameter, PlotSources, PlotTargets

__version__ = "3.10.0"

__all__ = [
    *_functions.__all__,
    "CreateMask",
    "CreateParameter",
    "Displacement",
    "Distance",
    "DumpLayerConnections",
    "DumpLayerNodes",
    "FindCenterElement",
    "FindNearestElement",
    "GetPosition",
    "GetSourceNodes",
    "GetSourcePositions",
    "GetTargetNodes",
    "GetTargetPositions",
    "Mask",
    "NESTError",
    "NESTErrors",
    "Parameter",
    "PlotLayer",
    "PlotProbabilityParameter",
    "PlotSources",
    "PlotTargets",
    "SelectNodesByMask",
    "SonataNetwork",
    "VerbosityLevel",
    "get_verbosity",
    "help",
    "logic",
    "math",
    "message",
    "network",
    "random",
    "raster_plot",
    "serialize_data",
    "set_verbosity",
    "spatial",
    "spatial_distributions",
    "to_json",
    "userdict",
    "visualization",
    "voltage_trace",
]


class _Attribute:
    """An attribute of the kernel, as an attribute of the module."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._default = _DEFAULTS.get(name)
        self._readonly = name not in _SETTABLE

    def __get__(self, module: Any, owner: Any = None) -> Any:
        return self if module is None else _kernel.settings.get(self._name)

    def __set__(self, module: Any, value: Any) -> None:
        if self._readonly:
            raise AttributeError(f"`{self._name}` is a read only kernel attribute.")
        _functions.SetKernelStatus({self._name: value})


class NestModule(ModuleType):
    """The module itself: kernel attributes are read and set on it, others cannot be set."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(vars(NestModule).get(name), _Attribute) or name.startswith("__"):
            super().__setattr__(name, value)
            return
        if isinstance(value, ModuleType):  # a sub-module that was imported
            super().__setattr__(name, value)
            return
        raise AttributeError(f"Cannot set attribute '{name}' on module 'nest'")


for _name in _ATTRIBUTES:
    setattr(NestModule, _name, _Attribute(_name))
sys.modules[__name__].__class__ = NestModule
