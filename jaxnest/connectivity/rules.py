"""NEST's connection rules: which source connects to which target.

A rule is a frozen description. Its `draw` takes a stream of random numbers and the global ids of the selected sources and
targets, checks that they can be connected so, and returns the connections as a `Drawing`: in chunks, drawn when asked for.

Order of the connections: `all_to_all`, `fixed_indegree`, `fixed_total_number`, `pairwise_bernoulli`, `pairwise_poisson`
target by target; `fixed_outdegree` source by source; otherwise as given. Within one target (source) of a fixed degree the
partners are in random order, so values given as an array of shape (n_post, indegree) do not sort themselves onto low
indices.
"""

import abc
import dataclasses
import difflib
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from jaxnest.connectivity.checks import (
    NEST_SWITCHES,
    as_ids,
    check_available,
    check_count,
    check_degree,
    check_number,
    check_switches,
    drawn_degrees,
    unique_ids,
)
from jaxnest.connectivity.distributions import Distribution
from jaxnest.connectivity.sampling import (
    Drawing,
    Stream,
    by_cells,
    by_index,
    by_rows,
    own_position,
    partners,
    with_mirror,
)
from jaxnest.errors import ConfigurationError


class Rule(abc.ABC):
    """A connection rule. `name` is NEST's name for it."""

    name: ClassVar[str]

    @abc.abstractmethod
    def draw(self, stream: Stream, pre_ids: ArrayLike, post_ids: ArrayLike) -> Drawing:
        """The connections between two selections of nodes.

        **Arguments:**

        - `pre_ids`, `post_ids`: global ids of the sources, shape (n_pre,), and of the targets, shape (n_post,). A
            connection between equal ids is an autapse. Only `one_to_one` and `explicit` take an id twice.

        **Returns:** the connections, as positions into `pre_ids` and `post_ids`.

        **Raises:** `ConfigurationError` if the rule cannot be satisfied with these nodes.
        """


@dataclasses.dataclass(frozen=True)
class AllToAll(Rule):
    """Every source to every target. There are no multapses, so `allow_multapses` has no effect."""

    _: dataclasses.KW_ONLY
    allow_autapses: bool = True
    allow_multapses: bool = True
    name: ClassVar[str] = "all_to_all"

    def __post_init__(self):
        check_switches(self)

    def draw(self, stream, pre_ids, post_ids):
        pre_ids, post_ids = unique_ids(self, pre_ids, post_ids)
        own = np.full(post_ids.size, -1, np.int32) if self.allow_autapses else own_position(pre_ids, post_ids)
        every = np.arange(pre_ids.size, dtype=np.int32)

        def sources(_, rows):
            drawn = np.tile(every, rows.stop - rows.start)
            return drawn if self.allow_autapses else drawn[drawn != np.repeat(own[rows], every.size)]

        return by_rows(every.size - (own >= 0), sources)


@dataclasses.dataclass(frozen=True)
class OneToOne(Rule):
    """The i-th source to the i-th target; a node that may not connect to itself is left out.

    `make_symmetric` adds the reverse of every connection, after the forward ones. Both selections must then hold the same
    nodes; between different populations, add a second projection from post to pre.
    """

    _: dataclasses.KW_ONLY
    allow_autapses: bool = True
    allow_multapses: bool = True
    make_symmetric: bool = False
    name: ClassVar[str] = "one_to_one"

    def __post_init__(self):
        check_switches(self)

    def draw(self, stream, pre_ids, post_ids):
        pre_ids, post_ids = as_ids(self, "pre_ids", pre_ids), as_ids(self, "post_ids", post_ids)
        if pre_ids.size != post_ids.size:
            raise ConfigurationError(
                f"one_to_one: {pre_ids.size} sources and {post_ids.size} targets; select equally many, or use all_to_all"
            )
        if self.allow_autapses:
            kept, n = None, pre_ids.size
        else:
            kept = np.flatnonzero(pre_ids != post_ids).astype(np.int32)
            n = kept.size

        def positions(part):
            drawn = np.arange(part.start, part.stop, dtype=np.int32) if kept is None else kept[part].copy()
            return drawn, drawn.copy()

        drawing = by_index(n, positions)
        return _with_mirror(self, drawing, pre_ids, post_ids) if self.make_symmetric else drawing


@dataclasses.dataclass(frozen=True)
class FixedIndegree(Rule):
    """`indegree` sources for every target, drawn uniformly: with replacement, or all different without multapses.

    `indegree` is an integer, or a `Distribution` that every target draws from; draws are rounded, and below zero mean none.
    """

    indegree: int | Distribution
    _: dataclasses.KW_ONLY
    allow_autapses: bool = True
    allow_multapses: bool = True
    name: ClassVar[str] = "fixed_indegree"

    def __post_init__(self):
        check_switches(self)
        check_degree(self, "indegree", self.indegree)

    def draw(self, stream, pre_ids, post_ids):
        pre_ids, post_ids = unique_ids(self, pre_ids, post_ids)
        degrees = drawn_degrees(self, "indegree", self.indegree, post_ids.size, stream)
        own = None if self.allow_autapses else own_position(pre_ids, post_ids)
        check_available(self, "indegree", "sources", degrees, pre_ids.size, own)
        return _uniform(stream, pre_ids.size, degrees, own, self.allow_multapses)


