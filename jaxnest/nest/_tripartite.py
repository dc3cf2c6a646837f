"""`TripartiteConnect`: connections of two populations, and for some of these a third node that hears the source and acts on the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnest.nest._connect import CollocatedSynapses, Found, as_spec, batches_of, by_rule, model_of
from jaxnest.nest._device_rules import any_devices, check_devices, impossible
from jaxnest.nest._errors import NESTErrors, type_mismatch, unread_keys
from jaxnest.nest._kernel import Kernel
from jaxnest.nest._nodes import NodeCollection
from jaxnest.nest._parameters import Parameter
from jaxnest.nest._spatial_wiring import needs_space
from jaxnest.nest._wiring import NEEDS, SWITCHES, check_spec

RULE = "third_factor_bernoulli_with_pool"
PARTS = ("primary", "third_in", "third_out")


@dataclass(frozen=True)
class Pools:
    """Each connection gets a third node with probability `p`: one, at random, of the pool of its target. A pool has `size` of the `n_third`
    nodes: neighbours of the others (`block`; of size 1, `shared` targets in a row have the same), or drawn at random."""

    p: float
    size: int
    block: bool
    n_third: int
    shared: int

    def draw(self, target: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Which of the connections to `target` (n,), places of nodes, get a third node, (m,), and the place of that, (m,)."""
        chosen = np.flatnonzero(rng.random(len(target)) < self.p)
        place = rng.integers(self.size, size=len(chosen))
        if self.block:
            own = target[chosen]
            return chosen, own * self.size + place if self.size > 1 else own // self.shared
        if self.size == self.n_third:
            return chosen, place
        targets, which = np.unique(target[chosen], return_inverse=True)
        pools = np.empty((len(targets), self.size), np.int64)
        for pool in pools:
            pool[:] = rng.choice(self.n_third, self.size, replace=False)
        return chosen, pools[which, place]


def connect_tripartite(
    kernel: Kernel,
    pre: NodeCollection,
    post: NodeCollection,
    third: NodeCollection,
    conn_spec: Any,
    third_spec: Any,
    syn_specs: Any,
) -> None:
    """Make the connections of `pre` to `post`, to `third`, and of `third` to `post`. A call that raises leaves the network as it was."""
    for nodes, which in ((pre, "Presynaptic"), (post, "Postsynaptic"), (third, "Third-factor")):
        if not nodes:
            raise impossible(f"{which} nodes cannot be an empty NodeCollection")
    conn_spec = _primary(conn_spec)
    pools = _third(third_spec, len(post), len(third))
    specs = {part: _synapses(part, syn_specs) for part in _known(syn_specs)}
    models = {part: [model_of(kernel, spec) for spec in specs[part]] for part in PARTS}
    primary = by_rule(kernel, pre, post, conn_spec)
    chosen, place = pools.draw(primary.target, kernel.rng)
    source, target = primary.source[chosen], primary.target[chosen]
    if any_devices(kernel, post._ids[target]) or any_devices(kernel, third._ids[place], proper=True):
        raise impossible("Cannot use this rule to connect to nodes without proxies (usually devices).")
    found = {
        "primary": primary,
        "third_out": Found(place, target, third._ids[place], post._ids[target], None, None, RULE),
        "third_in": Found(source, place, pre._ids[source], third._ids[place], None, None, RULE),
    }
    batches = []
    for part, pairs in found.items():
        for model, spec in zip(models[part], specs[part], strict=True):
            batches += batches_of(kernel, pairs, model, spec)
    check_devices(kernel, batches)
    for batch in batches:
        kernel.add_batch(batch)


def _primary(spec: Any) -> dict[str, Any]:
    """The conn_spec with all its switches. **Raises:** NEST's errors for what it cannot say."""
    if not isinstance(spec, Mapping):
        raise TypeError("conn_spec must be a dict")
    if "rule" not in spec:
        raise NESTErrors.BadProperty("The connection specification must contain a connection rule.")
    if isinstance(spec["rule"], str) and spec["rule"] not in NEEDS:
        raise impossible(f"Unknown connection rule '{spec['rule']}'.")
    if spec.get("make_symmetric") is True:
        raise NESTErrors.BadProperty("Third-factor connectivity cannot be used with 'make_symmetric == True'.")
    full = check_spec(spec)
    if needs_space(full):
        raise NESTErrors.BadParameterValue("conn_spec: what depends on positions needs Connect.")
    return full


