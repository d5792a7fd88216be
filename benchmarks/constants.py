"""Claim: no constant that decides a result stands on a knife's edge.

Every constant below is halved and doubled (whole numbers stay whole), one at a time, and what it decides is
measured again on the same planted cases. A row shows the measure as the package is, with half of the constant
and with twice as much; `*` marks a change for the worse of more than .05. Where neither changes anything, the
constant is a limit that these cases do not reach, such as a cost or a guard against hostile input.
Seeds were not used to choose anything.
"""

import argparse
import importlib
import time
import warnings
from functools import cache

import numpy as np
import pandas as pd
import torch
from _shiftvae import SHIFT_SCALE, cells, shift_error
from _wild import DISTURBANCES, LATTICES, draw
from scipy import ndimage
from scipy.spatial import cKDTree
from threadpoolctl import threadpool_limits
from wild_truth import _is_lattice

from atomlens import columns, defects, lattice, metrics
from atomlens.shiftvae import ShiftVAE

SEED = 81_000
IMAGES = [
    (name, how) for name in LATTICES for how in ("none", "blur", "zoom, linear", "streaks", "strain", "wedge")
]
_NEAR = 0.4  # of the distance of the closest columns


@cache
def case(name, how, planted=False, strength=1):
    return draw("simulate", name, how, strength=strength, seed=SEED, planted=planted)


def rng(n=0):
    return np.random.default_rng([SEED, n])


@cache
def textures():
    """What is no crystal: noise, clouds, packed discs, two grains."""
    clouds = ndimage.gaussian_filter(rng(1).normal(size=(256, 256)), 4)
    discs = np.zeros((256, 256))
    for y, x in rng(2).integers(0, 256, (600, 2)):
        discs[y, x] += 1
    return [
        rng(3).poisson(5.0, (256, 256)),
        clouds,
        rng(4).poisson(200 * ndimage.gaussian_filter(discs, 3) + 2),
    ]


def lattices_of_images():
    """Share of right lattices of 24 images, and of refusals or doubts where there is no crystal."""
    right = [_is_lattice(lattice.estimate(case(*which).image), case(*which).basis) for which in IMAGES]
    refused = [not found.periodic or bool(found.doubts) for found in map(lattice.estimate, textures())]
    return np.mean(right + refused)


