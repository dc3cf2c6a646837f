"""SONATA's networks, which need HDF5: refused as a NEST built without it refuses them."""

from typing import Any, NoReturn


class SonataNetwork:
    """Not available.

    **Raises:** `ModuleNotFoundError`, always.
    """

    def __new__(cls, config: Any, sim_config: Any = None) -> NoReturn:
        raise ModuleNotFoundError("'SonataNetwork' unavailable because NEST was compiled without 'HDF5' support")
