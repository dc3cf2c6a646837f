"""Recorders: their settings, and the events that they have gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._ascii import TextFiles, columns, print_events
from jaxnest.nest._errors import NESTErrors, type_mismatch
from jaxnest.nest._ledger import Block

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel

_BACKENDS = ("ascii", "memory", "screen")


class Recorder:
    """One recorder. `add` gives it events; it keeps them, or passes them on to its files or the screen."""

    def __init__(self, kernel: Kernel, node: int, block: Block) -> None:
        self._kernel, self.node, self.block = kernel, node, block
        self.kind = block.model.records
        self.connected = False
        self.senders: Any = None  # of a weight_recorder: whose events it wants, and from which targets
        self.targets: Any = None
        self._events: dict[str, list[np.ndarray]] = {}
        self._files: TextFiles | None = None

    def value(self, key: str) -> Any:
        return self.block.value(key, self.node - self.block.first)

    @property
    def window(self) -> tuple[float, float]:
        """Active for start < t <= stop, ms."""
        origin = self.value("origin")
        return origin + self.value("start"), origin + self.value("stop")

    # --- settings -------------------------------------------------------------------------------------------------

    def status_keys(self) -> set[str]:
        keys = {"record_from"} if self.kind == "states" else {"senders", "targets"} if self.kind == "weights" else set()
        if self._files is not None:
            keys |= set(self._files.status())
        elif self.value("record_to") == "screen":
            keys |= {"precision"}
        return keys

    def status(self, key: str) -> Any:
        """A property that only recorders have; `NotImplemented` for all others."""
        memory = self.value("record_to") == "memory"
        if key in ("events", "n_events"):
            if not memory:
                raise KeyError(key)
            return self.events() if key == "events" else self.count
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
            return getattr(self, "_precision", 3)
        return NotImplemented

    def set(self, key: str, value: Any) -> bool:
        """Change a setting that concerns the recording; whether that was all there was to do."""
        if self._kernel.prepared and key not in ("start", "stop", "origin", "n_events"):
            raise NESTErrors.BadProperty(
                "Recorder parameters cannot be changed while inside a Prepare/Run/Cleanup context."
            )
        if key == "n_events":
            if value != 0:
                raise NESTErrors.BadProperty("Property n_events can only be set to 0 (which clears all stored events).")
            self._events = {}
            return True
        if key == "events":
            raise NESTErrors.UnaccessedDictionaryEntry("Unaccessed elements in params, in function NodeManager::set_status:  events")
        if key in ("senders", "targets") and self.kind == "weights":
            setattr(self, key, value)
            return True
        if key in ("record_from", "interval", "offset") and self.kind == "states":
            self._check_sampling(key, value)
            return False
        if key == "record_to":
            if value not in _BACKENDS:
                raise NESTErrors.BadProperty(f"Recording backend '{value}' does not exist or is not compiled in.")
            self._files = None
            if value == "ascii":
                n = self._kernel.size
                threads = self._kernel.settings.values["total_num_virtual_procs"]
                self._files = TextFiles(self.block.model.name, self.node, n, threads)
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

    @property
    def count(self) -> int:
        return sum(len(x) for x in self._events.get("senders", []))

    def events(self) -> dict[str, np.ndarray]:
        """All events, by column; times in ms, or in steps with `offsets`."""
        steps = self.value("time_in_steps")
        names = ["senders", "times", *(["offsets"] if steps else []), *self.fields]
        found: dict[str, np.ndarray] = {}
        for name in sorted(names):
            parts = self._events.get("steps" if name == "times" else "senders" if name == "offsets" else name, [])
            whole = np.concatenate(parts) if parts else np.zeros(0)
            if name == "times" and not steps:
                whole = np.round(whole * self._kernel.resolution, 6)
            elif name == "offsets":
                whole = np.zeros(len(whole))
            found[name] = whole
        return found

    def add(self, steps: np.ndarray, senders: np.ndarray, **fields: np.ndarray) -> None:
        """Take events: their times in steps (right edges), senders, and further columns. Those outside the window are lost."""
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
            for name, values in {"steps": steps, "senders": senders, **fields}.items():
                self._events.setdefault(name, []).append(values)
            return
        in_steps = self.value("time_in_steps")
        times = steps if in_steps else np.round(steps * h, 6)
        events = {"times": times, "senders": senders, **fields}
        if in_steps:
            events["offsets"] = np.zeros(len(steps))
        if self._files is not None:
            self._files.write(events)
        else:
            names = columns(self.block.model.core.name, self.fields)
            print_events(events, names, getattr(self, "_precision", 3), in_steps)

    def open(self) -> None:
        """Before a run: open the files."""
        if self._files is not None:
            values = self._kernel.settings.values
            names = columns(self.block.model.core.name, self.fields)
            self._files.open(names, values["data_path"], values["data_prefix"], values["overwrite_files"])

    def close(self) -> None:
        if self._files is not None:
            self._files.close()
