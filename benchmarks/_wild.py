"""Crystals as microscopes and their users leave them: two generators that share no code, with their truth.

`draw(generator, lattice, disturbance, ...)` returns a `Case`. "simulate" uses the package's own simulator,
"plain" nothing but numpy, scipy and Pillow, so that no claim hangs on one simulator.
"""

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial import cKDTree

from atomlens import simulate
from atomlens.simulate import Instrument, structures

SIDE = 400  # pixels, before what enlarges or bins
ELECTRONS = 400.0  # in the weakest scored column
_LOST = 0.35  # part of its electrons that a planted vacancy lacks: some 5 standard deviations
_PLANTED = 8
_PROBE, _SOURCE, _CONVERGENCE = 0.08, 0.06, 25.0

HEXAGONAL = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])


@dataclass(frozen=True)
class Lattice:
    """A crystal: how each generator builds it, and what is asked of it."""

    build: object  # size (nm), rotation -> Structure
    pixel: float  # nm
    basis: np.ndarray  # nm, of the primitive cell
    sites: tuple  # of the plain generator: (u, v, electrons relative to the weakest column)
    plant: int  # sublattice on which vacancies are planted
    displaced: tuple | None = None  # sublattice displaced, that of its neighbours, how many these are
    centred: bool = False  # whether the columns lie on a lattice of half the cell


LATTICES = {
    "graphene": Lattice(
        lambda size, turn: structures.graphene(size, rotation=turn),
        0.014, 0.246 * HEXAGONAL, ((0, 0, 1.0), (1 / 3, 1 / 3, 1.0)), 0,
    ),
    "SrTiO3": Lattice(
        lambda size, turn: structures.perovskite(size, rotation=turn),
        0.02, 0.3905 * np.eye(2), ((0, 0, 2.2), (0.5, 0.5, 1.0)), 1, (1, 0, 4), True,
    ),
    "MoS2": Lattice(
        lambda size, turn: structures.transition_metal_dichalcogenide("MoS2", size, rotation=turn),
        0.018, 0.316 * HEXAGONAL, ((0, 0, 1.9), (1 / 3, 1 / 3, 1.0)), 1, (0, 1, 3),
    ),
    "Si [110]": Lattice(
        lambda size, turn: structures.dumbbells("Si", size, rotation=turn),
        0.014, np.array([[0.384, 0.0], [0.192, 0.27155]]), ((0, 0, 1.0), (-0.25, 0.5, 1.0)), 0,
    ),
}  # fmt: skip


@dataclass
class Case:
    """An image, its columns, the cell (pixels) and planted vacancies (x, y).

    Columns have ``x, y, label, scored`` and ``inner``: whether they lie well inside the crystal.
    """

    image: object
    truth: pd.DataFrame
    basis: np.ndarray
    vacancies: np.ndarray
    lattice: Lattice

    @property
    def pixel(self):
        """Size of a pixel in nm, the mean of both axes: from the area of the cell."""
        return float(np.sqrt(abs(np.linalg.det(self.lattice.basis) / np.linalg.det(self.basis))))

    @property
    def nearest(self):
        """Distance of the closest columns, in pixels."""
        xy = self.truth.loc[self.truth["scored"], ["x", "y"]].to_numpy()
        return float(np.percentile(cKDTree(xy).query(xy, k=2)[0][:, 1], 5))


def _oblong(ratio):
    """Defocus, and as much astigmatism, with which a column is so much longer than wide."""
    sigma = np.hypot(_PROBE, _SOURCE) / (2 * np.sqrt(2 * np.log(2)))
    equal = np.sqrt(ratio**2 - 1) * sigma / (_CONVERGENCE * 1e-3)
    return {"defocus": equal, "astigmatism": equal, "astigmatism_angle": 30.0}


