"""NodeCollection, Create, GetNodes, GetStatus, SetStatus: the same code on NEST and on jaxnest."""

import numpy as np
import pytest

INDICES = {
    "int": 3, "negative": -1, "outside": 15, "too negative": -16, "true": True, "float": 1.0, "text": "a",
    "list": [0, 2], "neighbours": [0, 1], "tuple": (1, 2, 4), "array": np.array([0, 3]), "small": np.array([0, 1], np.uint8),
    "unsorted": [2, 0], "unsorted array": np.array([2, 0]), "twice": [0, 0], "minus in a list": [0, -1], "far": [0, 100],
    "mixed": [0, True], "floats": [0.5], "2 d": np.array([[0, 1]]), "flags": [True] * 2 + [False] * 13, "few flags": [True, False],
    "no flag": np.zeros(15, bool), "nothing": [], "empty array": np.array([]),
    "from": slice(3, None), "to": slice(None, 3), "empty": slice(3, 3), "backwards": slice(4, 3), "last": slice(-3, None),
    "but last": slice(None, -3), "from the end": slice(15, None), "too far": slice(0, 16), "all": slice(-15, None),
    "before": slice(-16, None), "nothing left": slice(None, -15), "middle": slice(2, -2), "step": slice(None, None, 3),
    "one by step": slice(0, None, 20), "no step": slice(None, None, 0), "one": slice(1, 2),
}  # fmt: skip


def simple(nest):
    return nest.Create("iaf_psc_alpha", 15)


def composite(nest):
    return nest.Create("iaf_psc_alpha", 10) + nest.Create("iaf_psc_exp", 5)


def gap(nest):
    nodes = nest.Create("iaf_psc_alpha", 16)
    return nodes[:5] + nodes[6:]


def spatial(nest):
    return nest.Create("iaf_psc_alpha", positions=nest.spatial.grid([3, 5]))


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("make", [simple, composite, gap, spatial])
def test_index(same, make, index):
    if make is spatial and isinstance(index, slice) and index == slice(-15, None):
        pytest.skip("NEST prints the whole of a layer in another form")
    same(lambda nest: make(nest)[index])
    same(lambda nest: make(nest)[index].tolist())
    if make is spatial:
        same(lambda nest: make(nest)[index].spatial)


@pytest.mark.parametrize(
    "data", [[3, 1], [1, 1], [0, 1], [1, 100], [1.0, 3.0], range(1, 4), (1, 2), {1, 2}, [], None, 1, "ab", ["a"]]
)
def test_from_ids(same, data):
    same(lambda nest: (nest.Create("iaf_psc_alpha", 4), nest.NodeCollection(data))[1])


@pytest.mark.parametrize(
    "do",
    [
        lambda n, m: n + m,
        lambda n, m: n + n,
        lambda n, m: n + 0,
        lambda n, m: 0.0 + n,
        lambda n, m: n + 1,
        lambda n, m: [1] + n,  # noqa: RUF005
        lambda n, m: n[::2] + m,
        lambda n, m: n[::2][::2],
        lambda n, m: n[::2][1],
        lambda n, m: (n + m)[1::3][-1],
        lambda n, m: list((n + m)[::2]),
        lambda n, m: sum([n, m]),
        lambda n, m: n[2:] + n[:2] == n,
        lambda n, m: n == m,
        lambda n, m: n == 1,
        lambda n, m: n.index(3),
        lambda n, m: n.index(30),
        lambda n, m: 3 in n,
        lambda n, m: "a" in n,
        lambda n, m: n._to_array("rank"),
        lambda n, m: n._to_array("thread"),
        lambda n, m: n._to_array("none"),
        lambda n, m: np.array(n),
    ],
)
def test_operations(same, do):
    same(lambda nest: do(nest.Create("iaf_psc_alpha", 4), nest.Create("poisson_generator", 2)))


