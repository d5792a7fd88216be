"""Plausible wrong answers to every exercise, and the hint each must get: the slip that was made, no other."""

import re
from functools import cache
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from atomlens import columns, crystallography, dynamics, lattice, particles, spectra
from atomlens._doubts import quietly
from atomlens.course.record import Record
from atomlens.patterson import patterson

LESSONS = {
    "01": "spectral_clustering",
    "02": "descriptors",
    "03": "atom_finding",
    "04": "local_crystallography",
    "05": "patterson_ocsvm",
    "06": "shift_vae",
    "07": "defect_library",
    "08": "defect_dynamics",
    "08b": "silicon_edge",
    "09": "protein_assembly",
}
STUDENTS = ("Ada Lovelace", "Rosalind Franklin")
UNITS = (
    "nm",
    "Å",
    "per cent",
    "percentage",
    "keV",
    "radians",
    "2π",
    "reciprocal",
    "square",
    "rounded",
    "sign",
)


@cache
def exercise(lesson, student):
    return import_module(f"atomlens.course.{LESSONS[lesson]}").Exercise(student)


@pytest.fixture(autouse=True)
def verdicts_do_not_raise(monkeypatch):
    monkeypatch.delenv("ATOMLENS_CHECK", raising=False)


def other(*allowed):
    """Words of slips that were not made."""
    return tuple(word for word in UNITS if word not in allowed)


# ---------------------------------------------------------------- right answers, to be spoiled


def energies(e):
    found = e._result.spectra
    return found - found.mean("cluster")


def steps_of_theta(e):
    return (np.diff(e.theta) + 90) % 180 - 90


def rotation(e):
    return particles.rotational_diffusion(e.tracks, dt=e.dt).coefficient


def naive(e):
    return particles.rotational_diffusion(e.tracks, dt=e.dt).naive


def strongest(e):
    return float(energies(e)[-1].idxmax("energy"))


def counts(e):
    return float(e.sample.data.sum("energy").mean())


def electrons(e):
    return e.sample.truth.electrons[e.sample.truth.scored]


def truth_table(e, sample="_hidden"):
    truth = getattr(e, sample).truth
    return truth.loc[truth.scored, ["x", "y"]].reset_index(drop=True)


def f_patterson(e):
    return patterson(e.patch, half=False, normalize=False)


def modulus(e):
    return abs(np.fft.fft2(e.patch - e.patch.mean()))


def lengths(e):
    return np.linalg.norm(e._basis, axis=1)


def gamma_angle(e):
    a, b = e._basis
    return np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))


def length(e):
    return np.hypot(*e._planted())


def direction(e):
    return np.degrees(np.arctan2(shifts(e).dy_pm.mean(), shifts(e).dx_pm.mean()))


def shares(e):
    return e.sightings.label.value_counts(normalize=True).reindex(["loose", "bridge", "edge"])


def turned(e):
    return np.stack([-e.vectors[..., 1], e.vectors[..., 0]], axis=-1)


def undisplaced(e):
    truth = e._mixture.truth[e.mixture.sublattice == "Ti"]
    return (truth.domain == e._n_variants).to_numpy()


def shifts(e):
    return crystallography.displacements(e.domain, center="Ti", neighbors="Pb")


def kernel(e):
    d = np.linalg.norm(e.features[:, None] - e.features[None], axis=2)[np.triu_indices(len(e.features), 1)]
    return d.min(), d.max()


def kernel_gamma(e):
    near, far = kernel(e)
    return 2 * np.log(far / near) / (far**2 - near**2)


def divergence(e):
    return ((e.means**2 + e.sds**2 - 1) / 2 - np.log(e.sds)).mean()


def scale(e):
    return e.largest_shift / np.sqrt(3) / ((e.crops.sizes["x"] - 1) / 2)


def lonelier(e):
    return int((e.lonely >= e.newcomer).sum()), len(e.lonely)


def curve(e):
    slope, intercept = np.polyfit(e.curve.lag_s, e.curve.msd, 1)
    return np.array([slope / 4, np.sqrt(intercept / 4)])


def coefficient(e):
    with quietly():
        return dynamics.diffusion(e.tracks, dt=e.dt).coefficient


