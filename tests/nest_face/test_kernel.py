"""The kernel's attributes, models' defaults, CopyModel: the same code on NEST and on jaxnest."""

import pytest

VALUES = [
    ("resolution", 0.05), ("resolution", 0.0), ("resolution", 1), ("resolution", 0.0001), ("resolution", 0.1234), ("resolution", "a"),
    ("rng_seed", 0), ("rng_seed", 2**32), ("rng_seed", 2**32 - 1), ("rng_seed", 1.0), ("rng_seed", True), ("rng_seed", 2**63),
    ("local_num_threads", 2), ("total_num_virtual_procs", 3), ("tics_per_ms", 500.0), ("tics_per_ms", 1000), ("rng_type", "nope"),
    ("rng_type", "Philox_32"), ("min_delay", 1.0), ("max_delay", 1.0), ("print_time", 1), ("overwrite_files", True), ("biological_time", 1.0),
    ("wfr_comm_interval", 0.05), ("wfr_comm_interval", 2.0), ("wfr_tol", -1.0), ("wfr_max_iterations", 0), ("wfr_interpolation_order", 2),
    ("wfr_interpolation_order", 1), ("spike_buffer_shrink_spare", 2.0), ("spike_buffer_grow_extra", -1.0), ("nope", 1), ("network_size", 3),
    ("num_connections", 1), ("prepared", True), ("growth_factor_buffer_spike_data", 2.0), ("use_wfr", False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_set(same, name, value):
    def made(nest):
        nest.SetKernelStatus({name: value})
        return nest.get(name)

    same(made)


@pytest.mark.parametrize(("name", "value"), [("resolution", 0.1), ("resolution", 0.2), ("local_num_threads", 1), ("local_num_threads", 2),
    ("use_wfr", True), ("wfr_comm_interval", 2.0), ("rng_seed", 5), ("keep_source_table", False)])  # fmt: skip
@pytest.mark.parametrize(
    "before",
    [
        lambda nest: nest.Create("iaf_psc_alpha"),
        lambda nest: nest.CopyModel("iaf_psc_alpha", "other"),
        lambda nest: nest.SetDefaults("static_synapse", {"weight": 2.0}),
        lambda nest: nest.Simulate(1.0),
    ],
)
def test_set_after(same, before, name, value):
    def made(nest):
        before(nest)
        nest.set(**{name: value})
        return nest.get(name)

    same(made)


@pytest.mark.parametrize("name", ["nope", "network_size", "Create"])
def test_attributes_that_cannot_be_set(nest, name):
    with pytest.raises(AttributeError):
        setattr(nest, name, 1)


@pytest.mark.parametrize(
    "args",
    [
        ("resolution",),
        ("resolution", "rng_seed"),
        (["resolution", "rng_seed"],),
        (("resolution",),),
        ("nope",),
        (1,),
        (["nope"],),
    ],
)
def test_get(same, args):
    same(lambda nest: nest.get(*args))
    same(lambda nest: nest.GetKernelStatus(args[0]))


def test_names(both):
    expected, found = both(lambda nest: sorted(nest.GetKernelStatus()))
    assert found == expected


@pytest.mark.parametrize("h", [0.3, 0.4, 0.7, 1.0, 2.0, 4.0])
def test_delays_follow_the_resolution(both, h):
    def made(nest):
        nest.resolution = h
        return [nest.resolution, nest.min_delay, nest.max_delay, nest.GetDefaults("static_synapse", "delay")]

    expected, found = both(made)
    assert found == pytest.approx(expected, abs=1e-12)


def test_limits_of_delays(both):
    def made(nest):
        nest.set(resolution=0.1, min_delay=2.1, max_delay=12.3)
        nest.resolution = 1.0
        nest.SetDefaults("static_synapse", {"delay": 3.5})
        return [nest.min_delay, nest.max_delay, nest.GetDefaults("static_synapse", "delay")]

    expected, found = both(made)
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("delay", [1.0, 2.0, 5.0, 6.0])
def test_delays_outside_the_limits(same, delay):
    def made(nest):
        nest.set(min_delay=2.0, max_delay=5.0)
        n = nest.Create("iaf_psc_alpha", 2)
        nest.Connect(n, n, syn_spec={"delay": delay})
        nest.set(min_delay=1.0, max_delay=9.0)

    assert same(made) == ("BadProperty" if 2.0 <= delay <= 5.0 else "BadDelay")


@pytest.mark.parametrize(
    "do",
    [
        lambda nest: nest.SetDefaults("iaf_psc_alpha", "tau_syn_ex", [1.0, 2.0]),
        lambda nest: nest.SetDefaults("iaf_psc_alpha", {"tau_syn_ex": nest.random.uniform()}),
        lambda nest: nest.SetDefaults("iaf_psc_alpha", "tau_syn_ex", "a"),
        lambda nest: nest.SetDefaults("iaf_psc_alpha", "tau_syn_ex"),
        lambda nest: nest.SetDefaults("iaf_psc_alpha", "nope", 1.0),
        lambda nest: nest.SetDefaults("iaf_psc_alpha", "C_m", -1.0),
        lambda nest: nest.SetDefaults("static_synapse", "weight", [1.0, 2.0]),
        lambda nest: nest.SetDefaults("static_synapse", "weight", "a"),
        lambda nest: nest.SetDefaults("static_synapse", "delay", 0.0),
        lambda nest: nest.SetDefaults("static_synapse", "nope", 1.0),
        lambda nest: nest.SetDefaults("nope", "a", 1.0),
        lambda nest: (nest.SetDefaults("iaf_psc_exp_multisynapse", "tau_syn", [1.0, 2.0]), nest.GetDefaults("iaf_psc_exp_multisynapse", "tau_syn"))[1],
        lambda nest: nest.GetDefaults("iaf_psc_alpha", 42),
        lambda nest: nest.GetDefaults("iaf_psc_alpha", ["V_m", "C_m"]),
        lambda nest: nest.GetDefaults("iaf_psc_alpha", ("V_m",)),
        lambda nest: nest.GetDefaults("iaf_psc_alpha", ["nope"]),
        lambda nest: nest.GetDefaults("nope"),
        lambda nest: nest.GetDefaults("iaf_psc_alpha", "V_m", output="json"),
        lambda nest: nest.CopyModel("nope", "x"),
        lambda nest: nest.CopyModel("iaf_psc_alpha", "iaf_psc_exp"),
        lambda nest: nest.CopyModel("iaf_psc_alpha", "x", {"nope": 1}),
        lambda nest: nest.CopyModel("iaf_psc_alpha", "x", {"V_m": [1.0, 2.0]}),
        lambda nest: nest.CopyModel("static_synapse", "y", {"weight": nest.random.uniform()}),
        lambda nest: nest.CopyModel("static_synapse", "y", {"weight": [1.0, 2.0]}),
    ],
)  # fmt: skip
def test_defaults(same, do):
    same(do)
