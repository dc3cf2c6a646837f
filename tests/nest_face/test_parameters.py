"""Parameters against NEST's: the same expressions, in both, with the same values, distributions and errors."""

import operator
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from jaxnest.nest import logic, math, random, spatial, spatial_distributions
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._layers import Layer
from jaxnest.nest._parameter_types import CreateParameter, as_parameter
from jaxnest.nest._parameters import Context, Parameter

nest = pytest.importorskip("nest")

OURS = SimpleNamespace(
    CreateParameter=CreateParameter,
    NESTErrors=NESTErrors,
    Parameter=Parameter,
    logic=logic,
    math=math,
    random=random,
    spatial=spatial,
    spatial_distributions=spatial_distributions,
)
STEPS = np.array([[0.1, -0.2], [0.0, 0.3], [-0.7, 0.05], [0.4, 0.4], [0.0, 0.0]])


@pytest.fixture(params=["nest", "jaxnest"])
def face(request):
    return nest if request.param == "nest" else OURS


def constant(face, value):
    return face.CreateParameter("constant", {"value": value})


def raised(face, make):
    """The name and the text of the error that ``make(face)`` raises, or None."""
    try:
        make(face)
    except Exception as error:
        return type(error).__name__, str(error)
    return None


@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv])
@pytest.mark.parametrize("a, b", [("p", "p"), ("p", 5), ("p", 2.5), (31, "p"), ("p", True), (np.float64(3.5), "p")])
def test_arithmetic_follows_numbers(face, op, a, b):
    left, right = (constant(face, 31.0) if x == "p" else x for x in (a, b))
    values = [31.0 if x == "p" else x for x in (a, b)]
    assert op(left, right).GetValue() == pytest.approx(op(*values), rel=1e-15)


@pytest.mark.parametrize("name", ["lt", "le", "eq", "ne", "ge", "gt"])
@pytest.mark.parametrize("other", [4.0, 5.0, 6])
def test_comparisons_give_0_or_1(face, name, other):
    op = getattr(operator, name)
    assert op(constant(face, 5.0), other).GetValue() == float(op(5.0, other))
    assert op(other, constant(face, 5.0)).GetValue() == float(op(other, 5.0))


