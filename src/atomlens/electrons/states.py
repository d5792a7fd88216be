"""States of a sheet and where they live: local density of states by atom and by energy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit, ndtr

from atomlens._doubts import repeated
from atomlens._types import ArrayLike, Atoms, DataArray, DataFrame, ndarray

__all__ = ["States", "Waves"]

_KT = 0.0259  # eV, 300 K
_TAIL = 0.5  # eV, by which states beside a window reach into it


@dataclass(frozen=True, eq=False)
class Waves:
    """Amplitudes of the states near the Fermi level, for what depends on how they add.

    Attributes
    ----------
    state : ndarray of shape (W,)
        Which states these are.
    k : ndarray of shape (W, 3)
        Wave vector of each, in 1/Å: an image of an atom at R has exp(i k R) times its amplitude.
    amplitude : ndarray of shape (W, N, 4)
        Of the orbitals s, x, y and z of every atom.
    """

    REACH: ClassVar[float] = 2.0  # eV from the Fermi level

    state: np.ndarray
    k: np.ndarray
    amplitude: np.ndarray

    @classmethod
    def near(
        cls, energies: ndarray, k: ndarray, amplitude: list[ndarray], orbital: int | None = None
    ) -> Waves:
        """Keep what is near the Fermi level of all states, k point by k point.

        Parameters
        ----------
        energies : ndarray of shape (K * M,)
            From the Fermi level.
        k : ndarray of shape (K, 3)
        amplitude : list of ndarray of shape (M, N, 4) or (M, N)
        orbital : int, optional
            Which orbital the amplitudes belong to, if to a single one.
        """
        kept, size = np.abs(energies) < cls.REACH + _TAIL, len(amplitude[0])
        some = np.concatenate([a[kept[n * size : (n + 1) * size]] for n, a in enumerate(amplitude)])
        if orbital is not None:
            four = np.zeros((*some.shape, 4), dtype=complex)
            four[..., orbital] = some
            some = four
        return cls(np.flatnonzero(kept), np.repeat(k, size, axis=0)[kept], some)


@dataclass(frozen=True, eq=False)
class States:
    """Energies of a sheet's states, and how each is shared among its atoms.

    `tight_binding` and `xtb` return it. Energies are counted from the Fermi level.

    Attributes
    ----------
    atoms : ase.Atoms
    energies : ndarray of shape (S,)
        In eV.
    weight : ndarray of shape (S,)
        Electrons that a state holds when it is full: two, times the share of its k point.
    share : ndarray of shape (S, N)
        Part of each state that belongs to each atom; rows sum to one.
    fermi : float
        Fermi level on the method's own scale, in eV.
    method : str
    kpoints : int
        Number of k points, k and -k counted once.
    waves : Waves
        Of the states near the Fermi level.
    doubts : list of str
    """

    atoms: Atoms
    energies: np.ndarray
    weight: np.ndarray
    share: np.ndarray
    fermi: float
    method: str
    kpoints: int
    waves: Waves
    doubts: list = field(default_factory=list)

    def __repr__(self):
        formula = self.atoms.get_chemical_formula()
        return f"<States of {formula}, {self.method}, {self.kpoints} k points>{repeated(self.doubts)}"

    @property
    def gap(self) -> float:
        """Energy in eV from the highest state below the Fermi level to the lowest above it.

        Of the k points that were sampled: pristine graphene has no gap, and shows here how coarsely that was.
        """
        below, above = self.energies[self.energies <= 0], self.energies[self.energies > 0]
        return float(above.min() - below.max()) if len(below) and len(above) else np.inf

    def local(self, window: tuple[float, float] = (-0.5, 0.5), *, broadening: float = 0.1) -> DataFrame:
        """Local density of states of every atom, the mean over a window of energies.

        Parameters
        ----------
        window : tuple of float
            Lowest and highest energy in eV, from the Fermi level. A tip at a bias of 0.5 V draws on (0, 0.5).
        broadening : float
            Standard deviation in eV of the Gaussian that stands for each state.

        Returns
        -------
        DataFrame
            One row an atom, in the order of `atoms`: ``element``, ``x_nm``, ``y_nm``, ``z_nm`` and ``ldos``
            in states/eV, spins counted. ``attrs["doubts"]`` has the doubts.

        Raises
        ------
        ValueError
            If the window is empty or the broadening not positive.

        Examples
        --------
        >>> import ase.build
        >>> from atomlens import electrons
        >>> sheet = ase.build.graphene(size=(2, 2, 1), vacuum=7.5)
        >>> sheet.pbc = (True, True, False)
        >>> table = electrons.tight_binding(sheet).local((-1, 1))
        >>> table["ldos"].round(3).unique()
        array([0.026])
        """
        ldos = self.part(window, broadening) @ self.share
        places = self.atoms.get_positions() / 10
        table = pd.DataFrame(places, columns=["x_nm", "y_nm", "z_nm"])
        table.insert(0, "element", self.atoms.get_chemical_symbols())
        table = table.assign(ldos=ldos)
        table.attrs = {
            "units": "states/eV",
            "window_eV": tuple(float(limit) for limit in window),
            "method": self.method,
            "doubts": list(self.doubts),
        }
        return table

    def part(self, window: tuple[float, float], broadening: float = 0.1) -> ndarray:
        """How much every state adds to the density of states in a window, in 1/eV, shape (S,).

        Parameters
        ----------
        window : tuple of float
            Lowest and highest energy in eV, from the Fermi level.
        broadening : float
            In eV.

        Returns
        -------
        ndarray

        Raises
        ------
        ValueError
            If the window is empty or the broadening not positive.
        """
        low, high = _window(window)
        _positive(broadening)
        inside = ndtr((high - self.energies) / broadening) - ndtr((low - self.energies) / broadening)
        return self.weight * inside / (high - low)

    def spectrum(self, energies: ArrayLike | None = None, *, broadening: float = 0.1) -> DataArray:
        """Local density of states of every atom at many energies.

        Parameters
        ----------
        energies : array_like of shape (E,), optional
            In eV from the Fermi level; -5 to 5 in steps of half the broadening by default.
        broadening : float
            Standard deviation in eV of the Gaussian that stands for each state.

        Returns
        -------
        DataArray of shape (N, E)
            Dims ``(atom, energy)``, in states/eV. The sum over atoms is the density of states of the cell.

        Raises
        ------
        ValueError
            If the broadening is not positive or energies are not a list of numbers.

        Examples
        --------
        >>> import ase.build
        >>> from atomlens import electrons
        >>> sheet = ase.build.graphene(size=(1, 1, 1), vacuum=7.5)
        >>> sheet.pbc = (True, True, False)
        >>> total = electrons.tight_binding(sheet).spectrum().sum("atom")
        >>> round(abs(float(total.energy[total.values.argmax()])), 1)  # at the hopping
        2.7
        """
        _positive(broadening)
        if energies is None:
            energies = np.arange(-5, 5 + broadening / 4, broadening / 2)
        at = np.asarray(energies, dtype=float)
        if at.ndim != 1 or not at.size or not np.isfinite(at).all():
            raise ValueError(f"energies must be a list of numbers in eV, got {energies!r}")
        values = np.empty((self.share.shape[1], at.size))
        scale = self.weight / (broadening * np.sqrt(2 * np.pi))
        for n, energy in enumerate(at):
            near = np.abs(self.energies - energy) < 6 * broadening
            height = scale[near] * np.exp(-((self.energies[near] - energy) ** 2) / (2 * broadening**2))
            values[:, n] = height @ self.share[near]
        coords = {
            "energy": xr.DataArray(at, dims="energy", attrs={"units": "eV", "long_name": "energy"}),
            "element": ("atom", self.atoms.get_chemical_symbols()),
        }
        attrs = {
            "units": "states/eV",
            "long_name": "local density of states",
            "method": self.method,
            "broadening_eV": broadening,
            "doubts": list(self.doubts),
        }
        return xr.DataArray(values, dims=("atom", "energy"), coords=coords, name="ldos", attrs=attrs)


def fermi_level(energies, weight, electrons):
    """Energy up to which states are filled at room temperature; in a gap, its middle."""
    # a little less and a little more than all electrons reach the edges of a gap from either side
    return np.mean([_filled(energies, weight, electrons + change) for change in (-1e-6, 1e-6)])


def _filled(energies, weight, electrons):
    """Chemical potential of so many electrons, by bisection."""
    low, high = energies.min() - 1.0, energies.max() + 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if weight @ expit((middle - energies) / _KT) < electrons:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _window(window):
    pair = np.asarray(window, dtype=float)
    if pair.shape != (2,) or not np.isfinite(pair).all() or not pair[0] < pair[1]:
        raise ValueError(f"window must be (lowest, highest) energy in eV, got {window!r}")
    return float(pair[0]), float(pair[1])


def _positive(broadening):
    if not broadening > 0:
        raise ValueError(f"broadening must be positive, in eV, got {broadening!r}")
