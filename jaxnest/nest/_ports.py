"""Where NEST keeps a connection: its thread, its turn among all connections, its port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jaxnest.nest._device_rules import devices

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel
    from jaxnest.nest._ledger import Batch

_MODELS = 1 << 16  # more synapse models than there can be


def threads_of(kernel: Kernel, pre: np.ndarray, post: np.ndarray) -> np.ndarray:
    """The thread (n,) of connections between the IDs (n,): that of the target, from neurons to devices that of the source."""
    device = devices(kernel)
    deciding = np.where(device[post] & ~device[pre], pre, post)
    return deciding % kernel.settings.values["total_num_virtual_procs"]


def turn(kernel: Kernel, batch: Batch, places: np.ndarray) -> np.ndarray:
    """What connections are sorted by before their sources, (n,): thread, synapse model, whether to or from a device."""
    device = devices(kernel)
    pre, post = batch.pre[places], batch.post[places]
    kind = np.where(device[pre], 2, np.where(device[post], 1, 0))
    return (threads_of(kernel, pre, post).astype(np.int64) * _MODELS + batch.model.synapse_id) * 3 + kind


def ports(kernel: Kernel) -> list[np.ndarray]:
    """The ports of all connections, an array (n,) a batch, -1 for deleted ones.

    They are counted within thread and synapse model, by source; from and to devices within each source.
    """
    if kernel.ports is not None and kernel.ports[0] == kernel.changes:
        return kernel.ports[1]
    alive = [np.arange(len(b)) if b.alive is None else np.flatnonzero(b.alive) for b in kernel.batches]
    turns = np.concatenate([turn(kernel, b, places) for b, places in zip(kernel.batches, alive, strict=True)])
    sources = np.concatenate([b.pre[places] for b, places in zip(kernel.batches, alive, strict=True)])
    order = np.lexsort((sources, turns))
    group, within = turns[order], np.where(turns % 3 == 0, 0, sources)[order]
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(group) != 0) | (np.diff(within) != 0)]))
    found = np.empty(len(order), np.int64)
    found[order] = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    columns = []
    for b, places, mine in zip(kernel.batches, alive, np.split(found, np.cumsum([len(a) for a in alive])[:-1]), strict=True):
        columns.append(np.full(len(b), -1, np.int64))
        columns[-1][places] = mine
    kernel.ports = kernel.changes, columns
    return columns


__all__ = ["ports", "threads_of", "turn"]