# Name -> what of instrument, processing or specimen is disturbed, at a strength: 1 is moderate, 2 strong.
DISTURBANCES = {
    "none": lambda s: {},
    "blur": lambda s: {"instrument": {"blur": 1.0 * s}},
    "zoom, linear": lambda s: {"process": {"zoom": 1.0 + s, "order": 1}},
    "zoom, cubic": lambda s: {"process": {"zoom": 1.0 + s, "order": 3}},
    "rotated": lambda s: {"process": {"rotation": 17.0 * s, "order": 1}},
    "frames": lambda s: {"instrument": {"frames": int(8 * s)}},
    "wedge": lambda s: {"instrument": {"wedge": 2.0 * s, "uneven_angle": 20.0}},
    "bow": lambda s: {"instrument": {"bow": 0.4 * s}},
    "slope": lambda s: {"instrument": {"slope": SIDE / 400 * s, "uneven_angle": 20.0}},
    "streaks": lambda s: {"instrument": {"streaks": 0.25 * s}},
    "jpeg": lambda s: {"process": {"jpeg": int(40 / s)}},
    "8 bit": lambda s: {"process": {"flatten": 60.0, "gamma": 0.7**s, "eight_bit": True}},
    "median": lambda s: {"process": {"median": 1 + 2 * int(s)}},
    "hot pixels": lambda s: {"hot": int(3 * s)},
    "dead pixels": lambda s: {"instrument": {"dead_pixels": 2e-4 * s}},
    "saturation": lambda s: {"instrument": {"saturation": 0.1 * s}},
    "scale bar": lambda s: {"process": {"scale_bar": True, "eight_bit": True}},
    "vacuum": lambda s: {"instrument": {"vacuum": 0.2 * s, "uneven_angle": 40.0}},
    "padding": lambda s: {"process": {"padding": int(30 * s)}},
    "strain": lambda s: {"strain": 0.01 * s},
    "astigmatism": lambda s: {"instrument": _oblong(1 + 0.25 * s)},
    "mistilt": lambda s: {"instrument": {"mistilt": 5.0 * s, "mistilt_angle": 30.0}},
    "tails": lambda s: {"instrument": {"tails": 0.25 * s}},
    # of which columns cannot be found, since they are where the signal changes its sign: it must be said
    "split detector": lambda s: {"instrument": {"split": 0.03 * s, "split_angle": 20.0}},
    "oblong pixels": lambda s: {"process": {"bins": (1, 1 + int(s))}},
}


def draw(generator, lattice, disturbance, *, strength=1, seed=0, planted=False):
    """A perfect crystal, or one with weak vacancies, under a disturbance."""
    given = DISTURBANCES[disturbance](strength)
    rng = np.random.default_rng([seed, list(LATTICES).index(lattice)])
    crystal = LATTICES[lattice]
    turn, pixel = rng.uniform(0, 90), crystal.pixel * np.exp(rng.uniform(-0.15, 0.15))
    make = _simulated if generator == "simulate" else _plain
    case = make(crystal, given, np.radians(turn), pixel, planted, rng)
    if "hot" in given:
        values = np.asarray(case.image)
        at = rng.integers(0, values.shape, (given["hot"], 2)).T
        values[tuple(at)] = 10 * values.max()
    return case


def _places(xy, rng, apart):
    """Rows of places that lie well inside and apart from each other, at which vacancies are planted."""
    chosen = []
    for row in rng.permutation(np.flatnonzero((np.abs(xy - SIDE / 2) < 0.35 * SIDE).all(axis=1))):
        if len(chosen) < _PLANTED and all(np.hypot(*(xy[row] - xy[c])) > apart for c in chosen):
            chosen.append(row)
    return np.array(chosen, dtype=int)


def _well_inside(xy, crystal, pixel, given):
    """Which places are half a cell or more from the frame and from the vacuum."""
    margin = np.linalg.norm(crystal.basis, axis=1).min() / pixel / 2
    inner = (np.abs(xy - (SIDE - 1) / 2) < SIDE / 2 - margin).all(axis=1)
    instrument = given.get("instrument", {})
    return inner & (_across(*xy.T, instrument) >= instrument.get("vacuum", -1.0) + margin / SIDE)


def _across(x, y, instrument):
    """How far across the field places lie, 0 to 1."""
    angle = np.radians(instrument.get("uneven_angle", 0.0))
    c, s = np.cos(angle), np.sin(angle)
    along = ((x - (SIDE - 1) / 2) * c + (y - (SIDE - 1) / 2) * s) / (SIDE - 1) / (abs(c) + abs(s))
    return np.clip(along + 0.5, 0, 1)


def _turned(basis, angle):
    c, s = np.cos(angle), np.sin(angle)
    return basis @ np.array([[c, s], [-s, c]])


def _after(process):
    """Linear part of what processing does to places (x, y)."""
    bins, zoom = process.get("bins", (1, 1)), process.get("zoom", 1.0)
    turn = _turned(np.eye(2), np.radians(process.get("rotation", 0.0))).T
    return turn @ np.diag([zoom / bins[1], zoom / bins[0]])


