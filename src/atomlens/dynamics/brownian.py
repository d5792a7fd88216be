"""Diffusion coefficients from tracks, with intervals that hold."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import norm

from atomlens._doubts import inherited, repeated
from atomlens._types import DataFrame
from atomlens.dynamics._steps import Brownian, Steps, profile_interval
from atomlens.dynamics.tracks import tell

__all__ = ["Diffusion", "diffusion", "msd"]

_METHODS = ("likelihood", "covariance", "msd")
_UNKNOWN = (0.0, np.inf)
_LONGEST = 0.25  # of the longest track: lags beyond are means over few pairs that overlap
_RESAMPLED, _TURNED = 999, 1999  # times
_VARIED = 2.0  # times the scatter of Brownian motion, from which that is worth a sentence


@dataclass(frozen=True, eq=False)
class Diffusion:
    """A diffusion coefficient, and what else the tracks say.

    Attributes
    ----------
    coefficient : float
        In `unit`; the mean-square displacement is 4 x coefficient x time. NaN if nothing is known.
    interval : tuple of float
        Of 95 % (or the level asked for); (0, inf) if nothing is known.
    localisation : float
        Standard deviation of the error of a place along an axis, in nm (pixels without calibration).
    localisation_interval : tuple of float
    anisotropy : float
        Diffusion along `angle` over that across it; by chance more than 1 also where there is none.
    anisotropy_interval : tuple of float
    angle : float
        Direction of the fastest diffusion, in degrees from x towards y, -90 to 90.
    p_isotropic : float
        Probability of so much anisotropy where there is none (rotation test).
    inflation : float
        Variance of the estimate over that of Brownian motion: above 1 where particles hop from site to site,
        or differ. The interval is wider by its root.
    unit : str
        "nm²/s", "nm²/frame" without `dt`, "px²/..." without calibration.
    method : str
    level : float
    n_tracks, n_steps : int
        Tracks of two points at least, and the steps in them.
    doubts : list of str
    """

    coefficient: float
    interval: tuple[float, float]
    localisation: float
    localisation_interval: tuple[float, float]
    anisotropy: float
    anisotropy_interval: tuple[float, float]
    angle: float
    p_isotropic: float
    inflation: float
    unit: str
    method: str
    level: float
    n_tracks: int
    n_steps: int
    doubts: list[str] = field(default_factory=list)

    def __repr__(self):
        low, high = self.interval
        length = self.unit[:2]
        return (
            f"<Diffusion {self.coefficient:.3g} {self.unit} ({low:.3g} to {high:.3g}, {self.level:.0%}), "
            f"places known to {self.localisation:.2g} {length}; {self.n_steps} steps of {self.n_tracks} "
            f"tracks, by {self.method}>{repeated(self.doubts)}"
        )


def diffusion(
    tracks: DataFrame,
    *,
    dt: float | None = None,
    exposure: float = 0.0,
    localisation: float | None = None,
    method: str = "likelihood",
    max_lag: int | None = None,
    level: float = 0.95,
    random_state: int = 0,
) -> Diffusion:
    """Diffusion coefficient of particles that are all alike, from their tracks.

    Parameters
    ----------
    tracks : DataFrame
        ``frame``, ``particle``, ``x``, ``y`` and, if calibrated, ``x_nm``, ``y_nm``. Gaps are allowed, and
        drift must have been removed (`remove_drift`; what that takes away is put back).
    dt : float, optional
        Time from frame to frame in s. Without it, the answer is per frame.
    exposure : float
        Time over which a frame averages places, in s (frames without `dt`): of a scanned image, the time the
        beam spends on a defect, which is next to none.
    localisation : float, optional
        Standard deviation of the error of a place along an axis, in nm (pixels), if it is known: then the
        interval is narrower. By default it is estimated, too.
    method : {"likelihood", "covariance", "msd"}
        The likelihood of all steps; the covariance of successive steps (Vestergaard); or a line through the
        mean-square displacement. The first is the most exact and the default; only this and the second use
        steps over gaps or successive steps to know the noise, the third needs lags.
    max_lag : int, optional
        Lags (frames) through which the line is laid, for "msd". By default as many as give the least error
        (Michalet).
    level : float
        Of the interval.
    random_state : int
        Of resampling.

    Returns
    -------
    Diffusion

    Raises
    ------
    ValueError
        If a column is missing, the method is unknown, or a time or length is impossible.

    Notes
    -----
    Particles are taken to be alike and free. Where they scatter more than Brownian motion would, the interval
    is widened as far as their scatter demands (`Diffusion.inflation`); `motion` tests whether they are free.

    References
    ----------
    Vestergaard, Blainey, Flyvbjerg, Phys. Rev. E 89, 022726 (2014); Michalet, Phys. Rev. E 82, 041914 (2010);
    Berglund, Phys. Rev. E 82, 011917 (2010).

    Examples
    --------
    >>> from atomlens import simulate
    >>> from atomlens.dynamics import link
    >>> sample = simulate.movies.tracks(30, n_frames=100, diffusion=2e-3, random_state=1)
    >>> found = diffusion(link(sample.data), dt=1.0)
    >>> bool(found.interval[0] < 2e-3 < found.interval[1]), found.unit
    (True, 'nm²/s')
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}, got {method!r}")
    step = 1.0 if dt is None else dt
    if not 0 < step < np.inf:
        raise ValueError(f"dt must be a positive time in s, got {dt!r}")
    if not 0 <= exposure <= step:
        raise ValueError(f"exposure must lie between 0 and the time of a frame, {step:g}; got {exposure!r}")
    if localisation is not None and not 0 <= localisation < np.inf:
        raise ValueError(f"localisation is a length, 0 or more; got {localisation!r}")
    if not 0 < level < 1:
        raise ValueError(f"level lies between 0 and 1, got {level!r}")
    steps = Steps.of(tracks)
    share, messages = exposure / step, inherited(tracks)
    unit = f"{steps.unit}²/{'frame' if dt is None else 's'}"
    frame = {
        "unit": unit,
        "method": method,
        "level": level,
        "n_tracks": steps.n_tracks,
        "n_steps": len(steps),
    }
    sentence = _too_little(steps, localisation)
    if sentence:
        messages.append(sentence)
        tell(messages, tracks)
        nothing = {"coefficient": np.nan, "localisation": np.nan, "anisotropy": np.nan, "angle": np.nan}
        nothing |= {"interval": _UNKNOWN, "localisation_interval": _UNKNOWN, "anisotropy_interval": _UNKNOWN}
        return Diffusion(**nothing, **frame, p_isotropic=np.nan, inflation=np.nan, doubts=messages)
    d, interval, noise, noise_interval, inflation = _METHOD[method](
        steps, steps.moved, share, localisation, level, max_lag, random_state
    )
    ratio, ratio_interval, angle, p = _anisotropy(steps, share, localisation, level, random_state)
    if inflation > _VARIED:
        messages.append(
            f"the estimate scatters {inflation:.1f} times as much as for Brownian motion (as variance), and "
            "the interval was widened: particles hop from site to site, differ from each other, or some "
            "links are wrong; look at `motion` and at single tracks"
        )
    if interval[0] == 0:
        messages.append("no motion beyond the noise of the places: the diffusion may be zero")
    tell(messages, tracks)
    return Diffusion(
        float(d / step), tuple(float(end / step) for end in interval), noise, noise_interval,
        ratio, ratio_interval, angle, p, inflation, **frame, doubts=messages,
    )  # fmt: skip


