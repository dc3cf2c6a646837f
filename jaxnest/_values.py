"""``Values``: a small immutable record of named arrays, a pytree with attribute access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jax


@jax.tree_util.register_pytree_with_keys_class
class Values(Mapping[str, Any]):
    """Named arrays (parameters, constants or states of one model).

    Read by attribute or key; `replace` returns a changed copy. The names are static, the values are leaves.
    """

    __slots__ = ("_items",)
    _items: dict[str, Any]

    def __init__(self, items: Mapping[str, Any] | None = None, **more: Any) -> None:
        object.__setattr__(self, "_items", {**(items or {}), **more})

    def __getattr__(self, name: str) -> Any:
        try:
            return self._items[name.rstrip("_")]  # `p.lambda_` reads `lambda`, a word that Python keeps for itself
        except KeyError:
            raise AttributeError(f"no value named {name!r}; there are: {', '.join(self._items)}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"Values are immutable: use replace({name}=...)")

    def __getitem__(self, name: str) -> Any:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Values({', '.join(f'{k}={v!r}' for k, v in self._items.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Values, (self._items,))

    def replace(self, **changes: Any) -> Values:
        """A copy with some values exchanged.

        **Raises:** `AttributeError` for a name that is not there.
        """
        unknown = changes.keys() - self._items.keys()
        if unknown:
            raise AttributeError(f"no value named {sorted(unknown)}; there are: {', '.join(self._items)}")
        return Values({**self._items, **changes})

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], tuple[str, ...]]:
        return [(jax.tree_util.GetAttrKey(k), v) for k, v in self._items.items()], tuple(self._items)

    def tree_flatten(self) -> tuple[list[Any], tuple[str, ...]]:
        return list(self._items.values()), tuple(self._items)

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], values: list[Any]) -> Values:
        return cls(dict(zip(names, values, strict=True)))
