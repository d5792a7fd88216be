"""What is done to an image before somebody else gets it: resampled, filtered, exported, written upon."""

from __future__ import annotations

import io

import numpy as np
import xarray as xr
from scipy.ndimage import affine_transform, distance_transform_edt, gaussian_filter, median_filter
from scipy.ndimage import zoom as resample

from atomlens._sample import Sample
from atomlens.simulate._frame import within

__all__ = ["process"]

_PIXEL = 1 / 12  # variance of a box one pixel wide
# Variance that interpolation adds to what it resamples, in square pixels and on average over all positions
# between them: that of a box (the nearest pixel) and of a triangle. Splines of higher order add none.
_INTERPOLATION = {0: 1 / 12, 1: 1 / 6}
_BAR = 0.25  # of the width of the image


def process(
    sample: Sample,
    *,
    bins: tuple[int, int] = (1, 1),
    zoom: float = 1.0,
    rotation: float = 0.0,
    order: int = 3,
    median: int = 1,
    gaussian: float = 0.0,
    flatten: float = 0.0,
    padding: int = 0,
    fill: float = 0.0,
    gamma: float = 1.0,
    eight_bit: bool = False,
    scale_bar: bool = False,
    jpeg: int | None = None,
) -> Sample:
    """Do to an image what users and their programs do, and to its truth what follows from it.

    The steps are taken in the order of the parameters, whatever the order in which they are passed.

    Parameters
    ----------
    sample : Sample
        With an image, such as `simulate.image` returns.
    bins : tuple of int
        Pixels (along y, along x) that are summed into one. Different numbers give pixels that are not square.
    zoom : float
        Enlargement by interpolation.
    rotation : float
        In degrees, from x towards y. The image grows so that nothing is cut off, and its new corners are
        filled.
    order : int
        Of the spline that enlarges and rotates: 0 for the nearest pixel, 1 for linear, 3 for cubic.
    median : int
        Side of the square of a median filter, in pixels.
    gaussian : float
        Standard deviation of a Gaussian filter, in pixels.
    flatten : float
        Standard deviation, in pixels, of the Gaussian average that is subtracted as background.
    padding : int
        Pixels that are added on all sides, and filled.
    fill : float
        Value of the corners and of the padding.
    gamma : float
        Exponent applied to values from 0 to 1, the darkest and the brightest; they keep their range.
    eight_bit : bool
        Whether values are stretched to whole numbers from 0 to 255. There are no counts left then.
    scale_bar : bool
        Whether a bar and its length are written into the lower left corner.
    jpeg : int, optional
        Quality (1 to 95) with which the image went through a JPEG file. Implies `eight_bit`.

    Returns
    -------
    Sample
        ``data``: the new image, with coordinates in nm. ``truth``: its columns, at their new ``x, y`` and
        with their new ``sigma`` (the mean over both axes; a median filter's part of it is not known); those
        that the scale bar touches are not ``scored``. ``extras``: ``mask``, True where the image does not
        show what the old one showed, and ``defects`` if there were any.

    Raises
    ------
    ValueError
        If a parameter is out of range, or no pixel is left.

    Examples
    --------
    >>> from atomlens.simulate import image, structures
    >>> sample = image(structures.graphene((2.0, 2.0)), electrons=300)
    >>> larger = process(sample, zoom=2, jpeg=40)
    >>> larger.data.shape, str(larger.data.dtype), round(float(larger.truth.x[0] - 2 * sample.truth.x[0]), 9)
    ((200, 200), 'uint8', 0.5)
    """
    given = {k: v for k, v in locals().items() if k != "sample"}
    _check(given)
    picture = _Picture.of(sample)
    if tuple(bins) != (1, 1):
        picture.bin(bins)
    if zoom != 1:
        picture.enlarge(zoom, order)
    if rotation:
        picture.rotate(rotation, order, fill)
    if median > 1:
        picture.values = median_filter(picture.values, median)
    if gaussian:
        picture.values = gaussian_filter(picture.values, gaussian)
        picture.variance += gaussian**2
    if flatten:
        picture.values = picture.values - gaussian_filter(picture.values, flatten)
    if padding:
        picture.pad(padding, fill)
    if gamma != 1:
        picture.values = _with_gamma(picture.values, gamma)
    if eight_bit or jpeg:
        picture.values = _eight_bit(picture.values)
    written = picture.write_scale_bar() if scale_bar else None
    if jpeg:
        picture.values = _through_jpeg(picture.values, jpeg)
    return picture.sample(sample, given, written)


