"""Functions about the run and the kernel: Simulate, ResetKernel, SetKernelStatus …"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from jaxnest.nest._engine import Engine
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._kernel import kernel
from jaxnest.nest._transfer import transfer


def Simulate(t: float) -> None:
    """Simulate `t` ms. **Raises:** `NESTErrors.BadParameter` if it is negative or no multiple of the resolution."""
    Prepare()
    try:
        Run(t)
    finally:
        Cleanup()


def Prepare() -> None:
    """Get ready for `Run`: compile, if anything changed, and open the recorders' files."""
    if kernel.prepared:
        raise NESTErrors.KernelException("Prepare called twice.")
    kernel.settings.timers.clear("simulate")
    _compile()
    kernel.prepared = True
    for recorder in kernel.recorders.values():
        recorder.open()


def _compile() -> None:
    if kernel.engine is None or kernel.engine.stale:
        previous = kernel.engine
        with kernel.settings.timers.running("communicate_prepare"):
            engine = Engine(kernel)
            if previous is not None and kernel.steps:
                transfer(previous, engine)
            kernel.engine = engine


def Run(t: float) -> None:
    """Simulate `t` ms, between `Prepare` and `Cleanup`."""
    if not kernel.prepared:
        raise NESTErrors.KernelException("Run called without calling Prepare.")
    if isinstance(t, (str, bool)) or not isinstance(t, (int, float, np.number)):
        raise TypeError("t must be a number")
    t = float(t)
    h = kernel.resolution
    if t < 0:
        raise NESTErrors.BadParameter("The simulation time cannot be negative.")
    if not np.isfinite(t) or t > 1e12:
        raise NESTErrors.BadParameter("The simulation time must be finite.")
    steps = round(t / h)
    if abs(steps * h - t) > 1e-9 * max(t, 1.0):
        raise NESTErrors.BadParameter("The simulation time must be a multiple of the simulation resolution.")
    if kernel.engine is not None and kernel.engine.stale:
        _compile()
    assert kernel.engine is not None
    if steps:
        kernel.simulated = True
        with kernel.settings.timers.running("simulate"):
            kernel.engine.run(steps)


def Cleanup() -> None:
    """The end of `Prepare` ... `Run`: close the recorders' files."""
    if not kernel.prepared:
        raise NESTErrors.KernelException("Cleanup called without calling Prepare.")
    kernel.prepared = False
    for recorder in kernel.recorders.values():
        recorder.close()


@contextmanager
def RunManager() -> Iterator[None]:
    """`Prepare` before and `Cleanup` after a block of `Run`s."""
    Prepare()
    try:
        yield
    finally:
        Cleanup()


def ResetKernel() -> None:
    """Back to the beginning: no nodes, no connections, models and settings as they came."""
    kernel.reset()


def SetKernelStatus(params: dict[str, Any]) -> None:
    """Set attributes of the kernel. **Raises:** NEST's errors; nothing changes then."""
    if not isinstance(params, dict):
        raise TypeError("params must be a dict")
    kernel.settings.set(params)
    if "rng_seed" in params and kernel.engine is not None:
        kernel.engine.reseed()


def GetKernelStatus(keys: Any = None) -> Any:
    """Attributes of the kernel: all in a dict, one by name, some as a tuple. **Raises:** `KeyError`."""
    if keys is None:
        return {name: kernel.settings.get(name) for name in kernel.settings.names()}
    if isinstance(keys, str):
        return kernel.settings.get(keys)
    if isinstance(keys, Sequence):
        return tuple(kernel.settings.get(k) for k in keys)
    raise TypeError("keys should be either a string or an iterable")


def set(**kwargs: Any) -> None:
    """Set attributes of the kernel by keywords."""
    SetKernelStatus(kwargs)


def get(*args: Any) -> Any:
    """Attributes of the kernel: all in a dict, one by name, several as a tuple."""
    return GetKernelStatus(args if len(args) > 1 else args[0] if args else None)


def EnableStructuralPlasticity() -> None:
    """Not there yet. **Raises:** `NESTErrors.NotImplemented`."""
    raise NESTErrors.NotImplemented("EnableStructuralPlasticity: NEST has it, jaxnest does not yet.")


def DisableStructuralPlasticity() -> None:
    """Structural plasticity is off: there is none yet."""


def Rank() -> int:
    return 0


def NumProcesses() -> int:
    return 1


def SyncProcesses() -> None:
    """There is one process: nothing to wait for."""


def GetLocalVPs() -> range:
    return range(kernel.settings.values["total_num_virtual_procs"])


def SetAcceptableLatency(port_name: str, latency: float) -> None:
    raise NESTErrors.NotImplemented("SetAcceptableLatency needs MUSIC, which jaxnest does not have.")


def SetMaxBuffered(port_name: str, size: int) -> None:
    raise NESTErrors.NotImplemented("SetMaxBuffered needs MUSIC, which jaxnest does not have.")


def set_communicator(comm: Any) -> None:
    raise NESTErrors.NotImplemented("set_communicator needs MPI, which jaxnest does not use.")
