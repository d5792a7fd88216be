"""States of all valence electrons of a sheet: GFN1-xTB by tblite."""

from __future__ import annotations

import numpy as np

from atomlens._extras import require
from atomlens._threads import one_thread
from atomlens._types import Atoms
from atomlens.electrons._cells import Images, checked, grid
from atomlens.electrons._tblite import METHOD, MOST, affordable, first_line
from atomlens.electrons.states import States, Waves, fermi_level

__all__ = ["xtb"]

_LENGTH = 100.0  # Å that the sampled crystal is long
_NARROW = 7.0  # Å: bands of 2x2 cells of graphene (4.9 Å) were off by up to 0.9 eV, of 3x3 (7.4 Å) by 0.05


def xtb(
    atoms: Atoms,
    *,
    kpoints: int | tuple[int, int] | None = None,
    max_atoms: int = MOST,
) -> States:
    """Solve for all valence electrons of a sheet: GFN1-xTB.

    Parameters
    ----------
    atoms : ase.Atoms
        In ångström, periodic in the plane; such as ``relaxed.atoms``.
    kpoints : int or tuple of int, optional
        Points of Monkhorst and Pack along each vector; by default as many as make the cell 10 nm long. With
        1, the centre of the zone only, as tblite itself has it.
    max_atoms : int
        More are refused, as they would take long.

    Returns
    -------
    States
        Shares of the atoms are those of Löwdin: never negative, and they sum to one.

    Raises
    ------
    ImportError
        If tblite is not installed.
    TypeError, ValueError
        If the atoms are no periodic sheet, lie on top of each other or are too many.
    RuntimeError
        If the electrons do not converge.

    Notes
    -----
    tblite knows no k points: it converges charges at the centre of the zone, where 3n x 3n cells of graphene
    have the Dirac point and others have a gap. Its matrices hold more. Where no orbital reaches half-way
    through the cell, every element belongs to one pair of atoms, at a known distance, and gets the phase of
    any k; so bands are sampled afterwards, in the potential of the centre. Filled bands that 3x3 and 4x4
    cells of graphene give so agree within 0.05 and 0.003 eV with those at the centre of cells twice as large.

    Trust which atoms stand out in a window of half an eV. Do not trust the energy of a state to better than
    some tenths of an eV. There is no spin: a magnetic defect shows one peak where there are two.

    References
    ----------
    Grimme, Bannwarth, Shushkov, J. Chem. Theory Comput. 13, 1989 (2017); Löwdin, J. Chem. Phys. 18, 365
    (1950).

    Examples
    --------
    >>> import ase.build
    >>> sheet = ase.build.graphene(size=(4, 4, 1), vacuum=7.5)
    >>> sheet.pbc = (True, True, False)
    >>> ldos = xtb(sheet).local((-1, 1))["ldos"]
    >>> bool(ldos.max() / ldos.min() < 1.001)  # all atoms are alike
    True
    """
    atoms = checked(atoms, "xtb")
    affordable(atoms, max_atoms, "solving for the electrons")
    k, weight = grid(atoms, kpoints, _LENGTH)
    with one_thread():
        overlap, fock, owner, orbital, count = _matrices(atoms)
        images = Images(atoms)
        solved = [_at(images.phases(point), overlap, fock, owner) for point in k]
    energies = np.concatenate([e for e, _ in solved])
    share = np.zeros((len(energies), len(atoms)))
    np.add.at(share.T, owner, np.abs(np.concatenate([states for _, states in solved]).T) ** 2)
    full = np.repeat(2 * weight, len(overlap))
    fermi = fermi_level(energies, full, count)
    said = [*atoms.info.get("doubts", []), *_doubts(atoms, k, np.sort(energies), fermi)]
    outer = orbital >= 0
    amplitude = [np.zeros((len(overlap), len(atoms), 4), dtype=complex) for _ in k]
    for one, (_, states) in zip(amplitude, solved, strict=True):
        # hydrogen has two s orbitals: they add
        np.add.at(one, (slice(None), owner[outer], orbital[outer]), states[:, outer])
    waves = Waves.near(energies - fermi, k, amplitude)
    return States(atoms, energies - fermi, full, share, float(fermi), METHOD, len(k), waves, said)


def _matrices(atoms):
    """Overlap and Fock matrix (eV) at the centre of the zone, atom and kind of orbitals, and electrons."""
    interface = require("tblite.interface", reason="solving for the electrons")
    from ase.units import Bohr, Hartree

    calculator = interface.Calculator(
        METHOD,
        atoms.numbers,
        atoms.positions / Bohr,
        lattice=np.array(atoms.cell) / Bohr,
        periodic=atoms.pbc,
    )
    calculator.set("verbosity", 0)
    calculator.set("save-integrals", 1)
    try:
        result = calculator.singlepoint()
    except RuntimeError as error:
        raise RuntimeError(
            f"the electrons did not converge ({first_line(error)}): relax the atoms first, "
            "with electrons.relax"
        ) from error
    overlap, orbitals = result["overlap-matrix"], result["orbital-coefficients"]
    energies = result["orbital-energies"] * Hartree
    # F C = S C e and C' S C = 1, so F = S C e C' S: the converged one, which tblite does not give away
    left = overlap @ orbitals
    fock = (left * energies) @ left.T
    shell = np.asarray(calculator.get("orbital-map"))
    owner = np.asarray(calculator.get("shell-map"))[shell]
    momentum = np.asarray(calculator.get("angular-momenta"))[shell]
    # s, x, y and z are 0 to 3, others -1; tblite has p orbitals in the order y, z, x
    orbital = np.full(len(shell), -1)
    orbital[momentum == 0] = 0
    orbital[momentum == 1] = np.tile([2, 3, 1], np.count_nonzero(momentum == 1) // 3)
    return overlap, fock, owner, orbital, float(result["orbital-occupations"].sum())


def _at(phases, overlap, fock, owner):
    """Energies at one k point, and states in orbitals made orthogonal by Löwdin, one a row."""
    from scipy.linalg import eigh

    phases = phases[np.ix_(owner, owner)]
    values, vectors = np.linalg.eigh(overlap * phases)
    if values.min() < 1e-3:
        raise ValueError(
            "the cell is too narrow for k points: orbitals overlap with several images of an atom; "
            "take more cells, or kpoints=1"
        )
    inverse = (vectors / np.sqrt(values)) @ vectors.conj().T
    energies, states = eigh(inverse @ (fock * phases) @ inverse)
    return energies, states.T


def _doubts(atoms, k, energies, fermi):
    said = []
    sides = np.linalg.norm(np.asarray(atoms.cell)[:2], axis=1)
    if len(k) == 1 and not np.any(k[0]):
        gap = energies[energies > fermi].min() - energies[energies <= fermi].max()
        near = np.count_nonzero(np.abs(energies - fermi) < 0.3)
        said.append(
            "only the centre of the zone is sampled: "
            + (
                f"{near} states lie within 0.3 eV of the Fermi level because this cell folds the Dirac point "
                "there, more than a sheet has"
                if near
                else f"its gap of {gap:.1f} eV belongs to the size of the cell, not to the sheet"
            )
            + "; leave kpoints out"
        )
    elif sides.min() < _NARROW:
        said.append(
            f"the cell is {sides.min() / 10:.2f} nm narrow: orbitals meet several images of an atom, and "
            "bands are off by up to an eV; take more cells"
        )
    return said
