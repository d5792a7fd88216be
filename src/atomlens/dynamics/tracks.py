"""From detections to tracks: linking, drift, and what happened to them."""

from __future__ import annotations

import contextlib
import logging

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomlens._doubts import inherited, warn
from atomlens._types import ArrayLike, DataFrame

__all__ = ["events", "link", "remove_drift"]

_CHANCE = 0.8  # of a link by chance alone, up to which a distance tells anything about true displacements
_LOST = 0.005  # share of the true displacements that may exceed the search range
# Of the search range beyond that: one in 200 of the steps of Brownian motion, the longest, carry 3 % of its
# diffusion; 1.6 leaves one in a million, and lets hops to the nearest sites of a lattice, not to the next.
_MARGIN = 1.6
_CROWDED = 0.25  # of the detections have a stranger within the search range: then 1 % of links are wrong
_PAIRS = 200  # pairs of frames from which displacements are read
_EMPTY = 0.5  # share of frames without any detection, from which that is worth a sentence
_TIE = 1e-6  # of the search range: nothing to a place, and enough to tell two apart


def link(
    detections: DataFrame,
    *,
    search_range: float | None = None,
    memory: int = 2,
    n_frames: int | None = None,
    beside: tuple[ArrayLike, float] | None = None,
) -> DataFrame:
    """Link the detections of a movie to tracks (trackpy), each a defect followed from frame to frame.

    Parameters
    ----------
    detections : DataFrame
        One row a detection: ``frame`` (whole numbers), ``x``, ``y`` in pixels, and whatever else is known of
        it, which is kept. Frames without detections are simply absent.
    search_range : float, optional
        The farthest, in pixels, that a defect moves from one frame to the next. By default it is read off
        the data: how far the nearest detection in the next frame is, beyond what strangers explain.
    memory : int
        Frames for which a defect may be missed and is still the same.
    n_frames : int, optional
        Frames of the movie, if the last ones may be empty.
    beside : (array_like of shape (N, k), float), optional
        What else a detection keeps from frame to frame, of order one, such as cosine and sine of an angle;
        and the share of the search range that a difference of one counts. It decides between detections that
        are about as near.

    Returns
    -------
    DataFrame
        The detections with ``particle``, by particle and frame. ``attrs``: ``search_range`` (pixels),
        ``search_reason``, ``memory``, ``n_frames``, ``empty_frames`` (list), ``drift_px`` (x, y per frame,
        that was allowed for) and ``doubts``. `events` tells gaps, mergers and splits.

    Raises
    ------
    ValueError
        If a column is missing, frames are no whole numbers, places are not finite, or the search range is not
        positive.

    References
    ----------
    Crocker and Grier, J. Colloid Interface Sci. 179, 298 (1996); Allan et al., trackpy,
    doi 10.5281/zenodo.4682814.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.movies.tracks(20, n_frames=30, missed=0.05)
    >>> tracks = link(sample.data)
    >>> int(tracks.particle.nunique()), round(float(tracks.groupby("particle").size().mean()), 1)
    (20, 28.4)
    """
    table = checked(detections, ["frame", "x", "y"])
    if not (isinstance(memory, int | np.integer) and memory >= 0):
        raise ValueError(f"memory is a whole number of frames, 0 or more; got {memory!r}")
    if search_range is not None and not 0 < search_range < np.inf:
        raise ValueError(f"search_range must be a positive number of pixels, got {search_range!r}")
    frames = table["frame"].to_numpy()
    last = int(frames.max()) + 1 if len(frames) else 0
    n_frames = last if n_frames is None else n_frames
    if n_frames < last:
        raise ValueError(f"n_frames is {n_frames}, but there are detections in frame {last - 1}")
    empty = np.setdiff1d(np.arange(n_frames), frames).tolist()
    messages = inherited(detections)
    if not len(table):
        messages.append(
            "there is no detection at all: nothing can be linked; look at the detector's threshold"
        )
        drift, found, reason = np.zeros(2), search_range or np.nan, "no detections"
    else:
        drift, found, reason, said = _range_of(table, search_range)
        messages += said
    if len(table) and len(empty) > _EMPTY * n_frames:
        messages.append(
            f"{len(empty)} of {n_frames} frames hold no detection: tracks break where more than {memory} in "
            "a row are empty; look at the detector, or raise memory"
        )
    table = table.assign(particle=_linked(table, found, memory, drift, _beside(beside, len(table))))
    table = table.sort_values(["particle", "frame"], kind="stable").reset_index(drop=True)
    table.attrs = {
        **detections.attrs,
        "search_range": float(found),
        "search_reason": reason,
        "memory": int(memory),
        "n_frames": int(n_frames),
        "empty_frames": empty,
        "drift_px": tuple(drift.tolist()),
        "doubts": messages,
    }
    tell(messages, detections)
    return table


