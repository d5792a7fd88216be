"""Exercises to lesson 02: samples, expected answers, and tests of what students hand in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.spatial import cKDTree

from atomlens import simulate
from atomlens._types import Any
from atomlens.course import check
from atomlens.course.answers import numbers, whole, why_not_place
from atomlens.course.diagnose import kind, why_not_between, why_not_equal, why_not_labels
from atomlens.course.lesson import Lesson
from atomlens.course.texts.descriptors import HINTS, QUESTIONS
from atomlens.patterson import patterson, translation_spread

__all__ = ["Exercise"]

_CHANGES = ("translated", "contrast", "inverted", "turned")
_WINDOW = 260  # pixels of the records
_KNOWN = 8  # blocks of the movie whose direction is told


class Exercise(Lesson):
    """One student's samples, and the checks of their answers.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    patch : ndarray of shape (h, w)
        A small window.
    perfect : DataArray
        An image of a perfect crystal, free of noise.
    sizes : list of (int, int)
        Heights and widths of four windows, one of which fits the crystal.
    twin : DataArray
        An image with a twin boundary.
    original, repeat : ndarray
        Two records of one crystal with different noise.
    records : dict of str to ndarray
        Four records of it after changes: one was translated, one inverted, one turned, and in one the
        contrast differs.
    doped : DataArray
        An image of a crystal with a few dopants.
    columns : DataFrame
        Places of its columns, ``x`` and ``y`` in pixels.
    dopant : int
        Row of `columns`: one of the dopants.
    n_others : int
        How many more there are.
    movie : DataArray
        Atoms that circle in blocks of 20 x 20 pixels.
    blocks : DataFrame
        Centres of the blocks, ``x`` and ``y`` in pixels, and ``direction``, 0 where it is not told.

    Examples
    --------
    >>> exercise = Exercise("Ada Lovelace")
    >>> by_hand = np.fft.ifft2(np.abs(np.fft.fft2(exercise.patch - exercise.patch.mean())) ** 2).real
    >>> result = exercise.check_patterson(np.fft.fftshift(by_hand))
    ✓ Patterson function: correct
    """

    name, hints, questions = "02_descriptors", HINTS, QUESTIONS

    def __init__(self, student: str) -> None:
        super().__init__(student)
        rngs = np.random.default_rng(self.seed).spawn(6)
        self.patch = _patch(rngs[0])
        self.perfect, self.sizes = _perfect(rngs[1])
        self._twin = _twin(rngs[2])
        self.twin = self._twin.data
        self.original, self.repeat, self.records, self._changes = _records(rngs[3])
        self.doped, self.columns, self._dopants = _doped(rngs[4])
        self.dopant, self.n_others = int(self._dopants[0]), len(self._dopants) - 1
        self._movie = simulate.movies.circling_dopants(5, n_frames=30, hop=0.6, random_state=rngs[5])
        self.movie, truth = self._movie.data, self._movie.truth
        self._told = rngs[5].permutation(len(truth)) < _KNOWN
        # Of both directions, some have to be known.
        self._told[truth.groupby("direction").head(2).index] = True
        self.blocks = truth.assign(direction=truth.direction.where(self._told, 0))

    def check_patterson(self, answer: Any) -> check.Result:
        """Judge the whole Patterson function of `patch`: no taper, not normalised, origin in the middle."""
        expected = patterson(self.patch, half=False, normalize=False)
        tolerance = 1e-4 * float(np.abs(expected).max())
        return check.close(
            answer,
            expected,
            rtol=0,
            atol=tolerance,
            slips=self._patterson_slips(expected),
            name="Patterson function",
            of=self,
        )

    def _patterson_slips(self, expected):
        patch = self.patch
        raw, away = np.fft.fft2(patch), np.fft.fft2(patch - patch.mean())
        back = np.fft.ifft2(np.abs(away) ** 2).real
        return {
            "the origin is still in a corner: it is asked for in the middle": back,
            "the origin was moved the wrong way round: from a corner to the middle": np.fft.ifftshift(back),
            "the mean was not subtracted": np.fft.fftshift(np.fft.ifft2(np.abs(raw) ** 2).real),
            "the modulus was not squared": np.fft.fftshift(np.fft.ifft2(np.abs(away)).real),
            "this is the power spectrum: transform it back": np.fft.fftshift(np.abs(away) ** 2),
            "it is normalised: leave it as it is": patterson(patch, half=False),
            "it is divided by the number of pixels": expected / expected.size,
        }

    def check_size(self, answer: Any) -> check.Result:
        """Judge which of `sizes` may be used without a taper: its number, counted from 0."""
        spread = [translation_spread(self.perfect, size, n_offsets=60) for size in self.sizes]
        right = int(np.argmin(spread))
        return check.judge(
            answer, lambda: why_not_place(answer, right, len(self.sizes)), "window that fits", of=self
        )

    def check_domains(self, answer: Any) -> check.Result:
        """Judge a map of the halves of `twin`: a DataArray of whole numbers over y and x in nm."""
        return check.judge(answer, lambda: self._why_not_domains(answer), "map of the halves", of=self)

    def _why_not_domains(self, answer):
        if not isinstance(answer, xr.DataArray):
            return f"expected a DataArray with dims ('y', 'x'), got {kind(answer)}"
        if answer.dims != ("y", "x"):
            order = ": use .transpose('y', 'x')" if set(answer.dims) == {"y", "x"} else ""
            return f"has dims {answer.dims}, expected ('y', 'x'){order}"
        if not {"y", "x"} <= set(answer.coords):
            return f"has shape {answer.shape}, but no coordinates: where each window lies, in nm"
        for dim in ("y", "x"):
            places, edges = answer[dim].values, self.twin[dim].values[[0, -1]]
            if not ((places >= edges[0]) & (places <= edges[1])).all():
                return f"its coordinate {dim} runs out of the image: it should be in nm"
        if answer.size < 100:
            return f"has shape {answer.shape}: so few windows are no map"
        truth = self._twin.truth
        y, x = (a.ravel() for a in np.meshgrid(answer.y, answer.x, indexing="ij"))
        nearest = cKDTree(truth[["x_nm", "y_nm"]]).query(np.column_stack([x, y]))[1]
        return why_not_labels(answer.values.ravel(), truth.domain.to_numpy()[nearest], 0.9)

    def check_changes(self, answer: Any) -> check.Result:
        """Judge what was done to each of `records`: a dict from "A", ... to the name of the change."""
        return check.judge(answer, lambda: self._why_not_changes(answer), "changes", of=self)

    def _why_not_changes(self, answer):
        if not isinstance(answer, dict):
            return f"expected a dict, got {kind(answer)}"
        if set(answer) != set(self._changes):
            return f"the keys should be {', '.join(map(repr, self._changes))}; they are {list(answer)}"
        words = {name: str(word).strip().lower() for name, word in answer.items()}
        for name, word in words.items():
            if word not in _CHANGES:
                return f"{word!r}, for {name!r}, is none of the four words"
        wrong = [name for name, change in self._changes.items() if words[name] != change]
        return f"{len(wrong)} of {len(words)} are wrong, among them {wrong[0]!r}" if wrong else None

    def check_dopants(self, answer: Any) -> check.Result:
        """Judge the rows of `columns` that are dopants, without the one that is known."""
        return check.judge(answer, lambda: self._why_not_dopants(answer), "dopants", of=self)

    def _why_not_dopants(self, answer):
        rows = whole(list(answer) if isinstance(answer, set | frozenset) else answer)
        if rows is None:
            return "rows of the table are whole numbers; these are not"
        if self.dopant in rows:
            return "the one that is known does not count: the others are asked for"
        return why_not_equal(set(rows.ravel().tolist()), set(self._dopants[1:].tolist()))

    def check_directions(self, answer: Any) -> check.Result:
        """Judge the directions of the blocks that are not told, 1 or -1, in the order of `blocks`."""
        name = "share of directions that are right"
        return check.judge(answer, lambda: self._why_not_directions(answer), name, of=self)

    def _why_not_directions(self, answer):
        right = self._movie.truth.direction[~self._told].to_numpy()
        given = numbers(answer)
        if given is None or given.ndim != 1:
            return f"expected {len(right)} values, got {kind(answer)}"
        if len(given) != len(right):
            return f"expected {len(right)} values, got {len(given)}"
        if not np.isin(given, (1, -1)).all():
            return "each value should be 1 or -1"
        share = np.mean(given == right)
        if share <= 0.1:
            return "the directions are told apart, but called the wrong way round"
        coin = 1.5 / np.sqrt(len(right))  # three standard deviations of the share that dice would get
        if abs(share - 0.5) < coin and share < 0.8:
            return "no better than a coin: is the order in time in it?"
        return why_not_between(share, 0.9, 1)


def _patch(rng):
    """A noisy window of even height and odd width."""
    y, x = np.mgrid[:24, :31]
    kx, ky, phase = rng.uniform(0.3, 0.9, 3)
    return np.round(10 + 3 * np.cos(kx * x + ky * y + 6 * phase) + rng.normal(0, 1, x.shape), 2)


def _perfect(rng):
    """A crystal with a rectangular cell, and windows of which one holds whole cells."""
    a, b = rng.uniform(0.30, 0.36), rng.uniform(0.46, 0.56)
    pixel = 0.02
    across, down = round(a / pixel), round(b / pixel)
    places = np.mgrid[:40, :40].reshape(2, -1)
    two = [
        pd.DataFrame({"x_nm": (places[1] + u) * across * pixel, "y_nm": (places[0] + v) * down * pixel})
        for u, v in ((0, 0), (0.4, 0.5))
    ]
    table = pd.concat([two[0].assign(weight=1.0), two[1].assign(weight=0.6)], ignore_index=True)
    data = simulate.image(table, pixel_size=pixel, shape=(220, 220)).data
    half = round(down / 2), round(across / 2)
    sizes = [
        (2 * down, 2 * across),
        (2 * down, 2 * across + half[1]),
        (2 * down + half[0] // 2, 2 * across),
        (2 * down - half[0], 2 * across - half[1] // 2),
    ]
    return data, [sizes[k] for k in rng.permutation(4)]


def _twin(rng):
    """A twin boundary that runs anywhere."""
    cells = simulate.structures.dumbbells("CdTe", (8.0, 8.0), twin=True, rotation=rng.uniform(0, 180))
    return simulate.image(cells, electrons=rng.uniform(200, 800), random_state=rng)


def _crystal(rng, rotation=0.0):
    cells = simulate.structures.dumbbells("GaAs", (7.5, 7.5), rotation=rotation).columns
    # Gallium and antimony: no one can mistake one for the other.
    weight = np.array([31, 51])[cells.label] ** 1.7
    return simulate.image(
        cells.assign(weight=weight), shape=(375, 375), electrons=2000, random_state=rng
    ).data.values


def _records(rng):
    """Two records of a crystal, four after changes, and which is which."""

    def cut(image, top=40, left=40):
        return image[top : top + _WINDOW, left : left + _WINDOW]

    down, across = rng.integers(5, 35, 2)
    made = {
        "translated": cut(_crystal(rng), 40 + down, 40 + across),
        "contrast": rng.uniform(2, 4) * cut(_crystal(rng)) + rng.uniform(100, 900),
        "inverted": cut(_crystal(rng))[::-1, ::-1],
        "turned": cut(_crystal(rng, float(rng.uniform(8, 25)))),
    }
    changes = dict(zip("ABCD", (_CHANGES[k] for k in rng.permutation(4)), strict=True))
    original, repeat = cut(_crystal(rng)), cut(_crystal(rng))
    return original, repeat, {name: made[change] for name, change in changes.items()}, changes


def _doped(rng):
    """A crystal with dopants, its columns, and the rows that are dopants, far from each other and the rim."""
    cells = simulate.structures.transition_metal_dichalcogenide(
        "MoS2", (7.0, 7.0), rotation=float(rng.uniform(0, 60))
    )
    table = cells.columns
    middle = table[(table.label == 0) & table.x_nm.between(0.9, 6.1) & table.y_nm.between(0.9, 6.1)]
    free, chosen = middle[["x_nm", "y_nm"]].to_numpy(), []
    for _ in range(rng.integers(4, 8)):
        chosen.append(free[rng.integers(len(free))])
        free = free[np.linalg.norm(free - chosen[-1], axis=1) > 1.1]
    cells = simulate.defects.substitutions(cells, species="W", sublattice="Mo", at=np.array(chosen))
    sample = simulate.image(cells, electrons=400, random_state=rng)
    table = sample.truth[["x", "y"]].reset_index(drop=True)
    rows = np.flatnonzero(sample.truth.species.to_numpy() == "W")
    return sample.data, table, rng.permutation(rows)
