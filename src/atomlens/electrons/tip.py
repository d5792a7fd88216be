"""What a tip above the sheet sees: waves of all atoms, added before they are squared."""

from __future__ import annotations

import numpy as np
import xarray as xr

from atomlens._types import ArrayLike, DataArray, Sequence
from atomlens.electrons.maps import frame_of, surroundings
from atomlens.electrons.states import States, Waves

__all__ = ["tip_map"]

_PER_ROOT_EV = 5.123  # 1/nm: sqrt(2 m) / hbar, how fast a wave falls off below a barrier of 1 eV
_MARGIN = 1.0  # nm: from further away, waves arrive with less than 1/500 of their amplitude
_UNIT = 0.4  # nm, at which a wave is 1
_CLOSE = 0.15  # nm, that the tip stays away from the highest atom: nearer, waves of atoms are not just tails


def tip_map(
    states: States,
    window: tuple[float, float] = (-0.5, 0.5),
    *,
    distance: float | Sequence[float] = 0.4,
    work_function: float = 4.5,
    broadening: float = 0.1,
    pixel_size: float = 0.02,
    width: float = 1.2,
    height: float | None = None,
    centre: ArrayLike | None = None,
) -> DataArray:
    """Local density of states in a plane above the sheet, where waves of neighbours add or cancel.

    Parameters
    ----------
    states : States
    window : tuple of float
        Lowest and highest energy in eV, from the Fermi level; within 2 eV of it.
    distance : float or sequence of float
        Of the plane above the median of the atoms, in nm; or of several planes, from the nearest on.
    work_function : float
        In eV: how fast waves fall off.
    broadening : float
        Standard deviation in eV of the Gaussian that stands for each state.
    pixel_size, width, height, centre
        As for `ldos_map`; the map lies over ``defect.crop``.

    Returns
    -------
    DataArray of shape (H, W) or (Z, H, W)
        Dims ``(y, x)``, with several distances ``(z, y, x)``; coordinates in nm from the centre of the first
        pixel. In states/eV: an s wave of one state/eV gives 1 straight above its atom, 0.4 nm away.
        ``simulate.stm.image(..., density=)`` makes a picture of it: of several planes, with the tip on a
        surface of equal density.

    Raises
    ------
    ValueError
        If the window reaches further than 2 eV, the tip would touch an atom, distances do not grow, or a size
        is not positive.

    Notes
    -----
    The density of Tersoff and Hamann: squared waves at the place of the tip, summed over the states of the
    window. The wave of an atom falls off as exp(-kappa r), its s and p orbitals with their directions; d
    orbitals are left out. Round a defect, waves that are scattered from one corner of the Brillouin zone to
    the other show as a pattern root of 3 as wide as the lattice, which a map atom by atom cannot have.

    Trust where it is bright and how it is turned, not how high it is: pristine graphene comes out 0.06 to
    0.09 nm rough, since waves at the Dirac point cancel in every hollow (Tersoff, 1986), and a blunt tip sees
    less. The cell repeats: waves that run from one copy of the defect to the next, 1.2 nm away in 5x5 cells,
    are in it.

    References
    ----------
    Tersoff and Hamann, Phys. Rev. B 31, 805 (1985); Tersoff, Phys. Rev. Lett. 57, 440 (1986).

    Examples
    --------
    >>> import ase.build
    >>> from atomlens import electrons
    >>> sheet = ase.build.graphene(size=(4, 4, 1), vacuum=7.5)
    >>> sheet.pbc = (True, True, False)
    >>> tip_map(electrons.tight_binding(sheet), pixel_size=0.04).shape
    (30, 30)
    """
    if not work_function > 0:
        raise ValueError(f"work_function must be positive, in eV, got {work_function!r}")
    z = states.atoms.positions[:, 2] / 10
    top = z.max() - np.median(z)
    planes = np.atleast_1d(np.asarray(distance, dtype=float))
    if planes.ndim != 1 or not planes.size or not (np.diff(planes) > 0).all():
        raise ValueError(f"distance must be one number in nm or several that grow, got {distance!r}")
    if not planes[0] > top + _CLOSE:
        raise ValueError(
            f"at {planes[0]:g} nm the tip touches atoms that stand {top:.2f} nm high: "
            f"take a distance of more than {top + _CLOSE:.2f} nm"
        )
    part = states.part(window, broadening)[states.waves.state]
    if max(np.abs(window)) > Waves.REACH:
        raise ValueError(
            f"waves are kept within {Waves.REACH:g} eV of the Fermi level: take a smaller window"
        )
    shape = frame_of(pixel_size, width, height)
    frame = {"pixel_size": pixel_size, "width": width, "height": height, "centre": centre}
    table = surroundings(states.atoms, np.zeros(len(states.atoms)), margin=_MARGIN, **frame)
    label, places = table["label"].to_numpy(), table[["x_nm", "y_nm", "z_nm"]].to_numpy()
    y, x = (g.ravel() * pixel_size for g in np.mgrid[: shape[0], : shape[1]])
    kappa = _PER_ROOT_EV * np.sqrt(work_function)
    tails = [_tails(np.column_stack([x, y, np.full(x.size, plane)]), places, kappa) for plane in planes]

    density = np.zeros((planes.size, x.size))
    for k in np.unique(states.waves.k, axis=0):
        # states that lie outside the window by several broadenings add nothing
        these = np.flatnonzero((states.waves.k == k).all(axis=1) & (part > 1e-8 * part.max()))
        if not these.size:
            continue
        phase = np.exp(10j * (places[:, :2] @ k[:2]))
        amplitude = (states.waves.amplitude[these][:, label] * phase[:, None]).transpose(2, 1, 0)
        orbitals = [n for n in range(4) if amplitude[n].any()]
        for plane, tail in enumerate(tails):
            wave = sum(tail[n] @ amplitude[n] for n in orbitals)
            density[plane] += np.abs(wave) ** 2 @ part[these]
    coords = {
        dim: xr.DataArray(np.arange(n) * pixel_size, dims=dim, attrs={"units": "nm", "long_name": dim})
        for dim, n in zip(("y", "x"), shape, strict=True)
    }
    attrs = {
        "units": "states/eV",
        "long_name": "local density of states at the tip",
        "pixel_size_nm": float(pixel_size),
        "doubts": list(states.doubts),
    }
    coords["z"] = xr.DataArray(planes, dims="z", attrs={"units": "nm", "long_name": "distance of the tip"})
    stack = xr.DataArray(
        density.reshape(-1, *shape), dims=("z", "y", "x"), coords=coords, name="ldos", attrs=attrs
    )
    return stack if np.ndim(distance) else stack[0]


def _tails(tips, places, kappa):
    """Waves of the s, x, y and z orbitals of atoms at the places of the tip, each of shape (tips, atoms)."""
    d = tips[:, None] - places
    r = np.linalg.norm(d, axis=-1)
    tail = np.exp(-kappa * (r - _UNIT))
    return [tail, *(tail * d[..., axis] / r for axis in range(3))]
