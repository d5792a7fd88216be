"""Planted defects for the benchmarks of defect detection: images, truth, and the signal of every defect."""

import numpy as np

from atomlens import lattice, simulate
from atomlens.simulate import defects, structures

_DISULPHIDE, _OXIDE = structures.transition_metal_dichalcogenide, structures.molybdenum_vanadium_oxide
# Structure at a rotation, pixel size in nm, sublattice that defects are put on, element that replaces
LATTICES = {
    "SrTiO3": (lambda turn: structures.perovskite((10, 10), rotation=turn), 0.02, "Ti", "W"),
    "MoS2": (lambda turn: _DISULPHIDE("MoS2", (8, 8), rotation=turn), 0.018, "S2", "Se"),
    "graphene": (lambda turn: structures.graphene((6, 6), rotation=turn), 0.014, None, "Si"),
    "Au [001]": (lambda turn: structures.metal("Au", (9, 9), zone="001", rotation=turn), 0.02, None, "Ag"),
    "Si [110]": (lambda turn: structures.dumbbells("Si", (8, 8), rotation=turn), 0.014, None, "Ge"),
    "ZrO2": (lambda turn: structures.zirconia((9, 9), rotation=turn), 0.02, None, "W"),
    "Mo-V oxide": (lambda turn: _OXIDE((15, 15), vanadium=0.0, rotation=turn), 0.022, None, "W"),
}  # fmt: skip
KINDS = ("single vacancy", "double vacancy", "substitution", "interstitial", "displaced")
LINES = ("vacancy line", "shift")  # with these, `n` is of no matter
_APART = 1.1  # nm between defects
_BORDER = 0.6
_REACH = 0.1  # nm: half the square in which the signal of a defect is added up
_LENGTH = 2.5  # nm, of a line of vacancies
_FARTHEST = 0.25  # nm


def perfect(name, turn):
    """Structure without defects, and the pixel size in nm."""
    make, pixel, *_ = LATTICES[name]
    return make(turn), pixel


def planted(name, kind, electrons, seed, *, n=8, instrument=None):
    """Sample with `n` defects of a kind; its defects have the column ``sigmas``, their signal-to-noise ratio.

    The ratio is that of an observer who knows everything but whether the defect is there: the square root of
    the sum over pixels of (difference of the expected counts)**2 / expected counts. It means nothing for a
    shift, which moves half of the crystal. Of a line of vacancies the table has the vacancies.
    """
    rng = np.random.default_rng(seed)
    make, pixel, sublattice, element = LATTICES[name]
    crystal = make(rng.uniform(0, 90))
    disturbed = _with_defects(crystal, kind, sublattice, element, n, rng)
    options = {"pixel_size": pixel, "instrument": instrument, "random_state": seed}
    dose = simulate.image(crystal, electrons=electrons, **options).source["parameters"]["dose_e_per_A2"]
    clean, sample = (simulate.image(s, dose=dose, **options) for s in (crystal, disturbed))
    before, after = (s.extras["expected"].values for s in (clean, sample))
    signal = (after - before) ** 2 / before
    truth = sample.extras["defects"].query("kind != 'vacancy_line'")
    reach = int(_REACH / pixel)
    truth = truth.assign(sigmas=[_around(signal, x, y, reach) for x, y in zip(truth.x, truth.y, strict=True)])
    return sample, truth


def _around(signal, x, y, reach):
    """Root of the sum within a square."""
    row, column = round(y), round(x)
    return float(
        np.sqrt(
            signal[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1].sum()
        )
    )


def _with_defects(crystal, kind, sublattice, element, n, rng):
    """Structure with `n` defects of a kind."""
    where = {"n": n, "min_separation": _APART, "border": _BORDER, "random_state": rng}
    monolayer = crystal.name.startswith("MoS2")
    if kind == "single vacancy":
        return defects.vacancies(
            crystal, kind="single" if monolayer else "column", sublattice=sublattice, **where
        )
    if kind == "double vacancy":
        if monolayer:
            return defects.vacancies(crystal, kind="column", sublattice=sublattice, **where)
        return _pairs(crystal, sublattice, n, rng)
    if kind == "substitution":
        atoms = "one" if monolayer else "column"
        return defects.substitutions(crystal, species=element, atoms=atoms, sublattice=sublattice, **where)
    if kind == "interstitial":
        return defects.interstitials(crystal, species=element, **where)
    if kind == "vacancy line":
        return defects.line_defect(crystal, angle=rng.uniform(0, 180), length=_LENGTH, sublattice=sublattice)
    if kind == "shift":
        return defects.line_defect(crystal, kind="shift", angle=0.0, shift=0.1)
    return defects.displaced(crystal, distance=0.04, sublattice=sublattice, **where)


def _pairs(crystal, sublattice, n, rng):
    """Structure without `n` pairs of neighbouring columns."""
    single = defects.vacancies(
        crystal,
        kind="column",
        sublattice=sublattice,
        n=n,
        min_separation=_APART + 0.3,
        border=_BORDER,
        random_state=rng,
    )
    table = crystal.columns
    table = table[table["visible"] & (table["weight"] > 0)]
    xy = table[["x_nm", "y_nm"]].to_numpy()
    places = []
    for at in single.defects[["x_nm", "y_nm"]].to_numpy():
        first, second = np.argsort(np.hypot(*(xy - at).T))[:2]
        places += [tuple(xy[first]), tuple(xy[second])]
    return defects.vacancies(crystal, kind="column", at=places)


def tolerance(name, pixel):
    """Distance in pixels up to which a hit counts: 0.6 of the shortest lattice vector, at most 0.25 nm."""
    sample = simulate.image(perfect(name, 0.0)[0], pixel_size=pixel)
    return min(0.6 * lattice.estimate(sample.data).spacing, _FARTHEST / pixel)
