"""Find defects in an image without labels, at a false-alarm rate that is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import maximum, minimum, minimum_filter
from sklearn.ensemble import IsolationForest

from atomlens._artifacts import signed
from atomlens._doubts import quietly, repeated, warn
from atomlens._image import prepare
from atomlens._threads import one_thread
from atomlens._types import ArrayLike, DataArray, DataFrame, Lattice, Path
from atomlens.defects._cells import FEWEST
from atomlens.defects._hits import hits_of
from atomlens.defects._scorers import (
    CycleScorer,
    FourierScorer,
    SemanticScorer,
    SlidingScorer,
    UnitCellScorer,
)
from atomlens.defects._view import View
from atomlens.defects.calibration import Calibration
from atomlens.defects.detectors import NearestNeighbourDetector, OneClassDetector
from atomlens.io import write
from atomlens.lattice import NotPeriodicError, estimate
from atomlens.lattice.model import as_lattice

__all__ = ["DETECTORS", "DefectMap", "detect"]

_SURROGATES = 8  # at most
_REFERENCE = 1500  # windows that others are compared with
_RIM = 2.0  # widths of a column about what is left out, where the average cell is no guide
_MOSTLY = 0.6  # of the image: if more was left out, it is to be doubted
_CROWDED = 0.1  # hits a cell that are no longer defects of a crystal
_UNUSUAL, _DOMAIN = 1e-3, 0.3  # p-value, and the fraction of the image with lower ones that is too large


@dataclass(frozen=True, eq=False)
class DefectMap:
    """What `detect` found.

    Attributes
    ----------
    score : DataArray, dims (y, x)
        High where something is unusual; what the number means depends on the detector.
    defects : DataFrame
        One row a hit: ``x``, ``y`` (pixels; ``x_nm``, ``y_nm`` when calibrated), ``score``, ``p_value`` (that
        a cell of the perfect crystal scores so high), ``area`` (square pixels above the threshold that belong
        to it), ``extent`` (pixels, the longest distance within that area), ``group`` (hits whose areas
        touch).
    threshold : float
        Score that a hit exceeds.
    false_alarm_rate : float
        Probability, per unit cell, that a perfect crystal exceeds the threshold.
    pipeline : object
        The fitted method.
    calibration : Calibration
    lattice : Lattice
    scheme, detector : str
    n_cells : int
        Unit cells in the image.
    doubts : list of str
        What speaks against the result, with the remedy; raised as warnings, too.
    """

    score: xr.DataArray
    defects: pd.DataFrame
    threshold: float
    false_alarm_rate: float
    pipeline: Any
    calibration: Calibration
    lattice: Any
    scheme: str
    detector: str
    n_cells: int
    doubts: list = field(default_factory=list)
    _view: View = field(repr=False, default=None)
    _parts: int = field(repr=False, default=1)
    _unit: tuple = field(repr=False, default=(0.0, 1.0))

    def __repr__(self):
        beside = f", {self.left_out:.0%} of the image left out" if self.left_out >= 0.005 else ""
        return (
            f"<DefectMap: {len(self.defects)} hits among {self.n_cells} unit cells, "
            f"{self.false_alarm_rate * self.n_cells:.2g} false ones expected{beside} "
            f'(scheme "{self.scheme}", detector "{self.detector}")>' + repeated(self.doubts)
        )

    @property
    def left_out(self) -> float:
        """Share of the image that was not searched: vacuum, an amorphous rim, padding, what was masked."""
        return float(1 - self._view.frame.usable.mean())

    @property
    def expected(self) -> DataArray:
        """Image of the perfect crystal that the image was compared with, as a DataArray."""
        offset, unit = self._unit
        values = offset + unit * self._view.expected.astype(float)
        return self.score.copy(data=values).rename("expected").assign_attrs(long_name="expected")

    @property
    def residual(self) -> DataArray:
        """Image less `expected`, in standard deviations of the noise, as a DataArray."""
        values = (self._view.pixels - self._view.expected) / self._view.noise
        attrs = {"long_name": "residual", "units": "standard deviations"}
        return self.score.copy(data=values).rename("residual").assign_attrs(attrs)

    @property
    def groups(self) -> DataFrame:
        """One row a group of touching hits: mean position, ``n_hits``, ``area``, ``score``, ``p_value``."""
        table = self.defects.groupby("group", as_index=False)
        kinds = {c: (c, "mean") for c in ("x", "y", "x_nm", "y_nm") if c in self.defects}
        return table.agg(
            **kinds,
            n_hits=("x", "size"),
            area=("area", "sum"),
            score=("score", "max"),
            p_value=("p_value", "min"),
        )

    @property
    def density(self) -> tuple[float, float, str]:
        """Defects per area, its standard error (of a Poisson count, one more than found), and the unit."""
        area = self.n_cells * abs(np.linalg.det(self.lattice.basis))
        size = self.lattice.pixel_size_nm
        area, unit = (area, "px²") if size is None else (area * size**2, "nm²")
        n = len(self.defects)
        return n / area, np.sqrt(n + 1) / area, unit

    @property
    def cells(self) -> Any:
        """One row a whole unit cell: ``i``, ``j``, centre ``x``, ``y``, highest ``score``, ``p_value``."""
        number, ij, whole = self._view.frame.cells
        kept = np.flatnonzero(whole)
        highest = maximum(self.score.values, number, kept)
        y, x, _ = self._view.frame.pixels_of(ij[kept] + 0.5)
        table = pd.DataFrame({"i": ij[kept, 0], "j": ij[kept, 1], "x": x, "y": y, "score": highest})
        return table.assign(p_value=self._p_value(highest))

    def at(self, false_alarm_rate: float) -> DefectMap:
        """Return the same map with the hits at another false-alarm rate; nothing is computed again but these.

        Parameters
        ----------
        false_alarm_rate : float
            Per unit cell, between 0 and 1.

        Returns
        -------
        DefectMap

        Raises
        ------
        ValueError
            If it is out of range.
        """
        rate = _checked_rate(false_alarm_rate)
        threshold = self.calibration.threshold(-np.expm1(np.log1p(-rate) / self._parts))
        hits = hits_of(self.score, threshold, self.pipeline.footprint(self._view), self._p_value)
        return replace(self, defects=hits, threshold=threshold, false_alarm_rate=rate)

    def _p_value(self, score):
        return -np.expm1(self._parts * np.log1p(-np.minimum(self.calibration.p_value(score), 1 - 1e-12)))

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the table of hits (``.csv``) or the score map (``.tif``, and what else `io.write` knows).

        Parameters
        ----------
        path : str or Path
        overwrite : bool
            Replace a file that exists.

        Returns
        -------
        Path

        Raises
        ------
        ValueError
            If the format is unknown.
        FileExistsError
            If the file exists and `overwrite` is not set.
        """
        return write(
            self.defects if str(path).lower().endswith(".csv") else self.score, path, overwrite=overwrite
        )