def test_positions_are_lost_by_lists(nest):
    layer = nest.Create("iaf_psc_alpha", positions=nest.spatial.grid([3, 3]))
    assert layer[[0, 2]].spatial is None and layer[::2].spatial is not None
    assert layer != nest.NodeCollection(layer.tolist())
    with pytest.raises(nest.NESTErrors.BadProperty):
        layer[0] + layer[1]


def test_reset_invalidates(nest):
    old = nest.Create("iaf_psc_alpha", 3)
    nest.ResetKernel()
    new = nest.Create("iaf_psc_alpha", 3)
    assert old == new and len(old) == 3
    assert old != nest.Create("iaf_psc_exp", 3)
    for do in (lambda: old[1:], lambda: old[1], lambda: old + new, lambda: list(old), lambda: nest.Connect(old, new)):
        with pytest.raises(nest.NESTErrors.KernelException, match="InvalidNodeCollection"):
            do()


@pytest.mark.parametrize(
    "do",
    [
        lambda n, r: n.get("V_m"),
        lambda n, r: n[0].get("V_m"),
        lambda n, r: n.get(["V_m", "C_m"]),
        lambda n, r: n[0].get(("V_m", "C_m")),
        lambda n, r: n.get("nope"),
        lambda n, r: n.get(["nope", "V_m"]),
        lambda n, r: n.get(1),
        lambda n, r: n.get([1]),
        lambda n, r: n.get("V_m", "C_m"),
        lambda n, r: n.get("V_m", wrong=1),
        lambda n, r: (n + r).get("V_m"),
        lambda n, r: r.get("events", "times"),
        lambda n, r: r[0].get("events", ["times", "senders"]),
        lambda n, r: r.get("events", ["times", "senders"]),
        lambda n, r: r.get("events", "nope"),
        lambda n, r: r.get("events", "senders", "times"),
        lambda n, r: r.get(["events"], "times"),
        lambda n, r: n.get("V_m", output="json"),
        lambda n, r: n.get(["V_m", "C_m"], output="pandas").to_dict(),
        lambda n, r: n.spatial,
    ],
)
def test_get(same, do):
    same(lambda nest: do(nest.Create("iaf_psc_alpha", 3), nest.Create("spike_recorder", 2)))


SETTINGS = [
    {"V_m": 1}, {"V_m": [1.0, 2.0, 3.0]}, {"V_m": (1.0, 2.0, 3.0)}, {"V_m": range(3)}, {"V_m": np.arange(3.0)}, {"V_m": [1.0, 2.0]},
    {"V_m": 2**63}, {"V_m": [2**63, 1, 1]}, {"nope": 1.0}, {"nope": [1.0, 2.0]}, {"V_m": [[1.0]] * 3}, {"V_m": np.float32(3)},
    {}, [{"V_m": 1.0}], [{"V_m": 1.0}] * 2, [{"V_m": 1.0}, {"C_m": 2.0}, {}], [{"V_m": float(i)} for i in range(3)], 3,
    {"global_id": 3}, {"model": "a"}, {"vp": 0}, {"recordables": ["V_m"]}, {"spatial": 1}, {"C_m": [1.0, -1.0, 2.0]},
]  # fmt: skip


@pytest.mark.parametrize("params", SETTINGS, ids=str)
def test_set(same, params):
    def values(nest):
        nodes = nest.Create("iaf_psc_alpha", 3)
        nodes.set(params)
        return nodes.get(["V_m", "C_m"])

    same(values)


@pytest.mark.parametrize(
    "params", [{"V_m": [-50.0]}, {"V_m": [1.0, 2.0, 3.0]}, (), [], "a", 1, None, [{"V_m": 1.0}], *SETTINGS], ids=str
)
def test_create_with(same, params):
    same(lambda nest: nest.Create("iaf_psc_alpha", 3, params).V_m)


@pytest.mark.parametrize("n", [0, 1.5, 2.0, True, np.int64(2)])
def test_create_how_many(same, n):
    same(lambda nest: nest.Create("iaf_psc_alpha", n))