@dataclasses.dataclass(frozen=True)
class FixedOutdegree(Rule):
    """`outdegree` targets for every source, drawn uniformly: with replacement, or all different without multapses.

    `outdegree` is an integer, or a `Distribution` that every source draws from; draws are rounded, and below zero mean none.
    """

    outdegree: int | Distribution
    _: dataclasses.KW_ONLY
    allow_autapses: bool = True
    allow_multapses: bool = True
    name: ClassVar[str] = "fixed_outdegree"

    def __post_init__(self):
        check_switches(self)
        check_degree(self, "outdegree", self.outdegree)

    def draw(self, stream, pre_ids, post_ids):
        pre_ids, post_ids = unique_ids(self, pre_ids, post_ids)
        degrees = drawn_degrees(self, "outdegree", self.outdegree, pre_ids.size, stream)
        own = None if self.allow_autapses else own_position(post_ids, pre_ids)
        check_available(self, "outdegree", "targets", degrees, post_ids.size, own)
        return _uniform(stream, post_ids.size, degrees, own, self.allow_multapses, rows_are_targets=False)


@dataclasses.dataclass(frozen=True)
class FixedTotalNumber(Rule):
    """`N` connections, each between a source and a target drawn uniformly. As in NEST, multapses cannot be forbidden."""

    N: int
    _: dataclasses.KW_ONLY
    allow_autapses: bool = True
    allow_multapses: bool = True
    name: ClassVar[str] = "fixed_total_number"

    def __post_init__(self):
        check_switches(self, allow_multapses=True)
        check_count(self, "N", self.N)

    def draw(self, stream, pre_ids, post_ids):
        pre_ids, post_ids = unique_ids(self, pre_ids, post_ids)
        own = None if self.allow_autapses else own_position(pre_ids, post_ids)
        available = _available(pre_ids.size, post_ids.size, own)
        n_pairs = int(available.sum())
        if self.N and n_pairs == 0:
            raise ConfigurationError(
                f"fixed_total_number: N={self.N}, but {pre_ids.size} sources and {post_ids.size} targets form no pair "
                f"(allow_autapses={self.allow_autapses}); add nodes, allow_autapses=True, or N=0"
            )
        # How many connections each target has is multinomial; the sources of each are uniform.
        degrees = stream.generator(-1).multinomial(self.N, available / max(n_pairs, 1)) if self.N else 0 * available
        return _uniform(stream, pre_ids.size, degrees, own, allow_multapses=True)


@dataclasses.dataclass(frozen=True)
class PairwiseBernoulli(Rule):
    """Each pair is connected with probability `p`. There are no multapses, so `allow_multapses` has no effect."""

    p: float
    _: dataclasses.KW_ONLY
    allow_autapses: bool = True
    allow_multapses: bool = True
    name: ClassVar[str] = "pairwise_bernoulli"

    def __post_init__(self):
        check_switches(self)
        check_number(self, "p", self.p, 1.0)

    def draw(self, stream, pre_ids, post_ids):
        pre_ids, post_ids = unique_ids(self, pre_ids, post_ids)
        own = None if self.allow_autapses else own_position(pre_ids, post_ids)
        return by_cells(stream, float(self.p), pre_ids.size, post_ids.size, own)


@dataclasses.dataclass(frozen=True)
class SymmetricPairwiseBernoulli(Rule):
    """Each node draws partners among the others with probability `p` < 1; each drawn pair is connected in both directions.

    As in NEST, the number of partners that a node draws is binomial over all n nodes of the population, drawn again while
    it equals n; partners are all different and never the node itself. A pair that both nodes draw is connected
    twice each way. Sources and targets must be the same population. The drawn connections come first, their reverses after.
    """

    p: float
    _: dataclasses.KW_ONLY
    allow_autapses: bool = False
    allow_multapses: bool = True
    make_symmetric: bool = True
    name: ClassVar[str] = "symmetric_pairwise_bernoulli"

    def __post_init__(self):
        check_switches(self, allow_autapses=False, allow_multapses=True, make_symmetric=True)
        check_number(self, "p", self.p, 1.0)
        if self.p == 1:
            raise ConfigurationError("symmetric_pairwise_bernoulli: p=1 is not allowed; give p < 1, or use all_to_all")

    def draw(self, stream, pre_ids, post_ids):
        pre_ids, post_ids = unique_ids(self, pre_ids, post_ids)
        n = pre_ids.size
        rng = stream.generator(-1)
        degrees = rng.binomial(n, self.p, post_ids.size)
        again = np.flatnonzero(degrees == n)
        while again.size:
            degrees[again] = rng.binomial(n, self.p, again.size)
            again = again[degrees[again] == n]
        forward = _uniform(stream, n, degrees, own_position(pre_ids, post_ids), allow_multapses=False)
        return _with_mirror(self, forward, pre_ids, post_ids)


