"""Batches of data, by the number of the step, so that a fit that goes on sees what it would have seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnest.errors import ConfigurationError


def minibatches(data: Any, size: int, seed: int = 0) -> Callable[[int], Any]:
    """A function of the step, for `fit`'s `batches`: `size` examples of `data`, each once an epoch, in an order new in each.

    `data` is a pytree of arrays (n_examples, ...). Examples that do not fill a last batch are left out of that epoch.

    **Raises:** `ConfigurationError` if the arrays have different lengths, or fewer than `size` examples.
    """
    data = jax.tree.map(np.asarray, data)
    lengths = {len(x) if np.ndim(x) else 0 for x in jax.tree.leaves(data)}
    if len(lengths) != 1:
        raise ConfigurationError(f"minibatches: arrays have different numbers of examples: {sorted(lengths)}")
    n = lengths.pop()
    if not 1 <= size <= n:
        raise ConfigurationError(f"minibatches: size={size!r} must be between 1 and the number of examples, {n}")
    per_epoch = n // size
    order: dict[int, np.ndarray] = {}

    def batch(step: int) -> Any:
        epoch, place = divmod(step, per_epoch)
        if epoch not in order:
            order.clear()
            order[epoch] = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch]))).permutation(n)
        chosen = order[epoch][place * size : (place + 1) * size]
        return jax.tree.map(lambda x: x[chosen], data)

    return batch


class Batches:
    """What `fit` reads its batches from: a function of the step, a sequence, any other iterable, or None.

    `at` must be called for one step after the other. All batches have the structure, shapes and types of the first, so that one
    compilation serves them.
    """

    def __init__(self, source: Any, first: int) -> None:
        self._source = source
        self._iterator: Iterator[Any] | None = None
        self._kind: Any = None
        if isinstance(source, Sequence) and len(source) == 0:
            raise ConfigurationError("batches: there are none")
        if source is None or callable(source) or isinstance(source, Sequence):
            return
        try:
            self._iterator = iter(source)
        except TypeError:
            raise ConfigurationError(
                f"batches={source!r} must be a function of the step, a sequence or another iterable"
            ) from None
        for _ in range(first):
            self._next()

    def at(self, step: int) -> Any:
        """The batch of a step, as arrays on the device.

        **Raises:** `ConfigurationError` if there is none, or it differs from the first in its shapes.
        """
        batch = jax.tree.map(jnp.asarray, self._read(step))
        kind = jax.tree.structure(batch), [(x.shape, x.dtype) for x in jax.tree.leaves(batch)]
        if self._kind is None:
            self._kind = kind
        if kind != self._kind:
            raise ConfigurationError(
                f"batches: that of step {step} has shapes {[s for s, _ in kind[1]]}, others have {[s for s, _ in self._kind[1]]}; "
                "make all alike (leave out the last one of an epoch, or pad it)"
            )
        return batch

    def _read(self, step: int) -> Any:
        if self._source is None:
            return None
        if callable(self._source):
            return self._source(step)
        if isinstance(self._source, Sequence):
            return self._source[step % len(self._source)]
        return self._next()

    def _next(self) -> Any:
        """The next batch, from the beginning again after the last."""
        assert self._iterator is not None
        try:
            return next(self._iterator)
        except StopIteration:
            self._iterator = iter(self._source)
        try:
            return next(self._iterator)
        except StopIteration:
            raise ConfigurationError(
                "batches: there are no more, and they cannot be had again; give fewer steps, a list, or a function of the step"
            ) from None
