"""Meshes of devices: one axis for the neurons of a network, one for trials, and functions that run on each device's part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxnest.errors import ConfigurationError

#: the axis of a mesh along which a batch is spread; any other one is the neurons'
TRIALS = "trials"
_WHOLE = PartitionSpec()


def mesh_of(neurons: int | None = None, trials: int | None = None, axis: str = "neurons") -> Mesh:
    """A mesh over the first devices of all processes: so many for the `neurons` of a network (a mesh's `axis`), times so many for `trials`.

    An axis that is not given is left out; with neither, all devices are for the neurons. ``mesh_of(trials=4)``: four devices, each of which has
    the whole network. Devices that hold parts of one network stand together.

    **Raises:** `ConfigurationError` if there are fewer devices.
    """
    every = jax.devices()
    if neurons is None and trials is None:
        neurons = len(every)
    wanted = {name: n for name, n in ((TRIALS, trials), (axis, neurons)) if n is not None}
    total = int(np.prod(list(wanted.values())))
    if any(n < 1 for n in wanted.values()) or total > len(every) or axis == TRIALS:
        raise ConfigurationError(
            f"neurons={neurons!r}, trials={trials!r}, axis={axis!r}: JAX has {len(every)} devices; on CPUs, "
            "jax.config.update('jax_num_cpu_devices', n) before anything else makes n virtual ones"
        )
    return Mesh(np.array(every[:total]).reshape(list(wanted.values())), tuple(wanted))


def axes_of(mesh: Mesh) -> tuple[str | None, str | None]:
    """The names of a mesh's axes for neurons and for trials, None where it has none.

    **Raises:** `ConfigurationError` if it has others.
    """
    neurons = [name for name in mesh.axis_names if name != TRIALS]
    if len(neurons) > 1:
        raise ConfigurationError(f"mesh with the axes {mesh.axis_names}: give at most one beside {TRIALS!r}")
    return neurons[0] if neurons else None, TRIALS if TRIALS in mesh.axis_names else None


def holders(mesh: Mesh, axis: str) -> list[tuple[Any, int]]:
    """The devices of this process, each with the number of the part that it holds of what lies along an axis."""
    k = mesh.axis_names.index(axis)
    return [(d, place[k]) for place, d in np.ndenumerate(mesh.devices) if d.process_index == jax.process_index()]


def placed(mesh: Mesh, value: Any, spec: PartitionSpec = _WHOLE) -> jax.Array:
    """An array over the mesh, which all processes have whole."""
    value = np.asarray(value)
    return jax.make_array_from_callback(value.shape, NamedSharding(mesh, spec), lambda index: value[index])


def on_devices(mesh: Mesh, function: Callable[..., Any], specs: Sequence[Any], out: PartitionSpec) -> Callable[..., Any]:
    """`function` on each device, of its part of each operand: what is parted has a first axis, of length 1 there, of which `function` does not
    know. `specs` of the operands say what is; `out` of the results."""
    given = tuple(specs)
    one = partial(_on_part, function, given, out)
    return jax.shard_map(one, mesh=mesh, in_specs=given, out_specs=out, check_vma=False)


def _on_part(function: Callable[..., Any], specs: Sequence[Any], out: PartitionSpec, *operands: Any) -> Any:
    def mine(spec: PartitionSpec, tree: Any) -> Any:
        return tree if spec == _WHOLE else jax.tree.map(lambda x: x[0], tree)

    result = function(*(jax.tree.map(mine, spec, operand) for spec, operand in zip(specs, operands, strict=True)))
    return result if out == _WHOLE else jax.tree.map(lambda x: x[None], result)
