"""The C++ lowering: finds the library that the package's build made, and makes its handlers known to XLA.

Without a library (no compiler at the install, another processor, ``JAXNEST_NATIVE=0``) everything runs in XLA.
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path

import jax

_HANDLERS = (
    "deliver",
    "to_spikes",
    "to_weight",
    "plastic",
    "up_to_date",
    "log_spikes",
    "poisson",
    "record",
    "step",
    "drive",
    "enter",
    "due",
    "pull",
    "push",
)


@functools.cache
def library() -> ctypes.CDLL | None:
    """The library for this processor, its handlers registered as ``jaxnest_…``; None if there is none."""
    return _load()[0]


def available() -> bool:
    """Whether the C++ lowering can be used: there is a library, and JAX runs on the CPU."""
    return library() is not None and jax.default_backend() == "cpu"


@functools.cache
def listed(kind: str) -> tuple[str, ...]:
    """The marks of what the library has of the models: "rule" of synapses, "step" of neurons."""
    found = library()
    if found is None:
        return ()
    known = getattr(found, f"jaxnest_{kind}_marks")
    known.restype = ctypes.c_char_p
    return tuple(known().decode().split())


def status() -> str:
    """In words, for `jaxnest info`."""
    return _load()[1]


@functools.cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    if os.environ.get("JAXNEST_NATIVE") == "0":
        return None, "off (JAXNEST_NATIVE=0)"
    # of the variants' names the longest is that of the one that uses most of the processor
    libraries = sorted(Path(__file__).parent.glob("_native-*.so"), key=lambda p: len(p.name), reverse=True)
    for path in libraries:
        try:
            found = ctypes.CDLL(str(path))
            if not found.jaxnest_runs_here():
                continue
            for name in _HANDLERS:
                jax.ffi.register_ffi_target(
                    f"jaxnest_{name}", jax.ffi.pycapsule(getattr(found, f"jaxnest_{name}")), platform="cpu"
                )
        except (OSError, AttributeError, RuntimeError) as fault:
            return None, f"cannot be loaded, install jaxnest again: {fault}"
        return found, path.name.removeprefix("_native-").split(".")[0]
    if libraries:
        return None, f"made for another processor ({', '.join(p.name for p in libraries)}): install jaxnest again here"
    return None, "not built: there was no C++ compiler when jaxnest was installed"
