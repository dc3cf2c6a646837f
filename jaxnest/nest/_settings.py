"""The kernel's attributes (`nest.resolution`, `nest.GetKernelStatus()`): defaults, checks, effects."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._errors import NESTErrors, type_mismatch
from jaxnest.nest._help import VerbosityLevel, as_verbosity, build_info, publish
from jaxnest.nest._ledger import in_range
from jaxnest.nest._models import MAX_SYNAPSE_MODELS
from jaxnest.nest._timers import Timers
from jaxnest.simulation import Relaxation

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
COMPUTED = [
    "T_max",
    "T_min",
    "biological_time",
    "build_info",
    "connection_rules",
    "cycle_time_log",
    "growth_curves",
    "kernel_status",
    "local_spike_counter",
    "max_delay",
    "max_num_syn_models",
    "max_update_time",
    "memory_size",
    "min_delay",
    "min_update_time",
    "modules",
    "mpi_rank",
    "ms_per_tic",
    "network_size",
    "node_models",
    "num_connections",
    "num_processes",
    "off_grid_spiking",
    "prepared",
    "recording_backends",
    "recv_buffer_size_secondary_events",
    "rng_types",
    "send_buffer_size_secondary_events",
    "spike_buffer_resize_log",
    "stimulation_backends",
    "synapse_models",
    "tics_per_step",
    "time_communicate_prepare",
    "time_communicate_prepare_cpu",
    "time_construction_connect",
    "time_construction_connect_cpu",
    "time_construction_create",
    "time_construction_create_cpu",
    "time_simulate",
    "time_simulate_cpu",
    "to_do",
    "verbosity",
]
#: in the status, but no attributes of the module, as in NEST
_HIDDEN = {"prepared", "modules", "mpi_rank", "growth_factor_buffer_spike_data"}
ATTRIBUTES = {n for n in (*DEFAULTS, *COMPUTED) if n not in _HIDDEN and not n.startswith("time_")}
SETTABLE = frozenset(DEFAULTS) - _HIDDEN | {"min_delay", "max_delay", "biological_time", "verbosity"}
RULES = [
    "all_to_all",
    "fixed_indegree",
    "fixed_outdegree",
    "fixed_total_number",
    "one_to_one",
    "pairwise_bernoulli",
    "pairwise_poisson",
    "symmetric_pairwise_bernoulli",
]
RNG_TYPES = ["Philox_32", "Philox_64", "Threefry_32", "Threefry_64", "mt19937", "mt19937_64"]
_SURVIVE = ("data_path", "data_prefix")  # what NEST's ResetKernel leaves as it is
_NOT_YET = {"structural_plasticity_synapses"}
_EPROP = {"eprop_learning_window", "eprop_update_interval", "eprop_reset_neurons_on_update"}


class Settings:
    """The attributes of a kernel by name."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        path = os.environ.get("NEST_DATA_PATH", "")
        self.values: dict[str, Any] = {"data_path": path, "data_prefix": os.environ.get("NEST_DATA_PREFIX", "")}
        self.user_delays: tuple[float, float] | None = None
        self.timers = Timers()

    def reset(self) -> None:
        kept = {k: self.values[k] for k in _SURVIVE}
        self.values = {**DEFAULTS, **kept}
        self.user_delays = None
        self.timers = Timers()

    def names(self) -> list[str]:
        return sorted({*DEFAULTS, *COMPUTED} - {"cycle_time_log", "kernel_status"})

    def get(self, name: str) -> Any:
        """**Raises:** Python's `KeyError`."""
        k = self._kernel
        if name in DEFAULTS:
            return self.values[name]
        h, tics = self.values["resolution"], self.values["tics_per_ms"]
        if name.startswith("time_") and name in COMPUTED:
            return self.timers.get(name)
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
            "max_num_syn_models": MAX_SYNAPSE_MODELS,
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
            "spike_buffer_resize_log": {key: np.array([]) for key in ("global_max_spikes_sent", "new_buffer_size", "times")},
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
        """**Raises:** Python's `ValueError` for names that cannot be set, and NEST's errors; nothing changes then."""
        for name in params:
            if name in SETTABLE:
                continue
            if name in ATTRIBUTES:
                raise ValueError(f"`{name}` is a readonly kernel parameter")
            valid = ", ".join(f"'{n}'" for n in sorted(ATTRIBUTES))
            raise ValueError(f"`{name}` is not a valid kernel parameter, valid parameters are: {valid}")
        new = {n: self._cast(n, v) for n, v in params.items()}
        k = self._kernel
        self._check_fixed(new)
        for name in _NOT_YET & new.keys():
            if new[name] != DEFAULTS[name]:
                raise NESTErrors.NotImplemented(f"{name}: NEST can change it, jaxnest does not yet")
        if "rng_seed" in new and not 1 <= new["rng_seed"] < 2**32:
            raise NESTErrors.BadProperty("RNG seed must be in (0, 2^32-1).")
        if "rng_type" in new and new["rng_type"] not in RNG_TYPES:
            raise NESTErrors.BadProperty(f"'{new['rng_type']}' is not a known RNG type. See /rng_types for available types")
        if "biological_time" in new and new["biological_time"] != 0 and new["biological_time"] != k.time:
            raise NESTErrors.BadProperty("The simulation time can only be set to 0.0.")
        self._check_resolution(new)
        self._check_buffers(new)
        self._check_relaxation(new)
        self._check_eprop(new)
        delays = self._delays(new)
        if new.pop("biological_time", None) == 0 and k.steps:
            raise NESTErrors.NotImplemented("biological_time: NEST can set it back to 0, jaxnest does not yet")
        if "verbosity" in new:
            k.verbosity = new.pop("verbosity")
        if "data_path" in new and not os.path.isdir(new["data_path"]):
            text = f"Variable data_path not set: Directory '{new.pop('data_path')}' does not exist."
            publish(k.verbosity, VerbosityLevel.ERROR, text, "IOManager::set_status")
        self.user_delays = delays
        self.values.update(new)
        if new.keys() & _EPROP:
            k.structure_changed()
        if "resolution" in new:
            k.models.round_delays(new["resolution"])
        if "total_num_virtual_procs" in new:
            self.values["local_num_threads"] = new["total_num_virtual_procs"]
        elif "local_num_threads" in new:
            self.values["total_num_virtual_procs"] = new["local_num_threads"]
        if "rng_seed" in new:
            k.reseed()
        if any(n.startswith("wfr_") for n in new):
            k.structure_changed()

    def _check_fixed(self, new: dict[str, Any]) -> None:
        """What must stay as it is once there are nodes, changed models or a simulation."""
        k = self._kernel
        reasons = {"Nodes exist": bool(k.blocks), "Model defaults were modified": k.models.changed}
        reasons["Network has been simulated"] = k.simulated
        found = [text for text, holds in reasons.items() if holds]
        if new.keys() & {"resolution", "tics_per_ms"} and found:
            what = found[0].replace("Nodes exist", "Nodes have already been created")
            raise NESTErrors.KernelException(f"{what}: time representation cannot be changed.")
        for name in ("local_num_threads", "total_num_virtual_procs"):
            if name in new and new[name] < 1:
                raise NESTErrors.BadProperty(f"{name} must be at least 1.")
            if found and new.get(name, self.values[name]) != self.values[name]:
                raise NESTErrors.KernelException(f"Number of threads unchanged. Error conditions: {' '.join(found)}.")
        if "tics_per_ms" in new and "resolution" not in new:
            raise NESTErrors.KernelException("Cannot change tics_per_ms without simultaneously specifying resolution.")

    @staticmethod
    def _check_buffers(new: dict[str, Any]) -> None:
        for name in ("spike_buffer_shrink_limit", "spike_buffer_grow_extra"):
            if new.get(name, 0) < 0:
                raise NESTErrors.BadProperty(f"{name.removeprefix('spike_')} >= 0 required.")
        if not 0 <= new.get("spike_buffer_shrink_spare", 0) <= 1:
            raise NESTErrors.BadProperty("0 <= buffer_shrink_spare <= 1 required.")
        for name in new:
            if "buffer_size" in name and new[name] < 0:
                raise NESTErrors.BadProperty(f"{name} >= 0 required.")

    @property
    def relaxation(self) -> Relaxation:
        """How gap junctions are solved: without waveform relaxation, from the potentials at the beginning of a step."""
        v = self.values
        most = int(v["wfr_max_iterations"]) if v["use_wfr"] else 0
        return Relaxation(float(v["wfr_tol"]), most, int(v["wfr_interpolation_order"]))

    def _check_eprop(self, new: dict[str, Any]) -> None:
        interval = new.get("eprop_update_interval", self.values["eprop_update_interval"])
        window = new.get("eprop_learning_window", 1.0)
        for name, value in (("eprop_update_interval", interval), ("eprop_learning_window", window)):
            if not value > 0:
                raise NESTErrors.KernelException(f"{name} > 0 required.")
        if "eprop_learning_window" in new and window > interval:
            raise NESTErrors.KernelException("eprop_learning_window <= eprop_update_interval required.")

    def _check_relaxation(self, new: dict[str, Any]) -> None:
        """Check the settings of waveform relaxation: without it, its interval is the resolution."""
        if "use_wfr" in new and self._kernel.blocks:
            raise NESTErrors.KernelException("use_wfr cannot be changed after nodes have been created.")
        uses, h = new.get("use_wfr", self.values["use_wfr"]), new.get("resolution", self.values["resolution"])
        interval = new.get("wfr_comm_interval")
        if interval is not None and interval < h:
            raise NESTErrors.KernelException("wfr_comm_interval must not be shorter than the resolution.")
        if interval is not None and not uses and interval != h:
            raise NESTErrors.KernelException("wfr_comm_interval cannot be set without use_wfr.")
        if not uses:
            new["wfr_comm_interval"] = h
        if new.get("wfr_tol", 0.0) < 0:
            raise NESTErrors.KernelException("wfr_tol must not be negative.")
        if new.get("wfr_max_iterations", 1) < 1:
            raise NESTErrors.KernelException("wfr_max_iterations must be positive.")
        if new.get("wfr_interpolation_order", 0) not in (0, 1, 3):
            raise NESTErrors.KernelException("wfr_interpolation_order must be 0, 1 or 3.")

    def _cast(self, name: str, value: Any) -> Any:
        if name == "verbosity":
            return as_verbosity(value)
        in_range(value)
        like = 1 if name == "tics_per_ms" else DEFAULTS.get(name, 0.0)
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
            return type(DEFAULTS.get(name, 0))(value)
        if isinstance(like, str) and not isinstance(value, str):
            raise type_mismatch(name, value, "std::string")
        return value

    def _check_resolution(self, new: dict[str, Any]) -> None:
        if "resolution" not in new:
            return
        h, tics = new["resolution"], new.get("tics_per_ms", self.values["tics_per_ms"])
        if h < 1.0 / tics - 1e-12:
            raise NESTErrors.KernelException("Resolution must be greater than or equal to one tic. Value unchanged.")
        if abs(h * tics - round(h * tics)) > 1e-6:
            raise NESTErrors.KernelException("Resolution must be a multiple of the tic length. Value unchanged.")

    def _delays(self, new: dict[str, Any]) -> tuple[float, float] | None:
        """Take the limits of the delays from `new`: multiples of the resolution, the given ones within them."""
        low, high = new.pop("min_delay", None), new.pop("max_delay", None)
        k, h = self._kernel, new.get("resolution", self.values["resolution"])
        if (low is None) != (high is None):
            raise NESTErrors.BadProperty("Both min_delay and max_delay have to be specified")
        if low is None or high is None:
            if self.user_delays is None or "resolution" not in new:
                return self.user_delays
            low, high = self.user_delays
        elif k.batches:
            raise NESTErrors.BadProperty("Connections already exist. Please call ResetKernel first")
        elif low < h - 1e-9 or low > high:
            raise NESTErrors.BadDelay(f"min_delay {low} and max_delay {high}: resolution <= min_delay <= max_delay must hold.")
        low, high = max(np.floor(low / h + 1e-9), 1) * h, np.ceil(high / h - 1e-9) * h
        return float(np.round(low, 12)), float(np.round(high, 12))


__all__ = ["ATTRIBUTES", "COMPUTED", "DEFAULTS", "RNG_TYPES", "RULES", "SETTABLE", "Settings"]
