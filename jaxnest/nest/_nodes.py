"""NodeCollection: an ordered set of nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._ids import describe, ids_from, model_codes, places_of, slice_of
from jaxnest.nest._kernel import kernel
from jaxnest.nest._output import to_json, to_pandas

if TYPE_CHECKING:
    from jaxnest.nest._layers import Layer
    from jaxnest.nest._ledger import Block

_INVALID = "InvalidNodeCollection: note that ResetKernel invalidates all previously created NodeCollections."


class NodeCollection:
    """Nodes in ascending order of their IDs; immutable. Index it, slice it, add it, get and set its properties.

    **Arguments:** `data`: IDs of existing nodes, sorted and unique; none: an empty collection.

    **Raises:** `TypeError` for what is no list of integers; `NESTErrors.BadProperty` for IDs that are not sorted, not
    unique; `NESTErrors.UnknownNode` for a node that does not exist.
    """

    _ids: np.ndarray
    _layer: Layer | None
    _places: np.ndarray | None
    _step: int | None  # None: not sliced; else what was sliced cannot be sliced again or added to
    _blocks: list[Block]  # those of the kernel, until it is reset

    def __init__(self, data: Any = None) -> None:
        if data is None:
            ids = np.zeros(0, np.int64)
        elif isinstance(data, NodeCollection):
            ids = data._ids
        else:
            ids = ids_from(data, kernel.size)
        self._fill(ids, None, None, None)

    def _fill(self, ids: np.ndarray, layer: Layer | None, places: np.ndarray | None, step: int | None) -> None:
        vars(self).update(_ids=ids, _layer=layer, _places=places, _step=step, _blocks=kernel.blocks)

    @classmethod
    def _of(
        cls, ids: np.ndarray, layer: Layer | None = None, places: np.ndarray | None = None, step: int | None = None
    ) -> NodeCollection:
        new = cls.__new__(cls)
        new._fill(np.asarray(ids, np.int64), layer, places, step)
        return new

    def _check(self) -> None:
        """**Raises:** `KernelException` if the kernel was reset since."""
        if self._blocks is not kernel.blocks and len(self._ids):
            raise NESTErrors.KernelException(_INVALID)

    # --- as a sequence --------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._ids)

    def __bool__(self) -> bool:
        return len(self._ids) > 0

    def __iter__(self) -> Iterator[NodeCollection]:
        self._check()
        return (self._one_at(k) for k in range(len(self)))

    def __contains__(self, node: Any) -> bool:
        if not isinstance(node, int | float | np.integer | np.floating):
            raise TypeError("an integer is required")
        return bool((self._ids == node).any())

    def __getitem__(self, key: Any) -> NodeCollection:
        self._check()
        if isinstance(key, slice):
            return self._slice(key)
        if isinstance(key, int | np.integer):
            if abs(key + (key >= 0)) > len(self):
                raise IndexError("index value outside of the NodeCollection")
            return self._one_at(int(key))
        if isinstance(key, list | tuple | np.ndarray):
            return NodeCollection._of(self._ids[places_of(key, len(self))])  # NEST, too, forgets the positions
        raise IndexError("only integers, slices, lists, tuples, and numpy arrays are valid indices")

    def _one_at(self, k: int) -> NodeCollection:
        place = None if self._places is None else self._places[[k]]
        return self._of(self._ids[[k]], self._layer, place, None if place is None or len(self) == 1 else 1)

    def _slice(self, key: slice) -> NodeCollection:
        part = slice_of(key, len(self))
        ids = self._ids[part]
        if len(ids) == len(self):
            return self
        if self._step is not None and len(ids) > 1:
            raise NESTErrors.BadProperty("Cannot slice a sliced composite NodeCollection.")
        one_piece = part.step == 1 and self._layer is None and (self._step is None or len(ids) == 1)
        if one_piece and len(ids) > 1:  # a stretch of one model is like new, of several it is a slice
            _, codes = model_codes(self._blocks, ids)
            one_piece = bool(ids[-1] - ids[0] == len(ids) - 1 and (codes == codes[0]).all())
        places = None if self._places is None else self._places[part]
        return self._of(ids, self._layer, places, None if one_piece else part.step)

    def __add__(self, other: Any) -> NodeCollection:
        if not isinstance(other, NodeCollection):
            if isinstance(other, Number) and other == 0:
                return self
            raise TypeError(f"Cannot add object of type '{type(other).__name__}' to 'NodeCollection'")
        self._check()
        other._check()
        if not len(self) or not len(other):
            return self if len(self) else other
        if self._layer is not other._layer:
            raise NESTErrors.BadProperty("Can only join NodeCollections with same metadata.")
        if self._step is not None or other._step is not None:
            raise NESTErrors.BadProperty("Cannot add NodeCollection to a sliced composite.")
        ids = np.concatenate([self._ids, other._ids])
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        if (np.diff(ids) == 0).any():
            raise NESTErrors.BadProperty("Cannot join overlapping NodeCollections.")
        places = None
        if self._places is not None and other._places is not None:
            places = np.concatenate([self._places, other._places])[order]
        return self._of(ids, self._layer, places)

    __radd__ = __add__

    def __eq__(self, other: Any) -> bool:
        """Whether these are the same nodes, of the same models, in the same layer."""
        if not isinstance(other, NodeCollection):
            raise NotImplementedError(f"Cannot compare NodeCollection to {type(other).__name__}")
        if not np.array_equal(self._ids, other._ids) or self._layer is not other._layer:
            return False
        if self._blocks is other._blocks:
            return True
        (names, codes), (others, theirs) = (model_codes(c._blocks, c._ids) for c in (self, other))
        return np.array_equal(np.array(names)[codes], np.array(others)[theirs])

    __hash__ = None  # type: ignore[assignment]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._ids, dtype=dtype)

    def __repr__(self) -> str:
        return describe(self._blocks, self._ids, self._step, self._layer is not None)

    __str__ = __repr__

    def tolist(self) -> list[int]:
        self._check()
        return [int(i) for i in self._ids]

    def index(self, node_id: int) -> int:
        """The position of a node. **Raises:** `ValueError` if it is not there."""
        found = np.flatnonzero(self._ids == node_id)
        if not len(found):
            raise ValueError(f"{node_id} is not in NodeCollection")
        return int(found[0])

    def _to_array(self, selection: str = "all") -> dict[Any, list[int]]:
        """IDs by selection: "all", "rank", or "thread". **Raises:** `BadParameter` for others."""
        if selection == "thread":
            threads = kernel.settings.values["local_num_threads"]
            return {k: [int(i) for i in self._ids[self._ids % threads == k]] for k in range(threads)}
        if selection not in ("all", "rank"):
            raise NESTErrors.BadParameter(f"to_array() accepts only 'all', 'rank', 'thread', but got '{selection}'.")
        return {"All" if selection == "all" else "Rank 0": self.tolist()}

    # --- properties -----------------------------------------------------------------------------------------------

    def get(self, *params: Any, **kwargs: Any) -> Any:
        """Properties of the nodes: of one node plain values, of several tuples.

        ``get()`` all in a dict; ``get("V_m")`` one; ``get(["V_m", "C_m"])`` some in a dict; ``get("events", "times")`` what lies
        in a dict, of several nodes as a list (of more names the last counts, as in NEST). With ``output="pandas"`` a
        DataFrame, with ``output="json"`` text.

        **Raises:** Python's `KeyError` for a property that no node has.
        """
        output = kwargs.pop("output", "")
        if kwargs:
            raise TypeError(f"get() got an unexpected keyword argument {next(iter(kwargs))!r}")
        if not self:
            raise ValueError("Cannot get parameter of empty NodeCollection")
        if output not in ("", "pandas", "json"):
            raise ValueError(f"output must be 'pandas' or 'json', not {output!r}")
        self._check()
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
            return self._nested(params[0], params[-1])
        (which,) = params
        if isinstance(which, str):
            return self._one(which)
        if not np.iterable(which) or not all(isinstance(k, str) for k in which):
            raise TypeError("Params should be either a string or an iterable")
        return {str(key): self._one(key) for key in which}

    def _nested(self, key: Any, names: Any) -> Any:
        if not isinstance(key, str):
            raise TypeError("First argument must be a string, specifying path into hierarchical dictionary")
        rows = self._values(key)
        if not all(isinstance(row, Mapping) for row in rows):
            raise TypeError(f"{key} is not a dictionary")
        single = isinstance(names, str)
        if not single and not (np.iterable(names) and all(isinstance(k, str) for k in names)):
            raise TypeError("Second argument must be a string or an iterable of strings")
        table = {name: [row[name] for row in rows] for name in ([names] if single else names)}
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
        self._check()
        if kwargs and params is None:
            params = kwargs
        elif kwargs and params:
            raise TypeError("must either provide params or kwargs, but not both.")
        if isinstance(params, list | tuple) and len(params) == 1:
            params = params[0]
        if isinstance(params, dict):
            self._set_all(params)
        elif isinstance(params, list | tuple) and all(isinstance(p, dict) for p in params):
            if len(params) != len(self):
                sizes = f"({len(self)}), {len(params)} given."
                raise NESTErrors.BadParameter(f"List of dictionaries must be the same size as the NodeCollection {sizes}")
            self._set_each(params)
        else:
            raise TypeError("params must be a dict or a list of dicts")

    def _set_all(self, params: dict[str, Any]) -> None:
        first = kernel.block_of(int(self._ids[0]))
        lists = first.model.vectors | {"events", "senders", "targets", "synaptic_elements", "record_from"}
        one_each = first.keys() - lists
        each = set()
        for key, value in params.items():
            if key not in one_each or isinstance(value, str | Mapping) or not np.iterable(value):
                continue
            given = len(value)  # type: ignore[arg-type]
            if given < len(self):  # of more, NEST takes as many as it needs
                raise IndexError(f"{key}: {given} values for {len(self)} nodes")
            each.add(key)
        kernel.set_nodes(self._ids, params, frozenset(each))

    def _set_each(self, rows: Any) -> None:
        if all(row.keys() == rows[0].keys() for row in rows):
            columns = {key: [row[key] for row in rows] for key in rows[0]}
            kernel.set_nodes(self._ids, columns, frozenset(columns))
            return
        for node, row in zip(self._ids, rows, strict=True):
            kernel.set_nodes(np.array([node]), row)

    @property
    def spatial(self) -> Any:
        """What is known of the layer that the nodes form, None if they have no positions."""
        if not self:
            raise AttributeError("Cannot get attribute of empty NodeCollection")
        return None if self._layer is None or self._places is None else self._layer.metadata(self._places)

    def __getattr__(self, attr: str) -> Any:
        if attr.startswith("__"):
            raise AttributeError(attr)
        if not len(self._ids):
            raise AttributeError("Cannot get attribute of empty NodeCollection")
        if attr == "_ipython_canary_method_should_not_exist_":  # so IPython does not look for its own methods
            raise NotImplementedError(attr)
        return self.get(attr)

    def __setattr__(self, attr: str, value: Any) -> None:
        self.set({attr: value})

    def __deepcopy__(self, memo: Any) -> NodeCollection:
        return self


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value


__all__ = ["NodeCollection"]
