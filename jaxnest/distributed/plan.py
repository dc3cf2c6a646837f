"""What a network would need on machines that are not there: `python -m jaxnest.distributed.plan --network microcircuit --devices 1 8 64`.

Prints for each number of devices the memory of a device, the time of a slice, the real-time factor and what is exchanged; whether it would run,
and if not why; and the assumption behind each number. `--measured FILE...`, records of `python -m benchmarks scaling --json FILE`, fits the constants of
the machine to measured runs and prints predicted beside measured.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from jaxnest.devices._base import Drive
from jaxnest.distributed._cost import CONSTANTS, Machine, Prediction, Size, memory, predict, work
from jaxnest.distributed._fitted import Fit, Measured, fit, read
from jaxnest.distributed._machines import NETWORKS, machines
from jaxnest.errors import ConfigurationError
from jaxnest.neurons._base import Neuron
from jaxnest.simulation._network import Network, Projection

__all__ = [
    "CONSTANTS", "NETWORKS", "Fit", "Machine", "Measured", "Prediction", "Size", "fit", "machines", "main", "memory", "predict", "read", "size_of", "table", "work",
]  # fmt: skip

_SIZES = {
    "rate": (float, "spikes/s of a neuron"),
    "h": (float, "resolution, ms"),
    "min_delay": (float, "shortest delay of a spike, ms"),
    "max_delay": (float, "longest delay, ms"),
    "connection": (
        float,
        "bytes a synapse for target, weight and delay: 4 if weight and delay are common, 9 in float32 with its own",
    ),
    "plastic": (float, "further bytes of a plastic synapse: 12 of stdp_synapse; 0: static"),
    "state": (float, "floats of a neuron, states and own parameters: 8 of iaf_psc_exp, 21 if several populations of it differ"),
    "channels": (int, "input columns of a neuron"),
    "tables": (int, "tables with connections of the same sources"),
}
_ONE_NODE = 1 << 30
_DEVICES = (8, 64, 512, 4096)
#: what a table of predictions shows of the memory
_HELD = {
    "connections": ("connections",),
    "row pointers": ("row pointers",),
    "neurons": ("neurons", "ring", "histories", "recordings"),
    "all spikes": ("all spikes",),
}
_ALWAYS = (
    "neurons are cut into equal parts, spikes are independent Poisson processes of one rate (oscillations make more rounds), connections are random",
    "row pointers: each table has a row for every neuron of the whole network (4 bytes, for each delay where rows are cut by delay)",
    "all spikes: an array of (steps of a slice) x (all neurons), and what it is packed from; with delivery when due also a queue of (slots) x (all neurons)",
    "exchange: an all-gather of 256 spikes, 1 KB, a round, as many as the device with the most spikes needs",
    "not counted: memory of the host (some 40 bytes a neuron of the whole network in each process), compilation, stragglers",
)


def size_of(network: Network, rate: float, *, state: float = 8.0) -> Size:
    """The size of a described `Network` whose neurons spike at `rate`: its synapses in the present precision, and the delays of its spikes.

    **Raises:** `ConfigurationError` if no connection carries spikes.
    """
    spiking = [p for p in network.projections if not issubclass(p.pre.parts[0][0].model, Drive) and len(p)]
    if not spiking:
        raise ConfigurationError("the network has no connections that spikes take")
    spans = [p.delays.span() for p in spiking]
    item, total = jax.dtypes.canonicalize_dtype(float).itemsize, sum(len(p) for p in spiking)
    held = [_connection_bytes(p, item) for p in spiking]
    mean = [sum(len(p) * each[k] for p, each in zip(spiking, held, strict=True)) / total for k in range(2)]
    return Size(
        sum(p.n for p in network.populations if issubclass(p.model, Neuron)),
        float(total),
        rate,
        h=network.h,
        min_delay=min(low for low, _ in spans) * network.h,
        max_delay=max(high for _, high in spans) * network.h,
        connection=mean[0],
        plastic=mean[1],
        state=state,
        itemsize=item,
    )


def _connection_bytes(projection: Projection, item: int) -> tuple[float, float]:
    """What each connection of a projection has: for target, weight and delay; for plasticity. Static ones share tables in which each has its own
    weight and delay, unless it was given one of both."""
    model, own = projection.model, not projection.weights.constant or not projection.delays.constant
    if model.static:
        return 4.0 + (item + 1.0) * own, 0.0
    listed = sum(not v.constant for v in (*projection.values.values(), projection.weights))
    return 4.0 + item * listed + 1.0 * (not projection.delays.constant), float(item * len(model.states))


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 2 for wrong input."""
    a = _parser().parse_args(argv)
    try:
        machine = _machine(a)
        if a.network is None and a.neurons is None:
            _check_without_network(a)
            return 0
        size, about = _size(a)
        found = [predict(size, machine, n, listed=a.listed) for n in a.devices or _DEVICES]
    except (ConfigurationError, OSError, json.JSONDecodeError) as error:
        print(f"plan: {error}", file=sys.stderr)
        return 2
    print(_heading(size, machine, about))
    print(table(found), end="\n\n")
    for p in found:
        for fault in p.faults:
            print(f"{p.devices} devices cannot run it: {fault}")
    print(_assumptions(machine, about, listed=a.listed))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jaxnest.distributed.plan", description=__doc__)
    parser.add_argument("--network", choices=list(NETWORKS), help="a published one; what else is given changes it")
    parser.add_argument("--neurons", type=float)
    parser.add_argument("--synapses", type=float)
    parser.add_argument("--devices", type=int, nargs="+", metavar="D", help=f"default: {_DEVICES}")
    parser.add_argument(
        "--machine",
        choices=list(machines()),
        help="default: h100, with --measured cpu; -kernel: with one for look-ups that is not built",
    )
    for name, (kind, text) in _SIZES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=text)
    parser.add_argument(
        "--double", action="store_true", help="float64: floats of 8 bytes, also weights that synapses have of their own"
    )
    parser.add_argument(
        "--listed",
        action="store_true",
        help="as if rows were of sources with targets in the part alone, and spikes lists: NOT BUILT",
    )
    parser.add_argument(
        "--measured", nargs="+", metavar="FILE", help="fit the machine 'cpu' to runs: benchmarks scaling --json FILE"
    )
    machine = parser.add_argument_group("the machine", "other constants than those of --machine")
    machine.add_argument("--memory", type=float, help="of a device, GB (1e9 bytes)")
    machine.add_argument("--node", type=int, help="devices in a node")
    machine.add_argument(
        "--own", action="store_true", help="each device has a processor of its own, where virtual ones share it"
    )
    for name, (unit, _, text) in CONSTANTS.items():
        machine.add_argument(f"--{name}-{unit}", type=float, dest=f"constant_{name}", help=text)
    return parser


