"""Connection rules in space: a mask, or a probability that depends on positions, chooses the partners."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnest.nest._errors import NESTErrors, unread_keys
from jaxnest.nest._layers import Layer
from jaxnest.nest._mask_types import as_mask
from jaxnest.nest._parameter_types import as_parameter
from jaxnest.nest._parameters import Context, Parameter
from jaxnest.nest._regions import Region
from jaxnest.nest._specs import as_flag, cast_error

_CONN_KEYS = frozenset(
    {
        "rule",
        "mask",
        "p",
        "pairwise_avg_num_conns",
        "indegree",
        "outdegree",
        "use_on_source",
        "allow_autapses",
        "allow_multapses",
        "allow_oversized_mask",
    }
)
_SYN_KEYS = frozenset({"weight", "delay", "synapse_model", "synapse_label", "receptor_type"})


def needs_space(conn_spec: object, *syn_specs: object) -> bool:
    """Whether NEST connects by these specifications in space: what has a mask or depends on positions does."""
    if not isinstance(conn_spec, Mapping):
        conn_spec = {"rule": conn_spec}
    values = [*conn_spec.values(), *(v for spec in syn_specs if isinstance(spec, Mapping) for v in spec.values())]
    if any(isinstance(value, Parameter) and value.is_spatial() for value in values):
        return True
    rule = str(conn_spec.get("rule"))
    return (
        not conn_spec.keys().isdisjoint(("mask", "use_on_source"))
        or ("p" in conn_spec and "pairwise_bernoulli" not in rule)
        or ("pairwise_avg_num_conns" in conn_spec and "pairwise_poisson" not in rule)
    )


def check_synapse(syn_spec: Mapping[str, object]) -> None:
    """ValueError for a key that a synapse specification must not have when connecting in space."""
    for key in syn_spec:
        if key not in _SYN_KEYS:
            raise ValueError(f"'{key}' is not allowed in syn_spec when connecting with mask or kernel")


def check_targets(rule: str, options: Mapping[str, object], devices: bool) -> None:
    """IllegalConnection if the targets are devices and the rule cannot connect to those."""
    anywhere = rule == "pairwise_poisson" or (rule == "pairwise_bernoulli" and options.get("use_on_source", False))
    if devices and not anywhere:
        raise NESTErrors.IllegalConnection(
            f"Creation of connection is not possible because:\nSpatial Connect with {rule} to devices is not possible."
        )


@dataclass(frozen=True, eq=False)
class SpatialPairs:
    """The connections that a rule made.

    Attributes:
        pre, post: (m,) int64, indices into the two collections.
        sources, targets: (n_pre, d) and (n_post, d), where the nodes of the collections lie.
        layer: the layer whose joined edges count for weights and delays.
    """

    pre: np.ndarray
    post: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    layer: Layer

    @property
    def displacement(self) -> np.ndarray:
        """From source to target of each connection, (m, d)."""
        return self.layer.nearest(self.sources[self.pre], self.targets[self.post])

    def context(self, rng: np.random.Generator, rows: slice = slice(None)) -> Context:
        """What weights and delays of the connections ``rows`` are drawn from."""
        sources, targets = self.sources[self.pre[rows]], self.targets[self.post[rows]]
        displacement = self.layer.nearest(sources, targets)
        return Context(len(sources), rng, sources=sources, targets=targets, displacement=displacement)


def spatial_pairs(rule: str, pre: Any, post: Any, options: Mapping[str, object], rng: np.random.Generator) -> SpatialPairs:
    """The connections from ``pre`` to ``post``, collections of nodes in layers.

    ``options`` is the conn_spec: mask, p, allow_autapses, allow_multapses, allow_oversized_mask and, by rule,
    use_on_source, pairwise_avg_num_conns, indegree or outdegree.

    Raises TypeError if a collection has no layer, ValueError for keys and rules that do not connect in space,
    BadProperty for layers and masks that do not fit each other and for negative numbers of connections, TypeMismatch
    for values of a wrong type and KernelException where there are too few partners.
    """
    for nodes, which in ((pre, "Presynaptic"), (post, "Postsynaptic")):
        if nodes._layer is None:
            raise TypeError(f"{which} NodeCollection must have spatial information")
    _check_keys(rule, options)
    if pre._layer.ndim != post._layer.ndim:
        raise NESTErrors.BadProperty("Target layer must have same number of dimensions as source layer.")
    return _RULES[rule](_Task.of(pre, post, options), options, rng)


def _check_keys(rule: str, options: Mapping[str, object]) -> None:
    for key in options:
        if key not in _CONN_KEYS:
            raise ValueError(f"'{key}' is not allowed in conn_spec when connecting with mask or kernel")
    if rule not in _RULES:
        raise ValueError(
            "When using kernel or mask, the only possible connection rules are "
            "'pairwise_bernoulli', 'pairwise_poisson', 'fixed_indegree', or 'fixed_outdegree'"
        )
    if "use_on_source" in options and rule != "pairwise_bernoulli":
        raise ValueError("'use_on_source' can only be set when using pairwise_bernoulli")
    own = {"fixed_indegree": "indegree", "fixed_outdegree": "outdegree"}.get(rule)
    if own is not None and own not in options:
        raise KeyError(own)
    unread = {"indegree", "outdegree"} - {own}
    if "p" in options:
        unread.add("pairwise_avg_num_conns")
    if unread & options.keys():
        raise unread_keys("ConnectionCreator", "synapse_specs", sorted(unread & options.keys()))


@dataclass(frozen=True, eq=False)
class _Task:
    """The two collections and the options that all rules share."""

    pre: Any
    post: Any
    sources: np.ndarray
    targets: np.ndarray
    autapses: bool
    multapses: bool
    oversized: bool
    mask: Any
    probability: Parameter | None

    @classmethod
    def of(cls, pre: Any, post: Any, options: Mapping[str, object]) -> "_Task":
        probability = options.get("p", options.get("pairwise_avg_num_conns"))

        def flag(key: str, default: bool) -> bool:
            return as_flag(key, options.get(key, default))

        return cls(
            pre,
            post,
            sources=pre._layer.positions[pre._places],
            targets=post._layer.positions[post._places],
            autapses=flag("allow_autapses", True),
            multapses=flag("allow_multapses", True),
            oversized=flag("allow_oversized_mask", False),
            mask=as_mask(options["mask"]) if "mask" in options else None,
            probability=None if probability is None else as_parameter(probability),
        )

    def pairs(self, pre: list[np.ndarray], post: list[np.ndarray], layer: Layer) -> SpatialPairs:
        none = [np.zeros(0, np.int64)]
        return SpatialPairs(np.concatenate(pre or none), np.concatenate(post or none), self.sources, self.targets, layer)

    def drawn(self, pre: np.ndarray, post: np.ndarray, layer: Layer, rng: np.random.Generator) -> np.ndarray:
        """The probability parameter for each pair, (m,)."""
        assert self.probability is not None
        if not self.probability.is_spatial():  # then the positions need not be gathered
            return self.probability.draw(Context(len(pre), rng))
        return self.probability.draw(SpatialPairs(pre, post, self.sources, self.targets, layer).context(rng))


def _bernoulli(task: _Task, options: Mapping[str, object], rng: np.random.Generator) -> SpatialPairs:
    """Each pair with its probability; without one, every pair inside the mask."""
    on_source = bool(options.get("use_on_source", False))
    layer = task.pre._layer if on_source else task.post._layer

    def copies(pre: np.ndarray, post: np.ndarray) -> np.ndarray:
        if task.probability is None:
            return np.ones(len(pre), np.int64)
        return (rng.random(len(pre)) < task.drawn(pre, post, layer, rng)).astype(np.int64)

    return _pairwise(task, on_source, layer, copies)


def _poisson(task: _Task, options: Mapping[str, object], rng: np.random.Generator) -> SpatialPairs:
    """A Poisson number of connections for each pair, with the mean that the parameter gives."""
    layer = task.pre._layer
    if task.probability is None:
        raise NESTErrors.BadProperty("'pairwise_avg_num_conns' is required for pairwise_poisson.")

    def copies(pre: np.ndarray, post: np.ndarray) -> np.ndarray:
        return rng.poisson(np.maximum(np.nan_to_num(task.drawn(pre, post, layer, rng)), 0.0))

    return _pairwise(task, True, layer, copies)


def _pairwise(
    task: _Task, on_source: bool, layer: Layer, copies: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> SpatialPairs:
    """Targets seek sources in the mask (``on_source``), or those sources in whose mask they are."""
    source_layer, target_layer = task.pre._layer, task.post._layer
    if on_source:
        region = Region.within(source_layer, task.sources, task.mask, task.oversized)
    else:
        region = Region.towards(target_layer, task.sources, source_layer, task.mask, task.oversized)
    chosen_pre, chosen_post = [], []
    for _, _, post, pre in region.blocks(task.targets):
        if not task.autapses:
            different = task.pre._ids[pre] != task.post._ids[post]
            pre, post = pre[different], post[different]
        number = copies(pre, post)
        chosen_pre.append(np.repeat(pre, number))
        chosen_post.append(np.repeat(post, number))
    return task.pairs(chosen_pre, chosen_post, layer)


def _indegree(task: _Task, options: Mapping[str, object], rng: np.random.Generator) -> SpatialPairs:
    """Each target draws its number of sources, from the mask and by weight."""
    layer = task.pre._layer
    region = Region.within(layer, task.sources, task.mask, task.oversized)
    if task.mask is None:
        where = Context(len(task.targets), rng, positions=task.targets)
    else:  # NEST evaluates the number as if the source lay at the origin
        origin = np.zeros_like(task.targets)
        steps = layer.nearest(origin, task.targets)
        where = Context(len(origin), rng, sources=origin, targets=task.targets, displacement=steps)
    numbers = _numbers(options["indegree"], where)
    lack = "Global target ID {}: Not enough sources found" + (" inside mask" if task.mask is not None else "")
    chosen_pre, chosen_post = [], []
    for first, last, post, pre in region.blocks(task.targets):
        weights = None if task.probability is None else task.drawn(pre, post, layer, rng)
        chosen = _draw(task, first, last, post, (pre, post), weights, numbers, task.post._ids, lack, rng)
        chosen_pre.append(pre[chosen])
        chosen_post.append(post[chosen])
    return task.pairs(chosen_pre, chosen_post, layer)


def _outdegree(task: _Task, options: Mapping[str, object], rng: np.random.Generator) -> SpatialPairs:
    """Each source draws its number of targets, from the mask and by weight."""
    region = Region.within(task.post._layer, task.targets, task.mask, task.oversized)
    numbers = _numbers(options["outdegree"], Context(len(task.sources), rng, positions=task.sources))
    lack = "Global source ID {}: Not enough targets found"
    chosen_pre, chosen_post = [], []
    for first, last, pre, post in region.blocks(task.sources):
        # NEST takes the distance in the layer of the sources here, for weights and delays in that of the targets
        weights = None if task.probability is None else task.drawn(pre, post, task.pre._layer, rng)
        chosen = _draw(task, first, last, pre, (pre, post), weights, numbers, task.pre._ids, lack, rng)
        chosen_pre.append(pre[chosen])
        chosen_post.append(post[chosen])
    return task.pairs(chosen_pre, chosen_post, task.post._layer)


def _numbers(value: object, where: Context) -> np.ndarray:
    """How many connections each node makes, int64 (n,)."""
    if isinstance(value, Parameter):
        numbers = value.draw(where)
        numbers = np.trunc(numbers + np.copysign(0.5, numbers)).astype(np.int64)
    elif isinstance(value, int | np.integer) and not isinstance(value, bool):
        numbers = np.full(where.n, value, np.int64)
    else:
        raise cast_error("number_of_connections", value, "long")
    if (numbers < 0).any():
        raise NESTErrors.BadProperty("Number of connections cannot be less than zero.")
    return numbers


def _draw(
    task: _Task,
    first: int,
    last: int,
    anchor: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray | None,
    numbers: np.ndarray,
    ids: np.ndarray,
    lack: str,
    rng: np.random.Generator,
) -> np.ndarray:
    """Which candidates anchors first … last - 1 draw: rows of ``anchor`` (m,), which is sorted.

    Raises KernelException, by the text ``lack`` with the ID put in, for an anchor with too few candidates.
    """
    if weights is None:
        weights = np.ones(len(anchor))
    else:
        weights = np.where(weights > 0, weights, 0.0)
    if not task.autapses:
        weights[task.pre._ids[pairs[0]] == task.post._ids[pairs[1]]] = 0.0
    local, wanted = anchor - first, numbers[first:last]
    found = np.bincount(local, minlength=last - first)
    usable = np.bincount(local[weights > 0], minlength=last - first)
    enough = (found > 0) & (usable >= (np.minimum(wanted, 1) if task.multapses else wanted))
    if not enough.all():
        raise NESTErrors.KernelException(lack.format(ids[first + int(np.argmin(enough))]))
    starts = np.cumsum(found) - found
    return (_with_replacement if task.multapses else _without_replacement)(local, starts, wanted, weights, rng)


def _with_replacement(
    local: np.ndarray, starts: np.ndarray, wanted: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Rows drawn by weight: ``wanted[i]`` of those with ``local == i``, which begin at row ``starts[i]``."""
    total = np.bincount(local, weights=weights, minlength=len(starts))
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    owner = np.repeat(np.arange(len(starts)), wanted)
    heights = sums[starts[owner]] + rng.random(len(owner)) * total[owner]
    rows = np.searchsorted(sums, heights, side="right") - 1
    # a height rounded up to the next group belongs to the last row of its own that has a weight
    ends = np.append(starts[1:], len(local))
    positive = np.maximum.accumulate(np.where(weights > 0, np.arange(len(weights)), -1))
    return np.minimum(rows, positive[ends[owner] - 1])


def _without_replacement(
    local: np.ndarray, starts: np.ndarray, wanted: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The same without any row twice: the first of exponential clocks whose rates are the weights."""
    with np.errstate(divide="ignore"):
        clocks = rng.standard_exponential(len(local)) / weights
    order = np.lexsort((clocks, local))
    rank = np.arange(len(local)) - starts[local]
    return order[rank < wanted[local]]


_RULES: Mapping[str, Callable[[_Task, Mapping[str, object], np.random.Generator], SpatialPairs]] = {
    "pairwise_bernoulli": _bernoulli,
    "pairwise_poisson": _poisson,
    "fixed_indegree": _indegree,
    "fixed_outdegree": _outdegree,
}
