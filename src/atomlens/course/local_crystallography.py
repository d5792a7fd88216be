"""Exercises to lesson 04: samples, expected answers, and tests of what students hand in."""

from __future__ import annotations

import math

import numpy as np

from atomlens import lattice, simulate
from atomlens._types import Any
from atomlens.course import check
from atomlens.course.answers import numbers
from atomlens.course.diagnose import kind, why_not_between, why_not_close
from atomlens.course.lesson import Lesson
from atomlens.course.texts.local_crystallography import HINTS, QUESTIONS
from atomlens.crystallography import LocalCrystallography, displacements, point_group

__all__ = ["Exercise"]

_A = 0.3985  # nm, lead titanate
_SIZE = (13, 13)  # nm
_ALPHA = 0.01
_DRAWS = 20  # the chance that so many are all unlucky is nil
_SUSPECTS = (  # variants, their displacement in pm, and how many of them are polar
    ((None,), 0, 0),
    ((0,), 1.5, 1),
    ((90, 270), 24, 2),
)
_WAVES = ((0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (0.25, 0.0), (0.0, 0.25), (0.25, 0.25), (0.25, 0.5))
# Four neighbours at 45, 135, 225 and 315 degrees from +x towards +y, in nm.
_CORNERS = _A / 2 * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])


