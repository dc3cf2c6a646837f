"""E-prop models as NEST shows them: the optimiser's properties in a dictionary of their own, and rates in spikes per ms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxnest.nest._errors import NESTErrors, type_mismatch, unread_keys
from jaxnest.nest._models import SynapseModel, synapse_defaults
from jaxnest.synapses._eprop import OPTIMIZER, Eprop

_NAMES = Eprop.parameters["optimizer"].choices
_ADAM = ("beta_1", "beta_2", "epsilon")
#: what a synapse has of its own for Adam
OWN = ("m", "v")


def has_optimizer(model: SynapseModel) -> bool:
    return issubclass(model.core, Eprop)


def shown_defaults(model: SynapseModel) -> dict[str, Any]:
    """The defaults of a model with an optimiser, under NEST's names."""
    given = model.defaults
    kind = _NAMES[int(given["optimizer"])]
    optimizer: dict[str, Any] = {k: given[k] for k in OPTIMIZER if k != "optimizer" and (kind == "adam" or k not in _ADAM)}
    optimizer |= {"optimizer": kind, "optimize_each_step": bool(given["optimize_each_step"])}
    shown = {k: v for k, v in given.items() if k not in (*OPTIMIZER, *OWN)}
    return {**shown, "optimizer": optimizer}


def with_flat_optimizer(model: SynapseModel, params: Mapping[str, Any], exist: bool) -> dict[str, Any]:
    """`params` of SetDefaults with the optimiser's properties as the core has them. `exist`: whether there are synapses of the model.

    **Raises:** `UnaccessedDictionaryEntry`, `BadProperty`, `BadParameter`, `TypeMismatch`.
    """
    own = [k for k in params if k in (*OWN, *OPTIMIZER) and k != "optimizer"]
    if own:
        raise unread_keys("params", "ModelManager::set_synapse_defaults_", own)
    if "optimizer" not in params:
        return dict(params)
    given = params["optimizer"]
    if not isinstance(given, Mapping):
        raise type_mismatch("optimizer", given, "dictionary")
    given = dict(given)
    kind = given.pop("type", _NAMES[int(model.defaults["optimizer"])])
    if kind not in _NAMES:
        raise NESTErrors.BadProperty(f"optimizer from {list(_NAMES)} required.")
    number = float(_NAMES.index(kind))
    flat: dict[str, Any] = {}
    if number != model.defaults["optimizer"]:
        if exist:
            raise NESTErrors.BadParameter("The optimizer cannot be changed because synapses have been created.")
        flat = {k: v for k, v in synapse_defaults(model.core).items() if k in OPTIMIZER}
    unknown = [k for k in given if k not in OPTIMIZER or k == "optimizer" or (k in _ADAM and kind != "adam")]
    if unknown:
        raise unread_keys("params", "ModelManager::set_synapse_defaults_", unknown)
    return {**{k: v for k, v in params.items() if k != "optimizer"}, **flat, **given, "optimizer": number}


def own_optimizer(model: SynapseModel, params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` of connections with the optimiser's own properties as the core has them. **Raises:** `UnaccessedDictionaryEntry`."""
    given = params["optimizer"]
    adam = has_optimizer(model) and _NAMES[int(model.defaults["optimizer"])] == "adam"
    unknown = [*given] if isinstance(given, Mapping) else ["optimizer"]
    if not isinstance(given, Mapping) or not adam or set(given) - set(OWN):
        raise unread_keys("params", "connection.set()", unknown)
    return {**{k: v for k, v in params.items() if k != "optimizer"}, **given}


def shown_optimizers(model: SynapseModel, m: Any, v: Any) -> list[dict[str, float]]:
    """What connections show of their optimisers."""
    if _NAMES[int(model.defaults["optimizer"])] != "adam":
        return [{} for _ in np.atleast_1d(m)]
    return [{"m": float(a), "v": float(b)} for a, b in zip(m, v, strict=True)]
