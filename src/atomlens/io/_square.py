"""Images whose pixels are not square, on square ones."""

from __future__ import annotations

from atomlens._types import DataArray

__all__ = ["square_pixels"]


def square_pixels(image: DataArray) -> DataArray:
    """Average an image along its finer axis, so that its pixels become square.

    Functions that measure lengths and angles in pixels refuse other images.

    Parameters
    ----------
    image : DataArray of shape (H, W)
        Calibrated along both axes.

    Returns
    -------
    DataArray
        Mean counts a pixel, with coordinates that follow; the coarser axis stays as it is.

    Raises
    ------
    ValueError
        If an axis has no unit of length.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> coords = {d: (d, s * np.arange(40), {"units": "nm"}) for d, s in (("y", 0.02), ("x", 0.01))}
    >>> square = square_pixels(xr.DataArray(np.ones((40, 40)), coords, ("y", "x")))
    >>> square.shape, [round(float(square[d][1] - square[d][0]), 3) for d in square.dims]
    ((40, 20), [0.02, 0.02])
    """
    import numpy as np
    import xarray as xr

    from atomlens._image import calibration_of
    from atomlens._resample import resample

    calibration = calibration_of(image)
    if len(calibration) < 2:
        raise ValueError(
            "the pixels of an image can be made square if both axes have a unit of length: set "
            "image.coords[...].attrs['units'], for example to 'nm'"
        )
    steps = [abs(calibration[axis][1]) for axis in "yx"]
    shape = tuple(max(1, round(n * step / max(steps))) for n, step in zip(image.shape, steps, strict=True))
    coords = {}
    for dim, old, new in zip(image.dims, image.shape, shape, strict=True):
        at = image.coords[dim]
        step = float(at[-1] - at[0]) / (old - 1)
        first = float(at[0]) + step * (old / new - 1) / 2
        coords[dim] = (dim, first + step * old / new * np.arange(new), at.attrs)
    return xr.DataArray(
        resample(image.values.astype(float), shape), coords, image.dims, image.name, image.attrs
    )
