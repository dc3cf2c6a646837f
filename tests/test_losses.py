"""Losses and distances: against plain NumPy, in limits that are known, and their gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn
from jaxnest.learning import distances, losses

H = 0.5


def trains(seed, n_steps=60, n=4, p=0.08):
    """Spikes (n_steps, n) of which one neuron's are none."""
    spikes = (np.random.default_rng(seed).random((n_steps, n)) < p).astype(float)
    spikes[:, -1] = 0
    return spikes


def numeric(f, x, eps=1e-6):
    """The gradient of f at an array x by central differences; f is mapped over all moved arrays at once."""
    moves = eps * np.eye(x.size).reshape(x.size, *x.shape)
    values = [np.asarray(jax.jit(jax.vmap(f))(x + sign * moves)) for sign in (1, -1)]
    return ((values[0] - values[1]) / (2 * eps)).reshape(x.shape)


def cross_entropy(logits, label):
    return -logits[label] + np.log(np.exp(logits - logits.max()).sum()) + logits.max()


# --- classification ---------------------------------------------------------------------------------------------------


def test_first_spike_times_and_their_gradient(x64):
    spikes = trains(0)
    expected = [H * (np.flatnonzero(c)[0] + 1 if c.any() else len(c) + 1) for c in spikes.T]
    np.testing.assert_allclose(losses.first_spike_times(spikes, H), expected)
    np.testing.assert_allclose(losses.first_spike_times(3 * spikes, H), expected)  # multiplicities
    weights = np.arange(1.0, 5.0)

    def loss(s):
        return (losses.first_spike_times(s, H) * weights).sum()

    # a polynomial in the spikes, so that finite differences hold where spikes are 0 and 1
    def product(s):
        return (weights * H * (1 + jnp.cumprod(1 - s, axis=0).sum(0))).sum()

    gradient = np.asarray(jax.grad(loss)(jnp.asarray(spikes)))
    np.testing.assert_allclose(gradient, numeric(product, spikes), atol=1e-6)
    assert (gradient <= 0).all() and (gradient[:, -1] < 0).all(), "a spike more is never later; a silent neuron has a gradient"


def test_cross_entropies_against_numpy(x64):
    spikes, V = trains(1), np.random.default_rng(2).normal(-60.0, 3.0, (60, 4))
    times = np.array([3.0, np.inf, 1.5, 9.0])
    for label in range(4):
        assert losses.cross_entropy_of_counts(spikes, label, 0.5) == pytest.approx(cross_entropy(0.5 * spikes.sum(0), label))
        assert losses.cross_entropy_of_maxima(V, label, 0.2) == pytest.approx(cross_entropy(0.2 * V.max(0), label))
        finite = np.where(np.isinf(times), 20.0, times)
        plain = cross_entropy(-finite / 2.0, label)
        assert losses.cross_entropy_of_times(times, label, tau=2.0, silent=20.0) == pytest.approx(plain)
        more = plain + 0.1 * np.expm1(finite[label] / 5.0)
        got = losses.cross_entropy_of_times(times, label, tau=2.0, silent=20.0, early=0.1, tau_early=5.0)
        assert got == pytest.approx(more)
        first = np.asarray(losses.first_spike_times(spikes, H))
        got = losses.cross_entropy_of_first_spikes(spikes, label, h=H, tau=2.0)
        assert got == pytest.approx(cross_entropy(-first / 2.0, label))
    gradient = jax.grad(lambda t: losses.cross_entropy_of_times(t, 0, tau=2.0, silent=20.0))(jnp.asarray(times))
    assert np.isfinite(gradient).all() and gradient[1] == 0 and gradient[0] > 0 > gradient[2]


def test_losses_are_mapped_over_a_batch():
    spikes = np.stack([trains(seed) for seed in range(3)]).astype(np.float32)
    labels = np.array([2, 0, 1])
    for loss in (losses.cross_entropy_of_counts, losses.cross_entropy_of_maxima):
        each = [loss(s, y) for s, y in zip(spikes, labels, strict=True)]
        np.testing.assert_allclose(jax.jit(jax.vmap(loss))(spikes, labels), each, rtol=1e-5)
    got = jax.vmap(lambda s: distances.van_rossum(s, spikes[0], 5.0, H))(spikes)
    assert got.shape == (3, 4) and (np.asarray(got[0]) == 0).all()


# --- rates, synchrony, traces -----------------------------------------------------------------------------------------


def test_rates_targets_and_bounds(x64):
    spikes = trains(3)
    rate = spikes.mean(0) / H * 1e3
    np.testing.assert_allclose(losses.rates(spikes, H), rate)
    assert losses.rate_target(spikes, 20.0, H) == pytest.approx(((rate - 20.0) ** 2).mean())
    assert losses.rate_target(spikes, 20.0, H, population=True) == pytest.approx((rate.mean() - 20.0) ** 2)
    bounds = np.maximum(100.0 - rate, 0) ** 2 + np.maximum(rate - 150.0, 0) ** 2
    assert losses.rate_bounds(spikes, H, low=100.0, high=150.0) == pytest.approx(bounds.mean())
    assert losses.rate_bounds(spikes, H, low=0.0, high=rate.mean() + 1, population=True) == 0
    gradient = jax.grad(lambda s: losses.rate_bounds(s, H, low=10.0))(jnp.asarray(spikes))
    assert (gradient[:, -1] < 0).all() and (gradient[:, rate > 10] == 0).all(), "silent neurons are to fire"
    with pytest.raises(jn.ConfigurationError, match="low"):
        losses.rate_bounds(spikes, H, low=5.0, high=1.0)


