"""Networks over many devices, in one process or several."""

from jaxnest.distributed._processes import initialize, launch
from jaxnest.distributed._simulation import Simulation, mesh_of

__all__ = ["Simulation", "initialize", "launch", "mesh_of"]
