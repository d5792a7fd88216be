"""Training sets on the fly: endless images of given structures, each with its exact answer."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from atomlens._artifacts import remove_hot_pixels
from atomlens._resample import resample
from atomlens._types import DataFrame, Sequence, ndarray
from atomlens.columns._prepare import standardise
from atomlens.columns._wild import disturbed as after_counting
from atomlens.columns.scale import feature_size
from atomlens.simulate.imaging import FWHM, Instrument, image

__all__ = ["Scenes"]

FEATURE_SIZE = 1.68  # pixels: the trained scale, as measured by `feature_size`
_CLOSEST = 3.0  # closest columns of the training set, in standard deviations
_CLASSES = ("column", "sublattice", "species", "defect")
_TARGET_WIDTH = 1.2  # pixels: standard deviation of the blob that the network draws for a column


@dataclass(frozen=True)
class Scenes:
    """An endless, reproducible stream of training images.

    Every scene cuts a random field out of one structure, rotates and strains it, takes columns away and
    exchanges others, and images it with a random instrument, dose and pixel size; then it goes through
    the very steps that a user's image goes through.

    Parameters
    ----------
    structures : sequence of Structure
        Drawn from at random; at least about 10 nm wide, so that rotated fields fit.
    size : int
        Pixels along the side of a scene; a multiple of 8, at least 32.
    scale_error : float
        Standard deviation of the natural logarithm of the error with which the scale of a user's image
        will be estimated.
    probe : tuple of float
        Range of the columns' standard deviation, in nm; never above 1/3 of the closest distance.
    electrons : tuple of float
        Range of the detected electrons in the weakest scored column.
    disturbed : float
        Fraction of the scenes with junk, edges, contamination, scan errors or hot pixels; 0 for clean
        images with Poisson noise.
    wild : float
        Fraction of the scenes to which more happened after the electrons were counted: noise that is alike in
        neighbouring pixels, streaks, slopes, wedges, saturation, gamma, few bits, blocks as of JPEG files,
        empty corners and burnt-in bars.
    classes : {"column", "sublattice", "species", "defect"}
        What the network finds: columns, all alike or by sublattice or species; or the places of planted
        defects, by kind.
    support : sequence of str
        Sublattices, by name, that lie under what is looked for: never asked for, and wrong where reported.
        (Other invisible columns, of light atoms say, are neither right nor wrong.)

    Attributes
    ----------
    class_names : tuple of str
        In the order of the network's output.

    Raises
    ------
    ValueError
        If an option is out of range or names what no structure has, or there is nothing to ask for.
    TypeError
        If something is no structure.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> scenes = Scenes([structures.graphene((10, 10))], size=64)
    >>> images, targets, weights = scenes.batch(2, seed=0)
    >>> images.shape, targets.shape
    ((2, 1, 64, 64), (2, 1, 64, 64))
    """

    structures: tuple = field(repr=False)
    size: int = 96
    scale_error: float = 0.2
    probe: tuple[float, float] = (0.03, 0.08)
    electrons: tuple[float, float] = (20.0, 3000.0)
    disturbed: float = 0.6
    wild: float = 0.0
    classes: str = "column"
    support: tuple[str, ...] = ()

    def __post_init__(self):
        several = self.structures if isinstance(self.structures, list | tuple) else [self.structures]
        object.__setattr__(self, "structures", tuple(several))
        if not self.structures:
            raise ValueError("no structure to train on: pass at least one of `simulate.structures`")
        for structure in self.structures:
            if not hasattr(structure, "sublattices"):
                what = type(structure).__name__
                raise TypeError(f"scenes are made of structures (`simulate.structures`), not of {what}")
        if self.size % 8 or self.size < 32:
            raise ValueError(f"size must be a multiple of 8 and at least 32, got {self.size}")
        for name in ("probe", "electrons"):
            given = getattr(self, name)
            if np.shape(given) != (2,) or not 0 < given[0] <= given[1]:
                raise ValueError(f"{name} must be a range (low, high) of positive numbers, got {given}")
        for name, highest in (("disturbed", 1), ("wild", 1), ("scale_error", np.inf)):
            if not 0 <= getattr(self, name) <= highest:
                raise ValueError(f"{name} must lie between 0 and {highest}, got {getattr(self, name)}")
        if isinstance(self.support, str):
            object.__setattr__(self, "support", (self.support,))
        if self.classes not in _CLASSES:
            raise ValueError(f"classes must be one of {', '.join(_CLASSES)}, got {self.classes!r}")
        known = {name for structure in self.structures for name in structure.sublattices}
        if unknown := set(self.support) - known:
            raise ValueError(
                f"support names {', '.join(sorted(unknown))}, but the sublattices are "
                f"{', '.join(sorted(known))}"
            )
        tables = []
        for structure in self.structures:
            table = self._classified(structure)
            seen = table.loc[table["visible"], ["x_nm", "y_nm"]].to_numpy()
            nearest = np.percentile(cKDTree(seen).query(seen, k=2)[0][:, 1], 5)
            low, high = self.probe[0], max(self.probe[0], min(self.probe[1], nearest / _CLOSEST))
            sigmas = np.linspace(low, high, 4)
            sizes = [_feature_size_nm(structure, sigma) for sigma in sigmas]
            tables.append((structure, table, nearest, sigmas, sizes))
        object.__setattr__(self, "_tables", tuple(tables))
        # Found once: there are millions of columns, and every scene needs the names.
        names = [n for _, table, *_ in tables for n in sorted(set(table["class_name"]) - {""})]
        object.__setattr__(self, "class_names", tuple(dict.fromkeys(names)))
        if not names:
            what = (
                "defect: plant some with `simulate.defects`" if self.classes == "defect" else "visible column"
            )
            raise ValueError(f"no structure has a {what}")

    def _classified(self, structure):
        """Table of columns with the name of each one's class, "" for none."""
        table = structure.columns.reset_index(drop=True)
        if self.classes == "column":
            names = np.where(table["visible"], "column", "")
        elif self.classes == "sublattice":
            names = np.where(table["visible"], np.array(structure.sublattices)[table["label"]], "")
        elif self.classes == "species":
            names = np.where(table["visible"], table["species"], "")
        else:
            table = pd.concat([table, _vanished(structure, table)], ignore_index=True)
            names = table["defect"]
        under = [i for i, name in enumerate(structure.sublattices) if name in self.support]
        return table.assign(class_name=names, junk=table["label"].isin(under))

    def batch(self, n: int, seed: int | Sequence[int]) -> tuple[ndarray, ndarray, ndarray]:
        """Draw n scenes.

        Parameters
        ----------
        n : int
        seed : int or sequence of int
            The same seed gives the same scenes, in any process.

        Returns
        -------
        images : ndarray of float32, shape (n, 1, size, size)
            Standardised, as the network takes them.
        targets : ndarray of float32, shape (n, C, size, size)
            Probability maps: a blob of 1.2 pixels at every column of the class.
        weights : ndarray of float32, shape (n, 1, size, size)
            0 where the answer is open (columns too light to be asked for, or under junk).
        """
        rng = np.random.default_rng(seed)
        drawn = [self.draw(rng) for _ in range(n)]
        return tuple(np.stack([scene[i] for scene in drawn]) for i in range(3))

    def draw(self, random_state: int) -> tuple[ndarray, ndarray, ndarray, DataFrame]:
        """Draw one scene: image, targets, weights (as in `batch`, without its first axis) and truth.

        The truth is a table with ``x``, ``y`` in pixels of the scene, ``label`` (class), ``scored`` and
        ``electrons``.
        """
        rng = np.random.default_rng(random_state)
        structure, table, nearest, sigmas, sizes = self._tables[rng.integers(len(self._tables))]
        sigma = rng.uniform(sigmas[0], sigmas[-1])
        pixel = np.interp(sigma, sigmas, sizes) / FEATURE_SIZE * np.exp(rng.normal(0, self.scale_error))
        # The microscope's own pixels are finer or coarser than the trained scale.
        zoom = np.exp(rng.uniform(np.log(0.6), np.log(1.8))) if rng.random() < 0.5 else 1.0
        native = max(32, round(self.size * zoom))
        field_nm = self.size * pixel
        columns = _cut(structure, table, field_nm, rng)
        disturbed = rng.random() < self.disturbed
        instrument = Instrument(
            probe=sigma * FWHM, source=0.0, background=rng.uniform(0, 1.5) * rng.integers(0, 2)
        )
        if disturbed:
            # where classes are told apart, what is not planted on purpose would be a wrong answer
            columns = _damage(columns, field_nm, nearest, rng, sites=self.classes == "column")
            instrument = _disturb(instrument, sigma, field_nm, rng)
        dose = np.exp(rng.uniform(*np.log(self.electrons)))
        if _shows_any(columns, field_nm):
            sample = image(
                columns,
                pixel_size=field_nm / native,
                shape=(native, native),
                electrons=dose,
                instrument=instrument,
                random_state=rng,
            )
            picture, truth = sample.data.to_numpy(), sample.truth
            truth["x"] = (truth["x"] + 0.5) * self.size / native - 0.5
            truth["y"] = (truth["y"] + 0.5) * self.size / native - 0.5
        else:
            picture, truth = _empty(native, rng), None
        if self.wild and rng.random() < self.wild:
            picture, covered = after_counting(remove_hot_pixels(picture), rng)
            if truth is not None:
                truth = _uncovered(truth, covered, self.size / native)
        picture = standardise(resample(remove_hot_pixels(picture), (self.size, self.size)))
        targets, weights, truth = self._targets(truth, sigma / pixel)
        return picture[None], targets, weights[None], truth

    def _targets(self, truth, width):
        names = self.class_names
        targets = np.zeros((len(names), self.size, self.size), dtype=np.float32)
        weights = np.ones((self.size, self.size), dtype=np.float32)
        if truth is None:
            return targets, weights, pd.DataFrame({c: [] for c in ("x", "y", "label", "scored", "electrons")})
        label = truth["class_name"].map({name: i for i, name in enumerate(names)}).fillna(-1).astype(int)
        # A vacancy has no electrons, and is asked for all the same.
        wanted = (label >= 0) & (truth["scored"] | (truth["electrons"] == 0))
        for index in range(len(names)):
            some = truth[wanted & (label == index)]
            targets[index] = _blobs(some["x"].to_numpy(), some["y"].to_numpy(), _TARGET_WIDTH, self.size)
        # Columns that one may or may not see (light ones, those under junk) are neither right nor wrong;
        # what is much fainter than all that is asked for is background.
        faint = truth["electrons"] < 0.2 * truth.loc[truth["scored"], "electrons"].min()
        open_ = truth[~truth["scored"] & ~truth["junk"] & ~faint]
        if len(open_):
            near = _blobs(open_["x"].to_numpy(), open_["y"].to_numpy(), width, self.size) > 0.6
            weights[near & (targets.max(axis=0) < 0.05)] = 0
        return targets, weights, truth.assign(label=label, scored=wanted).drop(columns=["class_name", "junk"])


