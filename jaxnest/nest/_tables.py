"""Reading the recorders' text files, and plain tables of numbers, for the plotting modules."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxnest.nest._errors import NESTErrors

FileNames = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def as_names(fname: Any) -> list[str]:
    """One file name or several, as a list of strings.

    **Raises:** `TypeError` for anything else.
    """
    names = [fname] if isinstance(fname, str | os.PathLike) else fname
    if not isinstance(names, list | tuple) or not all(isinstance(name, str | os.PathLike) for name in names):
        raise TypeError(f"fname should be one of str/list(str)/tuple(str), not {fname!r}")
    return [os.fspath(name) for name in names]


def column_names(name: str) -> list[str]:
    """The names of the columns if this is a recorder's file, else none."""
    with open(name) as file:
        for line in file:
            if line.startswith("sender\t"):
                return line.split()
            if not line.startswith("#"):
                break
    return []


def read_table(name: str) -> np.ndarray:
    """The numbers of a file below its header, of shape (rows, columns); (0, 0) if there are none."""
    with open(name) as file:
        lines = file.readlines()
    start = next((row for row, line in enumerate(lines) if _starts_with_number(line)), len(lines))
    return np.loadtxt(lines[start:], ndmin=2) if start < len(lines) else np.zeros((0, 0))


def join_tables(names: Sequence[str], tables: Sequence[np.ndarray]) -> np.ndarray:
    """The rows of all tables that have some; shape (0, 0) if none has.

    **Raises:** `NESTErrors.DimensionMismatch` if their numbers of columns differ.
    """
    filled = [table for table in tables if len(table)]
    if len({table.shape[1] for table in filled}) > 1:
        raise NESTErrors.DimensionMismatch(f"the files {', '.join(names)} differ in their number of columns")
    return np.concatenate(filled) if filled else np.zeros((0, 0))


def device_type(device: Any) -> str:
    """The basic model of a device, e.g. "spike_recorder", also for a copied model.

    **Raises:** `TypeError` if this is not one node.
    """
    import jaxnest.nest as nest

    if not isinstance(getattr(device, "global_id", None), int):
        raise TypeError("Please provide a single device: a NodeCollection of length 1.")
    return nest.GetDefaults(device.get("model"), "type_id")


def _starts_with_number(line: str) -> bool:
    try:
        float(line.split()[0])
    except (IndexError, ValueError):
        return False
    return True
