"""The persistent compilation cache, in the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

import jax


def cache_folder() -> Path:
    """Where compiled programs are kept: `JAX_COMPILATION_CACHE_DIR`, or ``jaxnest`` in the user's cache folder."""
    given = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxnest" / "xla"


def enable_compilation_cache() -> None:
    """Keep compiled programs on disk, short ones too, unless the user has configured JAX's cache otherwise (or
    `JAXNEST_CACHE=0`)."""
    if os.environ.get("JAXNEST_CACHE") == "0":
        return
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        folder = cache_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