def doses(value):
    return dict.fromkeys((200, 500, 1000, 2000, 5000), value)


# ---------------------------------------------------------------- the table

# lesson, check, wrong answer, what the hint says, what it does not
ROWS = [
    # 01 clustering
    ("01", "mean_counts", lambda e: float(e.sample.data.sum()), "sum over all spectra", other()),
    ("01", "mean_counts", lambda e: float(e.sample.data.mean()), "sum over channels", other()),
    ("01", "mean_counts", lambda e: e.sample.data.sizes["energy"], "number of channels", other()),
    ("01", "mean_counts", lambda e: float(e.sample.data.sum("energy").max()), "strongest spectrum", other()),
    ("01", "mean_counts", lambda e: counts(e) / 1000, "factor of 1000", other()),
    ("01", "mean_counts", lambda e: counts(e) * 2, "factor of 2", ("radius", *other())),
    ("01", "mean_counts", lambda e: counts(e) * 1.4, "too large, but of the right order", other()),
    ("01", "mean_counts", lambda e: round(counts(e), -2) + 60, "close", other()),
    ("01", "mean_counts", lambda e: e.sample.data.sum("energy"), "a single number is expected", other()),
    ("01", "mean_counts", lambda e: str(counts(e)), "without quotation marks", other()),
    ("01", "mean_counts", lambda e: e.sample.data.sum, "brackets", other()),
    ("01", "number", lambda e: e.n_planted + 1, "too large", ("first or the last", *other())),
    ("01", "number", lambda e: e.n_planted - 1, "too small", ("first or the last", *other())),
    ("01", "number", lambda e: str(e.n_planted), "expected a number", other()),
    ("01", "number", lambda e: e.n_planted + 0.5, "whole number", other()),
    ("01", "bic", lambda e: e._choice.recommended, "advice of all criteria", other(), "Rosalind Franklin"),
    ("01", "bic", lambda e: 1, "too small", other()),
    ("01", "bic", lambda e: "bic", "expected a number", other()),
    ("01", "labels", lambda e: np.zeros((48, 48), int), "nothing was separated", other()),
    ("01", "labels", lambda e: np.array(e.sample.truth.labels).ravel(), "shape", other()),
    ("01", "labels", lambda e: np.minimum(e.sample.truth.labels, 1), "too few clusters", other()),
    ("01", "labels", lambda e: e.sample.data.sum("energy"), "intensities", other()),
    ("01", "labels", lambda e: np.random.default_rng(0).integers(0, e.n_planted, (48, 48)),
     "borders are not", ()),
    ("01", "strongest", lambda e: int(energies(e)[-1].argmax("energy")), "number of the channel", other()),
    ("01", "strongest", lambda e: float(e._result.spectra[-1].idxmax("energy")),
     "itself is strongest", other()),
    ("01", "strongest", lambda e: float(energies(e)[-1].idxmin("energy")), "falls short", other()),
    ("01", "strongest", lambda e: float(energies(e)[0].idxmax("energy")), "the largest cluster", other()),
    ("01", "strongest", lambda e: strongest(e) / 1000, "right in keV", other("keV")),
    ("01", "strongest", lambda e: strongest(e) + 15, "too large", other()),
    ("01", "strongest", lambda e: energies(e)[-1].max(), "too small", other()),
    ("01", "repaired", lambda e: np.zeros((64, 64), int), "nothing was separated", other()),
    ("01", "repaired", lambda e: spectra.cluster(e.wedge.data, 2, preprocess=spectra.recommended_pipeline(
        e.wedge.data, normalise="none")).labels, "adjusted Rand index", other()),
    ("01", "silhouette", lambda e: 1, "cannot say 1", other()),
    ("01", "silhouette", lambda e: 9, "too large", other()),
    ("01", "single", lambda e: e._silhouette, "what the silhouette prefers", other()),
    ("01", "single", lambda e: 0, "too small", other()),
    ("01", "doses", lambda e: list(doses(1.0).values()), "expected a dictionary", other()),
    ("01", "doses", lambda e: {200: 0.1, 500: 0.2}, "no score for 1000, 2000, 5000", other()),
    ("01", "doses", lambda e: doses(e.sample.truth.labels), "and not a map", other()),
    ("01", "doses", lambda e: dict(zip(doses(0), 100 * np.array(e._scores), strict=True)),
     "percentage", ("nm",)),
    ("01", "doses", lambda e: dict(zip(doses(0), e._scores[::-1], strict=True)), "other way round", other()),
    # 02 descriptors
    ("02", "patterson", lambda e: np.fft.ifftshift(f_patterson(e)), "in a corner", other()),
    ("02", "patterson", lambda e: patterson(e.patch, half=False, normalize=True), "normalised", other()),
    ("02", "patterson", lambda e: np.fft.fftshift(np.fft.ifft2(abs(np.fft.fft2(e.patch)) ** 2).real),
     "mean was not subtracted", other()),
    ("02", "patterson", lambda e: np.fft.fftshift(np.fft.ifft2(modulus(e)).real),
     "modulus was not squared", other()),
    ("02", "patterson", lambda e: np.fft.fftshift(modulus(e) ** 2), "transform it back", other()),
    ("02", "patterson", lambda e: -f_patterson(e), "sign is wrong", other("sign")),
    ("02", "patterson", lambda e: f_patterson(e) / e.patch.size, "number of pixels", other()),
    ("02", "patterson", lambda e: f_patterson(e).T, "axes are in another order", other()),
    ("02", "patterson", lambda e: patterson(e.patch, half=True, normalize=False), "shape", other()),
    ("02", "size", lambda e: 4, "from 0 to 3", other()),
    ("02", "size", lambda e: e.sizes[0], "one whole number", other()),
    ("02", "size", lambda e: 1.5, "one whole number", other()),
    ("02", "domains", lambda e: np.zeros((20, 20)), "expected a DataArray", other()),
    ("02", "domains", lambda e: xr.zeros_like(e.twin[::9, ::9]).T, "transpose", other()),
    ("02", "domains", lambda e: xr.zeros_like(e.twin[::9, ::9]), "nothing was separated", other()),
    ("02", "domains", lambda e: xr.zeros_like(e.twin[::9, ::9]).drop_vars(["x", "y"]),
     "no coordinates", ("Å",)),
    ("02", "domains", lambda e: xr.zeros_like(e.twin[::9, ::9]).assign_coords(x=range(len(e.twin.x[::9]))),
     "should be in nm", ("Å",)),
    ("02", "changes", lambda e: "turned", "expected a dict", other()),
    ("02", "changes", lambda e: {k: v for k, v in e._changes.items() if k != "D"},
     "the keys should be", other()),
    ("02", "changes", lambda e: {**e._changes, "A": "moved"}, "none of the four words", other()),
    ("02", "changes", lambda e: dict.fromkeys("ABCD", "turned"), "3 of 4 are wrong", other()),
    ("02", "dopants", lambda e: e._dopants, "the one that is known", other()),
    ("02", "dopants", lambda e: e._dopants[1:-1], "1 missing", other()),
    ("02", "dopants", lambda e: [*e._dopants[1:-1], max(e._dopants) + 1], "1 missing, 1 too many", other()),
    ("02", "dopants", lambda e: e.columns.iloc[e._dopants[1:]], "whole numbers", other()),
    ("02", "directions", lambda e: -e._movie.truth.direction[~e._told], "wrong way round", other()),
    ("02", "directions", lambda e: np.where(np.arange((~e._told).sum()) % 2, 1, -1) *
     e._movie.truth.direction[~e._told].to_numpy(), "better than a coin", other()),
    ("02", "directions", lambda e: e._movie.truth.direction, "expected", other()),
    ("02", "directions", lambda e: e._movie.truth.direction[~e._told] > 0, "1 or -1", other()),
    # 03 atom finding
    ("03", "number", lambda e: len(e.sample.truth), "all rows", other(), "42"),
    ("03", "number", lambda e: int((~e.sample.truth.scored).sum()), "not asked for", other(), "42"),
    ("03", "number", lambda e: int(e.sample.truth.scored.sum()) - 1, "too few, but close", other()),
    ("03", "number", lambda e: int(e.sample.truth.scored.sum()) + 1, "counted twice", other()),
    ("03", "number", lambda e: e.sample.truth.scored.sum() / 2 + 0.25, "whole number", other()),
    ("03", "contrast", lambda e: e.sample.truth.electrons.max() / e.sample.truth.electrons.min(),
     "over all rows", other(), "42"),
    ("03", "contrast", lambda e: electrons(e).min() / electrons(e).max(), "upside down", ("nm", "per cent")),
    ("03", "contrast", lambda e: electrons(e).max() - electrons(e).min(), "a difference", other()),
    ("03", "contrast", lambda e: electrons(e).max() / electrons(e).mean(), "with the mean", other()),
    ("03", "contrast", lambda e: electrons(e).max(), "strongest alone", other()),
    ("03", "contrast", lambda e: 100 * electrons(e).max() / electrons(e).min(), "percentage", ("nm", "2π")),
    ("03", "f1", lambda e: 0.75, "this is precision", other()),
    ("03", "f1", lambda e: 0.9, "this is recall", other()),
    ("03", "f1", lambda e: 0.825, "arithmetic mean", other()),
    ("03", "f1", lambda e: np.sqrt(0.675), "geometric mean", other()),
    ("03", "f1", lambda e: 0.675, "their product", other()),
    ("03", "f1", lambda e: 90 / 130, "counts twice", other()),
    ("03", "f1", lambda e: 81.818, "per cent", ("nm", "Å")),
    ("03", "f1", lambda e: 0.95, "too large", other()),
    ("03", "f1", lambda e: 1.9, "between 0 and 1", other()),
    ("03", "bound", lambda e: 0.005, "more slowly", other()),
    ("03", "bound", lambda e: 0.01, "this is the variance", other()),
    ("03", "bound", lambda e: 0.05, "width of the column is missing", other()),
    ("03", "bound", lambda e: 20, "electrons to the root", other()),
    ("03", "bound", lambda e: 0.1 * 2.35482, "full width at half maximum", ("nm", "2π")),
    ("03", "bound", lambda e: -0.1, "sign is wrong", ("nm", "2π")),
    ("03", "noise", lambda e: 12, "too many", other()),
    ("03", "noise", lambda e: columns.find_peaks(e.noise), "where a single number", other()),
    ("03", "found", lambda e: truth_table(e).rename(columns={"x": "y", "y": "x"}),
     "x and y are exchanged", other()),
    ("03", "found", lambda e: truth_table(e) * float(e.secret.x[1] - e.secret.x[0]),
     "are in nm", ("Å", "keV")),
    ("03", "found", lambda e: truth_table(e)[:0], "is empty", other()),
    ("03", "found", lambda e: truth_table(e)[::2], "too small", other()),
    ("03", "found", lambda e: len(truth_table(e)), "a table of columns", other()),
    ("03", "refined", lambda e: truth_table(e, "bright").round(), "too large", other()),
    ("03", "refined", lambda e: truth_table(e, "bright"),
     "too small", other()),  # the truth is no measurement
    # 04 local crystallography
    ("04", "lengths", lambda e: lattice.estimate(e.strained).lengths, "these are pixels", other()),
    ("04", "lengths", lambda e: 10 * lengths(e), "right in Å", other("nm", "Å")),
    ("04", "lengths", lambda e: 1000 * lengths(e), "right in pm", other("nm")),
    ("04", "lengths", lambda e: lengths(e)[::-1], "exchanged", other()),
    ("04", "lengths", lambda e: [0.3985, 0.3985], "before the strain", other()),
    ("04", "lengths", lambda e: lengths(e) * [1, 1.1], "only the second number", other()),
    ("04", "lengths", lambda e: lengths(e)[0], "a single number where", other()),
    ("04", "gamma", lambda e: np.radians(gamma_angle(e)), "right in radians", other("radians")),
    ("04", "gamma", lambda e: 90, "before it was strained", other(), "Ada Lovelace"),
    ("04", "gamma", lambda e: gamma_angle(e) / 2, "factor of 2", other()),
    ("04", "gamma", lambda e: gamma_angle(e) - 7, "too small, but close", other()),
    ("04", "labels", lambda e: [0, 1, 2, 3], "shape", other()),
    ("04", "labels", lambda e: np.zeros((e.film.sublattice == "Ti").sum()), "same label", other()),
    ("04", "displacement", lambda e: length(e) / 1000, "right in nm", other("nm")),
    ("04", "displacement", lambda e: length(e) / 100, "right in Å", other("Å")),
    ("04", "displacement", lambda e: shifts(e).magnitude_pm.mean(), "mean of the lengths", other()),
    ("04", "displacement", lambda e: np.sqrt((shifts(e).magnitude_pm**2).mean()),
     "root of the mean square", ("nm",)),
    ("04", "displacement", lambda e: abs(shifts(e).dx_pm.mean()),
     "one component alone", other(), "Rosalind Franklin"),
    ("04", "displacement", lambda e: 1000 * length(e), "by far", ("percent", "2π", "eV", "reciprocal")),
    ("04", "direction", lambda e: np.radians(direction(e)), "right in radians", other("radians")),
    ("04", "direction", lambda e: direction(e) + 180, "opposite way", other()),
    ("04", "direction", lambda e: -direction(e), "sign is wrong", other("sign")),
    ("04", "direction", lambda e: 90 - direction(e), "x and y exchanged", other()),
    ("04", "direction", lambda e: direction(e) + 25, "too", other()),
    ("04", "turned", turned, "not yet in their order", other()),
    ("04", "turned", lambda e: np.roll(e.vectors, 1, axis=1), "are not turned", other()),
    ("04", "turned", lambda e: np.roll(turned(e), -1, axis=1), "moved on the wrong way", other()),
    ("04", "turned", lambda e: np.roll(-turned(e), -1, axis=1), "turned the wrong way", other()),
    ("04", "turned", lambda e: e.vectors, "nothing is turned", other()),
    ("04", "turned", lambda e: np.roll(turned(e), 1, axis=1) / 1000, "right in nm", other("nm")),
    ("04", "n_labels", lambda e: e._n_variants + e._has_other + 1,
     "too large", ("first or the last", *other())),
    ("04", "n_variants", lambda e: 0, "too small", other()),
    ("04", "undisplaced", lambda e: ~undisplaced(e), "exchanged", other()),
    ("04", "undisplaced", lambda e: "none", "expected True or False", ("NaN", *other())),
    ("04", "p_values", lambda e: [0, 0, 0], "all are small", other()),
    ("04", "p_values", lambda e: np.where(np.array(e._n_polar) > 0, 0.9, 0.001),
     "speak for a displacement", other()),
    ("04", "p_values", lambda e: [5, 40, 1], "between 0 and 1", other()),
    ("04", "p_values", lambda e: [1, 1, 1], "2 of 3 are on the wrong side", other()),
    ("04", "suspects", lambda e: [2, 2, 2], "numbers of labels", other()),
    ("04", "suspects", lambda e: e._n_polar[:2], "shape", other()),
    ("04", "vacancies", lambda e: sum(e._n_vacancies), "shape", other()),
    ("04", "vacancies", lambda e: np.add(e._n_vacancies, [1, 0]), "first at index 0", other()),
    ("04", "wave", lambda e: 2 * np.pi * e._q, "2π", other("2π", "radians")),
    ("04", "wave", lambda e: [0.33, 0.4], "values are off", other()),
    ("04", "wave", lambda e: [round(1 / q) if q else 0 for q in e._q], "these are periods", other()),
    ("04", "multiple", lambda e: 1, "too few", other()),
    # 05 one-class detection
    ("05", "size", lambda e: e.sizes[e._fits][::-1], "height and width are exchanged", other()),
    ("05", "size", lambda e: e._fits, "two whole numbers", other()),
    ("05", "size", lambda e: (7, 7), "none of `exercise.sizes`", other()),
    ("05", "gamma", lambda e: kernel_gamma(e) / 2, "a factor of 2 is missing", ("radius", *other())),
    ("05", "gamma", lambda e: kernel_gamma(e) * 2, "twice too much", ("radius", *other())),
    ("05", "gamma", lambda e: np.log(kernel(e)[1] / kernel(e)[0]) / (kernel(e)[1] - kernel(e)[0]),
     "for a kernel of the distance", other()),
    ("05", "gamma", lambda e: -kernel_gamma(e), "wrong sign", other("sign")),
    ("05", "gamma", lambda e: 1 / kernel_gamma(e), "reciprocal", ("nm", "per cent")),
    ("05", "gamma", lambda e: kernel_gamma(e) * 1.3, "too large", other()),
    ("05", "count", lambda e: e._counted[1] + 1, "too many, but close", other()),
    ("05", "count", lambda e: e._counted[1] - 1, "too few, but close", other()),
    ("05", "count", lambda e: 3 * e._counted[1], "too many", ("factor", "close", *other())),
    ("05", "perfect", lambda e: (e._lineup[1] + 1) % 3, "another one", ("first or", *other())),
    ("05", "perfect", lambda e: 3, "from 0 to 2", other()),
    ("05", "share", lambda e: 1 - e._twinned[1], "the larger twin", other()),
    ("05", "share", lambda e: 100 * e._twinned[1], "per cent", ("nm", "Å")),
    ("05", "share", lambda e: 0.05, "too small", other()),
    ("05", "share", lambda e: -3, "between 0 and 1", other()),
    # 06 shift-VAE
    ("06", "crop", lambda e: np.zeros((24, 24)), "other values", other()),
    ("06", "crop", lambda e: e.frame[8:32, 8:32], "not shifted at all", other()),
    ("06", "crop", lambda e: e.frame, "shape (40, 40)", other()),
    ("06", "divergence", lambda e: divergence(e) * 400, "sum over the signals", other()),
    ("06", "divergence", lambda e: divergence(e) / np.log(2), "bits", other()),
    ("06", "divergence", lambda e: -divergence(e), "sign is wrong", other("sign")),
    ("06", "divergence", lambda e: divergence(e) * 2, "factor of 2", ("radius", *other())),
    ("06", "divergence", lambda e: divergence(e)[::-1], "other way round", other()),
    ("06", "divergence", lambda e: divergence(e).mean(), "a single number where", other()),
    ("06", "collapsed", lambda e: "z4", "expected one of", other()),
    ("06", "collapsed", lambda e: int(e._collapsed[1]) - 1, "expected one of", other()),
    ("06", "collapsed", lambda e: divergence(e).idxmax(), "it", other()),
    ("06", "scale", lambda e: scale(e) * (e.crops.sizes["x"] - 1) / 2, "this is in pixels", other()),
    ("06", "scale", lambda e: scale(e) * np.sqrt(3), "largest shift", other()),
    ("06", "scale", lambda e: scale(e) / 2, "widths of the window", other()),
    ("06", "scale", lambda e: -scale(e), "is positive", other()),
    ("06", "kinds", lambda e: np.zeros(500), "same label", other()),
    ("06", "kinds", lambda e: np.minimum(e._kinds, 1), "too few clusters", other()),
    ("06", "map", lambda e: np.ones_like(e._field), "the same everywhere", other()),
    ("06", "map", lambda e: e._field.T, "x and y are exchanged", other(), "Ada Lovelace"),
    ("06", "map", lambda e: e._field[:5], "expected one map of shape", other()),
    ("06", "real", lambda e: 3, "from 0 to 2", other()),
    ("06", "real", lambda e: "the first", "one whole number", other()),
    # 07 library of defects
    ("07", "formula", lambda e: [e._formula], "take its first member", other()),
    ("07", "formula", lambda e: e._formula.lower(), "capital letters", other()),
    ("07", "formula", lambda e: "C" + e._formula.partition("C")[2] + e._formula.partition("C")[0],
     "silicon goes first", ()),
    ("07", "formula", lambda e: e._formula.partition("C")[0] + "C9", "neighbours are not", other()),
    ("07", "formula", lambda e: "Si9C3", "count the silicon atoms", other()),
    ("07", "formula", lambda e: 3, "expected a text", other()),
    ("07", "neighbours", lambda e: e._neighbours + 1, "too many, but close", other()),
    ("07", "neighbours", lambda e: e._neighbours - 1, "too few, but close", other()),
    ("07", "neighbours", lambda e: int((np.linalg.norm(e.carbon - e.silicon, axis=1) < 0.3).sum()),
     "second shell", ("Å",)),
    ("07", "p_value", lambda e: lonelier(e)[0] / lonelier(e)[1], "above and below the line", other()),
    ("07", "p_value", lambda e: (lonelier(e)[0] + 1) / lonelier(e)[1], "below the line, too", other()),
    ("07", "p_value", lambda e: lonelier(e)[0] / (lonelier(e)[1] + 1), "above the line, too", other()),
    ("07", "p_value", lambda e: 1 - lonelier(e)[0] / lonelier(e)[1], "less lonely", other()),
    ("07", "p_value", lambda e: 100 * (lonelier(e)[0] + 1) / (lonelier(e)[1] + 1), "per cent", ("nm",)),
    ("07", "p_value", lambda e: 7, "between 0 and 1", other()),
    ("07", "new", lambda e: 3, "from 0 to 2", other()),
    ("07", "new", lambda e: (e._new + 2) % 3, "another one", ("first or", *other())),
    # 08 defects in motion
    ("08", "curve", lambda e: curve(e)[::-1], "exchanged", other()),
    ("08", "curve", lambda e: curve(e) * [4, 1], "divide it by 4", other()),
    ("08", "curve", lambda e: curve(e) * [2, 1], "not 2 D", other()),
    ("08", "curve", lambda e: curve(e) * [e.dt, 1], "not in frames", other()),
    ("08", "curve", lambda e: curve(e) * [1, 2], "before the root", other()),
    ("08", "curve", lambda e: [curve(e)[0], curve(e)[1] ** 2], "σ²", other()),
    ("08", "curve", lambda e: curve(e) * [1, 1000],
     "only the second number is wrong: this would be right in pm", ("2π",)),
    ("08", "curve", lambda e: curve(e) * [100, 1],
     "only the first number is wrong: this would be right in Å²/s", ("2π",)),
    ("08", "curve", lambda e: curve(e)[0], "expected two numbers", other("nm")),
    ("08", "diffusion", lambda e: coefficient(e) * e.dt, "a frame", ("Å", "percent")),
    ("08", "diffusion", lambda e: coefficient(e) * 4, "4 D, the slope", other()),
    ("08", "diffusion", lambda e: coefficient(e) * 2, "of a single axis", other()),
    ("08", "diffusion", lambda e: coefficient(e) * 100, "right in Å²/s", ("percent", "2π")),
    ("08", "diffusion", lambda e: dynamics.published_estimator(e.tracks, dt=e.dt),
     "published estimator", other()),
    ("08", "diffusion", lambda e: -coefficient(e), "sign is wrong", other("nm", "sign")),
    ("08", "counts", lambda e: [[1, 2]], "2 x 2", other()),
    ("08", "counts", lambda e: [[9, 9], [9, 9]], "other counts", other()),
    ("08", "chain", lambda e: e.seen, "errors look like transitions", other()),
    ("08", "chain", lambda e: e._chain.T, "rows and columns are exchanged", other(), "Ada Lovelace"),
    ("08", "chain", lambda e: 100 * e._chain, "sum to 1", other()),
    ("08", "chain", lambda e: e._chain[0], "2 x 2", other()),
    ("08", "bound", lambda e: (e._bound + 1) % 3, "another one", ("first or", *other())),
    ("08", "bound", lambda e: e._bound + 0.5, "one whole number", other()),
    # 08b
    ("08b", "copies", lambda e: "six", "expected one number", other()),
    ("08b", "copies", lambda e: 7, "another number", ("leave", *other())),
    ("08b", "copies", lambda e: 12 // len(e._symmetry) + 1, "another number", other()),
    ("08b", "states", lambda e: np.arange(len(e.classes)), "too many clusters", other()),
    ("08b", "states", lambda e: np.zeros(len(e.classes), int), "every point has the same label", other()),
    ("08b", "states", lambda e: e._states[:-1], "shape", other()),
    ("08b", "stay", lambda e: 0.8, "three numbers", other()),
    ("08b", "stay", shares, "shares of the states", other()),
    ("08b", "stay", lambda e: [0.1, 0.2, 0.3], "", ("one sequence", *other())),
    ("08b", "memory", lambda e: (e._remembers + 1) % 3, "another one", other()),
    ("08b", "memory", lambda e: 3, "from 0 to 2", other()),
    ("08b", "memory", lambda e: 0.01, "whole number", other()),
    # 09
    ("09", "mean", lambda e: e.angles.mean(), "plain mean", other()),
    ("09", "mean", lambda e: np.degrees(np.angle(e._arrow)), "twice the angle", other()),
    ("09", "mean", lambda e: "north", "expected an angle", other()),
    ("09", "mean", lambda e: np.degrees(np.angle(e._arrow)) / 2 + 40, "another angle", other()),
    ("09", "order", lambda e: abs(np.exp(1j * np.radians(e.angles)).mean()), "n = 1", other()),
    ("09", "order", lambda e: abs(e._arrow) ** 2, "square of the length", other("square")),
    ("09", "order", lambda e: 100 * abs(e._arrow), "in per cent", other("per cent")),
    ("09", "turn", lambda e: e.theta[-1] - e.theta[0], "turns beyond the period are lost", other()),
    ("09", "turn", lambda e: np.abs(steps_of_theta(e)).sum(), "steps are signed", other("sign")),
    ("09", "turn", lambda e: -steps_of_theta(e).sum(), "the sign is wrong", other("sign")),
    ("09", "diffusion", naive, "rattling for turning", other()),
    ("09", "diffusion", lambda e: rotation(e) * e.dt, "a frame", other()),
    ("09", "diffusion", lambda e: 2 * rotation(e), "halve it", other()),
    ("09", "diffusion", lambda e: 1, "expected a number", other()),
    ("09", "frame", lambda e: e._poor - 2, "another one", ("first or", *other())),
    ("09", "frame", lambda e: 8, "from 0 to 7", other()),
]  # fmt: skip


def test_the_table_covers_every_check_of_every_lesson():
    assert len(ROWS) >= 150
    for lesson, room in LESSONS.items():
        exercises = import_module(f"atomlens.course.{room}").Exercise
        checks = {name.removeprefix("check_") for name in dir(exercises) if name.startswith("check_")}
        assert {check for number, check, *_ in ROWS if number == lesson} == checks


# Each row for two students, unless a slip can be told from the right answer only in the samples of some.
CASES = [(s, *row[:5]) for row in ROWS for s in (row[5:] or STUDENTS)]


@pytest.mark.parametrize(
    ("student", "lesson", "check", "answer", "says", "never"),
    CASES,
    ids=[f"{c[0]}-{c[1]}-{c[2]}-{c[4]}" for c in CASES],
)
def test_a_wrong_answer_gets_the_hint_for_its_slip_and_no_other(student, lesson, check, answer, says, never):
    ours = exercise(lesson, student)
    ours.record = Record()
    result = getattr(ours, f"check_{check}")(answer(ours))
    assert result.state == "wrong"
    diagnosis, _, nudge = result.message.partition(" Hint 1 of 3: ")
    assert says in diagnosis
    assert nudge == ours.hints[result.name][0]
    for word in never:
        assert not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", diagnosis), diagnosis


STRANGE = [
    "text", b"bytes", object(), {}, {1, 2}, {"a": 1}, [[1], [2, 3]], [None], [None, 1], (), 1j, -1,
    True, [True], 10**400, 1e308, float("nan"), float("inf"), np.array("a"), np.array([]),
    np.array([object()]), np.zeros((3, 3)), np.full((2, 2), np.nan), [0, 0], [0.0, 0.0, 0.0],
    np.datetime64("2020-01-01"), pd.NaT, pd.Series({"a": 1}), pd.DataFrame({"a": ["x"]}),
    pd.DataFrame({"x": [1.0], "y": [2.0]}), pd.DataFrame({"x": [np.nan], "y": [2.0]}),
    pd.DataFrame({"x": [], "y": []}), xr.DataArray(np.zeros((2, 2)), dims=("y", "x")), xr.Dataset(),
    range(3), doses("a"), dict.fromkeys("ABCD"), np.ma.masked_array([1, 2], [0, 1]),
]  # fmt: skip


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_answer_raises_and_none_of_these_is_right(lesson):
    ours = exercise(lesson, STUDENTS[0])
    for name in [name for name in dir(ours) if name.startswith("check_")]:
        for answer in STRANGE:
            result = getattr(ours, name)(answer)
            assert result.state == ("open" if isinstance(answer, list) and answer == [None] else "wrong")
            assert len(result.message) < 400
