"""Pi electrons against what is known in closed form: Wallace's bands, van Hove's peaks, Lieb's zero modes."""

import numpy as np
import pytest

from atomlens import electrons

T, BOND = 2.7, 1.42


def wallace(kx, ky):
    """Energies of graphene's pi electrons at wave vectors in 1/Å, for bonds along y among others."""
    a = BOND * np.sqrt(3)
    return T * np.sqrt(
        np.maximum(
            1 + 4 * np.cos(a * kx / 2) * np.cos(np.sqrt(3) * a * ky / 2) + 4 * np.cos(a * kx / 2) ** 2, 0
        )
    )


@pytest.mark.parametrize("angle", [60, 120])
def test_bands_are_those_of_wallace(graphene, angle):
    found = electrons.bands(graphene(1, angle), "GKMG", points=90)
    expected = wallace(found.kx.values / 10, found.ky.values / 10)
    np.testing.assert_allclose(found.values[:, 1], expected, atol=1e-6)
    np.testing.assert_allclose(found.values[:, 0], -expected, atol=1e-6)
    corners = found.sel(k=found.attrs["corners"], method="nearest").values[:, 1]
    np.testing.assert_allclose(corners, [3 * T, 0, T, 3 * T], atol=1e-6)
    assert found.attrs["units"] == "eV"
    # from G to K is 4 pi / 3a
    assert found.attrs["corners"][1] == pytest.approx(10 * 4 * np.pi / 3 / (BOND * np.sqrt(3)))


def test_large_cells_fold_the_bands_of_the_small_one(graphene):
    k = [(0.1, 0.05), (0.2, 0.3)]
    large = electrons.bands(graphene(3), k, points=2).values
    vectors = [
        [((k0 + i) / 3, (k1 + j) / 3) for i in range(3) for j in range(3)] for k0, k1 in k
    ]  # fractions of the small cell's vectors, three times as long
    for found, folded in zip(large, vectors, strict=True):
        small = electrons.bands(graphene(1), folded, points=len(folded) * 40)
        places = [np.argmin(np.abs(small.k.values - corner)) for corner in small.attrs["corners"]]
        np.testing.assert_allclose(found, np.sort(small.values[places].ravel()), atol=1e-9)


def test_the_density_of_states_has_its_peaks_at_the_hopping_and_its_zero_between(graphene):
    energies = np.arange(-9, 9.001, 0.05)
    total = electrons.tight_binding(graphene(1), kpoints=200).spectrum(energies, broadening=0.05).sum("atom")
    peaks = [energies[n] for n in np.argsort(total.values)[-2:]]
    np.testing.assert_allclose(np.sort(peaks), [-T, T], atol=0.06)
    assert total.sel(energy=0, method="nearest") < 0.03 * total.max()
    # two states an atom in all, spins counted
    assert total.integrate("energy").item() == pytest.approx(4, rel=1e-3)
    # electrons and holes are alike
    np.testing.assert_allclose(total.values, total.values[::-1], rtol=1e-6, atol=1e-9)
    # near the Dirac point: 2 A |E| / (pi (hbar v)^2) a cell, with hbar v = 3 t d / 2
    area, velocity = 3 * np.sqrt(3) / 2 * BOND**2, 1.5 * T * BOND
    at = total.sel(energy=0.4, method="nearest").item()
    assert at == pytest.approx(2 * area * 0.4 / (np.pi * velocity**2), rel=0.05)


@pytest.mark.parametrize(
    ("gone", "modes"), [((0,), 1), ((0, 2), 2), ((0, 4, 10), 3), ((0, 1), 0), ((0, 9), 0)]
)
def test_vacancies_leave_as_many_zero_modes_as_one_sublattice_has_more_atoms(graphene, gone, modes):
    sheet = graphene(4)  # even atoms are one sublattice, odd ones the other
    del sheet[list(gone)]
    states = electrons.tight_binding(sheet, kpoints=1)
    assert np.count_nonzero(np.abs(states.energies + states.fermi) < 1e-9) == modes
    np.testing.assert_allclose(np.sort(states.energies), -np.sort(states.energies)[::-1], atol=1e-9)


