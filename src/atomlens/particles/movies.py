"""Movies of particles: how good each frame is, who is who, and which of them are turned alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from atomlens import dynamics
from atomlens._types import ArrayLike, DataArray, DataFrame
from atomlens.particles._frames import check_symmetry, flat_frame, folded, pixels_of
from atomlens.particles.score import angle_between

__all__ = ["domains", "frame_quality", "link"]

_SHIFT = 0.1  # of a side, the farthest that a frame may be displaced against the one before
_WORSE, _NOTHING = 0.4, 0.2  # of the usual likeness: a frame that is worse, and one that shows nothing
_NEAR = 2  # frames before and after, with which one is compared
_BROAD = 10  # what is broader than this part of a side is no particle
_SHORTEST = 3  # frames of a movie whose frames can be compared
_SHARE = 0.25  # of the search range, how much an angle counts: ties are broken, places decide


def frame_quality(movie: DataArray | ArrayLike) -> DataFrame:
    """How much of each frame is also seen in the frames beside it.

    Parameters
    ----------
    movie : DataArray or array_like of shape (T, H, W)

    Returns
    -------
    DataFrame
        One row a frame: ``frame``; ``likeness``, its correlation with the two frames before and the two
        after, at the displacement where it is best, the second largest of the four; ``verdict``: "good",
        "worse" (below four tenths of what is usual in the better half of the movie), or "nothing" (below two
        tenths).

    Raises
    ------
    ValueError
        If it is no movie of three frames at least.

    Notes
    -----
    Noise differs from frame to frame, and what is on the surface stays. The median of each line is taken away
    first. Particles that all move far between two frames look like noise here: such a movie was recorded too
    slowly to be followed.

    Examples
    --------
    >>> from atomlens import simulate
    >>> movie = simulate.particles.assembly(n_frames=5, growth=0.2, worse=(4, 400)).data
    >>> frame_quality(movie).verdict.tolist()
    ['good', 'good', 'good', 'good', 'nothing']
    """
    frames = list(np.asarray(movie))
    if np.ndim(movie) != 3 or len(frames) < _SHORTEST:
        raise ValueError(f"a movie has the axes (time, y, x) and three frames or more, got {np.shape(movie)}")
    spectra = [_spectrum(frame) for frame in frames]
    shape = frames[0].shape
    likeness = np.full((len(frames), 2 * _NEAR), -1.0)
    for lag in range(1, _NEAR + 1):
        beside = [_likeness(a, b, shape) for a, b in zip(spectra[:-lag], spectra[lag:], strict=True)]
        likeness[:-lag, lag - 1] = likeness[lag:, -lag] = beside
    likeness = np.sort(likeness, axis=1)[:, -2]  # two junk frames in a row may be alike
    usual = np.median(np.sort(likeness)[len(likeness) // 2 :])
    steps = [_NOTHING * usual, _WORSE * usual]
    verdict = np.array(["nothing", "worse", "good"])[np.digitize(likeness, steps)]
    return pd.DataFrame({"frame": np.arange(len(frames)), "likeness": likeness, "verdict": verdict})


def poor_frames(movie):
    """Sentences about frames that are worse than the others; none for movies too short to tell."""
    if len(movie) < _SHORTEST:
        return []
    quality = frame_quality(movie)
    words = {
        "worse": "are worse than the others: trust them less",
        "nothing": "show nothing that stays: leave them out",
    }
    return [
        f"frames {listed(frames)} {words[verdict]}"
        for verdict in words
        if (frames := quality.frame[quality.verdict == verdict].tolist())
    ]


def listed(numbers):
    """Numbers in words: 3, 5-7."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _spectrum(frame):
    """Fourier transform of a frame that is level, without mean and of norm one; None of a flat one."""
    if flat_frame(frame):
        return None
    # Line by line, though rows of particles lose some height: a lost tip makes whole lines that jump.
    values = pixels_of(frame)
    values = values - np.median(values, axis=1, keepdims=True)
    values = values - gaussian_filter(values, min(values.shape) / _BROAD)
    low, high = np.percentile(values, [0.1, 99.9])
    values = np.clip(values, low, high)  # scars and jumps of the tip would outweigh the rest
    values = values - values.mean()
    return np.fft.rfft2(values / max(np.linalg.norm(values), 1e-12))


def _likeness(one, two, shape):
    """The largest correlation of two frames that are displaced by little."""
    if one is None or two is None:
        return 0.0
    correlation = np.fft.irfft2(one * two.conj(), shape)
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) <= _SHIFT * n for n in shape)
    return float(correlation[np.ix_(y, x)].max())


