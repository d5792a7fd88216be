"""Find atomic columns in an image: from pixels to a table."""

from __future__ import annotations

from functools import cache
from os import PathLike

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomlens._bright import bright_spots
from atomlens._doubts import warn
from atomlens._image import prepare
from atomlens._resample import resample
from atomlens._tiles import even_slices
from atomlens._types import Any, ArrayLike, DataFrame
from atomlens.columns._doubts import clipped, doubt, irregular, lopsided, misshapen, unfitted
from atomlens.columns._fitted import fitted
from atomlens.columns._locate import locate, strongest
from atomlens.columns._prepare import standardise
from atomlens.columns._weak import with_weak
from atomlens.columns.model import Chain, ColumnModel, Ensemble, load_model, model_names
from atomlens.columns.scale import COLUMN_WIDTH, features, has_bragg_peaks, typical_size

__all__ = ["OutsideTrainedDomain", "doubt", "find", "uncertainty_map"]

_BLOCK = 512  # pixels of the trained scale that go through the network at once, and ...
_OVERLAP = 32  # ... on each side what is seen but not kept: beyond it the receptive field hardly weighs
_LARGEST_ZOOM = 4.0
_AS_GOOD = 0.05  # of mean score
_TWICE = 1.6, 2.4  # columns of a honeycomb to one of its hollows, in a piece of an image
_OWN = 2.0  # widths of a column around one far brighter than its lattice, in which no other is resolved
_WIDER = (
    1.1  # times the features with bright atoms in them: a lattice is no wider without, clouds 2 to 4 times
)
_MIN_DISTANCE = 2.5  # pixels of the trained scale: closer maxima are one column


class OutsideTrainedDomain(UserWarning):
    """The image is unlike everything that the network was trained on: check what it found."""


