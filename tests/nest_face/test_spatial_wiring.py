"""Connecting in space against NEST's Connect: the same pairs where nothing is drawn, else the same statistics."""

import numpy as np
import pytest
from scipy import stats

from jaxnest.nest import _regions, math, random, spatial, spatial_distributions
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._layers import Layer
from jaxnest.nest._mask_types import CreateMask
from jaxnest.nest._spatial_wiring import check_synapse, check_targets, needs_space, spatial_pairs

nest = pytest.importorskip("nest")


@pytest.fixture(autouse=True)
def reset():
    nest.ResetKernel()


class Nodes:
    """As much of a NodeCollection as the rules use."""

    def __init__(self, layer, places, first=1):
        self._layer = layer
        self._places = np.asarray(places)
        self._ids = first + self._places

    def __len__(self):
        return len(self._ids)


def make(spec, first=1, part=slice(None), n=1):
    layer = Layer.of(spec, n, np.random.default_rng(3))
    return Nodes(layer, np.arange(len(layer.positions))[part], first)


def rng(seed=1):
    return np.random.default_rng(seed)


def theirs(pre, post, conn_spec, syn_spec=None):
    """NEST's connections as sorted rows (source, target, weight, delay)."""
    nest.Connect(pre, post, conn_spec, syn_spec)
    connections = nest.GetConnections(pre, post)
    if not len(connections):
        return np.zeros((0, 4))
    columns = connections.get(["source", "target", "weight", "delay"])
    return ordered(*(np.atleast_1d(columns[key]) for key in ("source", "target", "weight", "delay")))


def ours(pre, post, conn_spec, weight=None, delay=None, seed=1):
    """The same of ours."""
    options = {key: value for key, value in conn_spec.items() if key != "rule"}
    pairs = spatial_pairs(conn_spec["rule"], pre, post, options, rng(seed))
    context = pairs.context(rng(seed))
    ones = np.ones(len(pairs.pre))
    values = (ones if p is None else p.draw(context) for p in (weight, delay))
    return ordered(pre._ids[pairs.pre], post._ids[pairs.post], *values)


def ordered(*columns):
    table = np.stack([np.asarray(column, float) for column in columns], axis=1)
    return table[np.lexsort(table.T[::-1])]


