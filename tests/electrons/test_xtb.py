"""GFN1-xTB: known bond lengths, alike atoms, k points that agree with larger cells, and clear errors."""

import sys

import ase.build
import numpy as np
import pytest

from atomlens import doubts, electrons

pytest.importorskip("tblite", reason="needs the extra electrons")


@pytest.fixture(scope="module")
def dopant(graphene):
    """Silicon in a 4x4 cell, relaxed."""
    sheet = graphene(4)
    sheet.symbols[12] = "Si"
    return electrons.relax(sheet, force=0.15, progress=False)


def test_silicon_leaves_the_plane_and_its_three_bonds_are_alike(dopant):
    bonds = dopant.bonds
    assert list(bonds["elements"]) == ["Si-C"] * 3
    assert dopant.converged
    assert dopant.doubts == []
    # between a double bond (0.170) and that of silicon carbide (0.189)
    assert bonds["length_nm"].between(0.170, 0.189).all()
    assert np.ptp(bonds["length_nm"]) < 2e-3
    assert bonds["height_nm"].abs().min() > 0.05
    assert dopant.atoms.calc is None
    np.testing.assert_array_equal(dopant.atoms.pbc, [True, True, False])


def test_silicon_with_four_neighbours_stays_and_pushes_them_up_and_down(graphene):
    """By up to 0.2 Å each: Nieman et al., J. Chem. Phys. 147 (2017), doi 10.1063/1.4999779."""
    sheet = graphene(4)
    first, second = 12, 13
    assert sheet.get_distance(first, second) == pytest.approx(1.42)
    sheet.positions[first] = sheet.positions[[first, second]].mean(axis=0)
    sheet.symbols[first] = "Si"
    del sheet[second]
    bonds = electrons.relax(sheet, force=0.1, progress=False).bonds
    assert len(bonds) == 4
    assert np.ptp(bonds["length_nm"]) < 2e-3
    np.testing.assert_allclose(np.sort(bonds["height_nm"]), [-0.02, -0.02, 0.02, 0.02], atol=0.01)


def test_a_pristine_sheet_stays_as_it_is(graphene):
    relaxed = electrons.relax(graphene(4), progress=False)
    assert relaxed.steps == 0
    assert electrons.bonds(relaxed.atoms)["length_nm"].between(0.1415, 0.1425).all()


def test_a_bond_that_was_stretched_comes_back(graphene):
    sheet = graphene(4)
    sheet.positions[9] += [0.12, -0.1, 0.0]
    relaxed = electrons.relax(sheet, progress=False)
    np.testing.assert_allclose(electrons.bonds(relaxed.atoms)["length_nm"], 0.142, atol=1e-3)


def test_too_few_steps_are_a_doubt_and_a_warning(graphene):
    sheet = graphene(4)
    sheet.symbols[0] = "Si"
    with pytest.warns(UserWarning, match="not converged"):
        relaxed = electrons.relax(sheet, steps=2, progress=False)
    assert not relaxed.converged
    assert doubts(relaxed) == relaxed.doubts
    assert "after 2 steps" in repr(relaxed)
    # what is solved for these atoms inherits the doubt
    assert electrons.tight_binding(relaxed.atoms).doubts[: len(relaxed.doubts)] == relaxed.doubts
    assert electrons.xtb(relaxed.atoms, kpoints=2).doubts == relaxed.doubts


def test_cells_that_fold_the_dirac_point_are_a_doubt_and_a_warning(graphene):
    with pytest.warns(UserWarning, match="3 x 3 cells of graphene fold the Dirac point"):
        electrons.relax(graphene(3), progress=False)


def test_all_atoms_of_a_pristine_sheet_are_alike(graphene):
    states = electrons.xtb(graphene(4))
    ldos = states.local((-1, 1))["ldos"]
    assert ldos.min() > 0
    assert ldos.max() / ldos.min() < 1 + 1e-5
    np.testing.assert_allclose(states.share.sum(axis=1), 1)
    assert states.share.min() >= 0
    # 4 valence electrons an atom
    assert states.weight[states.energies < 0].sum() == pytest.approx(128, abs=0.5)


def test_the_density_of_states_falls_to_the_dirac_point(graphene):
    total = electrons.xtb(graphene(4), kpoints=12).spectrum([-1, 0, 1], broadening=0.1).sum("atom")
    assert total[1] < 0.3 * min(total[0], total[2])