def _simulated(crystal, given, turn, pixel, planted, rng):
    """With the package's simulator."""
    structure = crystal.build((SIDE * pixel,) * 2, np.degrees(turn))
    if amount := given.get("strain"):
        structure = simulate.strain.gradient(structure, start=-amount, stop=amount)
    table = structure.columns.reset_index(drop=True)
    instrument = Instrument(probe=_PROBE, source=_SOURCE, **given.get("instrument", {}))
    options = {"pixel_size": pixel, "shape": (SIDE, SIDE), "instrument": instrument}
    dose = simulate.image(table, electrons=ELECTRONS, **options).source["parameters"]["dose_e_per_A2"]
    xy = table[["x_nm", "y_nm"]].to_numpy() / pixel
    gone = np.array([], dtype=int)
    if planted:
        some = np.flatnonzero((table["label"] == crystal.plant) & table["visible"])
        gone = some[_places(xy[some], rng, 1.1 / pixel)]
        table.loc[gone, "weight"] *= 1 - _LOST
    table = table.assign(vacancy=table.index.isin(gone), inner=_well_inside(xy, crystal, pixel, given))
    sample = simulate.image(table, dose=dose, random_state=rng, **options)
    process = given.get("process", {})
    if process:
        sample = simulate.process(sample, **process)
    truth = sample.truth
    basis = min(
        (_turned(crystal.basis, sign * turn) / pixel for sign in (1, -1)), key=lambda b: _misfit(xy, b)
    )
    vacancies = truth.loc[truth["vacancy"], ["x", "y"]].to_numpy()
    return Case(sample.data, truth, basis @ _after(process).T, vacancies, crystal)


def _misfit(xy, basis):
    """How far from each other columns are that lie one cell apart."""
    inner = xy[(np.abs(xy - SIDE / 2) < 0.3 * SIDE).all(axis=1)]
    return max(np.median(cKDTree(xy).query(inner + step)[0]) for step in basis)


def _plain(crystal, given, turn, pixel, planted, rng):
    """Round or oblong Gaussians and Poisson noise, drawn and disturbed here."""
    instrument, process = given.get("instrument", {}), given.get("process", {})
    basis = _turned(crystal.basis, turn) / pixel
    reach = int(SIDE / np.linalg.norm(basis, axis=1).min() * 1.5)
    cells = np.stack(np.meshgrid(*[np.arange(-reach, reach)] * 2), -1).reshape(-1, 2)
    uv = np.array([site[:2] for site in crystal.sites])
    xy = ((cells[:, None] + uv) @ basis).reshape(-1, 2) + SIDE / 2 + rng.uniform(-3, 3, 2)
    label = np.tile(np.arange(len(uv)), len(cells))
    inside = (np.abs(xy - SIDE / 2) < SIDE / 2 + 20).all(axis=1)
    xy, label = xy[inside], label[inside]
    if amount := given.get("strain"):
        along = xy[:, 0] - SIDE / 2
        xy = xy + np.stack([amount * along**2 / SIDE, 0 * along], 1)
    electrons = ELECTRONS * np.array([site[2] for site in crystal.sites])[label]
    gone = np.array([], dtype=int)
    if planted:
        some = np.flatnonzero(label == crystal.plant)
        gone = some[_places(xy[some], rng, 1.1 / pixel)]
        electrons[gone] *= 1 - _LOST
    sigma = np.hypot(_PROBE, _SOURCE) / 2.355 / pixel
    expected, electrons = _expected(xy, electrons, sigma, instrument)
    truth = pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "label": label, "scored": electrons > 0})
    truth["vacancy"] = np.isin(np.arange(len(xy)), gone)
    truth["inner"] = _well_inside(xy, crystal, pixel, given)
    truth = truth[truth["scored"] & (np.abs(xy - (SIDE - 1) / 2) <= SIDE / 2).all(axis=1)]
    image = _counted(expected, instrument, ELECTRONS / (2 * np.pi * sigma**2), pixel, rng)
    image, matrix, shift = _processed(image, process)
    truth[["x", "y"]] = truth[["x", "y"]].to_numpy() @ matrix.T + shift
    inside = truth["x"].between(-0.5, image.shape[1] - 0.5) & truth["y"].between(-0.5, image.shape[0] - 0.5)
    truth = truth[inside].reset_index(drop=True)
    if "scale_bar" in process:
        truth["scored"] &= ~(truth["y"].gt(len(image) - 33) & truth["x"].between(13, 99))
    vacancies = truth.loc[truth["vacancy"], ["x", "y"]].to_numpy()
    return Case(image, truth, basis @ matrix.T, vacancies, crystal)


