"""Maps beside the image, pictures of a tip, and comparisons with the pristine sheet."""

import numpy as np
import pytest

from atomlens import datasets, electrons, library, simulate


@pytest.fixture(scope="module")
def broken(graphene):
    sheet = graphene(6)
    del sheet[30]
    return electrons.tight_binding(sheet, kpoints=6)


@pytest.fixture(scope="module")
def defect():
    return library.extract(datasets.load("graphene_si_phantom").data)[0]


def test_a_map_holds_the_weights_where_the_atoms_are(graphene):
    sheet = graphene(6)
    weights = np.zeros(len(sheet))
    weights[40] = 3.0
    place = sheet.positions[40, :2] / 10
    drawn = electrons.ldos_map(sheet, weights, centre=place + [0.11, -0.05], spread=0.05)
    assert drawn.dims == ("y", "x")
    assert drawn.attrs["units"] == "states/eV/nm²"
    assert float(drawn.sum()) * 0.02**2 == pytest.approx(3.0, rel=1e-3)
    y, x = np.unravel_index(drawn.values.argmax(), drawn.shape)
    middle = 59 / 2
    assert (x, y) == pytest.approx((middle - 5.5, middle + 2.5), abs=0.51)
    assert drawn.x.values[x] == pytest.approx(x * 0.02)


def test_atoms_of_neighbouring_cells_are_there(graphene):
    sheet = graphene(3)
    table = electrons.surroundings(sheet, np.arange(18.0), width=2.0, margin=0.5)
    area = 3 * np.sqrt(3) / 4 * 0.142**2
    assert len(table) == pytest.approx(2.98**2 / area, rel=0.03)
    assert not table.duplicated(["x_nm", "y_nm"]).any()
    np.testing.assert_array_equal(table["ldos"], table["label"])
    assert table[["x_nm", "y_nm"]].to_numpy().min() >= -0.5


def test_a_map_lies_over_the_picture_of_its_defect(defect):
    atoms = defect.structure(5)
    guest = np.array(atoms.get_chemical_symbols()) == "Si"
    drawn = electrons.ldos_map(atoms, guest.astype(float))
    assert drawn.shape == defect.crop.shape
    here, seen = (np.unravel_index(np.argmax(values), values.shape) for values in (drawn.values, defect.crop))
    np.testing.assert_allclose(here, seen, atol=2)


def test_guests_on_both_sides_of_the_border_have_their_middle_between(graphene):
    sheet = graphene(5)
    sheet.wrap()
    edge = np.argsort(sheet.get_scaled_positions()[:, 0])[[0, -1]]
    sheet.symbols[edge] = "Si"
    table = electrons.surroundings(sheet, np.ones(len(sheet)), margin=0)
    silicon = table[table["species"] == "Si"][["x_nm", "y_nm"]].to_numpy()
    apart = sheet.get_distance(*edge, mic=True) / 10
    close = np.linalg.norm(silicon - 59 * 0.02 / 2, axis=1)
    assert np.sort(close)[:2] == pytest.approx([apart / 2] * 2, abs=1e-6)


@pytest.mark.parametrize("angle", [60, 120])
def test_the_pristine_sheet_has_all_its_bonds_in_the_cell_of_the_defect(graphene, angle):
    sheet = graphene(4, angle)
    del sheet[5]
    whole = electrons.pristine(sheet)
    assert len(whole) == 32
    np.testing.assert_allclose(np.asarray(whole.cell), np.asarray(sheet.cell))
    bonds = electrons.bonds(whole)
    assert len(bonds) == 48
    np.testing.assert_allclose(bonds["length_nm"], 0.142, atol=1e-6)


def test_a_vacancy_is_bright_beside_it_on_the_other_sublattice(graphene, broken):
    found = electrons.compare(broken, electrons.tight_binding(graphene(6)))
    assert (found["distance_nm"] <= 0.5).all()
    np.testing.assert_allclose(found["distance_nm"][:3], 0)
    assert found["ratio"][:3].min() > 10
    second = found[found["distance_nm"].between(0.13, 0.15)]
    assert second["ratio"].max() < 0.5 * found["ratio"][0]


