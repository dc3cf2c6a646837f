"""Connection rules, value distributions and row sorting; the rules also against live NEST."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse
import scipy.stats

from jaxnest.connectivity import distributions, rows, rules, sampling
from jaxnest.connectivity.distributions import delay_steps, exponential, is_constant, lognormal, normal, sample, uniform
from jaxnest.connectivity.rules import (
    Explicit,
    all_to_all,
    explicit,
    fixed_indegree,
    fixed_outdegree,
    fixed_total_number,
    one_to_one,
    pairwise_bernoulli,
    pairwise_poisson,
    rule_from,
    symmetric_pairwise_bernoulli,
)
from jaxnest.connectivity.sampling import Stream
from jaxnest.errors import ConfigurationError

SIGNIFICANCE = 1e-3  # seeds are fixed, so a test that passes keeps passing

IDS = np.arange(1, 41)
OVERLAP = np.arange(21, 81)  # the second half of IDS and 40 more
SWITCHES = [{"allow_autapses": a, "allow_multapses": m} for a in (True, False) for m in (True, False)]


def generator(*seed):
    return np.random.Generator(np.random.Philox(seed))


def draw(rule, pre_ids, post_ids, *seed):
    return rule.draw(Stream(*seed), pre_ids, post_ids).pairs()


def counts(pre, post, n_pre, n_post):
    """How many connections each pair has, shape (n_post, n_pre)."""
    return np.bincount(post.astype(np.int64) * n_pre + pre, minlength=n_pre * n_post).reshape(n_post, n_pre)


def draw_counts(rule, pre_ids, post_ids, *seed):
    pre, post = draw(rule, pre_ids, post_ids, *seed)
    assert pre.dtype == post.dtype == np.int32 and pre.shape == post.shape
    return counts(pre, post, len(pre_ids), len(post_ids))


def assert_switches(rule, table, pre_ids, post_ids):
    if not rule.allow_autapses:
        assert not table[np.asarray(post_ids)[:, None] == np.asarray(pre_ids)].any()
    if not rule.allow_multapses:
        assert table.max(initial=0) <= 1


def assert_uniform(observed, expected=None):
    assert scipy.stats.chisquare(np.ravel(observed), expected).pvalue > SIGNIFICANCE


# Structure


@pytest.mark.parametrize("switches", SWITCHES)
def test_all_to_all(switches):
    rule = all_to_all(**switches)
    table = draw_counts(rule, IDS, OVERLAP)
    own = OVERLAP[:, None] == IDS
    np.testing.assert_array_equal(table, 1 if rule.allow_autapses else ~own)


def test_all_to_all_runs_target_by_target():
    pre, post = draw(all_to_all(), [3, 4], [5, 6, 7])
    assert pre.tolist() == [0, 1, 0, 1, 0, 1] and post.tolist() == [0, 0, 1, 1, 2, 2]


def test_one_to_one():
    for switches, expected in (({}, [0, 1, 2]), ({"allow_autapses": False}, [0, 2])):
        pre, post = draw(one_to_one(**switches), [1, 2, 3], [3, 2, 1])
        assert pre.tolist() == post.tolist() == expected
    pre, post = draw(one_to_one(), [1, 1, 2], [3, 4, 4])  # NEST's connection of two arrays
    assert pre.tolist() == post.tolist() == [0, 1, 2]
    with pytest.raises(ConfigurationError, match="one_to_one: 3 sources and 2 targets; select equally many"):
        draw(one_to_one(), [1, 2, 3], [1, 2])


def test_one_to_one_make_symmetric():
    pre, post = draw(one_to_one(make_symmetric=True), [1, 2, 3], [2, 3, 1])
    assert list(zip(pre, post)) == [(0, 0), (1, 1), (2, 2), (1, 2), (2, 0), (0, 1)]
    with pytest.raises(ConfigurationError, match="add a second projection from post to pre"):
        draw(one_to_one(make_symmetric=True), [1, 2, 3], [4, 5, 6])


@pytest.mark.parametrize("degree", [0, 1, 7, 20, 39])
@pytest.mark.parametrize("switches", SWITCHES)
def test_fixed_degrees(degree, switches):
    for post_ids in (IDS, OVERLAP, OVERLAP[::-1]):
        rule = fixed_indegree(degree, **switches)
        table = draw_counts(rule, IDS, post_ids, degree)
        assert (table.sum(1) == degree).all()
        assert_switches(rule, table, IDS, post_ids)
        rule = fixed_outdegree(degree, **switches)
        table = draw_counts(rule, post_ids, IDS, degree)
        assert (table.sum(0) == degree).all()
        assert_switches(rule, table, post_ids, IDS)


@pytest.mark.parametrize("degree, n", [(3, 6), (5, 6), (30, 100), (90, 100), (2, 1500)])
@pytest.mark.parametrize("switches", SWITCHES)
def test_fixed_indegree_is_uniform(degree, n, switches):
    """One chi-square statistic over all targets: the cases share their seeds, so a test a target would count chance often."""
    ids = np.arange(n)
    targets = np.concatenate((ids[:2], np.arange(n, n + 2)))  # two that could be autapses, two that could not
    repeats = 20_000 // n + 200
    rule = fixed_indegree(degree, **switches)
    total = sum(draw_counts(rule, ids, targets, degree, n, i) for i in range(repeats))
    allowed = (targets[:, None] != ids) | rule.allow_autapses
    assert total[~allowed].sum() == 0
    available = allowed.sum(1)
    mean = repeats * degree / available
    # Without replacement, a source is drawn or not: its variance is smaller by 1 - degree / available, and
    # the fixed number drawn makes the statistic larger by available / (available - 1).
    scale = np.ones(4) if rule.allow_multapses else (1 - degree / available) * available / (available - 1)
    if (scale == 0).any():
        assert (total[scale == 0][allowed[scale == 0]] == repeats).all()
    tested = scale > 0
    squares = (np.where(allowed, total - mean[:, None], 0) ** 2).sum(1)[tested] / (mean * scale)[tested]
    tail = scipy.stats.chi2.sf(squares.sum(), (available - 1)[tested].sum()) if tested.any() else 0.5
    assert SIGNIFICANCE < tail < 1 - SIGNIFICANCE


@pytest.mark.parametrize("method", ["_distinct_by_shuffling", "_distinct_by_sorting", "_distinct_by_table"])
@pytest.mark.parametrize("avoid", [False, True])
def test_distinct_makes_every_ordered_selection_equally_likely(method, avoid):
    rows, n, degree = 6000, 5, 3
    own = np.where(np.arange(rows) % 2, 4, -1).astype(np.int32) if avoid else None
    values = getattr(sampling, method)(generator(3), n, np.full(rows, degree), own).reshape(rows, degree)
    code = values @ [1, 5, 25]
    for part, choices in ((code[::2], 60), (code[1::2], 24 if avoid else 60)):
        seen, times = np.unique(part, return_counts=True)
        assert seen.size == choices
        assert_uniform(times)


@pytest.mark.parametrize("allow_multapses", [True, False])
def test_degree_from_a_distribution(allow_multapses):
    rule = fixed_indegree(normal(3.0, 4.0, max=30.0), allow_multapses=allow_multapses, allow_autapses=False)
    targets = np.arange(4000)
    table = draw_counts(rule, np.arange(31), targets, 1)
    assert_switches(rule, table, np.arange(31), targets)
    probability = np.diff(scipy.stats.norm(3, 4).cdf([-np.inf, *np.arange(0.5, 15), np.inf]))
    assert_uniform(np.bincount(np.minimum(table.sum(1), 15), minlength=16), 4000 * probability)
    with pytest.raises(ConfigurationError, match="exceeds the 2 available sources"):
        draw(fixed_indegree(uniform(5, 6), allow_multapses=False), [1, 2], [3])


@pytest.mark.parametrize("allow_autapses", [True, False])
def test_fixed_total_number(allow_autapses):
    rule = fixed_total_number(30_000, allow_autapses=allow_autapses)
    table = draw_counts(rule, IDS, OVERLAP, 2)
    assert table.sum() == 30_000
    allowed = (OVERLAP[:, None] != IDS) | allow_autapses
    assert table[~allowed].sum() == 0
    assert_uniform(table[allowed])


@pytest.mark.parametrize("allow_autapses", [True, False])
@pytest.mark.parametrize("p", [0.0, 1e-300, 0.02, 0.3, 0.9, 1.0, 1])
def test_pairwise_bernoulli(p, allow_autapses):
    rule, repeats = pairwise_bernoulli(p, allow_autapses=allow_autapses), 300
    tables = [draw_counts(rule, IDS, OVERLAP, i) for i in range(repeats)]
    assert max(table.max() for table in tables) <= 1
    total = sum(tables)
    allowed = (OVERLAP[:, None] != IDS) | allow_autapses
    assert total[~allowed].sum() == 0
    if p in (0, 1e-300, 1):
        assert (total[allowed] == repeats * round(p)).all()
        return
    z = (total[allowed] - repeats * p) / np.sqrt(repeats * p * (1 - p))
    assert SIGNIFICANCE < scipy.stats.chi2.sf((z**2).sum(), z.size) < 1 - SIGNIFICANCE
    neighbours = np.mean([(t[:, 1:] * t[:, :-1])[allowed[:, 1:] & allowed[:, :-1]].mean() for t in tables])
    assert abs(neighbours - p**2) < 5 * np.sqrt(2 * p**2 / (repeats * 60 * 38))


def test_pairwise_bernoulli_over_several_chunks(monkeypatch):
    monkeypatch.setattr(sampling, "CHUNK", 1000)
    monkeypatch.setattr(sampling, "_GAPS", 6)
    table = draw_counts(pairwise_bernoulli(0.3), np.arange(200), np.arange(200), 5)
    assert table.max() == 1
    assert abs(table.mean() - 0.3) < 4 * np.sqrt(0.21 / table.size)
    assert_uniform(table.reshape(20, -1).sum(1))


@pytest.mark.parametrize("allow_autapses", [True, False])
def test_pairwise_poisson(allow_autapses):
    table = draw_counts(pairwise_poisson(1.5, allow_autapses=allow_autapses), np.arange(100), np.arange(50, 150), 4)
    allowed = (np.arange(50, 150)[:, None] != np.arange(100)) | allow_autapses
    assert table[~allowed].sum() == 0
    probability = scipy.stats.poisson(1.5).pmf(np.arange(7))
    probability = np.append(probability, 1 - probability.sum())
    assert_uniform(np.bincount(np.minimum(table[allowed], 7), minlength=8), allowed.sum() * probability)
    assert draw_counts(pairwise_poisson(0), IDS, IDS).sum() == 0


@pytest.mark.parametrize("p", [0.0, 0.1, 0.6, 0.99])
def test_symmetric_pairwise_bernoulli(p):
    n = 50
    shuffled = generator(1).permutation(n)
    pre, post = draw(symmetric_pairwise_bernoulli(p), np.arange(n), shuffled, 8)
    source, target = pre, shuffled[post]
    assert (source != target).all()
    table = counts(source, target, n, n)
    np.testing.assert_array_equal(table, table.T)
    assert table.max() <= 2
    with pytest.raises(ConfigurationError, match="same population"):
        draw(symmetric_pairwise_bernoulli(0.5), [1, 2], [2, 3])


def test_symmetric_pairwise_bernoulli_draws_a_truncated_binomial_number():
    n, p, repeats = 4, 0.6, 1000
    draws = (draw(symmetric_pairwise_bernoulli(p), np.arange(n), np.arange(n), 9, i) for i in range(repeats))
    drawn = np.concatenate([np.bincount(post[: post.size // 2], minlength=n) for _, post in draws])
    probability = scipy.stats.binom(n, p).pmf(np.arange(n))
    assert_uniform(np.bincount(drawn, minlength=n), n * repeats * probability / probability.sum())


def test_explicit():
    pre, post = draw(explicit([0, 2, 2], np.array([1, 0, 0], np.uint8)), [5, 6, 7], [5, 6])
    assert pre.tolist() == [0, 2, 2] and post.tolist() == [1, 0, 0]
    assert pre.dtype == post.dtype == np.int32
    with pytest.raises(ConfigurationError, match=r"pre contains 2, but only 2 nodes are selected; give positions in \[0, 2\)"):
        draw(explicit([0, 2], [0, 0]), [1, 2], [1])
    with pytest.raises(ConfigurationError, match="explicit: post contains -1"):
        explicit([0, 1], [0, -1])
    with pytest.raises(ConfigurationError, match="pre has 2 entries and post 1"):
        explicit([0, 1], [0])
    with pytest.raises(ConfigurationError, match="float64; give a one-dimensional array of integers"):
        explicit([0.5], [0])
    with pytest.raises(ConfigurationError, match="weight has shape"):
        explicit([0, 1], [0, 1], weight=[1.0])


@pytest.mark.parametrize("form", ["coo", "csr", "csc", "lil"])
def test_explicit_from_sparse(form):
    matrix = scipy.sparse.random_array((7, 4), density=0.5, rng=generator(3)).asformat(form)
    rule = Explicit.from_sparse(matrix)
    pre, post = draw(rule, np.arange(4), np.arange(7))
    dense = np.zeros((7, 4))
    dense[post, pre] = rule.weight
    np.testing.assert_array_equal(dense, matrix.toarray())
    with pytest.raises(ConfigurationError, match=r"shape \(7, 4\), but there are 4 targets and 7 sources"):
        draw(rule, np.arange(7), np.arange(4))


def test_explicit_from_sparse_keeps_multapses_and_takes_adjacency():
    matrix = scipy.sparse.coo_array(([1.0, 2.0, 0.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    rule = Explicit.from_sparse(matrix)
    assert rule.pre.tolist() == [1, 1, 0] and rule.weight.tolist() == [1.0, 2.0, 0.0]
    assert Explicit.from_sparse(scipy.sparse.eye_array(3, dtype=bool)).weight is None
    with pytest.raises(ConfigurationError, match="ndarray is not a two-dimensional SciPy sparse matrix"):
        Explicit.from_sparse(np.eye(3))


RULES = [
    all_to_all(),
    one_to_one(),
    fixed_indegree(5),
    fixed_indegree(5, allow_multapses=False, allow_autapses=False),
    fixed_indegree(30, allow_multapses=False),
    fixed_indegree(uniform(0, 9), allow_autapses=False),
    fixed_outdegree(5),
    fixed_total_number(77, allow_autapses=False),
    pairwise_bernoulli(0.2),
    symmetric_pairwise_bernoulli(0.2),
    pairwise_poisson(0.7),
    explicit([0, 1], [1, 0]),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_draws_are_reproducible(rule):
    first, again, other = (draw(rule, IDS, IDS, *seed) for seed in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(first, again)
    random = not isinstance(rule, (rules.AllToAll, rules.OneToOne, Explicit))
    assert random == (not np.array_equal(first, other))
    first[0][:] = 0  # what is returned belongs to the caller
    np.testing.assert_array_equal(draw(rule, IDS, IDS, 1, 2), again)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rules_are_frozen(rule):
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule.allow_autapses = False


def test_empty_selections():
    for rule in (all_to_all(), one_to_one(), pairwise_bernoulli(0.5), pairwise_poisson(1.0), fixed_total_number(0)):
        assert draw(rule, [], [])[0].size == 0
    assert draw(fixed_indegree(3), [1], [])[0].size == 0
    with pytest.raises(ConfigurationError, match="fixed_indegree: there are no sources"):
        draw(fixed_indegree(0), [], [1])
    with pytest.raises(ConfigurationError, match="fixed_outdegree: there are no targets"):
        draw(fixed_outdegree(0), [1], [])
    with pytest.raises(ConfigurationError, match="fixed_total_number: N=1, but 0 sources"):
        draw(fixed_total_number(1), [], [1])


# Errors


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: pairwise_bernoulli(1.1), "pairwise_bernoulli: p=1.1 is out of range; give 0 <= p <= 1"),
        (lambda: pairwise_bernoulli(-0.1), "p=-0.1 is out of range"),
        (lambda: pairwise_bernoulli(np.nan), "p=nan is out of range"),
        (lambda: pairwise_bernoulli("0.1"), "p='0.1' is not a number"),
        (lambda: symmetric_pairwise_bernoulli(1.0), "p=1 is not allowed; give p < 1"),
        (lambda: symmetric_pairwise_bernoulli(0.1, allow_autapses=True), "give allow_autapses=False"),
        (lambda: symmetric_pairwise_bernoulli(0.1, allow_multapses=False), "give allow_multapses=True"),
        (lambda: symmetric_pairwise_bernoulli(0.1, make_symmetric=False), "give make_symmetric=True"),
        (lambda: pairwise_poisson(-1.0), "pairwise_avg_num_conns=-1.0 is out of range; give a finite"),
        (lambda: pairwise_poisson(np.inf), "pairwise_avg_num_conns=inf is out of range"),
        (
            lambda: pairwise_poisson(1.0, allow_multapses=False),
            "pairwise_poisson: allow_multapses=False is not supported",
        ),
        (
            lambda: fixed_total_number(1, allow_multapses=False),
            "fixed_total_number: allow_multapses=False is not supported",
        ),
        (lambda: fixed_total_number(-1), "N=-1 is negative"),
        (lambda: fixed_indegree(2.0), "indegree=2.0 is not an integer"),
        (lambda: fixed_indegree(True), "indegree=True is not an integer"),
        (lambda: fixed_outdegree(-3), "outdegree=-3 is negative; give outdegree >= 0"),
        (lambda: all_to_all(allow_autapses=1), "allow_autapses=1 is not a truth value"),
        (lambda: rule_from("fixed_indegre"), "unknown connection rule 'fixed_indegre'; did you mean 'fixed_indegree'?"),
        (lambda: rule_from("xyz"), "known are all_to_all, one_to_one"),
        (lambda: rule_from("fixed_indegree"), r"indegree is missing; give {'rule': 'fixed_indegree', 'indegree': ...}"),
        (lambda: rule_from({"rule": "fixed_indegree", "in_degree": 3}), "in_degree=3; did you mean 'indegree'?"),
        (lambda: rule_from({"indegree": 3}), "has no 'rule'"),
        (lambda: rule_from(3), "rule=3 is neither"),
        (
            lambda: rule_from({"rule": "symmetric_pairwise_bernoulli", "p": 0.1}),
            "symmetric_pairwise_bernoulli: .* give ",
        ),
        (lambda: rule_from({"rule": "all_to_all", "make_symmetric": True}), "unknown parameter make_symmetric"),
    ],
)
def test_wrong_descriptions(make, message):
    with pytest.raises(ConfigurationError, match=message.replace("?", r"\?")):
        make()


@pytest.mark.parametrize(
    "rule, n, message",
    [
        (
            fixed_indegree(120, allow_multapses=False),
            100,
            "fixed_indegree: indegree=120 exceeds the 100 available sources; allow_multapses=True, or indegree <= 100",
        ),
        (
            fixed_indegree(100, allow_multapses=False, allow_autapses=False),
            100,
            (
                "indegree=100 exceeds the 99 available sources apart from the neuron itself; "
                "allow_autapses=True, allow_multapses=True, or indegree <= 99"
            ),
        ),
        (
            fixed_indegree(1, allow_autapses=False),
            1,
            "indegree=1 exceeds the 0 available sources apart from the neuron",
        ),
        (fixed_outdegree(12, allow_multapses=False), 10, "outdegree=12 exceeds the 10 available targets"),
        (fixed_total_number(4, allow_autapses=False), 1, "N=4, but 1 sources and 1 targets form no pair"),
        (pairwise_poisson(1e15), 10, "pairwise_avg_num_conns=1000000000000000.0 makes 1e\\+17 connections"),
    ],
)
def test_impossible_draws(rule, n, message):
    with pytest.raises(ConfigurationError, match=message):
        draw(rule, np.arange(n), np.arange(n))


def test_wrong_selections():
    with pytest.raises(ConfigurationError, match="all_to_all: pre_ids contains 2 more than once"):
        draw(all_to_all(), [2, 1, 2], [3])
    with pytest.raises(ConfigurationError, match=r"post_ids has shape .* and type float64"):
        draw(all_to_all(), [2], [3.5])


def test_rule_from():
    rule = fixed_indegree(3, allow_autapses=False)
    assert rule_from(rule) is rule
    assert rule_from({"rule": "fixed_indegree", "indegree": 3, "allow_autapses": False}) == rule
    assert rule_from({"rule": "fixed_indegree", "indegree": 3, "make_symmetric": False}) == fixed_indegree(3)
    assert rule_from("all_to_all") == all_to_all()
    symmetric = {"rule": "symmetric_pairwise_bernoulli", "p": 0.1, "allow_autapses": False, "make_symmetric": True}
    assert rule_from(symmetric) == symmetric_pairwise_bernoulli(0.1)
    assert set(rules.RULES) - {"explicit"} == {rule.name for rule in RULES} - {"explicit"}


# Against NEST

NEST_CASES = [
    {"rule": "fixed_indegree", "indegree": 12},
    {"rule": "fixed_indegree", "indegree": 12, "allow_autapses": False},
    {"rule": "fixed_indegree", "indegree": 12, "allow_multapses": False},
    {"rule": "fixed_indegree", "indegree": 36, "allow_multapses": False, "allow_autapses": False},
    {"rule": "fixed_outdegree", "outdegree": 12},
    {"rule": "fixed_outdegree", "outdegree": 12, "allow_multapses": False, "allow_autapses": False},
    {"rule": "fixed_total_number", "N": 500},
    {"rule": "fixed_total_number", "N": 500, "allow_autapses": False},
    {"rule": "pairwise_bernoulli", "p": 0.3},
    {"rule": "pairwise_bernoulli", "p": 0.3, "allow_autapses": False},
    {"rule": "pairwise_poisson", "pairwise_avg_num_conns": 0.8},
    {"rule": "pairwise_poisson", "pairwise_avg_num_conns": 0.8, "allow_autapses": False},
    {"rule": "symmetric_pairwise_bernoulli", "p": 0.3, "allow_autapses": False, "make_symmetric": True},
    {"rule": "all_to_all", "allow_autapses": False},
    {"rule": "one_to_one"},
    {"rule": "one_to_one", "allow_autapses": False},
    {"rule": "one_to_one", "make_symmetric": True},
]


@pytest.fixture(scope="module")
def nest():
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    yield nest
    nest.ResetKernel()


def assert_same_histogram(ours, theirs):
    """Two-sample chi-square of two samples of small integers; rare values are pooled."""
    top = max(ours.max(), theirs.max()) + 1
    table = np.array([np.bincount(sample.ravel(), minlength=top) for sample in (ours, theirs)])
    order = np.argsort(-table.sum(0), kind="stable")
    table = table[:, order]
    kept = int((table.sum(0) >= 20).sum())
    table = np.column_stack((table[:, :kept], table[:, kept:].sum(1)))
    table = table[:, table.sum(0) > 0]
    if table.shape[1] == 1:
        assert table[0, 0] == table[1, 0]
    else:
        assert scipy.stats.chi2_contingency(table).pvalue > SIGNIFICANCE


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("spec", NEST_CASES, ids=lambda spec: "-".join(f"{v}" for v in spec.values()))
def test_statistics_equal_nest(nest, spec):
    n, repeats = 40, 25
    same_population = "make_symmetric" in spec
    ours, theirs = [], []
    for seed in range(1, repeats + 1):
        nest.ResetKernel()
        nest.rng_seed = seed
        nodes = nest.Create("iaf_psc_delta", n + 10)
        pre, post = (nodes[:n], nodes[:n]) if same_population else (nodes[:n], nodes[10:])
        nest.Connect(pre, post, spec)
        found = nest.GetConnections().get(["source", "target"])
        source, target = (np.atleast_1d(found[key]) for key in ("source", "target"))
        theirs.append(counts(source - pre[0].global_id, target - post[0].global_id, n, n))
        ours.append(draw_counts(rule_from(spec), pre.tolist(), post.tolist(), seed))
    ours, theirs = np.array(ours), np.array(theirs)
    for reduce in (lambda t: t, lambda t: t.sum(1), lambda t: t.sum(2)):  # multiplicities, out-degrees, in-degrees
        assert_same_histogram(reduce(ours), reduce(theirs))


REFUSED_BY_NEST = [
    {"rule": "fixed_total_number", "N": 4, "allow_multapses": False},
    {"rule": "fixed_total_number", "N": 4.0},
    {"rule": "fixed_indegree", "indegree": 2.0},
    {"rule": "fixed_indegree", "indegree": -1},
    {"rule": "fixed_indegree", "indegree": 4, "allow_multapses": False},
    {"rule": "fixed_outdegree", "outdegree": 4, "allow_multapses": False},
    {"rule": "pairwise_bernoulli", "p": 1.1},
    {"rule": "pairwise_poisson", "pairwise_avg_num_conns": 1.0, "allow_multapses": False},
    {"rule": "pairwise_poisson", "pairwise_avg_num_conns": -1.0},
    {"rule": "symmetric_pairwise_bernoulli", "p": 0.5},
    {"rule": "symmetric_pairwise_bernoulli", "p": 0.5, "allow_autapses": False},
    {"rule": "symmetric_pairwise_bernoulli", "p": 1.0, "allow_autapses": False, "make_symmetric": True},
    {"rule": "all_to_all", "make_symmetric": True},
    {"rule": "all_to_all", "indegree": 3},
    {"rule": "all_to_all", "allow_autapses": 0},
    {"rule": "fixed_indegree"},
    {"rule": "fixed_indegre", "indegree": 2},
]


@pytest.mark.parametrize("spec", REFUSED_BY_NEST, ids=str)
def test_nest_refuses_the_same(nest, spec):
    nest.ResetKernel()
    nodes = nest.Create("iaf_psc_delta", 3)
    with pytest.raises((nest.NESTError, IndexError)):
        nest.Connect(nodes, nodes, spec)
    with pytest.raises(ConfigurationError):
        draw(rule_from(spec), [1, 2, 3], [1, 2, 3])


@pytest.mark.parametrize("h", [0.1, 0.01, 0.05, 0.25])
def test_delay_rounding_equals_nest(nest, h):
    delays = np.concatenate((np.round(np.arange(1, 120) * h / 2, 6), generator(1).uniform(h, 5, 100), [0.285, 0.575]))
    delays = delays[delays >= h / 2]
    nest.ResetKernel()
    nest.resolution = h
    nodes = nest.Create("iaf_psc_delta", delays.size)
    nest.Connect(nodes, nodes, "one_to_one", {"delay": delays})
    found = nest.GetConnections().get(["source", "delay"])
    theirs = np.rint(np.array(found["delay"])[np.argsort(found["source"])] / h)
    np.testing.assert_array_equal(delay_steps(delays, h), theirs)


# Distributions


def truncated(distribution, low, high):
    """The cdf of a SciPy distribution restricted to [low, high]."""
    below, above = distribution.cdf([low, high])
    return lambda x: (distribution.cdf(x) - below) / (above - below)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "value, cdf",
    [
        (normal(2.0, 3.0), scipy.stats.norm(2, 3).cdf),
        (normal(2.0, 3.0, min=0.0), truncated(scipy.stats.norm(2, 3), 0, np.inf)),
        (normal(0.0, 1.0, min=2.0, max=2.5), truncated(scipy.stats.norm(), 2, 2.5)),
        (lognormal(1.0, 0.5), scipy.stats.lognorm(0.5, scale=np.e).cdf),
        (lognormal(0.0, 0.5, max=1.0), truncated(scipy.stats.lognorm(0.5), 0, 1)),
        (uniform(-1.0, 3.0), scipy.stats.uniform(-1, 4).cdf),
        (exponential(2.0), scipy.stats.expon(scale=2).cdf),
        (exponential(2.0, min=1.0, max=4.0), truncated(scipy.stats.expon(scale=2), 1, 4)),
        (2.0 * normal(1.0, 1.0) - 3.0, scipy.stats.norm(-1, 2).cdf),
        (np.float64(5.0) - normal(1.0, 1.0, min=1.0), truncated(scipy.stats.norm(4, 1), -np.inf, 4)),
    ],
    ids=lambda v: str(v) if isinstance(v, distributions.Distribution) else "cdf",
)
def test_distributions(value, cdf, dtype):
    x = sample(value, 20_000, generator(5), dtype)
    assert x.dtype == dtype and x.shape == (20_000,)
    assert scipy.stats.kstest(x, cdf).pvalue > SIGNIFICANCE
    np.testing.assert_array_equal(x, sample(value, 20_000, generator(5), dtype))
    low, high = getattr(value, "min", None), getattr(value, "max", None)
    assert (low is None or x.min() >= low) and (high is None or x.max() <= high)


def test_sample_over_several_chunks(monkeypatch):
    monkeypatch.setattr(distributions, "_CHUNK", 1000)
    x = sample(normal(0, 1, min=-1), 20_500, generator(6))
    assert scipy.stats.kstest(x, truncated(scipy.stats.norm(), -1, np.inf)).pvalue > SIGNIFICANCE
    assert np.unique(x).size == x.size


def test_sample_numbers_and_arrays():
    rng = generator(1)
    assert sample(2, 3, rng, np.float32).tolist() == [2.0, 2.0, 2.0]
    given = np.arange(3.0)
    taken = sample(given, 3, rng)
    taken[0] = 7.0
    assert given[0] == 0.0 and taken[1:].tolist() == [1.0, 2.0]
    assert sample([1, 2, 3], 3, rng, np.int32).dtype == np.int32
    assert rng.integers(1 << 30) == generator(1).integers(1 << 30)  # untouched
    assert is_constant(1) and is_constant(np.float32(2)) and is_constant(np.array(1.0))
    assert not is_constant(normal()) and not is_constant(2 * normal()) and not is_constant([1.0])


def test_affine_collapses():
    assert (2.0 * normal(1, 2) + 1.0) * 3 == distributions.Affine(normal(1, 2), 6.0, 3.0)
    assert -(normal() / 4) == distributions.Affine(normal(), -0.25, 0.0)
    with pytest.raises(TypeError, match="numbers only"):
        normal() * normal()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: normal(0, -1.0), "normal: std=-1.0 is not positive; give std > 0"),
        (lambda: normal(np.nan, 1.0), "normal: mean=nan is not a finite number"),
        (lambda: normal("a", 1.0), "normal: mean='a' is not a number"),
        (lambda: lognormal(0, 1, min=2, max=1), "lognormal: max=1 is below min=2; give min <= max"),
        (lambda: uniform(1, 1), "uniform: min=1 is not below max=1"),
        (lambda: exponential(-1), "exponential: beta=-1 is negative"),
        (
            lambda: sample(normal(0, 1, min=50), 3, generator(1)),
            "3 of 3 values still lie outside .* after 1000 redraws",
        ),
        (lambda: sample(lognormal(1000, 1), 3, generator(1), name="weight"), "weight: draws from .* overflow float64"),
        (lambda: sample(normal(), 3, generator(1), np.int32), "cannot be drawn as int32; use float32 or float64"),
        (
            lambda: sample([1.0, 2.0], 3, generator(1), name="weight"),
            r"weight: shape \(2,\) does not fit 3 connections",
        ),
        (lambda: sample([1.0, np.nan], 2, generator(1), name="delay"), "delay contains NaN"),
        (lambda: sample(1.5, 2, generator(1), np.int32), "value=1.5 does not fit int32"),
        (
            lambda: sample("a", 2, generator(1), name="weight"),
            "weight='a' is neither a number nor an array of 2 numbers",
        ),
    ],
)
def test_wrong_values(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_delay_steps_rounds_half_up(dtype):
    delays = np.array([0.05, 0.1, 0.15, 0.249, 0.25, 0.35, 1.0, 1.15], dtype)
    steps = delay_steps(delays, 0.1)
    assert steps.dtype == np.int32 and steps.tolist() == [1, 1, 2, 2, 3, 4, 10, 12]
    halves = np.round(np.arange(5000) * 0.1 + 0.05, 2).astype(dtype)
    np.testing.assert_array_equal(delay_steps(halves, 0.1), np.arange(1, 5001))
    np.testing.assert_array_equal(delay_steps(np.round(np.arange(1, 5000) * 0.1, 1).astype(dtype), 0.1), np.arange(1, 5000))
    assert delay_steps(1.5, 0.1).shape == () and delay_steps(2, 0.5) == 4
    assert delay_steps([], 0.1).size == 0


@pytest.mark.parametrize(
    "delay, message",
    [
        ([1.0, 0.04], "delay=0.04 ms is less than one step of 0.1 ms"),
        (0.0, "delay=0.0 ms is less"),
        (-1.0, "delay=-1.0 ms is less"),
        ([1.0, np.nan], "delay=nan ms is not a finite number"),
        (np.inf, "delay=inf ms is not a finite number"),
        (1e9, "delay=1000000000.0 ms exceeds 2147483647 steps"),
        ("1", "delay='1' is not numeric"),
    ],
)
def test_wrong_delays(delay, message):
    with pytest.raises(ConfigurationError, match=message):
        delay_steps(delay, 0.1)
    with pytest.raises(ConfigurationError, match="h=0 is not a resolution"):
        delay_steps(1.0, 0)


# Rows


@pytest.mark.parametrize("n, n_sources", [(0, 5), (1, 1), (1000, 7), (50_000, 70_000)])
def test_rows_by_source_is_a_stable_sort(n, n_sources):
    pre = generator(1).integers(0, n_sources, n, dtype=np.int32)
    row_ptr, order = rows.rows_by_source(pre, n_sources)
    assert row_ptr.shape == (n_sources + 1,) and row_ptr.dtype == order.dtype == np.int32
    np.testing.assert_array_equal(order, np.argsort(pre, kind="stable"))
    np.testing.assert_array_equal(np.diff(row_ptr), np.bincount(pre, minlength=n_sources))
    with pytest.raises(ConfigurationError, match=r"they must lie in \[0, 3\)"):
        rows.rows_by_source(np.array([0, 3]), 3)
