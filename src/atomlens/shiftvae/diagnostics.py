"""Did it separate what it should? What to look at before believing a latent."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pandas as pd
from scipy.stats import pearsonr, spearmanr
from sklearn.base import clone
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from atomlens._types import Any, ArrayLike, DataFrame, Lattice, Mapping, Series, ShiftVAE
from atomlens.shiftvae._setup import lattice_vectors

__all__ = ["against_truth", "compare", "explained_by_place", "leakage"]

_HELD_OUT = 0.2  # share of the crops that is kept for judging
_MOST = 3000  # crops for an estimate of mutual information, which takes time with the square of them


def leakage(model: ShiftVAE, X: ArrayLike, *, random_state: int = 0) -> DataFrame:
    """Mutual information between content and pose: none, if movement and content are told apart.

    Parameters
    ----------
    model : ShiftVAE
        Trained, with an invariance.
    X : array_like
        Crops, as for `ShiftVAE.transform`; 3000 of them at random if there are more.
    random_state : int

    Returns
    -------
    DataFrame
        Nats; one row a content latent, one column a part of the pose (pixels or degrees do not matter). The
        column ``by_chance`` is what the same estimate gives for shuffled poses: a value well above it is
        leakage.

    Raises
    ------
    ValueError
        If the model has no pose.

    References
    ----------
    Kraskov, Stögbauer, Grassberger, Phys. Rev. E 69, 066138 (2004), for the estimate.

    Examples
    --------
    >>> from atomlens import simulate
    >>> from atomlens.shiftvae import ShiftVAE
    >>> crops = simulate.shifted.cells(300, noise=0.05).data
    >>> model = ShiftVAE(1, shift_scale=0.15, max_epochs=10, progress=False).fit(crops)
    >>> list(leakage(model, crops).columns)
    ['shift_x', 'shift_y', 'by_chance']
    """
    pose, content = model.latents(X)
    if not pose.shape[1]:
        raise ValueError("the model has no pose: nothing can leak (invariance=None)")
    rng = np.random.default_rng(random_state)
    rows = rng.permutation(len(pose))[:_MOST]
    pose, content = pose[rows], content[rows]

    def information(values, one):
        return mutual_info_regression(values, one, random_state=random_state)

    table = np.stack([information(pose, one) for one in content.T])
    chance = np.stack([information(rng.permuted(pose, axis=0), one) for one in content.T])
    n = pose.shape[1]
    result = pd.DataFrame(table, index=model.latent_names_[n:], columns=model.latent_names_[:n])
    return result.assign(by_chance=chance.max(axis=1))


def explained_by_place(
    model: ShiftVAE,
    image: ArrayLike,
    *,
    lattice: Lattice | ArrayLike | None = None,
    stride: int = 1,
    bins: int = 6,
) -> Series:
    """Share of the variance of content maps that the place of the window in the unit cell explains.

    What is in a crystal does not know where in a cell a window was cut. Content that does is mending the
    shift, and its map shows the grid of the windows; `leakage`, which compares with the shift that the model
    found, cannot see that where this shift is wrong.

    Parameters
    ----------
    model : ShiftVAE
        Trained on windows.
    image : array_like of shape (H, W), or DataArray
    lattice : Lattice or array_like of shape (2, 2), optional
        Lattice vectors in pixels, one a row, as (x, y); those of the model, if it has any.
    stride : int
        Pixels from one window to the next. One is best: the places of coarser ones may beat with the lattice.
    bins : int
        Parts of the cell along each lattice vector.

    Returns
    -------
    Series
        One value for each content latent: 0 for what does not depend on the place, 1 for what depends on
        nothing else. What chance explains is taken out.

    Raises
    ------
    ValueError
        If no lattice is known, or there are not several windows for each part of the cell.

    References
    ----------
    Kelley, Proc. Natl. Acad. Sci. 21, 554 (1935), for the share without what chance explains.

    Examples
    --------
    >>> from atomlens.shiftvae import ShiftVAE
    >>> from atomlens.windows import sliding_windows
    >>> x = np.arange(80)
    >>> wave = np.cos(x * 2 * np.pi / 8.3)
    >>> image = wave + wave[:, None] * (1 + 0.5 * np.sin(x / 12))
    >>> image += np.random.default_rng(0).normal(0, 0.2, image.shape)
    >>> model = ShiftVAE(1, lattice=[[8.3, 0], [0, 8.3]], max_epochs=8, progress=False)
    >>> bool(explained_by_place(model.fit(sliding_windows(image, 18, step=2)), image)["z1"] < 0.1)
    True
    """
    lattice = model.lattice if lattice is None else lattice
    if lattice is None:
        raise ValueError("the model has no lattice: give the lattice vectors in pixels")
    cell = lattice_vectors(lattice, 2)
    maps = model.latent_map(image, stride=stride)
    row, column = np.indices(maps.shape[1:]).reshape(2, -1) * np.reshape(np.broadcast_to(stride, 2), (2, 1))
    part = (np.stack([column, row], axis=1) @ np.linalg.inv(cell)) % 1.0 * bins
    part = np.minimum(part.astype(int), bins - 1) @ [1, bins]
    n, n_parts = len(part), len(np.unique(part))
    if n < 3 * n_parts:
        raise ValueError(f"{n} windows are too few for {n_parts} parts of the cell: lower stride, or bins")
    content = pd.DataFrame(maps.values.reshape(len(maps), -1).T, columns=model.latent_names_)
    content = content.iloc[:, -model.latent_dim :]
    within = content - content.groupby(part).transform("mean")
    unexplained = (within**2).sum() / (n - n_parts) / content.var()
    return (1 - unexplained).clip(lower=0.0).rename("explained_by_place")


def against_truth(
    latents: ArrayLike, truth: DataFrame | Mapping[Any, Any], *, random_state: int = 0
) -> DataFrame:
    """How much each latent says about what was planted.

    Parameters
    ----------
    latents : array_like of shape (N, k), or DataFrame
        Shifts, content, or both.
    truth : DataFrame or mapping of str to array_like of shape (N,)
        Numbers, or names of classes.
    random_state : int
        Of the estimate of mutual information.

    Returns
    -------
    DataFrame
        One row for each latent and truth: ``pearson`` and ``spearman`` (NaN for classes), ``information``
        (mutual information in nats, of 3000 crops at most). A latent may say much without a correlation: look
        at the information, too; and a collapsed one may correlate: look at `ShiftVAE.summary` first.

    Raises
    ------
    ValueError
        If the numbers of rows differ.

    Examples
    --------
    >>> z = np.linspace(-1, 1, 200)
    >>> table = against_truth(z[:, None], {"square": z**2, "cube": z**3})
    >>> table.spearman.abs().round(2).tolist(), bool(table.information.min() > 2)
    ([0.0, 1.0], True)
    """
    latents = latents if isinstance(latents, pd.DataFrame) else _named(np.asarray(latents))
    truth = pd.DataFrame(truth)
    if len(truth) != len(latents):
        raise ValueError(f"{len(latents)} rows of latents, but {len(truth)} of truth")
    some = np.random.default_rng(random_state).permutation(len(latents))[:_MOST]
    rows = []
    for name, known in truth.items():
        classes = not pd.api.types.is_numeric_dtype(known)
        estimate = mutual_info_classif if classes else mutual_info_regression
        information = estimate(latents.to_numpy()[some], known.to_numpy()[some], random_state=random_state)
        for (latent, values), nats in zip(latents.items(), information, strict=True):
            row = {"latent": latent, "truth": name, "pearson": np.nan, "spearman": np.nan}
            if not classes:
                row["pearson"] = pearsonr(values, known).statistic
                row["spearman"] = spearmanr(values, known).statistic
            rows.append(row | {"information": nats})
    return pd.DataFrame(rows)


def compare(
    models: Mapping[Any, Any], crops: ArrayLike | Mapping[Any, Any], *, random_state: int = 0
) -> DataFrame:
    """Train several models on a part of their crops and judge them on the rest.

    For what has to be chosen: the window, `shift_scale`, the number of latents, the likelihood.

    Parameters
    ----------
    models : mapping of str to ShiftVAE
        As they would be trained; they are not changed.
    crops : array_like, or mapping of str to array_like
        For all of them, or for each by its name (windows of different sizes).
    random_state : int

    Returns
    -------
    DataFrame
        One row a model. On crops that were held out: ``elbo`` (evidence lower bound, nats a pixel),
        ``kl_pose`` and ``kl_content`` (nats a crop). ``noise_sd`` (units of the data), the number of
        ``active`` content latents, the share of crops ``at_edge`` (moved by more than 2.5 times what
        the prior expects: give them more room), and ``seconds`` of training.

    Raises
    ------
    ValueError
        If crops are missing for a model.

    Examples
    --------
    >>> from atomlens import simulate
    >>> from atomlens.shiftvae import ShiftVAE
    >>> crops = simulate.shifted.cells(400).data
    >>> models = {s: ShiftVAE(1, shift_scale=s, max_epochs=3, progress=False) for s in (0.02, 0.15)}
    >>> table = compare(models, crops)
    >>> bool(table.at_edge[0.02] > 0.5 > table.at_edge[0.15])
    True
    """
    by_name = isinstance(crops, dict)
    if by_name and set(models) - set(crops):
        raise ValueError(f"no crops for {', '.join(map(str, set(models) - set(crops)))}")
    rows = {}
    for name, model in models.items():
        values = np.asarray(crops[name] if by_name else crops)
        if values.ndim == 4:
            values = values.reshape(-1, *values.shape[2:])
        order = np.random.default_rng(random_state).permutation(len(values))
        kept = max(1, round(_HELD_OUT * len(values)))
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they would say stands in the table
            trained = clone(model).fit(values[order[kept:]])
        seconds = time.perf_counter() - start
        rest = values[order[:kept]]
        summary, n_pose = trained.summary(rest), trained.core_.geometry.n_pose
        rows[name] = {
            "elbo": trained.score(rest) / rest[0].size,
            "kl_pose": summary.kl.iloc[:n_pose].sum(),
            "kl_content": summary.kl.iloc[n_pose:].sum(),
            "noise_sd": trained.noise_sd_,
            "active": int(summary.active.iloc[n_pose:].sum()),
            "at_edge": trained.at_edge(rest),
            "seconds": seconds,
        }
    return pd.DataFrame(rows).T.astype({"active": int})


def _named(latents):
    return pd.DataFrame(latents, columns=[f"z{n + 1}" for n in range(latents.shape[1])])
