"""Electrons that each column of a noise-free image holds: Gaussians of one width, and a background."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar, nnls
from scipy.spatial import cKDTree
from scipy.special import ndtr


def fitted_electrons(image, x, y, weight, merge):
    """Fit a Gaussian of common width at every column, and a constant background, without negative parts.

    Parameters
    ----------
    image : ndarray of shape (H, W)
        Expected electrons.
    x, y : ndarray of shape (N,)
        Centres in pixels; they are not fitted.
    weight : ndarray of shape (N,)
        How columns less than `merge` pixels apart share one Gaussian, which stands at the heaviest of them.
    merge : float

    Returns
    -------
    electrons : ndarray of shape (N,)
        0 for columns out of reach of the image.
    background : float
        Electrons a pixel.
    sigma : float
        In pixels, of the Gaussian before its integration over the pixels.
    """
    leader = _leaders(np.column_stack([x, y]), weight, merge)
    leading = np.flatnonzero(leader == np.arange(len(x)))
    spacing = np.sqrt(image.size / max(len(leading), 1))

    def problem(sigma):
        near = leading[
            (x[leading] > -2 * sigma)
            & (x[leading] < image.shape[1] - 1 + 2 * sigma)
            & (y[leading] > -2 * sigma)
            & (y[leading] < image.shape[0] - 1 + 2 * sigma)
        ]
        return near, *_normal_equations(image, x[near], y[near], sigma)

    def misfit(sigma):
        _, gram, right = problem(sigma)
        return -right @ np.linalg.lstsq(gram, right, rcond=1e-10)[0]

    sigma = minimize_scalar(misfit, bounds=(0.5, max(spacing, 1.0)), method="bounded").x
    near, gram, right = problem(sigma)
    # Non-negative least squares of the image, by way of a square root of the normal equations.
    values, vectors = np.linalg.eigh(gram)
    keep = values > 1e-12 * values[-1]
    root = np.sqrt(values[keep])[:, None] * vectors[:, keep].T
    fitted = nnls(root, (vectors[:, keep].T @ right) / np.sqrt(values[keep]))[0]
    held = np.zeros(len(x))
    held[near] = fitted[:-1]
    together = np.bincount(leader, weight, len(x))[leader]
    share = np.divide(weight, together, out=np.zeros(len(x)), where=together > 0)
    return held[leader] * share, float(fitted[-1]), float(sigma)


def _normal_equations(image, x, y, sigma):
    """Gram matrix and right-hand side for Gaussians of total 1 and, last, a constant of 1.

    A Gaussian over pixels is an outer product, so sums over the image are products of sums over its sides.
    """
    along_x, along_y = (
        ndtr((np.arange(n) + 0.5 - centre[:, None]) / sigma)
        - ndtr((np.arange(n) - 0.5 - centre[:, None]) / sigma)
        for n, centre in ((image.shape[1], x), (image.shape[0], y))
    )
    along_x = np.vstack([along_x, np.ones(image.shape[1])])
    along_y = np.vstack([along_y, np.ones(image.shape[0])])
    return (along_x @ along_x.T) * (along_y @ along_y.T), ((along_y @ image) * along_x).sum(axis=1)


def _leaders(points, weight, distance):
    """For every point the heaviest one within a distance that is not led itself."""
    leader = np.full(len(points), -1)
    near = cKDTree(points).query_ball_point(points, distance)
    for i in np.argsort(-weight, kind="stable"):
        if leader[i] < 0:
            free = np.array(near[i])
            leader[free[leader[free] < 0]] = i
    return leader
