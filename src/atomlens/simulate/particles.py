"""Particles on a surface, as an atomic force microscope sees them: places and angles are planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from atomlens._sample import Sample, pedigree
from atomlens._types import Generator
from atomlens.simulate._afm import Afm
from atomlens.simulate._frame import checked_shape
from atomlens.simulate._particle_shapes import SHAPES

__all__ = ["Afm", "assembly", "scattered"]

_TRIES = 300  # places that are tried for each particle, before the surface counts as full
_APART = 1.25  # times as large as it is, a particle keeps others away that it must not touch
_MINIMA = 6  # of the substrate, over a full turn: that of mica has a hexagonal lattice


def scattered(
    kind: str = "rod",
    *,
    coverage: float = 0.2,
    touching: bool = False,
    shape: tuple[int, ...] = (256, 256),
    pixel_size: float = 0.8,
    microscope: Afm | None = None,
    random_state: int | Generator = 0,
) -> Sample:
    """One frame with particles that lie anywhere, at any angle.

    Parameters
    ----------
    kind : {"rod", "tile", "hexagon", "chiral"}
        Its symmetry is 2, 4, 6 or 3; the last differs from its mirror image.
    coverage : float
        Share of the surface that particles cover, as far as there is room.
    touching : bool
        Whether they may touch; else they keep a distance.
    shape : tuple of int
        (H, W) of the frame.
    pixel_size : float
        nm.
    microscope : Afm, optional
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        ``data``: heights in nm, dims (y, x). ``truth``: ``x``, ``y`` in pixels, ``x_nm``, ``y_nm``, ``theta``
        (degrees from x towards y, from 0 to 360 over the symmetry) and ``symmetry``.

    Raises
    ------
    ValueError
        If there is no such kind, or the coverage is no share.

    Examples
    --------
    >>> sample = scattered("rod", coverage=0.1, shape=(64, 64))
    >>> sample.data.dims, bool(sample.truth.theta.between(0, 180).all())
    (('y', 'x'), True)
    """
    chosen = locals()
    form, shape = _form(kind), checked_shape(shape, None, pixel_size)
    if not 0 <= coverage <= 1:
        raise ValueError(f"coverage is a share from 0 to 1, got {coverage!r}")
    rng = np.random.default_rng(random_state)
    size = np.array(shape[::-1]) * pixel_size
    wanted = round(coverage * size.prod() / form.area)
    placed = _without_overlap(form, wanted, shape, pixel_size, touching, rng)
    surface = _surface(form, placed, shape, pixel_size)
    image = (microscope or Afm()).scan(surface, pixel_size, rng)
    truth = _table(placed, form, pixel_size)
    return Sample(_heights(image, pixel_size), truth, pedigree("particles", random_state, _told(chosen)))


def assembly(
    kind: str = "rod",
    *,
    n_frames: int = 30,
    n_domains: int = 4,
    growth: float = 1.2,
    hop: float = 0.02,
    rattle: float = 3.0,
    long_jumps: float = 0.0,
    dissolve: float = 0.0,
    drift: tuple[float, float] = (0.0, 0.0),
    worse: tuple[int, float] | None = None,
    shape: tuple[int, ...] = (256, 256),
    pixel_size: float = 0.8,
    microscope: Afm | None = None,
    random_state: int | Generator = 0,
) -> Sample:
    """A movie of lattice domains that nucleate, grow, turn, jump and dissolve.

    Each domain is a piece of a square lattice with an angle of its own, which is a minimum of the substrate.
    From frame to frame it stays, or hops to a neighbouring minimum over the barrier; with `long_jumps` some
    hops go over several. Around its minimum every particle rattles.

    Parameters
    ----------
    kind : str
        As for `scattered`.
    n_frames, n_domains : int
    growth : float
        How fast the radius of a domain grows, nm a frame.
    hop : float
        Probability that a domain hops from one frame to the next.
    rattle : float
        Standard deviation of a particle's angle around that of its domain, degrees.
    long_jumps : float
        Share of the hops whose length has a heavy tail (Zipf's law with exponent 2); the others go to a
        neighbour.
    dissolve : float
        Probability that a particle at the rim of its domain is gone, in each frame.
    drift : (float, float)
        Of the sample along x and y, nm a frame.
    worse : (int, float), optional
        From this frame on, noise is so many times stronger.
    shape, pixel_size, microscope, random_state
        As for `scattered`.

    Returns
    -------
    Sample
        ``data``: heights in nm, dims (time, y, x), a second a frame. ``truth``: one row a particle and frame,
        with ``frame``, ``particle``, ``x``, ``y`` (pixels), ``x_nm``, ``y_nm``, ``theta`` (degrees from x
        towards y), ``domain`` and ``symmetry``. ``extras``: ``angles``, the angle of every domain in every
        frame (degrees, never folded), shape (n_frames, n_domains).

    Raises
    ------
    ValueError
        If there is no such kind, or a parameter is out of its range.

    Examples
    --------
    >>> movie = assembly("rod", n_frames=3, n_domains=2, shape=(64, 64))
    >>> movie.data.shape, movie.extras["angles"].shape
    ((3, 64, 64), (3, 2))
    """
    chosen = locals()
    form, shape = _form(kind), checked_shape(shape, None, pixel_size)
    for name, value in (("n_frames", n_frames), ("n_domains", n_domains)):
        if not (isinstance(value, int | np.integer) and value >= 1):
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    for name, value in (("hop", hop), ("long_jumps", long_jumps), ("dissolve", dissolve)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is a probability from 0 to 1, got {value!r}")
    rng = np.random.default_rng(random_state)
    microscope = microscope or Afm()
    size = np.array(shape[::-1]) * pixel_size
    seeds = rng.uniform(0.15, 0.85, (n_domains, 2)) * size
    born = np.sort(rng.integers(0, max(n_frames // 3, 1), n_domains))
    born[0] = 0
    minima = 360 / _MINIMA
    angles = minima * (
        rng.integers(_MINIMA, size=n_domains)
        + np.cumsum(_hops(rng, n_frames, n_domains, hop, long_jumps), axis=0)
    )
    sites = [
        _lattice(form, seed, np.radians(angle), size) for seed, angle in zip(seeds, angles[0], strict=True)
    ]
    frames, rows = [], []
    for t in range(n_frames):
        placed = []
        for d in range(n_domains):
            reach = form.spacing / 2 + growth * (t - born[d])
            away = np.linalg.norm(sites[d] - seeds[d], axis=1)
            there = (away <= reach) & (t >= born[d])
            there &= (away < reach - form.spacing) | (rng.random(len(away)) >= dissolve)
            turn = np.radians(angles[t, d] - angles[0, d])
            spots = seeds[d] + (sites[d] - seeds[d]) @ _turn(turn).T
            theta = angles[t, d] + rng.normal(0, rattle, len(spots))
            placed += [(*spots[n], theta[n], d, int(n)) for n in np.flatnonzero(there)]
        placed = _first_come(placed, form) + 0.0
        placed[:, :2] += np.multiply(drift, t)
        own = placed[np.all((placed[:, :2] >= 0) & (placed[:, :2] < size), axis=1)] if len(placed) else placed
        noisy = microscope if worse is None or t < worse[0] else _noisier(microscope, worse[1])
        frames.append(noisy.scan(_surface(form, placed, shape, pixel_size), pixel_size, rng))
        rows.append(
            _table(own, form, pixel_size).assign(
                frame=t, domain=own[:, 3].astype(int), site=own[:, 4].astype(int)
            )
        )
    truth = pd.concat(rows, ignore_index=True)
    truth["particle"] = truth.groupby(["domain", "site"], sort=False).ngroup()
    order = ["frame", "particle", "x", "y", "x_nm", "y_nm", "theta", "domain", "symmetry"]
    movie = _heights(np.stack(frames), pixel_size)
    return Sample(movie, truth[order], pedigree("assembly", random_state, _told(chosen)), {"angles": angles})


def _told(chosen):
    """Parameters as they were given, the seed aside."""
    return {name: value for name, value in chosen.items() if name != "random_state"}


def _form(kind):
    if kind not in SHAPES:
        raise ValueError(f"there is no particle {kind!r}: choose from {', '.join(SHAPES)}")
    return SHAPES[kind]


def _without_overlap(form, wanted, shape, pixel_size, touching, rng):
    """Random sequential addition: rows of x, y (nm), angle (degrees)."""
    taken = np.zeros(shape, bool)
    size, grown = np.array(shape[::-1]) * pixel_size, 1.0 if touching else _APART
    placed = []
    for _ in range(wanted):
        for _ in range(_TRIES):
            new = (*rng.uniform(0, size), rng.uniform(0, 360 / form.symmetry))
            part, height = _footprint(form, *new, shape, pixel_size, grown)
            if not taken[part][height > 0].any():
                part, height = _footprint(form, *new, shape, pixel_size, 1.0)
                taken[part] |= height > 0
                placed.append(new)
                break
        else:
            break
    return np.array(placed).reshape(-1, 3)


def _hops(rng, n_frames, n_domains, hop, long_jumps):
    """By how many minima each domain has gone on since the frame before; none in the first."""
    jumps = (rng.random((n_frames, n_domains)) < hop) * rng.choice([-1, 1], (n_frames, n_domains))
    far = rng.random((n_frames, n_domains)) < long_jumps
    jumps = np.where(far, jumps * rng.zipf(2.0, (n_frames, n_domains)), jumps)
    jumps[0] = 0
    return jumps


def _turn(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _lattice(form, seed, angle, size):
    """Sites of a square lattice around a seed, at this angle, as far as the frame may reach."""
    n = int(np.ceil(1.5 * max(size) / form.spacing))
    i = np.stack(np.meshgrid(np.arange(-n, n + 1), np.arange(-n, n + 1)), axis=-1).reshape(-1, 2)
    long = 2 * form.reach + 1 if form.symmetry == 2 else form.spacing
    return seed + (i * (long, form.spacing)) @ _turn(angle).T


def _first_come(placed, form):
    """What was there first stays: where domains meet, later particles give way."""
    kept = []
    for row in sorted(placed, key=lambda row: row[3]):
        if all(
            row[3] == other[3] or np.hypot(row[0] - other[0], row[1] - other[1]) > form.spacing
            for other in kept
        ):
            kept.append(row)
    return np.array(kept, float).reshape(-1, 5)


def _noisier(microscope, times):
    from dataclasses import replace

    return replace(microscope, noise=times * microscope.noise)


def _footprint(form, x, y, theta, shape, pixel_size, grown=1.0):
    """Where in the frame a particle lies, as an index, and its height there; enlarged if asked."""
    reach = int(np.ceil(grown * form.reach / pixel_size)) + 1
    ranges = []
    for at, n in zip((y, x), shape, strict=True):
        middle = round(at / pixel_size)
        ranges.append(np.arange(max(middle - reach, 0), max(min(middle + reach + 1, n), 0)))
    rows, columns = ranges
    dx, dy = (columns * pixel_size - x) / grown, (rows * pixel_size - y)[:, None] / grown
    cos, sin = np.cos(np.radians(theta)), np.sin(np.radians(theta))
    return np.ix_(rows, columns), form.height(cos * dx + sin * dy, -sin * dx + cos * dy)


def _surface(form, placed, shape, pixel_size):
    """Heights of all particles, nm, shape (H, W)."""
    surface = np.zeros(shape)
    for x, y, theta in placed[:, :3]:
        part, height = _footprint(form, x, y, theta, shape, pixel_size)
        surface[part] = np.maximum(surface[part], height)
    return surface


def _table(placed, form, pixel_size):
    theta = np.mod(placed[:, 2], 360 / form.symmetry)
    places = {
        "x": placed[:, 0] / pixel_size,
        "y": placed[:, 1] / pixel_size,
        "x_nm": placed[:, 0],
        "y_nm": placed[:, 1],
    }
    return pd.DataFrame(places).assign(theta=theta, symmetry=form.symmetry)


def _heights(values, pixel_size):
    """Frames with their scales: pixels in nm, a second a frame."""
    dims = ("time", "y", "x")[-values.ndim :]
    steps = {"time": (1.0, "s"), "y": (pixel_size, "nm"), "x": (pixel_size, "nm")}
    coords = {
        d: (d, steps[d][0] * np.arange(n), {"units": steps[d][1], "long_name": d})
        for d, n in zip(dims, values.shape, strict=True)
    }
    kind = "movie" if values.ndim == 3 else "image"
    return xr.DataArray(values, coords, dims, "height", {"units": "nm", "long_name": "height", "kind": kind})
