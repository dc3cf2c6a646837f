"""Which models the library has: a mark of a model's source goes into the library and is compared with that of now.

So a model that was changed since, or that is a user's own, is known to be another one, without tracing anything.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import warnings
from pathlib import Path
from typing import Any

from jaxnest.events import native


def mark(model: type, base: type) -> str | None:
    """A mark of the files that define `model` and its ancestors down to `base`; None if there is a class without a file."""
    return _mark(model, base)


def number(kind: str, model: type, base: type) -> int | None:
    """The place of `model` in the library's list of `kind` ("rule" of synapses, "step" of neurons), None if it is not there.

    **Warns:** if the library has another version of it: it then runs in XLA.
    """
    return _number(kind, model, base)


@functools.cache
def _mark(model: Any, base: Any) -> str | None:
    digest = hashlib.sha256(model.__name__.encode())
    for ancestor in model.__mro__[: model.__mro__.index(base)]:
        file = getattr(sys.modules.get(ancestor.__module__), "__file__", None)
        if file is None:
            return None
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def _number(kind: str, model: Any, base: Any) -> int | None:
    known = native.listed(kind)
    mine = f"{model.__name__}:{_mark(model, base)}"
    if mine in known:
        return known.index(mine)
    if model.__module__.startswith("jaxnest.") and any(k.startswith(f"{model.__name__}:") for k in known):
        warnings.warn(
            f"the C++ library was made of another version of {model.__name__}, which therefore runs in XLA, slower: "
            "python -m jaxnest.events.native._generate, and install jaxnest again",
            stacklevel=3,
        )
    return None