def test_one_cell_with_k_points_and_four_cells_give_one_picture(graphene):
    """A vacancy's waves, by Bloch's theorem and in a cell twice as large: the same but for rounding."""
    sheet = graphene(4)
    del sheet[5]
    options = {"pixel_size": 0.06, "centre": (0.3, 0.2), "distance": [0.35, 0.45]}
    one = electrons.tip_map(electrons.tight_binding(sheet, kpoints=4), **options)
    four = electrons.tip_map(electrons.tight_binding(sheet.repeat((2, 2, 1)), kpoints=2), **options)
    np.testing.assert_allclose(one, four, rtol=1e-6)
    assert one.dims == ("z", "y", "x")
    np.testing.assert_allclose(one.z, [0.35, 0.45])


def test_waves_interfere(graphene, broken):
    """At the corners K of the zone, a third of the way to reciprocal vectors, only a defect puts waves."""
    assert broken.kpoints > 1

    def at_corner(states):
        values = electrons.tip_map(states, width=1.42 * np.sqrt(3) * 0.6, pixel_size=0.041).values
        field = values / values.mean() - 1
        x = np.arange(field.shape[1]) * 0.041
        k = 4 * np.pi / 3 / (0.142 * np.sqrt(3))
        return np.abs((field * np.exp(1j * k * x)).mean())

    assert at_corner(broken) > 20 * at_corner(electrons.tight_binding(graphene(6), kpoints=6))


def test_waves_of_the_dirac_point_fall_off_as_their_wavelength_demands(graphene):
    """sqrt(kappa² + K²): Tersoff, Phys. Rev. Lett. 57, 440 (1986)."""
    states = electrons.tight_binding(graphene(6), kpoints=1)
    planes = np.array([0.6, 0.7])
    density = electrons.tip_map(states, (-0.1, 0.1), distance=planes, pixel_size=0.05).mean(("x", "y"))
    fall = -np.diff(np.log(density.values))[0] / 0.1 / 2
    kappa, corner = 5.123 * np.sqrt(4.5), 4 * np.pi / 3 / (0.142 * np.sqrt(3))
    assert fall == pytest.approx(np.hypot(kappa, corner), rel=0.1)


def test_from_an_image_to_a_tunnelling_picture(defect):
    atoms = defect.structure(5)
    atoms.positions[atoms.numbers == 14, 2] += 0.8
    states = electrons.tight_binding(atoms, kpoints=5)
    table = electrons.surroundings(atoms, states.local())
    sample = simulate.stm.image(table, density="ldos", shape=(60, 60), pixel_size=0.02)
    stack = electrons.tip_map(states, distance=[0.35, 0.5], pixel_size=0.04)
    other = simulate.stm.image(table, density=stack, pixel_size=0.04)
    assert sample.data.shape == defect.crop.shape
    for picture in (sample, other):
        brightest = picture.data.where(picture.data == picture.data.max(), drop=True)
        assert np.hypot(brightest.x.mean().item() - 0.59, brightest.y.mean().item() - 0.59) < 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, a: electrons.ldos_map(a, [1.0, 2.0]), "one finite number an atom, 71"),
        (lambda s, a: electrons.ldos_map(a, s.local(), spread=0), "spread must be"),
        (lambda s, a: electrons.ldos_map(a, s.local(), pixel_size=0), "pixel_size must be"),
        (lambda s, a: electrons.ldos_map(a, s.local(), width=0.001), "no pixels"),
        (lambda s, a: electrons.surroundings(a, s.local(), margin=-1), "margin must not"),
        (lambda s, a: electrons.surroundings(a, s.local(), centre=[1]), "centre must be"),
        (lambda s, a: electrons.tip_map(s, distance=0.1), "more than 0.15 nm"),
        (lambda s, a: electrons.tip_map(s, distance=[0.4, 0.3]), "several that grow"),
        (lambda s, a: electrons.tip_map(s, (-3, 0)), "smaller window"),
        (lambda s, a: electrons.tip_map(s, work_function=0), "work_function must be"),
        (lambda s, a: electrons.compare(s, s, radius=0), "radius must be"),
    ],
)
def test_bad_input_is_explained(broken, call, message):
    with pytest.raises(ValueError, match=message):
        call(broken, broken.atoms)


def test_what_cannot_be_compared_is_explained(graphene, broken):
    whole = electrons.tight_binding(graphene(6))
    with pytest.raises(ValueError, match="there is no defect"):
        electrons.compare(whole, whole)
    with pytest.raises(ValueError, match=r"cells differ.*electrons\.pristine"):
        electrons.compare(broken, electrons.tight_binding(graphene(5)))
    sheet = graphene(4)
    sheet.set_cell(np.diag([10.3, 9.1, 15.0]))
    with pytest.raises(ValueError, match="whole hexagonal cells"):
        electrons.pristine(sheet)
