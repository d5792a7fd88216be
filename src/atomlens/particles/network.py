"""A network that learns from one labelled frame where particles are and how they are turned."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from atomlens import _weights
from atomlens._threads import one_torch_thread
from atomlens._torch import keep_random_state
from atomlens._types import Any, ArrayLike, DataArray, DataFrame
from atomlens.particles import _crops
from atomlens.particles._frames import labels_of, normalised, pixels_of
from atomlens.particles._refine import refined, template_of
from atomlens.particles.score import angle_between

__all__ = ["ParticleNetwork", "load_model", "train"]

_SIZE, _COUNT, _RATE, _FILTERS = 64, 12, 3e-3, 12  # pixels of a crop, crops a step, learning rate, filters
_NOISE = 0.03  # of the range of heights: noise that is added even to a frame that has none
_SCORE = 0.35  # of a blob, above which it is a particle
_REACH = 3  # pixels around a particle, over which its angle is averaged
_TRIALS, _TRIAL_SIZE = 24, 128  # crops on which the error of angles is calibrated
_FLOOR = 0.2  # degrees: errors of angles are not believed to be smaller


@dataclass(eq=False)
class ParticleNetwork:
    """Finds particles and their angles; made by `train` or `load_model`.

    Attributes
    ----------
    symmetry : int
        How often a particle repeats in a full turn.
    apart : float
        Pixels: two particles are not nearer than half of this.
    spread, spread_of_fit : (float, float)
        Of the error of an angle, degrees squared: the first, plus the second times minus two times the logarithm
        of the resultant length; for a fit, times the variance that it gives itself.
    filters : int
    history : DataFrame
        Losses of places and of angles by step.
    network : torch.nn.Module
    """

    symmetry: int
    apart: float
    spread: tuple[float, float]
    spread_of_fit: tuple[float, float]
    filters: int
    network: Any
    history: DataFrame = field(default_factory=pd.DataFrame)

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
            ``theta_err`` (its standard error, degrees) and ``score``; best first.

        Raises
        ------
        ValueError
            If it is no frame, or the threshold is none.
        """
        if not 0 < threshold < 1:
            raise ValueError(f"threshold is a number between 0 and 1, got {threshold!r}")
        pixels = pixels_of(frame)
        place, cosine, sine = self._maps(pixels)
        smooth = gaussian_filter(place, 1)
        near = 2 * max(int(self.apart / 4), 1) + 1
        rows = []
        for y, x in np.argwhere((smooth == maximum_filter(smooth, near)) & (smooth > threshold)):
            part = np.s_[max(y - _REACH, 0) : y + _REACH + 1, max(x - _REACH, 0) : x + _REACH + 1]
            weight = place[part] / place[part].sum()
            dy, dx = np.indices(weight.shape)
            c, s = (weight * cosine[part]).sum(), (weight * sine[part]).sum()
            middle = part[1].start + (weight * dx).sum(), part[0].start + (weight * dy).sum()
            rows.append((*middle, np.arctan2(s, c), min(np.hypot(c, s), 1 - 1e-6), smooth[y, x]))
        table = pd.DataFrame(rows, columns=["x", "y", "angle", "length", "score"], dtype=float)
        theta = np.degrees(table["angle"]) / self.symmetry % (360 / self.symmetry)
        error = np.sqrt(self.spread[0] + self.spread[1] * -2 * np.log(np.maximum(table["length"], 1e-6)))
        table = table.assign(theta=theta, theta_err=np.minimum(error, 90 / self.symmetry))
        if refine:
            table = self._refined(table, pixels)
        table = table.sort_values("score", ascending=False, kind="stable", ignore_index=True)
        return table[["x", "y", "theta", "theta_err", "score"]]

    def _refined(self, table, pixels):
        """What a fit of the mean labelled particle says, where it is surer than the network."""
        template = self.network.template.numpy()
        for row in table.itertuples():
            fit = refined(pixels, template, row.x, row.y, row.theta, self.symmetry)
            if fit is None:
                continue
            error = np.sqrt(self.spread_of_fit[0] + self.spread_of_fit[1] * fit[3] ** 2)
            if error < row.theta_err:
                theta = fit[2] % (360 / self.symmetry)
                table.loc[row.Index, ["x", "y", "theta", "theta_err"]] = *fit[:2], theta, error
        return table

    def _maps(self, pixels):
        """Probability of a particle, and cosine and sine of its angle, each (H, W)."""
        import torch

        height, width = pixels.shape
        padded = np.pad(normalised(pixels), ((0, -height % 4), (0, -width % 4)), mode="edge")
        with torch.inference_mode():
            place, angle = self.network(torch.from_numpy(padded[None, None]))
            maps = torch.cat([torch.sigmoid(place), angle], 1)[0, :, :height, :width]
        return maps.numpy().astype(float)

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
            "spread": list(self.spread),
            "spread_of_fit": list(self.spread_of_fit),
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
    steps: int = 300,
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
        300 take about half a minute on one core.
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
    Crops of the frame are turned by any angle, the labels with them, stretched by up to a tenth, and made worse
    by noise, steps of lines and scars. The network returns cos n theta and sin n theta, which have no jump where
    the angle begins anew. Unlabelled particles teach it to overlook such: label all, or cut the frame.
    After S. V. Kalinin and others, npj Comput. Mater. 7, 181 (2021); network and augmentation are ours.

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
    import torch
    from tqdm.auto import tqdm

    from atomlens.particles import _net

    rng = np.random.default_rng(random_state)
    noise = 1.4826 * np.median(np.abs(np.diff(pixels, axis=1))) / np.sqrt(2) + _NOISE * np.ptp(pixels)
    template = template_of(pixels, xy, theta, symmetry)
    pictures = partial(_crops.batch, pixels, xy, theta, symmetry, template, noise, rng)
    with one_torch_thread(), keep_random_state():
        torch.manual_seed(random_state)
        network, losses = _net.fitted(
            partial(pictures, count=_COUNT, size=_SIZE), template, filters=_FILTERS, steps=steps, rate=_RATE,
            progress=partial(tqdm, desc="particles", disable=not progress),
        )  # fmt: skip
    away = cKDTree(xy).query(xy, 2)[0][:, 1] if len(xy) > 1 else np.array([np.inf])
    apart = float(np.clip(np.percentile(away, 5), 4, 64))
    model = ParticleNetwork(int(symmetry), apart, (0.0, 1.0), (0.0, 1.0), _FILTERS, network)
    model.history = pd.DataFrame(losses, columns=["place", "angle"]).rename_axis("step")
    model.spread, model.spread_of_fit = _calibrated(model, pictures)
    return model


