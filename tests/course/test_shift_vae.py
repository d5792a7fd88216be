"""Right answers pass, wrong ones get a hint, open ones stay open; students differ."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import ndimage
from scipy.stats import norm
from sklearn.mixture import GaussianMixture

from atomlens.course.shift_vae import Exercise
from atomlens.shiftvae import ShiftVAE
from atomlens.windows import sliding_windows

PARTS = ("frame", "shift", "widths", "crystal")


@pytest.fixture(scope="module")
def exercise():
    return Exercise("Ada Lovelace")


@pytest.fixture(autouse=True)
def verdicts_do_not_raise(monkeypatch):
    monkeypatch.delenv("ATOMLENS_CHECK", raising=False)


def shifted(exercise, shift=None, order=1):
    """Crop from the middle of the frame, shifted as a whole."""
    x, y = exercise.shift if shift is None else shift
    return ndimage.shift(exercise.frame, (y, x), order=order)[8:32, 8:32]


def divergence(exercise):
    """By numerical integration over the latent."""
    z = np.linspace(-8, 8, 4001)[:, None]
    means = {}
    for name in exercise.means:
        q = norm(exercise.means[name].to_numpy(), exercise.sds[name].to_numpy())
        log_ratio = q.logpdf(z) - norm.logpdf(z)
        means[name] = (q.pdf(z) * log_ratio).sum(axis=0).mean() * (z[1, 0] - z[0, 0])
    return pd.Series(means)


def scale(exercise):
    return exercise.largest_shift / np.sqrt(3) / ((exercise.crops.sizes["x"] - 1) / 2)


def kinds(exercise, shift_scale):
    vae = ShiftVAE(2, shift_scale=shift_scale, max_epochs=12, progress=False).fit(exercise.crops)
    return GaussianMixture(3, n_init=5, random_state=0).fit_predict(vae.transform(exercise.crops))


def content_map(exercise, **settings):
    windows = sliding_windows(exercise.crystal, exercise.window, step=exercise.stride)
    vae = ShiftVAE(1, max_epochs=12, progress=False, **settings).fit(windows)
    return vae.latent_map(exercise.crystal, stride=exercise.stride).sel(latent="z1")


def explained_by_place(z, period):
    y, x = (np.floor(6 * (along % period) / period) for along in np.meshgrid(z.y, z.x, indexing="ij"))
    table = pd.DataFrame({"y": y.ravel(), "x": x.ravel(), "z": z.values.ravel()})
    return table.groupby(["y", "x"]).z.transform("mean").var() / table.z.var()


def test_students_have_their_own_samples_and_everyone_the_same_one_again(exercise):
    again, other = Exercise(" ada lovelace"), Exercise("Marie Curie")
    for name in PARTS:
        np.testing.assert_array_equal(getattr(exercise, name), getattr(again, name))
        assert not np.array_equal(getattr(exercise, name), getattr(other, name))
    pd.testing.assert_frame_equal(exercise.means, again.means)
    xr.testing.assert_identical(exercise.crops, again.crops)
    assert not exercise.crops.equals(other.crops)
    assert exercise.period != other.period


def test_the_plans_behind_the_samples_differ_from_student_to_student():
    students = [Exercise(f"student {n}") for n in range(12)]
    assert {s._collapsed for s in students} == {"z1", "z2", "z3"}
    assert {s._order.index("modulated") for s in students} == {0, 1, 2}
    assert {s.crops.sizes["x"] for s in students} == {36, 38, 40}


@pytest.mark.parametrize("student", ["Ada Lovelace", "Max von Laue", "C. V. Raman", "Emmy Noether"])
def test_every_student_can_solve_what_is_done_by_hand(student):
    exercise = Exercise(student)
    assert exercise.check_crop(shifted(exercise))
    assert exercise.check_crop(shifted(exercise, order=3))
    kl = divergence(exercise)
    assert exercise.check_divergence(kl)
    assert exercise.check_collapsed(kl.idxmin())
    assert exercise.check_scale(scale(exercise))


@pytest.mark.parametrize("student", ["Ada Lovelace", "Emmy Noether"])
def test_every_student_can_solve_what_is_trained(student):
    exercise = Exercise(student)
    assert exercise.check_kinds(kinds(exercise, scale(exercise)))
    assert exercise.check_map(content_map(exercise, lattice=np.diag([exercise.period] * 2)))


def test_an_ordinary_shift_does_not_find_the_field(exercise):
    ends = exercise.period / np.sqrt(12) / ((exercise.window - 1) / 2)
    verdict = exercise.check_map(content_map(exercise, shift_scale=ends))
    assert "at least 0.8" in verdict.message


def test_the_collapsed_latent_correlates_best(exercise):
    best = exercise.means.corrwith(pd.Series(exercise.widths)).abs().idxmax()
    assert exercise.check_collapsed(best)


def test_what_is_real_does_not_know_the_place_in_the_cell(exercise):
    shares = [explained_by_place(model.latent_map(c).sel(latent="z1"), exercise.period)
              for model, c in exercise.suspects]  # fmt: skip
    says = [model.summary_.kl["z1"] for model, _ in exercise.suspects]
    assert exercise.check_real(int(np.argmax(np.multiply(says, np.subtract(1, shares)))))
    real, made = (exercise._order.index(how) for how in ("modulated", "ends"))
    assert shares[real] < 0.05 < 0.15 < shares[made]
    assert exercise.check_real((real + 1) % 3).state == "wrong"


def by_formula(exercise, power=2):
    """Divergence with this power of the standard deviation."""
    return ((exercise.means**2 + exercise.sds**power - 1) / 2 - np.log(exercise.sds**power) / 2).mean()


def bent(exercise):
    return exercise.means.corrwith(pd.Series(exercise.widths)).abs().idxmin()


ANYTHING = ["shift", 3, [[1], [2, 3]], {}, object(), np.nan, [0, None], 1j, pd.DataFrame({"a": ["b"]})]
CHECKS = ["crop", "divergence", "collapsed", "scale", "kinds", "map", "real"]

WRONG = [
    ("crop", lambda e: shifted(e, -e.shift), "the wrong way"),
    ("crop", lambda e: shifted(e, e.shift[::-1]), "x and y are exchanged: "),
    ("crop", lambda e: shifted(e, -e.shift[::-1]), "and the sign is wrong"),
    ("crop", lambda e: shifted(e, np.round(e.shift)), "whole pixels"),
    ("crop", lambda e: shifted(e, (0, 0)), "not shifted at all"),
    ("crop", lambda e: shifted(e, e.shift + 8), "from the corner"),
    ("crop", lambda e: np.zeros((24, 24)), "other values"),
    ("crop", lambda e: e.frame, "got shape (40, 40)"),
    ("crop", lambda e: "left", "got text"),
    ("divergence", lambda e: by_formula(e) * 400, "the sum over the signals"),
    ("divergence", lambda e: by_formula(e) / np.log(2), "bits"),
    ("divergence", lambda e: by_formula(e, power=1), "enters squared"),
    ("divergence", lambda e: e.means.mean() ** 2 / 2 + e.sds.mean() ** 2 / 2 - 0.5 - np.log(e.sds.mean()),
     "of the averages"),
    ("divergence", lambda e: 2 * by_formula(e), "a factor of 2"),
    ("divergence", lambda e: -by_formula(e), "the sign is wrong"),
    ("divergence", lambda e: by_formula(e).mean(), "a single number"),
    ("collapsed", bent, "does not correlate"),
    ("collapsed", lambda e: ({"z1", "z2", "z3"} - {e._collapsed, bent(e)}).pop(), "another one"),
    ("collapsed", lambda e: "z4", "expected one of"),
    ("collapsed", lambda e: 2, "got a number"),
    ("scale", lambda e: e.largest_shift / np.sqrt(3), "in pixels"),
    ("scale", lambda e: scale(e) * np.sqrt(3), "the largest shift"),
    ("scale", lambda e: scale(e) / 2, "not half-widths"),
    ("scale", lambda e: 0.4, "too large"),
    ("scale", lambda e: 0.01, "too small"),
    ("scale", lambda e: -1, "is positive"),
    ("scale", lambda e: np.nan, "expected a finite number"),
    ("scale", lambda e: True, "got True or False"),
    ("kinds", lambda e: np.zeros(500, int), "nothing was separated"),
    ("kinds", lambda e: np.arange(500) % 3, "adjusted Rand index"),
    ("kinds", lambda e: np.zeros((500, 2)), "shape"),
    ("map", lambda e: e._field.T, "x and y are exchanged"),
    ("map", lambda e: np.ones_like(e._field), "the same everywhere"),
    ("map", lambda e: np.random.default_rng(0).normal(size=e._field.shape), "|correlation|"),
    ("map", lambda e: np.where(e._field > 0.5, np.nan, e._field), "NaN"),
    ("map", lambda e: np.stack([e._field] * 3), "one map of shape"),
    ("real", lambda e: 7, "from 0 to 2"),
    ("real", lambda e: 0.4, "one whole number"),
    ("real", lambda e: (e._order.index("modulated") + 2) % 3, "another one"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "answer", "message"), WRONG)
def test_wrong_and_open_answers_are_told_apart(exercise, check, answer, message, capsys):
    judge = getattr(exercise, f"check_{check}")
    verdict = judge(answer(exercise))
    assert verdict.state == "wrong"
    assert message in verdict.message
    assert judge(...).state == "open"
    assert "✗" in capsys.readouterr().out


@pytest.mark.parametrize("check", CHECKS)
def test_no_answer_of_any_type_raises(exercise, check):
    verdicts = [getattr(exercise, f"check_{check}")(answer) for answer in ANYTHING]
    assert {verdict.state for verdict in verdicts} == {"wrong"}
