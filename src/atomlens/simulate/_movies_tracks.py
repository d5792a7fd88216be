"""Tables of detections whose dynamics is planted: no images, so hundreds of movies take seconds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens._sample import Sample, pedigree
from atomlens._types import ArrayLike, Generator
from atomlens.simulate._frame import within

_SUBSTEPS = 16  # of an exposure: the variance of a mean over so many differs from the integral's by 0.4 %


def tracks(
    n_particles: int = 50,
    *,
    n_frames: int = 200,
    diffusion: float = 2e-3,
    anisotropy: float = 1.0,
    angle: float = 0.0,
    trap: float | None = None,
    exponent: float = 1.0,
    matrix: ArrayLike | None = None,
    localisation: float = 0.0,
    exposure: float = 0.0,
    missed: float = 0.0,
    false: float = 0.0,
    misclassification: ArrayLike | None = None,
    drift: tuple[float, float] = (0.0, 0.0),
    appear: float = 0.0,
    disappear: float = 0.0,
    dt: float = 1.0,
    pixel_size: float = 0.03,
    shape: tuple[int, int] = (512, 512),
    random_state: int | Generator = 0,
) -> Sample:
    """Detections in a movie of Brownian particles that change their state: a table, without images.

    Parameters
    ----------
    n_particles : int
        In the first frame, anywhere in the field.
    n_frames : int
    diffusion : float
        Diffusion coefficient in nm²/s, the mean over the directions: the mean-square displacement is
        4 x diffusion x time.
    anisotropy : float
        Diffusion along `angle` over that across it.
    angle : float
        Degrees from x towards y.
    trap : float, optional
        Every particle is bound to its place by a spring: its standard deviation there, in nm along an axis.
    exponent : float
        Of the mean-square displacement as a power of time: 1 is Brownian motion; below, steps turn back
        (fractional Brownian motion). `diffusion` is then in nm²/s**exponent.
    matrix : array_like of shape (K, K), optional
        Probability of each state in the next frame (columns) given that in this one (rows). The first states
        are drawn from its stationary distribution. Without it there is one state.
    localisation : float
        Standard deviation of the error of a detected place, in nm along an axis.
    exposure : float
        Time over which a frame averages places, in s; at most `dt`.
    missed : float
        Probability that a particle is not detected in a frame.
    false : float
        Mean number of false detections a frame, anywhere and of any state.
    misclassification : array_like of shape (K, K), optional
        Probability of each seen state (columns) given the true one (rows).
    drift : tuple of float
        Velocity (x, y) of everything, in nm/s.
    appear : float
        Mean number of new particles a frame.
    disappear : float
        Probability that a particle vanishes from one frame to the next.
    dt : float
        Time from frame to frame in s.
    pixel_size : float
        In nm.
    shape : tuple of int
        (H, W) of the frames. Particles move out of it, and back.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        ``data``: one row a detection, by frame and in no order within it: ``frame``, ``x``, ``y`` (pixels),
        ``x_nm``, ``y_nm``, ``label`` (the state that is seen). ``truth``: one row a particle and frame:
        ``frame``, ``particle``, ``x``, ``y``, ``x_nm``, ``y_nm`` (at the start of the exposure), ``state``,
        ``visible`` (in the field), ``detected``. ``extras``: ``particle`` of every detection (-1: a false
        one), ``matrix``, ``misclassification``, ``drift`` (table: frame, ``x``, ``y`` in pixels, ``x_nm``,
        ``y_nm``).

    Raises
    ------
    ValueError
        If a probability, a matrix or a length is none, or a trap is combined with an exponent.

    References
    ----------
    Davies and Harte, Biometrika 74, 95 (1987), for fractional Brownian motion.

    Examples
    --------
    >>> sample = tracks(3, n_frames=4, matrix=[[0.9, 0.1], [0.2, 0.8]], missed=0.5)
    >>> len(sample.truth), len(sample.data) == int(sample.truth.detected.sum())
    (12, True)
    """
    for name, value, least in (("n_particles", n_particles, 0), ("n_frames", n_frames, 1)):
        if not (isinstance(value, int | np.integer) and value >= least):
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    for name, value in (("missed", missed), ("disappear", disappear)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is a probability from 0 to 1, got {value!r}")
    for name, value in (
        ("diffusion", diffusion),
        ("localisation", localisation),
        ("false", false),
        ("appear", appear),
    ):
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} must be finite and not negative, got {value!r}")
    for name, value in (
        ("anisotropy", anisotropy),
        ("dt", dt),
        ("pixel_size", pixel_size),
        ("trap", trap or 1),
    ):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be finite and positive, got {value!r}")
    if not 0 <= exposure <= dt:
        raise ValueError(f"exposure must lie between 0 and dt = {dt:g} s, got {exposure!r}")
    if not 0 < exponent < 2:
        raise ValueError(f"exponent must lie between 0 and 2, got {exponent!r}")
    if exponent != 1 and (trap is not None or exposure):
        raise ValueError(
            "an exponent other than 1 goes with neither a trap nor an exposure: plant one of them"
        )
    matrix = stochastic("matrix", [[1.0]] if matrix is None else matrix)
    confusion = stochastic(
        "misclassification", np.eye(len(matrix)) if misclassification is None else misclassification
    )
    if confusion.shape != matrix.shape:
        raise ValueError(
            f"misclassification is of {len(confusion)} states, matrix of {len(matrix)}: both need the same"
        )
    rng = np.random.default_rng(random_state)

    born = np.concatenate(
        [np.zeros(n_particles, int), np.repeat(np.arange(n_frames), rng.poisson(appear, n_frames))]
    )
    count = born.size
    dies = born + rng.geometric(disappear, count) if disappear else np.full(count, n_frames)
    alive = (np.arange(n_frames)[:, None] >= born) & (np.arange(n_frames)[:, None] < dies)
    state = chain(matrix, n_frames, count, rng)

    start, mean = _paths(n_frames, count, diffusion, anisotropy, angle, trap, exponent, exposure, dt, rng)
    places = rng.uniform(-0.5, np.array(shape[::-1]) - 0.5, (count, 2))
    moved = np.arange(n_frames)[:, None] * np.asarray(drift, dtype=float) * dt / pixel_size
    start, mean = (places + moved[:, None] + path / pixel_size for path in (start, mean))
    seen = mean + rng.normal(0, localisation / pixel_size, mean.shape)
    visible = within(start[..., 0], start[..., 1], shape)
    detected = alive & visible & (rng.random(alive.shape) >= missed)
    label = draw(confusion[state], rng)

    frame, particle = np.nonzero(alive)
    truth = located(pd.DataFrame({"frame": frame, "particle": particle}), start[alive], pixel_size)
    truth = truth.assign(state=state[alive], visible=visible[alive], detected=detected[alive])

    others = np.repeat(np.arange(n_frames), rng.poisson(false, n_frames))
    wrong = rng.uniform(-0.5, np.array(shape[::-1]) - 0.5, (others.size, 2))
    frame, particle = np.nonzero(detected)
    frame = np.concatenate([frame, others])
    owner = np.concatenate([particle, np.full(others.size, -1)])
    label = np.concatenate([label[detected], rng.integers(len(matrix), size=others.size)])
    order = np.lexsort([rng.random(frame.size), frame])
    data = located(pd.DataFrame({"frame": frame}), np.concatenate([seen[detected], wrong]), pixel_size)
    data = data.assign(label=label).iloc[order].reset_index(drop=True)

    parameters = {
        "diffusion_nm2_per_s": diffusion, "anisotropy": anisotropy, "angle": angle, "trap_nm": trap,
        "exponent": exponent, "localisation_nm": localisation, "exposure_s": exposure, "missed": missed,
        "false": false, "drift_nm_per_s": tuple(drift), "appear": appear, "disappear": disappear, "dt_s": dt,
        "pixel_size_nm": pixel_size,
    }  # fmt: skip
    extras = {
        "particle": owner[order],
        "matrix": matrix,
        "misclassification": confusion,
        "drift": located(pd.DataFrame({"frame": np.arange(n_frames)}), moved, pixel_size),
    }
    return Sample(data, truth, pedigree("planted tracks", random_state, parameters), extras)


def located(table, xy, pixel_size):
    """A table with places in pixels and in nm."""
    names = ["x", "y"]
    return table.assign(**{n: xy[:, k] for k, n in enumerate(names)},
                        **{f"{n}_nm": xy[:, k] * pixel_size for k, n in enumerate(names)})  # fmt: skip


def stochastic(name, matrix):
    """A square array whose rows are probabilities, or an error."""
    values = np.asarray(matrix, dtype=float)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or not len(values):
        raise ValueError(
            f"{name} must be square, one row and one column a state; its shape is {values.shape}"
        )
    if not (
        np.isfinite(values).all() and (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-6)
    ):
        raise ValueError(
            f"every row of {name} must be probabilities that sum to 1; the sums are {values.sum(axis=1)}"
        )
    return values / values.sum(axis=1, keepdims=True)


def draw(probabilities, rng):
    """One index for every row of probabilities (last axis)."""
    below = probabilities.cumsum(axis=-1)[..., :-1]
    return (rng.random(below.shape[:-1])[..., None] >= below).sum(axis=-1)


def chain(matrix, n_frames, count, rng):
    """States of shape (frames, count) of a Markov chain that starts in its stationary distribution."""
    long = np.linalg.matrix_power(0.5 * (matrix + np.eye(len(matrix))), 1 << 20)
    states = np.empty((n_frames, count), dtype=int)
    states[0] = draw(np.broadcast_to(long.mean(axis=0), (count, len(matrix))), rng)
    for t in range(1, n_frames):
        states[t] = draw(matrix[states[t - 1]], rng)
    return states


def _paths(n_frames, count, diffusion, anisotropy, angle, trap, exponent, exposure, dt, rng):
    """Places in nm at the start of each frame, and their means over the exposure: (frames, count, 2) each."""
    both = 2 * diffusion * np.array([anisotropy, 1.0]) / (1 + anisotropy)  # along and across
    turn = np.radians(angle)
    frame = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    if exponent != 1:
        steps = _fractional(n_frames - 1, (count, 2), exponent, rng) * np.sqrt(2 * both * dt**exponent)
        path = np.concatenate([np.zeros((1, count, 2)), np.cumsum(steps, axis=0)]) @ frame
        return path, path
    # Within a frame: its exposure in equal steps, then one step to the next frame.
    open_steps = np.full(_SUBSTEPS, exposure / _SUBSTEPS) if exposure else np.zeros(0)
    times = np.append(open_steps, dt - exposure)
    where = np.zeros((count, 2)) if trap is None else rng.normal(0, trap, (count, 2))
    start, mean = np.empty((2, n_frames, count, 2))
    for t in range(n_frames):
        start[t], total = where, where / 2
        for k, time in enumerate(times):
            if k == len(open_steps):
                # The trapezium's rule: half of the first and of the last place.
                mean[t] = (total - where / 2) / _SUBSTEPS if exposure else start[t]
            if trap is None:
                where = where + np.sqrt(2 * both * time) * rng.standard_normal((count, 2))
            else:
                kept = np.exp(-both * time / trap**2)
                where = kept * where + trap * np.sqrt(1 - kept**2) * rng.standard_normal((count, 2))
            total = total + where
    return start @ frame, mean @ frame


def _fractional(n, shape, exponent, rng):
    """Steps of fractional Brownian motion, of variance 1: (n, *shape)."""
    if n == 0:
        return np.zeros((0, *shape))
    lag = np.arange(n + 1.0)
    covariance = ((lag + 1) ** exponent - 2 * lag**exponent + np.abs(lag - 1) ** exponent) / 2
    circle = np.concatenate([covariance, covariance[-2:0:-1]])
    power = np.maximum(np.fft.fft(circle).real, 0)
    white = rng.standard_normal((circle.size, *shape)) + 1j * rng.standard_normal((circle.size, *shape))
    wave = np.sqrt(power / circle.size).reshape(-1, *[1] * len(shape)) * white
    return np.fft.fft(wave, axis=0).real[:n]
