"""Spike-timing dependent plasticity as on the FACETS (BrainScaleS) hardware."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from jaxnest.errors import ConfigurationError
from jaxnest.synapses._base import Parameter, Post, Pre, State, Synapse, Values

_ENTRIES = 16


class stdp_facetshw_synapse_hom(Synapse):
    r"""STDP with weights of 4 bits, which a controller looks up in tables, group by group of synapses in turn.

    Between two presynaptic spikes the first and the last postsynaptic spike make a pair with them: charges grow by

        a_causal += exp(-(first post - pre) / tau_plus),   a_acausal += exp(-(pre - last post) / tau_minus_stdp)

    At the first presynaptic spike after its `next_readout_time`, before that, a synapse's weight becomes a multiple of Wmax / 15.
    Each of two sets of bits c then asks

        (a_thresh_tl + c2 a_causal + c1 a_acausal) / (1 + c2 + c1) > (a_thresh_th + c0 a_causal + c3 a_acausal) / (1 + c0 + c3)

    and the weight is looked up in `lookuptable_0` if only `configbit_0` says yes, in `lookuptable_1` if only `configbit_1`
    does, in `lookuptable_2` if both do; the table's two bits in `reset_pattern` say which charges are set to 0.

    A synapse gets its `synapse_id` at its first spike, in the order of delivery: step, source, target; `no_synapses` is where
    that starts. It counts the synapses of the projection to targets of one model. Groups of `synapses_per_driver` synapses are read
    out every `driver_readout_time`, one after the other; a cycle is as long as the synapses that have had a spike need. Tables
    and bits are part of the compiled structure; derivatives are zero where a weight is looked up.

    Source: Schemmel et al. (2006), IJCNN, 1; Pfeil et al. (2012), Front Neurosci 6:90.
    """

    tau_plus = Parameter(20.0, "ms", "time constant of causal pairs", gt=0)
    tau_minus_stdp = Parameter(20.0, "ms", "time constant of anti-causal pairs", gt=0)
    Wmax = Parameter(100.0, "", "largest weight", gt=0)
    no_synapses = Parameter(0.0, "", "synapses that are counted already", ge=0)
    synapses_per_driver = Parameter(50.0, "", "synapses that are read out at once", ge=1)
    driver_readout_time = Parameter(15.0, "ms", "time to read them out", gt=0)
    a_thresh_th = Parameter(21.835, "", "threshold of causal charge")
    a_thresh_tl = Parameter(21.835, "", "threshold of anti-causal charge")

    weight = State(1.0, "", "weight")
    a_causal = State(0.0, "", "charge of causal pairs")
    a_acausal = State(0.0, "", "charge of anti-causal pairs")
    synapse_id = State(0.0, "", "number of the synapse, from its first spike on", ge=0)
    next_readout_time = State(0.0, "ms", "when it may be read out")
    init_flag = State(0.0, "", "1 from its first spike on")
    earliest = State(0.0, "ms", "first postsynaptic spike since the last presynaptic one (0: none)")
    latest = State(0.0, "ms", "last of them")

    reads_post = True
    reads_order = True
    inner = ("earliest", "latest")
    whole = ("no_synapses", "synapses_per_driver", "synapse_id", "init_flag")
    tables: ClassVar[Mapping[str, tuple[int, ...]]] = {
        "lookuptable_0": (2, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 14, 15),
        "lookuptable_1": (0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 11, 12, 13),
        "lookuptable_2": tuple(range(_ENTRIES)),
        "configbit_0": (0, 0, 1, 0),
        "configbit_1": (0, 1, 0, 0),
        "reset_pattern": (1, 1, 1, 1, 1, 1),
    }
    common = (
        *("tau_plus", "tau_minus_stdp", "Wmax", "no_synapses", "synapses_per_driver", "driver_readout_time"),
        *("lookuptable_0", "lookuptable_1", "lookuptable_2", "configbit_0", "configbit_1", "reset_pattern"),
    )
    derived: ClassVar[Mapping[str, Any]] = {
        "weight_per_lut_entry": lambda p: p["Wmax"] / (_ENTRIES - 1),
        "readout_cycle_duration": lambda p: (
            int((p["no_synapses"] - 1.0) / p["synapses_per_driver"] + 1.0) * p["driver_readout_time"]
        ),
    }

    @classmethod
    def configured(cls, given: Mapping[str, Any]) -> tuple[type[Synapse], dict[str, Any]]:
        own = {key: _table(key, given[key], len(cls.tables[key])) for key in cls.tables if key in given}
        rest = {key: value for key, value in given.items() if key not in own}
        model: Any = cls
        return (_with_tables(model, tuple({**cls.tables, **own}.items())) if own else model), rest

    @staticmethod
    def check(p: Values) -> str | None:
        if (np.asarray(p.init_flag) != 0).any():
            return "init_flag cannot be set: synapses are numbered at their first spike"
        return "weight must be in [0, Wmax]" if ((p.weight < 0) | (p.weight > p.Wmax)).any() else None

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        since_last = jnp.broadcast_to(post.since_last, s.latest.shape)
        return s.replace(earliest=jnp.where(s.earliest > 0.0, s.earliest, since_last), latest=since_last)

    @classmethod
    def on_pre(cls, p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        assert pre.order is not None
        s = _numbered(p, s, pre)
        due = pre.order.time > s.next_readout_time
        s = s.replace(**{key: jnp.where(due, value, s[key]) for key, value in _read_out(cls.tables, p, s, pre).items()})
        paired = s.earliest > 0.0
        causal = jnp.where(paired, jnp.exp(-s.earliest / p.tau_plus), 0.0)
        acausal = jnp.where(paired, jnp.exp((s.latest - pre.since_last) / p.tau_minus_stdp), 0.0)
        none = jnp.zeros_like(s.latest)
        s = s.replace(a_causal=s.a_causal + causal, a_acausal=s.a_acausal + acausal, earliest=none, latest=none)
        return s, s.weight


def _numbered(p: Values, s: Values, pre: Pre) -> Values:
    """At its first spike a synapse gets a number, and from that the time of its first readout."""
    assert pre.order is not None
    new = s.init_flag == 0.0
    number = jnp.where(new, p.no_synapses + pre.order.number, s.synapse_id)
    first = jnp.floor(number / p.synapses_per_driver) * p.driver_readout_time
    return s.replace(
        synapse_id=number,
        next_readout_time=jnp.where(new, first, s.next_readout_time),
        init_flag=jnp.ones_like(s.init_flag),
    )


def _read_out(tables: Mapping[str, tuple[int, ...]], p: Values, s: Values, pre: Pre) -> dict[str, Any]:
    """The states that a readout changes."""
    assert pre.order is not None
    entry = jnp.clip(jnp.floor(s.weight / (p.Wmax / (_ENTRIES - 1)) + 0.5), 0, _ENTRIES - 1).astype(jnp.int32)
    says = [_evaluate(tables[key], p, s) for key in ("configbit_0", "configbit_1")]
    cases = (says[0] & ~says[1], says[1] & ~says[0], says[0] & says[1])
    causal, acausal = s.a_causal, s.a_acausal
    looked_up = entry
    for k, case in enumerate(cases):
        looked_up = jnp.where(case, jnp.asarray(tables[f"lookuptable_{k}"], jnp.int32)[entry], looked_up)
        causal = jnp.where(case & bool(tables["reset_pattern"][2 * k]), 0.0, causal)
        acausal = jnp.where(case & bool(tables["reset_pattern"][2 * k + 1]), 0.0, acausal)
    drivers = jnp.floor((p.no_synapses + pre.order.awake - 1.0) / p.synapses_per_driver + 1.0)
    cycle = drivers * p.driver_readout_time
    cycles = jnp.ceil((pre.order.time - s.next_readout_time) / cycle)
    return {
        "weight": looked_up.astype(s.weight.dtype) * (p.Wmax / (_ENTRIES - 1)),
        "a_causal": causal,
        "a_acausal": acausal,
        "next_readout_time": s.next_readout_time + cycles * cycle,
    }


def _evaluate(bits: tuple[int, ...], p: Values, s: Values) -> Any:
    cc, ca, ac, aa = bits
    low = (p.a_thresh_tl + ac * s.a_causal + ca * s.a_acausal) / (1 + ac + ca)
    return low > (p.a_thresh_th + cc * s.a_causal + aa * s.a_acausal) / (1 + cc + aa)


def _table(key: str, given: Any, size: int) -> tuple[int, ...]:
    """**Raises:** `ConfigurationError`."""
    array = np.asarray(given)
    if array.shape != (size,) or array.dtype.kind not in "biu":
        raise ConfigurationError(f"{key}={given!r} must be {size} integers")
    if key.startswith("lookuptable") and ((array < 0) | (array >= _ENTRIES)).any():
        raise ConfigurationError(f"{key}={given!r}: entries must be integers in [0, {_ENTRIES - 1}]")
    return tuple(int(x) for x in array)


@cache
def _with_tables(model: Any, tables: tuple[tuple[str, tuple[int, ...]], ...]) -> Any:
    """The model with other tables; the same class for the same ones, so programs are found again."""
    return type(model.__name__, (model,), {"tables": dict(tables), "__module__": model.__module__})
