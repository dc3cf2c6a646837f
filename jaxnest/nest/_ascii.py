"""Recording to text files and to the screen, in NEST's format.

The life of a file is NEST's: `TextFiles.open` at Prepare (creates or empties it and writes the header), `TextFiles.write`
after each Run (appends, and the file is complete on disk), `TextFiles.close` at Cleanup. A second Simulate hence
begins the file anew, and needs ``overwrite_files``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxnest.nest._errors import NESTErrors, type_mismatch

NEST_VERSION = "3.10.0"
_BACKEND_VERSION = 2
# each setting's type, in Python and in C++
_SETTINGS = {
    "file_extension": (str, "std::string"),
    "label": (str, "std::string"),
    "precision": (int, "long"),
    "time_in_steps": (bool, "bool"),
}

Events = Mapping[str, np.ndarray]


def columns(type_id: str, record_from: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of what a recorder of this basic type writes after sender and time, in NEST's order."""
    if type_id == "weight_recorder":
        return ("weights", "targets", "receptors", "ports")
    if type_id == "spin_detector":
        return ("state",)
    return tuple(record_from)


@dataclass
class TextFiles:
    """The text file of one recorder: one a virtual process, as in NEST.

    ``network_size`` is the number of nodes when ``record_to`` was set to "ascii": it alone says to how many digits
    the node's ID is padded. Setting ``record_to`` again makes a new object, so label and precision start afresh.
    """

    model: str
    node_id: int
    network_size: int
    num_vps: int = 1
    label: str = ""
    file_extension: str = "dat"
    precision: int = 3
    time_in_steps: bool = False
    _columns: tuple[str, ...] = ()
    _paths: list[Path] = field(default_factory=list)

    def status(self, data_path: str = "", data_prefix: str = "") -> dict[str, Any]:
        """What the recorder shows of its files; ``filenames`` lists the files of all virtual processes."""
        return {
            "file_extension": self.file_extension,
            "filenames": self.filenames(data_path, data_prefix),
            "precision": self.precision,
            "time_in_steps": self.time_in_steps,
        }

    def set(self, params: Mapping[str, Any], simulated: bool) -> None:
        """Take over those of ``params`` that concern the files; others are left to the caller.

        **Raises:** `NESTErrors.TypeMismatch` for a value of the wrong type; `NESTErrors.BadProperty` if
        ``time_in_steps`` changes once the network was ``simulated``. Nothing is changed then.
        """
        new = {key: _cast(key, params[key], *kind) for key, kind in _SETTINGS.items() if key in params}
        if simulated and new.get("time_in_steps", self.time_in_steps) != self.time_in_steps:
            raise NESTErrors.BadProperty("Property time_in_steps cannot be set after Simulate has been called.")
        for key, value in new.items():
            setattr(self, key, value)

    def filenames(self, data_path: str = "", data_prefix: str = "") -> list[str]:
        """``data_path/data_prefix(label or model)-node_id-vp.file_extension``, one a virtual process."""
        folder = data_path if not data_path or data_path.endswith("/") else data_path + "/"
        stem = f"{folder}{data_prefix}{self.label or self.model}-{self.node_id:0{len(str(self.network_size))}d}"
        digits = len(str(self.num_vps))
        return [f"{stem}-{vp:0{digits}d}.{self.file_extension}" for vp in range(self.num_vps)]

    def open(self, names: Sequence[str], data_path: str = "", data_prefix: str = "", overwrite: bool = False) -> None:
        """Begin the files: empty but for the header. ``names`` are the recorder's `columns`.

        **Raises:** `NESTErrors.IOError` if a file exists and ``overwrite`` is False, or cannot be created.
        """
        paths = [Path(name) for name in self.filenames(data_path, data_prefix)]
        existing = [path for path in paths if path.exists()]
        if existing and not overwrite:
            raise NESTErrors.IOError(
                f"The file '{existing[0]}' already exists and overwriting files is disabled. To overwrite files, set "
                "the kernel property overwrite_files to true. To change the name or location of the file, change the "
                "kernel properties data_path or data_prefix, or the device property label."
            )
        time = ("time_step", "time_offset") if self.time_in_steps else ("time_ms",)
        header = (
            f"# NEST version: {NEST_VERSION}\n# RecordingBackendASCII version: {_BACKEND_VERSION}\n"
            + "\t".join(("sender", *time, *names))
            + "\n"
        )
        for path in paths:
            try:
                path.write_text(header)
            except OSError as error:
                raise NESTErrors.IOError(f"I/O error while opening file '{path}'.") from error
        self._columns, self._paths = tuple(names), paths

    def write(self, events: Events) -> None:
        """Append ``events``: "senders", "times" and the columns, one-dimensional and of one length.

        Times are in ms, or with ``time_in_steps`` in steps with "offsets" in ms beside them (0 if absent).
        With several virtual processes, each event goes to the file of its sender's, or target's if targets are
        recorded.

        **Raises:** `NESTErrors.BackendNotPrepared` if the files are not open.
        """
        if not self._paths:
            raise NESTErrors.BackendNotPrepared("ascii: the files are not open.")
        owner = events["targets" if "targets" in self._columns else "senders"]
        for vp, path in enumerate(self._paths):
            chosen = events
            if len(self._paths) > 1:
                here = np.asarray(owner) % len(self._paths) == vp
                chosen = {name: np.asarray(values)[here] for name, values in events.items()}
            with path.open("a") as file:
                file.write(rows(chosen, self._columns, self.precision, self.time_in_steps))

    def close(self) -> None:
        """End the files: what is written next needs `open`."""
        self._paths = []


def rows(events: Events, names: Sequence[str], precision: int = 3, time_in_steps: bool = False) -> str:
    """One line an event: sender, time, then the columns ``names``; floats with ``precision`` decimals."""
    values = [np.asarray(events["senders"]).astype(np.int64)]
    times = np.asarray(events["times"])
    if time_in_steps:
        values += [times.astype(np.int64), np.asarray(events.get("offsets", np.zeros(len(times))), dtype=np.float64)]
    else:
        values.append(times.astype(np.float64))
    values += [np.asarray(events[name]) for name in names]
    decimals = precision if precision >= 0 else 6  # C++ takes a negative precision for none given
    line = "\t".join("%d" if column.dtype.kind in "iub" else f"%.{decimals}f" for column in values) + "\n"
    return "".join(map(line.__mod__, zip(*(column.tolist() for column in values), strict=True)))


def print_events(events: Events, names: Sequence[str], precision: int = 3, time_in_steps: bool = False) -> None:
    """The "screen" backend: the lines of `rows` on stdout, without a header."""
    print(rows(events, names, precision, time_in_steps), end="", flush=True)


def _cast(key: str, value: Any, kind: type, cpp: str) -> Any:
    """``value`` as ``kind``; NumPy's scalars count as Python's, numbers and booleans do not stand for each other."""
    plain = value.item() if isinstance(value, np.generic) else value
    if type(plain) is not kind:
        raise type_mismatch(key, plain, cpp)
    return plain
