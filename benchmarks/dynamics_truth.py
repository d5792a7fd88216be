"""Claim: intervals of diffusion and of transition matrices hold the truth in 90 to 99 of 100 movies.

Tables of detections with planted dynamics: 50 particles, 200 frames, 5 % missed, one false detection a frame,
5 % misclassified, at three levels of noise (localisation over the root of diffusion x time of a frame). Each
movie is linked, and its diffusion and transition matrix are compared with what the true tracks and states
would have told: `width` and `error` (root mean square) are over theirs. Peers in the same run: a line through
`trackpy.emsd`, deeptime's maximum-likelihood Markov model, and the published estimators. Then the share of
movies in which tests of what is true reject it, for p <= 0.05. Seeds were not used to choose anything.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import trackpy
from deeptime.markov import TransitionCountEstimator
from deeptime.markov.msm import MaximumLikelihoodMSM

from atomlens import dynamics
from atomlens.simulate import movies

STORED = Path(__file__).resolve().parents[1] / "data" / "results" / "dynamics.csv"
D, NOISES = 2e-3, (0.25, 0.5, 1.0)  # nm²/s; localisation over the root of D dt
MATRIX = np.array([[0.9, 0.08, 0.02], [0.1, 0.8, 0.1], [0.05, 0.15, 0.8]])
CONFUSION = np.full((3, 3), 0.025) + 0.925 * np.eye(3)
FRAMES = 200


def movie(noise, seed, **options):
    """A planted table, of which a twentieth is missed, misclassified, and which has false detections."""
    chosen = {"localisation": noise * np.sqrt(D), "missed": 0.05, "false": 1, "misclassification": CONFUSION}
    chosen |= {"diffusion": D, "matrix": MATRIX, "n_frames": FRAMES, "random_state": seed}
    return movies.tracks(50, **chosen | options)


def owned(sample):
    """Detections with the true links."""
    return sample.data.assign(particle=sample.extras["particle"]).query("particle >= 0")


def links(sample, tracks):
    """Share of the links made that are right, and of the right ones that are made."""
    owner = sample.data[["frame", "x", "y"]].assign(owner=sample.extras["particle"])
    table = tracks.merge(owner, on=["frame", "x", "y"]).sort_values(["particle", "frame"])
    particle, owner = table["particle"].to_numpy(), table["owner"].to_numpy()
    made = particle[1:] == particle[:-1]
    right = made & (owner[1:] == owner[:-1]) & (owner[1:] >= 0)
    true = owned(sample).sort_values(["particle", "frame"])
    lag = np.diff(true["frame"])
    possible = (np.diff(true["particle"]) == 0) & (lag <= 1 + tracks.attrs["memory"])
    return right.sum() / made.sum(), right.sum() / possible.sum()


def of_trackpy(tracks):
    """Diffusion from a line through the ensemble's mean-square displacement, ten lags."""
    curve = trackpy.emsd(
        tracks.drop(columns=["x", "y"]), mpp=1, fps=1, max_lagtime=10, pos_columns=["x_nm", "y_nm"]
    )
    return np.polyfit(curve.index, curve.to_numpy(), 1)[0] / 4


def of_deeptime(tracks):
    """Transition matrix of runs without gaps."""
    tracks = tracks.sort_values(["particle", "frame"])
    broken = (np.diff(tracks["particle"]) != 0) | (np.diff(tracks["frame"]) != 1)
    runs = np.split(tracks["label"].to_numpy(), np.flatnonzero(broken) + 1)
    counts = TransitionCountEstimator(lagtime=1, count_mode="sliding").fit_fetch(
        [r for r in runs if len(r) > 1]
    )
    return MaximumLikelihoodMSM(reversible=False).fit_fetch(counts).transition_matrix


def one_movie(noise, seed):
    """What all ways say of a movie: rows (quantity, way, estimates, low, high)."""
    sample = movie(noise, seed)
    began = time.perf_counter()
    tracks = dynamics.link(sample.data)
    took = time.perf_counter() - began
    rows = []
    for way, table, options in (
        ("true tracks", sample.truth, {}),
        ("true links", owned(sample), {}),
        ("likelihood", tracks, {}),
        ("covariance", tracks, {"method": "covariance"}),
        ("msd", tracks, {"method": "msd"}),
    ):
        found = dynamics.diffusion(table, dt=1.0, **options)
        rows.append(("D", way, found.coefficient / D, *(end / D for end in found.interval)))
    rows.append(("D", "trackpy.emsd", of_trackpy(tracks) / D, np.nan, np.nan))
    phantom = np.random.default_rng(seed).multinomial(500, CONFUSION)
    rows.append(("D", "published", dynamics.published_estimator(tracks, dt=1.0) / D, np.nan, np.nan))
    for way, table, options in (
        ("true tracks", sample.truth, {"state": "state"}),
        ("hidden chain", tracks, {"misclassification": CONFUSION}),
        ("hidden chain, counts", tracks, {"misclassification": phantom}),
        ("pooled", tracks, {}),
    ):
        found = dynamics.transitions(table, **options)
        rows.append(("matrix", way, found.matrix, found.low, found.high))
    rows.append(("matrix", "deeptime", of_deeptime(tracks), np.nan, np.nan))
    rows.append(("matrix", "published", dynamics.row_mean_matrix(tracks), np.nan, np.nan))
    return rows, (*links(sample, tracks), took)


