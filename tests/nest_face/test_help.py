"""Messages, verbosity, help, JSON and the build's description."""

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from jaxnest.nest import _help as ours
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._sonata import SonataNetwork

LEVELS = ours.VerbosityLevel


@pytest.fixture
def nest():
    nest = pytest.importorskip("nest")
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    return nest


@pytest.fixture
def kernel(monkeypatch):
    """Stands for the kernel, of which only the verbosity counts here."""
    kernel = SimpleNamespace(verbosity=LEVELS.INFO)
    monkeypatch.setitem(sys.modules, "jaxnest.nest._kernel", SimpleNamespace(kernel=kernel))
    return kernel


def without_time(text):
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)


def test_levels(nest):
    assert [(level.name, level.value) for level in LEVELS] == [(v.name, v.value) for v in nest.VerbosityLevel]


def test_messages_look_like_nests(nest, kernel, capfd):
    for threshold in LEVELS:
        nest.verbosity, kernel.verbosity = nest.VerbosityLevel[threshold.name], threshold
        printed = []
        for issue in (nest.message, ours.message):
            capfd.readouterr()
            for severity in (*LEVELS, 12):
                level = nest.VerbosityLevel(severity) if severity in [*LEVELS] else severity
                issue(f"hello {int(severity)}\nsecond line", level)
            issue("default")
            issue("place", LEVELS.WARNING, function="f", filename="file.py", lineno=7)
            out, err = capfd.readouterr()
            printed.append((without_time(out), without_time(err)))
        # NEST's and our place are the same lines of this file
        assert printed[0] == printed[1]
    nest.verbosity = nest.VerbosityLevel.ERROR


def test_bad_messages(kernel):
    with pytest.raises(TypeError, match="message must be a string"):
        ours.message(3)
    with pytest.raises(TypeError, match="severity must be a VerbosityLevel"):
        ours.message("text", "WARNING")


def test_verbosity(kernel, nest):
    assert ours.as_verbosity(LEVELS.ERROR) is LEVELS.ERROR
    for wrong in (30, "M_ERROR", 3.5):
        with pytest.raises(nest.NESTErrors.TypeMismatch) as theirs:
            nest.verbosity = wrong
        with pytest.raises(NESTErrors.TypeMismatch, match=re.escape(str(theirs.value))):
            ours.as_verbosity(wrong)
    with pytest.warns(UserWarning, match=r"nest\.verbosity"):
        ours.set_verbosity("M_WARNING")
    assert kernel.verbosity is LEVELS.WARNING
    with pytest.warns(UserWarning, match=r"nest\.verbosity"):
        assert ours.get_verbosity() == 20
    with pytest.warns(UserWarning, match="deprecated"), pytest.raises(ValueError, match="must be one of M_ALL"):
        ours.set_verbosity("LOUD")


def test_help(capsys, monkeypatch):
    text = ours.help("iaf_psc_exp", return_text=True)
    assert "tau_syn_ex" in text and "exponential" in text
    assert "tau_plus" in ours.help("stdp_triplet_synapse", return_text=True)
    paged = []
    monkeypatch.setattr(ours.pydoc, "pager", paged.append)
    assert ours.help("iaf_psc_exp") is None and paged == [text]
    assert capsys.readouterr().out == ""
    assert ours.help("no_such_model", return_text=True) is None
    assert "no help for model 'no_such_model'" in capsys.readouterr().out
    ours.help()
    assert "nest.build_info" in capsys.readouterr().out


@pytest.mark.parametrize(
    "data",
    [
        np.arange(3),
        np.array([[1.0, 2.0], [3.0, np.inf]]),
        np.array([{"a": np.int64(1)}, None], dtype=object),
        np.float32(2.5),
        np.int8(2),
        np.bool_(True),
        (1, 2, (3, None)),
        {"a": (1, 2), 3: np.array([True]), np.int64(4): None, np.float64(2.5): "x"},
        [np.str_("a"), np.array(["b"])],
        LEVELS.INFO,
        "text",
        None,
    ],
)
def test_json_same_as_nest(nest, data):
    assert ours.serialize_data(data) == nest.serialize_data(data)
    text = ours.to_json(data, sort_keys=False)
    assert text == nest.to_json(data, sort_keys=False)
    json.loads(text)


def test_json_options():
    assert ours.to_json({"b": 1, "a": [1]}, indent=1, sort_keys=True) == '{\n "a": [\n  1\n ],\n "b": 1\n}'


def test_build_info(nest):
    info, theirs = ours.build_info(), nest.build_info
    assert info.keys() == theirs.keys()
    assert {key: type(value) for key, value in info.items()} == {key: type(value) for key, value in theirs.items()}
    for key in ("version", "test_exitcodes", "exitcode", *(key for key in info if key.startswith("have_"))):
        assert info[key] == theirs[key]
    json.dumps(info)
    info["version"] = "changed"
    assert ours.build_info()["version"] == "3.10.0"


def test_sonata_is_refused(nest):
    with pytest.raises(ModuleNotFoundError) as theirs:
        nest.SonataNetwork("config.json", "simulation.json")
    with pytest.raises(ModuleNotFoundError, match=re.escape(str(theirs.value))):
        SonataNetwork("config.json", "simulation.json")
