"""A movie of silicon atoms at the edge of graphene, which change how they are bonded and hop along it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import xarray as xr
from scipy.spatial import cKDTree

from atomlens._sample import Sample, pedigree
from atomlens._types import ArrayLike, Generator
from atomlens.simulate._frame import calibrated
from atomlens.simulate._movies_tracks import chain, located, stochastic
from atomlens.simulate._structures_2d import _relaxed
from atomlens.simulate.imaging import CROSS_SECTION, Instrument, image

# Length of the bonds to carbon as seen from above, in nm: three bonds lift silicon out of the plane
# (`silicon_in_graphene` says where the lengths in the sheet are from); those at the edge are near that of
# silicon carbide, 0.189.
_STATES = {"loose": 0.185, "bridge": 0.187, "edge": 0.178, "inner": 0.160, "double": 0.187}
_MATRIX = 0.86 * np.eye(5) + 0.14 * np.array(
    [[0, 0.6, 0.4, 0, 0], [0.4, 0, 0.3, 0, 0.3], [0.2, 0.2, 0, 0.4, 0.2], [0, 0, 0.6, 0, 0.4],
     [0, 0.2, 0.3, 0.5, 0]]
)  # fmt: skip
_A, _BOND, _Z = 0.246, 0.142, 1.7  # nm; exponent of the contrast, as in `image`
_ACROSS = (
    0.30  # nm: carbon atoms of the edge that one silicon atom can bridge, 0.246 (zigzag), 0.284 (armchair)
)
_FREE = 0.40  # nm around silicon in which atoms give way
_APART = 0.90  # nm between silicon atoms, at least: what gives way around one is not the other's
_CORNER = 0.50  # nm from the corners of the hole and from the border within which no silicon atom sits
_PART = 0.32  # half width of the hole over that of the frame


def edge(
    n_atoms: int = 4,
    *,
    n_frames: int = 200,
    kind: str = "zigzag",
    hole: bool = True,
    shape: tuple[int, int] = (300, 300),
    pixel_size: float = 0.02,
    dt: float = 1.0,
    matrix: ArrayLike | None = None,
    hop: float = 0.1,
    rotation: float = 0.0,
    electrons: float = 200,
    instrument: Instrument | None = None,
    random_state: int | Generator = 0,
) -> Sample:
    """A movie of silicon atoms at the edge of a sheet of graphene: around a hole, or of a half of the field.

    From frame to frame a silicon atom changes how it is bonded, by a Markov chain, and it may hop to the next
    site along the edge, round the corners of a hole, too. Silicon atoms keep 0.9 nm apart.

    Parameters
    ----------
    n_atoms : int
        Of silicon.
    n_frames : int
    kind : {"zigzag", "armchair"}
        Of the edge.
    hole : bool
        True: the edge of a hexagonal hole, so that all six orientations are there. False: the sheet ends in
        the middle of the frame.
    shape : tuple of int
        (H, W) of the frames in pixels.
    pixel_size : float
        In nm.
    dt : float
        Time from frame to frame in s.
    matrix : array_like of shape (5, 5), optional
        Probability of each state in the next frame (columns) given that in this one (rows), in the order
        loose, bridge, edge, inner, double.
    hop : float
        Probability of a hop from one frame to the next.
    rotation : float
        Of the sheet, in degrees, anticlockwise where y points upwards. Without it, a zigzag direction lies
        along x.
    electrons : float
        Detected electrons of a carbon atom.
    instrument : Instrument, optional
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        ``data``: the movie, dims (time, y, x), in counts; time in s, x and y in nm. ``truth``: one row a
        silicon atom and frame: ``frame``, ``particle``, ``x``, ``y`` (pixels), ``x_nm``, ``y_nm``,
        ``state``, ``label`` (its name), ``orientation`` (degrees from x towards y, of the direction from the
        vacuum into the sheet), ``mirrored`` (which of two mirror images it is, in states that have two).
        ``extras``: ``matrix``, ``states`` (names), ``rotation``.

    Raises
    ------
    ValueError
        If the kind is unknown, a probability or the matrix is none, or the atoms do not fit along the edge.

    Notes
    -----
    The states: ``loose``, bonded to one atom of the edge, in the vacuum; ``bridge``, bonded to two of them;
    ``edge``, in place of an atom of the edge, with two neighbours; ``inner``, in place of the next one, with
    three; ``double``, in place of both, with three on one side. They are chosen to be told apart, and have
    not been relaxed by a calculation of energies. At a zigzag edge all but ``double`` are their own mirror
    image.

    Examples
    --------
    >>> sample = edge(2, n_frames=3, shape=(200, 200))
    >>> sample.data.shape, sample.truth.groupby("frame").size().tolist()
    ((3, 200, 200), [2, 2, 2])
    """
    names = list(_STATES)
    matrix = stochastic("matrix", _MATRIX if matrix is None else matrix)
    if len(matrix) != len(names):
        raise ValueError(f"matrix must be of the {len(names)} states {', '.join(names)}, got {matrix.shape}")
    if kind not in ("zigzag", "armchair"):
        raise ValueError(f"kind is 'zigzag' or 'armchair', got {kind!r}")
    for name, value in (("n_atoms", n_atoms), ("n_frames", n_frames)):
        if not (isinstance(value, int | np.integer) and value >= 1):
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    for name, value in (("pixel_size", pixel_size), ("electrons", electrons), ("dt", dt)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be a positive number, got {value!r}")
    if not 0 <= hop <= 1:
        raise ValueError(f"hop is a probability from 0 to 1, got {hop!r}")
    if not np.isfinite(rotation):
        raise ValueError(f"rotation must be finite, got {rotation!r}")
    rng = np.random.default_rng(random_state)
    size = np.array([shape[1], shape[0]]) * pixel_size
    sheet = _Sheet(size, kind, hole, rotation)
    states = chain(matrix, n_frames, n_atoms, rng)
    place, hand = _walks(sheet, states, hop, rng)

    weights = 6.0**_Z, 14.0**_Z
    dose = electrons / weights[0] / CROSS_SECTION
    movie = np.empty((n_frames, *shape), dtype=np.float32)
    silicon = np.empty((n_frames, n_atoms, 2))
    for t in range(n_frames):
        carbon, kept = sheet.carbon.copy(), np.ones(len(sheet.carbon), dtype=bool)
        for n in range(n_atoms):
            found = sheet.bonded(names[states[t, n]], int(place[t, n]), int(hand[t, n]))
            gone, moved, to, silicon[t, n] = found
            carbon[moved], kept[gone] = to, False
        xy = sheet.seen(np.concatenate([carbon[kept], silicon[t]]))
        weight = np.repeat(weights, [kept.sum(), n_atoms])
        shown = pd.DataFrame({"x_nm": xy[:, 0], "y_nm": xy[:, 1], "weight": weight})
        movie[t] = image(
            shown, pixel_size=pixel_size, shape=shape, dose=dose, instrument=instrument, random_state=rng
        ).data.values

    one = calibrated(movie[0], pixel_size, units="counts", long_name="intensity")
    data = xr.DataArray(
        movie, dims=("time", "y", "x"), name="movie", attrs=one.attrs | {"dt_s": float(dt)},
        coords={"time": ("time", np.arange(n_frames) * dt, {"units": "s"}), **one.coords},
    )  # fmt: skip
    frame, particle = np.indices((n_frames, n_atoms)).reshape(2, -1)
    xy = sheet.seen(silicon.reshape(-1, 2)) / pixel_size
    truth = located(pd.DataFrame({"frame": frame, "particle": particle}), xy, pixel_size)
    truth = truth.assign(
        state=states.ravel(), label=np.array(names, dtype=object)[states.ravel()],
        orientation=sheet.orientation[place.ravel()], mirrored=hand.ravel() < 0,
    )  # fmt: skip
    parameters = {
        "kind": kind, "hole": hole, "hop": hop, "rotation": rotation, "dt_s": dt, "electrons": electrons,
        "pixel_size_nm": pixel_size,
    }  # fmt: skip
    extras = {"matrix": matrix, "states": names, "rotation": float(rotation)}
    return Sample(data, truth, pedigree("silicon at an edge", random_state, parameters), extras)


class _Sheet:
    """Carbon atoms (nm, the origin in the middle of the hole or edge), and the sites along their edge."""

    def __init__(self, size, kind, hole, rotation):
        self.size, turn = size, np.radians(rotation)
        # Rotations are told where y points upwards, and in the frames it points downwards.
        self._turn = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        first = 30.0 if kind == "zigzag" else 0.0
        directions = first + 60.0 * np.arange(6) if hole else np.array([first + 60.0])
        angle = np.radians(directions)
        normals = np.column_stack([np.cos(angle), np.sin(angle)])  # into the sheet
        # Between two rows of atoms: of a zigzag edge those that have one bond less, and not two.
        step, half = (np.sqrt(0.75) * _A, 0.0) if kind == "zigzag" else (_A / 2, 0.5)
        depth = step * (np.round(_PART * size.min() / step) + half) if hole else step * half
        self.carbon, far = _cut(np.hypot(*size) / 2 + 0.5, normals, depth)
        pairs = cKDTree(self.carbon).query_pairs(1.2 * _BOND, output_type="ndarray")
        self.pairs = pairs
        self.neighbours = [set() for _ in self.carbon]
        for i, j in pairs:
            self.neighbours[i].add(int(j))
            self.neighbours[j].add(int(i))
        loose = np.array([len(around) == 2 for around in self.neighbours])
        side = (self.carbon @ normals.T).argmax(axis=1)
        inward = normals[side]
        along = inward[:, ::-1] * [-1, 1]
        run = (self.carbon * along).sum(axis=1)
        sits = loose & (far < 1.1 * step)
        if hole:
            sits &= np.abs(run) < depth * np.tan(np.pi / 6) - _CORNER + 1e-9
        seen = self.seen(self.carbon)
        sits &= ((seen > _CORNER) & (seen < size - _CORNER)).all(axis=1)
        self._loose, self._inward, self._along = loose, inward, along
        sites = np.flatnonzero(sits)
        self.sites = sites[np.lexsort([run[sites], side[sites]])]
        self.round = hole
        self.orientation = np.mod(directions[side[self.sites]] - rotation, 360.0)
        self.bonded = cache(self._bonded)

    def seen(self, xy):
        """Places in the frame, in nm."""
        return xy @ self._turn + self.size / 2

    def next(self, place, step):
        """The site before or after one, or None at the end of the edge."""
        to = place + step
        if self.round:
            return to % len(self.sites)
        return to if 0 <= to < len(self.sites) else None

    def hands(self, place):
        """On which sides (1, -1) of a site there is all that the states need."""
        found = []
        for hand in (1, -1):
            inner, across = self._partners(self.sites[place], hand)
            if inner is not None and across is not None:
                found.append(hand)
        return found

    def _partners(self, site, hand):
        """Of an atom of the edge on one side: its neighbour in the sheet, and the one that can be bridged."""

        def beside(others):
            ahead = {i: hand * (self.carbon[i] - self.carbon[site]) @ self._along[site] for i in others}
            return min((i for i in ahead if ahead[i] > 1e-6), key=ahead.get, default=None)

        full = [i for i in self.neighbours[site] if not self._loose[i]]
        # At an armchair edge the only such neighbour lies to the side away from the other atom of the edge.
        inner = beside(full)
        near = np.flatnonzero(self._loose & (np.hypot(*(self.carbon - self.carbon[site]).T) < _ACROSS))
        across = beside(set(near.tolist()) - self.neighbours[site] - {site})
        return inner, across

    def _bonded(self, state, place, hand):
        """Atoms that are gone, those that moved and where to, and where silicon is."""
        site = int(self.sites[place])
        inner, across = self._partners(site, hand)
        outward, here = -self._inward[site], self.carbon[site]
        length = _STATES[state]
        if state == "loose":
            away = (here - self.carbon[list(self.neighbours[site])]).sum(axis=0)
            gone, bonds, silicon = [], {site}, here + length * away / np.hypot(*away)
        elif state == "bridge":
            half = np.hypot(*(self.carbon[across] - here)) / 2
            middle = (here + self.carbon[across]) / 2
            gone, bonds, silicon = [], {site, across}, middle + outward * np.sqrt(length**2 - half**2)
        elif state == "double":
            gone = [site, inner]
            bonds = (self.neighbours[site] | self.neighbours[inner]) - set(gone)
            silicon = (here + self.carbon[inner]) / 2
        else:
            gone = [site if state == "edge" else inner]
            bonds, silicon = self.neighbours[gone[0]], self.carbon[gone[0]].copy()
        return gone, *self._settled(gone, sorted(bonds), silicon, length)

    def _settled(self, gone, bonds, silicon, length):
        """Atoms around silicon, where they are after bonds have pulled and pushed, and silicon itself."""
        near = np.flatnonzero(np.hypot(*(self.carbon - silicon).T) < _FREE + 2 * _BOND)
        near = near[~np.isin(near, gone)]
        number = np.full(len(self.carbon), -1)
        number[near] = np.arange(len(near))
        pairs = number[self.pairs]
        pairs = pairs[(pairs >= 0).all(axis=1)]
        own = np.column_stack([number[bonds], np.full(len(bonds), len(near))])
        points = np.vstack([self.carbon[near], silicon])
        free = np.hypot(*(points - silicon).T) < _FREE
        rest = np.repeat([_BOND, length], [len(pairs), len(own)])
        points = _relaxed(points, np.vstack([pairs, own]), rest, free, steps=200)
        moved = free[:-1]
        return near[moved], points[:-1][moved], points[-1]


def _cut(radius, normals, depth):
    """Atoms of graphene around the middle of a hexagon, but for what is cut off; none of them dangles."""
    n = int(radius / _A) * 2 + 4
    i, j = np.mgrid[-n : n + 1, -n : n + 1].reshape(2, -1)
    cells = i[:, None] * [_A, 0] + j[:, None] * [_A / 2, _A * np.sqrt(0.75)]
    xy = np.concatenate([cells + part * np.array([_A / 2, _A * np.sqrt(0.75) / 3]) for part in (1, 2)])
    xy = xy[np.hypot(*xy.T) < radius]
    far = (xy @ normals.T).max(axis=1) - depth
    xy, far = xy[far > 0], far[far > 0]
    while True:
        bonds = np.array([len(k) for k in cKDTree(xy).query_ball_point(xy, 1.2 * _BOND)]) - 1
        dangling = (bonds < 2) & (np.hypot(*xy.T) < radius - 2 * _BOND)
        if not dangling.any():
            return xy, far
        xy, far = xy[~dangling], far[~dangling]


def _walks(sheet, states, hop, rng):
    """Site and side (1 or -1) of every silicon atom in every frame: two arrays (frames, atoms)."""
    n_frames, count = states.shape
    xy = sheet.carbon[sheet.sites]
    hands = [sheet.hands(place) for place in range(len(sheet.sites))]
    able = [place for place in range(len(sheet.sites)) if hands[place]]

    def free(place, others):
        return all(np.hypot(*(xy[place] - xy[other])) >= _APART for other in others)

    now = []
    for place in rng.permutation(able):
        if len(now) < count and free(place, now):
            now.append(int(place))
    if len(now) < count:
        raise ValueError(
            f"{count} silicon atoms do not fit along this edge, {_APART} nm apart: take fewer, or a larger "
            "frame"
        )
    hand = [int(rng.choice(hands[place])) for place in now]
    places, sides = np.empty((2, n_frames, count), dtype=int)
    for t in range(n_frames):
        for n in rng.permutation(count) if t else ():
            if rng.random() < hop:
                to = sheet.next(now[n], int(rng.choice([1, -1])))
                if to is not None and hands[to] and free(to, now[:n] + now[n + 1 :]):
                    now[n] = to
            if states[t, n] != states[t - 1, n] or hand[n] not in hands[now[n]]:
                hand[n] = int(rng.choice(hands[now[n]]))
        places[t], sides[t] = now, hand
    return places, sides