def find(
    image: ArrayLike,
    *,
    model: str | ColumnModel | Ensemble | Chain = "auto",
    refine: bool = True,
    threshold: float | None = None,
    feature_size: float | None = None,
    inverted: bool | str = "auto",
    gain: float | None = None,
    mask: ArrayLike | None = None,
) -> DataFrame:
    """Find atomic columns, whatever the lattice, the pixel size and the size of the image.

    Hot pixels, streaks and padding are taken out, the image is brought to the scale on which the network was
    trained, and goes through it block by block; maxima of the probability become columns, and a Poisson
    maximum-likelihood fit of all of them at once gives positions at the physical limit.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
        Any linear unit. A DataArray calibrated in nm adds ``x_nm, y_nm``.
    model : str, ColumnModel, Ensemble or Chain
        ``"auto"`` takes ``"general"`` where something repeats in the image, and ``"single_atoms"`` (on a
        film) where nothing does; or one of `model_names`, a path to a ``.pt`` file, a model from `train` or
        `load_model`.
    refine : bool
        Fit the positions (see `atomlens.columns.refine`). Without it they are good to a fraction of a pixel.
    threshold : float, optional
        Lowest score, between 0 and 1; the model's own by default.
    feature_size : float, optional
        Size of the features in pixels, if the automatic measure goes wrong: about the standard deviation
        of a column, or half of it where columns touch.
    inverted : bool or "auto"
        Whether columns are dark. ``"auto"`` asks the network both ways where the image suggests it.
    gain : float, optional
        Counts an electron, for the fit; estimated by default.
    mask : array_like of bool, shape (H, W), optional
        True for pixels to leave out. Without it, padding and burnt-in scale bars are found and left out.
        Pixels that are NaN are left out in any case.

    Returns
    -------
    DataFrame
        One row a column inside the image: ``x, y`` (pixels; (0, 0) is the centre of the first pixel),
        ``label`` (class), ``score`` (0 to 1), ``intensity`` (counts above background), ``sigma`` (pixels),
        ``x_err, y_err`` (standard errors in pixels), and ``x_nm, y_nm`` if the image is calibrated. Without
        refinement, and where the fit of a column fails, intensity, sigma and errors are NaN. On a film the
        fit also leaves out specks: what is far fainter than the atoms, and chance. The score of an atom far
        brighter than its lattice, which networks overlook, is one minus the usual strength over its own. An
        `Ensemble` adds ``score_sd``, by how much its networks disagree. ``attrs`` holds ``classes`` (their
        names), ``feature_size``, ``threshold``, the model's own ``model_threshold``, ``inverted``,
        ``saturated`` (share of the pixels that were clipped), ``model`` (which one, and why), and ``doubts``,
        which are raised as warnings, too.

    Warns
    -----
    OutsideTrainedDomain
        If nothing rises above the noise, nothing is found, pixels are too coarse, most scores are low, weak
        columns are missed between strong ones, no lattice speaks for what the network is not sure of, many
        columns cannot be fitted, or the image looks like a derivative.
    UserWarning
        If a scale bar is burnt in, or many pixels are saturated.

    Raises
    ------
    ValueError
        If the image is not two-dimensional, is constant or nothing but NaN, has fewer than 16 x 16 pixels or
        such that are not square; if the mask does not fit, an option is out of range, or there is no such
        model.
    TypeError
        If pixels are not real numbers, or `model` is none.
    FileNotFoundError
        If `model` is the path of a file that does not exist.

    Notes
    -----
    What it withstands (blur, resampling, streaks, saturation, JPEG, a scale bar and more) is measured
    by `benchmarks/wild_truth.py`; `data/results/wild_truth.csv` is the table.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.image(simulate.structures.graphene((3, 3)), electrons=500)
    >>> found = find(sample.data)
    >>> bool(abs(len(found) - len(sample.truth)) < 0.05 * len(sample.truth))
    True
    """
    prepared = prepare(image, clean=True, mask=mask)
    values = prepared.pixels
    saturated = clipped(values, prepared.usable)
    size, crystal, spots, between = _measured(values, prepared.usable)
    network, name = _open_model(model, crystal)
    if threshold is None:
        threshold = network.spec.threshold
    elif not 0 < threshold < 1:
        raise ValueError(f"threshold must lie between 0 and 1, got {threshold}")
    if gain is not None and not 0 < gain < np.inf:
        raise ValueError(f"gain must be positive, got {gain}")
    if inverted not in (True, False, "auto"):
        raise ValueError(f"inverted must be True, False or 'auto', got {inverted!r}")
    size = size if feature_size is None else _checked_size(feature_size)
    said = []
    if np.isfinite(size):
        zoom, unresolved = _zoom(network, size)
        said += unresolved
        if inverted == "auto":
            inverted, either = _looks_inverted(values, network, zoom, threshold)
            said += either
        if inverted:
            values = values.max() - values
        # Networks of several classes know their bright species, and a team is asked for its own opinion.
        alone = not inverted and len(network.spec.classes) == 1 and not isinstance(network, Ensemble)
        seen = between if alone else values
        table = _on_specimen(_detect(seen, network, zoom, threshold), prepared.usable)
        weak = []
        # Who raises the threshold wants fewer columns, and those that are left out then are not missed.
        if alone and crystal and threshold <= network.spec.threshold:
            table, weak = with_weak(
                seen, prepared.usable, table, size, zoom, lambda part: _detect(part, network, zoom, threshold)
            )
        if alone and len(spots):
            table = _with_spots(table, spots, size)
        table = _on_specimen(table, prepared.usable)
        said += weak
        if crystal or not refine or table.empty:  # on a film the fit tells specks from atoms
            said += filter(None, [doubt(table, network.spec.threshold)])
        said += lopsided(values, table, size)
        if crystal and not said:
            said += irregular(values, table, prepared.usable)
    else:
        inverted = inverted is True
        table = pd.DataFrame({"x": [], "y": [], "label": np.array([], dtype=int), "score": []})
        said.append(
            "no column was found: at no length does anything rise above white noise; "
            "give `feature_size` to look all the same"
        )
    for column in ("intensity", "sigma", "x_err", "y_err"):
        table[column] = np.nan
    if refine and len(table):
        table = fitted(values, prepared.usable & ~prepared.mended, table, size, gain, crystal)
        said += misshapen(table.attrs)
        table = _on_specimen(table, prepared.usable)
        said += [] if crystal else filter(None, [doubt(table, network.spec.threshold)])
        said += unfitted(table["x_err"].isna().sum(), len(table))
    warn(said, OutsideTrainedDomain)
    warn(prepared.doubts)
    table = prepared.with_nm(table)
    table.attrs = {
        "classes": list(network.spec.classes),
        "feature_size": float(size),
        "threshold": float(threshold),
        "model_threshold": float(network.spec.threshold),
        "inverted": bool(inverted),
        "saturated": 0.0 if inverted else saturated,
        "model": name,
        "doubts": [*said, *prepared.doubts],
    }
    return table