def link(found: DataFrame, *, symmetry: int, search_range: float | None = None, memory: int = 2) -> DataFrame:
    """Follow particles from frame to frame by place and angle.

    Parameters
    ----------
    found : DataFrame
        ``frame``, ``x``, ``y`` (pixels) and ``theta`` (degrees), as `ParticleNetwork.find_all` gives.
    symmetry : int
        How often a particle repeats in a full turn.
    search_range : float, optional
        As for `dynamics.link`: read off the data by default.
    memory : int

    Returns
    -------
    DataFrame
        With ``particle``, and ``turn``: by how many degrees it has turned since its first frame, counted on
        beyond a full turn. Turns of half a period (180 degrees over the symmetry) or more from frame to frame
        cannot be told from smaller ones.

    Raises
    ------
    ValueError
        If a column is missing, or the symmetry is none.

    Examples
    --------
    >>> from atomlens import simulate
    >>> truth = simulate.particles.assembly(n_frames=4, shape=(96, 96)).truth
    >>> tracks = link(truth.drop(columns="particle"), symmetry=2)
    >>> bool((tracks.groupby("particle").turn.first() == 0).all())
    True
    """
    check_symmetry(symmetry)
    if "theta" not in found:
        raise ValueError("the table lacks theta: angles in degrees")
    angle = symmetry * np.radians(found["theta"].to_numpy(float))
    beside = np.column_stack([np.cos(angle), np.sin(angle)])
    tracks = dynamics.link(found, search_range=search_range, memory=memory, beside=(beside, _SHARE))
    step = angle_between(tracks["theta"], tracks.groupby("particle")["theta"].shift(), symmetry)
    tracks["turn"] = pd.Series(np.nan_to_num(step), tracks.index).groupby(tracks["particle"]).cumsum()
    return tracks


def domains(found: DataFrame, *, symmetry: int, reach: float, tolerance: float = 10.0) -> DataFrame:
    """Neighbours that are turned alike make a domain.

    Parameters
    ----------
    found : DataFrame
        ``x``, ``y`` (pixels), ``theta`` (degrees); with ``frame``, frame by frame.
    symmetry : int
    reach : float
        How far neighbours are apart at most, pixels.
    tolerance : float
        By how many degrees neighbours may differ.

    Returns
    -------
    DataFrame
        The table with ``domain`` (by frame; the largest is 0), ``domain_size`` (particles in it),
        ``domain_theta`` (circular mean, degrees) and ``order``, the modulus of the mean of exp(i n theta) in
        the domain: 1 if all are turned alike.

    Raises
    ------
    ValueError
        If a column is missing or a parameter is out of its range.

    References
    ----------
    Mardia and Jupp, Directional Statistics (2000).

    Examples
    --------
    >>> rows = pd.DataFrame({"x": [0, 5, 10, 15.0], "y": 0.0, "theta": [2, 178, 90, 92.0]})
    >>> domains(rows, symmetry=2, reach=6)[["domain", "domain_size", "domain_theta"]].round(1).values.tolist()
    [[0.0, 2.0, 0.0], [0.0, 2.0, 0.0], [1.0, 2.0, 91.0], [1.0, 2.0, 91.0]]
    """
    check_symmetry(symmetry)
    lacking = [name for name in ("x", "y", "theta") if name not in found]
    if lacking:
        raise ValueError(f"the table lacks {', '.join(lacking)}")
    if not (reach > 0 and tolerance > 0):
        raise ValueError(f"reach and tolerance must be above 0, got {reach!r} and {tolerance!r}")
    frames = found["frame"].to_numpy() if "frame" in found else np.zeros(len(found), int)
    told = np.empty((len(found), 4))
    for frame in np.unique(frames):
        rows = np.flatnonzero(frames == frame)
        told[rows] = _domains_of_frame(found.iloc[rows], symmetry, reach, tolerance)
    result = found.copy()
    result["domain"], result["domain_size"] = told[:, 0].astype(int), told[:, 1].astype(int)
    result["domain_theta"], result["order"] = told[:, 2], told[:, 3]
    return result


def _domains_of_frame(table, symmetry, reach, tolerance):
    theta = table["theta"].to_numpy(float)
    pairs = cKDTree(table[["x", "y"]].to_numpy(float)).query_pairs(reach, output_type="ndarray")
    i, j = pairs[np.abs(angle_between(theta[pairs[:, 0]], theta[pairs[:, 1]], symmetry)) <= tolerance].T
    graph = coo_matrix((np.ones(len(i)), (i, j)), (len(table), len(table)))
    _, label = connected_components(graph, directed=False)
    size = np.bincount(label)
    rank = np.empty(len(size), int)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(size))
    turned = np.exp(1j * symmetry * np.radians(theta))
    mean = (np.bincount(label, turned.real) + 1j * np.bincount(label, turned.imag)) / size
    angle = folded(np.degrees(np.angle(mean)) / symmetry, symmetry)
    return np.column_stack([rank[label], size[label], angle[label], np.abs(mean)[label]])