def test_synchrony_of_equal_and_of_independent_neurons(x64):
    rng = np.random.default_rng(4)
    n, signals = 50, rng.normal(size=(20_000, 50))
    assert losses.synchrony(np.repeat(signals[:, :1], n, axis=1)) == pytest.approx(1.0)
    assert losses.synchrony(signals) == pytest.approx(1 / n, rel=0.1)
    assert losses.synchrony(np.zeros((10, 3))) == 0
    spikes = trains(5, n_steps=63)
    counts = spikes[:60].reshape(15, 4, 4).sum(1)
    np.testing.assert_array_equal(losses.binned(spikes, 2.0, H), counts)
    chi2 = counts.mean(1).var() / counts.var(0).mean()
    assert losses.synchrony_target(spikes, 0.1, H, width=2.0) == pytest.approx((chi2 - 0.1) ** 2)
    gradient = jax.grad(lambda s: losses.synchrony_target(s, 0.1, H, width=2.0))
    np.testing.assert_allclose(gradient(jnp.asarray(spikes)), numeric(lambda s: losses.synchrony_target(s, 0.1, H, width=2.0), spikes), atol=1e-7)  # fmt: skip
    assert np.isfinite(gradient(jnp.zeros((8, 3)))).all()
    for width in (0.7, 1000.0):
        with pytest.raises(jn.ConfigurationError, match="width"):
            losses.binned(spikes, width, H)


def test_trace_loss_away_from_spikes(x64):
    rng = np.random.default_rng(6)
    V, target = rng.normal(size=(2, 60, 4))
    a, b = trains(7), trains(8)
    weight = np.ones((60, 4))
    for spikes in (a, b):
        for k, j in zip(*np.nonzero(spikes), strict=True):
            weight[max(k - 2, 0) : k + 4, j] = 0.25  # 1 ms before, 1.5 ms after
    got = losses.away_from_spikes(a, b, h=H, before=1.0, after=1.5, inside=0.25)
    np.testing.assert_array_equal(got, weight)
    assert losses.trace_loss(V, target, weight) == pytest.approx((weight * (V - target) ** 2).sum() / weight.sum())
    assert losses.trace_loss(V, target) == pytest.approx(((V - target) ** 2).mean())
    assert losses.trace_loss(V, target, 0 * weight) == 0
    target[weight < 1] = np.nan  # what was not recorded
    zero = losses.away_from_spikes(a, b, h=H, before=1.0, after=1.5)
    gradient = jax.grad(lambda V: losses.trace_loss(V, target, zero))(jnp.asarray(V))
    assert np.isfinite(gradient).all()
    moved = jax.grad(lambda s: losses.trace_loss(V, V + 1.0, losses.away_from_spikes(s, h=H)))(jnp.asarray(a))
    assert (moved == 0).all(), "weights are constants"
    with pytest.raises(jn.ConfigurationError, match="shape"):
        losses.away_from_spikes(a, a[:5], h=H)


# --- distances --------------------------------------------------------------------------------------------------------


def times_of(spikes):
    return [H * (1 + np.flatnonzero(c)) for c in spikes.T]


def van_rossum_by_pairs(u, v, tau):
    def pairs(x, y):
        return sum(np.exp(-abs(s - t) / tau) for s, t in itertools.product(x, y))

    return pairs(u, u) + pairs(v, v) - 2 * pairs(u, v)


@pytest.mark.parametrize("tau", [0.3, 5.0, 200.0])
def test_van_rossum_on_the_grid_is_the_sum_over_pairs(tau, x64):
    a, b = trains(9), trains(10)
    expected = [van_rossum_by_pairs(u, v, tau) for u, v in zip(times_of(a), times_of(b), strict=True)]
    np.testing.assert_allclose(distances.van_rossum(a, b, tau, H), expected, rtol=1e-10, atol=1e-12)
    padded = [np.concatenate([t, np.full(20 - len(t), np.inf)]) for t in (*times_of(a), *times_of(b))]
    got = [distances.van_rossum_of_times(padded[i], padded[i + 4], tau) for i in range(4)]
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


