"""Layers, and what is asked about nodes in them, against NEST's."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from jaxnest.nest import _spatial_api, random, spatial
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._layers import Layer
from jaxnest.nest._mask_types import CreateMask
from jaxnest.nest._nodes import NodeCollection
from jaxnest.nest._parameter_types import CreateParameter

nest = pytest.importorskip("nest")

OURS = SimpleNamespace(spatial=spatial, random=random, CreateParameter=CreateParameter)


@pytest.fixture(autouse=True)
def reset():
    nest.ResetKernel()


def make(spec, n=1, first=1):
    """A NodeCollection of ours in a layer, IDs from ``first``."""
    layer = Layer.of(spec, n, np.random.default_rng(3))
    places = np.arange(len(layer.positions))
    return NodeCollection._of(first + places, layer, places)


def both(spec, first=1):
    """The same nodes in NEST and here, of ``spec(face)``."""
    return nest.Create("iaf_psc_alpha", positions=spec(nest)), make(spec(OURS), first=first)


def assert_same(ours, theirs):
    """Equal dictionaries of arrays, flags and numbers, of the same types."""
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        np.testing.assert_array_equal(ours[key], value, err_msg=key, strict=isinstance(value, np.ndarray))
        assert type(ours[key]) is type(value)


LAYERS = {
    "grid": lambda f: f.spatial.grid([2, 3]),
    "grid array": lambda f: f.spatial.grid(np.array([4, 5]), extent=(3, 0.7)),
    "grid wrapped": lambda f: f.spatial.grid((2, 3), center=[1, 2], extent=[2, 3], edge_wrap=True),
    "grid 3d": lambda f: f.spatial.grid([2, 3, 4], extent=[2, 2.2, 3.3], center=[1.0, 0.1, 0]),
    "one cell": lambda f: f.spatial.grid([1, 1]),
    "free": lambda f: f.spatial.free([[0.0, 0.0], [1.0, 2.5], [0.3, -0.7]]),
    "free integers": lambda f: f.spatial.free([[0, 0], [1, 2]]),
    "free tuples 3d": lambda f: f.spatial.free(((0.0, 0, 1), (1, 2, 3.5)), edge_wrap=True),
    "free extent": lambda f: f.spatial.free([[0.1, 0.2], [1.0, 2.5]], extent=[1.0, 5.0]),
    "free on the edge": lambda f: f.spatial.free([[0.0, 0.0], [2.0, 2.0]], extent=[2.0, 2.0]),
    "free one": lambda f: f.spatial.free([[0.3, 0.1]], extent=[1, 1]),
    "free in line": lambda f: f.spatial.free([[0.0, 0.0], [2.0, 0.0]]),
}


@pytest.mark.parametrize("spec", LAYERS.values(), ids=LAYERS)
def test_layers_are_nests_to_the_bit(spec):
    theirs, ours = both(spec)
    assert_same(ours._layer.metadata(ours._places), theirs.spatial)
    assert _spatial_api.GetPosition(ours) == nest.GetPosition(theirs)


@pytest.mark.parametrize("part", [slice(1, None), slice(0, 5, 2), slice(3, 4)])
@pytest.mark.parametrize("kind", ["grid", "free"])
def test_parts_of_layers(kind, part):
    theirs, ours = both(
        lambda f: f.spatial.grid([3, 4]) if kind == "grid" else f.spatial.free([[i * 1.0, i * 0.5] for i in range(6)])
    )
    theirs = theirs[part]
    ours = NodeCollection._of(ours._ids[part], ours._layer, ours._places[part])
    assert_same(ours._layer.metadata(ours._places), theirs.spatial)
    assert _spatial_api.GetPosition(ours) == nest.GetPosition(theirs)


WRONG = {
    "shape of floats": (lambda f: f.spatial.grid([2.0, 3.0]), 1),
    "shape of one": (lambda f: f.spatial.grid([2]), 1),
    "shape of four": (lambda f: f.spatial.grid([2, 2, 2, 2]), 1),
    "shape with 0": (lambda f: f.spatial.grid([0, 2]), 1),
    "shape text": (lambda f: f.spatial.grid("ab"), 1),
    "shape number": (lambda f: f.spatial.grid(3), 1),
    "extent of three": (lambda f: f.spatial.grid([2, 2], extent=[1, 2, 3]), 1),
    "centre of three": (lambda f: f.spatial.grid([2, 2], center=[1, 2, 3]), 1),
    "edge_wrap 1": (lambda f: f.spatial.grid([2, 2], edge_wrap=1), 1),
    "grid with n": (lambda f: f.spatial.grid([2, 2]), 4),
    "one node": (lambda f: f.spatial.free([[0.0, 0.0]]), 1),
    "ragged": (lambda f: f.spatial.free([[0.0, 0.0], [1.0, 2.0, 3.0]]), 1),
    "one coordinate": (lambda f: f.spatial.free([[0.0], [1.0]]), 1),
    "four coordinates": (lambda f: f.spatial.free([[0.0] * 4, [1.0] * 4]), 1),
    "flat": (lambda f: f.spatial.free([0.0, 1.0]), 1),
    "outside": (lambda f: f.spatial.free([[0.0, 0.0], [2.0, 2.0]], extent=[1.0, 1.0]), 1),
    "free extent of three": (lambda f: f.spatial.free([[0.0, 0.0], [2.0, 2.0]], extent=[2.0, 2.0, 2.0]), 1),
    "one drawn node": (lambda f: f.spatial.free(f.random.uniform(), num_dimensions=2), 1),
    "position as position": (lambda f: f.spatial.free(f.spatial.pos.x, num_dimensions=2), 3),
    "distance as position": (lambda f: f.spatial.free(f.spatial.distance, num_dimensions=2), 3),
    "drawn outside": (lambda f: f.spatial.free(f.random.normal(0, 10), extent=[1, 1, 1]), 9),
    "a list": (lambda f: [1, 2], 1),
}


@pytest.mark.parametrize("spec, n", WRONG.values(), ids=WRONG)
def test_errors_are_nests(spec, n):
    with pytest.raises(Exception) as theirs:
        nest.Create("iaf_psc_alpha", n, positions=spec(nest))
    with pytest.raises(Exception) as ours:
        make(spec(OURS), n)
    assert ours.type.__name__ == theirs.type.__name__
    if theirs.type.__name__ in ("BadProperty", "KernelException", "ValueError"):
        assert str(ours.value) == str(theirs.value)


def test_an_array_of_positions_is_accepted():
    positions = np.array([[0.0, 1.0], [2.0, 3.5]])
    np.testing.assert_array_equal(make(spatial.free(positions))._layer.positions, positions)


def test_positions_are_drawn_for_each_coordinate():
    layer = make(spatial.free([random.uniform(), 3 + random.normal()]), 2000)._layer
    assert layer.positions.shape == (2000, 2)
    assert stats.kstest(layer.positions[:, 0], "uniform").pvalue > 0.01
    assert stats.kstest(layer.positions[:, 1] - 3, "norm").pvalue > 0.01
    assert np.corrcoef(layer.positions.T)[0, 1] == pytest.approx(0.0, abs=0.1)
    np.testing.assert_array_equal(layer.extent, np.ceil(np.ptp(layer.positions, axis=0)))
    cube = make(spatial.free(random.uniform(-1, 1), extent=[3, 3, 3]), 5)._layer
    assert cube.ndim == 3 and np.array_equal(cube.extent, [3, 3, 3])


POINTS = np.random.default_rng(7).uniform(-4, 4, (40, 2))


@pytest.mark.parametrize("edge_wrap", [False, True])
def test_displacements_and_distances(edge_wrap):
    def spec(face):
        return face.spatial.grid([5, 4], extent=[2.5, 3.0], edge_wrap=edge_wrap)

    (nodes, mine), (others, my_others) = both(spec), both(spec, first=21)
    for start, end, my_start, my_end in (
        (nodes, others, mine, my_others),
        (nodes[:1], others, mine[:1], my_others),
        (nodes, others[3], mine, my_others[3]),
        (POINTS[:20].tolist(), nodes, POINTS[:20].tolist(), mine),
        (POINTS[0], nodes, POINTS[0], mine),
        ([(0.0, 0.0)], nodes, [(0.0, 0.0)], mine),
        (((0.0, 0.0), (1.0, 1.0)), nodes[:1], ((0.0, 0.0), (1.0, 1.0)), mine[:1]),
    ):
        assert _spatial_api.Displacement(my_start, my_end) == nest.Displacement(start, end)
        assert _spatial_api.Distance(my_start, my_end) == nest.Distance(start, end)


def test_nearest_steps_have_no_rounding_errors():
    layer = make(spatial.grid([3, 3], extent=[0.3, 0.3], edge_wrap=True))._layer
    start, end = np.array([[0.0, 0.0]]), np.array([[0.1, -0.1]])
    assert (layer.nearest(start, end) == [[0.1, -0.1]]).all()
    np.testing.assert_allclose(layer.nearest(start, end + 0.3), [[0.1, -0.1]], atol=1e-15)


ASKED = {
    "positions of a list": lambda f, g, h, n: f.GetPosition([1]),
    "positions without layer": lambda f, g, h, n: f.GetPosition(n),
    "to a list": lambda f, g, h, n: f.Displacement(g, [1, 2]),
    "from text": lambda f, g, h, n: f.Displacement("ab", g[:2]),
    "from numbers": lambda f, g, h, n: f.Displacement([0.0, 0.0], g[:2]),
    "three coordinates": lambda f, g, h, n: f.Displacement([[0.0, 0.0, 0.0]], g),
    "lengths": lambda f, g, h, n: f.Distance(g[1:3], g[2:7]),
    "to nodes without layer": lambda f, g, h, n: f.Distance(g[:1], n),
    "from nodes without layer": lambda f, g, h, n: f.Distance(n[:1], g),
    "from 3d to 2d": lambda f, g, h, n: f.Displacement(h[:1], g),
    "nearest in a list": lambda f, g, h, n: f.FindNearestElement([1], (0, 0)),
    "nearest to a number": lambda f, g, h, n: f.FindNearestElement(g, 3),
    "nearest without layer": lambda f, g, h, n: f.FindNearestElement(n, (0.0, 0.0)),
    "nearest in 3d": lambda f, g, h, n: f.FindNearestElement(g, (0.0, 0.0, 0.0)),
    "centre without layer": lambda f, g, h, n: f.FindCenterElement(n),
    "centre of a list": lambda f, g, h, n: f.FindCenterElement([1]),
    "select in 3d": lambda f, g, h, n: f.SelectNodesByMask(g, (0, 0, 0.0), f.CreateMask("circular", {"radius": 1.0})),
    "select in 1d": lambda f, g, h, n: f.SelectNodesByMask(g, (0,), f.CreateMask("circular", {"radius": 1.0})),
    "select by 2d": lambda f, g, h, n: f.SelectNodesByMask(h, (0, 0, 0), f.CreateMask("circular", {"radius": 1.0})),
    "select no layer": lambda f, g, h, n: f.SelectNodesByMask(n, (0, 0), f.CreateMask("circular", {"radius": 1.0})),
    "select by dictionary": lambda f, g, h, n: f.SelectNodesByMask(g, (0, 0), {"circular": {"radius": 1.0}}),
    "select oversized": lambda f, g, h, n: f.SelectNodesByMask(g, (0, 0), f.CreateMask("circular", {"radius": 3.0})),
    "plot a list": lambda f, g, h, n: f.PlotLayer([1]),
    "targets of several": lambda f, g, h, n: f.PlotTargets(g, g),
    "nothing to plot": lambda f, g, h, n: f.PlotProbabilityParameter(g[0]),
    "dump a list": lambda f, g, h, n: f.DumpLayerNodes([1], "x"),
    "targets of a list": lambda f, g, h, n: f.GetTargetNodes([1], g),
    "targets in a list": lambda f, g, h, n: f.GetTargetNodes(g, [1]),
}


@pytest.mark.parametrize("case", ASKED.values(), ids=ASKED)
def test_errors_of_questions(case):
    from jaxnest.nest import _spatial_plots

    g, mine = both(lambda f: f.spatial.grid([3, 3], extent=[3.0, 3.0], edge_wrap=True))
    h, my_h = both(lambda f: f.spatial.grid([2, 2, 2]), first=10)
    n, my_n = nest.Create("iaf_psc_alpha", 3), NodeCollection._of(np.arange(18, 21))
    with pytest.raises(Exception) as theirs:
        case(nest, g, h, n)
    face = SimpleNamespace(CreateMask=CreateMask, **{**vars(_spatial_plots), **vars(_spatial_api)})
    with pytest.raises(Exception) as ours:
        case(face, mine, my_h, my_n)
    assert ours.type.__name__ == theirs.type.__name__


def test_nearest_and_central_nodes():
    theirs, ours = both(lambda f: f.spatial.grid([3, 3], extent=(3.0, 3.0)))

    def ids(found):
        return [ids(x) for x in found] if isinstance(found, list) else found.tolist()

    for places, find_all in (
        ((0.0, 0.0), False),
        ([[0.1, 0.2]], False),
        (((0.0, 0.0), (1.0, 1.0)), False),
        ((0.5, 0.5), True),
        (((0.0, 0.0), (0.5, 0.5)), True),
        (np.array([0.9, -0.8]), False),
    ):
        mine = _spatial_api.FindNearestElement(ours, places, find_all=find_all)
        assert ids(mine) == ids(nest.FindNearestElement(theirs, places, find_all=find_all))
    assert ids(_spatial_api.FindCenterElement(ours)) == ids(nest.FindCenterElement(theirs))
    assert ids(_spatial_api.FindCenterElement(ours[:2])) == ids(nest.FindCenterElement(theirs[:2]))


def test_distance_of_single_nodes_is_in_the_layer_of_the_first():
    g, mine = both(lambda f: f.spatial.grid([3, 3], extent=[3.0, 3.0], edge_wrap=True))
    h, my_h = both(lambda f: f.spatial.grid([3, 3], extent=[3.0, 3.0]), first=10)
    assert _spatial_api.Distance(mine[0], my_h) == nest.Distance(g[0], h)
    assert _spatial_api.Distance(my_h[0], mine) == nest.Distance(h[0], g)


def test_nodes_are_dumped_as_nest_does(tmp_path):
    theirs, ours = both(lambda f: f.spatial.free([[0.1, 1 / 3], [1.0, -2.5], [1e-7, 12345678.0]]))
    nest.DumpLayerNodes(theirs[1:], tmp_path / "theirs")
    _spatial_api.DumpLayerNodes(ours[1:], tmp_path / "ours")
    assert (tmp_path / "ours").read_text() == (tmp_path / "theirs").read_text()


def test_nodes_without_positions_cannot_be_dumped(tmp_path):
    with pytest.raises(NESTErrors.LayerExpected):
        _spatial_api.DumpLayerNodes(NodeCollection._of(np.arange(1, 3)), tmp_path / "x")
