"""Steps of tracks, and the likelihood of Brownian motion that is seen through noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.linalg import solve_banded
from scipy.linalg.lapack import dpttrf
from scipy.optimize import brentq
from scipy.stats import f as f_distribution

from atomlens.dynamics.tracks import checked

_BLOCK = 16  # steps whose scores are summed: scatter between blocks is what the interval must be as wide as
_STILL = 1e-9  # nm or pixels: rounding
_FEW = 8  # blocks or tracks, below which their scatter says nothing
_NOISE = np.append(
    0.0, np.logspace(-3, 7, 61)
)  # noise over diffusion a frame, at which likelihoods are known
_FINE = 6001


@dataclass(frozen=True, eq=False)
class Steps:
    """Displacements from one detection of a particle to its next.

    Attributes
    ----------
    moved : ndarray of shape (n, 2)
    lag : ndarray of shape (n,)
        Frames.
    joined : ndarray of shape (n,)
        Whether a step begins where the one before it (in the array) ended.
    track, frame : ndarray of shape (n,)
        Number of its track, from 0 on without holes; frame at which it begins.
    share : ndarray of shape (n,)
        What of its own motion a drift has taken away.
    unit : str
        "nm" or "px".
    """

    moved: np.ndarray
    lag: np.ndarray
    joined: np.ndarray
    track: np.ndarray
    frame: np.ndarray
    share: np.ndarray
    unit: str

    @classmethod
    def of(cls, tracks):
        """From a table of tracks; in nm if that is calibrated."""
        table = checked(tracks, ["frame", "particle", "x", "y"]).sort_values(["particle", "frame"])
        calibrated = {"x_nm", "y_nm"} <= set(table.columns)
        names = ["x_nm", "y_nm"] if calibrated else ["x", "y"]
        particle, frame = table["particle"].to_numpy(), table["frame"].to_numpy()
        same = particle[1:] == particle[:-1]
        moved = np.diff(table[names].to_numpy(dtype=float), axis=0)[same]
        if not np.isfinite(moved).all():
            raise ValueError(f"the table holds NaN or infinite {', '.join(names)}: drop these rows first")
        owner = np.unique(particle[1:][same], return_inverse=True)[1]
        if "drift_share" in table:
            share = np.nan_to_num(table["drift_share"].to_numpy(dtype=float)[1:][same]).clip(0, 0.999)
        else:
            share = np.zeros(len(moved))
        joined = np.append(False, owner[1:] == owner[:-1])[: len(owner)]
        unit = "nm" if calibrated else "px"
        return cls(moved, np.diff(frame)[same], joined, owner, frame[:-1][same], share, unit)

    def __len__(self):
        return len(self.lag)

    @property
    def n_tracks(self):
        """How many tracks have a step."""
        return int(self.track[-1]) + 1 if len(self) else 0

    @property
    def pairs(self):
        """How many steps follow another one: without any, noise and motion look the same."""
        return int(self.joined.sum())

    @property
    def still(self):
        """Whether nothing moves, but for rounding."""
        return not np.abs(self.moved).max(initial=0) > _STILL

    def turned(self, angle):
        """Steps along a direction and across it (radians)."""
        c, s = np.cos(angle), np.sin(angle)
        return self.moved @ np.array([[c, -s], [s, c]])

    def blocks(self):
        """Number of the block of each step: a piece of one track."""
        first = np.flatnonzero(~self.joined)
        within = np.arange(len(self)) - np.repeat(first, np.diff(np.append(first, len(self))))
        return np.cumsum(within % _BLOCK == 0) - 1


class Brownian:
    """Likelihood of the diffusion a frame, d, and the noise over it, q, of steps along one or two axes.

    Successive steps share a place: with the noise s2 of a place they have the covariance -s2, and each the
    variance 2 d lag + 2 s2. An exposure averages places: it is as if s2 were less by 2 R d, where R is a
    sixth of the exposed share of the time (Berglund, Phys. Rev. E 82, 011917 (2010)). So the covariance is
    tridiagonal, d times a matrix of q alone; its best d is known for every q, and a table over q is all that
    estimates and intervals need. Gaps are exact: they are longer lags.

    Parameters
    ----------
    steps : Steps
    moved : ndarray of shape (n, axes)
    exposure : float
        Exposed share of the time, 0 to 1.
    """

    def __init__(self, steps, moved, exposure):
        self.steps, self.moved, self.exposure = steps, moved, exposure
        # A drift that was read from n tracks leaves (n - 1) / n of the information (restricted likelihood).
        self.weight = moved.shape[1] * (1 - steps.share)
        self.n = self.weight.sum()
        self._axis = np.log(_NOISE + _NOISE[1])
        logs, squares = np.array([self._sums(q) for q in _NOISE]).T
        self._fine = np.linspace(self._axis[0], self._axis[-1], _FINE)
        self._log = CubicSpline(self._axis, logs)
        self._square = CubicSpline(self._axis, np.log(squares))
        self._logs, self._squares = self._log(self._fine), np.exp(self._square(self._fine))
        profile = self.n * np.log(self._squares / self.n) + self._logs
        self.at = int(profile.argmin())
        self.q = float(np.exp(self._fine[self.at]) - _NOISE[1])
        self.d = float(self._squares[self.at] / self.n)
        # Where noise is all there is, less diffusion makes no difference.
        self.floor = float(self._squares[-1] / self.n)
        self.best = float(profile[self.at] + self.n)

    def _factors(self, q):
        """Pivots and multipliers of the covariance over d."""
        u = q - self.exposure / 3
        off = np.where(self.steps.joined[1:], -u, 0.0)
        pivots, multipliers, info = dpttrf(2 * self.steps.lag + 2 * u, off)
        if info:
            raise FloatingPointError("the covariance of the steps is not positive")
        return pivots, multipliers

    def _sums(self, q):
        pivots, squares = self._terms(q)
        return self.weight @ np.log(pivots), squares.sum()

    def _terms(self, q):
        """Pivot of each step, and the square of its surprise over that."""
        pivots, multipliers = self._factors(q)
        bands = np.stack([np.ones(len(pivots)), np.append(multipliers, 0.0)])
        surprise = solve_banded((1, 0), bands, self.moved, check_finite=False)
        return pivots, (surprise**2).sum(axis=1) / pivots

    def deviance(self, d):
        """-2 log likelihood of a diffusion, at the noise that fits best."""
        d = max(d, self.floor)
        return float((self.n * np.log(d) + self._logs + self._squares / d).min())

    def deviance_of_noise(self, s2):
        """-2 log likelihood of a noise (variance), at the diffusion that fits best."""
        q = np.exp(self._fine) - _NOISE[1]
        with np.errstate(divide="ignore"):
            d = s2 / q
        value = self.n * np.log(d) + self._logs + self._squares / d
        return float(value[np.isfinite(value)].min())

    def known(self, s2):
        """The same with a noise (variance) that is known: best d and a function of d."""

        def deviance(d):
            place = np.log(min(s2 / d, _NOISE[-1]) + _NOISE[1])
            return self.n * np.log(d) + float(self._log(place)) + float(np.exp(self._square(place))) / d

        scale = np.exp(np.linspace(-16, 2, 2000)) * (self._squares[0] / self.n)
        values = [deviance(d) for d in scale]
        near = int(np.argmin(values))
        return scale[near], min(values), deviance

    def inflation(self):
        """How much more the estimate of log d scatters than Brownian motion would, 1 at least.

        From the scores of blocks of steps, and of whole tracks: hops from site to site, and particles
        that differ, scatter more.
        """
        free = self.at > 0

        def parts(log_d, place):
            pivots, squares = self._terms(max(np.exp(place) - _NOISE[1], 0.0))
            return (self.weight * (np.log(pivots) + log_d) + squares * np.exp(-log_d)) / 2

        here, h = np.array([np.log(self.d), self._fine[self.at]]), np.array([1e-3, 1e-2])
        moves = np.diag(h)[: 1 + free]
        ahead = np.array([parts(*(here + m)) for m in moves])
        behind = np.array([parts(*(here - m)) for m in moves])
        scores = (ahead - behind) / (2 * h[: 1 + free, None])
        middle = parts(*here).sum()
        curve = np.diag((ahead.sum(axis=1) - 2 * middle + behind.sum(axis=1)) / h[: 1 + free] ** 2)
        if free:
            both = [parts(*(here + a * moves[0] + b * moves[1])).sum() for a in (1, -1) for b in (1, -1)]
            curve[0, 1] = curve[1, 0] = (both[0] - both[1] - both[2] + both[3]) / (4 * h[0] * h[1])
        if not (np.linalg.eigvalsh(curve) > 0).all():
            return 1.0
        inverse = np.linalg.inv(curve)
        most = 1.0
        for group in (self.steps.blocks(), self.steps.track):
            count = int(group[-1]) + 1
            if count < _FEW:
                continue
            sums = np.stack([np.bincount(group, s, count) for s in scores])
            spread = inverse @ (sums @ sums.T) @ inverse * count / (count - 1)
            most = max(most, spread[0, 0] / inverse[0, 0])
        return float(most)

    def threshold(self, level, inflation):
        """Of the deviance above its least value."""
        free = max(self.n - 2, 1)
        return inflation * f_distribution.ppf(level, 1, free)


def profile_interval(deviance, best_at, least, threshold, *, decades=12):
    """Where a deviance is below its least value and a threshold: (low, high), 0 and inf if it stays there."""

    def above(log_value):
        return deviance(np.exp(log_value)) - least - threshold

    here, reach = np.log(best_at), decades * np.log(10)
    ends = []
    for side in (-1, 1):
        if above(here + side * reach) <= 0:
            ends.append(0.0 if side < 0 else np.inf)
            continue
        step = 0.05
        while above(here + side * step) <= 0:
            step *= 1.6
        ends.append(float(np.exp(brentq(above, *sorted([here, here + side * step]), xtol=1e-6))))
    return tuple(ends)
