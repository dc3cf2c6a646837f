"""What a fit has measured, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from jaxnest.errors import ConfigurationError


@dataclass(frozen=True, eq=False)
class History:
    """What `fit` measured in its steps.

    - `loss` (n_steps,): before each step.
    - `gradients`: by path (n_steps,), the Euclidean norm of the gradient with respect to what the optimiser changes.
    - `aux`: what the loss returned beside its value, (n_steps, ...) each, by the names of its entries joined with dots.
    - `validation`, `validated` (n_validations,): its values, and after how many steps each was found.
    """

    loss: np.ndarray
    gradients: Mapping[str, np.ndarray]
    aux: Mapping[str, np.ndarray]
    validation: np.ndarray
    validated: np.ndarray

    def to_pandas(self) -> Any:
        """A data frame with one row a step; vectors have one column an element, `validation` is NaN where there was none."""
        try:
            import pandas as pd
        except ImportError:
            raise ConfigurationError("History.to_pandas needs pandas: pip install pandas") from None
        columns: dict[str, np.ndarray] = {"loss": self.loss}
        columns.update({f"gradient.{path}": norm for path, norm in self.gradients.items()})
        for name, values in self.aux.items():
            if values.ndim == 1:
                columns[name] = values
            else:
                flat = values.reshape(len(values), -1)
                columns.update({f"{name}.{i}": flat[:, i] for i in range(flat.shape[1])})
        if len(self.validated):
            columns["validation"] = np.full(len(self.loss), np.nan)
            columns["validation"][self.validated - 1] = self.validation
        return pd.DataFrame(columns, index=pd.RangeIndex(len(self.loss), name="step"))


@dataclass
class Log:
    """The rows of a history that grows: lists of arrays by name, the names as in `arrays`."""

    rows: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def add(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self.rows.setdefault(name, []).append(np.asarray(value))

    def arrays(self) -> dict[str, np.ndarray]:
        """Every column as one array, by name."""
        return {name: np.stack(rows) for name, rows in self.rows.items()}

    @staticmethod
    def of(arrays: Mapping[str, np.ndarray]) -> Log:
        return Log({name: list(rows) for name, rows in arrays.items()})

    def history(self) -> History:
        arrays = self.arrays()

        def part(kind: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(kind): x for name, x in arrays.items() if name.startswith(kind)}

        return History(
            loss=arrays.get("loss", np.empty(0)),
            gradients=part("gradient:"),
            aux=part("aux:"),
            validation=arrays.get("validation", np.empty(0)),
            validated=arrays.get("validated", np.empty(0, np.int64)),
        )


def named(aux: Any) -> dict[str, Any]:
    """The leaves of what a loss returned beside its value, by their names joined with dots (``"aux"`` for a lone array)."""
    leaves = jax.tree_util.tree_flatten_with_path(aux)[0]
    return {jax.tree_util.keystr(path, simple=True, separator=".") or "aux": leaf for path, leaf in leaves}