@dataclasses.dataclass(frozen=True)
class PairwisePoisson(Rule):
    """Each pair has a Poisson number of connections with mean `pairwise_avg_num_conns`. Multapses cannot be forbidden."""

    pairwise_avg_num_conns: float
    _: dataclasses.KW_ONLY
    allow_autapses: bool = True
    allow_multapses: bool = True
    name: ClassVar[str] = "pairwise_poisson"

    def __post_init__(self):
        check_switches(self, allow_multapses=True)
        check_number(self, "pairwise_avg_num_conns", self.pairwise_avg_num_conns, math.inf)

    def draw(self, stream, pre_ids, post_ids):
        pre_ids, post_ids = unique_ids(self, pre_ids, post_ids)
        expected = float(self.pairwise_avg_num_conns) * pre_ids.size * post_ids.size
        if expected > 2.0**40:
            raise ConfigurationError(
                f"pairwise_poisson: pairwise_avg_num_conns={self.pairwise_avg_num_conns} makes {expected:.3g} connections "
                f"between {pre_ids.size} sources and {post_ids.size} targets, beyond any memory; give a smaller one"
            )
        # A Poisson number for each target, its sources uniform, is the same as an independent Poisson number for every pair.
        own = None if self.allow_autapses else own_position(pre_ids, post_ids)
        available = _available(pre_ids.size, post_ids.size, own)
        degrees = stream.generator(-1).poisson(float(self.pairwise_avg_num_conns) * available)
        return _uniform(stream, pre_ids.size, degrees, own, allow_multapses=True)


@dataclasses.dataclass(frozen=True, eq=False)
class Explicit(Rule):
    """The given connections and no others: source position `pre[i]` to target position `post[i]`.

    `weight`, if not None, holds one weight a connection, to be used where the projection itself is given none; `shape`, if
    not None, is the (n_post, n_pre) that the selections must have. The arrays are copied and read-only.
    """

    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray | None = None
    shape: tuple[int, int] | None = None
    name: ClassVar[str] = "explicit"

    def __post_init__(self):
        for key in ("pre", "post"):
            given = np.asarray(getattr(self, key))
            if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
                raise ConfigurationError(
                    f"explicit: {key} has shape {given.shape} and type {given.dtype}; give a one-dimensional array of integers"
                )
            if given.size and (given.min() < 0 or given.max() > np.iinfo(np.int32).max):
                bad = given.min() if given.min() < 0 else given.max()
                raise ConfigurationError(f"explicit: {key} contains {bad}; give positions, counted from 0")
            _set(self, key, np.array(given, np.int32))
        if self.pre.size != self.post.size:
            raise ConfigurationError(
                f"explicit: pre has {self.pre.size} entries and post {self.post.size}; give one of each a connection"
            )
        if self.weight is not None:
            weight = np.array(self.weight)
            if weight.shape != self.pre.shape or weight.dtype.kind not in "iuf":
                raise ConfigurationError(
                    f"explicit: weight has shape {weight.shape} and type {weight.dtype}; give {self.pre.size} numbers, "
                    "one a connection"
                )
            _set(self, "weight", weight)

    @classmethod
    def from_sparse(cls, matrix: Any) -> "Explicit":
        """The stored entries of a SciPy sparse matrix of shape (n_post, n_pre): row = target, column = source.

        The entries become `weight`, unless they are boolean. Stored zeros are connections, entries stored twice multapses.
        """
        if not hasattr(matrix, "tocoo") or len(matrix.shape) != 2:
            raise ConfigurationError(
                f"explicit: {type(matrix).__name__} is not a two-dimensional SciPy sparse matrix; "
                "wrap a dense one in scipy.sparse.coo_array"
            )
        coo = matrix.tocoo(copy=False)
        n_post, n_pre = (int(size) for size in coo.shape)
        weight = None if coo.data.dtype == bool else coo.data
        return cls(pre=coo.col, post=coo.row, weight=weight, shape=(n_post, n_pre))

    def draw(self, stream, pre_ids, post_ids):
        pre_ids, post_ids = as_ids(self, "pre_ids", pre_ids), as_ids(self, "post_ids", post_ids)
        given = (post_ids.size, pre_ids.size)
        if self.shape is not None and self.shape != given:
            raise ConfigurationError(
                f"explicit: the matrix has shape {self.shape}, but there are {given[0]} targets and {given[1]} sources; "
                f"give a matrix of shape {given}: a row a target, a column a source"
            )
        for key, positions, nodes in (("pre", self.pre, pre_ids), ("post", self.post, post_ids)):
            if positions.size and positions.max() >= nodes.size:
                raise ConfigurationError(
                    f"explicit: {key} contains {positions.max()}, but only {nodes.size} nodes are selected; "
                    f"give positions in [0, {nodes.size})"
                )
        return by_index(self.pre.size, lambda part: (self.pre[part].copy(), self.post[part].copy()))


