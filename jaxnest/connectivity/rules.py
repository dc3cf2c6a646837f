"""NEST's connection rules: which source connects to which target.

A rule is a frozen description. Its `draw` takes the generator and the global ids of the selected sources and targets, and
returns the connections as positions into those two selections. The generator should be counter-based
(`numpy.random.Generator(numpy.random.Philox(...))` from the seed and the projection), so that a drawing can be repeated.

Order of the connections: `all_to_all`, `fixed_indegree`, `pairwise_bernoulli` target by target; `fixed_outdegree` source
by source; otherwise as drawn. Within one target (source) of a fixed degree the partners are in random order, so
values given as an array of shape (n_post, indegree) do not sort themselves onto low indices.
"""

import abc
import dataclasses
import difflib
import math
import operator
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from jaxnest.connectivity.distributions import Distribution, sample
from jaxnest.errors import ConfigurationError

Pairs = tuple[np.ndarray, np.ndarray]

_CHUNK = 1 << 18  # numbers drawn at a time where intermediates are wide; part of what fixes the random sequence
_NEST_SWITCHES = {"allow_autapses": True, "allow_multapses": True, "make_symmetric": False}  # with NEST's defaults


class Rule(abc.ABC):
    """A connection rule. `name` is NEST's name for it."""

    name: ClassVar[str]

    @abc.abstractmethod
    def draw(self, rng: np.random.Generator, pre_ids: ArrayLike, post_ids: ArrayLike) -> Pairs:
        """The connections between two selections of nodes.

        **Arguments:**

        - `pre_ids`, `post_ids`: global ids of the sources, shape (n_pre,), and of the targets, shape (n_post,). A
            connection between equal ids is an autapse. Only `one_to_one` and `explicit` take an id twice.

        **Returns:** `(pre, post)`, new int32 arrays of shape (n_connections,): positions into `pre_ids` and `post_ids`.

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
        _check_switches(self)

    def draw(self, rng, pre_ids, post_ids):
        pre_ids, post_ids = _unique_ids(self, pre_ids, post_ids)
        pre = np.tile(np.arange(pre_ids.size, dtype=np.int32), post_ids.size)
        post = np.repeat(np.arange(post_ids.size, dtype=np.int32), pre_ids.size)
        return (pre, post) if self.allow_autapses else _without_autapses(pre, post, _own_position(pre_ids, post_ids))


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
        _check_switches(self)

    def draw(self, rng, pre_ids, post_ids):
        pre_ids, post_ids = _ids(self, "pre_ids", pre_ids), _ids(self, "post_ids", post_ids)
        if pre_ids.size != post_ids.size:
            raise ConfigurationError(
                f"one_to_one: {pre_ids.size} sources and {post_ids.size} targets; select equally many, or use all_to_all"
            )
        keep = np.ones(pre_ids.size, bool) if self.allow_autapses else pre_ids != post_ids
        pre = np.flatnonzero(keep).astype(np.int32)
        post = pre.copy()
        return _with_mirror(self, pre, post, pre_ids, post_ids) if self.make_symmetric else (pre, post)


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
        _check_switches(self)
        _check_degree(self, "indegree", self.indegree)

    def draw(self, rng, pre_ids, post_ids):
        pre_ids, post_ids = _unique_ids(self, pre_ids, post_ids)
        degrees = _degrees(self, "indegree", self.indegree, post_ids.size, rng)
        own = None if self.allow_autapses else _own_position(pre_ids, post_ids)
        _check_available(self, "indegree", "sources", degrees, pre_ids.size, own)
        pre = _partners(rng, pre_ids.size, degrees, own, self.allow_multapses)
        return pre, np.repeat(np.arange(post_ids.size, dtype=np.int32), degrees)


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
        _check_switches(self)
        _check_degree(self, "outdegree", self.outdegree)

    def draw(self, rng, pre_ids, post_ids):
        pre_ids, post_ids = _unique_ids(self, pre_ids, post_ids)
        degrees = _degrees(self, "outdegree", self.outdegree, pre_ids.size, rng)
        own = None if self.allow_autapses else _own_position(post_ids, pre_ids)
        _check_available(self, "outdegree", "targets", degrees, post_ids.size, own)
        post = _partners(rng, post_ids.size, degrees, own, self.allow_multapses)
        return np.repeat(np.arange(pre_ids.size, dtype=np.int32), degrees), post


@dataclasses.dataclass(frozen=True)
class FixedTotalNumber(Rule):
    """`N` connections, each between a source and a target drawn uniformly. As in NEST, multapses cannot be forbidden."""

    N: int
    _: dataclasses.KW_ONLY
    allow_autapses: bool = True
    allow_multapses: bool = True
    name: ClassVar[str] = "fixed_total_number"

    def __post_init__(self):
        _check_switches(self, allow_multapses=True)
        _check_count(self, "N", self.N)

    def draw(self, rng, pre_ids, post_ids):
        pre_ids, post_ids = _unique_ids(self, pre_ids, post_ids)
        own = None if self.allow_autapses else _own_position(pre_ids, post_ids)
        n_pairs = pre_ids.size * post_ids.size - (0 if own is None else np.count_nonzero(own >= 0))
        if self.N and n_pairs == 0:
            raise ConfigurationError(
                f"fixed_total_number: N={self.N}, but {pre_ids.size} sources and {post_ids.size} targets form no pair "
                f"(allow_autapses={self.allow_autapses}); add nodes, allow_autapses=True, or N=0"
            )
        pre, post = _uniform_pairs(rng, self.N, pre_ids.size, post_ids.size)
        if own is not None:
            again = np.flatnonzero(pre == own[post])
            while again.size:
                pre[again], post[again] = _uniform_pairs(rng, again.size, pre_ids.size, post_ids.size)
                again = again[pre[again] == own[post[again]]]
        return pre, post


@dataclasses.dataclass(frozen=True)
class PairwiseBernoulli(Rule):
    """Each pair is connected with probability `p`. There are no multapses, so `allow_multapses` has no effect."""

    p: float
    _: dataclasses.KW_ONLY
    allow_autapses: bool = True
    allow_multapses: bool = True
    name: ClassVar[str] = "pairwise_bernoulli"

    def __post_init__(self):
        _check_switches(self)
        _check_number(self, "p", self.p, 1.0)

    def draw(self, rng, pre_ids, post_ids):
        pre_ids, post_ids = _unique_ids(self, pre_ids, post_ids)
        pre, post = _bernoulli_pairs(rng, float(self.p), pre_ids.size, post_ids.size)
        return (pre, post) if self.allow_autapses else _without_autapses(pre, post, _own_position(pre_ids, post_ids))


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
        _check_switches(self, allow_autapses=False, allow_multapses=True, make_symmetric=True)
        _check_number(self, "p", self.p, 1.0)
        if self.p == 1:
            raise ConfigurationError("symmetric_pairwise_bernoulli: p=1 is not allowed; give p < 1, or use all_to_all")

    def draw(self, rng, pre_ids, post_ids):
        pre_ids, post_ids = _unique_ids(self, pre_ids, post_ids)
        n = pre_ids.size
        degrees = rng.binomial(n, self.p, post_ids.size)
        again = np.flatnonzero(degrees == n)
        while again.size:
            degrees[again] = rng.binomial(n, self.p, again.size)
            again = again[degrees[again] == n]
        pre = _partners(rng, n, degrees, _own_position(pre_ids, post_ids), allow_multapses=False)
        post = np.repeat(np.arange(post_ids.size, dtype=np.int32), degrees)
        return _with_mirror(self, pre, post, pre_ids, post_ids)


@dataclasses.dataclass(frozen=True)
class PairwisePoisson(Rule):
    """Each pair has a Poisson number of connections with mean `pairwise_avg_num_conns`. Multapses cannot be forbidden."""

    pairwise_avg_num_conns: float
    _: dataclasses.KW_ONLY
    allow_autapses: bool = True
    allow_multapses: bool = True
    name: ClassVar[str] = "pairwise_poisson"

    def __post_init__(self):
        _check_switches(self, allow_multapses=True)
        _check_number(self, "pairwise_avg_num_conns", self.pairwise_avg_num_conns, math.inf)

    def draw(self, rng, pre_ids, post_ids):
        pre_ids, post_ids = _unique_ids(self, pre_ids, post_ids)
        # A Poisson total spread uniformly over the pairs is the same as an independent Poisson number for every pair.
        expected = float(self.pairwise_avg_num_conns) * pre_ids.size * post_ids.size
        if expected > 2.0**40:
            raise ConfigurationError(
                f"pairwise_poisson: pairwise_avg_num_conns={self.pairwise_avg_num_conns} makes {expected:.3g} connections "
                f"between {pre_ids.size} sources and {post_ids.size} targets, beyond any memory; give a smaller one"
            )
        total = rng.poisson(expected)
        pre, post = _uniform_pairs(rng, total, pre_ids.size, post_ids.size)
        return (pre, post) if self.allow_autapses else _without_autapses(pre, post, _own_position(pre_ids, post_ids))


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

    def draw(self, rng, pre_ids, post_ids):
        pre_ids, post_ids = _ids(self, "pre_ids", pre_ids), _ids(self, "post_ids", post_ids)
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
        return self.pre.copy(), self.post.copy()


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
    return rule(**{key: value for key, value in {**_NEST_SWITCHES, **arguments}.items() if key in fields})


# Drawing


def _partners(
    rng: np.random.Generator, n: int, degrees: np.ndarray, own: np.ndarray | None, allow_multapses: bool
) -> np.ndarray:
    """For every row r, `degrees[r]` uniform numbers below `n`, none equal to `own[r]`; row after row, int32.

    `own[r]` is -1 where the row has nothing to avoid. The caller has checked that enough numbers exist.
    """
    if not allow_multapses:
        return _distinct(rng, n, degrees, own)
    values = rng.integers(0, max(n, 1), int(degrees.sum()), dtype=np.int32)
    if own is not None:
        avoid = np.repeat(own, degrees)
        again = np.flatnonzero(values == avoid)
        other = rng.integers(0, max(n - 1, 1), again.size, dtype=np.int32)  # among the n - 1 others
        values[again] = other + (other >= avoid[again])
    return values


def _distinct(rng: np.random.Generator, n: int, degrees: np.ndarray, own: np.ndarray | None) -> np.ndarray:
    """As `_partners`, with all numbers of a row different and in random order.

    All three ways treat all numbers alike, hence every ordered selection is equally likely. Rows go in blocks: through
    shuffles where more than half of the numbers are wanted, through a sort where very few are, else through a table.
    """
    offsets = np.concatenate(([0], np.cumsum(degrees)))
    out = np.empty(offsets[-1], np.int32)
    if out.size == 0:
        return out
    if int(degrees.max()) > n // 2:
        method, rows_per_block = _distinct_by_shuffling, _CHUNK // n
    elif 128 * out.size < n * degrees.size:
        method, rows_per_block = _distinct_by_sorting, _CHUNK * degrees.size // out.size
    else:
        rows_per_block = _CHUNK // 4 * degrees.size // out.size  # few, so that the table stays in cache
        method, rows_per_block = _distinct_by_table, max(rows_per_block, _CHUNK // n)
    rows_per_block = max(1, rows_per_block)
    for start in range(0, degrees.size, rows_per_block):
        rows = slice(start, start + rows_per_block)
        block = slice(offsets[rows][0], offsets[min(start + rows_per_block, degrees.size)])
        out[block] = method(rng, n, degrees[rows], None if own is None else own[rows])
    return out


def _distinct_by_shuffling(rng, n, degrees, own):
    shuffled = rng.permuted(np.tile(np.arange(n, dtype=np.int32), (degrees.size, 1)), axis=1)
    if own is not None:
        # Where the number to avoid was chosen, the first one beyond the chosen takes its place.
        row, column = np.nonzero((shuffled == own[:, None]) & (np.arange(n) < degrees[:, None]))
        shuffled[row, column] = shuffled[row, degrees[row]]
    return shuffled[np.arange(n) < degrees[:, None]]


def _distinct_by_sorting(rng, n, degrees, own):
    base = np.repeat(np.arange(degrees.size) * n, degrees)
    cells = base + rng.integers(0, n, base.size)
    while True:
        ordered = np.sort(cells)
        twice = np.flatnonzero(np.isin(cells, ordered[1:][ordered[1:] == ordered[:-1]]))
        twice = twice[np.argsort(cells[twice], kind="stable")]
        again = twice[1:][cells[twice[1:]] == cells[twice[:-1]]]  # all but the first of those that are equal
        if own is not None:
            again = np.union1d(again, np.flatnonzero(cells - base == np.repeat(own, degrees)))
        if again.size == 0:
            return cells - base
        cells[again] = base[again] + rng.integers(0, n, again.size)


def _distinct_by_table(rng, n, degrees, own):
    base = np.repeat(np.arange(degrees.size) * n, degrees)
    cells = np.empty_like(base)
    holder = np.full(degrees.size * n, -1, np.int32)  # which entry holds the cell (row, value)
    if own is not None:
        row = np.flatnonzero(own >= 0)
        holder[row * n + own[row]] = base.size  # held by no entry
    todo = np.arange(base.size, dtype=np.int32)
    while todo.size:
        wanted = base[todo] + rng.integers(0, n, todo.size)
        free = holder[wanted] < 0
        holder[wanted[free]] = todo[free]  # of several that want the same cell, one gets it
        got = holder[wanted] == todo
        cells[todo[got]] = wanted[got]
        todo = todo[~got]
    return cells - base


def _uniform_pairs(rng: np.random.Generator, n: int, n_pre: int, n_post: int) -> Pairs:
    return (
        rng.integers(0, max(n_pre, 1), n, dtype=np.int32),
        rng.integers(0, max(n_post, 1), n, dtype=np.int32),
    )


def _bernoulli_pairs(rng: np.random.Generator, p: float, n_pre: int, n_post: int) -> Pairs:
    """Each cell of the (n_post, n_pre) grid with probability `p`, found by jumping from success to success.

    The gap from one success to the next is geometric: the integer part of an exponential variable of rate -log(1 - p).
    """
    n_cells = n_pre * n_post
    pre_parts, post_parts = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    mean_gap = 0.0 if p == 1 else -1.0 / math.log1p(-p) if p > 0 else math.inf
    last = -1 if mean_gap < math.inf else n_cells
    while last < n_cells - 1:
        left = n_cells - 1 - last
        expected = left * p
        size = int(min(expected + 5.0 * math.sqrt(expected) + 16.0, _CHUNK // 16, max(2**62 // n_cells, 1)))
        gaps = rng.standard_exponential(size)
        gaps *= mean_gap
        np.minimum(gaps, left, out=gaps)
        cells = gaps.astype(np.int64)
        cells += 1
        np.cumsum(cells, out=cells)
        cells += last
        last = int(cells[-1])
        if last >= n_cells:
            cells = cells[: np.searchsorted(cells, n_cells)]
        post = cells // n_pre
        post_parts.append(post.astype(np.int32))
        post *= n_pre
        cells -= post
        pre_parts.append(cells.astype(np.int32))
    return np.concatenate(pre_parts), np.concatenate(post_parts)


def _own_position(pre_ids: np.ndarray, post_ids: np.ndarray) -> np.ndarray:
    """For every target its own position among the sources, -1 if it is none of them. int32, shape (n_post,)."""
    if pre_ids.size == 0:
        return np.full(post_ids.size, -1, np.int32)
    order = np.argsort(pre_ids, kind="stable")
    place = np.minimum(np.searchsorted(pre_ids, post_ids, sorter=order), pre_ids.size - 1)
    position = order[place]
    return np.where(pre_ids[position] == post_ids, position, -1).astype(np.int32)


def _without_autapses(pre: np.ndarray, post: np.ndarray, own: np.ndarray) -> Pairs:
    if not (own >= 0).any():
        return pre, post
    keep = pre != own[post]
    return pre[keep], post[keep]


def _with_mirror(rule: Rule, pre: np.ndarray, post: np.ndarray, pre_ids: np.ndarray, post_ids: np.ndarray) -> Pairs:
    source_of, target_of = _own_position(pre_ids, post_ids), _own_position(post_ids, pre_ids)
    if (source_of < 0).any() or (target_of < 0).any():
        raise ConfigurationError(
            f"{rule.name}: make_symmetric=True needs the same population as pre and post, because a rule connects pre to "
            "post only; select the same nodes, or add a second projection from post to pre"
        )
    return np.concatenate((pre, source_of[post])), np.concatenate((post, target_of[pre]))


# Checking


def _ids(rule: Rule, key: str, ids: ArrayLike) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise ConfigurationError(
            f"{rule.name}: {key} has shape {ids.shape} and type {ids.dtype}; give a one-dimensional array of integers"
        )
    if ids.size > np.iinfo(np.int32).max:
        raise ConfigurationError(f"{rule.name}: {key} holds {ids.size} nodes; at most 2**31 - 1 can be connected at once")
    return ids.astype(np.int64, copy=False)


def _unique_ids(rule: Rule, pre_ids: ArrayLike, post_ids: ArrayLike) -> Pairs:
    checked = []
    for key, given in (("pre_ids", pre_ids), ("post_ids", post_ids)):
        ids = _ids(rule, key, given)
        if ids.size > 1 and not (np.diff(ids) > 0).all():
            ordered = np.sort(ids)
            twice = ordered[1:][ordered[1:] == ordered[:-1]]
            if twice.size:
                raise ConfigurationError(
                    f"{rule.name}: {key} contains {twice[0]} more than once; select each node once, or use one_to_one"
                )
        checked.append(ids)
    return checked[0], checked[1]


def _check_switches(rule: Rule, **required: bool) -> None:
    for key in _NEST_SWITCHES.keys() & {field.name for field in dataclasses.fields(rule)}:  # type: ignore[arg-type]
        value = getattr(rule, key)
        if not isinstance(value, (bool, np.bool_)):
            raise ConfigurationError(f"{rule.name}: {key}={value!r} is not a truth value; give True or False")
        if key in required and value != required[key]:
            raise ConfigurationError(
                f"{rule.name}: {key}={value} is not supported, by NEST neither; give {key}={required[key]}"
            )


def _check_count(rule: Rule, key: str, value: Any) -> None:
    try:
        count = None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        count = None
    if count is None:
        raise ConfigurationError(f"{rule.name}: {key}={value!r} is not an integer; give a whole number such as {key}=10")
    if count < 0:
        raise ConfigurationError(f"{rule.name}: {key}={value} is negative; give {key} >= 0")


def _check_degree(rule: Rule, key: str, value: Any) -> None:
    if not isinstance(value, Distribution):
        _check_count(rule, key, value)


def _check_number(rule: Rule, key: str, value: Any, largest: float) -> None:
    interval = f"0 <= {key} <= {largest:g}" if largest < math.inf else f"a finite {key} >= 0"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ConfigurationError(f"{rule.name}: {key}={value!r} is not a number; give {interval}")
    if not (0 <= value <= largest and math.isfinite(value)):
        raise ConfigurationError(f"{rule.name}: {key}={value} is out of range; give {interval}")


def _degrees(rule: Rule, key: str, value: int | Distribution, n: int, rng: np.random.Generator) -> np.ndarray:
    if not isinstance(value, Distribution):
        return np.full(n, int(value), np.int64)
    return np.floor(np.maximum(sample(value, n, rng, np.float64, name=f"{rule.name}: {key}"), 0.0) + 0.5).astype(np.int64)


def _check_available(rule: Any, key: str, others: str, degrees: np.ndarray, n: int, own: np.ndarray | None) -> None:
    if n == 0:
        raise ConfigurationError(f"{rule.name}: there are no {others}; select at least one node")
    available = np.full(degrees.size, n) if own is None else n - (own >= 0)
    short = np.flatnonzero((degrees > 0) & (available == 0) if rule.allow_multapses else degrees > available)
    if short.size == 0:
        return
    degree, limit = degrees[short[0]], available[short[0]]
    apart = " apart from the neuron itself" if limit < n else ""
    mends = ["allow_autapses=True"] if limit < n and (rule.allow_multapses or degree <= n) else []
    mends += [] if rule.allow_multapses else ["allow_multapses=True"]
    raise ConfigurationError(
        f"{rule.name}: {key}={degree} exceeds the {limit} available {others}{apart}; {', '.join(mends)}, or {key} <= {limit}"
    )


def _set(rule: Rule, key: str, array: np.ndarray) -> None:
    array.setflags(write=False)
    object.__setattr__(rule, key, array)


def _nearest(name: Any, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
