"""Atoms of a sheet that find their places: GFN1-xTB by tblite, through ASE."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from atomlens._doubts import repeated, warn
from atomlens._extras import require
from atomlens._threads import one_thread
from atomlens._types import Atoms, DataFrame
from atomlens.electrons._cells import checked, guests
from atomlens.electrons._tblite import METHOD, MOST, affordable, first_line

__all__ = ["Relaxed", "bonds", "relax"]

_FLAT = 0.02  # Å
_GRAPHENE = 2.46  # Å, its lattice constant
_BONDED = 1.25  # times the sum of covalent radii
_RATTLE = 0.1  # of the lift, by which other atoms leave the plane


@dataclass(frozen=True, eq=False)
class Relaxed:
    """A sheet whose atoms have found their places.

    Attributes
    ----------
    atoms : ase.Atoms
        In ångström; the cell is that of before.
    energy : float
        In eV; of use only in differences between cells of the same atoms.
    force : float
        Largest force left on an atom, in eV/Å.
    steps : int
    seconds : float
    converged : bool
    doubts : list of str
    """

    atoms: Atoms
    energy: float
    force: float
    steps: int
    seconds: float
    converged: bool
    doubts: list = field(default_factory=list)

    @property
    def bonds(self) -> DataFrame:
        """Bonds of the guests, as `bonds` returns them."""
        return bonds(self.atoms)

    def __repr__(self):
        formula = self.atoms.get_chemical_formula()
        return f"<Relaxed {formula}: {self.steps} steps, {self.force:.3f} eV/Å left>{repeated(self.doubts)}"


def relax(
    atoms: Atoms,
    *,
    steps: int = 200,
    force: float = 0.05,
    buckle: float = 0.05,
    max_atoms: int = MOST,
    progress: bool = True,
) -> Relaxed:
    """Let the atoms of a sheet find their places, the cell fixed: GFN1-xTB through ASE.

    Parameters
    ----------
    atoms : ase.Atoms
        In ångström, periodic in the plane; such as ``defect.structure(5)``.
    steps : int
        At most.
    force : float
        In eV/Å: it stops when no atom feels more.
    buckle : float
        In nm: in a flat sheet, guests are lifted by this much first, others by up to a tenth of it at random.
        By symmetry nothing leaves a flat sheet otherwise, and silicon with three neighbours wants to.
    max_atoms : int
        More are refused, as they would take long.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Relaxed

    Warns
    -----
    UserWarning
        If forces are still larger when the steps are over, or 3n x 3n cells of graphene fold the Dirac point
        onto the centre of the zone.

    Raises
    ------
    ImportError
        If tblite is not installed.
    TypeError, ValueError
        If the atoms are no periodic sheet, lie on top of each other, are too many, or a parameter is out of
        its range.
    RuntimeError
        If the electrons of a step do not converge.

    Notes
    -----
    Trust bond lengths to about 0.05 Å: graphene comes out at 1.42 Å (benchmarks/electrons_truth.py). Silicon
    with four neighbours pushes two of them 0.2 Å up and two down, as in density functional theory. The cell
    keeps its size, and a small one presses a defect harder than a sheet would: compare two sizes. The zone is
    sampled at its centre only, where 3n x 3n cells mislead: in 6x6, that silicon stays flat, and the three
    bonds of the other kind differ by 0.025 Å. Which of two shapes is lower in energy is a hint at best.

    References
    ----------
    Grimme, Bannwarth, Shushkov, J. Chem. Theory Comput. 13, 1989 (2017); Nieman et al., J. Chem. Phys. 147
    (2017), doi 10.1063/1.4999779, for silicon with four neighbours.

    Examples
    --------
    >>> import ase.build
    >>> sheet = ase.build.graphene(size=(4, 4, 1), vacuum=7.5)
    >>> sheet.pbc = (True, True, False)
    >>> sheet.symbols[0] = "Si"
    >>> relaxed = relax(sheet, force=0.3, progress=False)
    >>> len(relaxed.bonds), relaxed.converged
    (3, True)
    """
    atoms = checked(atoms, "relaxing")
    affordable(atoms, max_atoms, "relaxing")
    if not (isinstance(steps, int | np.integer) and steps >= 1):
        raise ValueError(f"steps must be a whole number of at least 1, got {steps!r}")
    if not force > 0:
        raise ValueError(f"force must be positive, in eV/Å, got {force!r}")
    if not buckle >= 0:
        raise ValueError(f"buckle must not be negative, in nm, got {buckle!r}")
    tblite = require("tblite.ase", reason="relaxing atoms")
    from ase.calculators.calculator import CalculationFailed
    from ase.optimize import BFGS
    from tqdm.auto import tqdm

    _lift(atoms, 10 * buckle)
    start = time.perf_counter()
    atoms.calc = tblite.TBLite(method=METHOD, verbosity=0)
    search = BFGS(atoms, logfile=None)
    bar = tqdm(total=steps, disable=not progress, unit="step", leave=False, desc="relaxing")
    try:
        with one_thread(), bar:
            for _ in search.irun(fmax=force, steps=steps):
                bar.set_postfix_str(f"{_largest(atoms):.2f} eV/Å left")
                bar.update(search.nsteps - bar.n)
            left, energy = _largest(atoms), float(atoms.get_potential_energy())
    except CalculationFailed as error:
        raise RuntimeError(
            f"the electrons of step {search.nsteps} did not converge ({first_line(error)}): are atoms too "
            "close, or bonds missing? Look at the structure, or start from one that is nearer to the truth"
        ) from error
    said = _folds(atoms)
    if left > force:
        said.append(
            f"not converged: {left:.2f} eV/Å are left after {search.nsteps} steps, {force:g} were asked for; "
            "relax the result again, or take more steps"
        )
    atoms.calc = None
    atoms.info["doubts"] = list(said)  # what is solved for these atoms inherits them
    warn(said)
    seconds = time.perf_counter() - start
    return Relaxed(atoms, energy, left, int(search.nsteps), seconds, left <= force, said)


def bonds(atoms: Atoms) -> DataFrame:
    """Bonds of the guests of a sheet: all atoms that are not of its commonest element.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    DataFrame
        One row a bond: ``first``, ``second`` (indices; the first is a guest), ``elements`` (such as
        ``"Si-C"``), ``length_nm``, and ``height_nm`` of the first above the second. Atoms are bonded within
        1.25 times the sum of their covalent radii. A sheet without guests: all bonds.

    Examples
    --------
    >>> import ase.build
    >>> sheet = ase.build.graphene(size=(2, 2, 1), a=2.46, vacuum=7.5)
    >>> bonds(sheet)["length_nm"].round(3).unique()
    array([0.142])
    """
    from ase.data import covalent_radii
    from ase.neighborlist import neighbor_list

    numbers = np.unique(atoms.numbers)
    reach = {
        (int(a), int(b)): _BONDED * (covalent_radii[a] + covalent_radii[b]) for a in numbers for b in numbers
    }
    i, j, far, away = neighbor_list("ijdD", atoms, reach)
    strange = guests(atoms)
    kept = strange[i] & (~strange[j] | (i < j)) if strange.any() else i < j
    symbols = np.array(atoms.get_chemical_symbols())
    return pd.DataFrame(
        {
            "first": i[kept],
            "second": j[kept],
            "elements": [f"{a}-{b}" for a, b in zip(symbols[i[kept]], symbols[j[kept]], strict=True)],
            "length_nm": far[kept] / 10,
            "height_nm": -away[kept, 2] / 10,
        }
    )


def _lift(atoms, height):
    """Take a flat sheet with guests out of its plane, in place."""
    strange = guests(atoms)
    if np.ptp(atoms.positions[:, 2]) < _FLAT and strange.any():
        atoms.positions[:, 2] += _RATTLE * height * np.random.default_rng(0).uniform(-1, 1, len(atoms))
        atoms.positions[strange, 2] += height


def _folds(atoms):
    """A doubt where the centre of the zone, all that forces are taken from, is also the Dirac point."""
    cells = np.linalg.norm(np.asarray(atoms.cell)[:2], axis=1) / _GRAPHENE
    whole = np.rint(cells).astype(int)
    if np.mean(atoms.numbers == 6) < 0.5 or np.abs(cells - whole).max() > 0.1 or (whole % 3).any():
        return []
    return [
        f"{whole[0]} x {whole[1]} cells of graphene fold the Dirac point onto the centre of the zone, where "
        "forces are taken: equal bonds come out unequal and bent defects flat; take a number that three "
        "does not divide"
    ]


def _largest(atoms):
    return float(np.linalg.norm(atoms.get_forces(), axis=1).max())
