"""What networks `accuracy` trains, and what is demanded of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`hidden` neurons of `model`, V_th 1 mV above rest; times in ms, a step is 1 ms.

    Weights are drawn with mean and standard deviation `inputs`, and with standard deviations `recurrent` (0: no recurrent
    connections) and `outputs`, each over the square root of the number of sources where that is the hidden layer's.
    `learned` are the time constants that are learned, one for each hidden neuron, by their names. The class is that of
    the largest `readout` in time ("max" or "mean") of V_m, `sharpness` times which are the logits.
    """

    model: str
    hidden: int
    batch: int
    epochs: int
    rate: float
    inputs: tuple[float, float]
    outputs: float
    recurrent: float = 0.0
    tau_m: float = 10.0
    tau_syn: float = 5.0
    tau_out: float = 20.0
    readout: str = "max"
    sharpness: float = 1.0
    slope: float = 3.0
    height: float = 1.0
    learned: tuple[str, ...] = ()


_BRAILLE = Settings(
    "iaf_psc_exp",
    hidden=128,
    batch=60,
    epochs=30,
    rate=0.02,
    inputs=(0.0, 0.5),
    outputs=1.0,
    recurrent=0.5,
    tau_m=10.0,
    tau_syn=5.0,
    readout="mean",
    sharpness=5.0,
    slope=5.0,
)
_LEARNED = ("tau_m", "tau_syn_ex", "tau_syn_in")
CASES: Mapping[str, Mapping[str, Settings]] = {
    "yinyang": {
        "": Settings(
            "iaf_psc_exp",
            hidden=200,
            batch=50,
            epochs=80,
            rate=0.02,
            inputs=(0.75, 1.2),
            outputs=2.0,
            tau_m=20.0,
            tau_syn=5.0,
            sharpness=5.0,
            slope=5.0,
        )
    },
    "braille": {"fixed": _BRAILLE, "learned": dataclasses.replace(_BRAILLE, learned=_LEARNED)},
    "mnist": {
        "": Settings(
            "iaf_psc_delta",
            hidden=400,
            batch=100,
            epochs=8,
            rate=0.02,
            inputs=(0.0, 0.1),
            outputs=1.0,
            tau_out=10.0,
            readout="mean",
            sharpness=2.0,
            slope=5.0,
        )
    },
}
BARS = {"yinyang": 0.98, "braille": 0.90, "mnist": 0.98}  # means over seeds; braille's of "learned", which must beat "fixed"