def _expected(xy, electrons, sigma, instrument):
    """Expected image, and electrons of every column."""
    y, x = np.mgrid[:SIDE, :SIDE]
    place, pixels = _across(*xy.T, instrument), _across(x, y, instrument)
    thick = 1 + (instrument.get("wedge", 1.0) - 1) * place
    electrons = electrons * thick * (place >= instrument.get("vacuum", 0.0))
    along, wide = sigma, sigma
    if "astigmatism" in instrument:
        cone = _CONVERGENCE * 1e-3 * instrument["defocus"] * sigma * 2.355 / np.hypot(_PROBE, _SOURCE)
        along = np.hypot(sigma, cone)
    tails = instrument.get("tails", 0.0)
    tilt = 1e-3 * instrument.get("mistilt", 0.0) * 10.0 * sigma * 2.355 / np.hypot(_PROBE, _SOURCE)
    image = np.zeros((SIDE, SIDE))
    for (px, py), n in zip(xy, electrons, strict=True):
        smeared = np.sqrt(along**2 + (tilt * np.clip(px / SIDE, 0, 1)) ** 2 / 12)
        for part, a, b in ((1 - tails, smeared, wide), (tails, 3 * smeared, 3 * wide)):
            r = int(4.5 * max(a, b)) + 1
            rows = slice(max(0, int(py) - r), max(0, int(py) + r + 2))
            columns = slice(max(0, int(px) - r), max(0, int(px) + r + 2))
            if part * n <= 0 or not x[rows, columns].size:
                continue
            dx, dy = x[rows, columns] - px, y[rows, columns] - py
            u, v = (dx * np.cos(0.52) + dy * np.sin(0.52)) / a, (dy * np.cos(0.52) - dx * np.sin(0.52)) / b
            image[rows, columns] += part * n / (2 * np.pi * a * b) * np.exp(-(u**2 + v**2) / 2)
    height = np.median(electrons[electrons > 0]) / (2 * np.pi * sigma**2)
    image += 0.15 * height * (pixels >= instrument.get("vacuum", 0.0))
    image += instrument.get("slope", 0.0) * height * pixels
    corner = ((x - SIDE / 2) ** 2 + (y - SIDE / 2) ** 2) / (SIDE**2 / 2)
    return image * (1 - instrument.get("bow", 0.0) * corner), electrons


def _counted(expected, instrument, height, pixel, rng):
    """Counts of the detector."""
    if frames := instrument.get("frames"):
        image = np.zeros(expected.shape)
        for _ in range(frames):
            step = rng.uniform(-0.5, 0.5, 2)
            arrived = np.maximum(ndimage.shift(expected, step, mode="nearest"), 0) / frames
            image += ndimage.shift(rng.poisson(arrived).astype(float), -step, order=1, mode="nearest")
    elif "split" in instrument:
        angle = np.radians(instrument["split_angle"])
        half = instrument["split"] / pixel / 2 * np.array([np.sin(angle), np.cos(angle)])
        sides = [ndimage.shift(expected, side * half, mode="nearest") / 2 for side in (1, -1)]
        image = np.subtract(*[rng.poisson(np.maximum(side, 0)).astype(float) for side in sides])
    else:
        image = rng.poisson(expected).astype(float)
    image = ndimage.gaussian_filter(image, instrument.get("blur", 0.0))
    image += rng.normal(0, instrument.get("streaks", 0.0) * height, (len(image), 1))
    if "dead_pixels" in instrument:
        image[rng.random(image.shape) < instrument["dead_pixels"]] = 0
    if "saturation" in instrument:
        image = np.minimum(image, np.quantile(image, 1 - instrument["saturation"]))
    return image


def _processed(image, process):
    """Image after processing, and where a place p is then: matrix @ p + shift."""
    matrix, shift = np.eye(2), np.zeros(2)
    if "bins" in process:
        n = process["bins"][1]
        width = image.shape[1] // n
        image = image[:, : n * width].reshape(len(image), width, n).sum(axis=2)
        matrix, shift = np.diag([1 / n, 1.0]), np.array([0.5 / n - 0.5, 0])
    if "zoom" in process:
        n = process["zoom"]
        image = ndimage.zoom(image, n, order=process["order"], mode="nearest", grid_mode=True)
        matrix, shift = n * np.eye(2), np.full(2, n / 2 - 0.5)
    if "rotation" in process:
        old = np.array(image.shape[::-1])
        # scipy turns from y towards x
        image = ndimage.rotate(image, -process["rotation"], order=process["order"])
        matrix = _turned(np.eye(2), np.radians(process["rotation"])).T
        shift = (np.array(image.shape[::-1]) - 1) / 2 - matrix @ ((old - 1) / 2)
    if "median" in process:
        image = ndimage.median_filter(image, process["median"])
    if "flatten" in process:
        image = image - ndimage.gaussian_filter(image, process["flatten"])
    if "padding" in process:
        image, shift = np.pad(image, process["padding"]), shift + process["padding"]
    if process.keys() & {"eight_bit", "jpeg"}:
        image = ((image - image.min()) / np.ptp(image)) ** process.get("gamma", 1.0)
        image = np.rint(255 * image).astype(np.uint8)
    if "scale_bar" in process:
        image[-30:-22, 16:96] = 255
    if "jpeg" in process:
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=process["jpeg"])
        image = np.array(Image.open(file))
    return image, matrix, shift