def _checked_rate(rate):
    if not (np.isscalar(rate) and np.isreal(rate) and 0 < rate < 1):
        raise ValueError(
            f"false_alarm_rate is a probability per unit cell, above 0 and below 1, got {rate!r}"
        )
    return float(rate)


def _machines(scorer):
    """Outlier detectors that judge descriptors, whichever way these are taken from the image."""
    return {
        "svm": lambda seed: scorer(OneClassDetector(random_state=seed), seed),
        "knn": lambda seed: scorer(NearestNeighbourDetector(n_reference=_REFERENCE, random_state=seed), seed),
        "isolation_forest": lambda seed: scorer(IsolationForest(random_state=seed), seed),
    }


_METHODS = {
    "window": {
        "unit_cell": lambda seed: UnitCellScorer(),
        **_machines(SlidingScorer),
        "residual": lambda seed: FourierScorer(),
    },
    "columns": {**_machines(SemanticScorer), "cycles": lambda seed: CycleScorer()},
}
# What `detect` takes by name.
DETECTORS = {scheme: tuple(methods) for scheme, methods in _METHODS.items()}


def detect(
    image: ArrayLike,
    *,
    scheme: str = "auto",
    detector: str = "auto",
    false_alarm_rate: float = 1e-4,
    lattice: Lattice | None = None,
    reference: Any = None,
    mask: ArrayLike | None = None,
    random_state: int | None = 0,
) -> DefectMap:
    """Find what breaks the periodicity of a lattice image, without labels.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
        One crystal that fills most of it.
    scheme : {"auto", "window", "columns"}
        "window" looks at the pixels; "columns" at the semantic image, which knows where columns are but not
        how bright. "auto" is "window", or the one that the detector belongs to.
    detector : str or estimator
        "unit_cell" (default of "window"): difference from the average unit cell, drift followed; "svm"
        (default of "columns"): Patterson functions of the windows and a one-class support vector machine;
        "knn" and "isolation_forest": the same Patterson functions with these; "residual": FFT subtraction
        (windows); "cycles": rings of bonds (columns). Or any outlier detector of scikit-learn with
        ``score_samples``: it gets the Patterson functions.
    false_alarm_rate : float
        Probability per unit cell that a perfect crystal with this noise gives a hit.
    lattice : Lattice, optional
        Estimated from the image without it.
    reference : array_like of bool, shape (H, W), optional
        Region known to be without defects, to calibrate with. Without it, the noise of the image is put on
        the perfect crystal anew (surrogates), and the bulk of the image sets the scale.
    mask : array_like of bool, shape (H, W), optional
        True for pixels to leave out. Without it, padding and a burnt-in scale bar are.
    random_state : int or None

    Returns
    -------
    DefectMap

    Raises
    ------
    NotPeriodicError
        If there is no lattice in the image, or fewer than 9 unit cells.
    ValueError
        If the image is unusable (not two axes, NaN, constant, below 32 pixels), the false-alarm rate is not
        between 0 and 1, scheme or detector are unknown or do not go together, too few windows fit into the
        image, or the reference region has another shape or is too small.

    Notes
    -----
    Period, windows, taper, nu and gamma come from the image. The default detector was chosen on simulated
    images (`benchmarks/defects_truth.py` compares all): it uses the phase that the Patterson function gives
    away, and where nothing but noise is in the way of a small defect, that decides. The Patterson function
    tells windows apart where the average cell means little: grains, phases, incommensurate regions.

    Limits. An image whose noise is below a tenth of its contrast is searched as if it had so much: smaller
    differences would be errors of the average cell. Fewer than some sixty cells make a poor average, which
    shows where electrons are many. A scan that settles within a lattice vector or two, as at the start of
    lines and frames, is not followed, and reported. A shear between two twins whose boundary runs along the
    scan lines looks like drift in part. "cycles" knows few different scores, so that no rate below one in the
    number of calibration cells can be kept, and its hits are not to be taken for more than candidates.

    Bending and drift are followed by smoothing splines through the phases of two reflections, up to 5 % of
    strain; gain and offset may vary slowly, and rows may be brighter. What false alarms and recall withstand
    is measured by `benchmarks/wild_truth.py`, see `data/results/wild_truth.csv`.

    References
    ----------
    Guo et al., npj Comput. Mater. 7, 180 (2021), for Patterson functions and the one-class machine.
    Rao, Math. Proc. Camb. Philos. Soc. 44, 50 (1948), for the score test that the average cell is used with.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sheet = simulate.structures.perovskite((6, 6))
    >>> sheet = simulate.defects.vacancies(sheet, kind="column", at=[(3.1, 2.9)])
    >>> found = detect(simulate.image(sheet, electrons=300, random_state=0).data)
    >>> found.defects[["x", "y"]].round().to_numpy().tolist()
    [[160.0, 140.0]]
    """
    rate = _checked_rate(false_alarm_rate)
    if random_state is not None and not isinstance(random_state, int | np.integer):
        raise ValueError(f"random_state is a whole number or None, got {random_state!r}")
    scheme, detector, scorer = _chosen(scheme, detector, random_state)
    prepared = prepare(image, smallest=32, clean=True, mask=mask)
    with one_thread(), quietly():  # in whatever order sums are taken shows in the threshold
        found = _searched(prepared, image, scheme, detector, scorer, rate, lattice, reference, random_state)
    warn(found.doubts)
    return found