def _measured(values, usable):
    """Size of the features, whether something repeats, bright spots, and the image without their light."""
    size, crystal = features(values)
    if np.isfinite(size):
        spots, between = bright_spots(values, usable, size, COLUMN_WIDTH * size)
        if len(spots):
            # In a lattice they hide it, and look wider than it is; on a film they are the atoms, and what is
            # between them are clouds.
            # What a few bright atoms leave of themselves has lengths of its own: only a lattice will do.
            size_between, repeats = features(between)
            if repeats and size_between < _WIDER * size and has_bragg_peaks(between):
                return size_between, True, spots, between
    return size, crystal, (), values


def _with_spots(table, spots, size):
    """The table with the spots, and without what was seen in the noise of their light."""
    if len(table):
        away, _ = cKDTree(spots[["x", "y"]]).query(table[["x", "y"]])
        table = table[away > _OWN * COLUMN_WIDTH * size]
    added = spots.assign(label=0)
    return pd.concat([table, added] if len(table) else [added]).sort_values(["y", "x"], ignore_index=True)


def _on_specimen(table, usable):
    """The rows that lie inside the image, and not on what was left out."""
    x, y = np.rint(table["x"]), np.rint(table["y"])
    inside = (x >= 0) & (y >= 0) & (x < usable.shape[1]) & (y < usable.shape[0])
    at = y.where(inside, 0).astype(int), x.where(inside, 0).astype(int)
    return table[inside & usable[at]].reset_index(drop=True)


def uncertainty_map(
    image: ArrayLike, *, model: Ensemble, feature_size: float | None = None, inverted: bool = False
) -> Any:
    """Where several networks disagree: the standard deviation of their probabilities.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    model : Ensemble
    feature_size
        As for `find`.
    inverted : bool
        Whether columns are dark.

    Returns
    -------
    ndarray of float32, shape (C, H, W)
        One map a class, from 0 (all agree) to 0.5, in the image's pixels.

    Raises
    ------
    TypeError
        If the model is not an `Ensemble`.
    ValueError
        As for `find`.

    References
    ----------
    Lakshminarayanan et al., NeurIPS (2017), arXiv 1612.01474, on deep ensembles.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.image(simulate.structures.graphene((2, 2)), electrons=500)
    >>> team = Ensemble([load_model(f"graphene_{i}") for i in (1, 2, 3)])
    >>> bool(uncertainty_map(sample.data, model=team).max() < 0.5)
    True
    """
    if not isinstance(model, Ensemble):
        raise TypeError(
            f"disagreement takes several networks: pass an Ensemble(models), not {type(model).__name__}"
        )
    values = prepare(image, clean=True).pixels
    if inverted not in (True, False):
        raise ValueError(f"inverted must be True or False here, got {inverted!r}; `find` can tell (attrs)")
    size = typical_size(values) if feature_size is None else _checked_size(feature_size)
    zoom, said = _zoom(model, size if np.isfinite(size) else model.spec.feature_size)
    warn(said, OutsideTrainedDomain)
    if inverted:
        values = values.max() - values
    result = np.empty((len(model.spec.classes), *values.shape), dtype=np.float32)
    for inner, outer in _blocks(values.shape, zoom):
        piece = values[outer]
        maps = model.spread(_prepare(piece, zoom))[1]
        here = tuple(slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))
        for result_map, found in zip(result, maps, strict=True):
            result_map[inner] = resample(found, piece.shape)[here]
    return result


def _open_model(model, crystal):
    """The network, and its name with the reason why it was taken."""
    if isinstance(model, Chain | ColumnModel | Ensemble):
        return model, f"{type(model).__name__}, as given"
    if not isinstance(model, str | PathLike):
        raise TypeError(
            f"model must be a name, the path of a .pt file or a trained model, not {type(model).__name__}; "
            "several make an `Ensemble(models)`, and a Segmentor becomes one by `ColumnModel.from_segmentor`"
        )
    if model == "auto":
        if crystal:
            return _loaded("general"), "general: something repeats in the image"
        return _loaded("single_atoms"), "single_atoms: nothing repeats in the image"
    return _loaded(model) if model in model_names() else load_model(model), f"{model}, as given"


_loaded = cache(load_model)  # what comes with the package is read once


