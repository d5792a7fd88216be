"""The maximum of the Poisson likelihood of many overlapping columns, by Fisher scoring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from atomlens.columns._gaussians import BACKGROUND, INTENSITY, SIGMA, X, Y
from atomlens.columns._joint import covariance, solve

# Steps this small, in standard errors, are convergence: what counts most are the positions.
_TOLERANCE = np.array([0.03, 0.03, 0.1, 0.1, 0.1])
# Largest step, in widths for a position and as a fraction for the width.
_LARGEST_MOVE, _LARGEST_STRETCH = 0.5, 0.25
# A width outside this range of the typical one is that of something else.
_NARROWEST, _WIDEST = 0.4, 2.5
# Below this fraction of columns that still move, the work goes on with those only.
_FEW = 0.5
# A handful is enough for most columns.
_ITERATIONS = 40
# Iterations after which the columns are roughly in place.
_SETTLED = 3
# After so many iterations, no more are spent on this fraction of the columns; of them, those whose steps are
# still so many times as large as the tolerance have not converged.
_PATIENCE, _STRAGGLERS, _UNSETTLED = 8, 0.01, 10
# The same where another climb will follow, and by what factor steps may be larger there.
_ROUGH_PATIENCE, _ROUGH_STRAGGLERS, _ROUGH = 4, 0.05, 3.0
# Neighbours closer than this, in widths, share so much that it is calculated anew in every iteration. Where
# they are as many as this fraction of the columns, all is, and counts are shared out before anything moves.
_CLOSE, _CROWD = 4.0, 0.25
# Added to the diagonal, as a fraction of it.
_RIDGE, _RIDGE_OF_CROWD = 1e-6, 1e-3
_DIAGONAL = np.arange(5)


@dataclass(frozen=True)
class Problem:
    """What stays as it is while the parameters change.

    Attributes
    ----------
    start : ndarray of shape (n, 2)
        Positions to return to.
    leash : ndarray of shape (n,)
        How far a column may move from there, in pixels.
    sigma, spread : float
        Typical width in pixels, and the relative standard deviation of the widths about it (0: unlimited).
    floor : float
        Lowest background, and lowest intensity.
    background : bool
        Whether the background is fitted.
    gain : float or None
        Counts an electron; estimated where None.
    slack : float
        By how much errors are larger than of white noise: steps need not be smaller than these deserve.
    """

    start: np.ndarray
    leash: np.ndarray
    sigma: float
    spread: float
    floor: float
    background: bool
    gain: float | None
    slack: float = 1.0


class Summit(NamedTuple):
    """Where the climb ended.

    Attributes
    ----------
    theta : ndarray of shape (n, 5)
    moving : ndarray of bool, shape (n,)
        Which columns had not yet come to rest.
    stopped : bool
        Whether it was called off.
    within : ndarray of shape (n, 5, 5)
        Fisher information of each column.
    between : ndarray of shape (m, 5, 5)
        What neighbours share of it.
    gain : float
        Counts an electron.
    expected : ndarray
        Of the pixels that the scene uses.
    """

    theta: np.ndarray
    moving: np.ndarray
    stopped: bool
    within: np.ndarray
    between: np.ndarray
    gain: float
    expected: np.ndarray


def maximise(scene, data, theta, failed, problem, *, until=None, rough=False):
    """Climb to the maximum of the joint likelihood.

    Only columns that still move are worked on; when none does, all are looked at once more, so that the
    end is a stationary point of all parameters together.

    Parameters
    ----------
    scene : Scene
    data : ndarray
        Counts of the pixels that the scene uses.
    theta : ndarray of shape (n, 5)
        Where to start.
    failed : ndarray of bool, shape (n,)
        Columns whose position and width are held.
    problem : Problem
    until : callable, optional
        Of theta: whether to stop after the first iterations.
    rough : bool
        Whether another climb follows, so that near the summit will do.

    Returns
    -------
    Summit
    """
    # Fisher scoring: step = information^-1 score, joint over neighbours, with a ridge that grows when a step
    # makes things worse (Levenberg and Marquardt), and a pace for each column that shrinks when it swings.
    # Most time goes into exponentials, so what hardly changes is kept: couplings of distant neighbours, and
    # whatever belongs to columns at rest.
    theta = theta.copy()
    n = len(theta)
    of = everything = np.arange(n)
    shapes = scene.factors(theta, of)
    spots = scene.render(theta, shapes)
    moving, stopped = np.ones(n, dtype=bool), False
    slack = problem.slack * (_ROUGH if rough else 1.0)
    patience, stragglers = (_ROUGH_PATIENCE, _ROUGH_STRAGGLERS) if rough else (_PATIENCE, _STRAGGLERS)
    couplings = np.zeros((scene.pairs.shape[1], 5, 5))
    close = np.hypot(*(theta[scene.pairs[0], :2] - theta[scene.pairs[1], :2]).T) < _CLOSE * problem.sigma
    crowd = close.sum() > _CROWD * n
    # Close neighbours exchange counts at no cost in likelihood: without a ridge they do so in huge steps.
    least_ridge = ridge = _RIDGE_OF_CROWD if close.any() else _RIDGE
    last, pace, gain = np.zeros((n, 5)), np.ones(n), 1.0
    misfit, kept = (np.inf, 0.0), theta.copy()  # of the last step that was an improvement
    information = np.zeros((n, 5, 5))
    for iteration in range(_ITERATIONS):
        expected = expect(scene, spots, theta, problem.floor)
        now = _misfit(data, expected, theta, problem)
        # In units of electrons, hence the gain; less than half a unit is let pass.
        if now[0] - misfit[0] + gain * (now[1] - misfit[1]) > 0.5 * gain:
            # The step was too bold: take it back, and be more careful.
            ridge, least_ridge, of = 10 * ridge, 3 * ridge, everything
            theta[:], last[:] = kept, 0
            shapes = scene.factors(theta, of)
            spots = scene.render(theta, shapes)
            continue
        misfit, kept = now, theta.copy()
        ridge = max(ridge / 3, least_ridge)
        weight = 1 / expected
        residual = data * weight - 1
        # Held from then on: if the weight of the prior kept changing, so would the summit.
        if iteration < _SETTLED:
            gain = problem.gain or dispersion(scene, residual, expected)
        scene.paint(residual, weight)
        score, within = scene.sums(theta, shapes, of)
        information[of] = within  # before prior and ridge come in: the errors are made of this
        pairs, chosen = _among(scene.pairs, of, n)
        # What columns further apart share is small, and the first estimate of it will do.
        renewed = np.flatnonzero(close[chosen] | crowd | (iteration == 0))
        between = scene.shared(theta, shapes, chosen[renewed])
        couplings[chosen[renewed]] = _correlation(between, within, pairs[:, renewed])
        between = _covariation(couplings[chosen], within, pairs)
        score[:, SIGMA] -= stiffness(gain, problem) * (theta[of, SIGMA] - problem.sigma)
        within[:, SIGMA, SIGMA] += stiffness(gain, problem)
        # Where counts are few, the observed information on the background can far exceed the expected one.
        observed = scene.total(np.maximum(data, 0) * weight**2)[of]
        within[:, BACKGROUND, BACKGROUND] = np.maximum(within[:, BACKGROUND, BACKGROUND], observed)
        # A background at its floor that wants to sink is known, not fitted, or it would drag others along.
        pressed = (theta[of, BACKGROUND] <= problem.floor) & (score[:, BACKGROUND] < 0)
        # In a crowd counts are shared out first: from the start, all would seem to be in the wrong place.
        shared_out = crowd and iteration == 0
        held = failed[of] | shared_out
        free = free_parameters(held, problem.background & ~pressed)
        within, between = restrict(within, between, pairs, free)
        within[:, _DIAGONAL, _DIAGONAL] *= 1 + ridge
        # A rough solution will do: the next step corrects its error.
        step = solve(within, between, pairs, np.where(free, score, 0), rtol=0.01)
        scale = _scale(within)
        pace[of] = _pace(pace[of], step * scale, last[of])
        before = theta[of]
        after = _stepped(before, pace[of, None] * step, of, problem)
        last[of] = (after - before) * scale  # in standard errors, had each parameter been alone
        # Columns at rest are stirred a little by their neighbours' last steps: that is let pass.
        small = _TOLERANCE * np.sqrt(gain) * slack * (2 if of.size == n else 1)
        moving[of] = (np.abs(last[of]) > small).any(axis=1)
        theta[of] = after
        if of.size == n and not moving.any() and not shared_out:
            break  # found at rest when all were looked at: a stationary point
        if iteration >= patience and moving.sum() <= stragglers * n:
            break
        shapes[:, of] = scene.factors(theta, of)
        spots = scene.render(theta, shapes)
        stopped = iteration >= _SETTLED - 1 and until is not None and until(theta)
        if stopped:
            break
        # When none moves any more, all are looked at once again: their neighbours may have moved since.
        of = np.flatnonzero(moving) if 0 < moving.sum() < _FEW * n else everything
    moving = (np.abs(last) > _UNSETTLED * _TOLERANCE * np.sqrt(gain) * problem.slack).any(axis=1)
    between = _covariation(couplings, information, scene.pairs)
    gain = problem.gain or dispersion(scene, residual, expected)
    return Summit(theta, moving, stopped, information, between, gain, expected)


def standard_errors(within, between, pairs, free, gain):
    """Square root of the diagonal of the inverse joint information: array (n, 5), NaN where it is singular.

    Parameters
    ----------
    within, between, pairs
        Information of the columns and of pairs of them.
    free : ndarray of bool, shape (n, 5)
        Parameters that are estimated, not known.
    gain : float
        Counts an electron.
    """
    known = free & (within[:, _DIAGONAL, _DIAGONAL] > 0)
    variance = covariance(*restrict(within, between, pairs, free), pairs)[:, _DIAGONAL, _DIAGONAL]
    return np.sqrt(np.where(known & (variance > 0), gain * variance, np.nan))


def expect(scene, spots, theta, floor):
    """Counts that the model expects at the pixels used."""
    background = theta[:, BACKGROUND].astype(scene.dtype)[scene.owner] + scene.slopes
    return np.maximum(spots + scene.unround + background, floor)


def _misfit(data, expected, theta, problem):
    """Negative logarithm of the likelihood for counts of gain 1, and of that of the widths."""
    counts = float((expected - data * np.log(expected)).sum(dtype=float))
    return counts, 0.5 * stiffness(1.0, problem) * float(((theta[:, SIGMA] - problem.sigma) ** 2).sum())


def stiffness(gain, problem):
    """Information that the typical width brings on each."""
    return gain / (problem.spread * problem.sigma) ** 2 if problem.spread else 0.0


def free_parameters(failed, background):
    """Which parameters are fitted: array of bool (n, 5). A failed column keeps its place and width."""
    free = np.ones((failed.size, 5), dtype=bool)
    free[:, [X, Y, SIGMA]] = ~failed[:, None]
    free[:, BACKGROUND] = background
    return free


def restrict(within, between, pairs, free):
    """Information on the free parameters; the others get a unit diagonal and no coupling."""
    f = free.astype(float)
    within = within * f[:, :, None] * f[:, None]
    # The ridge keeps columns at one and the same place from a singular matrix.
    diagonal = within[:, _DIAGONAL, _DIAGONAL]
    within[:, _DIAGONAL, _DIAGONAL] = np.where(free & (diagonal > 0), diagonal * (1 + _RIDGE), 1)
    first, second = pairs
    return within, between * f[first][:, :, None] * f[second][:, None]


def dispersion(scene, residual, expected):
    """Counts an electron, from the scatter of the residuals about the model.

    Pearson's statistic per degree of freedom with Fletcher's correction for sparse counts, over the pixels
    of all columns but those (hot pixels, something else than a column) that scatter far more than the rest.
    """
    pixels = scene.total(np.ones_like(residual))
    freedom = np.maximum(pixels - 5, 0)
    squares = scene.total(residual**2 * expected)
    excess = scene.total(residual)
    ratio = np.divide(squares, freedom, out=np.full(pixels.size, np.nan), where=freedom > 0)
    ratio /= np.maximum(1 + excess / np.maximum(pixels, 1), 0.1)
    usual = np.nanmedian(ratio) if np.isfinite(ratio).any() else 1.0
    kept = ratio <= usual * (1 + 8 * np.sqrt(2 / np.maximum(freedom, 1)))
    if not kept.any():
        return 1.0
    gain = squares[kept].sum() / freedom[kept].sum() / (1 + excess[kept].sum() / pixels[kept].sum())
    return float(gain) if gain > 0 else 1.0


def _scale(within):
    return np.sqrt(within[:, _DIAGONAL, _DIAGONAL])


def _correlation(between, within, pairs):
    """Coupling in units of both diagonals: it changes little while the columns move into place."""
    scale = np.maximum(_scale(within), np.finfo(float).tiny)
    return between / scale[pairs[0]][:, :, None] / scale[pairs[1]][:, None]


def _covariation(correlation, within, pairs):
    scale = _scale(within)
    return correlation * scale[pairs[0]][:, :, None] * scale[pairs[1]][:, None]


def _among(pairs, of, n):
    """Pairs of which both are worked on, renumbered, and which of all they are."""
    number = np.full(n, -1)
    number[of] = np.arange(of.size)
    renumbered = number[pairs]
    chosen = np.flatnonzero((renumbered >= 0).all(axis=0))
    return renumbered[:, chosen], chosen


def _pace(pace, step, last):
    """Fraction of the step to take: less where it goes back on the last one, which was too long then."""
    along = (step * last).sum(axis=1) / np.maximum((last**2).sum(axis=1), np.finfo(float).tiny)
    return np.where(along < -0.1, pace / (1 - np.maximum(along, -1)), np.sqrt(pace))


def _stepped(theta, step, of, problem):
    """Parameters after the step, held to a length where the model is nearly linear, and to limits."""
    sigma = theta[:, SIGMA, None]
    after = theta + step
    shift = np.clip(step[:, [X, Y]], -_LARGEST_MOVE * sigma, _LARGEST_MOVE * sigma)
    away = theta[:, [X, Y]] + shift - problem.start[of]
    leash = problem.leash[of] / np.maximum(np.hypot(*away.T), problem.leash[of])
    after[:, [X, Y]] = problem.start[of] + away * leash[:, None]
    for parameter, fall, rise in ((SIGMA, 1 - _LARGEST_STRETCH, 1 + _LARGEST_STRETCH), (INTENSITY, 0.3, 4.0)):
        value = theta[:, parameter]
        after[:, parameter] = np.clip(after[:, parameter], fall * value, rise * value)
    after[:, SIGMA] = np.clip(after[:, SIGMA], _NARROWEST * problem.sigma, _WIDEST * problem.sigma)
    after[:, [INTENSITY, BACKGROUND]] = np.maximum(after[:, [INTENSITY, BACKGROUND]], problem.floor)
    return after


def astray(theta, problem):
    """Which columns are where they would not stay: at the end of their leash, or at a limit of the width."""
    away = np.hypot(*(theta[:, [X, Y]] - problem.start).T)
    width = theta[:, SIGMA] / problem.sigma
    return (away > 0.999 * problem.leash) | (width < 1.001 * _NARROWEST) | (width > 0.999 * _WIDEST)