class Exercise(Lesson):
    """One student's samples, and the checks of their answers.

    The tables list the columns of lead titanate along a cube axis, as `simulate.column_positions` does.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    strained : DataFrame
        A strained and turned crystal.
    film : DataFrame
        Four polar variants, turned.
    domain : DataFrame
        A single polar domain, its displacement little larger than the noise.
    vectors : ndarray of shape (5, 4, 2)
        Ordered vectors to the four neighbours of five atoms, in pm.
    mixture : DataFrame
        Several polar variants, with or without a phase that is not displaced.
    suspects : list of DataFrame
        Three samples, each of which may be ferroic or not.
    vacant : DataFrame
        A crystal with vacancies.
    wave : DataFrame
        A crystal through which a weak wave of displacement runs.

    Examples
    --------
    >>> exercise = Exercise("Ada Lovelace")
    >>> found = lattice.estimate(exercise.strained)
    >>> result = exercise.check_lengths(found.lengths * found.pixel_size_nm)
    ✓ lattice parameters: correct
    """

    name, hints, questions = "04_local_crystallography", HINTS, QUESTIONS

    def __init__(self, student: str) -> None:
        super().__init__(student)
        rngs = np.random.default_rng(self.seed).spawn(8)
        self.strained, self._basis = _strained(rngs[0])
        self._film = _polar(rngs[1], (0, 90, 180, 270), 22, rotation=rngs[1].uniform(-20, 20))
        polar, angle = rngs[2].uniform([8, 0], [12, 360])
        self._domain = _polar(rngs[2], (angle,), polar, noise=0.006)
        self.vectors = np.round(1000 * _CORNERS + rngs[3].normal(0, 20, (5, 4, 2)), 1)
        self._mixture, self._n_variants, self._has_other = _mixture(rngs[4])
        chosen = [_SUSPECTS[n] for n in rngs[5].permutation(3)]
        self._n_polar = [count for _, _, count in chosen]
        self.suspects = [
            _drawn(rngs[5], v, p, count, clusters=2, size=(10, 10)).data for v, p, count in chosen
        ]
        self.vacant, self._n_vacancies = _vacant(rngs[6])
        self.wave, self._q = _wave(rngs[7])
        self.film, self.domain, self.mixture = self._film.data, self._domain.data, self._mixture.data

    def check_lengths(self, answer: Any) -> check.Result:
        """Judge the lattice parameters a and b of `strained`, in nm."""
        expected = np.linalg.norm(self._basis, axis=1)
        slips = {
            "these are pixels: how large is one?": expected
            * self.strained.x.max()
            / self.strained.x_nm.max(),
            "this is the cell before the strain": np.full(2, _A),
        }
        return check.close(
            answer, expected, rtol=2e-3, unit="nm", slips=slips, name="lattice parameters", of=self
        )

    def check_gamma(self, answer: Any) -> check.Result:
        """Judge the angle between a and b of `strained`, in degrees."""
        a, b = self._basis
        expected = np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
        slips = {"a right angle is what the crystal had before it was strained": 90.0}
        return check.close(
            answer, expected, rtol=0, atol=0.3, unit="degrees", slips=slips, name="lattice angle", of=self
        )

    def check_labels(self, answer: Any) -> check.Result:
        """Judge labels of the titanium atoms of `film`."""
        truth, scored = _titanium(self._film)
        truth, labels = truth.variant.to_numpy(), numbers(answer, scored.shape)
        if labels is not None:
            answer, truth = labels[scored], truth[scored]
        return check.labels(answer, truth, min_ari=0.95, name="labels of titanium", of=self)

    def check_displacement(self, answer: Any) -> check.Result:
        """Judge the length of the displacement in `domain`, in pm."""
        shift = displacements(self.domain, center="Ti", neighbors="Pb")
        slips = {
            "this is the mean of the lengths: noise makes nearly all longer": shift.magnitude_pm.mean(),
            "this is the root of the mean square, and the noise is in it": np.sqrt(
                (shift.magnitude_pm**2).mean()
            ),
            "this is one component alone": abs(shift.dx_pm.mean()),
            "this is one component alone: take both": abs(shift.dy_pm.mean()),
        }
        expected = np.hypot(*self._planted())
        return check.close(
            answer, expected, rtol=0, atol=1, unit="pm", slips=slips, name="displacement in pm", of=self
        )

    def check_direction(self, answer: Any) -> check.Result:
        """Judge the direction of the displacement in `domain`, in degrees; whole turns do not matter."""
        return check.judge(answer, lambda: self._why_not_direction(answer), "direction in degrees", of=self)

    def _why_not_direction(self, answer):
        number, (planted, measured) = numbers(answer, ()), self._directions()
        turns = number is not None and abs(number) <= 3600
        if turns and abs((number - planted + 180) % 360 - 180) <= 6:
            return None
        if turns:  # slips start from what can be measured
            measured += 360 * np.round((number - measured) / 360)
        return why_not_close(answer, measured, 0, 1, unit="degrees")

    def check_turned(self, answer: Any) -> check.Result:
        """Judge `vectors` turned by 90 degrees, the neighbours in their order."""
        kind = np.zeros(len(self.vectors), dtype=int)
        expected = point_group("4").replicas(self.vectors, kind, 1000 * _CORNERS[None])[1]
        turned = np.stack([-self.vectors[..., 1], self.vectors[..., 0]], axis=-1)
        slips = {
            "the vectors are turned, but the neighbours are not yet in their order": turned,
            "the neighbours are moved on, but their vectors are not turned": np.roll(self.vectors, 1, axis=1),
            "the vectors are turned, but the neighbours were moved on the wrong way": np.roll(
                turned, -1, axis=1
            ),
            "it is turned the wrong way: from +x towards +y": np.roll(-turned, -1, axis=1),
            "the vectors are turned the wrong way: (x, y) goes to (-y, x)": np.roll(-turned, 1, axis=1),
            "nothing is turned": self.vectors,
        }
        return check.close(
            answer, expected, rtol=0, atol=0.2, unit="pm", slips=slips, name="turned neighbours", of=self
        )

    def check_n_labels(self, answer: Any) -> check.Result:
        """Judge the number of labels in `mixture`."""
        slips = {"a phase that is not displaced has a label, too": self._n_variants}
        expected = self._n_variants + self._has_other
        return check.equal(answer, expected, slips=slips, name="number of labels", of=self)

    def check_n_variants(self, answer: Any) -> check.Result:
        """Judge the number of variants of the ferroic phase in `mixture`."""
        slips = {"one of these labels is no variant: it is not displaced": self._n_variants + self._has_other}
        return check.equal(answer, self._n_variants, slips=slips, name="number of variants", of=self)

    def check_undisplaced(self, answer: Any) -> check.Result:
        """Judge which titanium atoms of `mixture` are in a phase that is not ferroic."""
        truth, scored = _titanium(self._mixture)
        other = truth.domain.to_numpy() == self._n_variants  # the last of the domains, if it is there

        def why_not():
            mask = numbers(answer, other.shape)
            if mask is None or not np.isin(mask, (0, 1)).all():
                return f"expected True or False for each of {len(other)} titanium atoms, got {kind(answer)}"
            share = np.mean(mask[scored] == other[scored])
            if share <= 0.05:
                return "True and False are exchanged: True where it is not ferroic"
            return why_not_between(share, 0.95, 1)

        return check.judge(answer, why_not, "share of atoms that are right", of=self)

    def check_p_values(self, answer: Any) -> check.Result:
        """Judge the p-values of the suspects: small where there is a displacement, and only there."""
        return check.judge(
            answer, lambda: self._why_not_p_values(answer), "p-values of the suspects", of=self
        )

    def _why_not_p_values(self, answer):
        values = numbers(answer, (len(self.suspects),))
        if values is None:
            return f"expected {len(self.suspects)} numbers, got {kind(answer)}"
        if not ((values >= 0) & (values <= 1)).all():
            return "a p-value lies between 0 and 1"
        small, ferroic = values <= _ALPHA, np.array(self._n_polar) > 0
        if (small == ferroic).all():
            return None
        if small.all():
            return "all are small: is the hypothesis they disprove the one of no displacement?"
        if (small == ~ferroic).all():
            return "small p-values speak for a displacement, not against it"
        return f"{np.sum(small != ferroic)} of {len(values)} are on the wrong side of {_ALPHA:g}"

    def check_suspects(self, answer: Any) -> check.Result:
        """Judge the numbers of polar variants of the suspects, 0 for none."""
        slips = {"these are the numbers of labels: are they displaced, and parted?": [2, 2, 2]}
        return check.equal(answer, self._n_polar, slips=slips, name="variants of the suspects", of=self)

    def check_vacancies(self, answer: Any) -> check.Result:
        """Judge the numbers of vacancies of `vacant`, lead first."""
        return check.equal(answer, self._n_vacancies, name="vacancies of Pb and Ti", of=self)

    def check_wave(self, answer: Any) -> check.Result:
        """Judge the wave vector of `wave`, in cycles per cell; its sign does not matter."""
        q, given = self._q, numbers(answer, (2,))
        if given is not None and (np.abs(given) <= 1).all():
            same = np.stack([q, -q])
            same = same + np.round(given - same) * (q != 0)  # whole cycles do not matter from cell to cell
            q = same[np.argmin(np.abs(given - same).sum(axis=1))]
        slips = {
            "a factor of 2π is too much: cycles are asked for, not radians": 2 * np.pi * self._q,
            "these are periods in cells: cycles per cell are needed": [
                round(1 / q) if q else 0 for q in self._q
            ],
        }
        return check.close(
            answer, q, rtol=0, atol=0.02, unit="cycles", slips=slips, name="wave vector", of=self
        )

    def check_multiple(self, answer: Any) -> check.Result:
        """Judge how many of the old cells the new one holds."""
        periods = [round(1 / q) for q in self._q if q]
        slips = {
            "the new cell may be oblique, and then it holds less than this": math.prod(periods),
            "this is the sum of the periods: count the cells that differ": sum(periods),
            "this repeats along one direction, but not yet along the other": min(periods),
        }
        return check.equal(
            answer, math.lcm(*periods), unit="count", slips=slips, name="cells in the new cell", of=self
        )

    def _directions(self):
        """Of the displacement in `domain`, as planted and as measured, in degrees."""
        shift = displacements(self.domain, center="Ti", neighbors="Pb")
        found = shift.dx_pm.mean(), shift.dy_pm.mean()
        return [np.degrees(np.arctan2(dy, dx)) for dx, dy in (self._planted(), found)]

    def _planted(self):
        """Planted displacement in `domain`, in pm."""
        truth, _ = _titanium(self._domain)
        return 1000 * truth[["dx_nm", "dy_nm"]].to_numpy().mean(axis=0)


