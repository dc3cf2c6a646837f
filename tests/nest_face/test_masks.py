"""Masks against NEST's: the same points inside, the same nodes selected, the same errors."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxnest.nest import _spatial_api, random, spatial
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._layers import Layer
from jaxnest.nest._mask_types import CreateMask, as_mask
from jaxnest.nest._masks import Mask
from jaxnest.nest._nodes import NodeCollection

nest = pytest.importorskip("nest")

OURS = SimpleNamespace(CreateMask=CreateMask, Mask=Mask)

RECTANGLE = {"lower_left": [-1.0, -0.5], "upper_right": [0.75, 1.0]}
BOX = {"lower_left": [-1.0, -0.5, -0.25], "upper_right": [0.75, 1.0, 0.5]}
ELLIPSE = {"major_axis": 2.0, "minor_axis": 1.0}
PLANE = {
    "circular": ("circular", {"radius": 1.0}),
    "circular anchored": ("circular", {"radius": 0.75, "anchor": [0.5, 0.25]}),
    "circular moved": ("circular", {"radius": 0.75}, [0.5, -0.25]),
    "doughnut": ("doughnut", {"inner_radius": 0.5, "outer_radius": 1}),
    "doughnut anchored": ("doughnut", {"inner_radius": 0.5, "outer_radius": 1.0, "anchor": [0.5, 0.0]}),
    "rectangular": ("rectangular", RECTANGLE),
    "rectangular turned": ("rectangular", {**RECTANGLE, "azimuth_angle": 30.0}),
    "rectangular turned by 90": ("rectangular", {**RECTANGLE, "azimuth_angle": 90}, [0.1, 0.2]),
    "elliptical": ("elliptical", ELLIPSE),
    "elliptical turned": ("elliptical", {**ELLIPSE, "azimuth_angle": 45.0, "anchor": [0.5, 0.1]}),
}
SPACE = {
    "spherical": ("spherical", {"radius": 0.75, "anchor": [0.25, 0.0, -0.5]}),
    "box": ("box", BOX),
    "box turned": ("box", {**BOX, "azimuth_angle": 30.0, "polar_angle": -20.0}),
    "ellipsoidal": ("ellipsoidal", {**ELLIPSE, "polar_axis": 0.5}),
    "ellipsoidal turned": ("ellipsoidal", {**ELLIPSE, "polar_axis": 0.5, "azimuth_angle": 20.0, "polar_angle": 60.0}),
    "without polar axis": ("ellipsoidal", ELLIPSE),
}


def points(ndim):
    """Points of a grid, many of which lie on boundaries, and points anywhere."""
    axis = np.linspace(-1.5, 1.5, 13 if ndim == 2 else 7)
    grid = np.stack(np.meshgrid(*[axis] * ndim), axis=-1).reshape(-1, ndim)
    return np.concatenate([grid, np.random.default_rng(2).uniform(-1.5, 1.5, (300, ndim))])


@pytest.mark.parametrize("spec", [*PLANE.values(), *SPACE.values()], ids=[*PLANE, *SPACE])
def test_the_same_points_are_inside(spec):
    theirs, ours = nest.CreateMask(*spec), CreateMask(*spec)
    where = points(ours.ndim)
    expected = [theirs.Inside(point.tolist()) for point in where]
    np.testing.assert_array_equal(ours.inside(where), expected)
    assert [ours.Inside(tuple(point)) for point in where[:20]] == expected[:20]
    assert 0 < sum(expected) < len(expected)


@pytest.mark.parametrize("spec", [*PLANE.values(), *SPACE.values()], ids=[*PLANE, *SPACE])
def test_the_box_holds_the_mask(spec):
    mask = CreateMask(*spec)
    where = points(mask.ndim)
    low, high = mask.box()
    inside = where[mask.inside(where)]
    assert (inside >= low - 1e-12).all() and (inside <= high + 1e-12).all()


@pytest.mark.parametrize(
    "combine", [lambda a, b: a | b, lambda a, b: a & b, lambda a, b: a - b, lambda a, b: (b - a) | (a & b)]
)
@pytest.mark.parametrize("first, second", [("circular", "rectangular turned"), ("doughnut", "elliptical")])
def test_combined_masks(combine, first, second):
    theirs = combine(nest.CreateMask(*PLANE[first]), nest.CreateMask(*PLANE[second]))
    ours = combine(CreateMask(*PLANE[first]), CreateMask(*PLANE[second]))
    where = points(2)
    np.testing.assert_array_equal(ours.inside(where), [theirs.Inside(point.tolist()) for point in where])


def circle(face):
    return face.CreateMask("circular", {"radius": 1.0})


WRONG = {
    "unknown type": lambda f: f.CreateMask("foo", {"radius": 1.0}),
    "no dictionary": lambda f: f.CreateMask("circular", 3.0),
    "no radius": lambda f: f.CreateMask("circular", {}),
    "radius 0": lambda f: f.CreateMask("circular", {"radius": 0.0}),
    "radius text": lambda f: f.CreateMask("circular", {"radius": "a"}),
    "unknown key": lambda f: f.CreateMask("circular", {"radius": 1.0, "x": 2}),
    "anchor of integers": lambda f: f.CreateMask("circular", {"radius": 1.0}, anchor=[1, 0]),
    "anchor of three": lambda f: f.CreateMask("circular", {"radius": 1.0}, anchor=[1.0, 0, 0]),
    "anchor of one": lambda f: f.CreateMask("circular", {"radius": 1.0}, anchor=[1.0]),
    "anchor text": lambda f: f.CreateMask("circular", {"radius": 1.0}, anchor="a"),
    "empty rectangle": lambda f: f.CreateMask("rectangular", {"lower_left": [1.0, -1.0], "upper_right": [1.0, 1.0]}),
    "rectangle in 3d": lambda f: f.CreateMask("rectangular", BOX),
    "box in 2d": lambda f: f.CreateMask("box", RECTANGLE),
    "half a rectangle": lambda f: f.CreateMask("rectangular", {"lower_left": [-1.0, -1.0]}),
    "rectangle with polar angle": lambda f: f.CreateMask("rectangular", {**RECTANGLE, "polar_angle": 0.0}),
    "rectangle with anchor": lambda f: f.CreateMask("rectangular", {**RECTANGLE, "anchor": [1.0, 1.0]}),
    "doughnut inside out": lambda f: f.CreateMask("doughnut", {"inner_radius": 1.5, "outer_radius": 1.0}),
    "doughnut without hole": lambda f: f.CreateMask("doughnut", {"outer_radius": 1.0}),
    "ellipse lying": lambda f: f.CreateMask("elliptical", {"major_axis": 0.5, "minor_axis": 1.0}),
    "ellipse of 0": lambda f: f.CreateMask("elliptical", {"major_axis": 0.5, "minor_axis": 0.0}),
    "ellipse with polar axis": lambda f: f.CreateMask("elliptical", {**ELLIPSE, "polar_axis": 1.0}),
    "ellipse with polar angle": lambda f: f.CreateMask("elliptical", {**ELLIPSE, "polar_angle": 1.0}),
    "ellipsoid of 0": lambda f: f.CreateMask("ellipsoidal", {**ELLIPSE, "polar_axis": 0.0}),
    "grid of floats": lambda f: f.CreateMask("grid", {"shape": [2.0, 3.0]}),
    "grid by rows": lambda f: f.CreateMask("grid", {"rows": 2, "columns": 3}),
    "grid with corner": lambda f: f.CreateMask("grid", {"shape": [2, 3], "upper_left_corner": [1, 1]}),
    "grid anchor of floats": lambda f: f.CreateMask("grid", {"shape": [2, 3]}, anchor=[1.0, 1.0]),
    "grid anchor of three": lambda f: f.CreateMask("grid", {"shape": [2, 3]}, anchor=[1, 1, 1]),
    "inside a grid": lambda f: f.CreateMask("grid", {"shape": [2, 3]}).Inside([0, 0]),
    "grid or circle": lambda f: f.CreateMask("grid", {"shape": [2, 3]}) | circle(f),
    "circle or grid": lambda f: circle(f) | f.CreateMask("grid", {"shape": [2, 3]}),
    "circle or ball": lambda f: circle(f) | f.CreateMask("spherical", {"radius": 1.0}),
    "circle or 3": lambda f: circle(f) | 3,
    "circle minus 3": lambda f: circle(f) - 3,
    "circle and 3": lambda f: circle(f) & 3,
    "3d point in circle": lambda f: circle(f).Inside([0.5, 0.5, 0.5]),
    "text in circle": lambda f: circle(f).Inside("ab"),
    "constructor": lambda f: f.Mask(3),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_errors_are_nests(case):
    with pytest.raises(Exception) as theirs:
        case(nest)
    with pytest.raises(Exception) as ours:
        case(OURS)
    assert ours.type.__name__ == theirs.type.__name__
    if theirs.type.__name__ in ("BadProperty", "UndefinedName", "UnaccessedDictionaryEntry"):
        assert str(ours.value) == str(theirs.value)


def test_masks_of_specifications():
    assert as_mask({}) is None
    mask = CreateMask("circular", {"radius": 1.0})
    assert as_mask(mask) is mask
    assert as_mask({"circular": {"radius": 1.0}, "anchor": [2.0, 0.0]}).Inside([2.5, 0.0])
    with pytest.raises(NESTErrors.BadProperty, match="one type"):
        as_mask({"circular": {"radius": 1.0}, "rectangular": RECTANGLE})
    with pytest.raises(NESTErrors.TypeMismatch):
        as_mask("circular")


@pytest.mark.parametrize("edge_wrap", [False, True])
@pytest.mark.parametrize("anchor", [(0.0, 0.0), (2.0, 1.0), (-1.3, 1.9)])
@pytest.mark.parametrize("spec", PLANE.values(), ids=PLANE)
def test_the_same_nodes_are_selected(spec, anchor, edge_wrap):
    nest.ResetKernel()
    where = np.random.default_rng(4).uniform(-2, 2, (80, 2)).tolist()
    theirs = nest.Create("iaf_psc_alpha", positions=nest.spatial.free(where, extent=[4.0, 4.0], edge_wrap=edge_wrap))
    layer = Layer.of(spatial.free(where, extent=[4.0, 4.0], edge_wrap=edge_wrap), 1, np.random.default_rng(1))
    ours = NodeCollection._of(np.arange(1, 81), layer, np.arange(80))
    expected = nest.SelectNodesByMask(theirs, anchor, nest.CreateMask(*spec)).tolist()
    selected = _spatial_api.SelectNodesByMask(ours, anchor, CreateMask(*spec))
    assert selected.tolist() == expected
    assert selected._layer is None


def test_a_slice_selects_among_its_own_nodes():
    layer = Layer.of(spatial.free(random.uniform(), num_dimensions=2), 50, np.random.default_rng(1))
    nodes = NodeCollection._of(np.arange(10, 35), layer, np.arange(0, 50, 2))
    found = _spatial_api.SelectNodesByMask(nodes, (0.5, 0.5), CreateMask("circular", {"radius": 0.3}))
    near = np.hypot(*(layer.positions[::2] - 0.5).T) <= 0.3
    assert found.tolist() == (10 + np.flatnonzero(near)).tolist()
