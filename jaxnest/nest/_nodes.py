"""NodeCollection: an ordered set of nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._kernel import kernel
from jaxnest.nest._output import to_json, to_pandas
from jaxnest.nest._parameters import Parameter

if TYPE_CHECKING:
    from jaxnest.nest._layers import Layer

_OWN = frozenset(("_ids", "_layer", "_places"))


class NodeCollection:
    """Nodes in ascending order of their IDs; immutable. Index it, slice it, add it, get and set its properties.

    **Arguments:** `data`: IDs of existing nodes, sorted and unique; none: an empty collection.

    **Raises:** `TypeError` for what is no list of integers; `NESTErrors.BadProperty` for IDs that are not sorted, not
    unique; `NESTErrors.UnknownNode` for a node that does not exist.
    """

    _ids: np.ndarray
    _layer: Layer | None
    _places: np.ndarray | None

    def __init__(self, data: Any = None) -> None:
        if data is None:
            ids = np.zeros(0, np.int64)
        elif isinstance(data, NodeCollection):
            ids = data._ids
        else:
            ids = _ids_from(data)
        object.__setattr__(self, "_ids", ids)
        object.__setattr__(self, "_layer", None)
        object.__setattr__(self, "_places", None)

    @classmethod
    def _of(cls, ids: np.ndarray, layer: Layer | None = None, places: np.ndarray | None = None) -> NodeCollection:
        new = cls()
        object.__setattr__(new, "_ids", np.asarray(ids, np.int64))
        object.__setattr__(new, "_layer", layer)
        object.__setattr__(new, "_places", places)
        return new

    def _part(self, index: Any) -> NodeCollection:
        return self._of(self._ids[index], self._layer, None if self._places is None else self._places[index])

    # --- as a sequence --------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._ids)

    def __bool__(self) -> bool:
        return len(self._ids) > 0

    def __iter__(self) -> Iterator[NodeCollection]:
        return (self._part(slice(k, k + 1)) for k in range(len(self)))

    def __contains__(self, node: Any) -> bool:
        if isinstance(node, NodeCollection):
            return bool(np.isin(node._ids, self._ids).all())
        return bool((self._ids == node).any())

    def __getitem__(self, key: Any) -> NodeCollection:
        if isinstance(key, (bool, np.bool_)):
            raise IndexError("only integers, slices, lists, tuples, and numpy arrays are valid indices")
        if isinstance(key, slice):
            return self._slice(key)
        if isinstance(key, (int, np.integer)):
            if abs(key + (key >= 0)) > len(self):
                raise IndexError("index value outside of the NodeCollection")
            return self._part(np.array([key]))
        if isinstance(key, (list, tuple, np.ndarray)):
            return self._pick(key)
        raise IndexError("only integers, slices, lists, tuples, and numpy arrays are valid indices")

    def _slice(self, key: slice) -> NodeCollection:
        n = len(self)
        step = 1 if key.step is None else key.step
        if step < 1:
            raise IndexError("slicing step for NodeCollection must be strictly positive")
        start = 0 if key.start is None else key.start
        stop = n if key.stop is None else key.stop
        if abs(start) > n or (start == n and n and key.stop is None):
            raise IndexError("slice start value outside of the NodeCollection")
        if abs(stop) > n:
            raise IndexError("slice stop value outside of the NodeCollection")
        start, stop = start + n * (start < 0), stop + n * (stop < 0)
        if start >= stop and not (start == stop and not n):
            raise IndexError("slice leads to an empty NodeCollection" if start == stop else "start must be less than stop")
        return self._part(slice(start, stop, step))

    def _pick(self, key: Any) -> NodeCollection:
        if isinstance(key, np.ndarray):
            if key.ndim != 1:
                raise TypeError("NumPy indices must one-dimensional")
        elif not len(key):
            return NodeCollection._of(np.zeros(0, np.int64))
        elif not all(isinstance(k, (int, np.integer)) for k in key):
            raise TypeError("indices must be integers or bools")
        array = np.asarray(key)
        if array.size and len({isinstance(k, (bool, np.bool_)) for k in key}) > 1:
            raise TypeError("indices cannot be a mix of integers and bools")
        if array.dtype == bool:
            if len(array) != len(self):
                raise IndexError("Bool index array must be the same length as NodeCollection")
            return self._part(np.flatnonzero(array))
        if array.dtype.kind not in "iu":
            raise TypeError("NodeCollection must be indexed with integers or bools")
        if (np.abs(array + (array >= 0)) > len(self)).any():
            raise IndexError("index value outside of the NodeCollection")
        places = array % max(len(self), 1)
        if len(np.unique(places)) != len(places):
            raise ValueError("All node IDs in a NodeCollection have to be unique")
        if (np.diff(places) < 0).any():
            raise ValueError("All node IDs in a NodeCollection have to be sorted")
        return self._part(places)

    def __add__(self, other: Any) -> NodeCollection:
        if not isinstance(other, NodeCollection):
            raise NotImplementedError("Only NodeCollections can be joined with NodeCollections")
        if not len(self) or not len(other):
            return self if len(self) else other
        if self._layer is not other._layer or (self._layer is None) != (other._layer is None):
            raise NESTErrors.BadProperty("Can only join NodeCollections with same metadata.")
        ids = np.concatenate([self._ids, other._ids])
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        if (np.diff(ids) == 0).any():
            raise NESTErrors.BadProperty("Cannot join overlapping NodeCollections.")
        places = None
        if self._places is not None and other._places is not None:
            places = np.concatenate([self._places, other._places])[order]
        return self._of(ids, self._layer, places)

    def __radd__(self, other: Any) -> NodeCollection:
        if isinstance(other, (int, np.integer)) and other == 0:
            return self
        raise NotImplementedError("Only NodeCollections can be joined with NodeCollections")

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, NodeCollection):
            raise NotImplementedError("Cannot compare NodeCollection to type other than NodeCollection")
        return np.array_equal(self._ids, other._ids)

    __hash__ = None  # type: ignore[assignment]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._ids, dtype=dtype)

    def __repr__(self) -> str:
        return _describe(self)

    def __str__(self) -> str:
        return _describe(self)

    def tolist(self) -> list[int]:
        return [int(i) for i in self._ids]

    def index(self, node_id: int) -> int:
        """The position of a node. **Raises:** `ValueError` if it is not there."""
        found = np.flatnonzero(self._ids == node_id)
        if not len(found):
            raise ValueError(f"{node_id} is not in NodeCollection")
        return int(found[0])

    def _to_array(self, selection: str = "all") -> dict[str, list[int]]:
        """IDs by selection: "all", "rank", or "thread"."""
        if selection == "thread":
            threads = kernel.settings.values["local_num_threads"]
            return {f"thread {k}": [int(i) for i in self._ids if i % threads == k] for k in range(threads)}
        return {selection.capitalize(): self.tolist()}

    # --- properties -----------------------------------------------------------------------------------------------

    def get(self, *params: Any, **kwargs: Any) -> Any:
        """Properties of the nodes: of one node plain values, of several tuples.

        ``get()`` all in a dict; ``get("V_m")`` one; ``get(["V_m", "C_m"])`` some in a dict; ``get("events", "times")`` what lies
        in a dict. With ``output="pandas"`` a DataFrame, with ``output="json"`` text.

        **Raises:** Python's `KeyError` for a property that no node has.
        """
        output = kwargs.pop("output", "")
        if kwargs:
            raise TypeError(f"get() got an unexpected keyword argument {next(iter(kwargs))!r}")
        if not self:
            raise ValueError("Cannot get parameters of empty NodeCollection")
        if output not in ("", "pandas", "json"):
            raise ValueError(f"output must be 'pandas' or 'json', not {output!r}")
        result = self._found(params)
        if output == "pandas":
            return to_pandas(self, params, result)
        if output == "json":
            return to_json(result)
        return result

    def _found(self, params: tuple[Any, ...]) -> Any:
        if not params:
            return {key: self._one(key) for key in self._all_keys()}
        if len(params) > 1:
            return self._nested(*params)
        (which,) = params
        if isinstance(which, str):
            return self._one(which)
        if isinstance(which, (list, tuple)) or np.ndim(which):
            if not all(isinstance(k, str) for k in which):
                raise TypeError("elements of params should be strings")
            return {key: self._one(key) for key in which}
        raise TypeError("Params should be either a string or an iterable")

    def _nested(self, key: Any, *inner: Any) -> Any:
        if len(inner) > 1 or not isinstance(key, str):
            raise TypeError("First argument must be a string and second a string or a list of strings")
        (names,) = inner
        rows = self._values(key)
        if any(not isinstance(row, Mapping) for row in rows):
            raise TypeError(f"{key} is not a dictionary")
        single = isinstance(names, str)
        if not single and not all(isinstance(k, str) for k in names):
            raise TypeError("Second argument must be a string or an iterable of strings")
        listed = [names] if single else list(names)
        table = {name: tuple(row[name] for row in rows) for name in listed}
        if len(self) == 1:
            table = {name: values[0] for name, values in table.items()}
        return table[names] if single else table

    def _all_keys(self) -> list[str]:
        return sorted({k for block, _, _ in kernel.blocks_of(self._ids) for k in kernel.keys_of(block)})

    def _values(self, key: str) -> list[Any]:
        """The property of each node, None for those that lack it. **Raises:** `KeyError` if all lack it."""
        found: list[Any] = [None] * len(self)
        missing = 0
        parts = kernel.blocks_of(self._ids)
        for block, here, places in parts:
            try:
                values = kernel.node_values(key, block, places)
            except KeyError:
                missing += 1
                continue
            for k, value in zip(here, values, strict=True):
                found[k] = value
        if missing == len(parts):
            raise KeyError(key)
        return [_plain(v) for v in found]

    def _one(self, key: str) -> Any:
        values = self._values(key)
        return values[0] if len(self) == 1 else tuple(values)

    def set(self, params: Any = None, **kwargs: Any) -> None:
        """Set properties: a dict for all nodes, or a list of dicts, one a node; or by keywords. A list as value of a
        property that is one number gives one to each node; a `Parameter` is drawn for each.

        **Raises:** NEST's errors; nothing changes then.
        """
        if not self:
            return
        if kwargs and params is None:
            params = kwargs
        elif kwargs and params:
            raise TypeError("must either provide params or kwargs, but not both.")
        if isinstance(params, dict):
            self._set_all(params)
        elif isinstance(params, (list, tuple)):
            if len(params) != len(self):
                raise TypeError(f"status dict must be a dict, or a list of dicts of length {len(self)}")
            self._set_each(params)
        else:
            raise TypeError("params must be a dict or a list of dicts")

    def _set_all(self, params: Mapping[str, Any]) -> None:
        first = kernel.block_of(int(self._ids[0]))
        vectors = first.model.vectors | {"events", "senders", "targets", "synaptic_elements", "record_from"}
        each = set()
        for key, value in params.items():
            if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) > 0 or isinstance(value, (list, tuple)):
                nested = len(value) > 0 and np.ndim(value[0]) > 0 and not isinstance(value[0], str)
                if key in vectors and not nested:
                    continue
                if len(value) != len(self):
                    raise IndexError(f"{key}: {len(value)} values for {len(self)} nodes")
                each.add(key)
        kernel.set_nodes(self._ids, params, frozenset(each))

    def _set_each(self, rows: Any) -> None:
        if rows and all(row.keys() == rows[0].keys() for row in rows):
            columns = {key: [row[key] for row in rows] for key in rows[0]}
            kernel.set_nodes(self._ids, columns, frozenset(columns))
            return
        for node, row in zip(self._ids, rows, strict=True):
            kernel.set_nodes(np.array([node]), row)

    @property
    def spatial(self) -> Any:
        """What is known of the layer that the nodes form, None if they have no positions."""
        return None if self._layer is None or self._places is None else self._layer.metadata(self._places)

    def __getattr__(self, attr: str) -> Any:
        if attr.startswith("__"):
            raise AttributeError(attr)
        if not len(self._ids):
            raise AttributeError("Cannot get attribute of empty NodeCollection")
        return self.get(attr)

    def __setattr__(self, attr: str, value: Any) -> None:
        if attr == "spatial":
            raise KeyError("spatial")
        if not self:
            raise AttributeError("Cannot set attribute of empty NodeCollection")
        self.set({attr: value})


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value


def _ids_from(data: Any) -> np.ndarray:
    if isinstance(data, (str, bytes)) or not (isinstance(data, range) or np.iterable(data)):
        raise TypeError("NodeCollection must be created from a sequence or range of node IDs")
    ids = np.asarray(list(data) if not isinstance(data, np.ndarray) else data)
    if ids.size == 0:
        return np.zeros(0, np.int64)
    if ids.dtype.kind not in "iu" or ids.ndim != 1:
        raise TypeError("NodeCollection must be created from a sequence or range of node IDs (integers)")
    if (np.diff(ids) < 0).any():
        raise NESTErrors.BadProperty("All node IDs in a NodeCollection have to be sorted.")
    if (np.diff(ids) == 0).any():
        raise NESTErrors.BadProperty("All node IDs in a NodeCollection have to be unique.")
    unknown = ids[(ids < 1) | (ids > kernel.size)]
    if len(unknown):
        raise NESTErrors.UnknownNode(f"Node with id {unknown[0]} does not exist.")
    return ids.astype(np.int64)


def _runs(ids: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Stretches (first, last, step) of equal distance."""
    k = 0
    while k < len(ids):
        if k + 1 == len(ids):
            yield int(ids[k]), int(ids[k]), 1
            return
        step = int(ids[k + 1] - ids[k])
        end = k + 1
        if step > 1 and len(ids) > 2 and not (np.diff(ids) == step).all():
            yield int(ids[k]), int(ids[k]), 1
            k += 1
            continue
        while end + 1 < len(ids) and ids[end + 1] - ids[end] == step:
            end += 1
        yield int(ids[k]), int(ids[end]), step
        k = end + 1


def _describe(nodes: NodeCollection) -> str:
    if not nodes:
        return "NodeCollection(<empty>)"
    meta = "None" if nodes._layer is None else "spatial"
    lines = []
    for block, _, places in kernel.blocks_of(nodes._ids):
        for first, last, step in _runs(places + block.first):
            text = f"model={block.model.name}, size={(last - first) // step + 1}, first={first}"
            text += f", last={last}" if last > first else ""
            lines.append(text + (f", step={step}" if step > 1 and last > first else ""))
    if len(lines) == 1 and ", step=" not in lines[0]:
        return f"NodeCollection(metadata={meta}, {lines[0]})"
    return f"NodeCollection(metadata={meta},\n               " + ";\n               ".join(lines) + ")"


__all__ = ["NodeCollection"]