def _searched(prepared, image, scheme, detector, scorer, rate, lattice, reference, random_state):
    """The `DefectMap` of a prepared image."""
    pixels = prepared.pixels
    lattice = (estimate(image, mask=~prepared.usable) if lattice is None else as_lattice(lattice)).required()
    # Nothing may depend on what the pixels are counted in: heights in metres, or a large offset.
    unit = float(np.median(pixels)), float(pixels.std())
    view = View.of(replace(prepared, pixels=(pixels - unit[0]) / unit[1]), lattice)
    beside = _left_out(view, prepared.usable)
    if signed(pixels, view.sigma):
        beside.append(
            "the image is as far below zero as above: this looks like differential phase contrast or a "
            "derivative, in which a missing column hardly shows; integrate the image first"
        )
    said = list(dict.fromkeys([*prepared.doubts, *lattice.doubts, *beside, *view.populations.doubts]))
    number, whole, parts = view.frame.parts(view.sigma)
    n_cells = int(view.frame.cells[2].sum())
    if n_cells < FEWEST:
        raise NotPeriodicError(
            f"only {n_cells} unit cells lie in the image, {FEWEST} are needed to know what is normal: "
            "take a larger field of view"
        )
    scorer.fit(view)
    score = _on_crystal(scorer.score(view), view)
    kept = np.flatnonzero(whole)
    observed = maximum(score, number, kept)
    if reference is not None:
        null = Calibration.fit(_in_reference(observed, reference, pixels.shape, number, kept))
    else:
        usual = observed[~maximum(view.populations.odd, number, kept).astype(bool)]
        observed_null = usual if len(usual) >= FEWEST else observed
        null = Calibration.fit(_surrogate_scores(view, scorer, number, kept, random_state), observed_null)
    coords = image.coords if isinstance(image, xr.DataArray) else None
    score = xr.DataArray(score, coords, ("y", "x"), name="score", attrs={"long_name": f"score ({detector})"})
    found = DefectMap(
        score,
        pd.DataFrame(),
        np.inf,
        rate,
        scorer,
        null,
        view.frame.lattice,
        scheme,
        detector,
        n_cells,
        said,
        view.light(),
        parts,
        unit,
    )
    found = found.at(rate)
    unusual = float(np.mean(null.p_value(observed) < _UNUSUAL))
    if unusual > _DOMAIN and not view.populations.shares:
        said.append(
            f"{unusual:.0%} of the image differ from the rest of it: this looks like another grain, phase or "
            "twin, not like defects of one crystal. See atomlens.defects.segment_domains"
        )
    elif len(found.defects) > max(_CROWDED, 3 * rate) * n_cells and not view.populations.shares:
        said.append(
            f"{len(found.defects)} hits in {n_cells} cells are too many for defects of one crystal: look at "
            "the residual; another grain, a lattice that does not fit, or abrupt changes of light make such "
            "hits"
        )
    return found


