"""What is learned in `train`: spikes in, classes out, the weights at the start, and the neuron that all libraries are set up for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

TAU_M = 10.0  # steps
DECAY = float(np.float32(np.exp(-1.0 / TAU_M)))  # of the membrane potential in a step
THRESHOLD = 1.0
CLASSES, BATCH = 10, 64
LEARNING_RATE = 1e-3  # Adam's
_INPUT, _GAIN = 0.02, 2.0  # spikes a step and input; standard deviation of a weight times the square root of the inputs


@dataclass(frozen=True)
class Task:
    """`x` (steps, batch, inputs) 0 or 1, `y` (batch,) classes, `w1` (inputs, hidden), `w2` (hidden, classes); float32, int64."""

    x: Any
    y: Any
    w1: Any
    w2: Any

    @property
    def steps(self) -> int:
        return self.x.shape[0]


def draw(seed: int, steps: int = 500, n: int = 512, batch: int = BATCH) -> Task:
    """A task with `n` inputs and `n` hidden neurons."""
    rng = np.random.default_rng(seed)
    scale = _GAIN / np.sqrt(n)
    return Task(
        (rng.random((steps, batch, n)) < _INPUT).astype("f4"),
        rng.integers(0, CLASSES, batch),
        rng.normal(0.0, scale, (n, n)).astype("f4"),
        rng.normal(0.0, scale, (n, CLASSES)).astype("f4"),
    )