def _too_little(steps, localisation):
    """Why nothing can be known, or an empty string."""
    if not len(steps):
        return (
            "no track has two points: nothing is known of diffusion; link with more memory, or record longer"
        )
    if localisation is None and not steps.pairs:
        return (
            "no track has three points: motion and noise of the places cannot be told apart; pass the "
            "localisation error, or link with more memory"
        )
    if steps.still:
        return (
            "no particle ever moves, not even by noise: places seem to be rounded; refine them below a pixel"
        )
    return ""


def _by_likelihood(steps, moved, share, localisation, level, max_lag, random_state):
    """Diffusion a frame, its interval, noise and its interval, inflation."""
    model = Brownian(steps, moved, share)
    inflation = model.inflation()
    threshold = model.threshold(level, inflation)
    if localisation is not None:
        d, least, deviance = model.known(localisation**2)
        known = (float(localisation),) * 2
        return d, profile_interval(deviance, d, least, threshold), known[0], known, inflation
    interval = profile_interval(model.deviance, model.d, model.best, threshold)
    noise = model.q * model.d
    ends = profile_interval(model.deviance_of_noise, max(noise, 1e-3 * model.d), model.best, threshold)
    d = model.d if model.d > model.floor else 0.0
    return d, interval, float(np.sqrt(noise)), tuple(np.sqrt(ends).tolist()), inflation


