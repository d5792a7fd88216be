"""Pictures of single defects, cut out of the frames of a movie."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter, map_coordinates

from atomlens._types import ArrayLike, DataArray, DataFrame
from atomlens.dynamics._frames import Frames
from atomlens.dynamics.tracks import checked

__all__ = ["sub_images"]

# Distances of neighbouring cells: a defect and the columns between it and the next sites. In wider pictures
# what varies most is whether these are defects, too.
_WIDE = 1.8
_LEAST = 7  # pixels
_GAP = 2.0  # percentile of a frame, smoothed a little: the dark between columns
_FLAT = 4.0  # widths of a sub-image, over which the background is taken as even


def sub_images(
    movie: ArrayLike,
    detections: DataFrame,
    *,
    size_nm: float | None = None,
    size_px: int | None = None,
) -> DataArray:
    """Cut a picture about every detection.

    Parameters
    ----------
    movie : DataArray or array_like of shape (frames, H, W)
        The one in which the detections were made; lazy ones are computed some frames at a time.
    detections : DataFrame
        ``frame``, ``x``, ``y`` in pixels. The centre of each picture lies exactly there.
    size_nm : float, optional
        Side of the pictures, of a calibrated movie. Without it and `size_px`, 1.8 times the distance of
        neighbouring cells, if the detections know it.
    size_px : int, optional
        The same in pixels; made odd.

    Returns
    -------
    DataArray of float32, dims (defect, y, x)
        Rows of `detections` in their order. In every frame, 0 is the dark between columns and 1 the mean of
        the crystal; the slowly varying background is taken out. y and x are distances from the centre, in nm
        or pixels. Along ``defect``: ``frame``, and ``inside`` (False where the picture reaches beyond the
        border, and is mirrored there).

    Raises
    ------
    ValueError
        If a frame is missing, there is no size, both are given, or the pictures are larger than the frames.

    Examples
    --------
    >>> from atomlens import dynamics, simulate
    >>> movie = simulate.movies.hopping(5, n_frames=3, shape=(128, 128), electrons=100, random_state=1).data
    >>> found = dynamics.detect_frames(movie)
    >>> pictures = sub_images(movie, found, size_nm=0.93)
    >>> pictures.dims, pictures.shape[1:] == (31, 31), len(pictures) == len(found)
    (('defect', 'y', 'x'), True, True)
    """
    frames = Frames(movie)
    table = checked(detections, ["frame", "x", "y"])
    side = _side(frames, detections, size_nm, size_px)
    if len(table) and table["frame"].max() >= len(frames):
        raise ValueError(
            f"there is a detection in frame {table['frame'].max()}, but the movie has {len(frames)} frames"
        )
    x, y, t = (table[name].to_numpy() for name in ("x", "y", "frame"))
    offset = np.arange(side) - side // 2
    pictures = np.zeros((len(table), side, side), dtype=np.float32)
    for number, frame in frames:
        rows = np.flatnonzero(t == number)
        if frame is None or not len(rows):
            continue
        places = (y[rows, None, None] + offset[:, None], x[rows, None, None] + offset)
        scaled = _scaled(frame.pixels, side)
        pictures[rows] = map_coordinates(scaled, np.broadcast_arrays(*places), order=1, mode="mirror")
    half, (height, width) = side // 2, frames.shape
    inside = (x >= half) & (x <= width - 1 - half) & (y >= half) & (y <= height - 1 - half)
    steps = [abs(step) for _, step in frames.calibration.values()]
    step, unit = (float(np.mean(steps)), "nm") if len(steps) == 2 else (1.0, "px")
    along = {axis: (axis, offset * step, {"units": unit}) for axis in ("y", "x")}
    return xr.DataArray(
        pictures, {"frame": ("defect", t), "inside": ("defect", inside), **along}, ("defect", "y", "x"),
        name="sub-images", attrs={"long_name": "brightness", "units": "of the mean crystal"},
    )  # fmt: skip


def _side(frames, detections, size_nm, size_px):
    """Odd number of pixels along a side."""
    if size_nm is not None and size_px is not None:
        raise ValueError("give size_nm or size_px, not both")
    if size_nm is not None:
        if len(frames.calibration) < 2:
            raise ValueError("the movie has no scale in nm: give size_px")
        size_px = size_nm / np.mean([abs(step) for _, step in frames.calibration.values()])
    elif size_px is None:
        if "spacing_px" not in detections.attrs:
            raise ValueError("these detections do not know the lattice: give size_nm or size_px")
        size_px = _WIDE * detections.attrs["spacing_px"]
    if not (np.isreal(size_px) and size_px > 0):
        raise ValueError(f"the size must be a positive number, got {size_px!r}")
    side = max(_LEAST, int(size_px) // 2 * 2 + 1)
    if side > min(frames.shape):
        raise ValueError(
            f"pictures of {side} pixels do not fit into frames of {frames.shape[0]} x {frames.shape[1]}: "
            "make them smaller"
        )
    return side


def _scaled(pixels, side):
    """A frame without its slow background, 0 between columns, 1 on average."""
    pixels = np.asarray(pixels, dtype=np.float32)
    even = pixels - gaussian_filter(pixels, _FLAT * side, mode="nearest")
    low = np.percentile(gaussian_filter(even, 1.0), _GAP)
    return (even - low) / max(np.median(even) - low, np.mean(even) - low, 1e-30)
