"""Recorders: their settings, and the events that they have gathered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._ascii import TextFiles, columns, print_events
from jaxnest.nest._clock import Clock
from jaxnest.nest._errors import NESTErrors, type_mismatch
from jaxnest.nest._ledger import Block
from jaxnest.nest._models import NodeModel

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel

_BACKENDS = ("ascii", "memory", "screen")
#: settings of some backends, and what they are at first
BACKEND_KEYS: Mapping[str, Any] = {"file_extension": "dat", "precision": 3}


def with_backend(model: NodeModel, record_to: Any) -> NodeModel:
    """A recorder's model whose defaults are to record to another backend (None: the same): with that backend's settings."""
    if model.element_type != "recorder" or record_to is None:
        return model
    if record_to not in _BACKENDS:
        raise NESTErrors.BadProperty(f"Recording backend '{record_to}' does not exist or is not compiled in.")
    keys = {"ascii": tuple(BACKEND_KEYS), "screen": ("precision",)}.get(record_to, ())
    defaults = {k: v for k, v in model.defaults.items() if k not in BACKEND_KEYS}
    return replace(model, defaults=defaults | {k: BACKEND_KEYS[k] for k in keys})


class Recorder:
    """One recorder. `add` gives it events; it keeps them, or passes them on to its files or the screen."""

    def __init__(self, kernel: Kernel, node: int, block: Block, settings: Mapping[str, Any]) -> None:
        self._kernel, self.node, self.block = kernel, node, block
        self.kind = block.model.records
        self.connected = False
        self.senders: Any = None  # of a weight_recorder: whose events it wants, and from which targets
        self.targets: Any = None
        self.count = 0  # of the events so far
        self._events: dict[str, list[np.ndarray]] = {}
        self._files: TextFiles | None = None
        self._precision = int(settings.get("precision", 3))
        if self.value("record_to") == "ascii":
            self._begin_files()
            for key, value in settings.items():
                self.set(key, value)

    def value(self, key: str) -> Any:
        return self.block.value(key, self.node - self.block.first)

    @property
    def window(self) -> tuple[float, float]:
        """Active for start < t <= stop, ms."""
        origin = self.value("origin")
        return origin + self.value("start"), origin + self.value("stop")

    # --- settings -------------------------------------------------------------------------------------------------

    def status_keys(self, record_to: Any = None) -> set[str]:
        """The keys that only this recorder has, or would have with another backend."""
        keys = {"record_from"} if self.kind == "states" else {"senders", "targets"} if self.kind == "weights" else set()
        backend = self.value("record_to") if record_to is None else record_to
        return keys | {"ascii": {*BACKEND_KEYS, "filenames"}, "screen": {"precision"}}.get(backend, set())

    def status(self, key: str) -> Any:
        """A property that only recorders have; `NotImplemented` for all others."""
        if key == "n_events":
            return self.count
        if key == "events":
            if self.value("record_to") != "memory":
                raise KeyError(key)
            return self.events()
        if key in ("senders", "targets") and self.kind == "weights":
            from jaxnest.nest._nodes import NodeCollection

            chosen = getattr(self, key)
            return NodeCollection() if chosen is None else chosen
        if self._files is not None:
            values = self._kernel.settings.values
            shown = self._files.status(values["data_path"], values["data_prefix"])
            if key in shown:
                return shown[key]
        if key == "precision" and self.value("record_to") == "screen":
            return self._precision
        return NotImplemented

    def set(self, key: str, value: Any) -> bool:
        """Change a setting that concerns the recording; whether that was all there was to do."""
        if self._kernel.prepared and key not in ("start", "stop", "origin", "n_events"):
            raise NESTErrors.BadProperty("Recorder parameters cannot be changed while inside a Prepare/Run/Cleanup context.")
        if key == "n_events":
            if value != 0:
                raise NESTErrors.BadProperty("Property n_events can only be set to 0 (which clears all stored events).")
            self._events, self.count = {}, 0
            return True
        if key == "events":
            raise NESTErrors.UnaccessedDictionaryEntry(
                "Unaccessed elements in params, in function NodeManager::set_status:  events"
            )
        if key in ("senders", "targets") and self.kind == "weights":
            setattr(self, key, value)
            return True
        if key in ("record_from", "interval", "offset") and self.kind == "states":
            self._check_sampling(key, value)
            return False
        if key == "record_to":
            if value not in _BACKENDS:
                raise NESTErrors.BadProperty(f"Recording backend '{value}' does not exist or is not compiled in.")
            self._files, self._precision = None, 3
            if value == "ascii":
                self._begin_files()
            return False
        if self._files is not None and key in ("label", "file_extension", "precision", "time_in_steps"):
            self._files.set({key: value}, self._kernel.simulated)
            return key not in self.block.shared
        if key == "precision" and self.value("record_to") == "screen":
            self._precision = int(value)
            return True
        if key == "time_in_steps" and self._kernel.simulated:
            raise NESTErrors.BadProperty("Property time_in_steps cannot be set after Simulate has been called.")
        return False

    def _begin_files(self) -> None:
        threads = self._kernel.settings.values["total_num_virtual_procs"]
        self._files = TextFiles(self.block.model.name, self.node, self._kernel.size, threads)

    def _check_sampling(self, key: str, value: Any) -> None:
        if self.connected:
            raise NESTErrors.BadProperty(
                "The recording interval, the interval offset and the list of properties to record cannot be changed "
                "after the multimeter has been connected to nodes."
            )
        h = self._kernel.resolution
        if key in ("interval", "offset"):
            if not isinstance(value, (int, float, np.number)):
                raise type_mismatch(key, value, "double")
            if key == "interval" and value < h - 1e-9:
                raise NESTErrors.BadProperty("The sampling interval must be at least as long as the simulation resolution.")
            if abs(value / h - round(value / h)) > 1e-6:
                raise NESTErrors.BadProperty(f"The sampling {key} must be a multiple of the simulation resolution")

    # --- events ---------------------------------------------------------------------------------------------------

    @property
    def fields(self) -> list[str]:
        """The columns of its events, beside times and senders."""
        if self.kind == "states":
            return list(self.value("record_from"))
        return ["weights", "targets", "receptors", "ports"] if self.kind == "weights" else []

    def events(self) -> dict[str, np.ndarray]:
        """All events, by column; times in ms, or in steps with `offsets`. With several threads, those of each thread come
        together: of its senders, or targets of weights."""
        in_steps = self.value("time_in_steps")
        found = {name: np.concatenate(parts) for name, parts in self._events.items()}
        names = ["senders", "times", *(["offsets"] if in_steps else []), *self.fields]
        if not found:
            return {name: np.zeros(0) for name in sorted(names)}
        found["times"] = found["steps"] if in_steps else self._ms(found["steps"], found.get("offsets"))
        found.setdefault("offsets", np.zeros(self.count))
        threads = self._kernel.settings.values["total_num_virtual_procs"]
        if threads > 1:
            order = np.argsort(found["targets" if self.kind == "weights" else "senders"] % threads, kind="stable")
            found = {name: values[order] for name, values in found.items()}
        return {name: found[name] for name in sorted(names)}

    def _ms(self, steps: np.ndarray, offsets: np.ndarray | None) -> np.ndarray:
        times = Clock.of(self._kernel).ms(steps)
        return times if offsets is None else times - offsets

    def add(self, steps: np.ndarray, senders: np.ndarray, **fields: np.ndarray) -> None:
        """Take events: their times in steps (right edges), senders, and further columns. Those outside the window are lost.
        The column `offsets` (ms before the right edge) may be absent where all are 0."""
        h = self._kernel.resolution
        low, high = self.window
        keep = (steps > round(low / h)) & (steps <= (round(high / h) if high < 1e15 else np.inf))
        if not keep.any():
            return
        if not keep.all():
            steps, senders = steps[keep], senders[keep]
            fields = {k: v[keep] for k, v in fields.items()}
        target = self.value("record_to")
        if target == "memory":
            if "offsets" in fields and "offsets" not in self._events:
                self._events["offsets"] = [np.zeros(self.count)]
            elif "offsets" in self._events:
                fields.setdefault("offsets", np.zeros(len(steps)))
            self.count += len(steps)
            for name, values in {"steps": steps, "senders": senders, **fields}.items():
                self._events.setdefault(name, []).append(values)
            return
        self.count += len(steps)
        in_steps = self.value("time_in_steps")
        offsets = fields.pop("offsets", None)
        events = {"times": steps if in_steps else self._ms(steps, offsets), "senders": senders, **fields}
        if in_steps:
            events["offsets"] = np.zeros(len(steps)) if offsets is None else offsets
        if self._files is not None:
            self._files.write(events)
        else:
            names = columns(self.block.model.core.name, self.fields)
            print_events(events, names, self._precision, in_steps)

    def open(self) -> None:
        """Before a run: open the files."""
        if self._files is not None:
            values = self._kernel.settings.values
            names = columns(self.block.model.core.name, self.fields)
            self._files.open(names, values["data_path"], values["data_prefix"], values["overwrite_files"])

    def close(self) -> None:
        if self._files is not None:
            self._files.close()


def meter_ports(kernel: Kernel, pre: np.ndarray, post: np.ndarray) -> np.ndarray:
    """The receptor (n,) of each connection from a multimeter `pre` to a node `post`: the how-many-th meter of it that is.

    **Raises:** `IllegalConnection` for a pair that is there already.
    """
    batches = kernel.recorded_nodes("states")
    targets = np.concatenate([*(b.post for b in batches), post])
    meters = np.concatenate([*(b.pre for b in batches), pre])
    if len(np.unique(meters.astype(np.int64) << 32 | targets)) < len(targets):
        raise NESTErrors.IllegalConnection("Each multimeter can only be connected once to a given node.")
    order = np.argsort(targets, kind="stable")
    starts = np.flatnonzero(np.diff(targets[order], prepend=-1))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    return rank[len(rank) - len(post) :] + 1


__all__ = ["BACKEND_KEYS", "Recorder", "meter_ports", "with_backend"]
