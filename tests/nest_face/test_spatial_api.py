"""Partners, dumps and pictures of nodes in space: the same calls to NEST and to its face here."""

import numpy as np
import pytest

import jaxnest.nest
from jaxnest.nest._spatial_api import connection_distances

nest = pytest.importorskip("nest")
matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

FACES = (nest, jaxnest.nest)


@pytest.fixture(autouse=True)
def reset():
    for face in FACES:
        face.ResetKernel()
    yield
    plt.close("all")


def network(face, edge_wrap=True, ndim=2):
    """A layer connected to itself and, by another synapse model, to a second layer."""
    a = face.Create("parrot_neuron", positions=face.spatial.grid([4, 3, 2][:ndim], edge_wrap=edge_wrap))
    where = np.random.default_rng(1).uniform(-0.5, 0.5, (15, ndim)).tolist()
    b = face.Create("parrot_neuron", positions=face.spatial.free(where, extent=[1.0] * ndim, edge_wrap=edge_wrap))
    mask = {("circular", "spherical")[ndim - 2]: {"radius": 0.3}}
    face.Connect(a, a, {"rule": "pairwise_bernoulli", "mask": mask}, {"weight": 1 / 3 + face.spatial.distance})
    face.CopyModel("static_synapse", "other")
    face.Connect(a, b, {"rule": "pairwise_bernoulli", "mask": mask}, {"synapse_model": "other", "delay": 1.7})
    return a, b


def plain(value):
    """NodeCollections as lists of IDs."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return [plain(x) for x in value] if isinstance(value, list | tuple) else value


# positions are sorted: the order of connections is NEST's own
QUESTIONS = {
    "targets": lambda f, a, b: f.GetTargetNodes(a, b),
    "targets of one": lambda f, a, b: f.GetTargetNodes(a[3], a),
    "targets of a slice": lambda f, a, b: f.GetTargetNodes(a[1:4], b),
    "sources": lambda f, a, b: f.GetSourceNodes(a, b),
    "by model": lambda f, a, b: f.GetTargetNodes(a, b, "other"),
    "by no model": lambda f, a, b: f.GetTargetNodes(a, b, "stdp_synapse"),
    "target positions": lambda f, a, b: [sorted(x) for x in f.GetTargetPositions(a, b)],
    "source positions": lambda f, a, b: [sorted(x) for x in f.GetSourcePositions(a, b)],
    "positions of one": lambda f, a, b: [sorted(x) for x in f.GetTargetPositions(a[2], a)],
    "positions by no model": lambda f, a, b: f.GetTargetPositions(a, b, "stdp_synapse"),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize("ndim", [2, 3])
def test_partners(question, ndim):
    theirs, ours = (plain(question(face, *network(face, ndim=ndim))) for face in FACES)
    assert ours == theirs


@pytest.mark.parametrize("part", [slice(None), slice(2, 5)])
@pytest.mark.parametrize("model", ["static_synapse", "other", "stdp_synapse"])
def test_connections_are_dumped_as_nest_does(tmp_path, part, model):
    lines = []
    for face in FACES:
        a, b = network(face)
        face.DumpLayerConnections(a[part], b if model == "other" else a[1:3], model, tmp_path / "dump")
        lines.append(sorted((tmp_path / "dump").read_text().splitlines()))
    assert lines[1] == lines[0]


def test_distances_of_connections():
    results = []
    for face in FACES:
        a, b = network(face)
        n = face.Create("parrot_neuron", 2)
        face.Connect(n, b)
        face.Connect(a, n)
        c = face.GetConnections()
        source, target = np.array(list(c.sources())), np.array(list(c.targets()))
        distances = c.distance if face is nest else connection_distances(source, target)
        order = np.lexsort((target, source))
        results.append(np.array(distances)[order])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-14, atol=1e-15)
    assert np.isnan(results[1]).any() and not np.isnan(results[1]).all()


def drawn(figure):
    """The points of each cloud and the number of patches in the picture."""
    axes = figure.axes[0]
    clouds = [np.asarray(c.get_offsets()) for c in axes.collections]
    return sorted(np.round(c[np.lexsort(c.T)], 6).tolist() for c in clouds), len(axes.patches)


MASK = {"doughnut": {"inner_radius": 0.1, "outer_radius": 0.3}}
PICTURES = {
    "layer": lambda f, a, b: f.PlotLayer(a),
    "targets": lambda f, a, b: f.PlotTargets(a[5], b),
    "sources": lambda f, a, b: f.PlotSources(a, b[5]),
    "mask": lambda f, a, b: f.PlotTargets(a[5], b, mask=MASK),
    "probability": lambda f, a, b: f.PlotSources(a, b[5], probability_parameter=1 - f.spatial.distance),
    "on the same figure": lambda f, a, b: f.PlotTargets(a[5], b, fig=f.PlotLayer(b)),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("edge_wrap", [False, True])
def test_pictures_show_what_nests_show(picture, edge_wrap):
    theirs, ours = (picture(face, *network(face, edge_wrap)) for face in FACES)
    assert drawn(ours) == drawn(theirs)
    for ours_axis, their_axis in zip(ours.axes, theirs.axes, strict=True):
        assert ours_axis.get_xlim() == pytest.approx(their_axis.get_xlim())
        assert [i.get_array().shape for i in ours_axis.images] == [i.get_array().shape for i in their_axis.images]


@pytest.mark.parametrize("name", ["layer", "targets", "sources"])
def test_pictures_in_three_dimensions(name):
    figures = [PICTURES[name](face, *network(face, ndim=3)) for face in FACES]
    theirs, ours = ([np.sort(np.array(c._offsets3d), axis=1) for c in f.axes[0].collections] for f in figures)
    assert [c.shape for c in ours] == [c.shape for c in theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b)


def test_probabilities_are_those_of_the_parameter():
    images = []
    for face in FACES:
        a, _ = network(face)
        axes = plt.subplots()[1]
        kernel = face.spatial_distributions.gaussian(face.spatial.distance, std=0.2)
        face.PlotProbabilityParameter(a[4], kernel, ax=axes, shape=[30, 20], edges=[-0.5, 0.5, -0.3, 0.3])
        images.append(np.asarray(axes.images[0].get_array()))
    np.testing.assert_allclose(images[1], images[0], atol=1e-12)


def test_other_masks_cannot_be_drawn():
    for face in FACES:
        a, _ = network(face)
        with pytest.raises(ValueError, match="Mask type cannot be plotted"):
            face.PlotProbabilityParameter(a[4], mask={"grid": {"shape": [2, 2]}})
