"""A network that learns from one labelled frame where particles are and how they are turned."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import affine_transform, gaussian_filter, maximum_filter
from scipy.optimize import nnls
from scipy.spatial import cKDTree

from atomlens import _weights
from atomlens._doubts import quietly, warn
from atomlens._extras import require
from atomlens._image import calibration_of, with_nm
from atomlens._threads import one_torch_thread
from atomlens._torch import keep_random_state
from atomlens._types import Any, ArrayLike, DataArray, DataFrame
from atomlens.particles import _crops
from atomlens.particles._frames import background_of, flat_frame, folded, labels_of, normalised, pixels_of
from atomlens.particles._labels import doubts_of_labels
from atomlens.particles._refine import Fit, template_of
from atomlens.particles.levelling import level
from atomlens.particles.movies import listed, poor_frames
from atomlens.particles.score import angle_between

__all__ = ["ParticleNetwork", "load_model", "train"]

_SIZE, _COUNT, _RATE, _FILTERS = 64, 12, 3e-3, 12  # pixels of a crop, crops a step, learning rate, filters
_NOISE = 0.03  # of the range of heights: noise that is added even to a frame that has none
_SCORE = 0.35  # of a blob, above which it is a particle
_HEIGHTS = (0.3, 5.0)  # times the height of a particle, that a frame with particles reaches
_MISFIT = 0.2  # correlation of residuals from line to line: up to .14 for the labelled kind, from .23 else
_REACH = 3  # pixels around a particle, over which its angle is averaged
_TRIALS, _TRIAL_SIZE = 24, 128  # crops on which the error of angles is calibrated
_ENOUGH = 24  # particles, from which a scatter is told
_BINS = 6  # of trials, by what they claim
_HAND = 1.0  # degrees: how well an angle is labelled, where labels are too few to say
_NOBODY = pd.DataFrame({name: np.zeros(0) for name in ("x", "y", "theta", "theta_err", "score")}).assign(
    frame=np.zeros(0, int)
)
_RADIUS = 14  # pixels of the largest particle that a crop holds together with its neighbours


@dataclass(eq=False)
class ParticleNetwork:
    """Finds particles and their angles; made by `train` or `load_model`.

    Attributes
    ----------
    symmetry : int
        How often a particle repeats in a full turn.
    apart : float
        Pixels: two particles are not nearer than half of this.
    scale : float
        By how much frames are made smaller before the network sees them; 1 for small particles.
    spread : (float, float)
        Of the error of an angle, degrees squared: the first, plus the second times minus two times the
        logarithm of the resultant length.
    floor : float
        Degrees: how well it is known where angles begin, which is where the labels put it on average.
    filters : int
    history : DataFrame
        Losses of places and of angles by step.
    network : torch.nn.Module
    doubts : list of str
        What speaks against the labels it was trained with.
    """

    symmetry: int
    apart: float
    scale: float
    spread: tuple[float, float]
    floor: float
    filters: int
    network: Any
    history: DataFrame = field(default_factory=pd.DataFrame)
    doubts: list[str] = field(default_factory=list)

    def find(
        self, frame: DataArray | ArrayLike, *, threshold: float = _SCORE, refine: bool = True
    ) -> DataFrame:
        """Find the particles of a frame.

        Parameters
        ----------
        frame : DataArray or array_like of shape (H, W)
            Heights, best made level (`particles.level`).
        threshold : float
            Of the score, between 0 and 1.
        refine : bool
            Whether the mean labelled particle is fitted where the network sees one; what is surer is taken.

        Returns
        -------
        DataFrame
            ``x``, ``y`` (pixels), ``theta`` (degrees from x towards y, from 0 to 360 over the symmetry),
            ``theta_err`` (its standard error, degrees) and ``score``; best first. ``attrs["doubts"]``.

        Raises
        ------
        ValueError
            If it is no frame, or the threshold is none.
        """
        if not 0 < threshold < 1:
            raise ValueError(f"threshold is a number between 0 and 1, got {threshold!r}")
        pixels = pixels_of(frame)
        place, cosine, sine = self._maps(_smaller(pixels, self.scale))
        smooth = gaussian_filter(place, 1)
        near = 2 * max(int(self.apart * self.scale / 4), 1) + 1
        i, j = np.nonzero((smooth == maximum_filter(smooth, near)) & (smooth > threshold))
        # A square around each; beyond the rim there is nothing to be weighed.
        place, cosine, sine = np.pad([place, cosine, sine], ((0, 0), (_REACH, _REACH), (_REACH, _REACH)))
        dy, dx = np.mgrid[: 2 * _REACH + 1, : 2 * _REACH + 1]
        around = i[:, None, None] + dy, j[:, None, None] + dx
        weight = place[around] / place[around].sum(axis=(1, 2), keepdims=True)
        c, s = (np.tanh(a[around]) for a in (cosine, sine))
        c, s, x, y = ((weight * a).sum(axis=(1, 2)) for a in (c, s, dx - _REACH, dy - _REACH))
        table = pd.DataFrame({"x": (j + x) / self.scale, "y": (i + y) / self.scale, "score": smooth[i, j]})
        table = table.assign(angle=np.arctan2(s, c), length=np.minimum(np.hypot(c, s), 1 - 1e-6))
        theta = folded(np.degrees(table["angle"]) / self.symmetry, self.symmetry)
        error = np.sqrt(self.spread[0] + self.spread[1] * -2 * np.log(np.maximum(table["length"], 1e-6)))
        table = table.assign(theta=theta, theta_err=np.minimum(error, 90 / self.symmetry))
        doubts = self._doubts_of_heights(pixels)
        if refine:
            table, misfit = self._refined(table, pixels)
            if misfit > _MISFIT:
                doubts.append(
                    f"what fits leave over goes together from line to line (correlation {misfit:.2f}): "
                    "particles are not shaped like the labelled ones, or the frame was smoothed or "
                    "resampled; label a frame like this one"
                )
        table = table.sort_values("score", ascending=False, kind="stable", ignore_index=True)
        table = table[["x", "y", "theta", "theta_err", "score"]]
        table.attrs["doubts"] = doubts
        warn(doubts)
        return table

    def find_all(
        self, movie: DataArray | ArrayLike, *, threshold: float = _SCORE, progress: bool = False
    ) -> DataFrame:
        """Find the particles of all frames of a movie, each made level first.

        Parameters
        ----------
        movie : DataArray or array_like of shape (T, H, W)
        threshold : float
        progress : bool

        Returns
        -------
        DataFrame
            As of `find`, with ``frame``, and ``x_nm``, ``y_nm`` if the movie is calibrated. Frames without
            anything to be seen have no rows. ``attrs["doubts"]`` says which frames are worse than the others
            (`frame_quality`).

        Raises
        ------
        ValueError
            If it is no movie, or the threshold is none.
        """
        from tqdm.auto import tqdm

        if np.ndim(movie) != 3:
            raise ValueError(f"a movie has the axes (time, y, x), got shape {np.shape(movie)}")
        frames = tqdm(range(len(movie)), desc="particles", disable=not progress)
        with quietly():
            parts = {
                t: self.find(level(movie[t]), threshold=threshold) for t in frames if not flat_frame(movie[t])
            }
        table = pd.concat([part.assign(frame=t) for t, part in parts.items() if len(part)] or [_NOBODY])
        table = table.reset_index(drop=True)
        if isinstance(movie, xr.DataArray):
            table = with_nm(table, calibration_of(movie[0]))
        strange = [t for t, part in parts.items() if part.attrs["doubts"]]
        doubts = poor_frames(movie)
        if strange:
            doubts.append(
                f"frames {listed(strange)} are unlike the labelled one, in heights or shapes of particles"
            )
        table.attrs["doubts"] = doubts
        warn(doubts)
        return table

    @cached_property
    def _swift(self):
        from atomlens.particles import _net

        return _net.swift(self.network)

    @property
    def _height(self):
        """Of a particle, in the unit of the labelled frame."""
        return float(np.nanmax(self.network.template.numpy()))

    def _doubts_of_heights(self, pixels):
        """A sentence where nothing is as high as a particle, or all is far higher."""
        smooth = gaussian_filter(pixels, 2)  # noise is no height
        ratio = (smooth.max() - background_of(smooth)) / self._height
        if _HEIGHTS[0] < ratio < _HEIGHTS[1]:
            return []
        return [
            f"the frame is {ratio:.2g} times as high as the labelled particles: another unit or gain, or no "
            "particles at all; bring heights to those of the labelled frame"
        ]

    def _refined(self, table, pixels):
        """What a fit of the mean labelled particle says, where it is surer than the network; how ill it fits.

        The latter is a correlation of residuals.
        """
        rows = table[["x", "y", "theta", "theta_err"]].to_numpy()
        fit = Fit(self.network.template.numpy(), self.symmetry, self.scale)
        fits, misfit = fit(pixels, rows[:, :3])
        error = np.hypot(self.floor, fits[:, 3])
        rows[:, 3] *= self._beyond_claims(rows, fits, error)
        surer = error < rows[:, 3]  # False where a fit failed
        rows[surer] = np.column_stack([fits[:, :2], folded(fits[:, 2], self.symmetry), error])[surer]
        table[["x", "y", "theta", "theta_err"]] = rows
        return table, misfit

    def _beyond_claims(self, rows, fits, error):
        """How many times larger than it says errors of the network are, in a frame unlike the labelled one.

        Its claims come from crops of that frame; those of fits from the residuals of this one. Fits by least
        squares are efficient: by how much the network differs from them adds to their error.
        """
        both = np.isfinite(error)
        if both.sum() < _ENOUGH:
            return 1.0
        gap = angle_between(rows[both, 2], fits[both, 2], self.symmetry)
        its_own = (1.4826 * np.median(np.abs(gap))) ** 2 + np.median(error[both] ** 2)
        return np.sqrt(max(its_own / np.median(rows[both, 3] ** 2), 1.0))

    def _maps(self, pixels):
        """Probability of a particle, and inverse tanh of cosine and sine of its angle, each (H, W)."""
        import torch

        height, width = pixels.shape
        padded = np.pad(
            normalised(pixels, self._height),
            ((0, -height % 4), (0, -width % 4)),
            mode="edge",
        )
        with torch.inference_mode():
            place, angle = self._swift(torch.from_numpy(padded[None, None]))
            maps = torch.cat([torch.sigmoid(place), angle], 1)[0, :, :height, :width]
        return maps.contiguous().numpy()

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write weights (.pt) and a description (.json) beside them; `load_model` reads both.

        Parameters
        ----------
        path : path-like
            Ends in ``.pt``.
        overwrite : bool

        Returns
        -------
        Path

        Raises
        ------
        FileExistsError
            If one of the files is there and `overwrite` is False.
        ValueError
            If the name does not end in ``.pt``.
        """
        described = {
            "symmetry": self.symmetry,
            "apart": self.apart,
            "scale": self.scale,
            "spread": list(self.spread),
            "floor": self.floor,
            "filters": self.filters,
            "template": len(self.network.template),
        }
        _weights.save(path, _weights.PARTICLE_NETWORK, described, self.network, overwrite=overwrite)
        return Path(path)


