"""`fit`: gradient descent on parameters chosen by path."""

from __future__ import annotations

import time as clock
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from jaxnest._checkpoint import Checkpoints
from jaxnest.errors import ConfigurationError
from jaxnest.events.random import key_from_seed
from jaxnest.learning.fitting._batches import Batches
from jaxnest.learning.fitting._bounds import Bounded
from jaxnest.learning.fitting._descent import Descent, settings, silent
from jaxnest.learning.fitting._loop import Loop, Progress
from jaxnest.learning.fitting._paths import relations, transforms
from jaxnest.learning.fitting._result import FitResult


def fit(
    program: Any,
    loss: Callable[[Any, Any, Any], Any],
    parameters: Mapping[str, Bounded | tuple[float, float] | None] | Sequence[str],
    *,
    steps: int,
    optimiser: Any = None,
    batches: Any = None,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    validate: Callable[[Any, Any], Any] | None = None,
    validate_every: int = 1,
    patience: int | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
    keep: int = 2,
    resume: bool = False,
    callback: Callable[[Progress], Any] | None = None,
    progress: bool = True,
) -> FitResult:
    """Change parameters of a network, within their bounds, such that `loss` falls.

    Steps, numbered from 0, are compiled once, and see `batches` and random numbers that follow from `seed` and the step's number only.

    **Arguments:**

    - `program`: a `Program`, `distributed.Program` or `EventProp`.
    - `loss(params, key, batch)`: a pure function of all of the network's parameters (as `Program.simulate` takes them), of a key for
      `Program.init`, new in each step, and of the step's batch. It returns a number, or a number and a pytree of small arrays to keep
      in the history (`rates` and other numbers are shown by the progress bar).
    - `parameters`: what is learned: paths as `Program.get` takes them, each with `Bounded`, `positive`, `dale`, a pair (low, high) or None,
      which means the model's own bounds. A list of paths is a dict with None everywhere.
    - `optimiser`: from optax; default Adam with a rate of 0.01, that is about a hundredth of a parameter's scale (`Bounded`) a step.
    - `batches`: a function of the step (`minibatches` makes one), a sequence or another iterable, which begins anew at its end;
      all of the same shapes. None: the loss gets None.
    - `params`: where to begin; default the program's.
    - `validate(params, key)`: a pure function that returns a number to watch, called every `validate_every` steps, with the same key each time.
      After `patience` of them in a row without a lesser one `fit` stops.
    - `checkpoint`: a folder in which the last `keep` checkpoints are kept, one every `checkpoint_every` steps and one at the end. With
      `resume`, `fit` goes on from the last one, if there is one, and finds bit for bit what it would have without the break.
      `steps` counts from the very beginning.
    - `callback(Progress)`: called after each step; `fit` stops if it returns True.

    **Returns:** `FitResult`.

    **Raises:** `ConfigurationError`, before anything compiles, for a wrong path, bound, start value or option; `FitError` as soon as the loss, a
    gradient or an update is not finite, with the result so far.
    """
    began = clock.perf_counter()
    _check_counts(steps=steps, validate_every=validate_every, patience=patience, checkpoint_every=checkpoint_every, keep=keep)
    if patience is not None and validate is None:
        raise ConfigurationError("patience needs validate: a function (params, key) that returns the number to watch")
    if validate is not None and validate_every > steps:
        raise ConfigurationError(f"validate_every={validate_every} is more than steps={steps}: nothing would be validated")
    if resume and checkpoint is None:
        raise ConfigurationError("resume=True needs checkpoint: the folder to go on from")
    import optax  # here, since it is slow to import

    if optimiser is None:
        optimiser = optax.adam(0.01)
    if not isinstance(optimiser, optax.GradientTransformation):
        raise ConfigurationError(f"optimiser={optimiser!r} must be one of optax, such as optax.adam(0.01)")
    try:
        key = key_from_seed(seed)
    except (TypeError, ValueError):
        raise ConfigurationError(f"seed={seed!r} must be an integer in [0, 2**64)") from None
    params = program.params if params is None else params
    found = transforms(program, params, parameters)
    related = relations(program, params, found)
    if related is not None:
        related({path: program.get(params, path) for path in found})
    facts = {} if checkpoint is None else settings(params, found, seed)
    descent = Descent(program, params, found, optimiser, facts)
    with closing(Checkpoints(checkpoint, keep)) if checkpoint is not None else nullcontext() as kept:
        if kept is not None and kept.latest is not None:
            if not resume:
                raise ConfigurationError(
                    f"checkpoint={str(kept.folder)!r} has a fit of {kept.latest} steps; go on with resume=True, or give another folder"
                )
            descent.restore(kept)
        loop = Loop(
            descent=descent,
            loss=loss,
            steps=steps,
            batches=Batches(batches, descent.step),
            key=key,
            validate=validate,
            validate_every=validate_every,
            patience=patience,
            checkpoints=kept,
            checkpoint_every=checkpoint_every,
            callback=callback,
            related=related,
        )
        stopped = loop.run(progress)
    for path in silent(descent):
        warnings.warn(
            f"{path}: its gradient was 0 in every step: it has no influence on the loss, or neurons are silent", stacklevel=2
        )
    return descent.result(stopped, clock.perf_counter() - began, loop.compile_seconds)


def _check_counts(**counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None and (isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1):
            raise ConfigurationError(f"{name}={count!r} must be a positive integer")
