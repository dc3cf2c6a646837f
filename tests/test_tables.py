"""Event tables: what is in them, in which order, that nothing but the description decides it, and what memory it takes."""

import tracemalloc

import jax
import numpy as np
import pytest

import jaxnest as jn
from jaxnest.connectivity import rows, sampling
from jaxnest.events import native
from jaxnest.simulation import _names, _tables


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(sampling, "CHUNK", 50)
    monkeypatch.setattr(_tables, "_OWN_TABLE_FROM", 1)


@pytest.fixture(params=[False, True], ids=["rows", "segments"])
def segments(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(_tables, "_SEGMENT_FROM", 0)
        monkeypatch.setattr(_tables, "_RING_FROM", 0)


def network(seed=1):
    """Every rule; sources and targets of several models; receptors; one value, arrays and distributions."""
    net = jn.Network(seed=seed)
    a = net.create("iaf_psc_exp", 30, name="a")
    b = net.create("iaf_psc_alpha", 20, name="b")
    ports = net.create("iaf_psc_exp_multisynapse", 15, name="ports", tau_syn=[1.0, 2.0, 3.0])
    relay = net.create("parrot_neuron", 10, name="relay")
    rng = np.random.default_rng(seed)
    net.connect(a, a, jn.all_to_all(allow_autapses=False), weight=2.0, name="all")
    net.connect(a, a + b, jn.fixed_indegree(9), weight=jn.normal(1.0, 0.1), delay=jn.uniform(0.5, 3.0), name="indegree")
    net.connect(b[::-1], a, jn.fixed_indegree(7, allow_multapses=False), weight=-3.0, delay=2.0, name="distinct")
    net.connect(a + b, b, jn.fixed_outdegree(6), delay=jn.uniform(1.0, 60.0), name="outdegree")
    net.connect(a, ports, jn.fixed_total_number(400), receptor=rng.integers(1, 4, 400), name="total")
    net.connect(b, ports, jn.pairwise_bernoulli(0.4), receptor=2, weight=jn.lognormal(0.0, 0.3), name="bernoulli")
    net.connect(a, a, jn.symmetric_pairwise_bernoulli(0.3), name="symmetric")
    net.connect(b, a, jn.pairwise_poisson(0.6), weight=jn.exponential(2.0), name="poisson")
    net.connect(a[:10], relay, "one_to_one", delay=1.5, name="relays")
    pairs = rng.integers(0, 30, 300), rng.integers(0, 30, 300)
    net.connect(a, a, jn.explicit(*pairs), weight=rng.normal(size=300), delay=rng.integers(1, 9, 300) * 0.5, name="explicit")
    net.connect(a, a[5:] + b, jn.fixed_indegree(8), synapse="stdp_synapse", delay=jn.uniform(1.0, 2.0), name="stdp")
    net.connect(b, a, jn.pairwise_bernoulli(0.0), synapse="stdp_synapse", name="nothing")
    p = jn.uniform(0.2, 0.8)
    net.connect(b, a, jn.pairwise_bernoulli(0.5), synapse="bernoulli_synapse", p_transmit=p, weight=-2.0, name="lossy")
    return net


def leaves(program):
    tables = {t.key: (t, program.connections[t.key], program.params["tables"][t.key]) for t in program.plan.tables}
    return jax.tree.leaves_with_path({k: (t.layout, c, p) for k, (t, c, p) in tables.items()})


@pytest.mark.parametrize("case", ["1 thread", "2 threads", "5 threads", "no library"])
def test_nothing_but_the_description_decides(small_chunks, segments, monkeypatch, case):
    expected = leaves(network().compile())
    other = leaves(network(seed=2).compile())
    if case == "no library":
        monkeypatch.setattr(native, "library", lambda: None)
    else:
        monkeypatch.setattr(rows, "threads", lambda: int(case[0]))
    found = leaves(network().compile())
    assert [path for path, _ in found] == [path for path, _ in expected]
    for (path, x), (_, y) in zip(found, expected, strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype, path
        np.testing.assert_array_equal(x, y, err_msg=str(path))
    assert any(np.shape(x) == np.shape(y) and (np.asarray(x) != np.asarray(y)).any() for (_, x), (_, y) in zip(expected, other))


def test_integers_are_the_same_with_and_without_the_library(monkeypatch):
    if native.library() is None:
        pytest.skip("there is no library")
    stream = sampling.Stream(3, 4)
    cases = [(high, n) for high in (1, 2, 3, 7, 12_500, 3 << 29, 2**31 - 1) for n in (0, 1, 7, 8, 5001)]
    drawn = [stream.integers(5, *case) for case in cases]
    monkeypatch.setattr(native, "library", lambda: None)
    for case, values in zip(cases, drawn, strict=True):
        np.testing.assert_array_equal(stream.integers(5, *case), values)
    high, values = 3 << 29, stream.integers(1, 3 << 29, 100_000)  # a quarter of all numbers is refused
    assert values.min() >= 0 and values.max() < high
    counts = np.bincount(values >> 24, minlength=96)
    assert counts.size == 96 and ((counts - 100_000 / 96) ** 2).sum() / (100_000 / 96) < 95 + 4 * np.sqrt(190)


def test_tables_hold_what_the_projections_describe(small_chunks, segments):
    """Every table against a sort of the connections that projections draw on demand."""
    net = network()
    program = net.compile()
    columns = {"a": 0, "b": 30}  # excitatory columns of models routed by sign, in order of creation
    found = set()
    for t in program.plan.tables:
        table = program.connections[t.key]
        row_ptr, target = np.asarray(table.row_ptr), np.asarray(table.target)
        g = t.layout.segments
        segment = np.repeat(np.arange(len(row_ptr) - 1), np.diff(row_ptr))
        row, row_ptr = segment // g, row_ptr[::g]
        if g > 1:
            np.testing.assert_array_equal(segment % g, table.delay - t.layout.shortest)
        assert row_ptr[0] == 0 and row_ptr[-1] == len(target) == t.n
        np.testing.assert_array_equal(np.lexsort((target, segment)), np.arange(t.n))  # sorted
        assert t.layout.low <= target.min() and target.max() < t.layout.high
        assert table.row_ptr.dtype == table.target.dtype == np.int32
        if t.model is not None:
            assert t.layout.first_source == 0 and len(row_ptr) == program.plan.n_sources + 1
        else:
            assert len(row_ptr) - 1 + t.layout.first_source <= program.plan.n_sources
        held = [p for p in net.projections if any(h.table == t.key for h in program._layouts.tables[p.name])]
        found |= {p.name for p in held}
        if not all(pop.name in columns for p in held for pop, _ in p.post):
            continue
        source, column, weight, delay = [], [], [], []
        start = {"a": 0, "b": 30, "ports": 50, "relay": 65}
        for p in held:
            mine = [
                np.concatenate([np.full(len(i), base[pop.name]) + i for pop, i in nodes])
                for base, nodes in ((start, p.pre), (columns, p.post))
            ]
            groups = np.concatenate([np.full(len(i), k) for k, (_, i) in enumerate(p.post)])
            keep = np.isin(groups[p.targets], [h.group for h in program._layouts.tables[p.name] if h.table == t.key])
            source.append(mine[0][p.sources][keep])
            column.append(mine[1][p.targets][keep])
            weight.append(np.broadcast_to(p.weight, len(p))[keep])
            delay.append(np.broadcast_to(p.delay, len(p))[keep])
        source, column, weight, delay = map(np.concatenate, (source, column, weight, delay))
        order = np.lexsort((column, delay * (g > 1), source))
        np.testing.assert_array_equal(row + t.layout.first_source, source[order])
        np.testing.assert_array_equal(target, column[order])
        np.testing.assert_array_equal(np.broadcast_to(table.delay, t.n), delay[order])
        given = np.broadcast_to(program.params["tables"][t.key].weight, t.n)
        np.testing.assert_allclose(given, weight[order], rtol=1e-6)
    assert found == {p.name for p in net.projections} - {"nothing"}


def test_paths_find_the_connections_of_every_projection(small_chunks, segments):
    net = network()
    program = net.compile()
    params = program.params
    for number, p in enumerate(net.projections):
        ends = program.connections_of(p.name)
        assert sorted(zip(ends["pre"], ends["post"])) == sorted(zip(p.sources, p.targets))
        values = program.get(params, f"{p.name}.weight")
        assert values.shape == (len(p),)
        if p.weight.ndim == 0:
            assert (values == np.float32(p.weight)).all()
        else:
            np.testing.assert_allclose(np.sort(values), np.sort(p.weight), rtol=1e-6)
        changed = program.set(params, {f"{p.name}.weight": 100.0 * number + np.arange(len(p))})
        np.testing.assert_array_equal(program.get(changed, f"{p.name}.weight"), 100.0 * number + np.arange(len(p)))
        for other in net.projections:
            if other is not p:
                before, after = (program.get(x, f"{other.name}.weight") for x in (params, changed))
                np.testing.assert_array_equal(before, after)
    with pytest.raises(jn.ConfigurationError, match="does not fit"):
        program.set(params, {"explicit.weight": np.zeros(299)})


def test_one_value_for_a_whole_table_needs_no_index(small_chunks, monkeypatch):
    program = network().compile()

    def refuse(*_):
        raise AssertionError("a table is laid out again")

    monkeypatch.setattr(_names, "places_of", refuse)
    params = program.set(program.params, {"distinct.weight": -1.0, "all.weight": 7.0, "stdp.weight": 3.0, "lossy.weight": 1.0})
    assert params["tables"]["distinct"].weight.shape == params["tables"]["lossy"].weight.shape == (1,)
    for name, value in (("distinct", -1.0), ("all", 7.0), ("stdp", 3.0), ("lossy", 1.0)):
        assert (program.get(params, f"{name}.weight") == value).all()
    state = program.init(params)
    assert (program.get(state, "stdp.weight") == 3.0).all()
    assert (program.get(program.set(state, {"stdp.weight": 4.0}), "stdp.w") == 4.0).all()


def test_multapses_keep_the_order_of_projections_and_of_drawing():
    net = jn.Network()
    cells = net.create("iaf_psc_exp", 3)
    pre, post = [1, 0, 1, 1, 0, 1], [2, 1, 0, 2, 1, 2]
    for number in range(2):
        net.connect(cells, cells, jn.explicit(pre, post), weight=10.0 * number + np.arange(6), name=f"p{number}")
    program = net.compile()
    assert program.params["tables"]["static.signed"].weight.tolist() == [1, 4, 11, 14, 2, 12, 0, 3, 5, 10, 13, 15]
    assert program.get(program.params, "p1.weight").tolist() == [11, 14, 12, 10, 13, 15]


def test_the_largest_common_projections_have_tables_of_their_own(monkeypatch):
    monkeypatch.setattr(_tables, "_OWN_TABLE_FROM", 50)
    net = jn.Network()
    cells = net.create("iaf_psc_exp", 10)
    for k in range(12):
        net.connect(cells, cells, jn.fixed_indegree(k + 1), weight=float(k), name=f"p{k}")
    net.connect(cells, cells, jn.fixed_indegree(20), weight=jn.normal(), name="drawn")
    program = net.compile()
    assert [t.key for t in program.plan.tables] == [*(f"p{k}" for k in range(4, 12)), "static.signed"]
    assert sum(t.n for t in program.plan.tables) == 980


def test_structure_does_not_depend_on_values():
    shapes = []
    for weights in ((1.0, 1.0), (1.0, 2.0)):
        net = jn.Network()
        cells = net.create("iaf_psc_exp", 10)
        for weight in weights:
            net.connect(cells, cells, weight=weight)
        shapes.append(jax.tree.map(np.shape, net.compile().params))
    assert shapes[0] == shapes[1]
    assert shapes[0]["tables"]["static.signed"].weight == (200,)


def test_counts_are_those_of_the_tables(small_chunks):
    net = network()
    lengths = {p.name: len(p) for p in net.projections}
    again = network()
    program = again.compile()  # counts while it builds
    assert {p.name: len(p) for p in again.projections} == lengths
    assert sum(t.n for t in program.plan.tables) == sum(lengths.values())
    assert lengths["nothing"] == 0 and program.get(program.params, "nothing.weight").shape == (0,)


def test_both_precisions_have_the_same_values(small_chunks):
    single = network().compile()
    with jax.enable_x64(True):
        double = network().compile()
    for t in single.plan.tables:
        for x, y in zip(single.connections[t.key], double.connections[t.key], strict=True):
            np.testing.assert_array_equal(x, y)
        for key, x in single.params["tables"][t.key].items():
            y = double.params["tables"][t.key][key]
            assert x.dtype == np.float32 and y.dtype == np.float64
            np.testing.assert_allclose(x, y, rtol=1e-6)


@pytest.mark.parametrize("longest, dtype", [(20.0, np.uint8), (26.0, np.uint16), (7000.0, np.uint32)])
def test_delays_have_the_smallest_type(small_chunks, longest, dtype):
    net = jn.Network()
    cells = net.create("iaf_psc_exp", 40)
    net.connect(cells, cells, jn.fixed_indegree(30), delay=jn.uniform(1.0, longest), name="p")
    program = net.compile()
    delay = program.connections["static.signed"].delay
    assert delay.dtype == dtype and int(delay.max()) == net["p"].delay.max()
    assert program.plan.slots == int(delay.max()) + 1 and program.plan.slice_steps == min(32, int(delay.min()))


def test_faults_of_later_chunks_name_the_projection(small_chunks):
    for given, words in (
        ({"delay": jn.uniform(0.049, 1.0)}, "late.delay: delay=0.049"),
        ({"synapse": "stdp_synapse", "Wmax": jn.uniform(-0.001, 1.0)}, "late: weight and Wmax must have the same sign"),
        ({"synapse": "stdp_synapse", "tau_plus": jn.uniform(-0.001, 1.0)}, r"late.tau_plus=.* must be > 0"),
        ({"weight": 1e38 * jn.normal(1.0, 0.7)}, "late: a weight is beyond the range of float32"),
    ):
        net = jn.Network(seed=5)
        cells = net.create("iaf_psc_exp", 100)
        net.connect(cells, cells, name="late", **given)
        with pytest.raises(jn.ConfigurationError, match=words):
            net.compile()


def test_too_many_connections_for_a_table_are_refused():
    net = jn.Network()
    cells = net.create("iaf_psc_exp", 10)
    net.connect(cells, cells, jn.fixed_total_number(2**31 + 10**8), name="many")
    assert len(net["many"]) == 2**31 + 10**8
    with pytest.raises(jn.ConfigurationError, match=r"many: .* connections, more than the 2147483647"):
        net.compile()


# Memory

N, INDEGREE = 2000, 1000


def described(synapse="static_synapse", **given):
    net = jn.Network()
    cells = net.create("iaf_psc_delta", N)
    net.connect(cells, cells, jn.fixed_indegree(INDEGREE), synapse=synapse, **given)
    return net


@pytest.mark.parametrize(
    "given, most",
    [
        ({"weight": jn.normal(1.0, 0.1), "delay": jn.uniform(1.0, 5.0)}, 12),
        ({"weight": 1.0, "delay": 1.0}, 5),
        ({"synapse": "stdp_synapse", "weight": 1.0, "delay": 1.0}, 28),
        ({"synapse": "stdp_synapse", "weight": jn.normal(1.0, 0.1, min=0.0), "delay": jn.uniform(1.0, 5.0)}, 28),
    ],
)
def test_memory_of_synapses(monkeypatch, given, most):
    """What stays alive, and the most while building."""
    monkeypatch.setattr(rows, "threads", lambda: 2)
    described(**given).compile()  # what is cached by then is cached by all
    tracemalloc.start()
    try:
        net = described(**given)
        program = net.compile()
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (t,) = program.plan.tables
    assert t.n == N * INDEGREE
    tables = program.connections[t.key], program.params["tables"][t.key], program.init().tables
    size = sum(x.nbytes for x in jax.tree.leaves(tables))
    assert size / t.n <= most
    assert kept / t.n <= most  # states come on top, in memory that is not traced
    assert peak <= 2.5 * kept
    if program.connections[t.key].target.platform() == "cpu":
        assert kept >= 4 * t.n  # the tables are in the memory that was counted