def train(
    frame: DataArray | ArrayLike,
    labels: DataFrame,
    *,
    symmetry: int,
    steps: int = 240,
    progress: bool = False,
    random_state: int = 0,
) -> ParticleNetwork:
    """Train a network on one labelled frame.

    Parameters
    ----------
    frame : DataArray or array_like of shape (H, W)
        Heights, best made level.
    labels : DataFrame
        All particles of the frame: ``x``, ``y`` (pixels) and ``theta`` (degrees from x towards y).
    symmetry : int
        How often a particle repeats in a full turn: 2 for a rod, 1 for none.
    steps : int
        240 take up to a minute on one core. More help a little where particles touch.
    progress : bool
    random_state : int

    Returns
    -------
    ParticleNetwork

    Raises
    ------
    ValueError
        If the frame is none, labels do not fit it, or a parameter is out of its range.

    Notes
    -----
    Crops of the frame are turned by any angle, the labels with them, stretched by up to a tenth, and made
    worse by noise, steps of lines and scars. The network returns cos n theta and sin n theta, which have no
    jump where the angle begins anew. Unlabelled particles teach it to overlook such: label all, or cut the
    frame. After S. V. Kalinin and others, npj Comput. Mater. 7, 181 (2021); network and augmentation are
    ours.

    Examples
    --------
    >>> from atomlens import simulate
    >>> frame = simulate.particles.scattered("rod", coverage=0.1, shape=(96, 96))
    >>> model = train(frame.data, frame.truth, symmetry=2, steps=2)
    >>> model.symmetry, list(model.find(frame.data).columns)
    (2, ['x', 'y', 'theta', 'theta_err', 'score'])
    """
    pixels = pixels_of(frame)
    xy, theta = labels_of(labels, pixels.shape, symmetry)
    if not (isinstance(steps, int | np.integer) and steps >= 1):
        raise ValueError(f"steps must be a whole number of at least 1, got {steps!r}")
    torch = require("torch", reason="training a network")
    from tqdm.auto import tqdm

    from atomlens.particles import _net

    rng = np.random.default_rng(random_state)
    noise = 1.4826 * np.median(np.abs(np.diff(pixels, axis=1))) / np.sqrt(2) + _NOISE * np.ptp(pixels)
    template = template_of(pixels, xy, theta, symmetry)
    *agreed, floor = _agreed(pixels, xy, theta, symmetry, template)
    doubts = doubts_of_labels(pixels, xy, theta, symmetry, template, agreed)
    xy, theta = agreed
    template = template_of(pixels, xy, theta, symmetry)
    scale = min(1.0, _RADIUS / (len(template) // 2))
    small = _smaller(pixels, scale)
    shrunk = template if scale == 1 else template_of(small, scale * xy, theta, symmetry)
    pictures = partial(_crops.batch, small, scale * xy, theta, symmetry, shrunk, noise, rng)
    with one_torch_thread(), keep_random_state():
        torch.manual_seed(random_state)
        network, losses = _net.fitted(
            partial(pictures, count=_COUNT, size=_SIZE), template, filters=_FILTERS, steps=steps, rate=_RATE,
            progress=partial(tqdm, desc="particles", disable=not progress),
        )  # fmt: skip
    away = cKDTree(xy).query(xy, 2)[0][:, 1] if len(xy) > 1 else np.array([np.inf])
    apart = float(np.clip(np.percentile(away, 5), 4, 64))
    model = ParticleNetwork(int(symmetry), apart, scale, (0.0, 1.0), floor, _FILTERS, network)
    model.doubts = doubts
    model.history = pd.DataFrame(losses, columns=["place", "angle"]).rename_axis("step")
    whole = partial(_crops.batch, pixels, xy, theta, symmetry, template, noise, rng)
    model.spread = _calibrated(model, whole)
    warn(doubts)
    return model


def _smaller(pixels, scale):
    """The same frame with fewer pixels: what lies at x then lies at scale times x."""
    if scale == 1:
        return pixels
    shape = tuple(int(np.ceil((n - 1) * scale)) for n in pixels.shape)
    return affine_transform(
        gaussian_filter(pixels, 0.5 / scale - 0.5), [1 / scale] * 2, output_shape=shape, order=1
    )


def _agreed(pixels, xy, theta, symmetry, template):
    """Labels on which all particles agree: each is fitted by the mean of all, which no hand can see.

    Also how well it is known, in degrees, where angles begin: where labels put it on average.
    """
    fits, _ = Fit(template, symmetry)(pixels, np.column_stack([xy, theta]))
    fitted = np.isfinite(fits[:, 3])
    gap = angle_between(fits[fitted, 2], theta[fitted], symmetry)
    scatter = 1.4826 * np.median(np.abs(gap)) if len(gap) >= _ENOUGH else _HAND
    xy, theta = xy.copy(), theta.copy()
    xy[fitted], theta[fitted] = fits[fitted, :2], fits[fitted, 2]
    return xy, theta, float(scatter / np.sqrt(len(xy)))


def _calibrated(model, pictures):
    """How large errors of the network's angles are, by what it says of them, in crops made for this.

    Variance of errors as a line in the variance that was claimed: offset and slope.
    """
    size = round(_TRIAL_SIZE / model.scale)
    crops, answers = pictures(count=_TRIALS, size=size, level=True)
    found = []
    for crop, answer in zip(crops[:, 0] * model._height, answers, strict=True):
        with quietly():
            table = model.find(crop, refine=False)
        at = np.clip(np.rint(table[["y", "x"]].to_numpy()).astype(int), 0, size - 1)
        place, cosine, sine = answer[:, *at.T]
        planted = np.degrees(np.arctan2(sine, cosine)) / model.symmetry
        gap = angle_between(table["theta"], planted, model.symmetry)
        found.append(np.column_stack([gap, table["theta_err"]])[place > _SCORE])  # spread is (0, 1) still
    found = np.vstack(found)
    if len(found) < _ENOUGH:
        return 0.0, 1.0
    error, claim = found[np.argsort(found[:, 1])].T
    parts = np.array_split(np.arange(len(found)), _BINS)
    # Robust: where a particle is taken for its neighbour, the error is no error of an angle.
    seen = np.array([(1.4826 * np.median(np.abs(error[part]))) ** 2 for part in parts]) + 1e-6
    claimed = np.array([np.median(claim[part]) ** 2 for part in parts])
    offset, slope = nnls(np.column_stack([np.ones(_BINS), claimed]) / seen[:, None], np.ones(_BINS))[0]
    return float(offset), float(slope)


def load_model(path: str | PathLike[str]) -> ParticleNetwork:
    """Open a network that `ParticleNetwork.save` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    ParticleNetwork

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If a file is damaged or holds something else; nothing is unpickled but tensors.

    Examples
    --------
    >>> load_model("nothing.pt")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    FileNotFoundError: ...
    """

    def build(about):
        from atomlens.particles import _net

        spread = tuple(float(value) for value in about["spread"])
        filters, side = int(about["filters"]), int(about["template"])
        network = _net.OrientationNet(filters, np.zeros((side, side))).eval()
        symmetry, *sizes = int(about["symmetry"]), float(about["apart"]), float(about["scale"])
        model = ParticleNetwork(symmetry, *sizes, spread, float(about["floor"]), filters, network)
        return model, network

    return _weights.load(path, _weights.PARTICLE_NETWORK, build)