ODD = {
    "plus string": lambda f: f.random.uniform() + "1",
    "plus array": lambda f: f.random.uniform() + np.ones(2),
    "equals none": lambda f: f.random.uniform() == None,  # noqa: E711
    "modulo": lambda f: f.random.uniform() % 2,
    "power of parameter": lambda f: f.random.uniform() ** f.random.uniform(),
    "number to the parameter": lambda f: 2 ** f.random.uniform(),
    "hash": lambda f: hash(f.random.uniform()),
    "constructor": lambda f: f.Parameter(3),
    "unknown type": lambda f: f.CreateParameter("foo", {}),
    "unknown key": lambda f: f.CreateParameter("constant", {"value": 1.0, "x": 3}),
    "missing key": lambda f: f.CreateParameter("constant", {}),
    "text as value": lambda f: constant(f, "a"),
    "specs no dictionary": lambda f: f.CreateParameter("uniform", 3),
    "uniform empty": lambda f: f.random.uniform(1, 1),
    "uniform text": lambda f: f.random.uniform("a"),
    "uniform_int 0": lambda f: f.random.uniform_int(0),
    "uniform_int 2.0": lambda f: f.random.uniform_int(2.0),
    "uniform_int true": lambda f: f.random.uniform_int(True),
    "normal std 0": lambda f: f.random.normal(0, 0),
    "lognormal std -1": lambda f: f.random.lognormal(std=-1),
    "position without dimension": lambda f: f.CreateParameter("position", {}),
    "position -1": lambda f: f.spatial.pos.n(-1),
    "endpoint 3": lambda f: f.CreateParameter("position", {"dimension": 0, "synaptic_endpoint": 3}),
    "distance -1": lambda f: f.spatial.distance.n(-1),
    "distance 1.5": lambda f: f.spatial.distance.n(1.5),
    "value of position": lambda f: f.spatial.pos.x.GetValue(),
    "value of source position": lambda f: f.spatial.source_pos.x.GetValue(),
    "value of distance": lambda f: f.spatial.distance.GetValue(),
    "value of gaussian": lambda f: f.spatial_distributions.gaussian(f.random.uniform()).GetValue(),
    "gaussian of number": lambda f: f.spatial_distributions.gaussian(3.0),
    "exponential beta": lambda f: f.spatial_distributions.exponential(f.spatial.distance, beta=-1.0),
    "exponential beta parameter": lambda f: f.spatial_distributions.exponential(f.spatial.distance, f.random.uniform()),
    "gaussian std": lambda f: f.spatial_distributions.gaussian(f.spatial.distance, std=0.0),
    "gaussian2D rho": lambda f: f.spatial_distributions.gaussian2D(f.spatial.distance, f.spatial.distance, rho=1.0),
    "gaussian2D std": lambda f: f.spatial_distributions.gaussian2D(f.spatial.distance, f.spatial.distance, std_y=-1.0),
    "gamma kappa": lambda f: f.spatial_distributions.gamma(f.spatial.distance, kappa=0.0),
    "gamma theta": lambda f: f.spatial_distributions.gamma(f.spatial.distance, theta=0.0),
    "gabor std": lambda f: f.spatial_distributions.gabor(f.spatial.distance, f.spatial.distance, std=0.0),
    "gabor gamma": lambda f: f.spatial_distributions.gabor(f.spatial.distance, f.spatial.distance, gamma=-1.5),
    "redraw limits": lambda f: f.math.redraw(f.random.uniform(), 2, 1),
    "redraw never": lambda f: f.math.redraw(f.random.uniform(), 2, 3).GetValue(),
    "exp of number": lambda f: f.math.exp(3.0),
    "min of parameters": lambda f: f.math.min(f.random.uniform(), f.random.uniform()),
    "condition true": lambda f: f.logic.conditional(True, 1, 2),
    "conditional text": lambda f: f.logic.conditional(f.random.uniform() < 1, "a", 2),
    "free without dimensions": lambda f: f.spatial.free(f.random.uniform()),
    "free in one dimension": lambda f: f.spatial.free(f.random.uniform(), num_dimensions=1),
    "free, dimensions twice": lambda f: f.spatial.free(f.random.uniform(), extent=[1, 1], num_dimensions=2),
    "free list, dimensions": lambda f: f.spatial.free([[1, 2], [2, 3]], num_dimensions=2),
    "free text": lambda f: f.spatial.free("ab"),
    "free empty": lambda f: f.spatial.free([]),
    "value of positions": lambda f: f.spatial.free(f.random.uniform(), num_dimensions=2).pos.GetValue(),
}


@pytest.mark.parametrize("case", ODD.values(), ids=ODD)
def test_errors_are_of_nests_classes(case):
    theirs, ours = raised(nest, case), raised(OURS, case)
    assert ours is not None and ours[0] == theirs[0]
    if "required" in theirs[1] or theirs[0] in ("BadProperty", "UnaccessedDictionaryEntry", "UndefinedName"):
        assert ours[1].rstrip("0.") == theirs[1].rstrip("0.")


def test_numpy_integers_count_as_numbers():
    assert (constant(OURS, 1.0) + np.int64(2)).GetValue() == 3.0


def test_parameters_cannot_be_changed():
    with pytest.raises(AttributeError):
        random.uniform().value = 3


def test_divisions_by_zero_give_what_floats_give(face):
    zero = constant(face, 0.0)
    assert np.isnan((zero / zero).GetValue())
    assert (zero**-1).GetValue() == np.inf
    assert np.isnan((constant(face, -1.0) ** 0.5).GetValue())