def summary(noise, found):
    """Coverage, width and error of every way; of a matrix the entries' least, most, and mean."""
    table = {}
    for rows in found:
        for quantity, way, *values in rows:
            table.setdefault((quantity, way), []).append(values)
    lines = []
    for (quantity, way), values in table.items():
        truth = 1.0 if quantity == "D" else MATRIX
        value, low, high = (np.array([v[k] for v in values]) for k in range(3))
        reference = table[quantity, "true tracks"]
        best, best_low, best_high = (np.array([v[k] for v in reference]) for k in range(3))
        held = ((low <= truth) & (truth <= high)).mean(axis=0) if np.isfinite(low).all() else np.nan
        width = np.median(high - low, axis=0) / np.median(best_high - best_low, axis=0)
        error = np.sqrt(((value - truth) ** 2).mean(axis=0) / ((best - truth) ** 2).mean(axis=0))
        lines.append({
            "quantity": quantity, "noise": noise, "way": way, "movies": len(values),
            "inside": np.mean(held), "least": np.min(held), "most": np.max(held),
            "width": np.mean(width), "widest": np.max(width), "error": np.mean(error), "worst": np.max(error),
            "bias": np.mean(np.abs((value - truth).mean(axis=0))),
        })  # fmt: skip
    return lines


def hops(seed, *, rate=0.05, spacing=0.315, noise=0.02, particles=40, frames=200):
    """Tracks of defects that hop on a triangular lattice, and their diffusion coefficient a frame."""
    rng = np.random.default_rng(seed)
    angle = rng.integers(6, size=(frames, particles)) * np.pi / 3
    step = spacing * (rng.random((frames, particles)) < rate) * np.exp(1j * angle)
    place = np.cumsum(step, axis=0) + rng.normal(0, noise, step.shape) + 1j * rng.normal(0, noise, step.shape)
    frame, particle = np.nonzero(rng.random(step.shape) > 0.05)
    z = place[frame, particle]
    table = pd.DataFrame({"frame": frame, "particle": particle, "x": z.real, "y": z.imag})
    return table, rate * spacing**2 / 4


