"""SynapseCollection: a list of connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxnest.nest._errors import NESTErrors, unread_keys
from jaxnest.nest._kernel import kernel
from jaxnest.nest._ledger import Batch, synapse_check
from jaxnest.nest._output import to_json
from jaxnest.nest._parameters import Context, Parameter

_ORDER = {"neurons": 0, "spikes": 1, "spikes_in": 2, "current_in": 2, "states": 2}
_FIXED = ("source", "target", "target_thread", "synapse_id", "synapse_model", "port", "receptor", "sizeof")


class SynapseCollection:
    """Connections, in the order thread, synapse model, source. Index it, iterate over it, get and set properties.

    It speaks of the connections as they were when it was made: after `Connect` or `Disconnect` it warns.
    """

    _batch: np.ndarray
    _place: np.ndarray
    _port: np.ndarray
    _changes: int

    def __init__(self, batch: np.ndarray, place: np.ndarray, port: np.ndarray) -> None:
        for name, value in (("_batch", batch), ("_place", place), ("_port", port), ("_changes", kernel.changes)):
            object.__setattr__(self, name, value)

    # --- as a sequence --------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._batch)

    def __iter__(self) -> Iterator[SynapseCollection]:
        return (self._pick(slice(k, k + 1)) for k in range(len(self)))

    def __getitem__(self, key: Any) -> SynapseCollection:
        if isinstance(key, slice):
            return self._pick(key)
        if not isinstance(key, (int, np.integer)):
            raise TypeError("only integers and slices are valid indices")
        if not -len(self) <= key < len(self):
            raise IndexError("list index out of range")
        key = int(key) % len(self)
        return self._pick(slice(key, key + 1))

    def _pick(self, index: Any) -> SynapseCollection:
        return SynapseCollection(self._batch[index], self._place[index], self._port[index])

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, SynapseCollection):
            raise NotImplementedError("Cannot compare SynapseCollection to other type")
        return np.array_equal(self._batch, other._batch) and np.array_equal(self._place, other._place)

    __hash__ = None  # type: ignore[assignment]

    def _parts(self) -> Iterator[tuple[Batch, np.ndarray, np.ndarray]]:
        """Batches, the positions here, and the places in the batch."""
        for k in np.unique(self._batch):
            here = np.flatnonzero(self._batch == k)
            yield kernel.batches[k], here, self._place[here]

    # --- properties -----------------------------------------------------------------------------------------------

    def _gather(self, key: str) -> list[Any]:
        """A property of each connection, None for those that lack it. **Raises:** `KeyError` if all lack it."""
        out: list[Any] = [None] * len(self)
        missing = True
        for batch, here, places in self._parts():
            try:
                values = self._of_batch(batch, key, here, places)
            except KeyError:
                continue
            missing = False
            for k, v in zip(here, values, strict=True):
                out[k] = v
        if missing and len(self):
            raise KeyError(key)
        return out

    def _of_batch(self, batch: Batch, key: str, here: np.ndarray, places: np.ndarray) -> list[Any]:
        n = len(places)
        if key == "source":
            return [int(i) for i in batch.pre[places]]
        if key == "target":
            return [int(i) for i in batch.post[places]]
        if key == "target_thread":
            threads = kernel.settings.values["total_num_virtual_procs"]
            return [int(i % threads) for i in batch.post[places]]
        if key == "port":
            return [int(i) for i in self._port[here]]
        fixed = {
            "synapse_id": batch.model.synapse_id,
            "synapse_model": batch.model.name,
            "sizeof": batch.model.sizeof,
        }
        if key in fixed:
            return [fixed[key]] * n
        if key in batch.model.core.common and key != "weight":
            return [kernel.models.synapses[batch.model.name].defaults[key]] * n
        if key == "synapse_label":
            if not batch.model.labelled:
                raise KeyError(key)
            key = "label"
        elif key in ("label", "receptor_type"):
            raise KeyError(key)
        if kernel.engine is not None:
            live = kernel.engine.connection_values(batch, key)
            if live is not None:
                return [float(v) for v in live[places]]
        if key == "weight" and "weight" in batch.model.core.common:
            return [kernel.models.synapses[batch.model.name].defaults["weight"]] * n
        column = batch.column(key)
        values = np.broadcast_to(column, len(batch))[places]
        return [int(v) for v in values] if key in ("receptor", "label") else [float(v) for v in values]

    def _keys(self) -> list[str]:
        keys = set()
        for batch, _, _ in self._parts():
            keys |= {*_FIXED, "weight", "delay", *batch.values}
            keys |= set(batch.model.core.common)
            if batch.model.labelled:
                keys.add("synapse_label")
        return sorted(keys)

    def get(self, keys: Any = None, output: str = "") -> Any:
        """Properties: of one connection plain values, of several lists; all in a dict, one by name, some by a list of names.

        With ``output="pandas"`` a DataFrame, with ``output="json"`` text. **Raises:** `KeyError`, `TypeError`.
        """
        if output not in ("", "pandas", "json"):
            raise ValueError(f"output must be 'pandas' or 'json', not {output!r}")
        if keys is None:
            result: Any = {key: self._gather(key) for key in self._keys()} if len(self) else {}
        elif isinstance(keys, str):
            result = self._gather(keys)
        elif isinstance(keys, (list, tuple)):
            if not all(isinstance(k, str) for k in keys):
                raise TypeError("keys should be either a string or an iterable of strings")
            result = {key: self._gather(key) for key in keys}
        else:
            raise TypeError("keys should be either a string or an iterable")
        if output == "pandas":
            import pandas

            table = {keys: result} if isinstance(keys, str) else result
            return pandas.DataFrame(table, index=self._gather("source"))
        if len(self) == 1:
            result = {k: v[0] for k, v in result.items()} if isinstance(result, dict) else result[0]
        elif not len(self) and keys is not None:
            result = () if isinstance(keys, str) else {}
        return to_json(result) if output == "json" else result

    def set(self, params: Any = None, **kwargs: Any) -> None:
        """Set properties: a dict for all, or a list of dicts, one a connection; lists as values give one to each.

        **Raises:** NEST's errors; nothing changes then.
        """
        if kwargs and params is None:
            params = kwargs
        elif kwargs and params:
            raise TypeError("must either provide params or kwargs, but not both.")
        if not len(self):
            return
        if isinstance(params, str) or not isinstance(params, (dict, list, tuple)):
            raise TypeError("status dict must be a dict, or a list of dicts")
        if isinstance(params, (list, tuple)):
            if len(params) != len(self):
                raise TypeError(f"status dict must be a dict, or a list of dicts of length {len(self)}")
            if all(p.keys() == params[0].keys() for p in params):
                params = {key: [p[key] for p in params] for key in params[0]}
            else:
                for one, p in zip(self, params, strict=True):
                    one.set(p)
                return
        self._set(params)

    def _set(self, params: dict[str, Any]) -> None:
        columns: dict[str, np.ndarray] = {}
        for key, value in params.items():
            if isinstance(value, Parameter):
                value = value.draw(Context(n=len(self), rng=kernel.rng))
            if isinstance(value, str) or isinstance(value, (list, tuple)) and any(isinstance(v, str) for v in value):
                raise NESTErrors.TypeMismatch(f"Expected datatype: {key} must be a number")
            if np.ndim(value) and len(value) != len(self):
                raise TypeError(f"status dict must be a dict, or a list of dicts of length {len(self)}")
            columns[key] = np.asarray(value)
        parts = list(self._parts())
        for batch, here, _ in parts:
            allowed = {"weight", "delay", *batch.values, *(("synapse_label",) if batch.model.labelled else ())}
            unknown = [k for k in columns if k not in allowed or (k == "weight" and "weight" in batch.model.core.common)]
            if unknown:
                raise unread_keys("params", "connection.set()", unknown)
            mine = {k: v if v.ndim == 0 else v[here] for k, v in columns.items()}
            if "delay" in mine:
                kernel.check_delays(float(mine["delay"].min()), float(mine["delay"].max()))
            synapse_check(batch.model, {k: v for k, v in mine.items() if k not in ("delay", "synapse_label")})
        for batch, here, places in parts:
            for key, value in columns.items():
                self._write(batch, places, key, value if value.ndim == 0 else value[here])

    @staticmethod
    def _write(batch: Batch, places: np.ndarray, key: str, value: np.ndarray) -> None:
        from jaxnest.nest._connect import rounded

        if key == "delay":
            value = np.asarray(rounded(value, kernel.resolution))
            kernel.note_delays(float(value.min()), float(value.max()))
        engine = kernel.engine
        live = engine.connection_values(batch, key) if engine is not None else None
        if live is not None:
            batch.assign(key, np.arange(len(batch)), np.nan_to_num(live))
        name = "label" if key == "synapse_label" else key
        batch.assign(name, places, value.item() if value.ndim == 0 else value)
        if engine is not None:
            engine.write_connections(batch, name)

    def sources(self) -> Iterator[int]:
        return iter(self._gather("source"))

    def targets(self) -> Iterator[int]:
        return iter(self._gather("target"))

    def disconnect(self) -> None:
        """Delete these connections."""
        if self._changes != kernel.changes:
            raise NESTErrors.KernelException("SynapseCollection is invalid: connections were made or deleted since.")
        for batch, _, places in self._parts():
            if batch.alive is None:
                batch.alive = np.ones(len(batch), bool)
            batch.alive[places] = False
        kernel.changes += 1
        kernel.structure_changed()

    def __getattr__(self, attr: str) -> Any:
        if attr.startswith("__"):
            raise AttributeError(attr)
        if attr == "distance":
            from jaxnest.nest._spatial_api import Distance

            return Distance(self)
        return self.get(attr)

    def __setattr__(self, attr: str, value: Any) -> None:
        if attr == "print_full":
            object.__setattr__(self, attr, value)
            return
        self._gather(attr)
        self.set({attr: value})

    def __repr__(self) -> str:
        return self._table()

    def __str__(self) -> str:
        return self._table()

    def _table(self) -> str:
        if not len(self):
            return "The synapse collection does not contain any connections."
        full = self.__dict__.get("print_full", False)
        names = ("source", "target", "synapse_model", "weight", "delay")
        columns = [self._gather(n) for n in names]
        text = [
            [f"{s}" for s in columns[0]],
            [f"{t}" for t in columns[1]],
            [f"{m}" for m in columns[2]],
            [f"{w:.3f}" for w in columns[3]],
            [f"{d:.3f}" for d in columns[4]],
        ]
        heads = ["source", "target", "synapse model", "weight", "delay"]
        widths = [max(len(h) + 2, *(len(c) + 1 for c in col)) for h, col in zip(heads, text, strict=True)]
        lines = [" ".join(h.center(w) for h, w in zip(heads, widths, strict=True)), " ".join("-" * w for w in widths)]
        rows = [" ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in zip(*text, strict=True)]
        if len(rows) >= 35 and not full:
            rows = [*rows[:15], " ".join("⋮".center(w) for w in widths), *rows[-15:]]
        return "\n".join(lines + rows)


def get_connections(source: Any, target: Any, model: str | None, label: int | None) -> SynapseCollection:
    """The connections that match, in order."""
    batches, places, keys = [], [], []
    threads = kernel.settings.values["total_num_virtual_procs"]
    want = [None if side is None else side._ids for side in (source, target)]
    for number, batch in enumerate(kernel.batches):
        if model is not None and batch.model.name != model:
            continue
        keep = np.ones(len(batch), bool) if batch.alive is None else batch.alive.copy()
        keys_here = _sort_keys(batch, threads)
        for ids, side in zip(want, (batch.pre, batch.post), strict=True):
            if ids is not None:
                keep &= np.isin(side, ids)
        if label is not None:
            keep &= (np.broadcast_to(batch.label, len(batch)) == label) if batch.model.labelled else False
        chosen = np.flatnonzero(keep)
        batches.append(np.full(len(chosen), number))
        places.append(chosen)
        keys.append(keys_here[:, chosen])
    if not batches:
        none = np.zeros(0, np.int64)
        return SynapseCollection(none, none, none)
    batch_of, place, key = np.concatenate(batches), np.concatenate(places), np.concatenate(keys, axis=1)
    order = np.lexsort((place, batch_of, key[3], key[2], key[1], key[0]))
    batch_of, place, key = batch_of[order], place[order], key[:, order]
    return SynapseCollection(batch_of, place, _ports(key))


def _sort_keys(batch: Batch, threads: int) -> np.ndarray:
    """Thread, synapse model, whether from or to a device, source: (4, n)."""
    n = len(batch)
    return np.stack(
        [batch.post % threads, np.full(n, batch.model.synapse_id), np.full(n, _ORDER[batch.kind]), batch.pre]
    ).astype(np.int64)


def _ports(key: np.ndarray) -> np.ndarray:
    """Consecutive numbers within thread and synapse model, of devices within each node."""
    group = key.copy()
    group[3][key[2] == 0] = 0
    change = np.flatnonzero((np.diff(group, axis=1) != 0).any(axis=0)) + 1
    starts = np.concatenate([[0], change]).astype(np.int64)
    which = np.searchsorted(starts, np.arange(key.shape[1]), side="right") - 1
    return np.arange(key.shape[1]) - starts[which] if key.shape[1] else np.zeros(0, np.int64)