def _vanished(structure, table):
    """Places of planted defects at which no column is left, as columns without weight."""
    planted = structure.defects
    marked = table.loc[table["defect"] != "", ["x_nm", "y_nm"]].to_numpy()
    if len(marked) and len(planted):
        far = cKDTree(marked).query(planted[["x_nm", "y_nm"]].to_numpy())[0] > 0.05
        planted = planted[far]
    empty = {"weight": 0.0, "label": -1, "visible": False, "species": ""}
    return planted[["x_nm", "y_nm"]].assign(**empty, defect=planted["kind"])


def _feature_size_nm(structure, sigma):
    """Feature size of a perfect image of the structure, in nm."""
    pixel = sigma / 2
    n = int(min(min(structure.size) / pixel, 256))
    perfect = image(
        structure, pixel_size=pixel, shape=(n, n), instrument=Instrument(probe=sigma * FWHM, source=0.0)
    )
    return feature_size(perfect.data.to_numpy().astype(float)) * pixel


def _cut(structure, table, field_nm, rng):
    """Random field of a structure, turned, mirrored and strained a little."""
    reach = field_nm / 2 + 0.4
    matrix = _rotation(rng.uniform(0, 2 * np.pi)) @ (np.eye(2) + rng.normal(0, 0.02, (2, 2)))
    if rng.random() < 0.5:
        matrix[:, 0] *= -1
    size = np.asarray(structure.size)
    room = np.maximum(size / 2 - reach * 1.3, 0)
    centre = size / 2 + rng.uniform(-1, 1, 2) * room
    moved = (table[["x_nm", "y_nm"]].to_numpy() - centre) @ matrix.T
    inside = np.abs(moved).max(axis=1) < reach
    cut = table[inside]
    return pd.DataFrame(
        {
            "x_nm": moved[inside, 0] + field_nm / 2,
            "y_nm": moved[inside, 1] + field_nm / 2,
            "weight": cut["weight"].to_numpy(),
            "label": cut["label"].to_numpy(),
            "visible": cut["visible"].to_numpy(),
            "species": cut["species"].to_numpy(),
            "class_name": cut["class_name"].to_numpy(),
            "junk": cut["junk"].to_numpy(),
        }
    )


