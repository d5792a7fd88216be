"""Pieces of work that show what `run` and `movie` take."""

from __future__ import annotations

from atomlens import io
from atomlens._types import DataArray, Path


def brightness(path: Path) -> dict[str, float]:
    """Mean and standard deviation of the pixels of a file.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    dict
        ``mean`` and ``sd``, in counts.

    Examples
    --------
    >>> from atomlens import datasets
    >>> sorted(brightness(datasets.sample_path("image.tif")))
    ['mean', 'sd']
    """
    return frame_brightness(io.read(path, lazy=False))


def frame_brightness(frame: DataArray) -> dict[str, float]:
    """Mean and standard deviation of the pixels of an image, or of one frame of a movie.

    Parameters
    ----------
    frame : xarray.DataArray of dims (y, x)

    Returns
    -------
    dict
        ``mean`` and ``sd``, in counts.

    Examples
    --------
    >>> from xarray import DataArray
    >>> frame_brightness(DataArray([[1.0, 3.0]], dims=("y", "x")))
    {'mean': 2.0, 'sd': 1.0}
    """
    return {"mean": float(frame.mean()), "sd": float(frame.std())}
