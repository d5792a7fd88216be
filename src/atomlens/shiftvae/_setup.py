"""What is asked of the parameters, and the geometry that follows from them."""

from __future__ import annotations

import math
import numbers

import numpy as np
from scipy.linalg import block_diag

BLOCK = 5  # windows: side of the blocks from which a smooth map learns
_MOVEMENTS = {
    None: (),
    "shift": ("shift",),
    "rotation": ("rotation",),
    "shift+rotation": ("shift", "rotation"),
}
_CHOICES = {
    "invariance": tuple(_MOVEMENTS),
    "decoder": ("canonical", "coordinate"),
    "likelihood": ("gaussian", "bernoulli"),
}
REACH = 2.5  # standard deviations of the prior: so far the frame has room, and registration looks
LEAST_NOISE = 1e-3  # of the range of the data
STATE = ("offset", "range", "noise")  # what a trained core knows of the data


def check_parameters(model, crops):
    """Raise if a parameter of `ShiftVAE` is out of range, or does not fit the crops."""
    for name, choices in _CHOICES.items():
        if getattr(model, name) not in choices:
            raise ValueError(
                f"{name} must be one of {', '.join(map(repr, choices))}, got {getattr(model, name)!r}"
            )
    for name in ("latent_dim", "batch_size", "max_epochs", "decoder_units"):
        value = getattr(model, name)
        if name == "decoder_units" and value is None:
            continue
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    for name in ("shift_scale", "rotation_scale", "learning_rate", "noise_sd"):
        value = getattr(model, name)
        if name == "noise_sd" and value is None:
            continue
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive, got {value!r}")
    for name in ("beta", "smoothness"):
        if not 0 <= getattr(model, name) < math.inf:
            raise ValueError(f"{name} must not be negative, got {getattr(model, name)!r}")
    if model.shift_scale > 1:
        raise ValueError(
            f"shift_scale is in half-widths of the window, {model.shift_scale} would move crops out of their "
            "own window: take 1 at most, or larger windows"
        )
    if model.lattice is not None and "shift" not in _MOVEMENTS[model.invariance]:
        raise ValueError(f"a lattice is for shifts: invariance={model.invariance!r} has none")
    if crops.signal and "rotation" in _MOVEMENTS[model.invariance]:
        raise ValueError("signals cannot be turned: take invariance='shift'")
    if len(crops) < model.batch_size:
        raise ValueError(
            f"{len(crops)} crops are fewer than a batch of {model.batch_size}: cut more of them, or lower "
            "batch_size"
        )
    if model.smoothness:
        _check_grid(model, crops)


def _check_grid(model, crops):
    if crops.grid is None:
        raise ValueError(
            "smoothness needs crops on a grid: pass the windows as they come from sliding_windows"
        )
    if min(crops.grid) < BLOCK or model.batch_size < BLOCK**2:
        raise ValueError(
            f"smoothness looks at blocks of {BLOCK} x {BLOCK} windows: a grid of "
            f"{crops.grid[0]} x {crops.grid[1]}, or a batch of {model.batch_size}, is too small"
        )


def pose_names(invariance, crops, *, lattice=None):
    """Names of the latents of the pose."""
    axes = "ab" if lattice is not None else "xy"
    shift = [f"shift_{axis}" for axis in (axes[:1] if crops.signal else axes)]
    names = {"shift": shift, "rotation": ["rotation"]}
    return [name for movement in _MOVEMENTS[invariance] for name in names[movement]]


def geometry_of(model, crops):
    """Geometry of a model for these crops.

    Raises
    ------
    NotPeriodicError
        If a lattice is given that is none.
    ValueError
        If lattice vectors are unusable.
    """
    from atomlens.shiftvae._geometry import UNIFORM_SD, Geometry

    names = pose_names(model.invariance, crops)
    rotates = "rotation" in names
    axes = len(names) - rotates
    scale = np.diag([model.shift_scale * (n - 1) / 2 for n in reversed(crops.shape)][:axes])
    reach = REACH * scale.sum(axis=0)
    if model.lattice is not None:
        cell = lattice_vectors(model.lattice, axes)
        scale, reach = UNIFORM_SD * cell, np.abs(cell).sum(axis=0) / 2 + 1
    margin = (*[0] * (2 - axes), *(math.ceil(r) + 1 for r in reversed(reach)))
    if rotates:
        diagonal = math.hypot(*crops.shape) / 2
        margin = tuple(m + math.ceil(diagonal - n / 2) for m, n in zip(margin, crops.shape, strict=True))
        scale = (
            block_diag(scale, math.radians(model.rotation_scale))
            if axes
            else np.radians([[model.rotation_scale]])
        )
    n_phases = 0 if model.lattice is None else axes
    return Geometry(crops.shape, axes, rotates, tuple(map(tuple, scale.tolist())), margin, n_phases)


def narrower_than_the_cell(geometry):
    """Whether windows do not hold a whole unit cell, of which the lattice is known."""
    if not geometry.n_phases:
        return False
    from atomlens.shiftvae._geometry import UNIFORM_SD

    cell = np.asarray(geometry.scale)[: geometry.axes, : geometry.axes] / UNIFORM_SD
    sides = geometry.shape[::-1][: geometry.axes]
    return bool((np.linalg.norm(cell, axis=1) > min(sides)).any())


def lattice_vectors(lattice, axes):
    """Rows of lattice vectors in pixels, (2, 2) or (1, 1)."""
    if hasattr(lattice, "required"):
        lattice = lattice.required().basis
    cell = np.asarray(lattice, float)
    if cell.size != axes**2 or not np.isfinite(cell).all():
        raise ValueError(
            "lattice must be two vectors of (x, y) in pixels, or one period for signals, got "
            f"shape {cell.shape}"
        )
    cell = cell.reshape(axes, axes)
    if abs(np.linalg.det(cell)) < 1:
        raise ValueError(f"the unit cell of lattice {cell.tolist()} is smaller than a pixel")
    return cell