FUNCTIONS = {
    "exp": lambda f, p: f.math.exp(p),
    "sin": lambda f, p: f.math.sin(p),
    "cos": lambda f, p: f.math.cos(p),
    "min": lambda f, p: f.math.min(p, 0.1),
    "max": lambda f, p: f.math.max(p, 0.1),
    "power": lambda f, p: (p + 1) ** 2.5,
    "negative": lambda f, p: -p,
    "difference": lambda f, p: 1 - 1.5 * p,
    "inverse": lambda f, p: 1 / (p + 1),
    "conditional": lambda f, p: f.logic.conditional(p > 0.3, p, -1),
    "redraw": lambda f, p: f.math.redraw(p, -10, 10),
    "along x": lambda f, p: f.spatial.distance.x,
    "along y": lambda f, p: f.spatial.distance.n(2),
    "source": lambda f, p: f.spatial.source_pos.x + 2 * f.spatial.source_pos.n(1),
    "target": lambda f, p: f.spatial.target_pos.y,
    "exponential": lambda f, p: f.spatial_distributions.exponential(p, beta=0.3),
    "gaussian": lambda f, p: f.spatial_distributions.gaussian(p, mean=0.1, std=0.3),
    "gaussian2D": lambda f, p: f.spatial_distributions.gaussian2D(
        f.spatial.target_pos.x - f.spatial.source_pos.x, f.spatial.distance.y, 0.1, 0.2, 0.3, 0.4, 0.5
    ),
    "gamma": lambda f, p: f.spatial_distributions.gamma(p + 0.01, kappa=2.5, theta=0.3),
    "gabor": lambda f, p: f.spatial_distributions.gabor(
        f.spatial.target_pos.x, f.spatial.target_pos.y, theta=30.0, gamma=0.7, std=0.5, lam=0.8, psi=20.0
    ),
}