def tell(messages, source):
    """Warn of what is new: doubts of the source were told when it was made."""
    old = inherited(source)
    warn([message for message in messages if message not in old], stacklevel=3)


def checked(table, needed):
    """A copy with whole frames and finite places, or an error."""
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"pass a table with columns {', '.join(needed)}, not a {type(table).__name__}")
    missing = [name for name in needed if name not in table]
    if missing:
        raise ValueError(f"the table lacks {', '.join(missing)}: it has {', '.join(map(str, table.columns))}")
    table = table.copy()
    table.attrs = {}
    numbers = [name for name in needed if name not in ("particle", "label", "state")]
    values = table[numbers].to_numpy(dtype=float)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise ValueError(f"{bad.sum()} rows hold NaN or infinite {', '.join(numbers)}: drop them first")
    frames = table["frame"].to_numpy(dtype=float)
    if (frames != np.rint(frames)).any() or (frames < 0).any():
        raise ValueError("frame must be whole numbers from 0 on: number the frames instead of giving times")
    table["frame"] = frames.astype(int)
    if "particle" in needed and table.duplicated(["particle", "frame"]).any():
        twice = int(table.duplicated(["particle", "frame"]).sum())
        raise ValueError(
            f"{twice} rows are of a particle that is in the same frame already: it can be at one place at "
            "a time; number the tracks of several movies on"
        )
    return table


def _range_of(table, given):
    """Drift a frame, search range and its reason, and doubts."""
    pairs, area = _pairs_of_frames(table)
    if not pairs:
        reason = "given" if given else "no two successive frames hold detections"
        # A range is needed nevertheless, and no link depends on it.
        return np.zeros(2), given or 1.0, reason, []
    drift = _common_step(pairs)
    pairs = [(one + drift, two) for one, two in pairs]
    distances = np.concatenate([_mutual(one, two) for one, two in pairs])
    density = np.mean([len(two) for _, two in pairs]) / area
    if given is not None:
        found, reason = float(given), "given"
    else:
        found, reason = _from_displacements(distances, pairs, density)
    crowd = np.concatenate([cKDTree(one).query(one, 2)[0][:, 1] for one, _ in pairs if len(one) > 1] or [[]])
    strangers = float(np.mean(crowd < found)) if crowd.size else 0.0
    messages = []
    if strangers > _CROWDED:
        messages.append(
            f"{strangers:.0%} of the detections have another one within the search range of {found:.1f} px: "
            "links there may join different defects; record frames faster, or give a smaller search_range"
        )
    return drift, found, reason, messages


