"""The kernel's attributes (`nest.resolution`, `nest.GetKernelStatus()`): defaults, checks, effects."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._errors import NESTErrors, type_mismatch, unread_keys
from jaxnest.nest._help import as_verbosity, build_info

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel

#: what can be set; those without a line in `Settings.set` are kept, and have no effect here (docs/differences_from_nest.md)
DEFAULTS: dict[str, Any] = {
    "adaptive_target_buffers": True,
    "buffer_size_spike_data": 2,
    "buffer_size_target_data": 2,
    "data_path": "",
    "data_prefix": "",
    "dict_miss_is_error": True,
    "eprop_learning_window": 1000.0,
    "eprop_reset_neurons_on_update": True,
    "eprop_update_interval": 1000.0,
    "growth_factor_buffer_spike_data": 1.5,
    "growth_factor_buffer_target_data": 1.5,
    "keep_source_table": True,
    "local_num_threads": 1,
    "max_buffer_size_target_data": 16777216,
    "overwrite_files": False,
    "print_time": False,
    "resolution": 0.1,
    "rng_seed": 143202461,
    "rng_type": "mt19937_64",
    "spike_buffer_grow_extra": 0.5,
    "spike_buffer_shrink_limit": 0.2,
    "spike_buffer_shrink_spare": 0.1,
    "structural_plasticity_synapses": {},
    "structural_plasticity_update_interval": 10000.0,
    "tics_per_ms": 1000.0,
    "total_num_virtual_procs": 1,
    "update_time_limit": float("inf"),
    "use_compressed_spikes": True,
    "use_wfr": True,
    "wfr_comm_interval": 1.0,
    "wfr_interpolation_order": 3,
    "wfr_max_iterations": 15,
    "wfr_tol": 0.0001,
}
#: computed in `Settings.get`
COMPUTED = (
    "T_max T_min biological_time build_info connection_rules cycle_time_log growth_curves kernel_status local_spike_counter "
    "max_delay max_num_syn_models max_update_time memory_size min_delay min_update_time modules mpi_rank ms_per_tic "
    "network_size node_models num_connections num_processes off_grid_spiking prepared recording_backends "
    "recv_buffer_size_secondary_events rng_types send_buffer_size_secondary_events spike_buffer_resize_log "
    "stimulation_backends synapse_models tics_per_step time_communicate_prepare time_communicate_prepare_cpu "
    "time_construction_connect time_construction_connect_cpu time_construction_create time_construction_create_cpu "
    "time_simulate time_simulate_cpu to_do verbosity"
).split()
SETTABLE = frozenset(DEFAULTS) | {"min_delay", "max_delay", "biological_time", "verbosity"}
RULES = (
    "all_to_all fixed_indegree fixed_outdegree fixed_total_number one_to_one pairwise_bernoulli pairwise_poisson "
    "symmetric_pairwise_bernoulli"
).split()
RNG_TYPES = ["Philox_32", "Philox_64", "Threefry_32", "Threefry_64", "mt19937", "mt19937_64"]
_SURVIVE = ("data_path", "data_prefix")  # what NEST's ResetKernel leaves as it is
_NOT_YET = {"structural_plasticity_synapses", "eprop_learning_window", "eprop_update_interval", "eprop_reset_neurons_on_update"}
_FIXED_LATER = {"local_num_threads", "total_num_virtual_procs", "resolution", "tics_per_ms"}


class Settings:
    """The attributes of a kernel by name."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        path = os.environ.get("NEST_DATA_PATH", "")
        self.values: dict[str, Any] = {"data_path": path, "data_prefix": os.environ.get("NEST_DATA_PREFIX", "")}
        self.user_delays: tuple[float, float] | None = None
        self.timers = dict.fromkeys(("construction_create", "construction_connect", "communicate_prepare", "simulate"), 0.0)

    def reset(self) -> None:
        kept = {k: self.values[k] for k in _SURVIVE}
        self.values = {**DEFAULTS, **kept}
        self.user_delays = None
        self.timers = dict.fromkeys(self.timers, 0.0)

    def names(self) -> list[str]:
        return sorted({*DEFAULTS, *COMPUTED} - {"cycle_time_log", "kernel_status", "verbosity"})

    def get(self, name: str) -> Any:
        """**Raises:** Python's `KeyError`."""
        k = self._kernel
        if name in DEFAULTS:
            return self.values[name]
        h, tics = self.values["resolution"], self.values["tics_per_ms"]
        if name.startswith("time_") and name in COMPUTED:
            return self.timers[name.removeprefix("time_").removesuffix("_cpu")]
        engine = k.engine
        simple = {
            "T_max": 1152921504606846.8,
            "T_min": -1152921504606846.8,
            "biological_time": k.time,
            "connection_rules": list(RULES),
            "growth_curves": ["gaussian", "linear", "sigmoid"],
            "local_spike_counter": 0 if engine is None else engine.counted,
            "max_delay": k.max_delay,
            "min_delay": k.min_delay,
            "max_num_syn_models": 511,
            "max_update_time": -np.inf,
            "min_update_time": np.inf,
            "modules": [],
            "mpi_rank": 0,
            "ms_per_tic": 1.0 / tics,
            "network_size": k.size,
            "num_connections": k.n_connections,
            "num_processes": 1,
            "off_grid_spiking": False,
            "prepared": k.prepared,
            "recording_backends": ["ascii", "memory", "screen"],
            "recv_buffer_size_secondary_events": 0,
            "send_buffer_size_secondary_events": 0,
            "rng_types": list(RNG_TYPES),
            "spike_buffer_resize_log": {
                key: np.array([]) for key in ("global_max_spikes_sent", "new_buffer_size", "times")
            },
            "stimulation_backends": [],
            "tics_per_step": round(h * tics),
            "to_do": 0,
            "verbosity": k.verbosity,
        }
        if name in simple:
            return simple[name]
        if name == "node_models":
            return sorted(k.models.nodes)
        if name == "synapse_models":
            return sorted(k.models.synapses)
        if name == "build_info":
            return build_info()
        if name == "memory_size":
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if name == "kernel_status":
            return {n: self.get(n) for n in self.names()}
        raise KeyError(name)

    def set(self, params: dict[str, Any]) -> None:
        """**Raises:** NEST's errors; nothing changes then."""
        unknown = [n for n in params if n not in SETTABLE]
        if unknown and (self.values["dict_miss_is_error"] or params.get("dict_miss_is_error", False)):
            raise unread_keys("params", "SimulationManager::set_status", unknown)
        params = {n: v for n, v in params.items() if n not in unknown}
        new = {n: self._cast(n, v) for n, v in params.items()}
        k = self._kernel
        for name in _FIXED_LATER & new.keys():
            if new[name] == self.values[name]:
                continue
            if k.blocks:
                what = "Nodes exist" if "num" in name else "Network contains nodes"
                raise NESTErrors.KernelException(f"{what}, {name} cannot be changed.")
        if "tics_per_ms" in new and "resolution" not in new and new["tics_per_ms"] != self.values["tics_per_ms"]:
            raise NESTErrors.BadProperty("Cannot change tics_per_ms without simultaneously specifying resolution.")
        for name in ("local_num_threads", "total_num_virtual_procs"):
            if name in new and new[name] < 1:
                raise NESTErrors.BadProperty(f"{name} must be at least 1.")
        for name in _NOT_YET & new.keys():
            if new[name] != DEFAULTS[name]:
                raise NESTErrors.NotImplemented(f"{name}: NEST can change it, jaxnest does not yet")
        if "rng_seed" in new and not 1 <= new["rng_seed"] < 2**32:
            raise NESTErrors.BadProperty("RNG seed must be in (0, 2^32-1).")
        if "rng_type" in new and new["rng_type"] not in RNG_TYPES:
            raise NESTErrors.BadProperty(f"'{new['rng_type']}' is not a known RNG type. See /rng_types for available types.")
        if "biological_time" in new and new["biological_time"] != 0 and new["biological_time"] != k.time:
            raise NESTErrors.BadProperty("biological_time can only be set to 0.")
        self._check_resolution(new)
        self._set_delays(new)
        if "verbosity" in new:
            k.verbosity = new.pop("verbosity")
        if "data_path" in new and not os.path.isdir(new["data_path"]):
            from jaxnest.nest._help import publish

            publish("ERROR", "IOManager::set_status", f"Directory '{new.pop('data_path')}' does not exist.")
        if new.pop("biological_time", None) == 0 and k.steps:
            raise NESTErrors.NotImplemented("biological_time: NEST can set it back to 0, jaxnest does not yet")
        self.values.update(new)
        if "total_num_virtual_procs" in new:
            self.values["local_num_threads"] = new["total_num_virtual_procs"]
        elif "local_num_threads" in new:
            self.values["total_num_virtual_procs"] = new["local_num_threads"]
        if "rng_seed" in new:
            k.reseed()

    def _cast(self, name: str, value: Any) -> Any:
        if name == "verbosity":
            return as_verbosity(value)
        like = DEFAULTS.get(name, 0.0)
        if isinstance(like, bool):
            if not isinstance(value, (bool, np.bool_)):
                raise type_mismatch(name, value, "bool")
            return bool(value)
        if isinstance(like, float):
            if isinstance(value, (str, bool)) or not np.isscalar(value):
                raise type_mismatch(name, value, "double")
            return float(value)  # type: ignore[arg-type]
        if isinstance(like, int):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise type_mismatch(name, value, "long")
            return int(value)
        if isinstance(like, str) and not isinstance(value, str):
            raise type_mismatch(name, value, "std::string")
        return value

    def _check_resolution(self, new: dict[str, Any]) -> None:
        if "resolution" not in new:
            return
        h, tics = new["resolution"], new.get("tics_per_ms", self.values["tics_per_ms"])
        if h < 1.0 / tics - 1e-12:
            raise NESTErrors.BadProperty("Resolution must be greater than or equal to one tic. Value unchanged.")
        if abs(h * tics - round(h * tics)) > 1e-6:
            raise NESTErrors.BadProperty("Resolution must be a multiple of the tic length. Value unchanged.")
        if h != self.values["resolution"]:
            for model in self._kernel.models.synapses.values():
                delay = model.defaults["delay"]
                if delay != 1.0 and abs(delay / h - round(delay / h)) > 1e-6:
                    raise NESTErrors.BadDelay(f"Default delay {delay} of {model.name} is no multiple of the resolution.")

    def _set_delays(self, new: dict[str, Any]) -> None:
        low, high = new.pop("min_delay", None), new.pop("max_delay", None)
        if low is None and high is None:
            return
        if low is None or high is None:
            raise NESTErrors.BadProperty("Both min_delay and max_delay have to be specified.")
        k, h = self._kernel, new.get("resolution", self.values["resolution"])
        if low < h - 1e-9 or low > high:
            raise NESTErrors.BadDelay(f"min_delay {low} and max_delay {high}: resolution <= min_delay <= max_delay must hold.")
        if k.delays_used is not None and not (low <= k.delays_used[0] + 1e-9 and high >= k.delays_used[1] - 1e-9):
            raise NESTErrors.BadProperty("Connections already exist. Please call ResetKernel first.")
        self.user_delays = float(low), float(high)