def _covariances(steps, moved):
    """Of every step its square, of every pair of successive steps the product of both; nan over gaps.

    The mean over axes, as if no drift had been read from the tracks.
    """
    near = steps.lag == 1
    kept = 1 - steps.share
    square = np.where(near, (moved**2).mean(axis=1) / kept, np.nan)
    follows = np.append(False, steps.joined[1:] & near[1:] & near[:-1])
    product = np.full(len(steps), np.nan)
    product[follows] = (moved[1:] * moved[:-1]).mean(axis=1)[follows[1:]] / kept[follows]
    return square, product


def _by_covariance(steps, moved, share, localisation, level, max_lag, random_state):
    square, product = _covariances(steps, moved)
    there, paired = np.isfinite(square), np.isfinite(product)
    n, axes = there.sum(), moved.shape[1]
    if (localisation is None and not paired.any()) or not n:
        return np.nan, _UNKNOWN, np.nan, _UNKNOWN, 1.0
    mean, blur = square[there].mean(), share / 6
    if localisation is None:
        follow = product[paired].mean()
        d = mean / 2 + follow
        noise = np.sqrt(max(blur * mean + (2 * blur - 1) * follow, 0.0))
    else:
        noise = float(localisation)
        d = (mean / 2 - noise**2) / (1 - 2 * blur)
    around = max(d, 1e-3 * mean)
    rate = noise**2 / around - 2 * blur
    variance = around**2 * ((6 + 4 * rate + 2 * rate**2) / n + 4 * (1 + rate) ** 2 / n**2) / axes
    if localisation is not None:
        variance = around**2 * (2 + 4 * rate + 3 * rate**2) / (n * (1 - 2 * blur) ** 2) / axes
    # Scatter between tracks and blocks, where it is more
    rest = np.where(there, square - mean, 0) / (2 * n)
    if localisation is None:
        rest = rest + np.where(paired, product - follow, 0) / paired.sum()
    inflation = 1.0
    for group in (steps.blocks(), steps.track):
        count = int(group[-1]) + 1
        if count >= 8:
            spread = (np.bincount(group, rest, count) ** 2).sum() * count / (count - 1)
            inflation = max(inflation, spread / variance)
    half = norm.ppf((1 + level) / 2) * np.sqrt(variance * inflation)
    return d, (max(d - half, 0.0), max(d + half, 0.0)), float(noise), (np.nan, np.nan), float(inflation)