def single(count, first):
    """Rows of what needs a number only: coverage elsewhere, levels of tests, published mistakes."""

    def row(quantity, way, value, *, n=count, **more):
        line = {"quantity": quantity, "way": way, "movies": n, "inside": value, **more}
        print(
            "  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{v}" for k, v in line.items()), flush=True
        )
        return line

    seeds, lines = range(first, first + count), []
    inside, widths = [], []
    for seed in seeds:
        table, true = hops(seed)
        found = dynamics.diffusion(table)
        inside.append(found.interval[0] <= true <= found.interval[1])
        widths.append(found.inflation)
    lines.append(row("D", "hops on a lattice", float(np.mean(inside)), width=float(np.median(widths)) ** 0.5))
    inside = []
    for seed in seeds:
        sample = movie(0.5, seed, drift=(0.02, 0.01), false=0, misclassification=None)
        found = dynamics.diffusion(dynamics.remove_drift(dynamics.link(sample.data)), dt=1.0)
        inside.append(found.interval[0] <= D <= found.interval[1])
    lines.append(row("D", "drift removed", float(np.mean(inside))))
    inside = []
    for seed in seeds:
        sample = movie(0.5, seed, exposure=1.0, n_frames=60)
        found = dynamics.diffusion(owned(sample), dt=1.0, exposure=1.0)
        inside.append(found.interval[0] <= D <= found.interval[1])
    lines.append(row("D", "full exposure, 60 frames", float(np.mean(inside))))
    inside, certain = [], []
    for seed in seeds:
        sample = movie(0.5, seed, anisotropy=2.0, angle=30.0, n_frames=100)
        found = dynamics.diffusion(owned(sample), dt=1.0)
        inside.append(found.anisotropy_interval[0] <= 2 <= found.anisotropy_interval[1])
        certain.append(found.p_isotropic)
    lines.append(row("anisotropy 2", "likelihood", float(np.mean(inside))))
    for exponent in (0.6, 1.0, 1.3):
        found = [
            dynamics.motion(owned(movie(0.5, seed, exponent=exponent, n_frames=40, false=0)))
            for seed in seeds[: count // 2]
        ]
        inside = [f.exponent_interval[0] <= exponent <= f.exponent_interval[1] for f in found]
        lines.append(row(f"exponent {exponent}", "motion", float(np.mean(inside)), n=count // 2))
        if exponent == 1:
            rejected = float(np.mean([f.p_free <= 0.05 for f in found]))
            lines.append(row("free: p <= 0.05", "motion", rejected, n=count // 2))
    for what, test in (("first order", dynamics.first_order), ("stationary", dynamics.stationary)):
        plain, hidden, naive = [], [], []
        for seed in seeds:
            sample = movie(0.5, seed, n_frames=60)
            plain.append(test(sample.truth, state="state").p_value <= 0.05)
            hidden.append(test(owned(sample), misclassification=CONFUSION).p_value <= 0.05)
            naive.append(test(owned(sample)).p_value <= 0.05)
        lines.append(row(f"{what}: p <= 0.05", "true tracks", float(np.mean(plain))))
        lines.append(row(f"{what}: p <= 0.05", "hidden chain", float(np.mean(hidden))))
        lines.append(row(f"{what}: p <= 0.05", "pooled", float(np.mean(naive))))
        few = []
        for seed in seeds:
            sample = movie(0.5, seed, n_frames=12)
            few.append(test(sample.truth.query("particle < 8"), state="state").p_value <= 0.05)
        lines.append(row(f"{what}: p <= 0.05", "true tracks, 8 of 12 frames", float(np.mean(few))))
    wide = [
        movies.tracks(50, diffusion=D, n_frames=FRAMES, shape=(9000, 9000), random_state=s).truth
        for s in seeds
    ]
    ratio = np.mean([dynamics.published_estimator(t, dt=1.0) / D for t in wide])
    lines.append(row("D, true 1", "published, Brownian", float(ratio)))
    stay = {"matrix": np.full((5, 5), 0.05) + 0.75 * np.eye(5), "n_frames": 300}
    one = [
        dynamics.one_sequence_matrix(movies.tracks(4, **stay, random_state=s).data).diagonal() for s in seeds
    ]
    lines.append(row("self-transition, true .8", "published, one sequence", float(np.mean(one))))
    stay = {"matrix": np.full((5, 5), 0.075) + 0.625 * np.eye(5), "n_frames": 20, "missed": 0.1}
    published, pooled = [], []
    for seed in seeds:
        sample = movies.tracks(40, **stay, random_state=seed)
        published.append(dynamics.row_mean_matrix(owned(sample)).diagonal())
        pooled.append(dynamics.transitions(owned(sample)).matrix.diagonal())
    lines.append(row("self-transition, true .7", "published, mean of rows", float(np.mean(published))))
    lines.append(row("self-transition, true .7", "pooled", float(np.mean(pooled))))
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--movies", type=int, default=100, help="a row")
    parser.add_argument("--seed", type=int, default=70_000)
    parser.add_argument("--store", action="store_true", help=f"write the table to {STORED.name}")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    trackpy.quiet()
    pd.options.display.width = 160
    start, lines = time.process_time(), []
    for k, noise in enumerate(NOISES):
        seeds = range(chosen.seed + 1000 * k, chosen.seed + 1000 * k + chosen.movies)
        found, linked = zip(*(one_movie(noise, seed) for seed in seeds), strict=True)
        lines += summary(noise, found)
        print(pd.DataFrame(lines[-len(lines) // (k + 1) :]).round(3).to_string(), flush=True)
        right, kept, took = np.mean(linked, axis=0)
        lines.append(
            {
                "quantity": "links",
                "noise": noise,
                "way": "link",
                "movies": chosen.movies,
                "inside": right,
                "least": kept,
            }
        )
        print(f"links right {right:.4f}, of all {kept:.4f}, {took:.2f} s a movie", flush=True)
    lines += single(chosen.movies, chosen.seed + 10_000)
    if chosen.store:
        pd.DataFrame(lines).round(4).to_csv(STORED, index=False)
    print(f"{time.process_time() - start:.0f} s of CPU")


if __name__ == "__main__":
    main()
