"""The errors: NEST's names, family and texts."""

import pickle

import pytest

from jaxnest.nest._errors import NESTError, NESTErrors, type_mismatch, unknown_model, unread_keys
from jaxnest.nest._nest_models import NODE_MODELS, SYNAPSE_MODELS

HINT = " NEST has it, jaxnest does not yet."


def classes(errors):
    return {name: value for name, value in vars(errors).items() if isinstance(value, type)}


@pytest.fixture
def nest():
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    return nest


def test_same_classes_as_nest(nest):
    ours, theirs = classes(NESTErrors), classes(nest.NESTErrors)
    assert ours.keys() == theirs.keys() and len(ours) == 57
    assert type(NESTErrors) is type(nest.NESTErrors)
    assert nest.NESTError is nest.NESTErrors.KernelException and NESTError is NESTErrors.KernelException
    for name in ours:
        assert [c.__name__ for c in ours[name].__mro__] == [c.__name__ for c in theirs[name].__mro__]


@pytest.mark.parametrize("arguments", [(), ("a text",), ("one", 2)])
def test_text_is_the_message(arguments):
    for name, error in classes(NESTErrors).items():
        raised = error(*arguments)
        assert isinstance(raised, NESTError)
        assert str(raised) == str(Exception(*arguments)) and raised.args == arguments
        assert repr(raised) == name + repr(Exception(*arguments)).removeprefix("Exception")
        copy = pickle.loads(pickle.dumps(raised))
        assert type(copy) is error and copy.args == arguments


def test_unknown_names_read_as_in_nest(nest):
    cells = nest.Create("iaf_psc_alpha", 2)
    calls = {
        "node": lambda name: nest.Create(name),
        "model": lambda name: nest.CopyModel(name, "another"),
        "synapse": lambda name: nest.Connect(cells, cells, syn_spec=name),
        "component": lambda name: nest.GetDefaults(name),
    }
    for kind, call in calls.items():
        with pytest.raises(nest.NESTError) as theirs:
            call("no_such_model")
        ours = unknown_model("no_such_model", kind)
        assert type(ours).__name__ == theirs.type.__name__
        assert str(ours) == str(theirs.value)
    with pytest.raises(nest.NESTError) as theirs:
        nest.Create("stdp_synapse")
    assert str(unknown_model("stdp_synapse", "node")) == str(theirs.value)


def test_a_model_that_nest_has_is_named_as_such():
    assert str(unknown_model("cm_default", "node")) == "cm_default is not a known model name." + HINT
    assert str(unknown_model("ht_synapse", "model")) == "ht_synapse is not a known model name." + HINT
    assert str(unknown_model("ht_synapse", "synapse")) == "Synapse with name ht_synapse does not exist." + HINT
    assert str(unknown_model("ht_neuron", "component")) == "ht_neuron is not a known component." + HINT
    assert HINT not in str(unknown_model("ht_neuron", "synapse"))


def test_lists_of_models(nest):
    assert set(nest.node_models) == NODE_MODELS
    assert set(nest.synapse_models) == SYNAPSE_MODELS


def test_unread_keys(nest):
    cells = nest.Create("iaf_psc_alpha", 2)
    nest.Connect(cells, cells)
    wrong = {"foo": 1, "bar": 2}
    calls = [
        (lambda: cells.set(wrong), "params", "NodeManager::set_status"),
        (lambda: nest.SetDefaults("iaf_psc_exp", wrong), "params", "ModelManager::set_node_defaults_"),
        (lambda: nest.SetDefaults("stdp_synapse", wrong), "params", "ModelManager::set_synapse_defaults_"),
        (lambda: nest.Connect(cells, cells, syn_spec=wrong), "syn_spec", "Connect"),
        (lambda: nest.GetConnections().set(wrong), "params", "connection.set()"),
    ]
    for call, where, function in calls:
        with pytest.raises(nest.NESTErrors.UnaccessedDictionaryEntry) as theirs:
            call()
        assert str(unread_keys(where, function, list(wrong))) == str(theirs.value)


@pytest.mark.parametrize("value", [1, 1.5, True])
def test_wrong_type(nest, value):
    recorder = nest.Create("spike_recorder")
    with pytest.raises(nest.NESTErrors.TypeMismatch) as theirs:
        recorder.label = value
    assert str(type_mismatch("label", value, "std::string")) == str(theirs.value)
