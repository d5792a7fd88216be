"""Whether particles are free: the exponent of their motion, and springs that bind them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize
from scipy.stats import chi2
from scipy.stats import t as student

from atomlens._doubts import inherited, repeated
from atomlens._types import DataFrame
from atomlens.dynamics._steps import Steps
from atomlens.dynamics.tracks import tell

__all__ = ["Motion", "motion"]

_FEWEST = 30  # steps, below which an exponent is not worth its name
_PIECES = 400  # of tracks that are used at most
_NODES = 8  # of the integral over an exposure
_ALPHA = 0.05
_QUIET = -7.0  # log of the noise (variance) over a first step, below which it is none
_LEAST, _MOST = 0.02, 1.98  # exponents looked at


@dataclass(frozen=True, eq=False)
class Motion:
    """How particles move.

    Attributes
    ----------
    exponent : float
        Of the mean-square displacement as a power of time: 1 for free particles. NaN if nothing is known.
    exponent_interval : tuple of float
        (0, 2) if nothing is known.
    verdict : str
        "free", "confined" or "unknown".
    p_free : float
        Probability of so much evidence for a spring where particles are free.
    trap : float
        Standard deviation along an axis in the spring that fits best, in nm (pixels without calibration);
        infinite without one.
    n_steps : int
    level : float
    doubts : list of str
    """

    exponent: float
    exponent_interval: tuple[float, float]
    verdict: str
    p_free: float
    trap: float
    n_steps: int
    level: float
    doubts: list[str] = field(default_factory=list)

    def __repr__(self):
        low, high = self.exponent_interval
        return (
            f"<Motion {self.verdict} (p = {self.p_free:.3g}): exponent {self.exponent:.2f} ({low:.2f} to "
            f"{high:.2f}, {self.level:.0%}), trap {self.trap:.3g}; {self.n_steps} steps>"
            f"{repeated(self.doubts)}"
        )


def motion(
    tracks: DataFrame,
    *,
    dt: float | None = None,
    exposure: float = 0.0,
    window: int = 48,
    level: float = 0.95,
    random_state: int = 0,
) -> Motion:
    """Test whether particles are free, and estimate the exponent of their mean-square displacement.

    Three models of the same kind, each with noise of the places, are fitted by their exact likelihood:
    Brownian motion, fractional Brownian motion (exponent), and Brownian motion bound by a spring.

    Parameters
    ----------
    tracks : DataFrame
        ``frame``, ``particle``, ``x``, ``y`` and, if calibrated, ``x_nm``, ``y_nm``; without drift.
    dt : float, optional
        Time from frame to frame in s.
    exposure : float
        Time over which a frame averages places, in s (frames without `dt`).
    window : int
        Frames; longer tracks are cut into pieces of so many. A trap that takes longer to be felt is missed.
    level : float
        Of the interval.
    random_state : int
        Of the choice of pieces, where there are more than 400.

    Returns
    -------
    Motion
        "confined" if p < 0.05.

    Raises
    ------
    ValueError
        If a column is missing, or an option is impossible.

    Notes
    -----
    The likelihood ratio of the spring has half a chi-square distribution, as a spring constant is not
    negative; where pieces of tracks scatter more than the model says, it is divided by that (as is the
    interval of the exponent widened).

    References
    ----------
    Self and Liang, J. Am. Stat. Assoc. 82, 605 (1987), for a parameter at its limit; Backlund, Joyner and
    Moerner, Phys. Rev. E 91, 062716 (2015), for exposures.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.movies.tracks(20, n_frames=60, diffusion=2e-3, trap=0.05)
    >>> motion(sample.truth).verdict
    'confined'
    """
    step = 1.0 if dt is None else dt
    if not 0 < step < np.inf:
        raise ValueError(f"dt must be a positive time in s, got {dt!r}")
    if not 0 <= exposure <= step:
        raise ValueError(f"exposure must lie between 0 and the time of a frame, {step:g}; got {exposure!r}")
    if not (isinstance(window, int | np.integer) and window >= 4):
        raise ValueError(f"window is a whole number of frames, 4 or more; got {window!r}")
    if not 0 < level < 1:
        raise ValueError(f"level lies between 0 and 1, got {level!r}")
    steps, messages = Steps.of(tracks), inherited(tracks)
    frame = {"n_steps": len(steps), "level": level}
    if len(steps) < _FEWEST or steps.pairs < _FEWEST / 2 or steps.still:
        messages.append(
            f"{len(steps)} steps do not tell how particles move: record longer, or link with more memory"
        )
        tell(messages, tracks)
        return Motion(np.nan, (0.0, 2.0), "unknown", np.nan, np.nan, **frame, doubts=messages)
    pieces = _Pieces(steps, window, exposure / step, np.random.default_rng(random_state))
    brown = pieces.fit(_free, [-1.0])
    power = pieces.fit(_fractional, [-1.0, 0.0])
    spring = min((pieces.fit(_bound, [brown.best[0], k]) for k in (-3.0, 0.0)), key=lambda f: f.deviance)
    exponent, error = pieces.error_of_last(_fractional, power.best)
    z = student.ppf((1 + level) / 2, max(len(pieces.there) - 1, 1))
    interval = (max(exponent - z * error, 0.0), min(exponent + z * error, 2.0))
    gain = max(brown.deviance - spring.deviance, 0.0)
    p = float(chi2.sf(gain / pieces.inflation(_free, brown.best), 1) / 2) if gain > 1e-6 else 1.0
    trap = pieces.trap(spring.best) if gain > 1e-6 else np.inf
    verdict = "confined" if p < _ALPHA else "free"
    if verdict == "free" and not interval[0] <= 1 <= interval[1]:
        messages.append(
            "the exponent differs from 1, but no spring explains it: look for drift (above 1), or for "
            "particles that differ from each other"
        )
    tell(messages, tracks)
    return Motion(exponent, interval, verdict, p, float(trap), **frame, doubts=messages)


# Mean-square displacements along an axis, over that of a first step, as functions of the lag.
def _free(lag, _):
    return lag


def _exponent(parameter):
    return _LEAST + (_MOST - _LEAST) / (1 + np.exp(-parameter))


def _fractional(lag, parameters):
    return lag ** _exponent(parameters[0])


def _bound(lag, parameters):
    rate = np.exp(np.clip(parameters[0], -12, 5))
    return -np.expm1(-rate * lag) / -np.expm1(-rate)


@dataclass(frozen=True)
class _Fit:
    best: np.ndarray
    deviance: float


class _Pieces:
    """Steps of tracks in pieces of equal size, and their likelihood for a mean-square displacement.

    The covariance of two steps follows from mean-square displacements alone, of the four times between their
    ends. Noise is its constant part. The scale of all is known once the rest is.
    """

    def __init__(self, steps, window, exposure, rng):
        self.exposure = exposure
        start = steps.frame - steps.frame[np.flatnonzero(~steps.joined)][steps.track]
        piece = np.unique(np.stack([steps.track, start // window]), axis=1, return_inverse=True)[1].ravel()
        count = np.bincount(piece)
        chosen = np.flatnonzero(count > 1)
        if len(chosen) > _PIECES:
            chosen = np.sort(rng.choice(chosen, _PIECES, replace=False))
        rank = np.full(len(count), -1)
        rank[chosen] = np.arange(len(chosen))
        kept = rank[piece] >= 0
        row = rank[piece][kept]
        place = np.arange(len(piece))[kept] - (np.cumsum(count) - count)[piece][kept]
        size = int(count[chosen].max(initial=1))
        begin, end = np.zeros((2, len(chosen), size), dtype=int)
        moved = np.zeros((len(chosen), size, 2))
        self.there = np.zeros((len(chosen), size), dtype=bool)
        moved[row, place] = (steps.moved / np.sqrt(1 - steps.share)[:, None])[kept]
        begin[row, place], end[row, place] = start[kept], (start + steps.lag)[kept]
        self.there[row, place] = True
        # In units of a usual step, so that numbers are near 1
        self.scale = float(np.sqrt((moved**2).mean()))
        moved /= self.scale
        self.n = 2 * kept.sum()
        # What lags the covariance of each pair of steps is made of
        between = lambda a, b: np.abs(a[:, :, None] - b[:, None, :])  # noqa: E731
        self.lags = [between(begin, end), between(end, begin), between(begin, begin), between(end, end)]
        self.longest = int(max(lag.max(initial=1) for lag in self.lags))
        self.both = self.there[:, :, None] & self.there[:, None, :]
        self.one = np.eye(size)
        self.frame = np.zeros((len(chosen), size + 2, size + 2))
        self.frame[:, size:, :size] = moved.transpose(0, 2, 1)
        # Anything that is larger than the squares of the steps over their variance
        self.frame[:, [size, size + 1], [size, size + 1]] = 1e6 * (1 + (moved**2).sum())

    def _table(self, law, parameters):
        """Mean-square displacement by lag (frames), means over the exposure."""
        lag = np.arange(self.longest + 1.0)
        if not self.exposure:
            return np.append(0.0, law(lag[1:], parameters))
        # Of two exposures, times differ by the lag and a triangle around it.
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        u = (nodes + 1) / 2
        w = weights * (1 - u) / 2
        near = (w * law(self.exposure * u, parameters)).sum() * 2
        apart = lag[:, None] + self.exposure * np.concatenate([u, -u])
        table = (np.concatenate([w, w]) * law(np.abs(apart), parameters)).sum(axis=1) - near
        table[0] = 0
        return table

    def _terms(self, law, parameters):
        """Of every piece: log determinant (both axes) and square, but for the scale."""
        noise, *rest = parameters
        table = self._table(law, rest)
        table[1:] += 2 * np.exp(np.clip(noise, _QUIET, 20))
        a, b, c, d = (table[lag] for lag in self.lags)
        size = self.one.shape[0]
        # Cholesky's factor of a matrix that has the steps as its last rows solves for them on the way.
        whole = self.frame.copy()
        whole[:, :size, :size] = np.where(self.both, (a + b - c - d) / 2, self.one)
        factor = np.linalg.cholesky(whole)
        logs = 4 * np.log(np.diagonal(factor[:, :size, :size], axis1=1, axis2=2)).sum(axis=1)
        return logs, (factor[:, size:, :size] ** 2).sum(axis=(1, 2))

    def deviance(self, law, parameters):
        """-2 log likelihood at the scale that fits best."""
        try:
            logs, squares = self._terms(law, parameters)
        except np.linalg.LinAlgError:
            return 1e300
        return float(logs.sum() + self.n * np.log(squares.sum() / self.n) + self.n)

    def fit(self, law, start):
        """Parameters (log of the noise over the first step, then those of the law) and deviance."""
        options = {"xatol": 2e-2, "fatol": 1e-2, "maxfev": 60 * len(start)}
        # Not from where the noise is none: nothing changes there any more.
        start = [max(start[0], _QUIET / 2), *start[1:]]
        simplex = np.array([start] + [np.add(start, 0.7 * row) for row in np.eye(len(start))])
        found = minimize(
            lambda p: self.deviance(law, p),
            start,
            method="Nelder-Mead",
            options=options | {"initial_simplex": simplex},
        )
        return _Fit(found.x, float(found.fun))

    def _by_piece(self, law, parameters, scale):
        logs, squares = self._terms(law, parameters)
        return (logs + squares / scale + 2 * self.there.sum(axis=1) * np.log(scale)) / 2

    def _scores(self, law, best):
        """Scores of every piece, and the curvature, in (log scale, parameters)."""
        _, squares = self._terms(law, best)
        here = np.append(np.log(squares.sum() / self.n), np.clip(best, -8, 8))
        h = np.full(len(here), 0.05)

        def parts(x):
            return self._by_piece(law, x[1:], np.exp(x[0]))

        moves = np.diag(h)
        scores = np.array([(parts(here + m) - parts(here - m)) for m in moves]) / (2 * h[:, None])
        middle, curve = parts(here).sum(), np.zeros((len(h), len(h)))
        for i in range(len(h)):
            curve[i, i] = (parts(here + moves[i]).sum() - 2 * middle + parts(here - moves[i]).sum()) / h[
                i
            ] ** 2
            for j in range(i):
                four = [
                    a * b * parts(here + a * moves[i] + b * moves[j]).sum() for a in (1, -1) for b in (1, -1)
                ]
                curve[i, j] = curve[j, i] = sum(four) / (4 * h[i] * h[j])
        return here, scores, curve

    def inflation(self, law, best):
        """How much more scores scatter from piece to piece than their curvature says; 1 at least."""
        _, scores, curve = self._scores(law, best)
        kept = np.diag(curve) > 1e-6 * self.n
        if not kept.any() or scores.shape[1] < 10:
            return 1.0
        ratio = (scores[kept] ** 2).sum(axis=1) / np.diag(curve)[kept]
        return float(max(1.0, ratio[-1])) if kept[-1] else 1.0

    def error_of_last(self, law, best):
        """Estimate and standard error of the exponent."""
        here, scores, curve = self._scores(law, best)
        # A noise of nothing has no curvature, and tells nothing of the rest.
        kept = np.diag(curve) > 1e-6 * self.n
        kept[-1] = True
        inverse = np.linalg.pinv(curve[np.ix_(kept, kept)])
        variance = inverse[-1, -1]
        if scores.shape[1] >= 10:
            spread = inverse @ (scores[kept] @ scores[kept].T) @ inverse
            variance = max(variance, spread[-1, -1])
        value = _exponent(here[-1])
        slope = (value - _LEAST) * (_MOST - value) / (_MOST - _LEAST)
        return value, float(slope * np.sqrt(max(variance, 0.0)))

    def trap(self, best):
        """Standard deviation in the spring, along an axis."""
        _, squares = self._terms(_bound, best)
        rate = np.exp(np.clip(best[1], -12, 5))
        return self.scale * float(np.sqrt(squares.sum() / self.n / -np.expm1(-rate) / 2))
