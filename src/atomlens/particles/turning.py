"""How particles turn: rotational diffusion freed from noise, and whether their steps have a heavy tail."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import optimize, stats

from atomlens._doubts import repeated, warn
from atomlens._types import ArrayLike, DataFrame
from atomlens.particles.movies import domains

__all__ = ["Jumps", "RotationalDiffusion", "StepTails", "jumps", "rotational_diffusion", "step_tails"]

_RESAMPLED = 999
_TORN = 0.01  # of a domain's frames: that more end than this is no matter of one merging
_MOST = 5.0  # by which one step may speak for a model, in log likelihood: no single one decides
_LEAST = 30  # steps, below which nothing is said of tails


@dataclass(frozen=True, eq=False)
class RotationalDiffusion:
    """How fast particles turn.

    Attributes
    ----------
    coefficient : float
        Degrees squared a second (or a frame): the mean square of a turn is 2 x coefficient x time.
    interval : (float, float)
        Of 95 %, by resampling of particles.
    noise : float
        Standard deviation of what comes and goes from frame to frame: errors of angles, and rattling.
    naive : float
        Mean square step over twice the time, which takes noise for motion.
    unit : str
    n_tracks, n_steps : int
    doubts : list of str
    """

    coefficient: float
    interval: tuple[float, float]
    noise: float
    naive: float
    unit: str
    n_tracks: int
    n_steps: int
    doubts: list[str] = field(default_factory=list)

    def __repr__(self):
        low, high = self.interval
        return (
            f"<RotationalDiffusion {self.coefficient:.3g} {self.unit} ({low:.3g} to {high:.3g}, 95%), angles "
            f"scatter by {self.noise:.2g}°; {self.n_steps} steps of {self.n_tracks} tracks>"
            f"{repeated(self.doubts)}"
        )


def rotational_diffusion(
    tracks: DataFrame, *, dt: float | None = None, random_state: int = 0
) -> RotationalDiffusion:
    """Rotational diffusion from the turns of tracks, with the noise of angles taken out.

    Parameters
    ----------
    tracks : DataFrame
        ``frame``, ``particle`` and ``turn`` (degrees), as `particles.link` gives.
    dt : float, optional
        Time from frame to frame, s; without it the answer is per frame.
    random_state : int
        Of resampling.

    Returns
    -------
    RotationalDiffusion

    Raises
    ------
    ValueError
        If a column is missing, or the time is none.

    Notes
    -----
    Noise moves an angle there and back, so that successive steps s are anticorrelated; what is left is
    motion: D = <s²> / 2t + <s s'> / t, and the variance of the noise is -<s s'>. Particles that turn
    together, as in a domain, are not independent: the interval is then too narrow; give one track a domain.

    References
    ----------
    Vestergaard, Blainey, Flyvbjerg, Phys. Rev. E 89, 022726 (2014), for one axis.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> turns = rng.normal(0, 2, (40, 100)).cumsum(1) + rng.normal(0, 3, (40, 100))
    >>> frame, particle = np.meshgrid(np.arange(100), np.arange(40))
    >>> tracks = pd.DataFrame({"frame": frame.ravel(), "particle": particle.ravel(), "turn": turns.ravel()})
    >>> found = rotational_diffusion(tracks, dt=1.0)
    >>> bool(found.interval[0] < 2 < found.interval[1]), round(found.noise)
    (True, 3)
    """
    lacking = [name for name in ("frame", "particle", "turn") if name not in tracks]
    if lacking:
        raise ValueError(f"the tracks lack {', '.join(lacking)}: link them with particles.link")
    if dt is not None and not 0 < dt < np.inf:
        raise ValueError(f"dt must be a positive time in s, got {dt!r}")
    time, unit = (1.0, "deg²/frame") if dt is None else (dt, "deg²/s")
    sums = np.array([_sums(track) for _, track in tracks.groupby("particle")]).reshape(-1, 4)
    sums = sums[sums[:, 1] > 0]
    doubts = []
    if len(sums) < 2 or not sums[:, 3].sum():
        doubts.append(
            "no two tracks have three successive frames: nothing is known of turning; link with more "
            "memory, or record longer"
        )
        warn(doubts)
        return RotationalDiffusion(
            np.nan, (0.0, np.inf), np.nan, np.nan, unit, len(sums), int(sums[:, 1].sum()), doubts
        )

    def of(total):
        square, product = total[0] / total[1], total[2] / max(total[3], 1)
        return (square / 2 + product) / time, -product, square / 2 / time

    coefficient, variance, naive = of(sums.sum(axis=0))
    rng = np.random.default_rng(random_state)
    drawn = [of(sums[rng.integers(len(sums), size=len(sums))].sum(axis=0))[0] for _ in range(_RESAMPLED)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    if low <= 0:
        doubts.append("no turning beyond the noise of angles: the diffusion may be zero")
        low, coefficient = 0.0, max(coefficient, 0.0)
    warn(doubts)
    return RotationalDiffusion(
        float(coefficient), (float(low), float(max(high, 0.0))), float(np.sqrt(max(variance, 0.0))),
        float(naive), unit, len(sums), int(sums[:, 1].sum()), doubts,
    )  # fmt: skip


def _sums(track):
    """Sum of squared steps and their number; sum of products of successive steps and their number."""
    track = track.sort_values("frame")
    step, near = np.diff(track["turn"]), np.diff(track["frame"]) == 1
    both = near[1:] & near[:-1]
    return (step[near] ** 2).sum(), near.sum(), (step[1:] * step[:-1])[both].sum(), both.sum()


@dataclass(frozen=True, eq=False)
class StepTails:
    """Which distribution describes steps best.

    Attributes
    ----------
    table : DataFrame
        One row a model: ``model``, ``log_likelihood`` a step on parts that were kept back, how far it is
        ``ahead`` of the normal one (no step counts more than 5) and the standard error ``ahead_err``.
    best : str
        "normal", "rattle and hops" or "heavy tail"; "undecided" if none is two standard errors ahead.
    exponent : float
        Of the heavy tail: the probability of steps longer than s falls with s to minus this; 2 or less is a
        Levy flight.
    n_steps : int
    doubts : list of str
    """

    table: DataFrame
    best: str
    exponent: float
    n_steps: int
    doubts: list[str] = field(default_factory=list)

    def __repr__(self):
        return f"<StepTails of {self.n_steps} steps: {self.best}>{repeated(self.doubts)}"


def step_tails(steps: ArrayLike, *, folds: int = 5, random_state: int = 0) -> StepTails:
    """Whether steps are normal, a mixture of rattling and hops, or have a heavy tail.

    Parameters
    ----------
    steps : array_like of shape (N,)
        Turns (degrees) or displacements along one axis (nm), from frame to frame.
    folds : int
        Into how many parts the steps are divided; each is judged by a model of the others.
    random_state : int
        Of the division.

    Returns
    -------
    StepTails

    Raises
    ------
    ValueError
        If there are fewer than 30 steps, or some are not finite.

    Notes
    -----
    A straight line in a plot of two logarithms proves nothing (Clauset, Shalizi, Newman, SIAM Rev. 51, 661,
    2009): a mixture of two normal distributions gives one, too. So three models compete on steps that they
    have not seen: normal; two normals, for rattling in a minimum and hops between them; Student's t, whose
    tail is a power. Steps of angles are folded, at half a period: a tail that goes beyond cannot be seen.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> step_tails(rng.standard_t(1.5, 1000)).best
    'heavy tail'
    """
    steps = np.asarray(steps, float).ravel()
    if not np.isfinite(steps).all():
        raise ValueError("steps hold NaN or infinite values: drop them first")
    if len(steps) < _LEAST:
        raise ValueError(f"{len(steps)} steps say nothing of a tail: {_LEAST} are the least")
    if not np.std(steps):
        raise ValueError("all steps are alike: there is no distribution to tell")
    part = np.random.default_rng(random_state).permutation(len(steps)) % folds
    models = {"normal": _normal, "rattle and hops": _mixture, "heavy tail": _student}
    score = np.empty((len(models), len(steps)))
    for k in range(folds):
        for row, model in zip(score, models.values(), strict=True):
            row[part == k] = model(steps[part != k])(steps[part == k])
    names = list(models)
    gain = np.clip(score - score[0], -_MOST, _MOST)
    error = gain.std(axis=1, ddof=1) / np.sqrt(len(steps))
    table = pd.DataFrame(
        {"model": names, "log_likelihood": score.mean(axis=1), "ahead": gain.mean(axis=1), "ahead_err": error}
    )
    order = np.argsort(-gain.mean(axis=1), kind="stable")
    first, second = names[order[0]], names[order[1]]
    if not _ahead(score[order[0]], score[0]):
        best = "normal"  # the simplest needs no lead
    else:
        best = first if _ahead(score[order[0]], score[order[1]]) else "undecided"
    doubts = []
    if best == "undecided":
        doubts.append(f"'{first}' and '{second}' describe {len(steps)} steps as well: record more")
        warn(doubts)
    freedom = stats.t.fit(steps)[0]
    return StepTails(table, best, float(freedom), len(steps), doubts)


def _ahead(one, two):
    """Whether one model describes the steps better than another, by two standard errors."""
    gain = np.clip(one - two, -_MOST, _MOST)
    return bool(gain.mean() > 2 * gain.std(ddof=1) / np.sqrt(len(gain)))


def _normal(steps):
    return stats.norm(*stats.norm.fit(steps)).logpdf


def _student(steps):
    return stats.t(*stats.t.fit(steps)).logpdf


def _mixture(steps):
    """Log density of two centred normals and their share, by maximum likelihood."""
    middle = np.median(steps)
    usual = max(1.4826 * np.median(np.abs(steps - middle)), 1e-3 * steps.std())

    def logpdf(p, s):
        share = 1 / (1 + np.exp(-p[0]))
        return np.logaddexp(
            np.log1p(-share) + stats.norm.logpdf(s, middle, np.exp(p[1])),
            np.log(share) + stats.norm.logpdf(s, middle, np.exp(p[1]) + np.exp(p[2])),
        )

    start = [-2.0, np.log(usual), np.log(2 * steps.std())]
    found = optimize.minimize(lambda p: -logpdf(p, steps).sum(), start, method="Nelder-Mead").x
    return lambda s: logpdf(found, s)


@dataclass(frozen=True, eq=False)
class Jumps:
    """How often domains jump from one angle to another.

    Attributes
    ----------
    rate : float
        Jumps of a domain a second (or a frame).
    interval : (float, float)
        Of 95 %, exact for independent jumps.
    events : DataFrame
        One row a jump: ``frame`` before it, ``domain``, ``particles`` that were seen to jump, ``turn`` (their
        median, degrees).
    n_particles : int
        Jumps of single particles in these events.
    exposure : int
        Domains times frames that were watched.
    unit : str
    doubts : list of str
    """

    rate: float
    interval: tuple[float, float]
    events: DataFrame
    n_particles: int
    exposure: int
    unit: str
    doubts: list[str] = field(default_factory=list)

    def __repr__(self):
        low, high = self.interval
        return (
            f"<Jumps: {len(self.events)} of domains ({self.n_particles} of particles), {self.rate:.3g} a "
            f"domain and {self.unit} ({low:.3g} to {high:.3g}, 95%)>{repeated(self.doubts)}"
        )


def jumps(
    tracks: DataFrame,
    *,
    symmetry: int,
    reach: float,
    least: float = 30.0,
    tolerance: float = 20.0,
    dt: float | None = None,
) -> Jumps:
    """Count jumps of domains: neighbours that turn together are one event.

    Parameters
    ----------
    tracks : DataFrame
        As of `particles.link`.
    symmetry : int
    reach, tolerance : float
        Of neighbours in a domain, see `domains`: pixels, degrees.
    least : float
        Degrees: a smaller turn is no jump.
    dt : float, optional
        Time from frame to frame, s; without it the rate is per frame.

    Returns
    -------
    Jumps

    Raises
    ------
    ValueError
        If a column is missing, or a parameter is out of its range.

    Notes
    -----
    A domain has jumped when at least half of its particles that are seen before and after have. Intervals are
    those of Clopper and Pearson. A jump by a whole period is not seen, one that goes farther than half of it
    is taken for one the other way. A jump carries particles at the rim far: beyond the search range of
    `particles.link` their tracks end, and where most of a domain does so often, the result has a doubt.

    Examples
    --------
    >>> from atomlens import particles, simulate
    >>> truth = simulate.particles.assembly("chiral", hop=0.1, rattle=1, random_state=1).truth
    >>> tracks = particles.link(truth.drop(columns="particle"), symmetry=3)
    >>> found = jumps(tracks, symmetry=3, reach=24)
    >>> bool(found.interval[0] < 0.1 < found.interval[1])
    True
    """
    lacking = [name for name in ("frame", "particle", "x", "y", "theta", "turn") if name not in tracks]
    if lacking:
        raise ValueError(f"the tracks lack {', '.join(lacking)}: link them with particles.link")
    if not 0 < least <= 180 / symmetry:
        raise ValueError(f"least must be above 0 and at most {180 / symmetry:g} degrees, got {least!r}")
    if dt is not None and not 0 < dt < np.inf:
        raise ValueError(f"dt must be a positive time in s, got {dt!r}")
    table = domains(tracks, symmetry=symmetry, reach=reach, tolerance=tolerance)
    table = table.sort_values(["particle", "frame"], ignore_index=True)
    later = table.groupby("particle")[["frame", "turn"]].shift(-1)
    table["step"] = (later["turn"] - table["turn"]).where(later["frame"] == table["frame"] + 1)
    seen = table.dropna(subset="step").assign(jumped=lambda rows: rows["step"].abs() >= least)
    groups = seen.groupby(["frame", "domain"])
    share = groups["jumped"].mean()
    happened = share.index[share >= 0.5]  # the median step of a group is then a jump, too
    chosen = seen.set_index(["frame", "domain"]).loc[happened]
    chosen = chosen[chosen["jumped"]].groupby(level=[0, 1])["step"]
    events = chosen.agg(particles="size", turn="median").reset_index()
    time, unit = (1.0, "frame") if dt is None else (dt, "s")
    exposure, n = len(share), len(events)
    if not exposure:
        doubts = ["no particle is seen in two successive frames: nothing is known of jumps"]
        warn(doubts)
        return Jumps(np.nan, (0.0, np.inf), events, 0, 0, unit, doubts)
    lost = table[table["frame"] < table["frame"].max()].groupby(["frame", "domain"])["step"]
    torn = int((lost.count() < lost.size() / 2).sum())
    doubts = []
    if torn > max(0.5 * n, _TORN * len(lost)):
        doubts = [
            f"{torn} of {len(lost)} times most tracks of a domain end at once: these may be jumps, and the "
            "rate is then too low; link with a larger search_range"
        ]
        warn(doubts)
    interval = stats.binomtest(n, exposure).proportion_ci(0.95)
    limits = interval.low / time, interval.high / time
    return Jumps(n / exposure / time, limits, events, int(events["particles"].sum()), exposure, unit, doubts)
