"""Runs one script on `nest`, or on what takes its place, and writes down what its recorders hold.

    python _record.py SCRIPT OUT MODULE SEED_SHIFT

Recorders are read when the script ends and before each ResetKernel: what lies between two resets is an epoch. OUT/records.npz has
one array for each "epoch/model/node/variable"; OUT/run.json has the error that stopped the script (or ""), the seconds it took, and
for each epoch the numbers of nodes and connections. SEED_SHIFT (real NEST only) is added to every seed of NEST's generators that
the script sets, and to NEST's default.
"""

from __future__ import annotations

import importlib
import json
import runpy
import sys
import time
import traceback
import types
from pathlib import Path
from typing import Any

import numpy as np
from _common import stand_in

RECORDERS = ("spike_recorder", "multimeter", "voltmeter", "weight_recorder")


class Records:
    """What was recorded so far."""

    def __init__(self, nest: types.ModuleType) -> None:
        self.nest = nest
        self.built_in = set(nest.node_models)
        self.arrays: dict[str, Any] = {}
        self.epochs: list[dict[str, int]] = []

    def models(self) -> list[str]:
        """The recorders, and copies that the script made of them."""
        copies = [model for model in self.nest.node_models if model not in self.built_in]
        return [*RECORDERS, *(model for model in copies if self.nest.GetDefaults(model)["type_id"] in RECORDERS)]

    def take(self) -> None:
        """Close an epoch, if there is anything in it."""
        nodes = int(self.nest.network_size)
        if not nodes:
            return
        epoch = len(self.epochs)
        self.epochs.append({"nodes": nodes, "connections": int(self.nest.num_connections)})
        for model in self.models():
            for node in self.nest.GetNodes({"model": model, "record_to": "memory"}):
                for variable, values in node.get("events").items():
                    self.arrays[f"{epoch}/{model}/{node.global_id}/{variable}"] = np.asarray(values)


def take_before_resets(nest: types.ModuleType, records: Records) -> None:
    """`nest.ResetKernel` closes an epoch first."""
    reset = nest.ResetKernel

    def reset_and_take() -> None:
        records.take()
        reset()

    vars(nest)["ResetKernel"] = reset_and_take  # `nest` refuses this to setattr


def shift_seeds(nest: types.ModuleType, shift: int) -> None:
    """Real NEST: every seed is another one than the script thinks. All ways to set one lead through these two functions."""
    kernel = nest.ll_api.nestkernel
    reset, change = kernel.llapi_reset_kernel, kernel.llapi_set_kernel_status

    def shifted_change(status: dict) -> None:
        change({name: value + shift if name == "rng_seed" else value for name, value in status.items()})

    def shifted_reset() -> None:
        reset()
        shifted_change({"rng_seed": nest.rng_seed})

    kernel.llapi_reset_kernel, kernel.llapi_set_kernel_status = shifted_reset, shifted_change
    shifted_change({"rng_seed": nest.rng_seed})


def run(script: Path) -> str:
    """Run the script as the main program; why it stopped, or "" if it came to its end."""
    sys.argv = [str(script)]
    sys.path[0] = str(script.parent)
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        return "" if end.code in (None, 0) else f"SystemExit: {end.code}"
    except BaseException as problem:
        traceback.print_exc()
        first = (str(problem).splitlines() or [""])[0]
        return f"{type(problem).__name__}: {first}"
    return ""


def main(script: str, out: str, module: str, shift: str) -> None:
    first = stand_in(module)
    if first:
        importlib.import_module(first)
    nest = importlib.import_module("nest")
    records = Records(nest)
    take_before_resets(nest, records)
    if int(shift):
        shift_seeds(nest, int(shift))
    begin = time.perf_counter()
    error = run(Path(script))
    seconds = time.perf_counter() - begin
    if not error:
        records.take()
    np.savez_compressed(Path(out) / "records.npz", **records.arrays)
    (Path(out) / "run.json").write_text(json.dumps({"error": error, "seconds": seconds, "epochs": records.epochs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
