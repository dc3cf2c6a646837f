"""The calcium concentration of neurons, which counts their spikes and decays; it is there to be read, and drives nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._errors import NESTErrors

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel
    from jaxnest.nest._ledger import Block


def advance_calcium(kernel: Kernel, ids: np.ndarray, step: np.ndarray, steps: int) -> None:
    """Bring `Ca` of all neurons `steps` on, to the present; `ids`, `step` (n,) are the spikes meanwhile."""
    h, now = kernel.resolution, kernel.steps
    for block in kernel.blocks:
        if "Ca" not in block.shared:
            continue
        tau, beta = _column(block, "tau_Ca"), _column(block, "beta_Ca")
        mine = (ids >= block.first) & (ids < block.first + block.n)
        place = ids[mine] - block.first
        ca = _column(block, "Ca") * np.exp(-steps * h / tau)
        if len(place):
            age = (now - step[mine]) * h
            gained = np.take(np.broadcast_to(beta, block.n), place)
            gained = gained * np.exp(-age / np.take(np.broadcast_to(tau, block.n), place))
            ca = ca + np.bincount(place, gained, block.n)
        if np.ndim(ca):
            block.each["Ca"] = ca
        else:
            block.shared["Ca"] = float(ca)


_POSITIVE = {
    "tau_Ca": "All time constants must be strictly positive.",
    "beta_Ca": "For Ca to function as an integrator of the electrical activity, beta_ca needs to be greater than 0.",
}


def check_calcium(owner: str, new: Mapping[str, Any]) -> None:
    """Check values, or arrays of them, by key. **Raises:** `BadProperty`."""
    for key, text in _POSITIVE.items():
        if key in new and np.any(np.asarray(new[key]) <= 0):
            raise NESTErrors.BadProperty(f"{owner}: {text}")
    if "Ca" in new and np.any(np.asarray(new["Ca"]) < 0):
        raise NESTErrors.BadProperty(f"{owner}: Calcium concentration cannot be negative.")


def _column(block: Block, key: str) -> Any:
    """One value for all nodes, or (n,)."""
    return np.asarray(block.each[key], float) if key in block.each else block.shared[key]
