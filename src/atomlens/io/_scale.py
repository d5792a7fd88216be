"""A size of pixels for images whose file has none."""

from __future__ import annotations

from atomlens._types import ArrayLike, DataArray


def calibrate(image: ArrayLike | DataArray, lattice: float | tuple[float, float]) -> DataArray:
    """Calibrate an image by the lattice in it, whose parameters are known.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
        With square pixels. A scale it has is replaced.
    lattice : float or (float, float)
        Lengths in nm of the two shortest lattice vectors of the projection; one number where they are equal.

    Returns
    -------
    DataArray of shape (H, W)
        With coordinates in nm, ``note_pixel_size`` in the attrs, and ``doubts`` of the lattice where there
        are some.

    Raises
    ------
    ValueError
        If the image is not two-dimensional, a length not positive, or the two vectors that are found do not
        fit those that are given.
    NotPeriodicError
        If there is no lattice.

    Notes
    -----
    What counts is the distance of columns that are alike: .3905 nm in SrTiO3 along [001], but half of .4078
    nm in gold, where the atoms on the faces are columns, too. :func:`atomlens.lattice.estimate` shows the
    vectors.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:128, :128]
    >>> rows = np.cos(2 * np.pi * x / 16) + np.cos(2 * np.pi * y / 16)
    >>> image = calibrate(np.random.default_rng(0).poisson(20 * np.exp(rows)), lattice=0.3905)
    >>> round(float(image.x[1]), 4), image.x.attrs["units"]
    (0.0244, 'nm')
    """
    from atomlens._calibrate import calibrated

    return calibrated(image, lattice)
