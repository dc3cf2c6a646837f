"""`CreateMask`: the types of masks, made from dictionaries."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._masks import Anchored, Ball, Box, Difference, Ellipse, Grid, Mask
from jaxnest.nest._specs import Specs, as_integers, as_vector, cast_error, is_integers


def CreateMask(masktype: str, specs: Mapping[str, object], anchor: Sequence[float] | None = None) -> Mask:
    """A mask of type ``masktype``, moved by ``anchor``.

    ``specs`` holds, for circular and spherical: radius, anchor; doughnut: inner_radius, outer_radius, anchor;
    rectangular and box: lower_left, upper_right, azimuth_angle and, for the box, polar_angle; elliptical and
    ellipsoidal: major_axis, minor_axis, anchor, azimuth_angle and, for the ellipsoid, polar_axis and polar_angle;
    grid: shape. Angles are in degrees. The anchor of a grid mask is the index of the node in the block, as integers;
    that of any other mask is a shift, as floats.

    Raises UndefinedName for an unknown type, UnaccessedDictionaryEntry for unknown keys, IndexError for missing
    keys, TypeMismatch for values of a wrong type and BadProperty for values out of range.
    """
    read = Specs(masktype, specs)
    if masktype not in _TYPES:
        raise NESTErrors.UndefinedName(f"The name {masktype} is not defined.")
    mask = _TYPES[masktype](read)
    read.refuse_unread("specs", "CreateMask")
    return mask if anchor is None else _anchored(mask, anchor)


def as_mask(value: object) -> Mask | None:
    """A mask, from a mask or a dictionary {type: specs, "anchor": anchor}; None for an empty dictionary."""
    if isinstance(value, Mask):
        return value
    if not isinstance(value, Mapping):
        raise cast_error("mask", value, "Dictionary")
    types = [key for key in value if key != "anchor"]
    if len(types) > 1:
        raise NESTErrors.BadProperty(f"A mask has one type, got {', '.join(types)}.")
    return CreateMask(types[0], value[types[0]], value.get("anchor")) if types else None


def _anchored(mask: Mask, anchor: object) -> Mask:
    whole = is_integers(anchor)
    shift = as_integers("anchor", anchor) if whole else as_vector("anchor", anchor)
    if len(shift) not in (2, 3):
        raise NESTErrors.BadProperty("Anchor must be 2- or 3-dimensional.")
    if whole:
        if not isinstance(mask, Grid) or mask.ndim != len(shift):
            raise NESTErrors.BadProperty(f"Mask must be {len(shift)}-dimensional grid mask.")
        return Grid(mask.shape, shift)
    if isinstance(mask, Grid) or mask.ndim != len(shift):
        raise TypeError("The anchor of a grid mask must be integers, and any anchor must have the dimensions of its mask.")
    return Anchored(mask, shift)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise NESTErrors.BadProperty(message)


def _anchor(specs: Specs, ndim: int) -> np.ndarray:
    return specs.vector("anchor", ndim) if "anchor" in specs else np.zeros(ndim)


def _axes(specs: Specs, name: str, ndim: int) -> np.ndarray | None:
    """The directions (d, d) of a body turned by the azimuth about z, then by the polar angle about y; or None."""
    if ndim == 2 and "polar_angle" in specs:
        raise NESTErrors.BadProperty(f"nest::{name}: polar_angle not defined in 2D.")
    azimuth, polar = specs.real("azimuth_angle", 0.0), specs.real("polar_angle", 0.0)
    if azimuth == 0 and polar == 0:
        return None
    c, s = math.cos(math.radians(azimuth)), math.sin(math.radians(azimuth))
    about_z = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    c, s = math.cos(math.radians(polar)), math.sin(math.radians(polar))
    about_y = np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
    return (about_y @ about_z)[:ndim, :ndim]


def _ball(ndim: int, specs: Specs) -> Mask:
    radius = specs.real("radius")
    _require(radius > 0, "nest::BallMask<D>: radius > 0 required.")
    return Ball(_anchor(specs, ndim), radius)


def _doughnut(specs: Specs) -> Mask:
    center, outer, inner = _anchor(specs, 2), specs.real("outer_radius"), specs.real("inner_radius")
    _require(inner < outer, "nest::create_doughnut: inner_radius < outer_radius required.")
    return Difference(Ball(center, outer), Ball(center, inner))


def _box(ndim: int, specs: Specs) -> Mask:
    lower, upper = specs.vector("lower_left", ndim), specs.vector("upper_right", ndim)
    _require(
        bool((lower < upper).all()),
        "nest::BoxMask<D>: Upper right must be strictly to the right and above lower left.",
    )
    return Box(lower, upper, _axes(specs, "BoxMask<D>", ndim))


def _ellipse(ndim: int, specs: Specs) -> Mask:
    major, minor = specs.real("major_axis"), specs.real("minor_axis")
    _require(ndim == 3 or "polar_axis" not in specs, "nest::EllipseMask<D>: polar_axis not defined in 2D.")
    polar = specs.real("polar_axis", math.inf)  # without it, a cylinder
    _require(min(major, minor, polar) > 0, "nest::EllipseMask<D>: All axis > 0 required.")
    _require(major >= minor, "nest::EllipseMask<D>: major_axis greater than minor_axis required.")
    half = np.array([major, minor, polar][:ndim]) / 2
    return Ellipse(_anchor(specs, ndim), half, _axes(specs, "EllipseMask<D>", ndim))


def _grid(specs: Specs) -> Mask:
    shape = as_integers("shape", specs.get("shape"))
    _require(len(shape) == 2, "The shape of a grid mask must have 2 entries.")
    return Grid(shape, np.zeros(2, np.int64))


_TYPES: Mapping[str, Callable[[Specs], Mask]] = {
    "circular": partial(_ball, 2),
    "spherical": partial(_ball, 3),
    "doughnut": _doughnut,
    "rectangular": partial(_box, 2),
    "box": partial(_box, 3),
    "elliptical": partial(_ellipse, 2),
    "ellipsoidal": partial(_ellipse, 3),
    "grid": _grid,
}