def test_the_zero_mode_lives_on_the_other_sublattice(graphene):
    sheet = graphene(5)
    side = np.arange(len(sheet)) % 2
    del sheet[0]
    side = side[1:]
    states = electrons.tight_binding(sheet, kpoints=1)
    zero = states.share[np.abs(states.energies) < 1e-9]
    assert zero.shape[0] == 1
    assert zero[0, side == 0].sum() < 1e-12
    np.testing.assert_allclose(states.share.sum(axis=1), 1)


def test_all_atoms_of_a_pristine_sheet_are_alike_and_cells_agree(graphene):
    values = [electrons.tight_binding(graphene(n), kpoints=60 // n).local((-1, 1))["ldos"] for n in (1, 2, 5)]
    for ldos in values:
        np.testing.assert_allclose(ldos, values[0][0], rtol=1e-8)


def test_hopping_decays_with_length_and_silicon_is_shifted(graphene):
    sheet = graphene(1)
    sheet.set_cell(sheet.cell * [1.1, 1.1, 1], scale_atoms=True)
    widest = electrons.bands(sheet, [(0, 0), (0.5, 0)], points=2).values[0, 1]
    assert widest == pytest.approx(3 * T * np.exp(-0.337))
    sheet = graphene(1)
    sheet.symbols[0] = "Si"
    apart = {("Si", "Si"): (0.0, 2.25)}  # every silicon atom is 2.46 Å from six others here
    split = electrons.bands(sheet, "KG", points=10, hopping=apart).values[0]
    np.testing.assert_allclose(split, [0, 2.5], atol=1e-6)
    # what is passed counts
    other = electrons.bands(sheet, "KG", points=10, hopping=apart, onsite={"Si": -1.0}).values[0]
    np.testing.assert_allclose(other, [-1, 0], atol=1e-6)


def test_orbitals_out_of_the_plane_are_doubted(graphene):
    sheet = graphene(4)
    sheet.positions[3, 2] += 0.8
    assert "out of the plane" in electrons.tight_binding(sheet).doubts[0]
    assert electrons.tight_binding(graphene(4)).doubts == []


def nitrogen(sheet):
    sheet.symbols[0] = "N"
    return sheet


def square(sheet):
    sheet.set_cell(np.diag([9.0, 9.0, 15.0]))
    return sheet


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: electrons.tight_binding("graphene"), "needs ase.Atoms, got a str"),
        (lambda s: electrons.tight_binding(electrons.tight_binding(s)), r"pass its \.atoms"),
        (lambda s: electrons.tight_binding(s[:0]), "there are none"),
        (lambda s: electrons.tight_binding(nitrogen(s)), "no level for N: pass onsite={'N'"),
        (lambda s: electrons.tight_binding(nitrogen(s), onsite={"N": -1}), r"no hopping for \('C', 'N'\)"),
        (lambda s: electrons.tight_binding(s, kpoints=0), "kpoints must be"),
        (lambda s: electrons.tight_binding(s, kpoints=(2, 2, 1)), "kpoints must be"),
        (lambda s: electrons.bands(square(s)), "hexagonal.*fractions"),
        (lambda s: electrons.bands(s, "GX"), "unknown points X"),
        (lambda s: electrons.bands(s, "G"), "two different points"),
        (lambda s: electrons.bands(s, [(0, 0, 0)]), "pairs of fractions"),
        (lambda s: electrons.bands(s, "GK", points=1), "points must be"),
        (lambda s: electrons.tight_binding(s).local((1, 0)), "window must be"),
        (lambda s: electrons.tight_binding(s).local(broadening=0), "broadening must be positive"),
        (lambda s: electrons.tight_binding(s).spectrum([np.nan]), "energies must be"),
    ],
)
def test_bad_input_is_explained(graphene, call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(graphene(2))


def test_atoms_that_are_no_sheet_are_explained(graphene):
    sheet = graphene(2)
    sheet.pbc = False
    with pytest.raises(ValueError, match=r"atoms\.pbc ="):
        electrons.tight_binding(sheet)
    sheet = graphene(2)
    sheet.positions[1] = sheet.positions[0] + [0.3, 0, 0]
    with pytest.raises(ValueError, match=r"0\.30 Å apart, on top of each other"):
        electrons.tight_binding(sheet)
    sheet = graphene(2)
    sheet.positions[1, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        electrons.tight_binding(sheet)
    sheet = graphene(2)
    sheet.set_cell(np.diag([0, 9.0, 9.0]))
    with pytest.raises(ValueError, match="span the plane"):
        electrons.tight_binding(sheet)
