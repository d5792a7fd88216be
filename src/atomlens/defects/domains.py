"""Domains of an image: grains, twins and phases, by clustering the Patterson functions of its windows."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr
from scipy.ndimage import map_coordinates, minimum_filter, uniform_filter
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from atomlens._doubts import quietly, warn
from atomlens._gap import Fold, gap_p_values
from atomlens._image import prepare
from atomlens._types import Any, ArrayLike
from atomlens.lattice import NotPeriodicError, estimate
from atomlens.patterson import patterson, tapered_size
from atomlens.windows import flatten, sliding_windows

__all__ = ["segment_domains"]

_STEPS = 8  # windows along a window
_SMALLEST = 8  # pixels, side of a window
_MOST = 15000  # windows
_BATCH = 1 << 24  # pixels
_COMPONENTS = 10
_COVERED = 0.9  # of a window that must show the specimen
_WIDEST_WALL = 1.25  # windows
_PURE = 0.25  # of the windows of a domain, those that reach over no border
_APART = 4.0  # standard deviations of the noise between domains
# Twins and grains repeat as strongly as each other, within a tenth (zirconia, CdTe, graphene; 20 electrons a
# column and more); what does so less is asked for a lattice. Vacuum beside a particle is at .02 to .85.
_AS_STRONG = 0.9


def segment_domains(
    image: ArrayLike,
    n_domains: int | None = None,
    *,
    size: int | tuple[int, ...] | None = None,
    max_domains: int = 6,
    alpha: float = 0.01,
    mask: ArrayLike | None = None,
    random_state: int = 0,
) -> Any:
    """Divide an image into domains: grains, twins, phases.

    The Patterson functions of tapered windows are clustered. One cluster is divided in two as long as a
    valley in the density lies between the halves, and their difference is larger than the noise.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    n_domains : int, optional
        Number of domains; chosen by the image without it. A warning says where so many are not to be had.
    size : int or tuple of int, optional
        (height, width) of the windows in pixels; the smallest that the lattice allows without it (see
        `atomlens.patterson.tapered_size`).
    max_domains : int
        Where the number is chosen.
    alpha : float
        Level of the test for a valley (Hartigan's dip, on windows that overlap by half, not used for the
        direction).
    mask : array_like of bool, shape (H, W), optional
        True for pixels to leave out. Without it, padding and a burnt-in scale bar are.
    random_state : int

    Returns
    -------
    DataArray of int, dims (y, x), shape of the image
        Domain of every pixel, 0 the largest, -1 for what was left out; without `n_domains` also where
        nothing repeats: vacuum, and what is amorphous. ``attrs``: ``n_domains``, ``window`` (height, width
        in pixels), ``doubts``.

    Raises
    ------
    NotPeriodicError
        If neither the image nor a quarter of it has a lattice.
    ValueError
        If the image is unusable, the windows do not fit into it twice, or an option is out of range.

    Notes
    -----
    The Patterson function does not change under inversion, so inversion twins are one domain, by theory. It
    is not invariant under rotation, so grains differ. Domains narrower than a window are not seen, and a
    border is known to half a window at best where the lattices differ little.

    What it withstands is measured by `benchmarks/wild_truth.py`, see `data/results/wild_truth.csv`.

    References
    ----------
    Guo et al., npj Comput. Mater. 7, 180 (2021), show domains beside a twin boundary; windows and clustering
    here are our reconstruction. Hartigan and Hartigan, Ann. Stat. 13, 70 (1985), for the dip.

    Examples
    --------
    >>> from atomlens import simulate
    >>> twin = simulate.image(simulate.structures.zirconia((7, 7), twin=True), electrons=200, random_state=0)
    >>> domains = segment_domains(twin.data)
    >>> domains.attrs["n_domains"], domains.shape
    (2, (350, 350))
    """
    prepared = prepare(image, smallest=32, clean=True, mask=mask)
    pixels = prepared.pixels
    for name, value, least in (("n_domains", n_domains, 1), ("max_domains", max_domains, 1)):
        if value is not None and (not isinstance(value, int | np.integer) or value < least):
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    if not (np.isscalar(alpha) and np.isreal(alpha) and 0 < alpha < 1):
        raise ValueError(f"alpha is a probability, above 0 and below 1, got {alpha!r}")
    if size is None:
        with quietly():  # several grains are what is looked for
            size = tapered_size(_some_lattice(pixels, ~prepared.usable))
    else:
        size = _as_size(size)
    if min(n - s for n, s in zip(pixels.shape, size, strict=True)) < max(size) / 2:
        raise ValueError(
            f"windows of {size[0]} x {size[1]} pixels hardly fit into {pixels.shape[0]} x {pixels.shape[1]}: "
            "take a larger field of view, or a smaller `size`"
        )
    features, nothing, step = _features(
        ((pixels - np.median(pixels)) / pixels.std()).astype(np.float32), size, random_state
    )
    seen = sliding_windows(prepared.usable, size, step=step).mean(axis=(2, 3)) >= _COVERED
    if not seen.any():
        raise ValueError(
            f"no window of {size[0]} x {size[1]} pixels fits beside what was left out: take a smaller `size`"
        )
    labels = _divided(features, seen, max(1, max(size) // step), n_domains, max_domains, alpha, random_state)
    whole = _to_pixels(labels, pixels.shape, size, step)
    crystal = prepared.usable
    if n_domains is None:
        crystal = crystal & ~_without_lattice(pixels, whole, crystal, features - nothing, labels)
    order = np.argsort(-np.bincount(whole[crystal], minlength=labels.max() + 1), kind="stable")
    whole = np.where(crystal, np.argsort(order)[whole], -1)
    warn(prepared.doubts)
    if n_domains is not None and whole.max() + 1 < n_domains:
        warnings.warn(
            f"{whole.max() + 1} of the {n_domains} domains asked for were found: a further division would be "
            "smaller than a window, or no larger than the noise",
            stacklevel=2,
        )
    coords = image.coords if isinstance(image, xr.DataArray) else None
    attrs = {
        "n_domains": int(whole.max()) + 1,
        "window": tuple(int(n) for n in size),
        "doubts": prepared.doubts,
        "long_name": "domain",
    }
    return xr.DataArray(whole, coords, ("y", "x"), name="domain", attrs=attrs)


def _as_size(size):
    """Height and width of a window."""
    pair = (size, size) if np.ndim(size) == 0 else tuple(size)
    if len(pair) != 2 or not all(isinstance(n, int | np.integer) and n >= _SMALLEST for n in pair):
        raise ValueError(
            f"size is (height, width), or one number for both, in whole pixels of at least {_SMALLEST}; "
            f"got {size!r}"
        )
    return int(pair[0]), int(pair[1])


def _some_lattice(pixels, mask):
    """Lattice of the image; or of the quarter that is the most regular, where grains meet."""
    whole = estimate(pixels, mask=mask)
    if whole.periodic:
        return whole
    rows, columns = (n // 2 for n in pixels.shape)
    quarters = [
        estimate(pixels[y : y + rows, x : x + columns], mask=mask[y : y + rows, x : x + columns])
        for y in (0, rows)
        for x in (0, columns)
        if min(rows, columns) >= 32 and mask[y : y + rows, x : x + columns].mean() < 0.5
    ]
    best = max(quarters, key=lambda q: (q.periodic, q.confidence), default=whole)
    if not best.periodic:
        raise NotPeriodicError(
            "no lattice was found, neither in the image nor in a quarter of it: there are no crystalline "
            "domains, or they are too small; give `size` if you know the period"
        )
    return best


def _features(pixels, size, seed):
    """Principal components of the Patterson functions, shape (rows, columns, n); and the step in pixels.

    Between them stands where nothing repeats: the components of a function that is zero.
    """
    flat = flatten(pixels, length=max(size))
    area = np.prod([n - s + 1 for n, s in zip(pixels.shape, size, strict=True)])
    step = max(1, min(size) // _STEPS, int(np.ceil(np.sqrt(area / _MOST))))
    grid = sliding_windows(flat, size, step=step)
    count = grid.shape[0] * grid.shape[1]
    per_batch = max(1, _BATCH // int(np.prod(size)))
    blank = min(size) / 24  # where the noise stands
    rng = np.random.default_rng(seed)

    def functions(chosen):
        found = patterson(grid[np.unravel_index(chosen, grid.shape[:2])], taper="hann", blank_center=blank)
        return found.reshape(len(chosen), -1)

    sample = np.sort(rng.choice(count, min(count, 3000), replace=False))
    n = min(_COMPONENTS, len(sample) - 1)
    pca = PCA(n, svd_solver="randomized", random_state=seed).fit(functions(sample))
    rows = [
        pca.transform(functions(np.arange(a, min(a + per_batch, count)))) for a in range(0, count, per_batch)
    ]
    nothing = pca.transform(np.zeros((1, pca.n_features_in_), np.float32))[0]
    return np.concatenate(rows).reshape(*grid.shape[:2], n), nothing, step


def _divided(features, seen, width, n_domains, max_domains, alpha, seed):
    """Labels (rows, columns) of the windows; `width` windows lie along a window."""
    labels = np.where(seen, 0, -1)
    closed = set()
    while labels.max() + 1 < (n_domains or max_domains):
        candidates = []
        for label in set(range(labels.max() + 1)) - closed:
            split = _halves(features, labels == label, width, seed)
            if split is None or (n_domains is None and not split[0] < alpha):
                closed.add(label)
            else:
                candidates.append((split[0], -split[1], label, split[2]))
        if not candidates:
            break
        _, _, label, second = min(candidates, key=lambda c: c[:3])
        labels[second] = labels.max() + 1
    return labels


def _halves(features, mask, width, seed):
    """p-value of a valley between the halves of a domain, their distance, and the windows of the second.

    None where the halves are too small, or no further apart than noise.
    """
    # Windows that reach over a border are between two domains, not a third one.
    core = minimum_filter(mask, width, mode="constant", cval=1) if mask.any() else mask
    if core.sum() < 4 * width:
        return None
    machine = KMeans(2, n_init=3, random_state=seed).fit(features[core])
    label = machine.predict(features.reshape(-1, features.shape[2])).reshape(mask.shape)
    if np.ptp(label[core]) == 0:  # all windows are alike
        return None
    axis, middle = _between(features[core], label[core])
    along = features @ axis
    beyond = along > middle
    second = mask & (uniform_filter(np.where(mask, beyond, 0.5).astype(float), max(3, width // 2)) > 0.5)
    # A wall between domains fills windows as well, but no region wider than one.
    wide = int(np.ceil(_WIDEST_WALL * width))
    if not all(
        minimum_filter(half, wide, mode="constant", cval=1).any() for half in (second, mask & ~second)
    ):
        return None
    noise = _noise(along, core, width)
    one, two = machine.cluster_centers_
    distance = np.linalg.norm(two - one) / max(noise, 1e-12)
    if distance < _APART:
        return None
    # Windows half a window apart, in blocks that take turns at learning and testing
    thin = np.zeros_like(mask)
    thin[:: max(1, width // 2), :: max(1, width // 2)] = True
    rows, columns = np.indices(mask.shape) // (2 * width)
    parity = (rows + columns) % 2
    folds = []
    for side in (0, 1):
        train, test = core & (parity == side), core & thin & (parity != side)
        folds.append(
            Fold(features[train], label[train], features[test], label[test], machine.cluster_centers_)
        )
    p = gap_p_values(folds, fisher=False)[0, 1]
    return float(p), float(distance), second


def _between(features, label):
    """Direction from one half of the windows to the other, and where along it a window shows as much of both.

    Not from mean to mean: most windows of a small domain reach over its border, so its mean lies on the way
    to the other one, and aside, since mixed windows are no mean of pure ones. The purest windows of each
    tell where the ends are.
    """
    one, two = (features[label == k].mean(axis=0) for k in (0, 1))
    along = features @ (two - one)
    ends = np.quantile(along[label == 0], _PURE), np.quantile(along[label == 1], 1 - _PURE)
    one, two = (features[(label == 0) & (along <= ends[0])], features[(label == 1) & (along >= ends[1])])
    one, two = one.mean(axis=0), two.mean(axis=0)
    axis = (two - one) / max(np.linalg.norm(two - one), 1e-12)
    return axis, axis @ (one + two) / 2


def _noise(values, core, width):
    """Scatter between windows that do not overlap, most of which are of the same domain."""
    differences = []
    for axis in (0, 1):
        ahead = [slice(None)] * 2
        behind = [slice(None)] * 2
        ahead[axis], behind[axis] = slice(width, None), slice(None, -width)
        both = core[tuple(ahead)] & core[tuple(behind)]
        differences.append(np.abs(values[tuple(ahead)] - values[tuple(behind)])[both])
    differences = np.concatenate(differences)
    return 1.4826 * np.median(differences) / np.sqrt(2) if differences.size else 0.0


def _without_lattice(pixels, whole, usable, features, labels):
    """Where a domain is none: it repeats less than another, and has no lattice."""
    strength = np.array([np.linalg.norm(features[labels == k].mean(axis=0)) for k in range(labels.max() + 1)])
    away = np.zeros_like(usable)
    for label in np.flatnonzero(strength < _AS_STRONG * strength.max()):
        inside = usable & (whole == label)
        if inside.any():
            box = tuple(slice(at.min(), at.max() + 1) for at in np.nonzero(inside))
            away |= inside & (not _may_be_crystal(pixels[box], inside[box]))
    return away


def _may_be_crystal(pixels, inside):
    """Whether a lattice is found, or there is too little to tell."""
    if np.ptp(pixels[inside]) == 0:
        return False
    try:
        with quietly():
            return estimate(pixels, mask=~inside).periodic
    except ValueError:
        return True


def _to_pixels(labels, shape, size, step):
    """Domain of every pixel: the label with most weight around it."""
    at = np.meshgrid(
        *((np.arange(n) - (s - 1) / 2) / step for n, s in zip(shape, size, strict=True)), indexing="ij"
    )
    best, whole = np.full(shape, -1.0), np.zeros(shape, int)
    for label in range(labels.max() + 1):
        weight = map_coordinates((labels == label).astype(np.float32), at, order=1, mode="nearest")
        whole[weight > best] = label
        best = np.maximum(best, weight)
    return whole