def _shows_any(columns, field_nm):
    """Whether a visible column lies well inside the field, where drift cannot carry it out."""
    inner = (np.abs(columns[["x_nm", "y_nm"]].to_numpy() / field_nm - 0.5) < 0.4).all(axis=1)
    return bool((inner & columns["visible"]).any())


def _rotation(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def _damage(columns, field_nm, nearest, rng, *, sites):
    """Vacancies and exchanged atoms if `sites`; displaced columns, an edge, junk on the surface."""
    if sites and rng.random() < 0.4:
        columns = columns[rng.random(len(columns)) > rng.uniform(0, 0.1)]
    if sites and rng.random() < 0.3:
        changed = rng.random(len(columns)) < rng.uniform(0, 0.1)
        factor = np.where(changed, np.exp(rng.uniform(-0.7, 1.2, len(columns))), 1.0)
        columns = columns.assign(weight=columns["weight"] * factor)
    if rng.random() < 0.4:
        moved = rng.normal(0, rng.uniform(0, 0.06) * nearest, (len(columns), 2))
        columns = columns.assign(x_nm=columns["x_nm"] + moved[:, 0], y_nm=columns["y_nm"] + moved[:, 1])
    if rng.random() < 0.15:
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.5) * field_nm
        side = (columns["x_nm"] - field_nm / 2) * np.cos(angle) + (columns["y_nm"] - field_nm / 2) * np.sin(
            angle
        )
        columns = columns[side > offset]
    if rng.random() < 0.35 and len(columns):
        columns = _add_junk(columns, field_nm, nearest, rng)
    return columns


