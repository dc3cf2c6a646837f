"""SynapseCollection: a list of connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxnest.nest._device_rules import any_devices
from jaxnest.nest._eprop import OWN, has_optimizer, own_optimizer, shown_optimizers
from jaxnest.nest._errors import NESTErrors, type_mismatch, unread_keys
from jaxnest.nest._kernel import kernel
from jaxnest.nest._ledger import Batch, in_range, rounded_up, synapse_check
from jaxnest.nest._nodes import NodeCollection
from jaxnest.nest._output import to_json
from jaxnest.nest._ports import ports, threads_of, turn
from jaxnest.nest._specs import as_integer

_FIXED = ("source", "target", "target_thread", "synapse_id", "synapse_model", "port", "receptor")


class SynapseCollection:
    """Connections, in the order thread, synapse model, source. Index it, iterate over it, get and set properties.

    It speaks of the connections as they were when it was made: after `Connect` or `Disconnect` it warns.
    """

    _batch: np.ndarray
    _place: np.ndarray
    _changes: int
    _batches: list[Batch]  # those of the kernel, until it is reset

    def __init__(self, batch: np.ndarray, place: np.ndarray) -> None:
        vars(self).update(_batch=batch, _place=place, _changes=kernel.changes, _batches=kernel.batches)

    # --- as a sequence --------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._batch)

    def __iter__(self) -> Iterator[SynapseCollection]:
        return (self._pick(slice(k, k + 1)) for k in range(len(self)))

    def __getitem__(self, key: Any) -> SynapseCollection:
        if isinstance(key, slice):
            return self._pick(key)
        if not isinstance(key, (int, np.integer)):
            raise TypeError(f"list indices must be integers or slices, not {type(key).__name__}")
        if not -len(self) <= key < len(self):
            raise IndexError("list index out of range")
        key = int(key) % len(self)
        return self._pick(slice(key, key + 1))

    def _pick(self, index: Any) -> SynapseCollection:
        part = SynapseCollection(self._batch[index], self._place[index])
        vars(part).update(_changes=self._changes, _batches=self._batches)
        return part

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, SynapseCollection):
            raise NotImplementedError("Cannot compare SynapseCollection to other type")
        return np.array_equal(self._batch, other._batch) and np.array_equal(self._place, other._place)

    __hash__ = None  # type: ignore[assignment]

    def _parts(self) -> Iterator[tuple[Batch, np.ndarray, np.ndarray]]:
        """Batches, the positions here, and the places in the batch. **Raises:** `KernelException` after a reset."""
        if self._batches is not kernel.batches:
            raise NESTErrors.KernelException("ResetKernel invalidates all previously created SynapseCollections.")
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
                values = self._of_batch(batch, key, places)
            except KeyError:
                continue
            missing = False
            if len(here) == len(out):
                return values
            for k, v in zip(here, values, strict=True):
                out[k] = v
        if missing and len(self):
            raise KeyError(key)
        return out

    def _of_batch(self, batch: Batch, key: str, places: np.ndarray) -> list[Any]:
        n = len(places)
        if key == "source":
            return batch.pre[places].tolist()
        if key == "target":
            return batch.post[places].tolist()
        if key == "target_thread":
            return threads_of(kernel, batch.pre[places], batch.post[places]).tolist()
        if key == "port":
            return ports(kernel)[batch.number][places].tolist()
        fixed = {"synapse_id": batch.model.synapse_id, "synapse_model": batch.model.name}
        if batch.model.sizeof is not None:
            fixed["sizeof"] = batch.model.sizeof
        if key in fixed and key not in batch.values:  # stdp_facetshw_synapse_hom has a synapse_id of its own
            return [fixed[key]] * n
        if key in batch.model.core.common and key != "optimizer":
            raise KeyError(key)
        if has_optimizer(batch.model) and key == "optimizer":
            m, v = (self._of_batch(batch, k, places) for k in OWN)
            return shown_optimizers(kernel.models.synapses[batch.model.name], m, v)
        if key == "synapse_label":
            if not batch.model.labelled:
                raise KeyError(key)
            key = "label"
        elif key in ("label", "receptor_type"):
            raise KeyError(key)
        if kernel.engine is not None:
            live = kernel.engine.connection_values(batch, key)
            if live is not None:
                return live[places].astype(int if key in batch.model.core.whole else float).tolist()
        column = batch.column(key)
        values = np.broadcast_to(column, len(batch))[places]
        return values.astype(int if key in ("receptor", "label", *batch.model.core.whole) else float).tolist()

    def _keys(self) -> list[str]:
        keys = set()
        for batch, _, _ in self._parts():
            keys |= {*_FIXED, "weight", "delay", *batch.values} - set(batch.model.core.common)
            if has_optimizer(batch.model):
                keys = (keys - set(OWN)) | {"optimizer"}
            if batch.model.sizeof is not None:
                keys.add("sizeof")
            if batch.model.labelled:
                keys.add("synapse_label")
        return sorted(keys)

    def get(self, keys: Any = None, output: str = "") -> Any:
        """Properties: of one connection plain values, of several lists; all in a dict, one by name, some by a list of names.

        With ``output="pandas"`` a DataFrame, with ``output="json"`` text. **Raises:** `KeyError`, `TypeError`.
        """
        if output not in ("", "pandas", "json"):
            raise ValueError(f"output must be 'pandas' or 'json', not {output!r}")
        if not len(self) or not kernel.size:
            return self._nothing(keys, output)
        if keys is None:
            result: Any = {key: self._gather(key) for key in self._keys()}
        elif isinstance(keys, str):
            result = self._gather(keys)
        elif np.iterable(keys):
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
        return to_json(result) if output == "json" else result

    @staticmethod
    def _nothing(keys: Any, output: str) -> Any:
        """What `get` gives where there are no connections."""
        if output == "pandas":
            import pandas

            return pandas.DataFrame()
        if output == "json":
            return to_json({})
        return {} if keys is None else ()

    def set(self, params: Any = None, **kwargs: Any) -> None:
        """Set properties: a dict for all, or a list of dicts, one a connection; lists as values give one to each.

        **Raises:** NEST's errors; nothing changes then.
        """
        if not len(self) or not kernel.size:
            return
        if isinstance(params, list | tuple) and len(params) != len(self):
            raise TypeError(f"Status dict must be a dict, or a list of dicts of length {len(self)}")
        if kwargs and params is None:
            params = kwargs
        elif kwargs and params:
            raise TypeError("must either provide params or kwargs, but not both.")
        if isinstance(params, list | tuple) and all(isinstance(p, dict) for p in params):
            params = [self._flat(p) for p in params]
            if not all(p.keys() == params[0].keys() for p in params):
                for one, p in zip(self, params, strict=True):
                    one.set(p)
                return
            params = {key: [p[key] for p in params] for key in params[0]}
        if not isinstance(params, dict):
            raise TypeError("params must be a dict or a list of dicts")
        self._set(self._flat(params))

    def _flat(self, params: dict[str, Any]) -> dict[str, Any]:
        """`params` with the properties of optimisers as the core has them."""
        if "optimizer" not in params:
            return params
        model = next(self._parts())[0].model
        return own_optimizer(kernel.models.synapses[model.name], params)

    def _set(self, params: dict[str, Any]) -> None:
        columns = {key: self._column(key, value) for key, value in params.items()}
        parts = list(self._parts())
        missing = dict.fromkeys(columns, 0)
        for batch, here, _ in parts:
            own = {"weight", "delay", *batch.values, *(("synapse_label",) if batch.model.labelled else ())}
            own -= set(batch.model.core.common)
            for key in columns.keys() - own:
                missing[key] += 1
            mine = {k: v if v.ndim == 0 else v[here] for k, v in columns.items() if k in own}
            if "delay" in mine:
                delay = _kept_delay(batch, mine["delay"].astype(float))
                kernel.check_delays(float(np.min(delay)), float(np.max(rounded_up(delay, kernel.resolution))))
            for key in set(mine) & set(batch.model.core.whole):
                if mine[key].dtype.kind not in "iu":
                    as_integer(key, float(mine[key].flat[0]))
            synapse_check(batch.model, {k: v for k, v in mine.items() if k not in ("delay", "synapse_label")})
        # as in NEST, one value for all is for those that have the property
        unknown = [k for k, n in missing.items() if n == len(parts) or (n and columns[k].ndim)]
        if unknown:
            raise unread_keys("params", "connection.set()", unknown)
        for batch, here, places in parts:
            for key, value in columns.items():
                if key in ("weight", "delay", "synapse_label") or key in batch.values:
                    self._write(batch, places, key, value if value.ndim == 0 else value[here])

    def _column(self, key: str, value: Any) -> np.ndarray:
        """`value` as an array: () for all, or (n,). **Raises:** `UnaccessedDictionaryEntry`, `TypeMismatch`, `IndexError`."""
        if key in _FIXED or isinstance(value, NodeCollection):  # a common property of the model, as the volume_transmitter
            raise unread_keys("params", "connection.set()", [key])
        each = not isinstance(value, str) and np.iterable(value)
        numbers = isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
        for kind in set() if numbers else set(map(type, value)) if each else {type(value)}:
            if not issubclass(kind, int | float | np.integer | np.floating | np.bool_):
                raise type_mismatch(key, next(v for v in (value if each else [value]) if type(v) is kind), "double")
            if kind is int:
                in_range(max((v for v in value if type(v) is int), key=abs) if each else value)
        if each and len(value) < len(self):  # of more, NEST takes as many as it needs
            raise IndexError(f"{key}: {len(value)} values for {len(self)} connections")
        return np.asarray(value)[: len(self)] if each else np.asarray(value)

    @staticmethod
    def _write(batch: Batch, places: np.ndarray, key: str, value: np.ndarray) -> None:
        if key == "delay":
            value = np.asarray(_kept_delay(batch, value))
            points = np.asarray(rounded_up(value, kernel.resolution))
            kernel.note_delays(float(points.min()), float(points.max()))
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
        """Delete these connections. **Raises:** `InexistentConnection` if one is deleted already, or leads from or to a
        device (such ones cannot be deleted, as in NEST); then none is deleted."""
        parts = list(self._parts())
        for batch, _, places in parts:
            gone = batch.alive is not None and not batch.alive[places].all()
            if gone or any_devices(kernel, batch.pre[places]) or any_devices(kernel, batch.post[places], True):
                text = "Deletion of connection is not possible because it does not exist."
                raise NESTErrors.InexistentConnection(text)
        for batch, _, places in parts:
            if batch.alive is None:
                batch.alive = np.ones(len(batch), bool)
            batch.alive[places] = False
        kernel.changes += 1
        kernel.structure_changed()

    def __getattr__(self, attr: str) -> Any:
        if attr.startswith("__"):
            raise AttributeError(attr)
        if attr == "distance":
            from jaxnest.nest._spatial_api import connection_distances

            return connection_distances(*(np.array(self._gather(k), np.int64) for k in ("source", "target")))
        return self.get(attr)

    def __setattr__(self, attr: str, value: Any) -> None:
        if attr == "print_full":
            object.__setattr__(self, attr, value)
            return
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
        columns = [self._gather(n) if n in self._keys() else [None] * len(self) for n in names]
        texts = [[f"{v:#.4g}" if isinstance(v, float) else str(v) for v in column] for column in columns]
        heads = ["source", "target", "synapse model", "weight", "delay"]
        widths = [len(h) + 2 for h in heads]
        widths[2] = max(widths[2], *(len(m) for m in texts[2]))
        lines = [" ".join(h.center(w) for h, w in zip(heads, widths, strict=True)), " ".join("-" * w for w in widths)]
        widths[0] -= 1
        if len(self) >= 35 and not full:
            texts = [[*t[:15], "⋮ ", *t[-15:]] for t in texts]
        rows = [" ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in zip(*texts, strict=True)]
        return "\n".join(lines + rows)


def rounded(delay: Any, h: float) -> Any:
    """Delays on the grid of `h`, half a step rounded up."""
    delay = np.asarray(delay, float)
    out = np.round(np.floor(delay / h + 0.5 + 1e-9) * h, 12)
    return float(out) if out.ndim == 0 else out


def _kept_delay(batch: Batch, delay: Any) -> Any:
    """Delays as the connections of `batch` keep them: on the grid, but for those synapses that may lie beside it."""
    return np.asarray(delay, float) if batch.model.core.delay_rounds_up else rounded(delay, kernel.resolution)


def get_connections(source: Any, target: Any, model: str | None, label: int | None) -> SynapseCollection:
    """The connections that match, in order."""
    batches, places, turns, sources = [], [], [], []
    want = [None if side is None else side._ids for side in (source, target)]
    for number, batch in enumerate(kernel.batches):
        if model is not None and batch.model.name != model:
            continue
        keep = np.ones(len(batch), bool) if batch.alive is None else batch.alive.copy()
        for ids, side in zip(want, (batch.pre, batch.post), strict=True):
            if ids is not None:
                keep &= np.isin(side, ids)
        if label is not None:
            keep &= (np.broadcast_to(batch.label, len(batch)) == label) if batch.model.labelled else False
        chosen = np.flatnonzero(keep)
        batches.append(np.full(len(chosen), number))
        places.append(chosen)
        turns.append(turn(kernel, batch, chosen))
        sources.append(batch.pre[chosen])
    if not batches:
        none = np.zeros(0, np.int64)
        return SynapseCollection(none, none)
    order = np.lexsort((np.concatenate(sources), np.concatenate(turns)))
    return SynapseCollection(np.concatenate(batches)[order], np.concatenate(places)[order])


__all__ = ["SynapseCollection", "get_connections", "rounded"]