@pytest.mark.parametrize("times", [[1.0, 2.0], [1, 2], [[1.0], [2.0]], [[1.0, 2.0], [3.0]], 1.0, (1.0,)], ids=str)
def test_lists_as_values(same, times):
    same(lambda nest: nest.Create("spike_generator", 2, {"spike_times": times}).spike_times)


def test_failed_create_leaves_nothing():
    import jaxnest.nest as nest

    nest.ResetKernel()
    with pytest.raises(nest.NESTErrors.UnaccessedDictionaryEntry):
        nest.Create("iaf_psc_alpha", 3, {"nope": 1.0})
    assert nest.network_size == 0
    nodes = nest.Create("iaf_psc_alpha", 3)
    with pytest.raises(nest.NESTErrors.BadProperty):
        nodes.set(V_m=3.0, C_m=-1.0)
    assert nodes.V_m == (-70.0,) * 3


def test_more_values_than_nodes(same):
    def values(nest):
        nodes = nest.Create("iaf_psc_alpha", 3)
        nodes.set(V_m=[1.0, 2.0, 3.0, 4.0])
        return nodes.V_m

    same(values)


def test_where_nest_is_not_followed():
    import jaxnest.nest as nest

    nest.ResetKernel()
    nodes = nest.Create("iaf_psc_alpha", 3)
    with pytest.raises(nest.NESTErrors.BadParameter):
        nodes[0:0]
    assert nodes[::2] == nest.NodeCollection([1, 3])


@pytest.mark.parametrize(
    "do",
    [
        lambda nest, n: nest.GetStatus(n, "V_m"),
        lambda nest, n: nest.GetStatus(n, ["V_m", "C_m"]),
        lambda nest, n: nest.GetStatus(n[:1], "V_m"),
        lambda nest, n: nest.GetStatus(n, "nope"),
        lambda nest, n: nest.GetStatus(n, "V_m", output="json"),
        lambda nest, n: nest.GetStatus(3),
        lambda nest, n: (nest.SetStatus(n, "V_m", 0.0), n.V_m)[1],
        lambda nest, n: (nest.SetStatus(n, "V_m", [1.0, 2.0]), n.V_m)[1],
        lambda nest, n: (nest.SetStatus(n, {"V_m": [1.0, 2.0]}), n.V_m)[1],
        lambda nest, n: (nest.SetStatus(n, [{"V_m": 3.0}, {"V_m": 5.0}]), n.V_m)[1],
        lambda nest, n: nest.SetStatus(n, [{"V_m": 3.0}] * 3),
        lambda nest, n: nest.GetNodes(),
        lambda nest, n: nest.GetNodes({"model": "iaf_psc_alpha"}),
        lambda nest, n: nest.GetNodes({"nope": 1}),
        lambda nest, n: (nest.Create("iaf_psc_alpha", 2), nest.GetNodes({"V_m": -70.0}))[1],
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_status(same, do):
    same(lambda nest: do(nest, nest.Create("iaf_psc_alpha", 2)))


def test_print_nodes(nest, capsys):
    nest.Create("iaf_psc_alpha", 2)
    nest.Create("iaf_psc_alpha", 10)
    nest.Create("spike_recorder")
    capsys.readouterr()
    nest.PrintNodes()
    assert capsys.readouterr().out.split() == ["1", "..", "12", "iaf_psc_alpha", "13", "spike_recorder"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("threads", [1, 3])
def test_threads(same, threads, when):
    def numbers(nest):
        nest.local_num_threads = threads
        parts = [
            nest.Create(m, n)
            for m, n in (("iaf_psc_alpha", 5), ("poisson_generator", 2), ("parrot_neuron", 4), ("spike_recorder", 1))
        ]
        if when == "after":
            nest.Connect(parts[0], parts[0])
            nest.GetConnections()
        return [part.get(["thread", "vp", "thread_local_id"]) for part in parts]

    same(numbers)
