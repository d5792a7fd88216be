"""A start that does not depend on luck: register the crops, then look at what is left over.

Trained from random weights, encoder and decoder can settle where neither uses the content, since each learns
only from what the other already does. Crops that differ by a movement and a little more can be registered
without any network: to their mean first, then to their mean and the principal components of what
registration leaves over (transformed component analysis: Frey, Jojic, IEEE CVPR (1999), p. 190). Without the
components a bright column is registered to whichever of its neighbours noise prefers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.decomposition import PCA

from atomlens._maxima import vertex
from atomlens.shiftvae._geometry import explained
from atomlens.shiftvae._setup import LEAST_NOISE, REACH

# Halved or doubled, none of these changes how well shifts are known after an epoch (benchmarks/constants.py).
_PIXELS = 6_000_000  # of all frames together: what is registered fits into a few hundred megabytes
_MOST = 2000  # crops
_TRIAL = 300  # crops with which the components are found, and several templates are tried
_TEMPLATES = 3
_BETTER = 1.0  # nats a crop
# First crops are moved by little: on a lattice, whichever column is nearest is the one that was meant.
_NARROW = (16.0, 4.0, 1.0, 1.0)
_ANGLES = 13
_VIEWS = 100
_PHASE_SLACK = 2  # pixels of the margin beyond half a cell
_TIE = 1e-3
_REFINEMENTS = 1
_FOLLOWING = 10  # components that follow
# How much larger than these a component is that is tried as content, and one that noise cannot be: that of
# windows that overlap reached 1.4.
_TRIED, _OUTSTANDING = 1.3, 1.5
# Registration does without a component that a smaller share of the crops carries. It would be made of their
# noise, with which the crops that are a column off are explained well enough to stay there.
_FEW = 0.1
_END = 1.5  # standard deviations of a variation: where two halves of the crops lie, and beyond
_ROUNDS = 2
_SIGNAL = 2.0  # times the variance of noise: a component that says half a nat, or more


@dataclass(frozen=True)
class Start:
    """What registration found.

    Parameters
    ----------
    rows : ndarray of int
        Crops that were used.
    latents : ndarray of shape (n, n_pose + n_content)
        In units of the prior.
    frame : ndarray
        Their mean, registered.
    components : ndarray of shape (n_content, ...)
        What is added to it for each unit of content; zero for content that nothing was found for.
    noise : float
        Root mean square of what neither registration nor the principal components explain.
    outstanding : int
        Components that cannot be noise.
    views : ndarray of shape (m, pixels)
        What crops see of the frame at some poses; none if there is no pose.
    """

    rows: np.ndarray
    latents: np.ndarray
    frame: np.ndarray
    components: np.ndarray
    noise: float
    outstanding: int
    views: np.ndarray


def first_guess(crops, n_crops, geometry, n_content, *, random_state):
    """Pose and content of some crops, and their mean picture, by registration.

    Parameters
    ----------
    crops : callable
        Numbers of crops -> tensor (n, H, W), scaled.
    n_crops : int
    geometry : Geometry
    n_content : int
    random_state : int

    Returns
    -------
    Start
    """
    rng = np.random.default_rng(random_state)
    few = int(np.clip(_PIXELS // np.prod(geometry.frame), 4 * n_content + 4, _MOST))
    rows = rng.permutation(n_crops)[:few]
    some = crops(rows).cpu().numpy()
    with torch.no_grad():
        pose = np.zeros((len(some), geometry.n_pose))
        if geometry.n_pose:
            # Of equivalent shifts the one in the unit cell, which is what an encoder will say.
            pose = geometry.pose(geometry.latents(_registered(some, geometry, n_content, rng)))
        frame, components, scores, noise, outstanding = _components(some, pose, geometry, n_content)
    latents = np.concatenate([geometry.latents(pose), scores], axis=1).astype(np.float32)
    return Start(rows, latents, frame, components, noise, outstanding, _views(frame, geometry, rng))


def one_picture(crops, pose, geometry, n_content):
    """Poses of crops that one picture explains as well as it can, if nothing but its place varies.

    A picture that nearly fits a fraction of a cell off can be registered there in some of the crops; their
    mean is a mixture then, and content tells one part from the other. So the pictures at either end of the
    strongest variations are tried, too: if one of them explains all crops better, there was nothing but its
    place.

    Parameters
    ----------
    crops : ndarray of float32, shape (N, H, W)
    pose : ndarray of shape (N, n_pose)
        To begin with.
    geometry : Geometry
    n_content : int
        Variations that are tried.

    Returns
    -------
    ndarray of shape (N, n_pose)
    """
    if not geometry.n_pose:
        return pose
    frame, left, _ = _average(crops, pose, geometry)
    n = min(n_content, *left.shape)
    pca = PCA(n, svd_solver="randomized", iterated_power=3, random_state=0).fit(left)
    ends = pca.components_ * np.sqrt(pca.explained_variance_)[:, None]
    ends = ends.reshape(-1, *geometry.frame).astype(np.float32)
    trial, nothing = crops[:_TRIAL], np.zeros((0, *geometry.frame), np.float32)
    lowest, best = float((left**2).mean()), None
    for picture in (frame, *(frame + sign * _END * end for end in ends for sign in (1, -1))):
        noise = lowest
        for _ in range(_ROUNDS):
            found, noise, _ = _closest(trial, picture, nothing, max(noise, 1e-9), geometry)
            picture, _, _ = _average(trial, refined(trial, found, geometry), geometry)
        noise = _closest(trial, picture, nothing, max(noise, 1e-9), geometry)[1]
        if best is None or noise < best[0]:
            best = noise, picture
    found = _closest(crops, best[1], nothing, max(best[0], 1e-9), geometry)[0]
    return refined(crops, found, geometry)


def _views(frame, geometry, rng):
    """What crops see of the frame at some poses: ndarray of float32, shape (m, pixels)."""
    rows, columns, _ = _shifts(geometry)
    angles = _angles(geometry)
    count = min(_VIEWS, len(rows) * len(columns) * len(angles))
    share = np.array_split(np.arange(count), len(angles))
    turned = [_pieces(_turned(frame, angle, geometry), rows, columns, geometry) for angle in angles]
    return np.concatenate(
        [rng.permutation(one)[: len(some)] for one, some in zip(turned, share, strict=True)]
    )


def _registered(crops, geometry, n_content, rng):
    """Pose of every crop, from the template with which some of them are explained best.

    The mean of all has its columns where they are meant, single crops may have them anywhere; so these have
    to be clearly better.
    """
    trial = crops[:_TRIAL]
    single = rng.permutation(len(trial))[: _TEMPLATES - 1, None]
    first = [trial, *(trial[row] for row in single)]
    frames = [_average(some, np.zeros((len(some), geometry.n_pose)), geometry)[0] for some in first]
    found, lowest = _explained(trial, frames[0], geometry, n_content)
    for frame in frames[1:]:
        other, cost = _explained(trial, frame, geometry, n_content)
        if cost < lowest - _BETTER * len(trial):
            found, lowest = other, cost
    pose, _, _ = _closest(crops, *found, geometry)
    return refined(crops, pose, geometry)


def _explained(crops, frame, geometry, n_content):
    """Frame, components and noise that explain crops, beginning with a frame; and what that costs."""
    middle = frame[tuple(slice(m, n - m) for m, n in zip(geometry.margin, frame.shape, strict=True))]
    noise = float(np.mean((crops - middle) ** 2)) + 1e-9
    components = np.zeros((0, *geometry.frame), np.float32)
    for narrow, n in [*((narrow, 1) for narrow in _NARROW), *((1.0, n) for n in range(2, n_content + 1))]:
        pose, noise, _ = _closest(crops, frame, components, noise, geometry, narrow=narrow)
        pose = _centred(refined(crops, pose, geometry), geometry)
        frame, components, scores, *_ = _components(crops, pose, geometry, n)
        if not _carriers(scores[:, -1]) > _FEW * len(crops):
            components = components[: n - 1]
            if n > 1:
                break
    _, noise, cost = _closest(crops, frame, components, noise, geometry)
    return (frame, components, noise), cost


def _carriers(scores):
    """How many crops carry a component: all of them, if their scores are alike but for the sign."""
    return float((scores**2).sum() ** 2 / max((scores**4).sum(), 1e-12))


def _centred(pose, geometry):
    """Poses around 0: the zero of the frame is free, and the middle leaves most room on either side."""
    return pose if geometry.n_phases else pose - np.median(pose, axis=0)


def _closest(crops, frame, components, noise, geometry, *, narrow=1.0):
    """The most probable pose of each crop in a frame to which any content may be added.

    Parameters
    ----------
    crops : ndarray of shape (N, H, W)
    frame : ndarray
    components : ndarray of shape (k, ...)
        Changes of the frame by a unit of content, whose prior is N(0, 1).
    noise : float
        Variance.
    geometry : Geometry
    narrow : float
        Weight of the prior of the pose.

    Returns
    -------
    pose : ndarray of shape (N, n_pose)
    noise : float
        Variance of what is left over.
    cost : float
        Minus the logarithm of the evidence, of all crops, but for a constant.
    """
    flat = crops.reshape(len(crops), -1)
    rows, columns, prior = _shifts(geometry)
    lowest, pose = np.full(len(crops), np.inf), np.zeros((len(crops), geometry.n_pose))
    turn = geometry.scale[-1][-1] if geometry.rotates else 1.0
    for angle in _angles(geometry):
        turned, *others = (
            _pieces(_turned(picture, angle, geometry), rows, columns, geometry)
            for picture in (frame, *components)
        )
        squares = (turned**2).sum(axis=1) - 2 * flat @ turned.T  # of the difference, less those of the crop
        cost = squares / (2 * noise) + narrow * (prior.ravel() + (angle / turn) ** 2) / 2
        if others:
            others = np.stack(others, axis=1)  # (shifts, k, pixels)
            normal = others @ others.transpose(0, 2, 1) + noise * np.eye(others.shape[1], dtype=np.float32)
            along = np.stack([flat @ one.T - (one * turned).sum(axis=1) for one in others.swapaxes(0, 1)])
            explained = np.einsum("kns,skl,lns->ns", along, np.linalg.inv(normal), along, optimize=True)
            cost += np.linalg.slogdet(normal / noise)[1] / 2 - explained / (2 * noise)
        best, shift = _lowest(cost.reshape(-1, len(rows), len(columns)))
        shift += columns[0], rows[0]
        better = best < lowest
        lowest[better] = best[better]
        pose[better, : geometry.axes] = shift[better, : geometry.axes]
        if geometry.rotates:
            pose[better, -1] = angle
    left = np.maximum((flat**2).sum(axis=1) + 2 * noise * lowest, 0.0).mean() / flat.shape[1]
    total = lowest.sum() + (flat**2).sum() / (2 * noise) + flat.size * np.log(noise) / 2
    return pose, float(left) + 1e-9, float(total)


def _pieces(picture, rows, columns, geometry):
    """What crops see of a picture of the frame at every shift: ndarray of shape (shifts, pixels)."""
    down, across = geometry.margin
    pieces = sliding_window_view(picture, geometry.shape)
    # crop(x) = frame(x - shift): a shift by k looks at the frame from margin - k on
    return pieces[np.ix_(down - rows, across - columns)].reshape(len(rows) * len(columns), -1)


def _angles(geometry):
    """Rotations to be tried, in radians."""
    if not geometry.rotates:
        return np.zeros(1)
    return np.linspace(-REACH, REACH, _ANGLES) * geometry.scale[-1][-1]


def _shifts(geometry):
    """Shifts to be tried, down and across, in pixels, and minus the logarithm of their prior."""
    axes = geometry.axes
    reach, weight = [0, 0], np.zeros((2, 2))
    if geometry.n_phases:
        reach = [margin - _PHASE_SLACK for margin in geometry.margin]
        # All equivalent shifts are as good: that of them which is the shortest keeps crops in the frame.
        weight = np.eye(2) * _TIE
    elif axes:
        scale = np.diag(geometry.scale)[:axes]
        reach[2 - axes :] = np.ceil(REACH * scale[::-1]).astype(int)
        weight[:axes, :axes] = geometry.precision()[:axes, :axes]
    rows, columns = (np.arange(-r, r + 1) for r in reach)
    x, y = np.meshgrid(columns, rows)
    return rows, columns, weight[0, 0] * x**2 + weight[1, 1] * y**2


def _lowest(cost):
    """Lowest value of each map, and where, as (x, y), to a fraction of a step by parabolas."""
    n, height, width = cost.shape
    row, column = np.unravel_index(cost.reshape(n, -1).argmin(axis=1), (height, width))
    every = np.arange(n)
    lowest = cost[every, row, column]

    def lower(index, count, before, after):
        """Where the parabola through three values is lowest, and by how much; not at the end of the map."""
        bend = before + after - 2 * lowest
        return vertex(before - after, np.where((index > 0) & (index < count - 1), bend, 0.0))

    y, deeper_y = lower(row, height, cost[every, row - 1, column], cost[every, (row + 1) % height, column])
    x, deeper_x = lower(column, width, cost[every, row, column - 1], cost[every, row, (column + 1) % width])
    return lowest - deeper_x - deeper_y, np.stack([column + x, row + y], axis=1)


def _turned(frame, angle, geometry):
    """Return the frame, turned about its centre as the pose of a crop says."""
    if not angle:
        return frame
    pose = torch.zeros(1, geometry.n_pose)
    pose[:, -1] = angle
    return geometry.cut(torch.from_numpy(frame)[None], pose, geometry.frame)[0].numpy()


def _components(crops, pose, geometry, n_content):
    """Principal components of what registration leaves over, as far as they stand out.

    Noise has principal components too, the larger the fewer crops there are; and windows that overlap share
    their noise, as if there were fewer still. But its variances fall slowly from one to the next: what is no
    noise is well above those that follow. Components that are noise are set to zero.

    Returns
    -------
    frame : ndarray
    components : ndarray of shape (n_content, ...)
    scores : ndarray of shape (N, n_content)
        In units of their standard deviation; 0 for what is noise.
    noise : float
        Root mean square of the rest.
    outstanding : int
        Components that cannot be noise.
    """
    frame, residual, seen = _average(crops, pose, geometry)
    if geometry.n_pose:
        # What a movement would explain is none of the content, which would serve to mend the pose.
        slopes = geometry.slopes(torch.from_numpy(frame))
        residual -= seen * (_moves(residual, seen, slopes) @ slopes.numpy())
    n = min(n_content + _FOLLOWING, *residual.shape)
    pca = PCA(n, svd_solver="randomized", iterated_power=3, random_state=0)
    scores = pca.fit_transform(residual)[:, :n_content]
    n, variance = scores.shape[1], pca.explained_variance_
    following = variance[n:].mean() if len(variance) > n else 0.0
    left = (residual**2).sum() - len(crops) * variance[:n].sum()
    # Crops put into the frame are interpolated, which leaves two thirds of the variance along each axis.
    kept = (2 / 3) ** (1 if geometry.shape[0] == 1 else 2) if geometry.n_pose else 1.0
    noise = max(float(np.sqrt(max(left, 0.0) / max(seen.sum(), 1.0) / kept)), LEAST_NOISE)
    signal = (variance[:n] > _TRIED * following) & (variance[:n] > following + _SIGNAL * noise**2)
    outstanding = int((signal & (variance[:n] > _OUTSTANDING * following)).sum())
    spread = np.where(signal, np.sqrt(variance[:n]), 0.0)
    components = np.zeros((n_content, *geometry.frame), np.float32)
    components[:n] = (pca.components_[:n] * spread[:, None]).reshape(-1, *geometry.frame)
    standard = np.zeros((len(crops), n_content))
    standard[:, :n] = np.where(signal, scores, 0.0) / np.where(signal, spread, 1.0)
    return frame, components, standard, noise, outstanding


def _moves(left, seen, slopes):
    """Small movements that explain best what is left of crops in the frame: ndarray of shape (N, n_pose)."""
    products = (slopes[:, None] * slopes).flatten(0, 1)
    return explained(*map(torch.from_numpy, (left, seen)), slopes, products, 1e-6 * torch.eye(len(slopes)))[
        0
    ].numpy()


def refined(crops, pose, geometry):
    """Poses to a fraction of a pixel, by steps of least squares."""
    limit = np.array(geometry.trusted)
    for _ in range(_REFINEMENTS):
        frame, left, seen = _average(crops, pose, geometry)
        pose = pose + _moves(left, seen, geometry.slopes(torch.from_numpy(frame))).clip(-limit, limit)
    return pose


def _average(crops, pose, geometry):
    """Mean of the crops in the frame; what each differs from it by, and where it was seen: (N, pixels)."""
    placed, seen = geometry.put(torch.from_numpy(crops), torch.as_tensor(pose, dtype=torch.float32))
    total, count = placed.sum(dim=0), seen.sum(dim=0)
    frame = (total + total.sum() / count.sum()) / (count + 1)
    left = torch.addcmul(placed, seen, frame, value=-1)
    return frame.numpy(), *(part.flatten(1).numpy() for part in (left, seen))