def _by_msd(steps, moved, share, localisation, level, max_lag, random_state):
    """A line through the mean-square displacement (unweighted), its interval by resampling tracks."""
    d, _, noise, _, _ = _by_covariance(steps, moved, share, None, level, None, 0)
    longest = int(np.bincount(steps.track, steps.lag).max())
    if max_lag is None:
        rate = noise**2 / d if d > 0 else np.inf
        # Michalet, eq. 10: number of lags with the least error
        max_lag = int(min(2 + 2.7 * np.sqrt(min(rate, 1e6)), max(2, _LONGEST * longest)))
    max_lag = min(int(max_lag), longest)
    if max_lag < 2 and localisation is None:
        return np.nan, _UNKNOWN, np.nan, _UNKNOWN, 1.0
    sums, counts = _sums_of_squares(steps, moved, np.arange(1, max_lag + 1))
    if len(sums) < 8:
        return np.nan, _UNKNOWN, np.nan, _UNKNOWN, 1.0
    lag = np.arange(1, max_lag + 1) - share / 3

    def line(weights):
        """Diffusion and noise (variance) for tracks that count so often."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (weights @ sums) / (weights @ counts) / (2 * moved.shape[1])
        if localisation is not None:
            return (mean - localisation**2) @ lag / (lag @ lag), np.full(len(mean), localisation**2)
        centre = lag - lag.mean()
        slope = mean @ centre / (centre @ centre)
        return slope, mean.mean(axis=1) - slope * lag.mean()

    (d,), (noise,) = line(np.ones((1, len(sums))))
    rng = np.random.default_rng(random_state)
    again = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=_RESAMPLED)
    scatter, noises = line(again.astype(float))
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.nanquantile(scatter, tails)
    ends = np.sqrt(np.maximum(np.nanquantile(noises, tails), 0))
    return d, (max(low, 0.0), max(high, 0.0)), float(np.sqrt(max(noise, 0))), tuple(ends.tolist()), 1.0


_METHOD = {"likelihood": _by_likelihood, "covariance": _by_covariance, "msd": _by_msd}


def _sums_of_squares(steps, moved, lags):
    """Of every track and lag: sum of squared displacements, over both axes, and how many there are."""
    first = np.flatnonzero(~steps.joined)
    start = steps.frame[first]
    span = int((np.bincount(steps.track, steps.lag)).max()) + 1
    grid = np.full((len(first), span, moved.shape[1]), np.nan)
    grid[np.arange(len(first)), 0] = 0
    path = np.cumsum(moved, axis=0)
    before = np.concatenate([np.zeros((1, moved.shape[1])), path])[first]
    grid[steps.track, steps.frame + steps.lag - start[steps.track]] = path - before[steps.track]
    sums, counts = np.zeros((2, len(first), len(lags)))
    for k, lag in enumerate(lags):
        if lag < span:
            square = ((grid[:, lag:] - grid[:, :-lag]) ** 2).sum(axis=2)
            sums[:, k], counts[:, k] = np.nansum(square, axis=1), np.isfinite(square).sum(axis=1)
    # Drift takes from a displacement over a lag as much as from its steps.
    share = np.bincount(steps.track, steps.share) / np.bincount(steps.track)
    return sums / (1 - share)[:, None], counts


def _anisotropy(steps, share, localisation, level, random_state):
    """Ratio of diffusion along its fastest direction and across, interval, direction, p-value."""
    square, product = _covariances(steps, np.ones_like(steps.moved))
    near, paired = np.isfinite(square), np.isfinite(product)
    if (localisation is None and not paired.any()) or not near.any():
        return np.nan, _UNKNOWN, np.nan, np.nan
    # Diffusion along x less that along y, and twice that between: a vector that turns twice as fast.
    z = steps.moved @ [1, 1j]
    vector = np.where(near, z**2, 0) / 2 / near.sum()
    if paired.any():
        before = np.append(0, z[:-1])
        vector = vector + np.where(paired, z * before, 0) / paired.sum()
    blocks = steps.blocks()
    count = int(blocks[-1]) + 1
    sums = np.bincount(blocks, vector.real, count) + 1j * np.bincount(blocks, vector.imag, count)
    rng = np.random.default_rng(random_state)
    size = max(1, 2_000_000 // count)
    turned = np.concatenate(
        [
            np.abs(np.exp(1j * rng.uniform(0, 2 * np.pi, (min(size, _TURNED - k), count))) @ sums)
            for k in range(0, _TURNED, size)
        ]
    )
    p = (1 + np.count_nonzero(turned >= abs(sums.sum()))) / (_TURNED + 1)
    angle = np.angle(sums.sum()) / 2
    both = steps.turned(angle)
    along, across = (
        _by_likelihood(steps, both[:, [k]], share, localisation, level, None, random_state) for k in (0, 1)
    )
    if not along[0] * across[0] > 0:
        return np.nan, _UNKNOWN, float(np.degrees(angle)), float(p)
    ratio = along[0] / across[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        # Errors of both, as logarithms, add in quadrature.
        apart = (np.divide(part[0], part[1]) for part in (along, across))
        (one_low, one_high), (other_low, other_high) = (np.log(part) for part in apart)
        low, high = np.exp(np.hypot(one_low, other_high)), np.exp(np.hypot(one_high, other_low))
    interval = (float(ratio / low), float(ratio * high))
    interval = tuple(
        end if np.isfinite(end) else unknown for end, unknown in zip(interval, _UNKNOWN, strict=True)
    )
    return float(ratio), interval, float(np.degrees(angle)), float(p)


def msd(tracks: DataFrame, *, dt: float | None = None, max_lag: int | None = None) -> DataFrame:
    """Mean-square displacement over all tracks and starting frames, gaps left out.

    Parameters
    ----------
    tracks : DataFrame
        ``frame``, ``particle``, ``x``, ``y`` and, if calibrated, ``x_nm``, ``y_nm``.
    dt : float, optional
        Time from frame to frame in s.
    max_lag : int, optional
        In frames; a quarter of the longest track by default.

    Returns
    -------
    DataFrame
        ``lag`` (frames), ``lag_s`` (with `dt`), ``msd`` (nm², px² without calibration: ``attrs["unit"]``),
        ``msd_err`` (standard error from the scatter between tracks; NaN for one), ``n`` (displacements, which
        overlap). Of free particles it is 4 D (lag - exposure / 3) + 4 localisation².

    Raises
    ------
    ValueError
        If a column is missing, or `dt` or `max_lag` are not positive.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.movies.tracks(30, n_frames=50, diffusion=2e-3)
    >>> curve = msd(sample.truth, dt=1.0)
    >>> curve.columns.tolist(), round(float(curve.msd[0] / (4 * 2e-3)), 1)
    (['lag', 'lag_s', 'msd', 'msd_err', 'n'], 1.0)
    """
    steps = Steps.of(tracks)
    if dt is not None and not 0 < dt < np.inf:
        raise ValueError(f"dt must be a positive time in s, got {dt!r}")
    if max_lag is not None and not (isinstance(max_lag, int | np.integer) and max_lag >= 1):
        raise ValueError(f"max_lag is a whole number of frames, 1 or more; got {max_lag!r}")
    if not len(steps):
        lags, value, error, n = np.zeros((4, 0))
    else:
        longest = int(np.bincount(steps.track, steps.lag).max())
        lags = np.arange(
            1, (max(1, int(_LONGEST * longest)) if max_lag is None else min(max_lag, longest)) + 1
        )
        sums, counts = _sums_of_squares(steps, steps.moved, lags)
        n = counts.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = sums.sum(axis=0) / n
            error = np.sqrt(((sums - value * counts) ** 2).sum(axis=0)) / n
            error *= np.sqrt(len(sums) / (len(sums) - 1)) if len(sums) > 1 else np.nan
    curve = pd.DataFrame({"lag": lags, "msd": value, "msd_err": error, "n": n}).astype({"lag": int, "n": int})
    if dt is not None:
        curve.insert(1, "lag_s", curve["lag"] * dt)
    curve.attrs = {"unit": f"{steps.unit}²", "doubts": inherited(tracks)}
    return curve