def lattices_of_tables():
    """Share of right lattices of tables with jitter, a fifth of the columns missing, and strays."""
    right = []
    for n, (name, crystal) in enumerate(LATTICES.items()):
        truth = case(name, "none").truth.query("scored")
        for jitter in (0.02, 0.05):
            table = truth[rng(n).random(len(truth)) > 0.2][["x", "y", "label"]].copy()
            table[["x", "y"]] += rng(n + 10).normal(0, jitter * case(name, "none").nearest, (len(table), 2))
            stray = pd.DataFrame(
                rng(n + 20).uniform(0, 400, (len(table) // 20, 2)), columns=["x", "y"]
            ).assign(label=0)
            basis = case(name, "none").basis
            right.append(_is_lattice(lattice.estimate(pd.concat([table, stray], ignore_index=True)), basis))
            assert crystal.basis.shape == basis.shape
    right += [not lattice.estimate(rng(n).uniform(0, 300, (300, 2))).periodic for n in range(4)]
    return np.mean(right)


def sizes():
    """Share of images whose feature size is within a quarter of that of the undisturbed one."""
    usual = {name: columns.estimate_scale(case(name, "none").image)[0] for name in LATTICES}
    share = []
    for name, how in IMAGES:
        factor = 2 if how.startswith("zoom") else 1
        share.append(abs(columns.estimate_scale(case(name, how).image)[0] / usual[name] / factor - 1) < 0.25)
    return np.mean(share)


def errors():
    """How near to 1 standard errors are: 1 - mean of |log z| under six disturbances."""
    off = []
    for name, how in IMAGES[::2] + [("SrTiO3", "slope"), ("MoS2", "astigmatism"), ("MoS2", "8 bit")]:
        truth = case(name, how).truth.query("scored").reset_index(drop=True)
        start = truth[["x", "y"]] + rng(5).normal(0, 0.5, (len(truth), 2))
        fitted = columns.refine(case(name, how).image, start)
        inner = truth["inner"]
        z = ((fitted[["x", "y"]] - truth[["x", "y"]]) / fitted[["x_err", "y_err"]].to_numpy())[
            inner
        ].to_numpy()
        off.append(abs(np.log(np.sqrt(np.nanmean(z**2)))))
    return 1 - np.mean(off)


@cache
def pairs():
    """Pairs of 2.2 widths, in all directions, among single columns."""
    y, x = np.mgrid[:240, :240]
    image, table = np.full((240, 240), 4.0), []
    for n, (py, px) in enumerate(np.mgrid[16:230:23, 16:230:23].reshape(2, -1).T):
        step = 2.2 * 3.0 / 2 if n % 3 == 0 else 0.0
        for side in (-1, 1) if step else (1,):
            at = px + side * step * np.cos(n), py + side * step * np.sin(n)
            table.append(at)
            image += 3000 / (2 * np.pi * 9) * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 18)
    return rng(7).poisson(image), np.array(table)


def split():
    """F1 of columns, a third of which are pairs that the network takes for one."""
    image, truth = pairs()
    return metrics.match(
        columns.find(image, feature_size=3.0 / 1.3), truth, tolerance=3, border=8, shape=image.shape
    ).f1


def found():
    """Mean F1 of `find` on twelve images."""
    scores = []
    for name, how in IMAGES[::2]:
        border = _NEAR * case(name, how).nearest
        table = columns.find(case(name, how).image)
        scores.append(
            metrics.match(
                table,
                case(name, how).truth,
                tolerance=border,
                border=border,
                shape=case(name, how).image.shape,
            ).f1
        )
    return np.mean(scores)


def hits():
    """Recall of weak vacancies; less a tenth for every false alarm a thousand cells beyond two, 8 images.

    Thickness rises fourfold, streaks have half the amplitude of columns, strain is 5 %.
    """
    recall, alarms, promised = [], 0, 0.0
    hard = {"none": 1, "wedge": 2, "streaks": 2, "strain": 5}
    for name, how in [(name, how) for name in ("SrTiO3", "MoS2") for how in hard]:
        planted = case(name, how, planted=True, strength=hard[how])
        result = defects.detect(planted.image, false_alarm_rate=1e-3)
        at = result.defects[["x", "y"]].to_numpy().reshape(-1, 2)
        gaps = cKDTree(at).query(planted.vacancies)[0] if len(at) else np.full(len(planted.vacancies), np.inf)
        recall.append(np.mean(gaps <= 0.25 / planted.pixel))
        alarms += len(at) - np.count_nonzero(gaps <= 0.25 / planted.pixel)
        promised += 1e-3 * result.n_cells
    return np.mean(recall) - max(0.0, alarms / promised - 2) / 10


def alloys():
    """Share of crystals, pure and with 10, 20 and 40 % of darker columns, that are called what they are."""
    right = []
    y, x = np.mgrid[:320, :320]
    for n, share in enumerate((0.0, 0.1, 0.2, 0.4)):
        image = np.full((320, 320), 5.0)
        for py, px in np.mgrid[8:320:16, 8:320:16].reshape(2, -1).T:
            height = 40 * (0.75 if rng(int(py * 1000 + px)).random() < share else 1.0)
            image += height * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 2.4**2))
        said = " ".join(defects.detect(rng(40 + n).poisson(image)).doubts)
        right.append(("alloy" in said) == (share >= 0.1))
    return np.mean(right)