def _strained(rng):
    """A strained and turned crystal, and its lattice vectors in nm: a shorter, and near x."""
    exx, eyy, exy, angle = rng.uniform([-0.03, 0.01, -0.02, -15], [-0.01, 0.03, 0.02, 15])
    cells = simulate.structures.perovskite((9, 9), formula="PbTiO3", rotation=angle)
    cells = simulate.strain.homogeneous(cells, exx=exx, eyy=eyy, exy=exy)
    size = rng.uniform(0.012, 0.03)
    table = simulate.column_positions(cells, pixel_size=size, noise=0.003, missing=0.03, random_state=rng)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return table.data, _A * np.array([[c, s], [-s, c]]) @ (np.eye(2) + [[exx, exy], [exy, eyy]])


def _polar(rng, variants, polar, *, size=_SIZE, noise=0.003, rotation=0.0):
    """Columns of polar domains."""
    cells = simulate.structures.perovskite(
        size, formula="PbTiO3", polar=polar, variants=variants, rotation=rotation, random_state=rng
    )
    return simulate.column_positions(cells, noise=noise, missing=0.01, random_state=rng)


def _mixture(rng):
    """Polar domains and perhaps another phase; the number of variants, and whether there is that phase."""
    count, other = int(rng.integers(2, 5)), bool(rng.integers(2))
    variants = (*rng.choice([0, 90, 180, 270], count, replace=False), *([None] * other))
    return _drawn(rng, variants, rng.uniform(22, 30), count, clusters=len(variants)), count, other