all_to_all = AllToAll
one_to_one = OneToOne
fixed_indegree = FixedIndegree
fixed_outdegree = FixedOutdegree
fixed_total_number = FixedTotalNumber
pairwise_bernoulli = PairwiseBernoulli
symmetric_pairwise_bernoulli = SymmetricPairwiseBernoulli
pairwise_poisson = PairwisePoisson
explicit = Explicit

RULES: Mapping[str, type[Rule]] = {
    rule.name: rule
    for rule in (
        AllToAll,
        OneToOne,
        FixedIndegree,
        FixedOutdegree,
        FixedTotalNumber,
        PairwiseBernoulli,
        SymmetricPairwiseBernoulli,
        PairwisePoisson,
        Explicit,
    )
}


def rule_from(spec: Rule | str | Mapping[str, Any]) -> Rule:
    """The rule that `spec` describes: a `Rule`, the name of a rule without parameters, or a NEST `conn_spec` dictionary.

    Switches that the dictionary leaves out have NEST's defaults, so `symmetric_pairwise_bernoulli` needs
    `"allow_autapses": False, "make_symmetric": True`, as in NEST.
    """
    if isinstance(spec, Rule):
        return spec
    if isinstance(spec, str):
        spec = {"rule": spec}
    if not isinstance(spec, Mapping):
        raise ConfigurationError(f"rule={spec!r} is neither a rule, nor a rule's name, nor a conn_spec dictionary")
    if "rule" not in spec:
        raise ConfigurationError(f"conn_spec {dict(spec)} has no 'rule'; add one of {', '.join(RULES)}")

    arguments = {key: value for key, value in spec.items() if key != "rule"}
    name = spec["rule"]
    if not isinstance(name, str) or name not in RULES:
        raise ConfigurationError(f"unknown connection rule {name!r}; {_nearest(name, RULES)}")
    rule = RULES[name]
    fields = {field.name: field for field in dataclasses.fields(rule)}  # type: ignore[arg-type]
    for key, value in arguments.items():
        if key == "make_symmetric" and key not in fields and value is False:
            continue
        if key not in fields:
            raise ConfigurationError(f"{name}: unknown parameter {key}={value!r}; {_nearest(key, fields)}")
    missing = [f.name for f in fields.values() if f.default is dataclasses.MISSING and f.name not in arguments]
    if missing:
        example = ", ".join(f"{key!r}: ..." for key in missing)
        raise ConfigurationError(f"{name}: {', '.join(missing)} is missing; give {{'rule': {name!r}, {example}}}")
    return rule(**{key: value for key, value in {**NEST_SWITCHES, **arguments}.items() if key in fields})


# Drawing


def _uniform(
    stream: Stream,
    n: int,
    degrees: np.ndarray,
    own: np.ndarray | None,
    allow_multapses: bool,
    *,
    rows_are_targets: bool = True,
) -> Drawing:
    """Row after row, `degrees[row]` uniform partners out of `n`, none of them the row's `own`."""

    def draw(k, rows):
        return partners(stream, k, n, degrees[rows], None if own is None else own[rows], allow_multapses)

    return by_rows(degrees, draw, rows_are_targets=rows_are_targets)


def _available(n_pre: int, n_post: int, own: np.ndarray | None) -> np.ndarray:
    """The number of sources that each target may have, int64."""
    return np.full(n_post, n_pre, np.int64) if own is None else n_pre - (own >= 0).astype(np.int64)


def _with_mirror(rule: Rule, forward: Drawing, pre_ids: np.ndarray, post_ids: np.ndarray) -> Drawing:
    source_of, target_of = own_position(pre_ids, post_ids), own_position(post_ids, pre_ids)
    if (source_of < 0).any() or (target_of < 0).any():
        raise ConfigurationError(
            f"{rule.name}: make_symmetric=True needs the same population as pre and post, because a rule connects pre to "
            "post only; select the same nodes, or add a second projection from post to pre"
        )
    return with_mirror(forward, source_of, target_of)


def _set(rule: Rule, key: str, array: np.ndarray) -> None:
    array.setflags(write=False)
    object.__setattr__(rule, key, array)


def _nearest(name: Any, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
