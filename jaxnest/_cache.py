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
    """Keep compiled programs on disk, unless the user has configured JAX's cache (or `JAXNEST_CACHE=0`)."""
    configured = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if configured is not None or os.environ.get("JAXNEST_CACHE") == "0":
        return
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
