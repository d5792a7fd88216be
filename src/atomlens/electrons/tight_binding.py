"""The pi electrons of a flat sheet: one orbital an atom, hopping to bonded atoms."""

from __future__ import annotations

import numpy as np
import xarray as xr

from atomlens._threads import one_thread
from atomlens._types import Atoms, DataArray, Mapping, Sequence
from atomlens.electrons._cells import checked, grid, reciprocal
from atomlens.electrons.states import States, Waves, fermi_level

__all__ = ["bands", "tight_binding"]

# Levels of the orbital above that of carbon, in eV. Silicon: chosen, about the difference of the p levels of
# the free atoms (2.45 in Harrison, Electronic Structure and the Properties of Solids, 1980).
ONSITE = {"C": 0.0, "Si": 2.5}
# (eV, Å at which it holds). Carbon: Castro Neto et al., Rev. Mod. Phys. 81, 109 (2009). The others: chosen,
# that of carbon, times (1.42 / length)**2 as in Harrison's rule.
HOPPING = {("C", "C"): (-2.7, 1.42), ("C", "Si"): (-1.7, 1.80), ("Si", "Si"): (-1.1, 2.25)}
DECAY = (
    3.37  # of the hopping with relative length: Pereira, Castro Neto, Peres, Phys. Rev. B 80, 045401 (2009)
)
_BONDED = 1.25  # times the sum of covalent radii: C-C up to 1.90 Å, second neighbours are at 2.46
_LENGTH = 200.0  # Å that the sampled crystal is long: states lie less than 0.2 eV apart
_LIFTED = 0.4  # Å out of the plane, from which on a pi orbital is no longer one
# Special points of a hexagonal cell in fractions of reciprocal vectors that enclose 60 or 120 degrees.
_SPECIAL = {
    60: {"G": (0, 0), "M": (0.5, 0), "K": (1 / 3, 1 / 3)},
    120: {"G": (0, 0), "M": (0.5, 0), "K": (2 / 3, 1 / 3)},
}


def tight_binding(
    atoms: Atoms,
    *,
    kpoints: int | tuple[int, int] | None = None,
    onsite: Mapping[str, float] | None = None,
    hopping: Mapping[tuple[str, str], tuple[float, float]] | None = None,
) -> States:
    """Solve for the pi electrons of a sheet: one orbital an atom, one electron in each.

    Parameters
    ----------
    atoms : ase.Atoms
        In ångström, periodic in the plane; such as `library.Defect.structure`.
    kpoints : int or tuple of int, optional
        Points of Monkhorst and Pack along each vector; by default as many as make the cell 20 nm long.
    onsite : mapping, optional
        Levels in eV by element, in place of ours or for more elements: ``{"N": -1.5}``.
    hopping : mapping, optional
        ``{("C", "N"): (-2.9, 1.40)}``: eV, and the length in Å at which it holds.

    Returns
    -------
    States
        A doubt says where atoms stand out of the plane.

    Raises
    ------
    TypeError, ValueError
        If the atoms are no periodic sheet, lie on top of each other, or there is no parameter for them.

    Notes
    -----
    Hopping between bonded atoms is t exp(-3.37 (d / d0 - 1)), t = -2.7 eV for carbon at 1.42 Å. The bands of
    pristine graphene within 1 eV of the Fermi level, the zero modes of vacancies and the symmetry between
    electrons and holes are right. What silicon adds is qualitative: its parameters are chosen, and where it
    stands out of the plane its orbitals mix. There are no sigma bonds, no charges and no spin.

    References
    ----------
    Castro Neto et al., Rev. Mod. Phys. 81, 109 (2009); Wallace, Phys. Rev. 71, 622 (1947).

    Examples
    --------
    A vacancy leaves one more atom on one sublattice, and so one state at exactly zero:

    >>> import ase.build
    >>> import numpy as np
    >>> sheet = ase.build.graphene(size=(4, 4, 1), vacuum=7.5)
    >>> sheet.pbc = (True, True, False)
    >>> del sheet[0]
    >>> states = tight_binding(sheet, kpoints=1)
    >>> int(np.count_nonzero(np.abs(states.energies) < 1e-9))
    1
    """
    atoms = checked(atoms, "tight binding")
    model = _Model(atoms, onsite, hopping)
    k, weight = grid(atoms, kpoints, _LENGTH)
    with one_thread():
        solved = [np.linalg.eigh(model.hamiltonian(point)) for point in k]
    energies = np.concatenate([e for e, _ in solved])
    share = np.concatenate([np.abs(vectors.T) ** 2 for _, vectors in solved])
    full = np.repeat(2 * weight, len(atoms))
    fermi = fermi_level(energies, full, len(atoms))
    said = list(atoms.info.get("doubts", []))
    height = np.ptp(atoms.positions[:, 2])
    if height > _LIFTED:
        said.append(
            f"atoms stand {height:.1f} Å out of the plane: their orbitals mix, and this method misses it; "
            "compare with electrons.xtb"
        )
    waves = Waves.near(energies - fermi, k, [vectors.T for _, vectors in solved], orbital=3)
    return States(atoms, energies - fermi, full, share, float(fermi), "pi tight binding", len(k), waves, said)