def _third(spec: Any, n_post: int, n_third: int) -> Pools:
    """**Raises:** NEST's errors for what third_factor_conn_spec cannot say; for keys that NEST does not read, too."""
    if not isinstance(spec, Mapping):
        raise TypeError("third_factor_conn_spec must be a dict")
    if "rule" not in spec:
        raise NESTErrors.BadProperty("The third-factor connection specification must contain a connection rule.")
    if spec["rule"] != RULE:
        raise impossible(f"Unknown third-factor connection rule '{spec['rule']}'.")
    unknown = [k for k in spec if k not in ("rule", "p", "pool_size", "pool_type", *SWITCHES)]
    if unknown:
        raise unread_keys("third_factor_conn_spec", "TripartiteConnect", unknown)
    _check_switches(spec)
    p, size, kind = spec.get("p", 1.0), spec.get("pool_size", n_third), spec.get("pool_type", "random")
    if isinstance(p, bool) or not isinstance(p, int | float | np.integer | np.floating):
        raise type_mismatch("p", p, "double")
    if isinstance(size, bool) or not isinstance(size, int | np.integer):
        raise type_mismatch("pool_size", size, "long")
    if not isinstance(kind, str):
        raise type_mismatch("pool_type", kind, "std::string")
    if not 1 <= size <= n_third:
        raise NESTErrors.BadProperty("Pool size 1 ≤ pool_size ≤ size of third-factor population required")
    if kind not in ("random", "block"):
        raise NESTErrors.BadProperty("pool_type must be 'random' or 'block'")
    if not 0 <= p <= 1:
        raise NESTErrors.BadProperty("Conditional probability of third-factor connection 0 ≤ p_third_if_primary ≤ 1 required")
    block = kind == "block"
    if block and n_post * size != n_third and not (size == 1 and n_post % n_third == 0):
        raise NESTErrors.BadProperty(
            "The sizes of target and third-factor populations and the chosen pool size do not fit. If pool_size == 1, the target "
            "population size must be a multiple of the third-factor population size. For pool_size > 1, size(targets) * pool_size "
            "== size(third factor) is required. For all other cases, use random pools."
        )
    return Pools(float(p), int(size), block, n_third, n_post // n_third)


def _check_switches(spec: Mapping[str, Any]) -> None:
    """**Raises:** `NotImplemented` for switches of the third factor that would change something, which NEST does not heed."""
    for key in SWITCHES:
        if key in spec and not isinstance(spec[key], bool | np.bool_):
            raise type_mismatch(key, spec[key], "bool")
    if spec.get("make_symmetric", False):
        raise NESTErrors.NotImplemented("This connection rule does not support symmetric connections.")
    for key in ("allow_autapses", "allow_multapses"):
        if not spec.get(key, True):
            raise NESTErrors.NotImplemented(f"{key}: NEST does not heed it for a third factor, so jaxnest does not take it.")


def _known(syn_specs: Any) -> tuple[str, ...]:
    if syn_specs is not None and not isinstance(syn_specs, Mapping):
        raise TypeError("syn_specs must be a dict")
    unknown = [k for k in syn_specs or () if k not in PARTS]
    if unknown:
        raise unread_keys("syn_specs", "TripartiteConnect", unknown)
    return PARTS


def _synapses(part: str, syn_specs: Any) -> list[dict[str, Any]]:
    """The syn_specs of one of the parts. **Raises:** `ValueError` for lists; `BadParameterValue` for what depends on positions."""
    given = (syn_specs or {}).get(part)
    specs = [as_spec(s) for s in (given.syn_specs if isinstance(given, CollocatedSynapses) else [given])]
    for spec in specs:
        for entry, value in spec.items():
            if isinstance(value, list | tuple | np.ndarray):
                raise ValueError(
                    f"Tripartite connections do not accept parameter lists, but 'syn_specs[{part}][{entry}]' is a list or similar."
                )
            if isinstance(value, Parameter) and value.is_spatial():
                raise NESTErrors.BadParameterValue(f"syn_specs[{part}][{entry}]: what depends on positions needs Connect.")
    return specs