def _pairs_of_frames(table):
    """Places in some pairs of successive frames, and the area (square pixels) of all."""
    frames, xy = table["frame"].to_numpy(), table[["x", "y"]].to_numpy(dtype=float)
    places = {t: xy[rows] for t, rows in _rows_of_frames(frames).items()}
    both = [t for t in places if t + 1 in places]
    chosen = both[:: max(1, len(both) // _PAIRS)]
    area = max(float(np.prod(np.ptp(xy, axis=0))), 1.0)
    return [(places[t], places[t + 1]) for t in chosen], area


def _common_step(pairs):
    """Displacement from frame to frame that most detections share: where all differences crowd most.

    Zero unless it clearly beats standing still.
    """
    reach = 3 * np.median(np.concatenate([cKDTree(two).query(one)[0] for one, two in pairs]))
    if reach == 0:
        return np.zeros(2)
    steps = []
    for one, two in pairs:
        near = cKDTree(one).query_ball_tree(cKDTree(two), reach)
        steps += [two[js] - one[i] for i, js in enumerate(near) if js]
    steps = np.concatenate(steps)
    tree = cKDTree(steps)
    width = np.median(np.hypot(*steps.T)) / 4
    count = tree.query_ball_point(steps, width, return_length=True)
    here = steps[np.argmax(count)]
    for _ in range(5):  # mean shift
        here = steps[tree.query_ball_point(here, 2 * width)].mean(axis=0)
    still = tree.query_ball_point(np.zeros(2), width, return_length=True)
    there = tree.query_ball_point(here, width, return_length=True)
    return here if there > still + 5 * np.sqrt(still + 1) else np.zeros(2)


def _mutual(one, two):
    """Distances of those that are nearest to each other in both directions, infinite for the others."""
    there, back = cKDTree(two), cKDTree(one)
    distance, j = there.query(one)
    _, i = back.query(two)
    return np.where(i[j] == np.arange(len(one)), distance, np.inf)


def _from_displacements(distances, pairs, density):
    """Search range from the distances of nearest neighbours in time, and the reason in words.

    Of a detection whose true successor lies within d, or a stranger does, one minus the probabilities
    multiply; strangers alone follow from frames that are laid over each other displaced.
    """
    span = np.concatenate([two for _, two in pairs])
    low, size = span.min(axis=0), np.maximum(np.ptp(span, axis=0), 1e-9)
    chance = []
    for k, (one, two) in enumerate(pairs):
        # Displacements that have nothing to do with each other, around a torus
        step = size * np.array([0.5 + 0.38 * np.sin(1 + 7 * k), 0.5 + 0.38 * np.cos(2 + 5 * k)])
        chance.append(_mutual(low + (one - low + step) % size, two))
    chance = np.concatenate(chance)
    typical = 1 / np.sqrt(max(density, 1e-12))
    seen = np.sort(distances[np.isfinite(distances)])
    if not seen.size:
        return (
            0.3 * typical,
            "no detection has a partner in the next frame: 0.3 of the usual distance of neighbours",
        )
    by_chance = np.searchsorted(np.sort(chance), seen, side="right") / chance.size
    together = np.arange(1, seen.size + 1) / distances.size
    useful = by_chance < _CHANCE
    if not useful.any():
        return (
            0.3 * typical,
            "displacements cannot be told from chance: 0.3 of the usual distance of neighbours",
        )
    true = np.maximum.accumulate(1 - (1 - together[useful]) / (1 - by_chance[useful]))
    # Noise of a share close to the last one: half a per cent, or the scatter of the counts.
    enough = true[-1] - max(_LOST, 1.0 / np.sqrt(distances.size) * 0.25)
    farthest = float(seen[useful][np.searchsorted(true, enough)])
    reason = (
        f"{1 - _LOST:.1%} of the displacements that are no chance are below {farthest:.1f} px; neighbours "
        f"are {typical:.0f} px apart"
    )
    return max(_MARGIN * farthest, 1e-3 * typical, 0.5), reason


def _beside(beside, n):
    """Further coordinates, in units of the search range, and how far apart they can be."""
    if beside is None:
        return np.zeros((n, 0)), 0.0
    values, share = np.asarray(beside[0], dtype=float), beside[1]
    if values.ndim != 2 or len(values) != n or not np.isfinite(values).all():
        raise ValueError(f"beside needs a finite row for each of {n} detections, got shape {values.shape}")
    if not 0 <= share < np.inf:
        raise ValueError(f"the share of the search range must be 0 or more, got {share!r}")
    return share * values, share * float(np.linalg.norm(np.ptp(values, axis=0))) if n else 0.0


def _linked(table, search_range, memory, drift, beside):
    """Number of the track of every row."""
    if not len(table):
        return np.zeros(0, dtype=int)
    trackpy = quiet_trackpy()
    frames = table["frame"].to_numpy()
    xy = table[["x", "y"]].to_numpy(dtype=float) - frames[:, None] * drift
    # Of links that are as good, trackpy takes one by its address in memory: here the places decide.
    xy = xy + _TIE * search_range * np.random.default_rng(0).uniform(-1, 1, xy.shape)
    xy = np.column_stack([xy, search_range * beside[0]])
    search_range = search_range * np.hypot(1, beside[1])
    rows = _rows_of_frames(frames)
    nobody = np.zeros(0, dtype=int)
    # Empty frames are passed on: a memory counts them.
    every = ((t, xy[rows.get(t, nobody)]) for t in range(frames.min(), frames.max() + 1))
    particle = np.empty(len(table), dtype=int)
    with _silent_log("trackpy"):
        # Where too many are within reach of each other, the range shrinks until they can be told apart.
        for t, numbers in trackpy.link_iter(
            every, search_range, memory=int(memory), adaptive_stop=search_range / 20, adaptive_step=0.9
        ):
            particle[rows.get(t, nobody)] = numbers
    order = np.argsort(frames, kind="stable")
    _, first, number = np.unique(particle[order], return_index=True, return_inverse=True)
    particle[order] = np.argsort(np.argsort(first))[number]  # numbered as they appear
    return particle


def _rows_of_frames(frames):
    """Rows of every frame that has any."""
    order = np.argsort(frames, kind="stable")
    there, first = np.unique(frames[order], return_index=True)
    ends = np.append(first, len(order))[1:]
    return {int(t): order[a:b] for t, a, b in zip(there, first, ends, strict=True)}


def quiet_trackpy():
    """The module, imported without its lines on the screen."""
    with _silent_log("trackpy"):
        import trackpy
    return trackpy


@contextlib.contextmanager
def _silent_log(name):
    """Nothing but warnings from a logger, as long as it takes."""
    logger = logging.getLogger(name)
    before = logger.disabled, logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.disabled = before[0]
        logger.setLevel(before[1])


def remove_drift(tracks: DataFrame, drift: DataFrame | None = None) -> DataFrame:
    """Take the common motion out of tracks.

    Parameters
    ----------
    tracks : DataFrame
        With ``frame``, ``particle``, ``x``, ``y`` and, if calibrated, ``x_nm``, ``y_nm``.
    drift : DataFrame, optional
        ``frame``, ``x``, ``y`` in pixels: where the specimen is, from the lattice for example. By default the
        mean step of all tracks from each frame to the next, which takes part of their own motion with it; how
        many tracks it was read from is noted, and `diffusion` corrects for it.

    Returns
    -------
    DataFrame
        Tracks whose places are relative to the specimen of the first frame. With a drift of their own, a
        column ``drift_share``: how much of a particle's own step went into the drift, one over the number of
        tracks. ``attrs["drift"]``: table ``frame``, ``x``, ``y`` (pixels).

    Raises
    ------
    ValueError
        If a column is missing, or `drift` does not cover the frames of the tracks.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.movies.tracks(40, n_frames=50, drift=(0.03, 0.0))
    >>> still = remove_drift(link(sample.data))
    >>> round(float(still.attrs["drift"].x.iloc[-1]))  # of a true 49
    51
    """
    table = checked(tracks, ["frame", "particle", "x", "y"])
    messages = inherited(tracks)
    if drift is None:
        motion, share = _own_drift(table)
        if share.size and np.nanmax(share, initial=0) > 0.5:
            messages.append(
                "in some frames the drift comes from a single track, which then cannot move any more: pass a "
                "drift that was measured on the lattice"
            )
        frame = table["frame"].to_numpy()
        table["drift_share"] = share[frame - motion["frame"].iloc[0]] if len(table) else share
    else:
        motion = checked(drift, ["frame", "x", "y"])[["frame", "x", "y"]].drop_duplicates("frame")
        lost = np.setdiff1d(table["frame"], motion["frame"])
        if lost.size:
            raise ValueError(f"the drift is not known in {lost.size} frames, the first of them {lost[0]}")
        motion = motion.sort_values("frame", ignore_index=True)
    at = motion.set_index("frame")[["x", "y"]].reindex(table["frame"]).to_numpy()
    at = at - motion[["x", "y"]].to_numpy()[:1]
    scale = _pixel_size(table)
    for k, name in enumerate("xy"):
        table[name] -= at[:, k]
        if scale is not None:
            table[f"{name}_nm"] -= at[:, k] * scale
    table.attrs = {**tracks.attrs, "drift": motion, "doubts": messages}
    tell(messages, tracks)
    return table


def _own_drift(table):
    """Where the specimen is in every frame, and one over the number of steps that say so."""
    if not len(table):
        return pd.DataFrame({"frame": [0], "x": [0.0], "y": [0.0]}), np.zeros(0)
    table = table.sort_values(["particle", "frame"])
    frame, particle = (table[name].to_numpy() for name in ("frame", "particle"))
    xy = table[["x", "y"]].to_numpy(dtype=float)
    first, n = frame.min(), int(np.ptp(frame)) + 1
    same = particle[1:] == particle[:-1]
    to, lag, steps = frame[1:][same] - first, np.diff(frame)[same], np.diff(xy, axis=0)[same]
    near = lag == 1
    count = np.bincount(to[near], minlength=n)
    mean = np.stack([np.bincount(to[near], s, n) for s in steps[near].T], axis=1)
    mean = mean / np.maximum(count, 1)[:, None]
    # After frames that are lost, from the last one before them
    for t in np.setdiff1d(to, to[near]):
        here = to == t
        between = [mean[t - k : t].sum(axis=0) for k in lag[here]]
        mean[t], count[t] = (steps[here] - between).mean(axis=0), here.sum()
    at = np.cumsum(mean, axis=0)
    motion = pd.DataFrame({"frame": np.arange(first, first + n), "x": at[:, 0], "y": at[:, 1]})
    return motion, np.where(count > 0, 1 / np.maximum(count, 1), np.nan)


def _pixel_size(table):
    """In nm, from the places in both units; None without calibration."""
    if not {"x_nm", "y_nm"} <= set(table.columns) or len(table) < 2:
        return None
    pixels, nm = (
        np.ptp(table[list(names)].to_numpy(dtype=float), axis=0) for names in (("x", "y"), ("x_nm", "y_nm"))
    )
    return float(nm.sum() / pixels.sum()) if pixels.sum() else None


def events(tracks: DataFrame, *, search_range: float | None = None) -> DataFrame:
    """What happened to tracks: gaps, appearance and disappearance, merging and splitting.

    A track that ends within reach of another one, which goes on, has merged; one that begins within reach of
    another that was there before has split off. Some do so by chance: where defects are dense, or a track
    was only lost and found again under another number.

    Parameters
    ----------
    tracks : DataFrame
        Linked, with ``frame``, ``particle``, ``x``, ``y``.
    search_range : float, optional
        Reach in pixels; that of the linking by default.

    Returns
    -------
    DataFrame
        ``frame``, ``kind`` ("gap", "appears", "disappears", "merges", "splits"), ``particle``, ``other``
        (with which it merges or from which it splits; -1 for none), ``frames`` (length of a gap, else 0).
        A gap stands at its first frame; the first and the last frame of the movie are no events.

    Raises
    ------
    ValueError
        If a column is missing, or no search range is known.

    Examples
    --------
    >>> from atomlens import simulate
    >>> tracks = link(simulate.movies.tracks(20, n_frames=30, missed=0.05).data)
    >>> sorted(events(tracks).kind.unique().tolist())
    ['appears', 'disappears', 'gap']
    """
    table = checked(tracks, ["frame", "particle", "x", "y"]).sort_values(["particle", "frame"])
    reach = tracks.attrs.get("search_range") if search_range is None else search_range
    if reach is None or not reach > 0 or not np.isfinite(reach):
        if len(table):
            raise ValueError("these tracks do not say how they were linked: give the search_range in pixels")
        reach = 1.0
    frame, particle = (table[name].to_numpy() for name in ("frame", "particle"))
    xy = table[["x", "y"]].to_numpy(dtype=float)
    same = particle[1:] == particle[:-1]
    gap = np.flatnonzero(same & (np.diff(frame) > 1))
    rows = [(frame[i] + 1, "gap", particle[i], -1, frame[i + 1] - frame[i] - 1) for i in gap]
    ends = np.flatnonzero(np.append(~same, True)) if len(table) else []
    starts = np.flatnonzero(np.append(True, ~same)) if len(table) else []
    final = max(int(tracks.attrs.get("n_frames", 0)), int(frame.max(initial=-1)) + 1) - 1
    present = _rows_of_frames(frame)

    def partner(i, now, then):
        """Which other track, in both frames, is within reach of row i in the frame `now`."""
        here, there = present.get(now, np.zeros(0, int)), present.get(then, np.zeros(0, int))
        others = here[np.isin(particle[here], particle[there]) & (particle[here] != particle[i])]
        distance = np.hypot(*(xy[others] - xy[i]).T)
        return particle[others[distance.argmin()]] if (distance <= reach).any() else -1

    for i in ends:
        if frame[i] < final:
            other = partner(i, frame[i] + 1, frame[i])
            rows.append((frame[i] + 1, "merges" if other >= 0 else "disappears", particle[i], other, 0))
    for i in starts:
        if frame[i] > 0:
            other = partner(i, frame[i] - 1, frame[i])
            rows.append((frame[i], "splits" if other >= 0 else "appears", particle[i], other, 0))
    found = pd.DataFrame(rows, columns=["frame", "kind", "particle", "other", "frames"])
    found = found.astype({"frame": int, "kind": str, "particle": int, "other": int, "frames": int})
    return found.sort_values(["frame", "particle"], kind="stable", ignore_index=True)