def _on_crystal(score, view):
    """Scores, the lowest where there is no crystal or where its border reaches."""
    usable = view.frame.usable
    if usable.all():
        return score
    inner = minimum_filter(usable, 2 * int(np.ceil(_RIM * view.sigma)) + 1, mode="nearest")
    return np.where(inner, score, score[usable].min())


def _left_out(view, given):
    """What is to be said of places without crystal that were not known to be none."""
    share = 1 - view.frame.usable.sum() / given.sum()
    if share <= _MOSTLY:
        return []
    return [
        f"only {1 - share:.0%} of the image show this crystal, the rest was left out (vacuum, an amorphous "
        "rim, another phase): choose the region yourself with `mask=` if that is not what you see"
    ]


def _chosen(scheme, detector, seed):
    """Scheme, name of the detector, and the scorer that goes with them."""
    if scheme not in ("auto", *_METHODS):
        raise ValueError(f'scheme must be "auto", "window" or "columns", got {scheme!r}')
    if not isinstance(detector, str):
        if not hasattr(detector, "score_samples"):
            raise ValueError(
                f"a detector needs fit and score_samples, {type(detector).__name__} has not: take an outlier "
                "detector of scikit-learn, or a name"
            )
        kind = SemanticScorer if scheme == "columns" else SlidingScorer
        return "columns" if scheme == "columns" else "window", type(detector).__name__, kind(detector, seed)
    if scheme == "auto":
        scheme = "columns" if detector == "cycles" else "window"
    if detector == "auto":
        detector = {"window": "unit_cell", "columns": "svm"}[scheme]
    if detector not in _METHODS[scheme]:
        raise ValueError(
            f"detector {detector!r} does not belong to scheme {scheme!r}: choose one of "
            f"{', '.join(map(repr, _METHODS[scheme]))}, or another scheme"
        )
    return scheme, detector, _METHODS[scheme][detector](seed)


def _surrogate_scores(view, scorer, number, kept, seed):
    """Highest scores in the parts of crystals without defects."""

    def score(n):
        drawn = view.surrogate(None if seed is None else [seed, n])
        return maximum(_on_crystal(scorer.score(drawn), view), number, kept)

    needed = min(_SURROGATES, -(-scorer.calibration_cells // max(len(kept), 1)))
    if min(needed, scorer.threads) == 1:  # a large image: a thread would keep memory of its own
        return np.concatenate([score(n) for n in range(needed)])
    with ThreadPoolExecutor(scorer.threads) as pool:
        return np.concatenate(list(pool.map(score, range(needed))))


def _in_reference(observed, reference, shape, number, kept):
    """Scores of the parts that lie within the reference region."""
    reference = np.asarray(reference)
    if reference.shape != shape or reference.dtype != bool:
        raise ValueError(f"reference must be an array of True and False of the shape {shape} of the image")
    return observed[minimum(reference, number, kept).astype(bool)]
