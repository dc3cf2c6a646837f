"""Reading and writing rows: values, derivatives, batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxnest.events import ring

ARRAY = jnp.arange(24.0).reshape(4, 6)
VALUES = jnp.array([100.0, 200.0, 300.0])


def test_what_is_read_and_written():
    np.testing.assert_array_equal(ring.read(ARRAY, 2, 1, 3), ARRAY[2, 1:4])
    np.testing.assert_array_equal(ring.add(ARRAY, VALUES, 2, 1), ARRAY.at[2, 1:4].add(VALUES))
    np.testing.assert_array_equal(ring.put(ARRAY, VALUES, 2, 1), ARRAY.at[2, 1:4].set(VALUES))


FUNCTIONS = {
    "read": lambda array, values, row: ring.read(array, row, 1, 3) ** 2 * values,
    "add": lambda array, values, row: ring.add(array**2, values, row, 1) ** 2,
    "put": lambda array, values, row: ring.put(array**2, values**2, row, 1) ** 2,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_all_modes(name):
    check_grads(jax.jit(lambda a, v: FUNCTIONS[name](a, v, 2)), (ARRAY / 10, VALUES / 100), order=2, rtol=2e-2)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("axes", [(0, None, None), (None, 0, None), (1, 1, None), (0, 0, 0), (None, None, 0)])
def test_batches(name, axes):
    """Also of members that are at steps of their own, and the gradients of a batch."""
    shapes = [np.moveaxis(np.stack([x, x + 1.0, x * 2.0]), 0, a or 0) for x, a in zip((ARRAY, VALUES), axes, strict=False)]
    given = [s if a is not None else x for s, x, a in zip(shapes, (ARRAY, VALUES), axes, strict=False)]
    rows = jnp.array([2, 0, 3]) if axes[2] == 0 else jnp.array(2)

    def whole(function):
        return lambda array, values, row: jax.grad(lambda a, v: function(a, v, row).sum(), (0, 1))(array, values)

    plain = {
        "read": lambda array, values, row: array[row, 1:4] ** 2 * values,
        "add": lambda array, values, row: (array**2).at[row, 1:4].add(values) ** 2,
        "put": lambda array, values, row: (array**2).at[row, 1:4].set(values**2) ** 2,
    }[name]
    for wrap in (lambda f: f, whole):
        got = jax.vmap(wrap(FUNCTIONS[name]), axes)(*map(jnp.asarray, given), rows)
        expected = jax.vmap(wrap(plain), axes)(*map(jnp.asarray, given), rows)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, expected)


def test_a_batch_at_one_step_needs_no_gather():
    text = str(jax.make_jaxpr(jax.vmap(lambda a: ring.read(a, 1, 0, 6)))(jnp.zeros((3, 4, 6))))
    assert "gather" not in text
    lowered = jax.jit(jax.vmap(jax.grad(lambda a, i: (ring.read(a, i, 0, 6) ** 2).sum()), (0, None))).lower(
        jnp.zeros((3, 4, 6)), 1
    )
    assert "gather" not in lowered.as_text() and "scatter" not in lowered.as_text()