SCATTERED = np.random.default_rng(8).uniform(-1, 1, (70, 2)).round(1).tolist()
PLANE = {
    "grid": lambda f, wrap: f.spatial.grid([6, 5], extent=[2.0, 2.0], edge_wrap=wrap),
    "free": lambda f, wrap: f.spatial.free(SCATTERED, extent=[2.0, 2.0], edge_wrap=wrap),
}
MASKS = {
    "circular": {"circular": {"radius": 0.4}},
    "anchored": {"circular": {"radius": 0.35}, "anchor": [-0.4, 0.3]},
    "doughnut": {"doughnut": {"inner_radius": 0.25, "outer_radius": 0.5}},
    "rectangular": {"rectangular": {"lower_left": [-0.1, -0.3], "upper_right": [0.6, 0.5]}},
    "turned": {"rectangular": {"lower_left": [-0.3, -0.2], "upper_right": [0.3, 0.2], "azimuth_angle": 30.0}},
    "elliptical": {"elliptical": {"major_axis": 1.0, "minor_axis": 0.5, "azimuth_angle": 60.0}},
    "of the layer's size": {"rectangular": {"lower_left": [-1.0, -1.0], "upper_right": [1.0, 1.0]}},
}
RULES = {
    "targets": {"rule": "pairwise_bernoulli", "p": 1.0},
    "sources": {"rule": "pairwise_bernoulli", "p": 1.0, "use_on_source": True},
    "no autapses": {"rule": "pairwise_bernoulli", "allow_autapses": False},
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("layer", PLANE)
def test_masks_find_nests_pairs_weights_and_delays(layer, mask, wrap, rule):
    spec = {**RULES[rule], "mask": MASKS[mask]}
    nodes = nest.Create("iaf_psc_alpha", positions=PLANE[layer](nest, wrap))
    syn = {"weight": nest.spatial.distance - nest.spatial.target_pos.x, "delay": 1 + nest.spatial.distance.y}
    expected = theirs(nodes, nodes, spec, syn)
    mine = make(PLANE[layer](Face, wrap))
    found = ours(mine, mine, spec, spatial.distance - spatial.target_pos.x, 1 + spatial.distance.y)
    np.testing.assert_array_equal(found[:, :2], expected[:, :2])
    np.testing.assert_allclose(found[:, 2], expected[:, 2], atol=1e-12)
    np.testing.assert_allclose(found[:, 3], expected[:, 3], atol=0.051)  # NEST's lie on the time grid


class Face:
    spatial = spatial


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("anchor", [None, [0, 0], [1, 0], [-1, 2], [5, 5]])
@pytest.mark.parametrize("shape", [[3, 2], [1, 1], [4, 5]])
def test_grid_masks(shape, anchor, wrap):
    mask = {"grid": {"shape": shape}, **({} if anchor is None else {"anchor": anchor})}
    spec = {"rule": "pairwise_bernoulli", "p": 1.0, "mask": mask}
    nodes = nest.Create("iaf_psc_alpha", positions=PLANE["grid"](nest, wrap))
    targets = nest.Create("iaf_psc_alpha", positions=PLANE["grid"](nest, wrap))
    mine, others = make(PLANE["grid"](Face, wrap)), make(PLANE["grid"](Face, wrap), 31)
    nest.Connect(nodes, targets, spec)
    connections = nest.GetConnections()
    expected = ordered(list(connections.sources()), list(connections.targets())) if len(connections) else None
    found = ours(mine, others, spec)
    assert (len(found) == 0) if expected is None else np.array_equal(found[:, :2], expected)


@pytest.mark.parametrize("mask, wrap", [("sphere", True), ("box", True), ("ellipsoid", False)])
@pytest.mark.parametrize("rule", ["targets", "sources"])
def test_three_dimensions(mask, wrap, rule):
    masks = {
        "sphere": {"spherical": {"radius": 0.5}},
        "box": {"box": {"lower_left": [-0.3, -0.1, 0.0], "upper_right": [0.3, 0.6, 0.8]}},
        "ellipsoid": {"ellipsoidal": {"major_axis": 1.0, "minor_axis": 0.7, "polar_axis": 0.4, "polar_angle": 30.0}},
    }
    where = np.random.default_rng(8).uniform(-1, 1, (90, 3)).tolist()
    nodes = nest.Create("iaf_psc_alpha", positions=nest.spatial.free(where, extent=[2.0] * 3, edge_wrap=wrap))
    mine = make(spatial.free(where, extent=[2.0] * 3, edge_wrap=wrap))
    spec = {**RULES[rule], "mask": masks[mask]}
    expected = theirs(nodes, nodes, spec, {"weight": nest.spatial.distance})
    np.testing.assert_allclose(ours(mine, mine, spec, spatial.distance)[:, :3], expected[:, :3], atol=1e-12)


def test_layers_of_different_kinds_and_slices():
    spec = {"rule": "pairwise_bernoulli", "mask": {"rectangular": {"lower_left": [-0.3, 0.0], "upper_right": [0.5, 0.4]}}}
    for on_source in (False, True):
        nest.ResetKernel()
        spec["use_on_source"] = on_source
        pre = nest.Create("iaf_psc_alpha", positions=PLANE["grid"](nest, True))[3:20]
        post = nest.Create("iaf_psc_alpha", positions=PLANE["free"](nest, False))[::2]
        my_pre = make(PLANE["grid"](Face, True), part=slice(3, 20))
        my_post = make(PLANE["free"](Face, False), 31, slice(None, None, 2))
        expected = theirs(pre, post, spec, {"weight": nest.spatial.distance})
        np.testing.assert_allclose(ours(my_pre, my_post, spec, spatial.distance)[:, :3], expected[:, :3], atol=1e-12)


def test_oversized_masks_connect_over_the_edges_as_nests():
    spec = {"rule": "pairwise_bernoulli", "mask": {"circular": {"radius": 1.2}}, "allow_oversized_mask": True}
    nodes = nest.Create("iaf_psc_alpha", positions=PLANE["grid"](nest, True))
    mine = make(PLANE["grid"](Face, True))
    expected = theirs(nodes, nodes, spec)
    assert len(expected) > 900  # some pairs more than once
    np.testing.assert_array_equal(ours(mine, mine, spec)[:, :2], expected[:, :2])


def test_masks_may_be_objects():
    mine = make(PLANE["free"](Face, False))
    mask = CreateMask("circular", {"radius": 0.4}) - CreateMask("circular", {"radius": 0.2})
    doughnut = {"doughnut": {"inner_radius": 0.2, "outer_radius": 0.4}}
    spec = {"rule": "pairwise_bernoulli"}
    found = ours(mine, mine, {**spec, "mask": mask})
    np.testing.assert_array_equal(found, ours(mine, mine, {**spec, "mask": doughnut}))


def test_blocks_do_not_change_what_is_found(monkeypatch):
    mine = make(spatial.free(random.uniform(), num_dimensions=2, edge_wrap=True), n=300)
    for mask in (MASKS["circular"], {"circular": {"radius": 0.05}}, None):
        spec = {"rule": "pairwise_bernoulli", "use_on_source": True, **({} if mask is None else {"mask": mask})}
        whole = ours(mine, mine, spec)
        with monkeypatch.context() as patch:
            patch.setattr(_regions, "_BLOCK", 100)
            np.testing.assert_array_equal(ours(mine, mine, spec), whole)
        if mask is not None:
            steps = mine._layer.displacement(mine._layer.positions[:, None], mine._layer.positions[None])
            assert len(whole) == (np.hypot(*steps.transpose(2, 0, 1)) <= mask["circular"]["radius"]).sum()


KERNELS = {
    "gaussian": lambda f: f.spatial_distributions.gaussian(f.spatial.distance, std=0.4),
    "of x": lambda f: f.logic.conditional(f.spatial.distance.x < 0.5, 0.7, 0.1),
    "number": lambda f: 0.3,
}


class Faces(Face):
    spatial_distributions = spatial_distributions
    from jaxnest.nest import logic


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("mask", [None, "rectangular"])
def test_bernoulli_connects_with_the_probability(kernel, mask):
    mine = make(PLANE["free"](Face, True))
    spec = {"rule": "pairwise_bernoulli", "p": KERNELS[kernel](Faces)}
    if mask is not None:
        spec["mask"] = MASKS[mask]
    n = 300
    counts = np.zeros((70, 70))
    for seed in range(n):
        pairs = spatial_pairs(spec["rule"], mine, mine, {k: v for k, v in spec.items() if k != "rule"}, rng(seed))
        np.add.at(counts, (pairs.pre, pairs.post), 1)
    nodes = nest.Create("iaf_psc_alpha", positions=PLANE["free"](nest, True))
    probability = KERNELS[kernel](nest)
    if kernel == "number":
        probability = nest.CreateParameter("constant", {"value": probability})
    where = nest.GetPosition(nodes)
    expected = np.array([probability.apply(node, where) for node in nodes])
    if mask is not None:
        everything = ours(mine, mine, {"rule": "pairwise_bernoulli", "mask": MASKS[mask]})
        inside = np.zeros((70, 70), bool)
        inside[everything[:, 0].astype(int) - 1, everything[:, 1].astype(int) - 1] = True
        expected = np.where(inside, expected, 0.0)
    certain = (expected == 0) | (expected == 1)
    assert (counts[certain] == n * expected[certain]).all()
    spread = np.sqrt(n * expected * (1 - expected))
    z = ((counts - n * expected) / np.where(certain, 1, spread))[~certain]
    assert abs(z.mean()) < 0.1 and abs(z.std() - 1) < 0.1


def test_poisson_makes_a_poisson_number_of_connections():
    mine = make(PLANE["grid"](Face, False))
    mean = 2.5 * math.exp(-spatial.distance)
    counts = np.zeros((400, 30, 30), int)
    for seed in range(400):
        pairs = spatial_pairs("pairwise_poisson", mine, mine, {"pairwise_avg_num_conns": mean}, rng(seed))
        np.add.at(counts[seed], (pairs.pre, pairs.post), 1)
    where = mine._layer.positions
    expected = 2.5 * np.exp(-np.hypot(*(where[:, None] - where[None]).transpose(2, 0, 1)))
    z = (counts.mean(axis=0) - expected) / np.sqrt(expected / 400)
    assert abs(z.mean()) < 0.1 and abs(z.std() - 1) < 0.1
    np.testing.assert_allclose((counts.var(axis=0) / expected).mean(), 1.0, atol=0.02)


@pytest.mark.parametrize("multapses", [True, False])
@pytest.mark.parametrize(
    "mask, kernel", [(None, True), ({"circular": {"radius": 0.45}}, True), ({"circular": {"radius": 0.45}}, False)]
)
@pytest.mark.parametrize("rule, degree", [("fixed_indegree", "indegree"), ("fixed_outdegree", "outdegree")])
def test_degrees_are_met_with_nests_frequencies(rule, degree, mask, kernel, multapses):
    mine = make(PLANE["grid"](Face, True))
    nodes = nest.Create("iaf_psc_alpha", positions=PLANE["grid"](nest, True))
    spec = {degree: 3, "allow_multapses": multapses, **({} if mask is None else {"mask": mask})}
    n = 150
    counts = np.zeros((2, 30, 30), int)
    for seed in range(n):
        p = {"p": spatial_distributions.gaussian(spatial.distance, std=0.4)} if kernel else {}
        pairs = spatial_pairs(rule, mine, mine, {**spec, **p}, rng(seed))
        own = pairs.post if rule == "fixed_indegree" else pairs.pre
        assert (np.bincount(own, minlength=30) == 3).all()
        if not multapses:
            assert len(np.unique(pairs.pre * 30 + pairs.post)) == 90
        np.add.at(counts[0], (pairs.pre, pairs.post), 1)
        p = {"p": nest.spatial_distributions.gaussian(nest.spatial.distance, std=0.4)} if kernel else {}
        nest.Connect(nodes, nodes, {"rule": rule, **spec, **p})
    connections = nest.GetConnections()
    np.add.at(counts[1], (np.array(connections.source) - 1, np.array(connections.target) - 1), 1)
    totals = counts.sum(axis=0)
    assert ((counts[0] > 0) == (counts[1] > 0))[totals > 20].all()
    expected = np.array([totals, totals]) / 2
    tested = totals > 20
    chi = (np.square(counts - expected) / np.where(tested, expected, 1))[:, tested].sum()
    assert stats.chi2.sf(chi, tested.sum()) > 1e-3


def test_degrees_without_autapses():
    mine = make(PLANE["grid"](Face, True))
    for rule, degree in (("fixed_indegree", "indegree"), ("fixed_outdegree", "outdegree")):
        for more in ({"p": 1.0}, {"mask": MASKS["circular"]}, {"mask": MASKS["doughnut"], "allow_multapses": False}):
            pairs = spatial_pairs(rule, mine, mine, {degree: 3, "allow_autapses": False, **more}, rng())
            assert len(pairs.pre) == 90 and (pairs.pre != pairs.post).all()


def test_degrees_may_be_parameters():
    mine = make(PLANE["grid"](Face, False))
    row = mine._layer.positions[:, 0]
    pairs = spatial_pairs("fixed_outdegree", mine, mine, {"outdegree": 2.5 + 0 * spatial.pos.x, "p": 1.0}, rng())
    assert (np.bincount(pairs.pre) == 3).all()  # halves are rounded up
    degree = 5 + 4 * spatial.pos.x
    pairs = spatial_pairs("fixed_outdegree", mine, mine, {"outdegree": degree, "p": 1.0}, rng())
    np.testing.assert_array_equal(np.bincount(pairs.pre), np.floor(5.5 + 4 * row))
    degree = 5 + 4 * spatial.target_pos.x
    pairs = spatial_pairs("fixed_indegree", mine, mine, {"indegree": degree, "mask": MASKS["circular"]}, rng())
    np.testing.assert_array_equal(np.bincount(pairs.post), np.floor(5.5 + 4 * row))


FAR = {"circular": {"radius": 0.3}, "anchor": [10.0, 10.0]}
MASK = {"circular": {"radius": 0.3}}
WRONG = {
    "all_to_all": lambda f: {"rule": "all_to_all", "mask": MASK},
    "one_to_one": lambda f: {"rule": "one_to_one", "p": f.spatial.distance},
    "fixed_total_number": lambda f: {"rule": "fixed_total_number", "N": 3, "mask": MASK},
    "symmetric": lambda f: {"rule": "pairwise_bernoulli", "mask": MASK, "make_symmetric": False},
    "on source": lambda f: {"rule": "fixed_indegree", "indegree": 1, "use_on_source": False},
    "p and mean": lambda f: {"rule": "pairwise_poisson", "mask": MASK, "pairwise_avg_num_conns": 1.0, "p": 0.1},
    "no indegree": lambda f: {"rule": "fixed_indegree", "mask": MASK},
    "indegree -1": lambda f: {"rule": "fixed_indegree", "mask": MASK, "indegree": -1},
    "outdegree -1": lambda f: {"rule": "fixed_outdegree", "mask": MASK, "outdegree": -1},
    "indegree 2.0": lambda f: {"rule": "fixed_indegree", "mask": MASK, "indegree": 2.0},
    "indegree by distance": lambda f: {"rule": "fixed_indegree", "indegree": 1 + f.spatial.distance},
    "indegree by position": lambda f: {"rule": "fixed_indegree", "mask": MASK, "indegree": 2 + f.spatial.pos.x},
    "outdegree by source": lambda f: {"rule": "fixed_outdegree", "outdegree": 2 + f.spatial.source_pos.x, "p": 1.0},
    "too few sources": lambda f: {"rule": "fixed_indegree", "mask": MASK, "indegree": 50, "allow_multapses": False},
    "too few of all": lambda f: {"rule": "fixed_indegree", "p": 0.5, "indegree": 50, "allow_multapses": False},
    "too few targets": lambda f: {"rule": "fixed_outdegree", "p": 0.5, "outdegree": 50, "allow_multapses": False},
    "no source": lambda f: {"rule": "fixed_indegree", "mask": FAR, "indegree": 1},
    "no target": lambda f: {"rule": "fixed_outdegree", "mask": FAR, "outdegree": 1},
    "only itself": lambda f: {
        "rule": "fixed_indegree",
        "mask": {"circular": {"radius": 0.01}},
        "indegree": 1,
        "allow_autapses": False,
    },
    "p text": lambda f: {"rule": "pairwise_bernoulli", "mask": MASK, "p": "a"},
    "p true": lambda f: {"rule": "pairwise_bernoulli", "mask": MASK, "p": True},
    "p of position": lambda f: {"rule": "pairwise_bernoulli", "mask": MASK, "p": f.spatial.pos.x},
    "p of z": lambda f: {"rule": "pairwise_bernoulli", "mask": MASK, "p": f.spatial.distance.z},
    "autapses 1": lambda f: {"rule": "pairwise_bernoulli", "mask": MASK, "allow_autapses": 1},
    "oversized a": lambda f: {"rule": "pairwise_bernoulli", "mask": MASK, "allow_oversized_mask": "a"},
    "mask text": lambda f: {"rule": "pairwise_bernoulli", "mask": "a"},
    "mask in 3d": lambda f: {"rule": "pairwise_bernoulli", "mask": {"spherical": {"radius": 0.3}}},
    "anchor of integers": lambda f: {"rule": "pairwise_bernoulli", "mask": {**MASK, "anchor": [0, 0]}},
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_errors_are_nests(case):
    nodes = nest.Create("iaf_psc_alpha", positions=nest.spatial.grid([4, 4]))
    with pytest.raises(Exception) as theirs:
        nest.Connect(nodes, nodes, case(nest))
    mine = make(spatial.grid([4, 4]))
    spec = case(Face)
    assert needs_space(spec)
    with pytest.raises(Exception) as ours:
        spatial_pairs(spec["rule"], mine, mine, {k: v for k, v in spec.items() if k != "rule"}, rng())
    assert ours.type.__name__ == theirs.type.__name__
    if theirs.type.__name__ in ("BadProperty", "KernelException", "UnaccessedDictionaryEntry"):
        assert str(ours.value).split(", got")[0].split(". Got")[0] in str(theirs.value)


@pytest.mark.parametrize("mask", [{"grid": {"shape": [5, 4]}}, {"circular": {"radius": 0.51}}])
def test_masks_larger_than_a_wrapped_layer_need_leave(mask):
    mine = make(spatial.grid([4, 4], edge_wrap=True))
    with pytest.raises(NESTErrors.BadProperty, match="allow_oversized_mask"):
        spatial_pairs("pairwise_bernoulli", mine, mine, {"mask": mask}, rng())
    assert len(spatial_pairs("pairwise_bernoulli", mine, mine, {"mask": mask, "allow_oversized_mask": True}, rng()).pre)


def test_layers_must_fit():
    flat, solid, scattered = make(spatial.grid([2, 2])), make(spatial.grid([2, 2, 2])), make(PLANE["free"](Face, False))
    with pytest.raises(NESTErrors.BadProperty, match="same number of dimensions"):
        spatial_pairs("pairwise_bernoulli", flat, solid, {"mask": MASK}, rng())
    with pytest.raises(NESTErrors.BadProperty, match="only be used with grid layers"):
        spatial_pairs("pairwise_bernoulli", scattered, scattered, {"mask": {"grid": {"shape": [1, 1]}}}, rng())
    nowhere = make(spatial.grid([2, 2]))
    nowhere._layer = None
    with pytest.raises(TypeError, match="Postsynaptic NodeCollection must have spatial information"):
        spatial_pairs("pairwise_bernoulli", flat, nowhere, {"mask": MASK}, rng())


def test_poisson_needs_a_mean():
    mine = make(spatial.grid([2, 2]))
    with pytest.raises(NESTErrors.BadProperty, match="pairwise_avg_num_conns"):
        spatial_pairs("pairwise_poisson", mine, mine, {"mask": MASK}, rng())


def test_when_nest_connects_in_space():
    assert not needs_space({"rule": "pairwise_bernoulli", "p": random.uniform()}, {"weight": random.uniform()})
    assert not needs_space("all_to_all", {"weight": 2.0}, None)
    assert not needs_space({"rule": "pairwise_poisson", "pairwise_avg_num_conns": 0.5})
    assert needs_space({"rule": "pairwise_bernoulli", "p": 0.1, "use_on_source": False})
    assert needs_space({"rule": "pairwise_bernoulli", "p": spatial.distance})
    assert needs_space("all_to_all", {"weight": 1.0}, {"delay": 1 + spatial.distance})
    assert needs_space({"rule": "fixed_indegree", "indegree": 2, "p": 0.5})


def test_which_synapses_and_targets_are_allowed():
    check_synapse({"weight": 1.0, "receptor_type": 2})
    with pytest.raises(ValueError, match="'lambda' is not allowed"):
        check_synapse({"synapse_model": "stdp_synapse", "lambda": 0.1})
    for rule, options, allowed in (
        ("pairwise_bernoulli", {}, False),
        ("pairwise_bernoulli", {"use_on_source": True}, True),
        ("pairwise_poisson", {}, True),
        ("fixed_indegree", {}, False),
        ("fixed_outdegree", {}, False),
    ):
        check_targets(rule, options, devices=False)
        if allowed:
            check_targets(rule, options, devices=True)
        else:
            with pytest.raises(NESTErrors.IllegalConnection, match=f"Spatial Connect with {rule} to devices"):
                check_targets(rule, options, devices=True)
