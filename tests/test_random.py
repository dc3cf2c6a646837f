"""Counter-based random numbers: known answers, distributions, independence, derivatives; all deterministic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxnest.events import random

N = 50_000
KEY = (0, 1234)


@pytest.fixture(params=[False, True], ids=["float32", "float64"])
def dtype(request):
    with jax.enable_x64(request.param), jax.numpy_rank_promotion("raise"):
        yield jnp.float64 if request.param else jnp.float32


def _key():
    return jnp.array(KEY, jnp.uint32)


def _words(*integers):
    return (jnp.uint32(i) for i in integers)


@pytest.mark.parametrize(
    "key, counter, answer",
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_known_answers(key, counter, answer):
    assert tuple(int(word) for word in random.threefry2x32(*_words(*key), *_words(*counter))) == answer


def test_bits_is_two_blocks():
    k0, k1 = random.threefry2x32(*_words(*KEY), *_words(7, 3))
    expected = random.threefry2x32(k0, k1, *_words(42, 99))
    assert [int(x) for x in random.bits(_key(), 7, 99, 42, 3)] == [int(x) for x in expected]


@pytest.mark.parametrize("seed, words", [(0, (0, 0)), (5, (0, 5)), (2**64 - 1, (2**32 - 1,) * 2), (3 << 32, (3, 0))])
def test_key_from_seed(seed, words):
    key = random.key_from_seed(seed)
    assert key.dtype == jnp.uint32 and tuple(key.tolist()) == words


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_out_of_range(seed):
    with pytest.raises(ValueError, match=str(seed)):
        random.key_from_seed(seed)


@pytest.mark.parametrize(
    "draw",
    [
        lambda *a: random.uniform(_key(), *a),
        lambda *a: random.normal(_key(), *a),
        lambda *a: random.bernoulli(0.5, _key(), *a),
        lambda *a: random.poisson(random.poisson_table(9.0), _key(), *a),
    ],
    ids=["uniform", "normal", "bernoulli", "poisson"],
)
def test_only_identity_counts(draw):
    """Any subset, order, shape, vmap or loop gives an ident its own number."""
    ident = jnp.arange(1000)
    draw = jax.jit(draw)
    whole = np.asarray(draw(1, 17, ident))
    others = {
        "subset": (draw(1, 17, ident[::-7]), whole[::-7]),
        "shape": (draw(1, jnp.int32(17), ident.reshape(10, 100)), whole.reshape(10, 100)),
        "vmap": (jax.vmap(draw, (None, None, 0))(1, 17, ident), whole),
        "loop": (jax.lax.map(lambda step: draw(1, step, ident), jnp.arange(16, 18))[1], whole),
    }
    for name, (other, expected) in others.items():
        # log and cos may round differently in another fusion.
        np.testing.assert_allclose(other, expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_uniform(dtype):
    u = random.uniform(_key(), 0, 5, jnp.arange(N))
    assert u.dtype == dtype and u.min() >= 0 and u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert random.uniform(_key(), 0, 5, jnp.arange(3), dtype=jnp.float32).dtype == jnp.float32
    resolution = 2.0 ** (53 if dtype == jnp.float64 else 24)
    assert np.all(np.asarray(u, np.float64) * resolution % 1 == 0)


def test_normal(dtype):
    z = random.normal(_key(), 0, 5, jnp.arange(N))
    assert z.dtype == dtype and np.all(np.isfinite(z))
    z = np.asarray(z, np.float64)
    assert stats.kstest(z, "norm").pvalue > 1e-3
    assert abs(z.mean()) < 4 / np.sqrt(N) and abs(z.var() - 1) < 4 * np.sqrt(2 / N)
    assert abs((z**4).mean() - 3) < 4 * np.sqrt(96 / N)
    assert 4 < np.abs(z).max() < 6.8


@pytest.mark.parametrize("p", [0.0, 1e-3, 0.3, 0.999, 1.0])
def test_bernoulli(dtype, p):
    hits = random.bernoulli(p, _key(), 0, 5, jnp.arange(N))
    assert hits.dtype == bool and abs(int(hits.sum()) - p * N) <= 4 * np.sqrt(p * (1 - p) * N)


def test_bernoulli_of_arrays_and_of_nothing_sensible(dtype):
    p = jnp.asarray([[0.0, 1.0, -1.0, 2.0, jnp.nan]])
    hits = random.bernoulli(p, _key(), 0, 5, jnp.arange(1000)[:, None] * jnp.ones((1, 5), int))
    assert hits.sum(0).tolist() == [0, 1000, 0, 1000, 0]


@pytest.mark.parametrize("lam", [0.0, 0.01, 0.7, 2.0, 4.0, 4.1, 37.5])
def test_poisson(dtype, lam):
    count = random.poisson(random.poisson_table(lam), _key(), 0, 5, jnp.arange(N))
    assert count.dtype == dtype
    count = np.asarray(count, np.float64)
    if lam == 0:
        assert not count.any()
        return
    assert abs(count.mean() - lam) < 4 * np.sqrt(lam / N)
    assert abs(count.var() - lam) < 4 * np.sqrt((lam + 2 * lam**2) / N)
    values = np.arange(int(stats.poisson.ppf(1 - 1e-12, lam)) + 2)
    expected = N * stats.poisson.pmf(values, lam)
    observed = np.bincount(count.astype(int), minlength=len(values))
    common = expected > 5
    pool = lambda x: np.append(x[common], x[~common].sum())  # noqa: E731
    expected, observed = pool(expected), pool(observed)
    expected *= observed.sum() / expected.sum()
    assert stats.chisquare(observed, expected).pvalue > 1e-3


@pytest.mark.parametrize("lam", [1e-3, 0.1, 1.0, 2.0, 4.0])
def test_poisson_thresholds(dtype, lam):
    thresholds = np.asarray(random.poisson_table(lam).thresholds, np.float64)
    exact = stats.poisson.sf(np.arange(len(thresholds)), np.asarray(lam, dtype).astype(np.float64)) * 2.0**32
    relative = 1e-6 if dtype == jnp.float32 else 0
    assert np.all(np.abs(thresholds - exact) <= 0.51 + relative * exact)
    assert stats.poisson.sf(len(thresholds) - 1, lam) < 2.0**-32


def test_poisson_of_many_means_at_once(dtype):
    lam = jnp.asarray([0.0, 0.5, 3.0, 20.0, -1.0, jnp.nan, jnp.inf])
    ident = jnp.arange(2000)[:, None] * 7 + jnp.arange(7)[None, :]
    draw = jax.jit(lambda lam: random.poisson(random.poisson_table(lam[None, :]), _key(), 0, 5, ident))
    count = np.asarray(draw(lam))
    assert np.all(np.isnan(count[:, 4:]))
    assert np.all(np.abs(count.mean(0) - lam)[:4] <= 4 * np.sqrt(np.asarray(lam)[:4] / 2000))
    # A mean's counts do not depend on what else is in the table.
    alone = random.poisson(random.poisson_table(lam[2]), _key(), 0, 5, ident[:, 2])
    np.testing.assert_array_equal(alone, count[:, 2])


def _correlation(a, b):
    return abs(np.corrcoef(np.asarray(a, np.float64), np.asarray(b, np.float64))[0, 1])


@pytest.mark.parametrize("distribution", ["uniform", "normal", "poisson"])
def test_independence(dtype, distribution):
    ident = jnp.arange(N)
    table = random.poisson_table(2.0)
    if distribution == "poisson":
        draw = lambda *a: random.poisson(table, *a)  # noqa: E731
    else:
        draw = getattr(random, distribution)
    reference = draw(_key(), 0, 5, ident, 0)
    others = {
        "next ident": draw(_key(), 0, 5, ident + 1, 0),
        "next step": draw(_key(), 0, 6, ident, 0),
        "next stream": draw(_key(), 1, 5, ident, 0),
        "next draw": draw(_key(), 0, 5, ident, 1),
        "next seed": draw(random.key_from_seed(KEY[1] + 1), 0, 5, ident, 0),
    }
    for name, other in others.items():
        assert _correlation(reference, other) < 4 / np.sqrt(N), name
    assert _correlation(others["next stream"], others["next draw"]) < 4 / np.sqrt(N)
    # One ident over time.
    series = draw(_key(), 0, jnp.arange(N), jnp.full(N, 3), 0)
    for lag in (1, 2, 10):
        assert _correlation(series[:-lag], series[lag:]) < 4 / np.sqrt(N)


def test_words_are_balanced():
    for word in random.bits(_key(), 0, 5, jnp.arange(N)):
        ones = ((np.asarray(word)[:, None] >> np.arange(32, dtype=np.uint32)) & 1).sum(0)
        assert np.all(np.abs(ones - N / 2) < 4.5 * np.sqrt(N) / 2)
    first, second = random.bits(_key(), 0, 5, jnp.arange(N))
    assert _correlation(first, second) < 4 / np.sqrt(N)
    assert len(np.unique(first)) > N - 10


def test_poisson_derivative():
    ident = jnp.arange(6)

    @jax.jit
    def total(lam):
        return random.poisson(random.poisson_table(lam), _key(), 0, 5, ident).sum()

    lam = jnp.asarray([0.0, 0.1, 2.0, 4.0, 5.0, 50.0])
    assert jax.grad(total)(lam).tolist() == [1.0] * 6
    assert float(jax.grad(total)(3.0)) == 6.0
    assert jax.vmap(jax.grad(total))(lam).tolist() == [6.0] * 6
    assert float(jax.jvp(total, (2.0,), (0.5,))[1]) == 3.0

    def over_time(lam):
        table = random.poisson_table(lam)
        step = lambda total, t: (total + random.poisson(table, _key(), 0, t, ident).sum(), None)  # noqa: E731
        return jax.lax.scan(step, 0.0 * lam, jnp.arange(10))[0]

    assert float(jax.jit(jax.grad(over_time))(7.0)) == 60.0
    table = random.poisson_table(7.0)
    at_once = random.poisson(table, _key(), 0, jnp.arange(10)[:, None], ident[None, :])
    assert float(over_time(7.0)) == float(at_once.sum())