def _check_without_network(a: argparse.Namespace) -> None:
    if not a.measured:
        raise ConfigurationError("give --network, or --neurons and --synapses, or --measured FILE")
    about_networks = [name for name in (*_SIZES, "synapses", "devices") if getattr(a, name) is not None]
    about_networks += [name for name in ("double", "listed") if getattr(a, name)]
    if about_networks:
        raise ConfigurationError(f"--{about_networks[0].replace('_', '-')} is of a network: give --network or --neurons, too")


def _size(a: argparse.Namespace) -> tuple[Size, str]:
    given = {name: getattr(a, name) for name in (*_SIZES, "synapses") if getattr(a, name) is not None}
    if a.neurons is not None:
        given["neurons"] = int(a.neurons) if math.isfinite(a.neurons) else 0
    if a.network is None:
        if a.synapses is None:
            raise ConfigurationError("give --synapses beside --neurons")
        base, about = Size(1, 0.0, 5.0), "as given; where nothing was: 5 spikes/s, delays of 1.5 ms, steps of 0.1 ms"
    else:
        make, about = NETWORKS[a.network]
        base = make()
    if "min_delay" in given and "max_delay" not in given:
        given["max_delay"] = max(base.max_delay, given["min_delay"])
    size = replace(base, **given)
    if a.double:
        size = replace(size, itemsize=8, connection=size.connection + 4.0 * (size.connection >= 8.0), plastic=2 * size.plastic)
    return size, about