def _calibrated(model, pictures):
    """How large errors of angles are, by what network and fit say of themselves, in crops made for this."""
    crops, answers = pictures(count=_TRIALS, size=_TRIAL_SIZE)
    template, kinds = model.network.template.numpy(), ([], [])
    for crop, answer in zip(crops[:, 0], answers, strict=True):
        for row in model.find(crop, refine=False).itertuples():
            at = tuple(np.clip(np.rint([row.y, row.x]).astype(int), 0, _TRIAL_SIZE - 1))
            if answer[0][at] <= _SCORE:
                continue
            planted = np.degrees(np.arctan2(answer[2][at], answer[1][at])) / model.symmetry
            said = [(row.theta, row.theta_err)]  # spread is (0, 1) still: what the network itself says
            fit = refined(crop, template, row.x, row.y, row.theta, model.symmetry)
            said += [fit[2:]] if fit else []
            for kind, (theta, doubt) in zip(kinds, said, strict=False):
                kind.append((angle_between(theta, planted, model.symmetry), doubt))
    return tuple(_spread(np.array(kind).reshape(-1, 2)) for kind in kinds)


def _spread(found):
    """Variance of errors as a line in the variance that was claimed; rows of error and claim."""
    if len(found) < _TRIALS:
        return _FLOOR**2, 1.0
    squares, claimed = found.T**2
    usual = squares < np.percentile(squares, 98) + 1e-12
    slope, offset = np.polyfit(claimed[usual], squares[usual], 1)
    if slope <= 0 or offset < _FLOOR**2:
        offset = _FLOOR**2
        slope = max(np.mean(squares[usual] - offset) / max(np.mean(claimed[usual]), 1e-12), 0.0)
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
    >>> load_model("nothing.pt")
    Traceback (most recent call last):
        ...
    FileNotFoundError: ...
    """

    def build(about):
        from atomlens.particles import _net

        spreads = [tuple(float(value) for value in about[name]) for name in ("spread", "spread_of_fit")]
        filters, side = int(about["filters"]), int(about["template"])
        network = _net.OrientationNet(filters, np.zeros((side, side))).eval()
        return ParticleNetwork(
            int(about["symmetry"]), float(about["apart"]), *spreads, filters, network
        ), network

    return _weights.load(path, _weights.PARTICLE_NETWORK, build)
