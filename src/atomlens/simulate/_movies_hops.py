"""A movie of a sheet whose defects hop from site to site and change what they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.spatial import cKDTree

from atomlens._sample import Sample, pedigree
from atomlens._types import ArrayLike, Generator
from atomlens.simulate._frame import calibrated, within
from atomlens.simulate._movies_tracks import chain, located, stochastic
from atomlens.simulate._structures_2d import transition_metal_dichalcogenide
from atomlens.simulate.imaging import CROSS_SECTION, Instrument, image

# Of the sites of a metal: signal of the site over that of the metal (molybdenum over tungsten: (42/74)^1.7),
# and how many of its three chalcogen neighbours are missing.
STATES = {"dopant": (0.382, 0), "vacancy": (0.0, 0), "vacancy pair": (0.0, 1)}
_MATRIX = [[0.96, 0.03, 0.01], [0.03, 0.94, 0.03], [0.02, 0.08, 0.90]]
_STEP, _WIDEST = 0.32, 3.0  # nm: about that of a hop; of sites around the field, into which defects may hop


def hopping(
    n_defects: int = 50,
    *,
    n_frames: int = 200,
    shape: tuple[int, int] = (512, 512),
    pixel_size: float = 0.03,
    dt: float = 2.25,
    formula: str = "WS2",
    states: dict[str, tuple[float, int]] | None = None,
    matrix: ArrayLike | None = None,
    hop: float | ArrayLike = 0.05,
    anisotropy: float = 1.0,
    trapped: float = 0.0,
    drift: tuple[float, float] = (0.0, 0.0),
    wander: float = 0.0,
    appear: float = 0.0,
    disappear: float = 0.0,
    holes: int = 0,
    growth: float = 0.02,
    electrons: float = 150,
    instrument: Instrument | None = None,
    random_state: int | Generator = 0,
) -> Sample:
    """A movie of a dichalcogenide sheet whose defects, on metal sites, hop and change their state.

    From frame to frame a defect stays or hops to one of the six neighbouring sites, unless that is taken (so
    the share of sites that are taken is missing in the diffusion); and its state follows a Markov chain.
    Missed and false detections are left to whoever detects; `tracks` plants them.

    Parameters
    ----------
    n_defects : int
        In the first frame.
    n_frames : int
    shape : tuple of int
        (H, W) of the frames in pixels.
    pixel_size : float
        In nm.
    dt : float
        Time from frame to frame in s.
    formula : str
        A dichalcogenide of `simulate.structures`.
    states : dict, optional
        By name: signal of the site over that of the metal, and how many of its three chalcogen neighbours
        are missing. By default a lighter dopant, a vacancy, and a vacancy with one neighbour missing.
    matrix : array_like of shape (K, K), optional
        Probability of each state in the next frame (columns) given that in this one (rows).
    hop : float or array_like of shape (K,)
        Probability of a hop from one frame to the next, the same or one a state.
    anisotropy : float
        Diffusion along x over that along y, at least 1/3: the least that weights of the six hops can do.
    trapped : float
        Share of the defects that never hop.
    drift : tuple of float
        Velocity (x, y) of the specimen in nm/s.
    wander : float
        Standard deviation, in nm along an axis, of the random part of the drift from frame to frame.
    appear : float
        Mean number of new defects a frame.
    disappear : float
        Probability that a defect heals from one frame to the next.
    holes : int
        Holes that the beam makes, each from a frame on that is drawn at random.
    growth : float
        Of the radius of a hole, in nm a frame. Defects that it reaches are gone.
    electrons : float
        Detected electrons of the weakest column of the perfect sheet.
    instrument : Instrument, optional
        Its drift and wander, within a frame, are in addition.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        ``data``: the movie, dims (time, y, x), in counts; time in s, x and y in nm. ``truth``: one row a
        defect and frame: ``frame``, ``particle``, ``x``, ``y`` (pixels, drift included), ``x_nm``, ``y_nm``,
        ``state``, ``label`` (its name), ``visible`` (in the field), ``trapped``. ``extras``: ``matrix``,
        ``hop`` (array, one a state), ``diffusion`` (nm²/s, one a state, of those that are not trapped: hop x
        a² / (4 dt)), ``drift`` (table: frame, ``x``, ``y`` in pixels, ``x_nm``, ``y_nm``), ``holes`` (table:
        frame, ``x``, ``y``, ``x_nm``, ``y_nm``, ``radius_nm``), ``spacing_nm``.

    Raises
    ------
    ValueError
        If a probability or a matrix is none, or there are more defects than sites.

    Examples
    --------
    >>> sample = hopping(3, n_frames=4, shape=(64, 96), hop=0.2)
    >>> sample.data.shape, sorted(sample.truth.frame.unique().tolist())
    ((4, 64, 96), [0, 1, 2, 3])
    """
    names, strengths, missing = _checked_states(STATES if states is None else states)
    if matrix is None:
        matrix = _MATRIX if states is None else np.eye(len(names))
    matrix = stochastic("matrix", matrix)
    if len(matrix) != len(names):
        raise ValueError(f"matrix is of {len(matrix)} states, but {len(names)} are named: {', '.join(names)}")
    hop = np.broadcast_to(np.asarray(hop, dtype=float), (len(names),)).copy()
    for name, value in (("hop", hop), ("trapped", trapped), ("disappear", disappear)):
        if not np.all((np.asarray(value) >= 0) & (np.asarray(value) <= 1)):
            raise ValueError(f"{name} is a probability from 0 to 1, got {value!r}")
    for name, value, least in (("n_defects", n_defects, 0), ("n_frames", n_frames, 1), ("holes", holes, 0)):
        if not (isinstance(value, int | np.integer) and value >= least):
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    if not 1 / 3 <= anisotropy < np.inf:
        raise ValueError(f"anisotropy must be at least 1/3, got {anisotropy!r}: turn the axes round for less")
    rng = np.random.default_rng(random_state)

    size = (shape[1] * pixel_size, shape[0] * pixel_size)
    velocity = rng.normal(0, wander, (n_frames, 2)) if wander else np.zeros((n_frames, 2))
    offset = (
        np.cumsum(velocity, axis=0) - velocity[:1] + np.arange(n_frames)[:, None] * np.asarray(drift) * dt
    )
    # The sheet is larger than the field, as drift brings other parts of it into view.
    margin = min(_STEP * (2 + 2 * np.sqrt(hop.max() * n_frames)), _WIDEST)
    low, high = np.minimum(0, (-offset).min(axis=0)) - margin, np.maximum(0, (-offset).max(axis=0)) + margin
    sheet = transition_metal_dichalcogenide(formula, tuple(np.array(size) + high - low))
    table = sheet.columns
    at = table[["x_nm", "y_nm"]].to_numpy() + low
    metal = np.flatnonzero(table["label"].to_numpy() == 0)
    inner = metal[((at[metal] > low) & (at[metal] < np.array(size) + high)).all(axis=1)]
    lattice = _Sites(at[inner], at[table["label"].to_numpy() != 0])
    expected = n_defects + int(appear * n_frames)
    if expected > 0.9 * len(inner):
        raise ValueError(
            f"{expected} defects do not fit on {len(inner)} sites: take fewer, or a larger field"
        )

    damage = _holes(holes, growth, n_frames, size, rng)
    motion = _moves(lattice, matrix, hop, n_defects, n_frames, anisotropy, trapped, appear, disappear,
                    (size, offset), damage, rng)  # fmt: skip

    weight = table["weight"].to_numpy(dtype=float)
    dose = electrons / weight.min() / CROSS_SECTION
    others = np.flatnonzero(table["label"].to_numpy() != 0)
    movie = np.empty((n_frames, *shape), dtype=np.float32)
    for t in range(n_frames):
        now = weight.copy()
        rows = motion[motion["frame"] == t]
        for site, state, turn in zip(rows["site"], rows["state"], rows["turn"], strict=True):
            now[inner[site]] *= strengths[state]
            gone = lattice.around[site][(turn + np.arange(missing[state])) % 3]
            now[others[gone[gone >= 0]]] = 0
        for hole in damage[damage["frame"] == t].itertuples():
            now[np.hypot(*(at - (hole.x_nm, hole.y_nm)).T) < hole.radius_nm] = 0
        place = at + offset[t]
        shown = pd.DataFrame({"x_nm": place[:, 0], "y_nm": place[:, 1], "weight": now})
        movie[t] = image(
            shown, pixel_size=pixel_size, shape=shape, dose=dose, instrument=instrument, random_state=rng
        ).data.values

    one = calibrated(movie[0], pixel_size, units="counts", long_name="intensity")
    data = xr.DataArray(
        movie, dims=("time", "y", "x"), name="movie", attrs=one.attrs | {"dt_s": float(dt)},
        coords={"time": ("time", np.arange(n_frames) * dt, {"units": "s"}), **one.coords},
    )  # fmt: skip
    frame = motion["frame"].to_numpy()
    xy = (lattice.places[motion["site"]] + offset[frame]) / pixel_size
    truth = located(motion[["frame", "particle"]], xy, pixel_size).assign(
        state=motion["state"], label=np.array(names, dtype=object)[motion["state"]],
        visible=within(xy[:, 0], xy[:, 1], shape), trapped=motion["trapped"],
    )  # fmt: skip
    spacing = lattice.spacing
    seen = (damage[["x_nm", "y_nm"]].to_numpy() + offset[damage["frame"]]) / pixel_size
    extras = {
        "matrix": matrix,
        "hop": hop,
        "diffusion": hop * spacing**2 / (4 * dt),
        "drift": located(pd.DataFrame({"frame": np.arange(n_frames)}), offset / pixel_size, pixel_size),
        "holes": located(damage[["frame"]], seen, pixel_size).assign(radius_nm=damage["radius_nm"]),
        "spacing_nm": spacing,
    }
    parameters = {
        "formula": formula, "hop": hop.tolist(), "anisotropy": anisotropy, "trapped": trapped, "dt_s": dt,
        "drift_nm_per_s": tuple(drift), "wander_nm": wander, "appear": appear, "disappear": disappear,
        "electrons": electrons, "pixel_size_nm": pixel_size,
    }  # fmt: skip
    return Sample(data, truth, pedigree("hopping defects", random_state, parameters), extras)


def _checked_states(states):
    """Names, signals and numbers of missing neighbours of the states."""
    names = list(states)
    strengths, missing = (np.array([state[k] for state in states.values()]) for k in (0, 1))
    if not names or not ((strengths >= 0).all() and np.isin(missing, (0, 1, 2, 3)).all()):
        raise ValueError(
            "states are {name: (signal over that of the metal, chalcogen neighbours missing)}, the signal "
            f"not negative and 0 to 3 missing; got {states!r}"
        )
    return names, strengths, missing.astype(int)


class _Sites:
    """Sites of the metal: places (nm), six neighbours by direction, three chalcogens; -1 where none is."""

    def __init__(self, places, chalcogens):
        self.places = places
        tree = cKDTree(places)
        self.spacing = float(np.median(tree.query(places, 2)[0][:, 1]))
        # A zigzag direction lies along x.
        self.directions = np.radians(60 * np.arange(6))
        steps = self.spacing * np.column_stack([np.cos(self.directions), np.sin(self.directions)])
        self.neighbours = _nearest(tree, places[:, None] + steps, 0.1 * self.spacing)
        found = cKDTree(chalcogens).query(places, 3)
        self.around = np.where(found[0] < 0.7 * self.spacing, found[1], -1)


def _nearest(tree, points, tolerance):
    distance, index = tree.query(points)
    return np.where(distance < tolerance, index, -1)


def _holes(count, growth, n_frames, size, rng):
    """One row a hole and frame: place and radius in nm, before drift."""
    centres, first = rng.uniform(0, size, (count, 2)), rng.integers(n_frames, size=count)
    frame, hole = np.nonzero(np.arange(n_frames)[:, None] >= first)
    radius = growth * (frame - first[hole] + 1)
    return pd.DataFrame(
        {"frame": frame, "x_nm": centres[hole, 0], "y_nm": centres[hole, 1], "radius_nm": radius}
    )


def _moves(
    lattice, matrix, hop, n_defects, n_frames, anisotropy, trapped, appear, disappear, field, damage, rng
):
    """One row a defect and frame; `turn` says which neighbours are missing."""
    size, offset = field
    # With weight v of the hops along x and 1 of the four others, diffusion is (2 v + 1) along x, 3 along y.
    weights = np.where(np.isin(np.arange(6), (0, 3)), max((3 * anisotropy - 1) / 2, 0), 1.0)
    places, taken = lattice.places, set()
    centre_low, centre_high = -offset, np.array(size) - offset

    def new(count, t):
        inside = ((places > centre_low[t]) & (places < centre_high[t])).all(axis=1)
        free = np.setdiff1d(np.flatnonzero(inside & ~_within_a_hole(places, damage, t)), list(taken))
        return rng.permutation(free)[:count].tolist()

    alive, rows, born = {}, [], 0
    arrivals = rng.poisson(appear, n_frames)
    arrivals[0] = n_defects
    total = int(arrivals.sum())
    states = chain(matrix, n_frames, total, rng)
    bound = rng.random(total) < trapped
    turns = rng.integers(3, size=total)
    for t in range(n_frames):
        lost = _within_a_hole(places, damage, t)
        for particle in rng.permutation(list(alive)):
            site = alive[particle]
            if lost[site] or rng.random() < disappear:
                taken.discard(alive.pop(particle))
                continue
            if not bound[particle] and rng.random() < hop[states[t - 1, particle]]:
                to = lattice.neighbours[site, rng.choice(6, p=weights / weights.sum())]
                if to >= 0 and to not in taken and not lost[to]:
                    taken.discard(site)
                    taken.add(to)
                    alive[particle] = to
            if states[t, particle] != states[t - 1, particle]:
                turns[particle] = rng.integers(3)
        for site in new(arrivals[t], t):
            alive[born] = site
            taken.add(site)
            born += 1
        rows += [(t, p, s, states[t, p], turns[p], bound[p]) for p, s in sorted(alive.items())]
    return pd.DataFrame(rows, columns=["frame", "particle", "site", "state", "turn", "trapped"]).astype(
        {"frame": int, "particle": int, "site": int, "state": int, "turn": int, "trapped": bool}
    )


def _within_a_hole(places, damage, t):
    inside = np.zeros(len(places), dtype=bool)
    for hole in damage[damage["frame"] == t].itertuples():
        inside |= np.hypot(*(places - (hole.x_nm, hole.y_nm)).T) < hole.radius_nm
    return inside