def _drawn(rng, variants, polar, n_polar, *, clusters, size=_SIZE):
    """Columns of polar domains, drawn anew where chance makes a test at 1 % err."""
    planted = [("ferroic", n_polar)] if n_polar else []
    if None in variants:
        planted.append(("non-ferroic", 1))
    for _ in range(_DRAWS):
        sample = _polar(rng, variants, polar, size=size)
        model = LocalCrystallography(n_clusters=clusters, center="Ti", neighbors="Pb").fit(sample.data)
        if sorted(zip(model.verdict_.kind, model.verdict_.n_variants, strict=True)) == planted:
            break
    return sample


def _vacant(rng):
    """A bent and turned crystal without some of its columns, and how many of Pb and Ti are gone.

    Vacancies lie far from one another and from the rim, so that they can all be told.
    """
    cells = simulate.structures.perovskite((11, 11), formula="PbTiO3", rotation=rng.uniform(-30, 30))
    bent = rng.uniform(-0.002, 0.002, 2)
    cells = simulate.strain.apply(cells, lambda x, y: (bent[0] * (y - 5.5) ** 2, bent[1] * (x - 5.5) ** 2))
    table = simulate.column_positions(cells, noise=0.004, random_state=rng).data
    xy, counts = table[["x_nm", "y_nm"]].to_numpy(), [int(n) for n in rng.integers(2, 9, 2)]
    left, gone = dict(zip(("Pb", "Ti"), counts, strict=True)), []
    for row in rng.permutation(np.flatnonzero((np.abs(xy - 5.5) < 4.3).all(axis=1))):
        alone = (np.linalg.norm(xy[gone] - xy[row], axis=1) > 3 * _A).all()
        if alone and left[table.sublattice[row]]:
            left[table.sublattice[row]] -= 1
            gone.append(row)
    return table.drop(index=gone).reset_index(drop=True), counts


def _wave(rng):
    """Columns with a wave in the displacement of titanium, and its wave vector in cycles per cell."""
    table = simulate.column_positions(
        simulate.structures.perovskite(_SIZE, formula="PbTiO3"), noise=0.006, random_state=rng
    ).data
    q, angle = np.array(_WAVES[rng.integers(len(_WAVES))]), rng.uniform(0, 2 * np.pi)
    # From the middle of the field, where a lead column is; an eighth of a cycle off, so never in a node.
    cell = np.floor((table[["x_nm", "y_nm"]].to_numpy() - np.array(_SIZE) / 2) / _A)
    shift = 0.007 * np.cos(2 * np.pi * (cell @ q + 1 / 8)) * (table.sublattice == "Ti")
    pixel_size = table.x_nm.max() / table.x.max()
    for axis, part in zip("xy", (np.cos(angle), np.sin(angle)), strict=True):
        table[f"{axis}_nm"] += part * shift
        table[axis] += part * shift / pixel_size
    return table, q


def _titanium(sample):
    """Truth about the titanium atoms, and which of them have all neighbours, and these in one domain."""
    hoods = lattice.neighbour_vectors(sample.data, n_neighbors=4, center="Ti", neighbors="Pb")
    truth = sample.truth.iloc[hoods.centres]
    return truth, truth.interior.to_numpy() & hoods.complete
