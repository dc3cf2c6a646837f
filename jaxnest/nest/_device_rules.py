"""What NEST demands of devices: when they are active, and how they may be connected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._errors import NESTErrors

if TYPE_CHECKING:
    from jaxnest.nest._clock import Clock
    from jaxnest.nest._kernel import Kernel
    from jaxnest.nest._ledger import Batch, Block

_WINDOW = ("start", "stop", "origin")
_FAR = 1e15  # ms; times beyond it stand for "never"
#: rules that reach every target, which devices need: NEST has a copy of them on each thread
_WHOLE_RULES = ("all_to_all", "one_to_one", "arrays")


def impossible(reason: str) -> Exception:
    """NEST's IllegalConnection."""
    return NESTErrors.IllegalConnection(f"Creation of connection is not possible because:\n{reason}")


def check_window(owner: str, old: Mapping[str, Any], new: Mapping[str, Any], clock: Clock) -> None:
    """Check `start`, `stop` and `origin` (ms) where `new` has any of them, next to what `old` has.

    **Raises:** `BadProperty` unless they are multiples of the resolution, not negative, and start <= stop.
    """
    for key in _WINDOW:
        if key in new and key in old and new[key] < _FAR and (new[key] < 0 or not clock.nearest(new[key])[1]):
            raise NESTErrors.BadProperty(f"{owner}: {key} must be a multiple of the simulation resolution.")
    both = {**old, **new}
    if "start" in old and not new.keys().isdisjoint(("start", "stop")) and both["stop"] < both["start"]:
        raise NESTErrors.BadProperty(f"{owner}: stop >= start required.")


def check_windows(block: Block, places: np.ndarray, columns: Mapping[str, tuple[Any, bool]], clock: Clock) -> None:
    """`check_window` for nodes; `columns` are the new values, see `Kernel.set_nodes`."""
    given = [k for k in _WINDOW if k in columns and k in block.shared]
    if not given:
        return
    alike = not any(columns[k][1] for k in given) and block.each.keys().isdisjoint(_WINDOW)
    for k, place in enumerate(places[:1] if alike else places):
        old = {key: block.value(key, int(place)) for key in _WINDOW}
        new = {key: columns[key][0][k] if columns[key][1] else columns[key][0] for key in given}
        check_window(f"Setting status of a '{block.model.name}' with node ID {block.first + place}", old, new, clock)


def any_devices(kernel: Kernel, ids: np.ndarray, proper: bool = False) -> bool:
    """Whether there are devices among the nodes `ids`: generators, recorders and, unless only `proper` ones count, what NEST
    calls other (volume_transmitter)."""
    return bool(devices(kernel, proper)[ids].any())


def devices(kernel: Kernel, proper: bool = True) -> np.ndarray:
    """Whether each node is a device, (size + 1,), by ID: see `any_devices`."""
    kinds = ("stimulator", "recorder", *(() if proper else ("other",)))
    flags = [block.model.element_type in kinds for block in kernel.blocks]
    return np.concatenate([[False], np.repeat(flags, [block.n for block in kernel.blocks])]).astype(bool)


def check_rule(kernel: Kernel, rule: str, targets: np.ndarray) -> None:
    """**Raises:** `IllegalConnection` for a rule that picks targets at random, if there are devices among them."""
    if rule in _WHOLE_RULES:
        return
    if any_devices(kernel, targets):
        raise impossible("Cannot use this rule to connect to nodes without proxies (usually devices).")


def check_devices(kernel: Kernel, batches: Sequence[Batch]) -> None:
    """Check the connections from devices that are about to be made, and note the synapse models of generators.

    **Raises:** `IllegalConnection`; then nothing is noted.
    """
    noted: dict[int, np.ndarray] = {}
    for batch in batches:
        if batch.kind == "states":
            _check_meters(kernel, batch)
        elif len(batch):
            _one_synapse_model(kernel, batch, noted)
    for first, models in noted.items():
        kernel.block_of(first).synapse = models


def _one_synapse_model(kernel: Kernel, batch: Batch, noted: dict[int, np.ndarray]) -> None:
    """A generator sends by connections of one synapse model. `noted` (ID of the first node -> (n,)): those known by now."""
    number = batch.model.synapse_id
    for block, _, places in kernel.blocks_of(batch.pre):
        if block.model.element_type != "stimulator":
            continue
        old = noted.get(block.first, block.synapse)
        models = np.full(block.n, -1) if old is None else old.copy()
        if not np.isin(models[places], (-1, number)).all():
            raise impossible("All outgoing connections from a device must use the same synapse type.")
        models[places] = number
        noted[block.first] = models


def _check_meters(kernel: Kernel, batch: Batch) -> None:
    """Each meter is connected once to a node, whose values it can read."""
    if batch.model.hpc:  # in NEST a meter takes a receptor of the node
        raise impossible("Only rport==0 allowed for HPC synapses. Use normal synapse models instead.")
    known = [batch.pre.astype(np.int64) * (kernel.size + 1) + batch.post]
    if any(kernel.recorders[int(node)].connected for node in np.unique(batch.pre)):
        for b in kernel.recorded_nodes("states"):
            alive = slice(None) if b.alive is None else b.alive
            known.append(b.pre[alive].astype(np.int64) * (kernel.size + 1) + b.post[alive])
    pairs = np.concatenate(known)
    if len(np.unique(pairs)) < len(pairs):
        raise impossible("Each multimeter can only be connected once to a given node.")
    for node in np.unique(batch.pre):
        wanted = kernel.recorders[int(node)].value("record_from")
        for block, _, places in kernel.blocks_of(batch.post[batch.pre == node]):
            vectors = block.model.vectors
            for place in places[:1] if vectors.isdisjoint(block.each) else places:
                names = block.model.recordables({key: block.value(key, int(place)) for key in block.shared})
                lacking = [name for name in wanted if name not in names]
                if lacking:
                    raise impossible(f"Cannot connect with unknown recordable {lacking[0]}")


__all__ = ["any_devices", "check_devices", "check_rule", "check_window", "check_windows", "devices", "impossible"]
