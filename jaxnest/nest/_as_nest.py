"""Importing this module makes `import nest`, and the import of its sub-modules, find jaxnest's face."""

from __future__ import annotations

import importlib
import sys

SUBMODULES = (
    "logic",
    "math",
    "random",
    "raster_plot",
    "spatial",
    "spatial_distributions",
    "visualization",
    "voltage_trace",
)


def install() -> None:
    """Put the face into `sys.modules` in NEST's place."""
    face = importlib.import_module("jaxnest.nest")
    sys.modules["nest"] = face
    for name in SUBMODULES:
        sys.modules[f"nest.{name}"] = importlib.import_module(f"jaxnest.nest.{name}")


install()
