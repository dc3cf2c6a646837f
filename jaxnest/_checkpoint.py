"""Checkpoints: named arrays and facts, kept by Orbax, which writes each as a whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxnest.errors import ConfigurationError


class Checkpoints:
    """The checkpoints in one folder, the last `keep` of them, each named by the number of steps done.

    **Raises:** `ConfigurationError` if Orbax is not there.
    """

    def __init__(self, folder: str | Path, keep: int) -> None:
        try:
            import orbax.checkpoint as ocp
        except ImportError:
            raise ConfigurationError("checkpoints are written by Orbax: pip install 'jaxnest[learn]'") from None
        self.folder = Path(folder).absolute()
        self._ocp = ocp
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    @property
    def latest(self) -> int | None:
        """The steps done at the last checkpoint, or None."""
        return self._manager.latest_step()

    def place(self) -> Path | None:
        """The folder of the last checkpoint, or None."""
        return None if self.latest is None else self.folder / str(self.latest)

    def save(self, step: int, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Keep arrays and facts (JSON) after `step` steps, unless there is such a checkpoint.

        Arrays have numbers for names, for paths have characters that a file's name may not have.
        """
        if self.latest == step:
            return
        host = {name: np.asarray(x) for name, x in arrays.items()}
        listed = [[name, list(x.shape), x.dtype.name] for name, x in host.items()]
        tree = {str(i): x for i, x in enumerate(host.values()) if x.size}
        args = self._ocp.args
        self._manager.save(
            step,
            args=args.Composite(arrays=args.StandardSave(tree), facts=args.JsonSave({**facts, "arrays": listed})),
        )

    def facts(self) -> dict[str, Any]:
        """The facts of the last checkpoint."""
        args = self._ocp.args
        return self._manager.restore(self.latest, args=args.Composite(facts=args.JsonRestore())).facts

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of the last checkpoint."""
        args = self._ocp.args
        listed = self.facts()["arrays"]
        like = {str(i): np.empty(shape, dtype) for i, (_, shape, dtype) in enumerate(listed) if 0 not in shape}
        tree = self._manager.restore(self.latest, args=args.Composite(arrays=args.StandardRestore(like))).arrays
        empty = {str(i): np.empty(shape, dtype) for i, (_, shape, dtype) in enumerate(listed) if 0 in shape}
        found = {**tree, **empty}
        return {name: np.asarray(found[str(i)]) for i, (name, _, _) in enumerate(listed)}

    def close(self) -> None:
        self._manager.close()


def as_arrays(kind: str, tree: Any) -> dict[str, np.ndarray]:
    """The leaves of a pytree by ``kind:number``; random keys as their data."""
    return {f"{kind}:{i}": np.asarray(_data(x)) for i, x in enumerate(jax.tree.leaves(tree))}


def from_arrays(kind: str, arrays: Mapping[str, np.ndarray], like: Any) -> Any:
    """What `as_arrays` made of a pytree such as `like`.

    **Raises:** `ConfigurationError` if the leaves are others.
    """
    leaves, structure = jax.tree.flatten(like)
    found = [arrays[f"{kind}:{i}"] for i in range(sum(name.startswith(f"{kind}:") for name in arrays))]
    there, here = ([(x.shape, x.dtype.name) for x in some] for some in (found, [np.asarray(_data(x)) for x in leaves]))
    if there != here:
        raise ConfigurationError(f"checkpoint: the {kind} has arrays {there}, here it has {here}; give another folder")
    back = [
        jax.random.wrap_key_data(jax.device_put(x)) if _is_key(y) else jax.device_put(x)
        for x, y in zip(found, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, back)


def digest(tree: Any) -> str:
    """A mark that two pytrees of arrays share when they are equal bit for bit."""
    mark = hashlib.blake2b(digest_size=16)
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        array = np.ascontiguousarray(fetch(leaf))
        mark.update(f"{jax.tree_util.keystr(path)} {array.shape} {array.dtype}".encode())
        mark.update(array.reshape(-1).view(np.uint8).data)
    return mark.hexdigest()


def fetch(array: Any) -> np.ndarray:
    """All of an array, also what other processes hold: then all of them must call it."""
    if not isinstance(array, jax.Array) or array.is_fully_addressable:
        return np.asarray(array)
    return np.asarray(multihost_utils.process_allgather(array, tiled=True))


def _is_key(x: Any) -> bool:
    return isinstance(x, jax.Array) and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)


def _data(x: Any) -> Any:
    return jax.random.key_data(x) if _is_key(x) else x