def _add_junk(columns, field_nm, nearest, rng):
    """A patch of amorphous material: its atoms are not asked for, and hide the columns under it."""
    centre, radius = rng.uniform(0, field_nm, 2), rng.uniform(0.15, 0.4) * field_nm
    n = max(1, round(np.pi * (radius / (nearest * rng.uniform(0.4, 1.0))) ** 2))
    spot = centre + radius * np.sqrt(rng.random(n))[:, None] * _directions(n, rng)
    typical = columns["weight"].median() * rng.uniform(0.1, 1.0)
    junk = pd.DataFrame(
        {
            "x_nm": spot[:, 0],
            "y_nm": spot[:, 1],
            "weight": typical * np.exp(rng.normal(0, 0.4, n)),
            "label": -1,
            "visible": False,
            "species": "",
            "class_name": "",
            "junk": True,
        }
    )
    under = np.hypot(columns["x_nm"] - centre[0], columns["y_nm"] - centre[1]) < radius
    gone = rng.random() < 0.5
    columns = columns[~under] if gone else columns.assign(visible=columns["visible"] & ~under)
    return pd.concat([columns, junk], ignore_index=True)


def _directions(n, rng):
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _disturb(instrument, sigma, field_nm, rng):
    """Random faults of microscope, surface and scan, each in a part of the scenes."""

    def sometimes(fraction, value):
        return value if rng.random() < fraction else 0.0

    return Instrument(
        probe=instrument.probe,
        source=0.0,
        background=instrument.background,
        tails=sometimes(0.4, rng.uniform(0, 0.35)),
        mistilt=sometimes(0.2, rng.uniform(0, 250 * sigma)),
        mistilt_angle=rng.uniform(0, 180),
        contamination=sometimes(0.4, rng.uniform(0, 0.6)),
        contamination_length=float(np.exp(rng.uniform(np.log(1.5 * sigma), np.log(30 * sigma)))),
        drift=tuple(rng.normal(0, 0.02 * field_nm, 2)),
        wander=sometimes(0.3, rng.uniform(0, sigma)),
        jitter=sometimes(0.3, rng.uniform(0, 0.5 * sigma)),
        scars=int(sometimes(0.15, rng.integers(1, 5))),
        hot_pixels=sometimes(0.1, 5e-4),
    )


def _uncovered(truth, covered, scale):
    """Rows of the truth that something else does not lie upon; `scale` from pixels of the image to theirs."""
    xy = (truth[["x", "y"]].to_numpy() + 0.5) / scale - 0.5
    x, y = np.rint(xy).astype(int).clip(0, np.array(covered.shape[::-1]) - 1).T
    return truth[~covered[y, x]]


def _empty(n, rng):
    """A field without columns: noise, with or without slow clouds and texture."""
    cloud = gaussian_filter(rng.standard_normal((n, n)), rng.uniform(1, 15), mode="wrap")
    level = rng.uniform(0, 0.5) * (cloud - cloud.min()) / cloud.std() + 1
    return rng.poisson(level * np.exp(rng.uniform(-2, 5))).astype(np.float32)


def _blobs(x, y, width, size):
    """Highest of the Gaussians of unit height around the given positions, for every pixel."""
    if not x.size:
        return np.zeros((size, size), dtype=np.float32)
    grid = np.indices((size, size))[::-1].reshape(2, -1).T
    distance = cKDTree(np.column_stack([x, y])).query(grid, distance_upper_bound=4 * width)[0]
    return np.exp(-((distance / width) ** 2) / 2).astype(np.float32).reshape(size, size)
