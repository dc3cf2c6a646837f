"""`jaxnest.learning.fit`: checkpoints that resume bit-equal, and faults."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxnest as jn
from jaxnest.learning import FitError, dale, minibatches, positive
from tests.fitting import cells, quiet, towards


@pytest.fixture(scope="module")
def program():
    return cells()


PATHS = {"exc.tau_m": positive, "exc->inh.weight": dale, "exc.I_e": (0.0, 500.0)}
DATA = np.random.default_rng(0).random((12, 4)).astype(np.float32)
SOURCES = {
    "function": lambda: minibatches(DATA, 3, seed=1),
    "list": lambda: [DATA[i : i + 3] for i in range(7)],
    "iterable": lambda: dict(enumerate(DATA)).values(),
    "generator": lambda: (DATA[i : i + 2] for i in range(9) for _ in range(4)),
}


def long_fit(program, folder, batches, steps=20, **options):
    loss = towards(program, exc__tau_m=14.0, **{"exc->inh__weight": 45.0, "exc__I_e": 130.0})
    options = {"checkpoint_every": 5, "optimiser": optax.adam(optax.cosine_decay_schedule(0.1, 20)), **options}

    def validate(params, key):
        return loss(params, key, None)[0]

    return quiet(
        program,
        loss,
        PATHS,
        steps=steps,
        batches=batches,
        seed=11,
        validate=validate,
        validate_every=3,
        checkpoint=folder,
        **options,
    )


def check_equal(a, b):
    for x, y in zip(jax.tree.leaves((a.params, a.best)), jax.tree.leaves((b.params, b.best)), strict=True):
        np.testing.assert_array_equal(x, y)
    for x, y in zip(jax.tree.leaves(vars(a.history)), jax.tree.leaves(vars(b.history)), strict=True):
        np.testing.assert_array_equal(x, y, strict=True)
    assert (a.step, a.best_step, a.best_value, a.stopped) == (b.step, b.best_step, b.best_value, b.stopped)


@pytest.mark.parametrize("source", ["list", "generator"])
def test_a_fit_that_was_interrupted_goes_on_bit_for_bit(program, tmp_path, source):
    whole = long_fit(program, None, SOURCES[source]())
    assert len(whole.history.loss) == 20 and whole.history.loss[-1] < whole.history.loss[0]

    def interrupt(progress):
        if progress.step == 13:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        long_fit(program, tmp_path / "fit", SOURCES[source](), callback=interrupt)
    assert sorted(p.name for p in (tmp_path / "fit").iterdir()) == ["10", "5"]
    check_equal(long_fit(program, tmp_path / "fit", SOURCES[source](), resume=True), whole)
    seen = []
    again = long_fit(program, tmp_path / "fit", SOURCES[source](), resume=True, callback=seen.append)
    check_equal(again, whole)
    assert not seen


@pytest.mark.slow
def test_a_fit_may_be_prolonged_and_begins_anew_where_there_is_nothing(program, tmp_path):
    short = long_fit(program, tmp_path, SOURCES["iterable"](), steps=8, resume=True)
    assert short.step == 8
    check_equal(long_fit(program, tmp_path, SOURCES["iterable"](), resume=True), long_fit(program, None, SOURCES["iterable"]()))


@pytest.mark.slow
def test_a_killed_process_goes_on_bit_for_bit(program, tmp_path):
    code = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        import tests.conftest
        from tests.test_fit_checkpoints import SOURCES, cells, long_fit
        def kill(progress):
            if progress.step == 13:
                os.kill(os.getpid(), signal.SIGKILL)
        long_fit(cells(), {str(tmp_path / "fit")!r}, SOURCES["function"](), callback=kill)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env={**os.environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    resumed = long_fit(program, tmp_path / "fit", SOURCES["function"](), resume=True)
    check_equal(resumed, long_fit(program, None, SOURCES["function"]()))


def test_a_checkpoint_of_another_fit_is_refused(program, tmp_path):
    loss = towards(program, exc__tau_m=12.0)
    common = {"steps": 2, "checkpoint": tmp_path}
    quiet(program, loss, ["exc.tau_m"], **common)
    with pytest.raises(jn.ConfigurationError, match=r"has a fit of 2 steps; go on with resume=True"):
        quiet(program, loss, ["exc.tau_m"], **common)
    common["resume"] = True
    with pytest.raises(jn.ConfigurationError, match=r"seed=0, this fit 1"):
        quiet(program, loss, ["exc.tau_m"], seed=1, **common)
    with pytest.raises(jn.ConfigurationError, match=r"it has parameters="):
        quiet(program, loss, ["exc.C_m"], **common)
    with pytest.raises(jn.ConfigurationError, match=r"other parameters at the start"):
        quiet(program, loss, ["exc.tau_m"], params=program.set(program.params, {"inh.C_m": 200.0}), **common)
    with pytest.raises(jn.ConfigurationError, match=r"the optimiser has arrays"):
        quiet(program, loss, ["exc.tau_m"], optimiser=optax.sgd(0.1), **common)


def test_without_orbax_the_mend_is_told(program, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    with pytest.raises(jn.ConfigurationError, match=r"pip install 'jaxnest\[learn\]'"):
        quiet(program, towards(program, exc__tau_m=12.0), ["exc.tau_m"], steps=1, checkpoint=tmp_path)


# --- faults ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["loss", "gradient", "update"])
def test_what_is_not_finite_stops_it_with_the_last_good_state(program, tmp_path, kind):
    def loss(params, key, batch):
        tau, current = (program.get(params, f"exc.{name}").mean() for name in ("tau_m", "I_e"))
        factor = jnp.where(batch == 7, {"loss": jnp.nan, "gradient": 0.0, "update": 1e30}[kind], 1.0)
        return tau**2 + (jnp.sqrt(factor * current) if kind == "gradient" else factor * current), {"batch": batch}

    options = {"batches": lambda step: step}
    if kind == "update":
        options["optimiser"] = optax.sgd(optax.piecewise_constant_schedule(1e-6, {7: 1e36}))
    with pytest.raises(FitError) as caught:
        quiet(program, loss, ["exc.tau_m", "exc.I_e"], steps=20, checkpoint=tmp_path, checkpoint_every=5, **options)
    error, message = caught.value, str(caught.value)
    assert (
        error.step == 7
        and "step 7 (of 20)" in message
        and error.checkpoint == tmp_path / "7"
        and str(tmp_path / "7") in message
    )
    assert ("the loss is nan" in message) == (kind == "loss")
    assert error.paths == ("exc.I_e",) and "not finite for exc.I_e" in message
    good = quiet(program, loss, ["exc.tau_m", "exc.I_e"], steps=7, **options)
    assert error.result.stopped == "failed" and good.step == error.result.step == 7
    for path, values in good.values.items():
        np.testing.assert_array_equal(error.result.values[path], values)
    np.testing.assert_array_equal(error.result.history.loss, good.history.loss)
    if kind != "loss":
        return
    mended = {**options, "batches": lambda step: step + 100}
    r = quiet(program, loss, ["exc.tau_m", "exc.I_e"], steps=20, checkpoint=tmp_path, resume=True, **mended)
    assert r.step == 20 and r.history.aux["batch"].tolist() == [*range(7), *range(107, 120)]


def test_faults_without_a_checkpoint_and_in_the_validation(program):
    loss = towards(program, exc__tau_m=12.0)
    with pytest.raises(FitError, match=r"step 0 .* the loss is inf.*there is no checkpoint \(give checkpoint=folder\)"):
        quiet(program, lambda p, k, b: jnp.exp(1e3 * program.get(p, "exc.tau_m").sum()), ["exc.tau_m"], steps=5)
    with pytest.raises(FitError, match=r"step 3 .* the validation after it is nan"):
        quiet(program, loss, ["exc.tau_m"], steps=9, validate=lambda p, k: jnp.nan, validate_every=4)


def test_parameters_that_contradict_each_other_stop_it(program):
    loss = towards(program, exc__V_th=-100.0)
    with pytest.raises(FitError, match=r"V_reset.* must be less than V_th") as caught:
        quiet(program, loss, ["exc.V_th"], steps=100, optimiser=optax.adam(0.1))
    assert caught.value.paths == ("exc.V_th",) and (caught.value.result.values["exc.V_th"] > -70.0).all()
    assert 0 < caught.value.result.step == caught.value.step
    r = quiet(program, loss, {"exc.V_th": (-70.0, -40.0)}, steps=100, optimiser=optax.adam(0.1))
    assert (r.values["exc.V_th"] > -70.0).all()
