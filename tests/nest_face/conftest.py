"""Both modules under test: live NEST and jaxnest's face of it."""

import importlib

import numpy as np
import pytest


@pytest.fixture(params=["nest", "jaxnest.nest"])
def nest(request):
    """The same code runs on each, from a reset kernel."""
    if request.param == "nest":
        pytest.importorskip("nest")
    module = importlib.import_module(request.param)
    module.ResetKernel()
    module.verbosity = module.VerbosityLevel.ERROR
    yield module
    module.ResetKernel()


@pytest.fixture
def both():
    """Run a function of the module `nest` on both; returns (what NEST gave, what jaxnest gave)."""
    modules = [pytest.importorskip("nest"), importlib.import_module("jaxnest.nest")]

    def run(function):
        results = []
        for module in modules:
            module.ResetKernel()
            module.verbosity = module.VerbosityLevel.ERROR
            results.append(function(module))
        return results

    yield run
    for module in modules:
        module.ResetKernel()


@pytest.fixture
def same(both):
    """Assert that a function of the module `nest` gives the same on both: a value, or an error of the same name.

    Collections are compared by what they print; `text` must be in the errors' messages of both. Returns what NEST gave.
    """

    def check(function, text=""):
        def outcome(nest):
            try:
                return plain(function(nest), nest)
            except Exception as error:
                message, name = str(error), type(error).__name__
            assert text in message
            return name

        expected, found = both(outcome)
        assert found == expected
        return expected

    def plain(value, nest):
        if isinstance(value, nest.NodeCollection | nest.SynapseCollection):
            return str(value).replace(";", "")
        if isinstance(value, np.ndarray):
            return value.tolist()
        if isinstance(value, dict):
            return {k: plain(v, nest) for k, v in value.items()}
        return type(value)(plain(v, nest) for v in value) if isinstance(value, list | tuple) else value

    return check