def test_k_points_of_a_small_cell_are_the_centre_of_a_large_one(graphene):
    from atomlens.electrons._cells import Images, reciprocal

    xtb = sys.modules["atomlens.electrons.xtb"]
    small = graphene(3)
    overlap, fock, owner, _, _ = xtb._matrices(small)
    images, vectors = Images(small), reciprocal(small)
    folded = [
        xtb._at(images.phases((i * vectors[0] + j * vectors[1]) / 2), overlap, fock, owner)[0]
        for i in (0, 1)
        for j in (0, 1)
    ]
    large = electrons.xtb(graphene(6), kpoints=1)
    energies, expected = np.sort(np.concatenate(folded)), np.sort(large.energies + large.fermi)
    near = np.abs(expected - large.fermi) < 3
    np.testing.assert_allclose(energies[near], expected[near], atol=0.01)
    filled = expected < large.fermi + 0.1
    np.testing.assert_allclose(energies[filled], expected[filled], atol=0.06)


def test_the_centre_of_the_zone_alone_is_doubted(graphene):
    folded, gapped = (electrons.xtb(graphene(n), kpoints=1) for n in (3, 4))
    assert folded.gap < 1e-3
    assert gapped.gap > 2
    assert "4 states lie within 0.3 eV" in folded.doubts[0]
    assert "gap of 3.9 eV belongs to the size of the cell" in gapped.doubts[0]
    assert doubts(gapped.local()) == gapped.doubts
    assert electrons.xtb(graphene(4)).doubts == []
    # with k points both agree
    ldos = [electrons.xtb(graphene(n), kpoints=24 // n).local((-1, 1))["ldos"].mean() for n in (3, 4)]
    assert ldos[0] == pytest.approx(ldos[1], rel=0.02)


def test_a_narrow_cell_is_doubted(graphene):
    assert "0.49 nm narrow" in electrons.xtb(graphene(2)).doubts[0]


def test_silicon_is_bright_near_the_fermi_level_and_its_surroundings_change(dopant):
    states = electrons.xtb(dopant.atoms)
    whole = electrons.xtb(electrons.pristine(dopant.atoms))
    found = electrons.compare(states, whole)
    assert found["element"][0] == "Si"
    assert found["distance_nm"].is_monotonic_increasing
    assert found["ratio"][0] > 3
    assert found["ratio"][1:4].min() > 1.3
    np.testing.assert_allclose(found["ratio"][1:4], found["ratio"][1:4].mean(), rtol=0.05)


def test_orbitals_have_the_directions_of_their_names():
    """A lone pair points away from its bonds, along z, x or y as the molecule is turned."""
    xtb = sys.modules["atomlens.electrons.xtb"]
    for axis, rotation in ((3, None), (1, ("z", "x")), (2, ("z", "y"))):
        molecule = ase.build.molecule("NH3", cell=np.diag([12.0, 12.0, 12.0]), pbc=(True, True, False))
        if rotation:
            molecule.rotate(*rotation)
        overlap, fock, owner, orbital, count = xtb._matrices(molecule)
        _, states = xtb._at(np.ones((4, 4)), overlap, fock, owner)
        lone = states[round(count / 2) - 1]
        s, *p = (lone[(owner == 0) & (orbital == n)][0] for n in range(4))
        assert np.argmax(np.abs(p)) + 1 == axis
        # the hydrogen atoms lie on the negative side: with equal signs, s and p add on the other
        assert (s * np.conj(p[axis - 1])).real > 0


def test_too_many_atoms_are_refused_with_what_they_cost(graphene):
    with pytest.raises(ValueError, match=r"242 atoms takes about 40 s a step.*max_atoms=242"):
        electrons.relax(graphene(11), progress=False)
    with pytest.raises(ValueError, match="max_atoms=32"):
        electrons.xtb(graphene(4), max_atoms=20)


def test_electrons_that_do_not_converge_are_explained(graphene, monkeypatch):
    import tblite.interface

    def fails(*_):
        raise RuntimeError("SCF not converged in 250 cycles\nmore")

    monkeypatch.setattr(tblite.interface.Calculator, "singlepoint", fails)
    with pytest.raises(RuntimeError, match=r"did not converge \(SCF not converged in 250 cycles\)"):
        electrons.xtb(graphene(4))
    with pytest.raises(RuntimeError, match=r"electrons of step 0 did not converge \(SCF"):
        electrons.relax(graphene(4), progress=False)


@pytest.mark.parametrize("call", [electrons.relax, electrons.xtb])
def test_without_tblite_the_extra_is_named(graphene, monkeypatch, call):
    monkeypatch.setitem(sys.modules, "tblite", None)
    for name in ("tblite.ase", "tblite.interface"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"atomlens\[electrons\]"):
        call(graphene(4))


@pytest.mark.parametrize(
    ("option", "message"),
    [({"steps": 0}, "steps must be"), ({"force": 0}, "force must be"), ({"buckle": -1}, "buckle must not")],
)
def test_options_out_of_range_are_explained(graphene, option, message):
    with pytest.raises(ValueError, match=message):
        electrons.relax(graphene(4), **option)
