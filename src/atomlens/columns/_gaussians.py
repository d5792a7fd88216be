"""Many pixel-integrated Gaussians on one image: the model, its score and its Fisher information.

The expected image is ``background[owner] + sum of intensity * g(x) * g(y)``. Every pixel within a radius of
a column is owned by the nearest one and lies on its background; pixels that nobody owns are not used. As a
Gaussian is separable, all sums over the pixels of a column are two small matrix products, done for all
columns at once.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree
from scipy.special import ndtr

# Parameters of a column, in the order of every last axis here.
PARAMETERS = ("x", "y", "intensity", "sigma", "background")
X, Y, INTENSITY, SIGMA, BACKGROUND = range(5)

# Half-width of the patch between two neighbours, as a fraction of that of a column.
_SHARED = 0.7
# Columns, or pairs, that are worked on at a time.
_PART = 256

# Derivatives of g(y) g(x) in x, y, intensity and sigma as products of factors along y and along x: 0 is g,
# 1 its derivative in the centre, 2 that in sigma. The last has two terms.
_TERMS = (((0, 1),), ((1, 0),), ((0, 0),), ((0, 2), (2, 0)))
# From the 3 x 3 sums over products of factors to the derivatives, and from the 9 x 9 to their products.
_SINGLE = np.zeros((9, 4), dtype=np.float32)
_DOUBLE = np.zeros((81, 16), dtype=np.float32)
for _i, _terms in enumerate(_TERMS):
    for _row, _column in _terms:
        _SINGLE[3 * _row + _column, _i] = 1
        for _j, _others in enumerate(_TERMS):
            for _other_row, _other_column in _others:
                _DOUBLE[9 * (3 * _row + _other_row) + 3 * _column + _other_column, 4 * _i + _j] = 1


def factors(centre, sigma, first, size):
    """Gaussians integrated over pixels, with their derivatives in centre and sigma: array (n, 3, size).

    >>> g = factors(np.array([3.2]), np.array([0.8]), np.array([0]), 8)
    >>> float(g[0, 0].sum().round(6)), float((g[0, 0] @ np.arange(8)).round(3))
    (0.999998, 3.2)
    """
    sigma = sigma[:, None]
    z = (first[:, None] + np.arange(size + 1) - 0.5 - centre[:, None]) / sigma
    density = np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * sigma)
    result = np.empty((len(centre), 3, size))
    for i, edge in enumerate((ndtr(z), -density, -z * density)):
        np.subtract(edge[:, 1:], edge[:, :-1], out=result[:, i])
    return result


class Scene:
    """Which pixels belong to which column, and sums over them.

    Parameters
    ----------
    usable : ndarray of bool, shape (rows, columns)
        Pixels to use.
    positions : ndarray of shape (n, 2)
        (x, y) about which the patches lie.
    radius : float
        Of a patch, in pixels.
    reach : float
        Columns closer than this are neighbours, which are fitted jointly.
    dtype : dtype
        Of the sums over pixels.

    Attributes
    ----------
    owner : ndarray of int, shape (k,)
        For each pixel used, the column that it belongs to.
    pairs : ndarray of int, shape (2, m)
        Neighbours.
    slopes : float or ndarray of shape (k,)
        By how much the background differs from that at the column, for each pixel used; see `tilt`.
    unround : float or ndarray of shape (k,)
        By how much columns differ from round ones, for each pixel used; see `lengthen`.
    """

    slopes = 0.0
    unround = 0.0

    def __init__(self, usable, positions, radius, reach, dtype=np.float64):
        self.dtype = dtype
        self.n = len(positions)
        half = int(np.ceil(radius))
        self.size = 2 * half + 1
        self._margin = self.size
        # A column beyond the edge keeps a patch within the margin: it has no pixel there, but an address.
        limits = np.array(usable.shape[::-1]) + half
        self._first = np.clip(np.rint(positions), -half - 1, limits).astype(int) - half
        owners = np.full(tuple(s + 2 * self._margin for s in usable.shape), -1, dtype=np.int32)
        self._assign(owners, radius)
        owners[~np.pad(usable, self._margin)] = -1
        self._used = np.flatnonzero(owners >= 0)
        self.owner = owners.ravel()[self._used]
        # What is summed stands here, amid zeros.
        self._canvas = np.zeros((2, *owners.shape), dtype=dtype)
        self._layers = (*self._canvas, owners)
        self._windows = {self.size: [_squares(layer, self.size) for layer in self._layers]}
        self.pairs = KDTree(positions).query_pairs(reach, output_type="ndarray").T
        # Neighbours share a smaller patch halfway between them.
        self._shared = 2 * int(np.ceil(_SHARED * half)) + 1
        middle = np.rint((positions[self.pairs[0]] + positions[self.pairs[1]]) / 2).astype(int)
        limits = np.array(usable.shape[::-1]) + self._margin - self._shared
        self._middle = np.clip(middle - self._shared // 2, -self._margin, limits)
        self._windows[self._shared] = [_squares(layer, self._shared) for layer in self._layers]

    def _assign(self, owners, radius):
        corner = (self._first[:, 1] + self._margin) * owners.shape[1] + self._first[:, 0] + self._margin
        offset = np.arange(self.size)
        within = (offset[:, None] * owners.shape[1] + offset).ravel()
        distance = np.hypot(offset[:, None] - self.size // 2, offset - self.size // 2).ravel()
        numbers = np.arange(self.n, dtype=np.int32)
        flat = owners.ravel()
        # From far to near: the nearest column writes last.
        order = np.argsort(-distance, kind="stable")
        for step in within[order[distance[order] <= radius]]:
            flat[corner + step] = numbers

    def where(self):
        """Coordinates x and y of the pixels used."""
        rows, columns = np.divmod(self._used, self._canvas.shape[2])
        rows -= self._margin
        columns -= self._margin
        return columns, rows

    def pixels(self, image):
        """Values of an image at the pixels used."""
        return image[self.where()[::-1]].astype(self.dtype)

    def tilt(self, slope, theta):
        """Let the background slope about every column: `slope` (n, 2) is per pixel along x and y."""
        columns, rows = self.where()
        away = columns - theta[self.owner, X], rows - theta[self.owner, Y]
        self.slopes = sum(s[self.owner] * a for s, a in zip(slope.T, away, strict=True)).astype(self.dtype)

    def lengthen(self, ellipse, theta):
        """Let all columns be ellipses of the covariance ``sigma**2 * [[1 + a, b], [b, 1 - a]]``."""
        a, b = ellipse
        offset = np.arange(self.size)
        determinant = 1 - a**2 - b**2

        def spots(part):
            dx, dy = (offset + self._first[part, i, None] - theta[part, i, None] for i in (X, Y))
            dx, dy = dx[:, None, :].astype(self.dtype), dy[:, :, None].astype(self.dtype)
            # As wide as when integrated over a pixel.
            variance = (theta[part, SIGMA] ** 2 + 1 / 12)[:, None, None].astype(self.dtype)
            squared = (1 - a) * dx**2 - 2 * b * dx * dy + (1 + a) * dy**2
            long = np.exp(-squared / (2 * determinant * variance)) / np.sqrt(determinant)
            round_ = np.exp(-(dx**2 + dy**2) / (2 * variance))
            height = (theta[part, INTENSITY, None, None] / (2 * np.pi * variance)).astype(self.dtype)
            return height * (long - round_)

        self.unround = self._placed(spots)

    def ellipse_slopes(self, theta, shapes):
        """Derivatives of the model in both parameters of `lengthen`, at round columns: array (2, k)."""
        width = theta[:, SIGMA, None]
        scale = theta[:, INTENSITY, None] * width

        def along_axes(part):
            (plain, _, wide), (plain_y, _, wide_y) = (shapes[i, part].swapaxes(0, 1) for i in (0, 1))
            height = 0.5 * scale[part, :, None]
            return height * (plain_y[:, :, None] * wide[:, None] - wide_y[:, :, None] * plain[:, None])

        def diagonal(part):
            height = scale[part] * width[part]
            return (height * shapes[1, part, 1])[:, :, None] * shapes[0, part, 1][:, None]

        return np.stack([self._placed(along_axes), self._placed(diagonal)])

    def response_to_slope(self, theta, weight):
        """By how many pixels x and y move for an error of one in the slope along them: array (n, 2)."""
        everything = np.arange(self.n)
        shapes = self.factors(theta, everything)
        columns, rows = self.where()
        response = np.empty((self.n, 2))
        for axis, at in ((X, columns), (Y, rows)):
            self.paint(weight * (at - theta[self.owner, axis]), weight)
            score, information = self.sums(theta, shapes, everything)
            response[:, axis] = score[:, axis] / np.maximum(information[:, axis, axis], 1e-300)
        return response

    def _patches(self, first, size):
        """Squares from (x, y) on of both canvases and of the owners: arrays (len(first), size, size)."""
        y, x = first[:, 1] + self._margin, first[:, 0] + self._margin
        return [windows[y, x] for windows in self._windows[size]]

    def paint(self, residual, weight):
        """Set what is summed: a residual and a weight for each pixel used."""
        self._painted = residual, weight
        for canvas, values in zip(self._canvas, self._painted, strict=True):
            canvas.ravel()[self._used] = values

    def factors(self, theta, of):
        """Factors along x and along y of columns on their own patches: array (2, len(of), 3, size)."""
        sigma = theta[of, SIGMA]
        return np.stack(
            [factors(theta[of, i], sigma, self._first[of, i], self.size).astype(self.dtype) for i in (X, Y)]
        )

    def render(self, theta, shapes):
        """Sum of the Gaussians of all columns at the pixels used."""

        def spots(part):
            across, down = shapes[:, part, 0]
            height = (theta[part, INTENSITY, None] * down).astype(self.dtype)
            return height[:, :, None] * across[:, None]

        return self._placed(spots)

    def _placed(self, spots):
        """Sum at the pixels used of patches, which `spots` makes of some columns at a time."""
        self._canvas[0] = 0
        image = self._canvas[0].ravel()
        columns = self._canvas.shape[2]
        within = np.arange(self.size)[:, None] * columns + np.arange(self.size)
        corner = (self._first[:, 1] + self._margin) * columns + self._first[:, 0] + self._margin
        for part in _parts(self.n):
            values = spots(part).astype(self.dtype, copy=False)
            np.add.at(image, (corner[part, None, None] + within).ravel(), values.ravel())
        result = image[self._used]
        self._canvas[0] = 0
        return result

    def total(self, values):
        """Sum over the pixels that each column owns."""
        return np.bincount(self.owner, values, minlength=self.n)

    def sums(self, theta, shapes, of):
        """Sums of what was painted over the pixels of some columns, all others being known.

        Returns
        -------
        score : ndarray of shape (n, 5)
            Of the residuals times the derivatives of the model.
        information : ndarray of shape (n, 5, 5)
            Of the weights times their products.
        """
        score, information = np.zeros((len(of), 5)), np.zeros((len(of), 5, 5))
        for part in _parts(len(of)):
            these = of[part]
            (across, down), scale = shapes[:, these], _scale(theta[these])
            residuals, weights, owners = self._patches(self._first[these], self.size)
            score[part, :4] = _single(residuals, across, down) * scale
            information[part, :4, :4] = _double(weights, across, down, across, down)
            information[part, :4, :4] *= scale[:, :, None] * scale[:, None]
            cross = _single(weights * (owners == these[:, None, None]), across, down) * scale
            information[part, :4, BACKGROUND] = information[part, BACKGROUND, :4] = cross
        residual, weight = self._painted
        score[:, BACKGROUND] = self.total(residual)[of]
        information[:, BACKGROUND, BACKGROUND] = self.total(weight)[of]
        return score, information

    def shared(self, theta, shapes, pairs):
        """Sum of the painted weights times products of the derivatives of two neighbours: array (m, 5, 5).

        `pairs` says by number which of them are asked for; rows belong to the first of a pair.
        """
        m = len(pairs)
        result = np.zeros((m, 5, 5))
        padded = np.pad(shapes, ((0, 0), (0, 0), (0, 0), (self._shared, self._shared)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, self._shared, axis=3)
        for at in _parts(m):
            first, second = self.pairs[:, pairs[at]].astype(np.int32)
            middle = self._middle[pairs[at]]
            _, weights, owners = self._patches(middle, self._shared)
            # Both columns' factors on the patch between them.
            both = []
            for column in (first, second):
                shift = np.clip(middle - self._first[column], -self._shared, self.size) + self._shared
                both += [windows[i, column, :, shift[:, i]] for i in (X, Y)]
            scales = _scale(theta[first]), _scale(theta[second])
            result[at, :4, :4] = _double(weights, *both) * scales[0][:, :, None] * scales[1][:, None]
            in_first, in_second = (weights * (owners == column[:, None, None]) for column in (first, second))
            result[at, :4, BACKGROUND] = _single(in_second, *both[:2]) * scales[0]
            result[at, BACKGROUND, :4] = _single(in_first, *both[2:]) * scales[1]
        return result


def _squares(image, size):
    return np.lib.stride_tricks.sliding_window_view(image, (size, size))


def _parts(n):
    """Slices of 0 to n, each small enough for the processor's cache."""
    return [slice(i, min(i + _PART, n)) for i in range(0, n, _PART)]


def _scale(theta):
    """What the derivatives of g(x) g(y) are multiplied by."""
    n = theta[:, INTENSITY]
    return np.column_stack([n, n, np.ones_like(n), n])


def _single(weight, across, down):
    """Sum of weight times each derivative: array (n, 4)."""
    return (down @ weight @ across.transpose(0, 2, 1)).reshape(-1, 9) @ _SINGLE


def _double(weight, across, down, other_across, other_down):
    """Sum of weight times products of derivatives of one column and another: array (n, 4, 4)."""
    n, _, size = across.shape
    along_y = (down[:, :, None] * other_down[:, None]).reshape(n, 9, size)
    # The second factor of a matrix product is best laid out row by row.
    a, b = (np.ascontiguousarray(f.transpose(0, 2, 1)) for f in (across, other_across))
    along_x = (a[:, :, :, None] * b[:, :, None]).reshape(n, size, 9)
    return ((along_y @ weight @ along_x).reshape(n, 81) @ _DOUBLE).reshape(n, 4, 4)