@pytest.mark.parametrize("edge_wrap", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_space_have_nests_values(name, edge_wrap):
    nest.ResetKernel()
    where = nest.spatial.grid([3, 2], extent=[1.2, 0.8], edge_wrap=edge_wrap)
    source = nest.Create("iaf_psc_alpha", positions=where)[1]
    theirs = FUNCTIONS[name](nest, nest.spatial.distance).apply(source, STEPS.tolist())
    layer = Layer.of(spatial.grid([3, 2], extent=[1.2, 0.8], edge_wrap=edge_wrap), 1, np.random.default_rng(1))
    ours = FUNCTIONS[name](OURS, spatial.distance).apply(Nodes(layer, [1]), STEPS.tolist())
    assert isinstance(ours, tuple) and all(isinstance(x, float) for x in ours)
    np.testing.assert_allclose(ours, theirs, rtol=1e-14, atol=1e-300)


class Nodes:
    """As much of a NodeCollection as the functions of space use."""

    def __init__(self, layer, places):
        self._layer, self._places = layer, np.array(places)
        self._ids = self._places + 1

    def __len__(self):
        return len(self._ids)


@pytest.mark.parametrize("dimension, expected", [("x", 0), ("y", 1)])
def test_positions_of_nodes(dimension, expected):
    nest.ResetKernel()
    nodes = nest.Create("iaf_psc_alpha", positions=nest.spatial.grid([3, 2]))
    layer = Layer.of(spatial.grid([3, 2]), 1, np.random.default_rng(1))
    ours = getattr(spatial.pos, dimension).apply(Nodes(layer, range(6)))
    assert ours == getattr(nest.spatial.pos, dimension).apply(nodes)
    assert ours == tuple(layer.positions[:, expected])


APPLIED = {
    "z in two dimensions": lambda f, n: f.spatial.pos.z.apply(n),
    "distance at nodes": lambda f, n: f.spatial.distance.apply(n),
    "distance z": lambda f, n: f.spatial.distance.z.apply(n[0], [[0.0, 0.0]]),
    "distance 4": lambda f, n: f.spatial.distance.n(4).apply(n[0], [[0.0, 0.0]]),
    "position while connecting": lambda f, n: f.spatial.pos.x.apply(n[0], [[0.0, 0.0]]),
    "several sources": lambda f, n: f.spatial.distance.apply(n, [[0.0, 0.0]]),
    "array": lambda f, n: f.spatial.distance.apply(n[0], np.zeros((1, 2))),
    "flat": lambda f, n: f.spatial.distance.apply(n[0], [1.0, 2.0]),
    "ragged": lambda f, n: f.spatial.distance.apply(n[0], [[1.0, 2.0], [1.0, 2.0, 3.0]]),
    "three dimensions": lambda f, n: f.spatial.distance.apply(n[0], [[1.0, 2.0, 3.0]]),
    "no positions": lambda f, n: f.spatial.distance.apply(n[0], []),
    "no collection": lambda f, n: f.spatial.distance.apply([1]),
}


@pytest.mark.parametrize("case", APPLIED.values(), ids=APPLIED)
def test_errors_of_apply(case):
    nest.ResetKernel()
    nodes = nest.Create("iaf_psc_alpha", positions=nest.spatial.grid([3, 2]))
    layer = Layer.of(spatial.grid([3, 2]), 1, np.random.default_rng(1))
    theirs = raised(nest, lambda f: case(f, nodes))
    ours = raised(OURS, lambda f: case(f, Sliceable(layer, range(6))))
    assert ours is not None and ours[0] == theirs[0]


class Sliceable(Nodes):
    def __getitem__(self, place):
        return Sliceable(self._layer, [self._places[place]])


DISTRIBUTIONS = {
    "uniform": (lambda: random.uniform(-1.3, 2.7), stats.uniform(-1.3, 4.0)),
    "normal": (lambda: random.normal(2.3, 1.7), stats.norm(2.3, 1.7)),
    "lognormal": (lambda: random.lognormal(1.7, 0.9), stats.lognorm(0.9, 0.0, np.exp(1.7))),
    "exponential": (lambda: random.exponential(0.3), stats.expon(0.0, 0.3)),
    "redraw": (lambda: math.redraw(random.normal(), -0.5, 1.0), stats.truncnorm(-0.5, 1.0)),
}


@pytest.mark.parametrize("make, law", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_distributions(make, law):
    drawn = make().draw(Context(4000, np.random.default_rng(5)))
    assert drawn.shape == (4000,) and drawn.dtype == np.float64
    assert stats.kstest(drawn, law.cdf).pvalue > 0.01


def test_uniform_int_takes_each_value_equally_often():
    drawn = random.uniform_int(5).draw(Context(5000, np.random.default_rng(5)))
    counts = np.bincount(drawn.astype(int))
    assert len(counts) == 5 and stats.chisquare(counts).pvalue > 0.01


def test_each_random_leaf_draws_for_itself():
    u = random.uniform()
    assert np.abs((u - u).draw(Context(10, np.random.default_rng(1)))).min() > 0


def test_only_the_chosen_branch_is_drawn():
    never = math.redraw(random.uniform(), 2.0, 3.0)
    chosen = logic.conditional(constant(OURS, 1.0), 7.0, never)
    assert (chosen.draw(Context(3, np.random.default_rng(1))) == 7.0).all()


SPATIAL = {
    "uniform": lambda f: f.random.uniform(),
    "distance": lambda f: f.spatial.distance,
    "product": lambda f: f.random.uniform() * f.spatial.distance,
    "comparison": lambda f: f.spatial.distance < 3,
    "gaussian of random": lambda f: f.spatial_distributions.gaussian(f.random.uniform()),
    "conditional": lambda f: f.logic.conditional(f.random.uniform() < 0.5, f.spatial.pos.x, 1),
    "redraw": lambda f: f.math.redraw(f.random.uniform(), 0, 1),
    "positions": lambda f: f.spatial.free(f.random.uniform(), num_dimensions=2).pos,
}


@pytest.mark.parametrize("case", SPATIAL.values(), ids=SPATIAL)
def test_is_spatial(case):
    assert case(OURS).is_spatial() is case(nest).is_spatial()


def test_which_parameters_are_integers():
    whole = random.uniform_int(4)
    for parameter in (whole, whole + 1, whole * 2, whole < 2, constant(OURS, 3.0), math.min(whole, 3), whole**2):
        assert parameter.returns_int_only()
    for parameter in (whole * 0.5, random.uniform(), math.exp(whole), math.max(whole, 0.5), constant(OURS, 0.5)):
        assert not parameter.returns_int_only()


def test_values_of_specifications_become_parameters():
    assert as_parameter(2).draw(Context(1, np.random.default_rng(1))) == 2.0
    assert as_parameter({"constant": {"value": 3.0}}).draw(Context(1, np.random.default_rng(1))) == 3.0
    for value in (True, "a", [1.0], {"constant": {}, "uniform": {}}):
        with pytest.raises(NESTErrors.BadProperty):
            as_parameter(value)
