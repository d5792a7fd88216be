"""Claim: bond lengths and the place of states can be trusted, energies and Gamma alone can not.

Pi tight binding against closed forms and ASE's own density of states; GFN1-xTB against known lengths and
GFN2-xTB, its successor in the same library; Gamma alone and k points, by size of the cell; what silicon in
graphene changes near the Fermi level; what each of it costs, on one core.
"""

import time
import warnings

import ase.build
import numpy as np
from ase.optimize import BFGS
from ase.spectrum.dosdata import RawDOSData
from threadpoolctl import threadpool_limits

from atomlens import datasets, electrons, library

T, BOND = 2.7, 1.42  # eV, Å


def sheet(cells, bond=BOND):
    atoms = ase.build.graphene(a=bond * np.sqrt(3), size=(cells, cells, 1), vacuum=7.5)
    atoms.pbc = (True, True, False)
    return atoms


def seconds(call):
    start = time.perf_counter()
    return call(), time.perf_counter() - start


def tight_binding():
    print("\npi tight binding against closed forms")
    found = electrons.bands(sheet(1), "GKMG", points=600)
    kx, ky, a = found.kx.values / 10, found.ky.values / 10, BOND * np.sqrt(3)
    wallace = 1 + 4 * np.cos(a * kx / 2) * (np.cos(np.sqrt(3) * a * ky / 2) + np.cos(a * kx / 2))
    error = np.abs(found.values[:, 1] - T * np.sqrt(np.maximum(wallace, 0))).max()
    print(f"  bands G-K-M-G: largest difference from Wallace {error:.1e} eV")
    states = electrons.tight_binding(sheet(1), kpoints=200)
    energies = np.arange(-9, 9.001, 0.02)
    total, own = seconds(lambda: states.spectrum(energies, broadening=0.03).sum("atom"))
    peaks = np.sort(energies[np.argsort(total.values)[-2:]])
    print(f"  van Hove peaks at {peaks[0]:.2f} and {peaks[1]:.2f} eV (exact: -2.70, 2.70)")
    raw = RawDOSData(states.energies, states.weight)
    grid = {"npts": energies.size, "xmin": energies[0], "xmax": energies[-1], "width": 0.03}
    peer, theirs = seconds(lambda: raw.sample_grid(**grid, smearing="Gauss").get_weights())
    print(
        f"  density of states and ase.spectrum differ by {np.abs(peer - total.values).max():.1e} states/eV "
        f"({own:.2f} s by atom, ase {theirs:.2f} s in all)"
    )
    for gone in ([0], [0, 2], [0, 2, 8], [0, 1]):
        broken = sheet(5)
        del broken[gone]
        zero = electrons.tight_binding(broken, kpoints=1)
        count = np.count_nonzero(np.abs(zero.energies + zero.fermi) < 1e-9)
        exact = abs(sum(1 if g % 2 else -1 for g in gone))
        print(f"  without atoms {gone}: {count} zero modes (Lieb: {exact})")
    for cells in (1, 6, 12):
        _, took = seconds(lambda n=cells: electrons.tight_binding(sheet(n)))
        print(f"  {2 * cells**2:4d} atoms, k points as by default: {took:.2f} s")


def lattice_constant():
    from tblite.ase import TBLite

    print("\nbond of graphene at the lowest energy of a flat 4x4 cell (measured: 1.42 Å)")
    lengths = np.arange(1.39, 1.451, 0.01)
    for method in ("GFN1-xTB", "GFN2-xTB"):
        energy = []
        for length in lengths:
            atoms = sheet(4, length)
            atoms.calc = TBLite(method=method, verbosity=0)
            energy.append(atoms.get_potential_energy())
        a, b, _ = np.polyfit(lengths - BOND, energy, 2)
        print(f"  {method}: {BOND - b / 2 / a:.3f} Å")


def k_points():
    print(
        "\nGamma alone, and with k points: states/eV an atom within 0.5 and 1 eV of the Fermi level, pristine"
    )
    for cells in (3, 4, 5, 6, 7):
        row = []
        for kpoints in (1, None):
            states, took = seconds(lambda n=cells, k=kpoints: electrons.xtb(sheet(n), kpoints=k))
            near, wide = (states.local((-w, w))["ldos"] for w in (0.5, 1.0))
            alike = wide.max() / wide.min() - 1
            row.append(f"{near.mean():.4f} {wide.mean():.4f}, gap {states.gap:.2f} eV, {took:.1f} s")
        print(
            f"  {cells}x{cells}: Gamma {row[0]}; {states.kpoints:2d} k points {row[1]}; alike to {alike:.0e}"
        )


def relaxed():
    from tblite.ase import TBLite

    defects = {d.formula: d for d in library.extract(datasets.load("graphene_si_phantom").data)}
    print("\nsilicon in graphene, relaxed: Si-C in Å (SiC crystal: 1.89), height of Si above its neighbours")
    for formula, defect in defects.items():
        for cells in (4, 5, 6, 7):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = electrons.relax(defect.structure(cells), progress=False)
            bonds = result.bonds
            lengths = " ".join(f"{10 * length:.3f}" for length in np.sort(bonds["length_nm"]))
            doubt = "  doubted: folds the Dirac point" if any("fold" in d for d in result.doubts) else ""
            print(
                f"  {formula} in {cells}x{cells} ({len(result.atoms)} atoms): {lengths}, "
                f"{10 * bonds['height_nm'].abs().mean():.2f} Å; {result.steps} steps, "
                f"{result.seconds:.0f} s{doubt}"
            )
            if cells in (5, 7):
                yield f"{formula} in {cells}x{cells}", result
            if cells == 5:
                atoms = result.atoms.copy()
                atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
                BFGS(atoms, logfile=None).run(fmax=0.05, steps=200)
                lengths = " ".join(
                    f"{10 * length:.3f}" for length in np.sort(electrons.bonds(atoms)["length_nm"])
                )
                print(f"  {formula} in 5x5 by GFN2-xTB and ase.optimize: {lengths}")


def changed(formula, result):
    print(f"  {formula}: density of states over that of the pristine sheet, within 0.5 eV, by distance in nm")
    for name, solve in (("xtb", electrons.xtb), ("tight binding", electrons.tight_binding)):
        found = electrons.compare(solve(result.atoms), solve(electrons.pristine(result.atoms)))
        shells = found.groupby([found["distance_nm"].round(2), "element"])["ratio"].agg(["mean", "size"])
        text = ", ".join(f"{e} {d:.2f}: {m:.1f} (x{n:.0f})" for (d, e), (m, n) in shells.iterrows())
        print(f"    {name}: {text}")


if __name__ == "__main__":
    with threadpool_limits(1):
        tight_binding()
        lattice_constant()
        k_points()
        for formula, result in relaxed():
            changed(formula, result)
