"""Networks over many devices, in one process or several."""

from jaxnest.distributed._mesh import mesh_of
from jaxnest.distributed._processes import initialize, launch
from jaxnest.distributed._program import Program
from jaxnest.distributed._simulation import Simulation

__all__ = ["Program", "Simulation", "initialize", "launch", "mesh_of"]
