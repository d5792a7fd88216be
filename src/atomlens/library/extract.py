"""From an image to defects: guest atoms, the sites they replace, and the neighbours they are bonded to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from atomlens._bright import bright_spots
from atomlens._doubts import repeated, warn
from atomlens._image import prepare
from atomlens._types import Any, ArrayLike, ndarray
from atomlens.library.host import Host, Placed, clear_sheet, graphene, place

__all__ = ["CROP_NM", "Defect", "extract"]

# All lengths that follow are in bonds of the host.
_SPOT = 0.36  # scale at which guests are told from the sheet: about the width of an atom's image
_TOGETHER = 2.4  # guests closer than this are one defect: they share a neighbour, or are bonded ...
_LINKED = 1.9  # ... as these are: a Si-Si bond is 1.65
_REPLACED = 0.7  # a guest replaces the sites this close: one below it, or the two between which it sits (0.5)
_NEIGHBOURS = 1.15  # sites that are bonded to one another
_SHIFTED = 0.35  # by which neighbours of a guest may have moved
_GRID = 8  # steps of that radius in which they are looked for
_CLOSE, _AROUND = 2.1, 8.5  # where the sheet is pristine, near enough to compare with
_ATOM = 0.28  # standard deviation of the smoothing before brightness is read
_PRESENT = 0.4  # brightness of an atom, from 0 in a hollow to 1 at a site: halfway, as neighbours' tails add
# Scatters from that brightness on either side, within which it is not known: with .7 all of 28 wrong formulas
# of the phantom carry a doubt, and at 200 electrons one in six right ones.
_UNSURE = 0.7
_SCATTER = 0.45  # standard deviation of an atom's brightness: beyond it one in ten looks missing
# Agreement and contrast of host and image: other hosts reach .92 and 5, or .8 and 22; of 89 published
# images of graphene 2 have less.
_TRUSTED, _STANDS_OUT = 0.8, 10.0
_FLAT_NM = 0.25  # what varies over more than this is background
CROP_NM = 1.2  # side of a defect's picture
_CROP_PIXELS = 60


@dataclass(frozen=True, eq=False)
class Defect:
    """One defect of a host: guests, and what they are bonded to.

    Attributes
    ----------
    name : str
    guest : str
        Element of the guests.
    guests : ndarray of shape (N, 2)
        Positions (x, y) in the host's own frame, in nm.
    bonded : DataFrame
        One row a site beside a replaced one: ``x_nm``, ``y_nm`` in the host's frame, ``seen_x_nm``,
        ``seen_y_nm`` (where it is brightest nearby: the atom may have moved), ``element``,
        ``brightness`` (0 as in a hollow, 1 as at a site of the pristine sheet) and ``present``.
    replaced : ndarray of shape (R, 2)
        Sites of the host whose atoms are gone, in its frame, in nm.
    atoms : DataFrame
        Guests and bonded atoms in the image: ``x, y`` in pixels, ``x_nm, y_nm``, ``label`` (the element).
    crop : ndarray of shape (60, 60)
        The image in the host's frame, 1.2 nm wide around the guests' centre: 0 in a hollow, 1 at a site.
    placed : Placed
        How the host lies in the image.
    doubts : list of str
    """

    name: str
    guest: str
    guests: np.ndarray
    bonded: pd.DataFrame
    replaced: np.ndarray
    atoms: pd.DataFrame
    crop: np.ndarray
    placed: Placed
    doubts: list = field(default_factory=list)

    @property
    def formula(self) -> str:
        """Guests and atoms bonded to them: ``"Si1C3"``."""
        counts = self.bonded[self.bonded["present"]]["element"].value_counts()
        rest = "".join(
            f"{element}{counts.get(element, 0)}" for element in dict.fromkeys(self.placed.host.elements)
        )
        return f"{self.guest}{len(self.guests)}{rest}"

    @property
    def bonds(self) -> ndarray:
        """Distances in nm of bonded atoms from the nearest guest, both where they are seen, sorted."""
        there = self.bonded[self.bonded["present"]]
        return (
            np.sort(cdist(there[["seen_x_nm", "seen_y_nm"]], self.guests).min(axis=1))
            if len(there)
            else np.empty(0)
        )

    def __repr__(self):
        return f"<{self.formula}: {self.name}>{repeated(self.doubts)}"

    def structure(self, cells: int = 6) -> Any:
        """Build the defect into a periodic piece of its host, ready to be relaxed.

        Parameters
        ----------
        cells : int
            Unit cells along each lattice vector.

        Returns
        -------
        ase.Atoms
            In ångström, flat, periodic in the plane, with 15 Å of vacuum. Guests stand where they were seen,
            bonded sites that were found empty are empty.

        Raises
        ------
        ValueError
            If the defect does not fit into so many cells.

        Examples
        --------
        >>> from atomlens import datasets
        >>> [first, *_] = extract(datasets.load("graphene_si_phantom").data)
        >>> len(first.structure(4))  # 32 sites: one guest replaces two atoms
        31
        """
        from ase import Atoms

        host = self.placed.host
        if not (isinstance(cells, int | np.integer) and cells >= 1):
            raise ValueError(f"cells must be a whole number of at least 1, got {cells!r}")
        corner = np.floor(self.guests.mean(axis=0) @ np.linalg.inv(host.cell)) - cells // 2
        n = np.arange(cells)
        at = np.stack(np.meshgrid(n, n, indexing="ij"), axis=-1).reshape(-1, 1, 2) + corner
        sites = ((at + host.sites) @ host.cell).reshape(-1, 2)
        elements = np.tile(np.array(host.elements), cells**2)
        gone = np.vstack([self.replaced, self.bonded[~self.bonded["present"]][["x_nm", "y_nm"]].to_numpy()])
        empty = cdist(sites, gone).min(axis=1) < 0.2 * host.bond
        if empty.sum() != len(gone):
            raise ValueError(f"{self.formula} does not fit into {cells} x {cells} cells; take more")
        flat = np.vstack([sites[~empty], self.guests]) - corner @ host.cell
        positions = np.column_stack([10 * flat, np.full(len(flat), 7.5)])
        cell = np.zeros((3, 3))
        cell[:2, :2], cell[2, 2] = 10 * cells * host.cell, 15.0
        symbols = [*elements[~empty], *[self.guest] * len(self.guests)]
        return Atoms(symbols, positions, cell=cell, pbc=(True, True, False))


def extract(
    image: ArrayLike,
    *,
    host: Host | None = None,
    guest: str = "Si",
    least_bonds: int = 3,
    name: str | None = None,
) -> list[Defect]:
    """Find the defects that heavier atoms make in a flat host, and count their neighbours.

    Guests are spots far brighter than the sheet. The host is laid over the image around them; each replaces
    the site or sites below it, and is bonded to the sites beside these that hold an atom.

    Parameters
    ----------
    image : DataArray of shape (H, W)
        Dark field, calibrated in nm within a tenth.
    host : Host, optional
        Graphene by default.
    guest : str
        Element of the bright atoms.
    least_bonds : int
        Neighbours that a guest has at least, guests included: where the image shows fewer, the brightest of
        its empty-looking sites count, and a doubt says so.
    name : str, optional
        What the defects are called; ``attrs["title"]`` of the image by default. Several get a number.

    Returns
    -------
    list of Defect
        Those with most agreement between host and image first. Empty if nothing is bright enough.

    Warns
    -----
    UserWarning
        The doubts of the image, such as a burnt-in scale bar.

    Raises
    ------
    ValueError
        If the image is not calibrated, or its pixels are too coarse to resolve the host.

    Notes
    -----
    Atoms beside a heavy one drown in its light and move by up to 0.03 nm. The sheet further out does not, and
    places their sites better than their own images can. What the host cannot tell is a reconstruction: a
    neighbour that left its site.

    Examples
    --------
    >>> from atomlens import datasets
    >>> phantom = datasets.load("graphene_si_phantom")
    >>> [defect.formula for defect in extract(phantom.data)]
    ['Si1C4', 'Si1C3']
    """
    host = graphene() if host is None else host
    prepared = prepare(image, clean=True)
    pixel = prepared.pixel_size
    if pixel is None:
        raise ValueError(
            "the image is not calibrated: read it with io.read(path, pixel_size=nm), or calibrate it by its "
            "lattice, io.calibrate(image, 0.246)"
        )
    if pixel > 0.3 * host.bond:
        raise ValueError(
            f"pixels of {pixel:.3g} nm do not resolve bonds of {host.bond:.3g} nm: check the calibration"
        )
    if not (isinstance(least_bonds, int | np.integer) and 0 <= least_bonds <= 6):
        raise ValueError(f"least_bonds must be a whole number from 0 to 6, got {least_bonds!r}")
    name = str(getattr(image, "attrs", {}).get("title", "image")) if name is None else name
    warn(prepared.doubts)
    scale = _SPOT * host.bond / pixel
    values = prepared.pixels.astype(float)
    clear, dirt = clear_sheet(values, pixel, ())
    spots, rest = bright_spots(values, prepared.usable & ~dirt, scale, 1.2 * scale, usual=clear)
    if not len(spots):
        return []
    xy = spots[["x", "y"]].to_numpy()
    picture = _Picture(prepared, rest, xy)
    close = cKDTree(xy).sparse_distance_matrix(cKDTree(xy), _TOGETHER * host.bond / pixel)
    count, group = connected_components(close)
    found = [_defect(picture, xy[group == g], host, guest, least_bonds) for g in range(count)]
    found = sorted(found, key=lambda f: -f["placed"].agreement)
    several = len(found) > 1
    return [Defect(name=f"{name} {n}" if several else name, guest=guest, **f) for n, f in enumerate(found, 1)]


class _Picture:
    """What all defects of an image share: its sheet without guests, flattened, and where it is clear."""

    def __init__(self, prepared, rest, spots):
        self.prepared, self.spots, self.pixel = prepared, spots, prepared.pixel_size
        self.values = prepared.pixels.astype(float)
        self.clear = clear_sheet(self.values, self.pixel, spots)[0] & prepared.usable
        background = gaussian_filter(np.where(self.clear, rest, 0.0), _FLAT_NM / self.pixel)
        share = gaussian_filter(self.clear.astype(float), _FLAT_NM / self.pixel)
        flat = np.where(self.clear, rest - background / np.maximum(share, 0.05), 0.0)
        limit = np.percentile(np.abs(flat[self.clear]), 99) if self.clear.any() else 1.0
        self.flat, self.rest = np.clip(flat, -limit, limit), rest

    def brightest(self, placed, sites):
        """Where, within reach of each site, the smoothed image is brightest; in the frame of the host."""
        smooth = gaussian_filter(self.rest, _ATOM * placed.host.bond / self.pixel)
        n = np.arange(-_GRID, _GRID + 1) / _GRID
        steps = np.stack(np.meshgrid(n, n), axis=-1).reshape(-1, 2)
        steps = steps[np.hypot(*steps.T) <= 1] * _SHIFTED * placed.host.bond
        values = _read(smooth, placed.to_pixels(sites[:, None] + steps).reshape(-1, 2)).reshape(
            len(sites), -1
        )
        # the centre of the brightest third: a single highest pixel would be noise
        brightest = np.argsort(-np.where(np.isnan(values), -np.inf, values), axis=1)[:, : len(steps) // 3]
        return sites + steps[brightest].mean(axis=1)

    def moved(self, host):
        """Largest smoothed brightness within reach of every pixel: atoms may have moved."""
        smooth = gaussian_filter(self.rest, _ATOM * host.bond / self.pixel)
        reach = max(1.0, _SHIFTED * host.bond / self.pixel)
        n = int(reach)
        y, x = np.mgrid[-n : n + 1, -n : n + 1]
        return maximum_filter(smooth, footprint=np.hypot(x, y) <= reach)


def _defect(picture, guests, host, guest, least_bonds):
    """Everything about the defect of some guests, whose positions are in pixels."""
    centre = guests.mean(axis=0)
    placed = place(picture.flat, picture.clear, host, centre, picture.pixel, picture.spots)
    bond, near = host.bond, placed.from_pixels(guests)
    middle = np.floor(near.mean(axis=0) @ np.linalg.inv(host.cell)) @ host.cell
    sites, kind = host.around(int(np.ceil(_AROUND * bond / np.linalg.norm(host.cell, axis=1).min())) + 1)
    sites = sites + middle
    replaced = _replaced(sites, near, bond)
    beside = ~replaced & (cdist(sites, sites[replaced]).min(axis=1) < _NEIGHBOURS * bond)
    level, hollow, pristine, scatter = _levels(picture, placed, host, sites)
    brightness = (_read(picture.moved(host), placed.to_pixels(sites[beside])) - hollow) / (pristine - hollow)
    seen = picture.brightest(placed, sites[beside])
    bonded = pd.DataFrame(sites[beside], columns=["x_nm", "y_nm"]).assign(
        seen_x_nm=seen[:, 0],
        seen_y_nm=seen[:, 1],
        element=[host.elements[k] for k in kind[beside]],
        brightness=brightness,
    )
    bonded["present"] = bonded["brightness"] > _PRESENT
    owner = cdist(sites[beside], near).argmin(axis=1)
    said = _at_least(bonded, owner, _links(near, bond), least_bonds, guest)
    between = np.abs(brightness - _PRESENT) < _UNSURE * scatter
    if between.any():
        said.append(
            f"{between.sum()} of {len(bonded)} neighbours are neither bright as an atom nor dark as a hollow "
            f"({', '.join(f'{b:.2f}' for b in brightness[between])}): look at the picture, or sum more frames"
        )
    if np.isnan(brightness).any():
        said.append("the defect touches the border of the image: some of its neighbours are not seen")
    if not scatter < _SCATTER:
        said.append(
            f"atoms of the sheet scatter in brightness by {scatter:.2f} of their height above a hollow: "
            "present and missing neighbours are not told apart safely; sum more frames"
        )
    if placed.agreement < _TRUSTED or placed.contrast < _STANDS_OUT:
        said.append(
            f"the waves of the host stand out {placed.contrast:.1f} times and agree with the image by "
            f"{placed.agreement:.2f} only: is this the host, and is it clean around the defect?"
        )
    atoms = np.vstack(
        [placed.to_pixels(near), placed.to_pixels(bonded[bonded["present"]][["seen_x_nm", "seen_y_nm"]])]
    )
    label = [*[guest] * len(near), *bonded[bonded["present"]]["element"]]
    return {
        "guests": near,
        "bonded": bonded,
        "replaced": sites[replaced],
        "atoms": picture.prepared.with_nm(pd.DataFrame(atoms, columns=["x", "y"]).assign(label=label)),
        "crop": _crop(picture, placed, near.mean(axis=0), level),
        "placed": placed,
        "doubts": said,
    }


def _replaced(sites, guests, bond):
    """Which sites the guests stand for: those they nearly cover, and at least the closest."""
    away = cdist(sites, guests)
    gone = away.min(axis=1) < _REPLACED * bond
    gone[away.argmin(axis=0)] = True
    return gone


def _links(guests, bond):
    """To how many other guests each is bonded."""
    away = cdist(guests, guests)
    return ((away > 0) & (away < _LINKED * bond)).sum(axis=1)


def _levels(picture, placed, host, sites):
    """How to read brightness.

    Dark and bright of crops; hollow and atom where atoms may have moved; and the scatter of atoms, in units
    of their height above a hollow.
    """
    bond = host.bond
    hollows = _hollows(host, sites)
    wide, narrow = picture.moved(host), gaussian_filter(picture.values, _ATOM * bond / picture.pixel)
    values, atoms = [], np.empty(0)
    for places in (hollows, sites):
        at = placed.to_pixels(places)
        away = cKDTree(picture.spots).query(at)[0] * picture.pixel / bond
        seen = (away > _CLOSE) & (away < _AROUND) & (_read(picture.clear.astype(float), at) > 0.5)
        atoms = _read(wide, at)[seen]
        values.append(
            [np.nanmedian(_read(image, at)[seen]) if seen.any() else np.nan for image in (wide, narrow)]
        )
    (hollow, dark), (pristine, bright) = values
    scatter = np.nanstd(atoms) / (pristine - hollow) if atoms.size else np.nan
    return (dark, bright), hollow, pristine, scatter


def _hollows(host, sites):
    """Places as far as possible from all atoms, one a cell."""
    steps = np.arange(0, 1, 1 / 12)
    corner = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2) @ host.cell
    away, _ = cKDTree(host.around(2)[0]).query(corner)
    first = host.sites[0] @ host.cell
    return sites[:: len(host.sites)] - first + corner[away.argmax()]


def _read(image, at):
    """Values at places (x, y) in pixels; NaN outside."""
    inside = ((at > 0) & (at < np.array(image.shape)[::-1] - 1)).all(axis=1)
    return np.where(inside, map_coordinates(image, at.T[::-1], order=1, mode="nearest"), np.nan)


def _at_least(bonded, owner, links, least, guest):
    """Count the brightest empty-looking sites of guests that would have too few bonds, and say so."""
    said = []
    for one, linked in enumerate(links):
        own = bonded[owner == one]
        missing = min(least - linked - int(own["present"].sum()), int((~own["present"]).sum()))
        if missing > 0:
            added = own[~own["present"]]["brightness"].fillna(-np.inf).nlargest(missing).index
            bonded.loc[added, "present"] = True
            said.append(
                f"the image shows {least - missing} bonds of a {guest} atom; {least} are assumed, "
                "its least: look at the picture, or pass least_bonds=0"
            )
    return said


def _crop(picture, placed, middle, level):
    """The image in the host's frame around the middle of the guests."""
    steps = (np.arange(_CROP_PIXELS) + 0.5) / _CROP_PIXELS * CROP_NM - CROP_NM / 2
    at = placed.to_pixels(np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) + middle)
    smooth = gaussian_filter(picture.values, max(CROP_NM / _CROP_PIXELS / picture.pixel / 2, 0.3))
    dark, bright = level
    values = (_read(smooth, at) - dark) / (bright - dark)
    return values.reshape(_CROP_PIXELS, _CROP_PIXELS)