def _checked_size(size):
    if not 0 < size < np.inf:
        raise ValueError(f"feature_size must be positive, got {size} pixels")
    return float(size)


def _zoom(network, size):
    """Factor to the trained scale, and what is to be said where it cannot be right."""
    zoom = network.spec.feature_size / size
    if zoom <= _LARGEST_ZOOM:
        return zoom, []
    return _LARGEST_ZOOM, [
        f"features of {size:.2f} pixels are too small: columns are not resolved; "
        "use a finer pixel size, or another `feature_size`"
    ]


def _prepare(values, zoom):
    """Bring a piece of the image to the trained scale, as the network takes it."""
    shape = tuple(max(16, round(n * zoom)) for n in values.shape)
    return standardise(resample((values - values.min()).astype(np.float32), shape))


def _detect(values, network, zoom, threshold):
    """Columns of the whole image, block by block; positions in its pixels."""
    parts = []
    for inner, outer in _blocks(values.shape, zoom):
        piece = values[outer]
        prepared = _prepare(piece, zoom)
        several = isinstance(network, Ensemble)
        found, spread = network.spread(prepared) if several else (network.probability(prepared), None)
        x, y, label, score = locate(found, threshold=threshold, min_distance=_MIN_DISTANCE)
        part = {"label": label, "score": score}
        if several:
            part["score_sd"] = spread[label, _nearest(y, found.shape[1]), _nearest(x, found.shape[2])]
        x = (x + 0.5) * piece.shape[1] / prepared.shape[1] - 0.5 + outer[1].start
        y = (y + 0.5) * piece.shape[0] / prepared.shape[0] - 0.5 + outer[0].start
        # half a pixel more than the block's own: seams are cleared of doubles below
        keep = _within(x, inner[1]) & _within(y, inner[0])
        parts.append(pd.DataFrame({"x": x, "y": y, **part})[keep])
    table = pd.concat(parts, ignore_index=True)
    if len(parts) > 1:
        table = table.sort_values("score", ascending=False, kind="stable")
        table = table[strongest(table[["x", "y"]].to_numpy(), _MIN_DISTANCE / zoom)]
    return table.sort_values(["y", "x"], ignore_index=True)


def _nearest(position, n):
    return np.clip(np.rint(position).astype(int), 0, n - 1)


def _within(position, pixels):
    """Whether positions lie in a range of pixels, or up to half a pixel beside it."""
    return (position >= pixels.start - 1) & (position <= pixels.stop)


def _blocks(shape, zoom):
    """Slices (kept, seen) in pixels of the image that cover it in blocks of bounded size."""
    block, overlap = max(1, round(_BLOCK / zoom)), round(_OVERLAP / zoom)
    sides = []
    for n in shape:
        pieces = max(1, -(-(n - 2 * overlap) // block))
        kept = even_slices(n, pieces)
        sides.append([(k, slice(max(0, k.start - overlap), min(n, k.stop + overlap))) for k in kept])
    for row_kept, row_seen in sides[0]:
        for column_kept, column_seen in sides[1]:
            yield (row_kept, column_kept), (row_seen, column_seen)


def _looks_inverted(values, network, zoom, threshold):
    """Ask the network both ways on a piece of the image, but only where its histogram leans to the dark.

    Returns whether columns are dark, and what is to be said if that cannot be told.
    """
    n = [min(side, round(256 / zoom)) for side in values.shape]
    start = [(side - length) // 2 for side, length in zip(values.shape, n, strict=True)]
    piece = _prepare(values[start[0] : start[0] + n[0], start[1] : start[1] + n[1]], zoom)
    if np.mean(piece**3) > -0.1 * np.mean(piece**2) ** 1.5:
        return False, []
    seen = []
    for picture in (piece, -piece):
        _, _, _, score = locate(network.probability(picture), threshold=threshold, min_distance=_MIN_DISTANCE)
        seen.append((score.mean() if score.size else 0.0, score.size))
    (bright, more), (dark, fewer) = seen
    if dark <= bright - _AS_GOOD:
        return False, []
    if bright > dark - _AS_GOOD and _TWICE[0] < more / max(fewer, 1) < _TWICE[1]:
        return False, [
            "bright columns on a honeycomb and dark ones in its hollows look the same here, and were taken "
            "for bright: if columns are dark (bright field), pass inverted=True; if not, inverted=False"
        ]
    # The hollows of another lattice may look as good as its columns do: then the histogram decides.
    return True, []