def registered():
    """1 less the error of shifts in pixels, after one epoch on 600 crops of three kinds."""
    images, _, planted = cells(SEED, 600)
    model = ShiftVAE(2, shift_scale=SHIFT_SCALE, max_epochs=1, random_state=0).fit(images)
    return 1 - shift_error(model.shifts(images), planted)


# Module -> what its constants decide, and which these are
DECIDED = {
    "lattice._bragg": (
        lattices_of_images,
        "_LOWEST _FURTHEST _CHANCE _INTEGER _FAINTEST _EXPLAINED _FILLED _REST _PIECES _BRIGHTEST "
        "_NEIGHBOURING _STRONGEST _CANDIDATES _BINS _STRAINED",
    ),
    "lattice.basis": (
        lattices_of_tables,
        "_CENTRES _LEAST _CANDIDATES _SCREENED _PERIODIC _FEW _TRIED _GRAIN",
    ),
    "columns.scale": (
        sizes,
        "_FIRST_RING _CLOUDS _SIGNIFICANT _FAINTEST _ISOLATED _COLOURED _STREAKED _GRAIN _FINEST",
    ),
    "columns._surroundings": (
        errors,
        "_AROUND _BANDWIDTH _LAGS _WHITE _LEAST_LEFT _POISSON _COUNTS _COMMON _WILD _STREAKED _REAL",
    ),
    "columns._pairs": (
        split,
        "_OVER_ROUND _OVER_ELLIPSE _CLOSEST _FURTHEST _SUSPICIOUS _ADEQUATE _RADIUS _NEIGHBOURS _MERGED",
    ),
    "columns._fitted": (
        found,
        "_FITTED_WIDTH _UNSURE _TOLD _JOINED _FURTHEST",
    ),
    "defects._tracking": (
        hits,
        "_STEEPEST _LOST _LEAKED _SHARE _REPEATED _UNSEEN _COARSE",
    ),
    "defects._residual": (
        hits,
        "_LOCAL _CELLS _STREAKED _CUBIC _BEYOND_NOISE _THICKEST _DRIFT _VIBRATION _WIDE _CLIPPED "
        "_PIECES _STEADY",
    ),
    "defects._populations": (
        alloys,
        "_APART _RARE _FEWEST _RIM _AROUND",
    ),
    "shiftvae._register": (
        registered,
        "_TRIAL _TEMPLATES _BETTER _ANGLES _VIEWS _PHASE_SLACK _TIE _REFINEMENTS _FOLLOWING _SIGNAL",
    ),
}


def changed(value, factor):
    """The constant, halved or doubled."""
    if isinstance(value, tuple):
        return tuple(changed(v, factor) for v in value)
    return max(1, round(value * factor)) if isinstance(value, int) else value * factor


def measured(measure):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(measure())
        except Exception as problem:  # a row says so; the others are still wanted
            return type(problem).__name__


def worse(score, usual):
    return "*" if isinstance(score, str) or score < usual - 0.05 else " "


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(DECIDED), choices=DECIDED, metavar="MODULE")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    assert {how for _, how in IMAGES} <= set(DISTURBANCES)
    began = time.process_time()
    with threadpool_limits(1):
        for name in chosen.only:
            measure, constants = DECIDED[name]
            module = importlib.import_module(f"atomlens.{name}")
            usual = measured(measure)
            if isinstance(usual, str):
                parser.exit(1, f"{name}: {usual} as it is\n")
            print(f"\n{name}: {measure.__doc__.splitlines()[0]}\n  as it is {usual:.3f}")
            for constant in constants.split():
                value = getattr(module, constant)
                scores = []
                for factor in (0.5, 2):
                    setattr(module, constant, changed(value, factor))
                    scores.append(measured(measure))
                    setattr(module, constant, value)
                shown = [f"{s if isinstance(s, str) else format(s, '.3f')}{worse(s, usual)}" for s in scores]
                print(f"  {constant:16s} = {value!s:12s} half {shown[0]:12s} double {shown[1]}", flush=True)
    print(f"\n{time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
