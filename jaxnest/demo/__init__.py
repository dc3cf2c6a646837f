"""The demonstration that `jaxnest demo` runs."""

from jaxnest.demo._run import run

__all__ = ["run"]