def _check(given):
    """Refuse what is out of range."""
    whole = {"bins along y": given["bins"][0], "bins along x": given["bins"][1], "median": given["median"]}
    for name, value in whole.items():
        if not (isinstance(value, int | np.integer) and value >= 1):
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    for name in ("zoom", "gamma"):
        if not given[name] > 0:
            raise ValueError(f"{name} must be positive, got {given[name]}")
    for name in ("gaussian", "flatten", "padding"):
        if not given[name] >= 0:
            raise ValueError(f"{name} must not be negative, got {given[name]}")
    if given["order"] not in range(6):
        raise ValueError(f"order is that of a spline, 0 to 5, got {given['order']!r}")
    if given["jpeg"] is not None and not 1 <= given["jpeg"] <= 95:
        raise ValueError(f"jpeg is a quality from 1 to 95, got {given['jpeg']}")


class _Picture:
    """Pixels on their way, and how they came about.

    A point p = (x, y) of the sample's image, in pixels, lies at matrix @ p + shift. `variance` (x, y) is that
    of all that smeared the image, in square pixels. It counts the pixels themselves, which are taken off
    last: a fit knows of them.
    """

    def __init__(self, values, masked, first, step):
        self.values, self.masked = values, masked
        self.first, self.step = np.array(first), np.array(step)  # in nm, (x, y)
        self.original_step = self.step
        self.matrix, self.shift = np.eye(2), np.zeros(2)
        self.variance = np.full(2, _PIXEL)

    @classmethod
    def of(cls, sample):
        data = sample.data
        masked = sample.extras.get("mask")
        masked = np.zeros(data.shape, dtype=bool) if masked is None else masked.to_numpy()
        axes = [data[dim].to_numpy() for dim in ("x", "y")]
        return cls(
            data.to_numpy().astype(float),
            masked,
            [axis[0] for axis in axes],
            [(axis[-1] - axis[0]) / (len(axis) - 1) for axis in axes],
        )

    def follow(self, matrix, shift):
        """Note that points have moved."""
        matrix = np.asarray(matrix, dtype=float)
        self.matrix, self.shift = matrix @ self.matrix, matrix @ self.shift + shift
        self.variance = (matrix**2) @ self.variance

    def _scaled(self, factors):
        """Note that both axes were stretched about the outer edge of the first pixel."""
        factors = np.asarray(factors, dtype=float)
        self.follow(np.diag(factors), factors / 2 - 0.5)
        self.first = self.first + (0.5 / factors - 0.5) * self.step
        self.step = self.step / factors

    def bin(self, bins):
        ny, nx = bins
        height, width = (n // b for n, b in zip(self.values.shape, bins, strict=True))
        if not height * width:
            raise ValueError(f"bins of {bins} pixels leave nothing of an image of {self.values.shape}")
        blocks = (height, ny, width, nx)
        self.values, self.masked = (a[: height * ny, : width * nx] for a in (self.values, self.masked))
        self.values = self.values.reshape(blocks).sum(axis=(1, 3))
        self.masked = self.masked.reshape(blocks).any(axis=(1, 3))
        # the sum is over pixels that were boxes already: together they are one box again
        self.variance += (np.array([nx, ny]) ** 2 - 1) * _PIXEL
        self._scaled([1 / nx, 1 / ny])

    def enlarge(self, factor, order):
        old = self.values.shape
        self.variance += _INTERPOLATION.get(order, 0)
        self.values = resample(self.values, factor, order=order, mode="nearest", grid_mode=True)
        self.masked = resample(self.masked, factor, order=0, mode="nearest", grid_mode=True)
        self._scaled([new / n for new, n in zip(self.values.shape[::-1], old[::-1], strict=True)])

    def rotate(self, degrees, order, fill):
        angle = np.radians(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        old = np.array(self.values.shape[::-1])
        new = np.ceil(np.abs(turn) @ old - 1e-9).astype(int)
        shift = (new - 1) / 2 - turn @ ((old - 1) / 2)
        # scipy wants the way back, in (y, x); a pixel 1e-16 beyond the edge would be filled
        back, start = turn.T[::-1, ::-1].round(12), (-turn.T @ shift)[::-1].round(9)
        options = {"offset": start, "output_shape": tuple(new[::-1]), "mode": "constant"}
        self.variance += _INTERPOLATION.get(order, 0)
        self.values = affine_transform(self.values, back, order=order, cval=fill, **options)
        self.masked = affine_transform(self.masked.astype(float), back, order=1, cval=1, **options) > 0
        self.follow(turn, shift)
        self.first = np.zeros(2)

    def pad(self, n, fill):
        self.values = np.pad(self.values, n, constant_values=fill)
        self.masked = np.pad(self.masked, n, constant_values=True)
        self.follow(np.eye(2), float(n))
        self.first = self.first - n * self.step

    def write_scale_bar(self):
        """Burn a bar and its length into the lower left corner; returns which pixels they cover."""
        from PIL import Image, ImageDraw, ImageFont

        height, width = self.values.shape
        aim = _BAR * width * self.step[0]
        decade = 10.0 ** np.floor(np.log10(aim))
        length = max(m for m in (1, 2, 5) if m * decade <= aim) * decade
        text = ImageFont.load_default(size=max(8, height / 20))
        left, bottom, thick = round(0.04 * width), round(0.95 * height), max(2, height // 80)
        layer = Image.new("L", (width, height))
        draw = ImageDraw.Draw(layer)
        draw.rectangle((left, bottom - thick, left + length / self.step[0], bottom), fill=255)
        draw.text((left, bottom - 2 * thick), f"{length:g} nm", fill=255, font=text, anchor="lb")
        written = np.asarray(layer) > 127
        self.values[written] = self.values.max()
        self.masked |= written
        return written

    def sample(self, old, given, written):
        """The finished sample."""
        coords = {
            dim: xr.DataArray(first + step * np.arange(n), dims=dim, attrs={"units": "nm", "long_name": dim})
            for dim, n, first, step in zip(
                ("y", "x"), self.values.shape, self.first[::-1], self.step[::-1], strict=True
            )
        }
        whole = self.values.dtype == np.uint8
        attrs = {"units": "" if whole else old.data.attrs["units"], "long_name": "intensity"}
        if np.isclose(*self.step):
            attrs["pixel_size_nm"] = float(self.step[0])
        values = self.values if whole else self.values.astype(np.float32)
        data = xr.DataArray(values, dims=("y", "x"), coords=coords, name="image", attrs=attrs)
        extras = {"mask": data.copy(data=self.masked).assign_attrs(units="")}
        if "defects" in old.extras:
            extras["defects"] = self._moved(old.extras["defects"])
        truth = self._moved(old.truth)
        stretch = (self.matrix**2).sum(axis=1)
        sigma = np.outer(truth["sigma"] ** 2, stretch) + self.variance - _PIXEL
        truth = truth.assign(sigma=np.sqrt(sigma.mean(axis=1)))
        if written is not None:
            at = np.rint(truth[["y", "x"]].to_numpy()).astype(int).clip(0, np.array(written.shape) - 1)
            truth["scored"] &= distance_transform_edt(~written)[tuple(at.T)] > truth["sigma"]
        parameters = {**old.source.get("parameters", {}), "process": given}
        return Sample(data, truth, {**old.source, "parameters": parameters}, extras)

    def _moved(self, table):
        """Rows that lie on the new image, at their new places; planted displacements turn along."""
        xy = table[["x", "y"]].to_numpy() @ self.matrix.T + self.shift
        nm = self.first + self.step * xy
        moved = table.assign(x=xy[:, 0], y=xy[:, 1], x_nm=nm[:, 0], y_nm=nm[:, 1])
        if "dx_nm" in table:
            turn = self.step[:, None] * self.matrix / self.original_step
            moved[["dx_nm", "dy_nm"]] = table[["dx_nm", "dy_nm"]].to_numpy() @ turn.T
        return moved[within(*xy.T, self.values.shape)].reset_index(drop=True)


def _with_gamma(values, gamma):
    low, high = values.min(), values.max()
    return low + (high - low) * ((values - low) / (high - low)) ** gamma


def _eight_bit(values):
    low, high = values.min(), values.max()
    return np.rint(255 * (values - low) / (high - low)).astype(np.uint8)


def _through_jpeg(values, quality):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(values).save(file, "JPEG", quality=int(quality))
    return np.array(Image.open(file))