def bands(
    atoms: Atoms,
    path: str | Sequence[tuple[float, float]] = "GKMG",
    *,
    points: int = 120,
    onsite: Mapping[str, float] | None = None,
    hopping: Mapping[tuple[str, str], tuple[float, float]] | None = None,
) -> DataArray:
    """Energies of the pi electrons along a path through the Brillouin zone.

    Parameters
    ----------
    atoms : ase.Atoms
        In ångström, periodic in the plane. In a large cell the bands of the small one are folded.
    path : str or sequence of tuple
        Letters ``G``, ``K`` and ``M`` of a hexagonal cell, or fractions of the reciprocal vectors.
    points : int
        Along the whole path.
    onsite, hopping : mapping, optional
        As for `tight_binding`.

    Returns
    -------
    DataArray of shape (points, N)
        Dims ``(k, band)``, in eV from the level of carbon's orbital; coordinate ``k`` in 1/nm along the path,
        ``kx`` and ``ky`` in 1/nm. ``attrs["corners"]`` are the places along the path of its corners.

    Raises
    ------
    TypeError, ValueError
        As for `tight_binding`, and if the path makes no sense or a cell that is not hexagonal has letters.

    Examples
    --------
    >>> import ase.build
    >>> sheet = ase.build.graphene(vacuum=7.5)
    >>> sheet.pbc = (True, True, False)
    >>> found = bands(sheet, "GKM")
    >>> found.values[0].round(1)  # 3 t
    array([-8.1,  8.1])
    """
    atoms = checked(atoms, "bands")
    model = _Model(atoms, onsite, hopping)
    vectors = reciprocal(atoms)
    corners = _corners(path, vectors) @ vectors
    legs = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    if len(corners) < 2 or not (legs > 0).all():
        raise ValueError(f"a path needs at least two different points, one after the other: got {path!r}")
    if not (isinstance(points, int | np.integer) and points >= len(corners)):
        raise ValueError(f"points must be a whole number of at least {len(corners)}, got {points!r}")
    ends = np.concatenate([[0], np.cumsum(legs)])
    # evenly within each leg, so that the corners themselves are among the points
    at = np.unique(np.rint(ends / ends[-1] * (points - 1)).astype(int))
    along = np.interp(np.arange(points), at, ends)
    k = np.column_stack([np.interp(along, ends, corners[:, axis]) for axis in range(3)])
    with one_thread():
        energies = np.array([np.linalg.eigvalsh(model.hamiltonian(point)) for point in k])
    per_nm = {"units": "1/nm"}
    coords = {
        "k": xr.DataArray(10 * along, dims="k", attrs={**per_nm, "long_name": "wave vector along the path"}),
        "kx": ("k", 10 * k[:, 0], per_nm),
        "ky": ("k", 10 * k[:, 1], per_nm),
    }
    attrs = {
        "units": "eV",
        "long_name": "energy",
        "corners": (10 * ends).tolist(),
        "labels": list(path) if isinstance(path, str) else [str(tuple(p)) for p in path],
    }
    return xr.DataArray(energies, dims=("k", "band"), coords=coords, name="energy", attrs=attrs)


class _Model:
    """Levels and hoppings of a sheet."""

    def __init__(self, atoms, onsite, hopping):
        from ase.data import atomic_numbers, covalent_radii
        from ase.neighborlist import neighbor_list

        symbols = atoms.get_chemical_symbols()
        levels = {**ONSITE, **(onsite or {})}
        pairs = {tuple(sorted(pair)): value for pair, value in {**HOPPING, **(hopping or {})}.items()}
        unknown = sorted(set(symbols) - set(levels))
        if unknown:
            raise ValueError(
                f"no level for {', '.join(unknown)}: pass onsite={{{unknown[0]!r}: ...}} and hopping="
            )
        self.levels = np.array([levels[s] for s in symbols], dtype=float)
        radius = {s: covalent_radii[atomic_numbers[s]] for s in set(symbols)}
        reach = {(a, b): _BONDED * (radius[a] + radius[b]) for a in radius for b in radius}
        self.i, self.j, far, self.away = neighbor_list("ijdD", atoms, reach)
        kinds = [tuple(sorted((symbols[a], symbols[b]))) for a, b in zip(self.i, self.j, strict=True)]
        lacking = sorted(set(kinds) - set(pairs))
        if lacking:
            raise ValueError(f"there is no hopping for {lacking[0]}: pass hopping={{{lacking[0]}: (eV, Å)}}")
        strength, length = np.array([pairs[kind] for kind in kinds], dtype=float).reshape(-1, 2).T
        self.hopping = strength * np.exp(-DECAY * (far / length - 1))

    def hamiltonian(self, k):
        """Hermitian matrix at a wave vector in 1/Å, shape (N, N)."""
        matrix = np.diag(self.levels).astype(complex)
        np.add.at(matrix, (self.i, self.j), self.hopping * np.exp(1j * (self.away @ k)))
        return matrix


def _corners(path, vectors):
    """Corners of a path in fractions of the reciprocal vectors, shape (P, 2)."""
    if not isinstance(path, str):
        corners = np.asarray(path, dtype=float)
        if corners.ndim != 2 or corners.shape[1] != 2 or not np.isfinite(corners).all():
            raise ValueError(f"path must be letters or pairs of fractions, got {path!r}")
        return corners
    a, b = np.linalg.norm(vectors, axis=1)
    angle = np.degrees(np.arccos(np.clip(vectors[0] @ vectors[1] / (a * b), -1, 1)))
    special = next((points for known, points in _SPECIAL.items() if abs(angle - known) < 1), None)
    if special is None or abs(a / b - 1) > 0.02:
        raise ValueError("G, K and M are points of a hexagonal cell, this is none: give fractions instead")
    strange = sorted(set(path) - set(special))
    if strange:
        raise ValueError(f"unknown points {', '.join(strange)} in the path {path!r}: known are G, K, M")
    return np.array([special[letter] for letter in path])
