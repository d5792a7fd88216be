"""A step before columns are looked for: put displaced scan lines back."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atomlens._image import like, prepare

__all__ = ["align_scan_lines"]


def align_scan_lines(image, *, length=3.0, iterations=8, max_shift=None):
    """Shift every scan line back to where its neighbours say it belongs.

    Vibration and interference displace single lines along the fast direction (x). Each line is compared
    with the weighted mean of its neighbours and shifted by the least-squares displacement, again and
    again; a displacement common to many lines (drift) cannot be told from the specimen and stays.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
        Lines along x.
    length : float
        Number of lines that count as neighbours (standard deviation of a Gaussian); below the size of a
        column.
    iterations : int
    max_shift : float, optional
        Largest displacement in pixels; without it, four times `length`.

    Returns
    -------
    aligned : ndarray of float32 or DataArray, like `image`
    shifts : ndarray of shape (H,)
        Displacement of each line that was found, in pixels (positive: it lay too far to the right).

    Raises
    ------
    ValueError
        If the image is unusable (see `find`) or an option is out of range.

    Notes
    -----
    The line is shifted in Fourier space, which keeps its noise white; a shift by d pixels brings d pixels in
    from the other end.

    References
    ----------
    Jones and Nellist, Microsc. Microanal. 19, 1050 (2013), for the idea.

    Examples
    --------
    >>> x = np.arange(64.0)
    >>> torn = np.stack([np.sin((x - (0.8 if row % 7 == 3 else 0)) / 3) for row in range(64)])
    >>> shifts = align_scan_lines(torn)[1]
    >>> bool(shifts[3] - shifts[2] > 0.6)
    True
    """
    values = prepare(image).pixels
    if not length > 0 or iterations < 1:
        raise ValueError(f"length and iterations must be positive, got {length} and {iterations}")
    max_shift = 4 * length if max_shift is None else max_shift
    frequency = 2j * np.pi * np.fft.rfftfreq(values.shape[1])
    lines = np.fft.rfft(values.astype(float), axis=1)
    shifts = np.zeros(len(values))
    aligned = values.astype(float)
    slope_filter = np.fft.rfftfreq(values.shape[1]) < 0.25  # above lies mostly noise
    for _ in range(iterations):
        smooth = np.fft.irfft(np.fft.rfft(aligned, axis=1) * slope_filter, values.shape[1], axis=1)
        near = gaussian_filter1d(smooth, length, axis=0, mode="nearest")
        slope = np.gradient(near, axis=1)
        # line(x) = reference(x - s) is reference - s * slope to first order
        step = -((smooth - near) * slope).sum(axis=1) / np.maximum((slope**2).sum(axis=1), 1e-12)
        shifts += np.clip(step, -1, 1)
        shifts -= gaussian_filter1d(shifts, 4 * length, mode="nearest")
        shifts = np.clip(shifts, -max_shift, max_shift)
        aligned = np.fft.irfft(lines * np.exp(frequency * shifts[:, None]), values.shape[1], axis=1)
    return like(image, aligned.astype(np.float32)), shifts
