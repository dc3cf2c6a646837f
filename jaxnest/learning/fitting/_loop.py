"""The loop over the steps of a fit."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxnest._checkpoint import Checkpoints
from jaxnest.errors import ConfigurationError
from jaxnest.learning.fitting._batches import Batches
from jaxnest.learning.fitting._descent import Descent
from jaxnest.learning.fitting._result import FitError
from jaxnest.learning.fitting._step import Report, compiled, owned, step_function, validation_function

_SHOWN = 4  # entries beside the loss


@dataclass(frozen=True, eq=False)
class Progress:
    """What `fit` tells its `callback` after each step: `step` steps of `steps` are done.

    `loss` and `aux` are those of the step (before it changed the parameters), `validation` the value found after it, or None;
    `params()` makes the network's parameters after it.
    """

    step: int
    steps: int
    loss: float
    aux: Mapping[str, np.ndarray]
    validation: float | None
    params: Callable[[], Any]


class _Fault(NamedTuple):
    what: str
    paths: list[str]


@dataclass
class Loop:
    """Goes on with a fit to its last step, or to where it stops; `compile_seconds` is what compiling took."""

    descent: Descent
    loss: Callable[..., Any]
    steps: int
    batches: Batches
    key: Any
    validate: Callable[..., Any] | None
    validate_every: int
    patience: int | None
    checkpoints: Checkpoints | None
    checkpoint_every: int
    callback: Callable[[Progress], Any] | None
    related: Callable[[Mapping[str, Any]], None] | None
    compile_seconds: float = 0.0
    began: float = 0.0

    def run(self, shown: bool) -> str:
        """Why it stopped: see `FitResult`.

        **Raises:** `FitError` at a step with a fault.
        """
        from tqdm.auto import tqdm

        d = self.descent
        self.began = clock.perf_counter()
        stopped = self._done()
        if stopped:
            return stopped
        batch = self.batches.at(d.step)
        with tqdm(total=self.steps, initial=d.step, disable=not shown, desc="compiling", unit="step") as bar:
            one, value = self._compile(batch)
            bar.set_description("fit", refresh=False)
            while True:
                report = self._step(one, batch)
                validation = self._validate(value, float(report.loss))
                bar.set_postfix(_shown(report, validation), refresh=False)
                bar.update()
                told = Progress(d.step, self.steps, float(report.loss), report.aux, validation, d.current)
                asked = self.callback is not None and self.callback(told) is True
                stopped = "callback" if asked else self._done()
                if self.checkpoints is not None and (stopped or d.step % self.checkpoint_every == 0):
                    d.save(self.checkpoints)
                if stopped:
                    return stopped
                batch = self.batches.at(d.step)

    def _done(self) -> str:
        if self.patience is not None and self.descent.stale >= self.patience:
            return "patience"
        return "steps" if self.descent.step >= self.steps else ""

    def _compile(self, batch: Any) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
        d, began, value = self.descent, clock.perf_counter(), None
        function = step_function(d.program, self.loss, d.found, d.optimiser)
        one = compiled(function, d.free, d.opt, d.params, self.key, np.int32(0), batch, donate=(0, 1), where=d.where)
        if self.validate is not None:
            value = compiled(validation_function(d.program, self.validate, d.found), d.free, d.params, self.key, where=d.where)
        self.compile_seconds = clock.perf_counter() - began
        return one, value

    def _step(self, one: Callable[..., Any], batch: Any) -> Report:
        """Do one step and note what it measured."""
        d = self.descent
        before: Any = None if self.related is None else owned((d.free, d.opt))
        d.free, d.opt, report = one(d.free, d.opt, d.params, self.key, np.int32(d.step), batch)
        report = jax.device_get(report)
        fault = _fault(report)
        if fault is None and self.related is not None:
            try:
                self.related(d.values())
            except ConfigurationError as error:
                owner = str(error).partition(":")[0]
                fault = _Fault(
                    f"the update breaks what the model demands ({error}); give bounds that keep the parameters apart",
                    [path for path in d.found if path.rpartition(".")[0] == owner],
                )
                d.free, d.opt = before
        if fault is not None:
            raise self._failure(fault, float(report.loss), d.step)
        d.step += 1
        d.log.add({"loss": report.loss})
        d.log.add({f"gradient:{path}": x for path, x in report.gradients.items()})
        d.log.add({f"aux:{name}": x for name, x in report.aux.items()})
        return report

    def _validate(self, value: Callable[..., Any] | None, loss: float) -> float | None:
        d = self.descent
        if value is None or d.step % self.validate_every:
            return None
        found = float(value(d.free, d.params, self.key))
        if not d.watch(found):
            raise self._failure(_Fault(f"the validation after it is {found}", []), loss, d.step - 1)
        return found

    def _failure(self, fault: _Fault, loss: float, step: int) -> FitError:
        """The error of a fault in a step, with the last good state kept."""
        d, place = self.descent, None
        if self.checkpoints is not None:
            if d.step > 0 and step == d.step:
                d.save(self.checkpoints)
            place = self.checkpoints.place()
        where = f"the last good checkpoint is {place}" if place else _none_kept(self.checkpoints)
        return FitError(
            f"step {step} (of {self.steps}): {fault.what}; {where}; this error's result has what was reached",
            step=step,
            paths=fault.paths,
            loss=loss,
            checkpoint=place,
            result=d.result("failed", clock.perf_counter() - self.began, self.compile_seconds),
        )


def _none_kept(checkpoints: Checkpoints | None) -> str:
    return "there is no checkpoint (give checkpoint=folder)" if checkpoints is None else "there was no good step to keep"


def _fault(report: Report) -> _Fault | None:
    """What is not finite in a step, None: all is."""
    bad = {kind: [p for p, ok in fine.items() if not ok] for kind, fine in zip(("gradient", "update"), report[3:], strict=True)}
    said = [] if np.isfinite(report.loss) else [f"the loss is {float(report.loss)}"]
    if bad["gradient"]:
        said.append(f"the gradient is not finite for {', '.join(bad['gradient'])}")
    elif bad["update"]:
        said.append(f"the optimiser's update is not finite for {', '.join(bad['update'])}")
    return _Fault(", ".join(said), bad["gradient"] or bad["update"]) if said else None


def _shown(report: Report, validation: float | None) -> dict[str, str]:
    """What the progress bar shows: the loss, and the first entries of aux (the mean of vectors), rates first."""
    names = sorted(report.aux, key=lambda name: "rate" not in name)[:_SHOWN]
    shown = {"loss": float(report.loss), **{name: float(np.mean(report.aux[name])) for name in names}}
    if validation is not None:
        shown["validation"] = validation
    return {name: f"{x:.4g}" for name, x in shown.items()}