def test_van_rossum_gradients(x64):
    a, b = jnp.asarray(trains(11)), trains(12)
    gradient = jax.grad(lambda s: distances.van_rossum(s, b, 5.0, H).mean())(a)
    np.testing.assert_allclose(gradient, numeric(lambda s: distances.van_rossum(s, b, 5.0, H).mean(), np.asarray(a)), atol=1e-7)
    slope = jax.grad(lambda tau: distances.van_rossum(a, b, tau, H).sum())(5.0)
    up, down = (distances.van_rossum(a, b, tau, H).sum() for tau in (5.001, 4.999))
    assert slope == pytest.approx(float((up - down) / 0.002), rel=1e-5)
    u, v = np.array([3.0, 8.0, np.inf]), np.array([4.0, 20.0, 21.0])
    times = jax.grad(lambda u: distances.van_rossum_of_times(u, v, 5.0))(jnp.asarray(u))
    expected = [
        (van_rossum_by_pairs(u[:2] + d, v, 5.0) - van_rossum_by_pairs(u[:2] - d, v, 5.0)) / 2e-6 for d in 1e-6 * np.eye(2)
    ]
    np.testing.assert_allclose(times, [*expected, 0.0], rtol=1e-6)
    assert np.asarray(distances.van_rossum(a, a, 5.0, H)).max() == 0


def cheapest(u, v, cost):
    """Victor-Purpura by trying every way to pair spikes in order."""
    best = len(u) + len(v)
    for k in range(1, min(len(u), len(v)) + 1):
        for x in itertools.combinations(u, k):
            for y in itertools.combinations(v, k):
                best = min(best, len(u) + len(v) - 2 * k + cost * sum(abs(s - t) for s, t in zip(x, y, strict=True)))
    return best


@pytest.mark.parametrize("cost", [0.05, 0.25, 1.0, 10.0])
def test_victor_purpura_is_the_cheapest_way(cost, x64):
    a, b = trains(20, n=12), trains(30, n=12)
    pairs = list(zip(times_of(a), times_of(b), strict=True))
    expected = [cheapest(u, v, cost) for u, v in pairs]
    np.testing.assert_allclose([distances.victor_purpura(u, v, cost) for u, v in pairs], expected, rtol=1e-12)
    np.testing.assert_allclose(distances.victor_purpura_on_grid(jnp.asarray(a), b, cost, H), expected, rtol=1e-9)


def test_victor_purpura_in_its_limits():
    u, v = np.array([1.0, 5.0, 9.0]), np.array([5.0, 6.0])
    assert distances.victor_purpura(u, v, 0.0) == 1
    assert distances.victor_purpura(u, v, np.inf) == 3
    assert distances.victor_purpura(u, [], 1.0) == 3
    with pytest.raises(jn.ConfigurationError, match="victor_purpura_on_grid"):
        jax.grad(lambda u: distances.victor_purpura(u, v, 1.0))(jnp.asarray(u))
    with pytest.raises(jn.ConfigurationError, match="cost"):
        distances.victor_purpura(u, v, -1.0)
    with pytest.raises(jn.ConfigurationError, match="bins"):
        distances.victor_purpura_on_grid(jnp.zeros((5, 1)), jnp.zeros((5, 1)), 1e-3, 0.1)


def test_gradient_of_victor_purpura_on_the_grid(x64):
    """It is convex in the spikes, so its derivative is a subgradient; where it is smooth, finite differences agree."""
    rng = np.random.default_rng(13)
    a, b = jnp.asarray(trains(14)), trains(15)

    def to(b):
        return lambda s: distances.victor_purpura_on_grid(s, b, 0.25, H).sum()

    distance = jax.jit(to(b))
    at, gradient = jax.value_and_grad(distance)(a)
    assert np.abs(gradient).max() <= 1 + 1e-12
    for _ in range(20):
        other = jnp.asarray((rng.random(a.shape) < rng.uniform(0, 0.2)).astype(float))
        assert distance(other) >= at + (gradient * (other - a)).sum() - 1e-9
    smooth = jnp.asarray(rng.random((12, 2)))
    distance = to(rng.random((12, 2)))
    np.testing.assert_allclose(jax.grad(distance)(smooth), numeric(distance, np.asarray(smooth)), atol=1e-6)
    lone, target = np.zeros((2, 20, 1))
    lone[10], target[12] = 1, 1
    moved, pull = jax.value_and_grad(to(target))(jnp.asarray(lone))
    assert moved == pytest.approx(0.25)
    pull = np.asarray(pull)[:, 0]
    assert pull[12] < pull[11] < pull[10], "descent moves the spike towards its partner"


def test_coincidence_factor():
    b = np.arange(10.0, 1000.0, 50.0)
    assert distances.coincidence_factor(b, b, 1000.0) == pytest.approx(1.0)
    assert distances.coincidence_factor(b + 3.9, b, 1000.0) == pytest.approx(1.0)
    assert distances.coincidence_factor(b + 4.1, b, 1000.0) < 0
    rng = np.random.default_rng(16)
    chance = [distances.coincidence_factor(rng.uniform(0, 1000, 20), b, 1000.0) for _ in range(300)]
    assert abs(np.mean(chance)) < 0.03
    assert np.isnan(distances.coincidence_factor([], [], 1000.0))
    with pytest.raises(jn.ConfigurationError, match="wide"):
        distances.coincidence_factor(b, b, 100.0)