def _machine(a: argparse.Namespace) -> Machine:
    machine = machines()[a.machine or ("cpu" if a.measured else "h100")]
    if a.measured:
        if machine.name != "cpu":
            raise ConfigurationError(f"--measured fits the machine cpu, not {machine.name}: leave --machine out")
        runs = read([r for name in a.measured for r in _records(name)])
        found = fit(runs, machines()["cpu"])
        print(_told(found))
        fitted = dict.fromkeys(CONSTANTS, f"fitted to {' '.join(a.measured)}")
        machine = replace(found.machine, why={**found.machine.why, **fitted})
    if a.own and not machine.shared:
        raise ConfigurationError(f"--own: each device of {machine.name} has a processor of its own already")
    seconds, why = dict(machine.seconds), dict(machine.why)
    for name, (_, factor, _) in CONSTANTS.items():
        value = getattr(a, f"constant_{name}")
        if value is not None:
            if not 0 <= value < float("inf"):
                raise ConfigurationError(f"--{name}-{CONSTANTS[name][0]} {value}: must not be negative")
            seconds[name], why[name] = value * factor, "as given"
    if (a.memory is not None and not a.memory > 0) or (a.node is not None and a.node < 1):
        raise ConfigurationError("--memory and --node must be positive")
    return replace(
        machine,
        seconds=seconds,
        why=why | ({"memory": "as given"} if a.memory else {}),
        memory=machine.memory if a.memory is None else a.memory * 1e9,
        node=machine.node if a.node is None else a.node,
        shared=machine.shared and not a.own,
    )


def _records(name: str) -> list[Any]:
    records = json.loads(Path(name).read_text())
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        raise ConfigurationError(f"{name}: no list of records; give what benchmarks scaling --json wrote")
    return records


def _heading(size: Size, machine: Machine, about: str) -> str:
    delays = (
        f"delays of {size.min_delay:g} to {size.max_delay:g} ms"
        if size.max_delay > size.min_delay
        else f"delays of {size.min_delay:g} ms"
    )
    return (
        f"{size.neurons:,} neurons, {size.synapses:.4g} synapses of {size.connection + size.plastic:g} bytes, {size.rate:g} spikes/s, {delays}; "
        f"slices of {size.slice_steps} x {size.h:g} ms; on {machine.name}\n"
    )


def table(found: Sequence[Prediction]) -> str:
    """Predictions in Markdown, one line a number of devices: memory of a device, and what makes up the time of a slice."""
    heads = ["devices", *(f"{name} GB" for name in _HELD), "all GB", *(f"{name} us" for name in found[0].times)]
    heads += ["limited by", "real-time factor", "sent KB", "received KB", "runs"]
    rows = []
    for p in found:
        held = [sum(p.bytes[name] for name in names) / 1e9 for names in _HELD.values()]
        parts = [*held, p.memory / 1e9, *(1e6 * t for t in p.times.values())]
        ends = [p.factor, p.sent / 1e3, p.received / 1e3]
        rows.append([str(p.devices), *map(_figure, parts), p.limit, *map(_figure, ends), "no" if p.faults else "yes"])
    return _markdown(heads, rows)


def _told(found: Fit) -> str:
    rows = []
    for run, predicted, off in zip(found.runs, found.predicted, found.residuals, strict=True):
        needed = memory(run.size, found.machine, run.devices)
        counted = needed["connections"] + needed["row pointers"]
        tables = "" if run.tables is None else _figure(run.tables / 1e6)
        times = map(_figure, (run.seconds * 1e6, predicted * 1e6, 100.0 * off))
        rows.append([run.name, str(run.devices), f"{run.size.neurons:,}", *times, tables, _figure(counted / 1e6)])
    heads = ["run", "devices", "neurons", "measured us a slice", "predicted", "off %", "measured tables MB", "counted"]
    text = _markdown(heads, rows)
    values = [f"- {name}: {_told_constant(name, found.machine.seconds[name])}" for name in CONSTANTS]
    return "\n".join([text, "", "fitted constants", *values, ""])


def _told_constant(name: str, seconds: float) -> str:
    unit, factor, text = CONSTANTS[name]
    return f"{_figure(seconds / factor)} {unit} for {text}"


def _assumptions(machine: Machine, about: str, *, listed: bool) -> str:
    lines = ["", "assumptions", f"- network: {about}", *(f"- {text}" for text in _ALWAYS)]
    if listed:
        lines.append("- NOT BUILT: rows only of sources with targets in the part (8 bytes each), spikes handed on as lists")
    nodes = "one node" if machine.node >= _ONE_NODE else f"{machine.node} devices a node"
    lines.append(f"- memory: {machine.memory / 1e9:g} GB a device ({machine.why.get('memory', 'as given')}); {nodes}")
    lines += [
        f"- {name}: {_told_constant(name, machine.seconds[name])}: {machine.why.get(name, 'as given')}" for name in CONSTANTS
    ]
    if machine.shared:
        lines.append("- virtual devices share the processor: the constants are of all of it; --own: each has one of its own")
    return "\n".join(lines)


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    width = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [heads, ["-" * (w - 1) + ":" for w in width], *rows]
    return "\n".join("| " + " | ".join(c.rjust(w) for c, w in zip(line, width, strict=True)) + " |" for line in lines)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
