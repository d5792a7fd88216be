"""The estimator: what varies in crops besides where they were cut."""

from __future__ import annotations

import math
import numbers
import warnings

import numpy as np
import pandas as pd
import xarray as xr
from scipy.linalg import block_diag
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from atomlens._extras import require
from atomlens._torch import one_thread
from atomlens.shiftvae._crops import Crops
from atomlens.windows import sliding_windows

__all__ = ["SeparationWarning", "ShiftVAE"]

_INVARIANCES = {
    None: (),
    "shift": ("shift",),
    "rotation": ("rotation",),
    "shift+rotation": ("shift", "rotation"),
}
_UNITS = {"canonical": 64, "coordinate": 128}
_MARGIN = 2.5  # standard deviations of the shift
_BLOCK = 5  # windows: side of the blocks from which a smooth map learns
_ACTIVE = 0.05  # nats: a latent with less says nothing


class SeparationWarning(UserWarning):
    """A model was trained, but did not separate anything, or not what was asked for."""


class ShiftVAE(TransformerMixin, BaseEstimator):
    r"""Variational autoencoder that tells where a crop was cut from what it shows.

    An encoder turns each crop into a *pose* (shift, rotation) and a few numbers of *content*; a decoder draws
    the crop from the content and moves it as the pose says. What a movement explains does not have to be
    explained by the content, which is left with what differs between crops otherwise.

    Parameters
    ----------
    latent_dim : int
        Numbers of content.
    invariance : {"shift", None, "rotation", "shift+rotation"}
        Movements that are taken out. None is an ordinary variational autoencoder.
    shift_scale : float
        Standard deviation of the prior of the shift, in half-widths of the window. About 0.6 times the largest
        shift; for windows anywhere on a lattice, 0.6 times the lattice vector over the width of the window.
    lattice : Lattice or array_like of shape (2, 2), or float, optional
        For windows cut anywhere on a crystal: its lattice vectors in pixels, one a row, as (x, y); the period
        for signals. The shift is then a phase in the unit cell, uniform and without ends, and `shift_scale` is
        not used. A shift with ends is the wrong thing there: at the border of the cell an encoder has to jump,
        which a network cannot, and content is spent on mending that.
    rotation_scale : float
        Standard deviation of the prior of the rotation, in degrees.
    decoder : {"canonical", "coordinate"}
        `canonical` decodes one frame a crop, larger than the window, and samples it where the pose says.
        `coordinate` is that of the paper: a network that runs once for every pixel, at moved coordinates.
    decoder_units : int, optional
        Units of its two hidden layers; 64 for `canonical` and 128 for `coordinate`, if not given.
    likelihood : {"gaussian", "bernoulli"}
        Bernoulli wants values from 0 to 1.
    noise_sd : float, optional
        Standard deviation of the Gaussian likelihood, in the units of the data; learnt if it is not given.
    beta : float
        Weight of the divergence from the prior (beta-VAE); 1 is the evidence lower bound.
    smoothness : float
        Weight, in nats a crop, of the mean squared difference between neighbouring values of the standardised
        content maps. Needs crops on a grid.
    penalty : callable, optional
        A further condition on the content maps: from a tensor of shape (blocks, k, k, latent_dim) to a number,
        in nats a crop, differentiable. Needs crops on a grid.
    batch_size : int
        Crops a step.
    learning_rate : float
    max_epochs : int
        Training ends before if the loss stands still; the learning rate falls to nothing in its last part.
    progress : bool
        Show a bar.
    random_state : int

    Attributes
    ----------
    history_ : DataFrame
        One row an epoch: ``loss`` and its parts ``reconstruction``, ``kl_pose``, ``kl_content``, ``penalty``
        (nats a crop), ``noise_sd`` (units of the data), ``learning_rate``, ``seconds``.
    latent_names_ : list of str
        ``shift_x``, ``shift_y``, ``rotation`` as far as there are any, then ``z1``, ``z2``, ...
    noise_sd_ : float
        Of the Gaussian likelihood, in the units of the data.
    ended_ : {"converged", "max_epochs", "diverged"}
    summary_ : DataFrame
        As `summary` of the crops of the training.

    Notes
    -----
    The evidence lower bound of a crop :math:`x`, maximised over both networks, is

    .. math:: \mathbb{E}_{q(t, z|x)} \log p(x | t, z) - \beta\,\mathrm{KL}(q(t, z|x)\,\|\,\mathcal{N}(0, I)),

    where :math:`t` is the pose in units of its prior. Before, the crops are registered to their mean by least
    squares, and the principal components of the rest give a first guess of the content: from random weights,
    training can end where nothing is separated, without any sign of it.

    References
    ----------
    Ziatdinov, Wong, Kalinin, Mach. Learn.: Sci. Technol. 4, 045033 (2023), arXiv 2106.12472, for the model and
    the coordinate decoder. Kingma, Welling, ICLR (2014), arXiv 1312.6114, for the lower bound. Rybkin,
    Daniilidis, Levine, ICML (2021), arXiv 2006.13202, for the learnt noise.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> place, width = rng.uniform(-4, 4, 300), rng.uniform(1, 4, 300)
    >>> signals = np.exp(-(((np.arange(40) - 19.5 - place[:, None]) / width[:, None]) ** 2))
    >>> model = ShiftVAE(1, noise_sd=0.05, max_epochs=20, progress=False).fit(signals)
    >>> bool(np.corrcoef(model.shifts(signals)[:, 0], place)[0, 1] > 0.99)
    True
    """

    def __init__(
        self,
        latent_dim=2,
        *,
        invariance="shift",
        shift_scale=0.2,
        lattice=None,
        rotation_scale=10.0,
        decoder="canonical",
        decoder_units=None,
        likelihood="gaussian",
        noise_sd=None,
        beta=1.0,
        smoothness=0.0,
        penalty=None,
        batch_size=100,
        learning_rate=2e-3,
        max_epochs=50,
        progress=True,
        random_state=0,
    ):
        self.latent_dim = latent_dim
        self.invariance = invariance
        self.shift_scale = shift_scale
        self.lattice = lattice
        self.rotation_scale = rotation_scale
        self.decoder = decoder
        self.decoder_units = decoder_units
        self.likelihood = likelihood
        self.noise_sd = noise_sd
        self.beta = beta
        self.smoothness = smoothness
        self.penalty = penalty
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.progress = progress
        self.random_state = random_state

    def fit(self, X, y=None, *, grid_shape=None):
        """Train on crops.

        Parameters
        ----------
        X : array_like of shape (N, length), (N, height, width) or (rows, columns, height, width)
            Signals, crops, or the windows of an image as from `atomlens.windows.sliding_windows`.
        y : None
            Ignored.
        grid_shape : tuple of int, optional
            (rows, columns) of the grid on which signals or crops were taken, in the order of reading.

        Returns
        -------
        ShiftVAE

        Raises
        ------
        ValueError
            If the data are unusable (wrong dims, NaN, constant crops, fewer crops than a batch, values outside
            [0, 1] with Bernoulli), a parameter is out of range, or a condition on the maps lacks a grid.
        ImportError
            If torch is not installed.

        Warns
        -----
        ConvergenceWarning
            If training diverged; the last good state is kept.
        SeparationWarning
            If nothing was separated, or many shifts lie at the end of what `shift_scale` allows.
        """
        require("torch", reason="the shift-VAE")
        from atomlens.shiftvae import _register, _train

        crops = Crops(X, grid_shape=grid_shape)
        self._check(crops)
        crops.check(unit_interval=self.likelihood == "bernoulli")
        self.offset_, self.range_ = (0.0, 1.0) if self.likelihood == "bernoulli" else crops.span()
        self.signal_ = crops.signal
        self.geometry_ = geometry = self._geometry(crops)
        self.latent_names_ = [*self._pose_names(crops), *(f"z{n + 1}" for n in range(self.latent_dim))]
        recipe = _train.Recipe(
            likelihood=self.likelihood,
            noise_sd=None if self.noise_sd is None else self.noise_sd / self.range_,
            beta=self.beta,
            smoothness=self.smoothness,
            penalty=self.penalty,
            block=_BLOCK,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            max_epochs=self.max_epochs,
            random_state=self.random_state,
            progress=self.progress,
        )
        self._build()
        with one_thread():
            source = _Source(self, crops)
            start = _register.first_guess(
                source, len(crops), geometry, self.latent_dim, random_state=self.random_state
            )
            _train.prepare(self.networks_, source, start, recipe)
            noise = recipe.noise_sd or start.noise
            history, noise, self.ended_ = _train.train(
                self.networks_, source, len(crops), crops.grid, recipe, noise
            )
        self.noise_sd_ = noise * self.range_
        self.history_ = pd.DataFrame(history, columns=_train.COLUMNS)
        self.history_["noise_sd"] *= self.range_
        self.summary_ = self.summary(X)
        self._warn(X)
        return self

    def transform(self, X):
        """Content of crops: the means of the posterior.

        Parameters
        ----------
        X : array_like
            Crops of the size that was trained with; as for `fit`.

        Returns
        -------
        ndarray of float32, shape (N, latent_dim)
            In units of the prior.
        """
        return self._encode(X)[0][:, self.geometry_.n_pose :]

    def posterior_sd(self, X):
        """Standard deviation of the posterior of every latent of crops, in units of the prior.

        One that is close to 1 has collapsed: the crop says nothing about it.

        Parameters
        ----------
        X : array_like
            As for `transform`.

        Returns
        -------
        DataFrame
            N rows, one column a latent (`latent_names_`).
        """
        return pd.DataFrame(self._encode(X)[1], columns=self.latent_names_)

    def shifts(self, X, *, polish=True):
        """How far the crops are shifted from the frame that they share.

        Positive shifts say that what the crop shows lies further right and further down:
        ``crop[y, x] = frame[y - shift_y, x - shift_x]``. The zero is arbitrary, the same for all crops.

        Parameters
        ----------
        X : array_like
            As for `transform`.
        polish : bool
            Improve the encoder's answer for each crop by a few steps of least squares between the crop and what
            is decoded for it: an encoder that has seen some thousand noisy crops is not as good as these allow.

        Returns
        -------
        ndarray of shape (N, 2), (N, 1) for signals
            Pixels: x, y.

        Raises
        ------
        ValueError
            If the model knows no shifts.
        """
        self._fitted()
        if not self.geometry_.axes:
            raise ValueError(f"a model with invariance={self.invariance!r} knows no shifts")
        return self._pose(X, polish)[:, : self.geometry_.axes]

    def rotations(self, X, *, polish=True):
        """How far the crops are turned against the frame that they share.

        Parameters
        ----------
        X : array_like
            As for `transform`.
        polish : bool
            As for `shifts`.

        Returns
        -------
        ndarray of shape (N,)
            Degrees; positive from x towards y, which is clockwise on the screen.

        Raises
        ------
        ValueError
            If the model knows no rotations.
        """
        self._fitted()
        if not self.geometry_.rotates:
            raise ValueError(f"a model with invariance={self.invariance!r} knows no rotations")
        return np.degrees(self._pose(X, polish)[:, -1])

    def reconstruct(self, X):
        """Crops as the model sees them: decoded from the means of their posterior, without noise.

        Parameters
        ----------
        X : array_like
            As for `transform`.

        Returns
        -------
        ndarray of float32, in the shape of the crops, (N, H, W) or (N, length)
        """
        mean, _ = self._encode(X)
        return self._decode(*self._split(mean))

    def decode(self, content, *, shift=None, rotation=None):
        """Draw crops.

        Parameters
        ----------
        content : array_like of shape (M, latent_dim)
        shift : array_like of shape (M, 2), (M, 1) for signals, optional
            Pixels, x and y; one row for all of them will do.
        rotation : array_like of shape (M,), optional
            Degrees.

        Returns
        -------
        ndarray of float32, shape (M, H, W), (M, length) for signals
            In the units of the data.

        Raises
        ------
        ValueError
            If a shape does not fit the model.

        Examples
        --------
        >>> signals = np.random.default_rng(0).random((100, 16))
        >>> model = ShiftVAE(1, max_epochs=1, progress=False)
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")  # noise: there is nothing to separate
        ...     model.fit(signals).decode([[0.0], [1.0]], shift=[[2.0]]).shape
        (2, 16)
        """
        self._fitted()
        content = np.asarray(content, np.float32)
        if content.ndim != 2 or content.shape[1] != self.latent_dim:
            raise ValueError(f"content has shape (M, {self.latent_dim}), got {content.shape}")
        geometry = self.geometry_
        pose = np.zeros((len(content), geometry.n_pose), np.float32)
        parts = {"shift": (shift, geometry.axes), "rotation": (rotation, int(geometry.rotates))}
        for name, (value, count) in parts.items():
            if value is None:
                continue
            if not count:
                raise ValueError(f"a model with invariance={self.invariance!r} knows no {name}")
            value = np.asarray(value, np.float32)
            try:
                value = np.broadcast_to(value.reshape(-1, count), (len(content), count))
            except ValueError as error:
                raise ValueError(
                    f"{name} has {count} numbers a crop, for {len(content)} crops; got shape {value.shape}"
                ) from error
            if name == "shift":
                pose[:, :count] = value
            else:
                pose[:, -1:] = np.radians(value)
        return self._decode(pose, content)

    def manifold(self, n=9, *, extent=2.0, axes=(0, 1)):
        """Decoded pictures over a grid of content, without shift.

        Parameters
        ----------
        n : int
            Steps along each latent.
        extent : float
            From minus this to this, in units of the prior.
        axes : tuple of int
            Numbers of the one or two latents that vary, counted from 0; the others are 0. With a single latent,
            the first alone.

        Returns
        -------
        DataArray
            Dims (z_down, z_across, y, x), without the last but one for signals and without the first for a
            single latent; the coordinates are the values of the latents.
        """
        self._fitted()
        axes = tuple(axes)[: min(2, self.latent_dim)]
        if any(axis not in range(self.latent_dim) for axis in axes):
            raise ValueError(f"axes must be numbers below {self.latent_dim}, got {axes}")
        along = np.linspace(-extent, extent, n)
        content = np.zeros((n ** len(axes), self.latent_dim), np.float32)
        for axis, values in zip(axes, np.meshgrid(*[along] * len(axes), indexing="xy"), strict=True):
            content[:, axis] = values.ravel()
        pictures = self.decode(content)
        dims = ["z_down", "z_across"][2 - len(axes) :]
        values = pictures.reshape(*[n] * len(axes), *pictures.shape[1:])
        names = ["x"] if self.signal_ else ["y", "x"]
        return xr.DataArray(values, dict.fromkeys(dims, along), [*dims, *names])

    def latent_map(self, image, *, stride=1):
        """Latents of the windows of an image, as maps.

        Parameters
        ----------
        image : array_like of shape (H, W), or DataArray
        stride : int or tuple of int
            Pixels from one window to the next, down and across.

        Returns
        -------
        DataArray
            Dims (latent, y, x): every latent of `latent_names_`, shifts in pixels and rotations in degrees as the
            encoder gives them, content in units of the prior. The positions are the centres of the windows, in
            the units of the image, or in pixels.

        Raises
        ------
        ValueError
            If the image is smaller than the window, holds NaN, or the model is one of signals.
        """
        self._fitted()
        if self.signal_:
            raise ValueError("a model of signals has no windows in an image: train it on crops")
        image = image if isinstance(image, xr.DataArray) else _with_pixels(np.asarray(image))
        windows = sliding_windows(image, self.geometry_.shape, step=stride)
        mean, _ = self._encode(windows)
        pose, content = self._split(mean)
        if self.geometry_.rotates:
            pose[:, -1] = np.degrees(pose[:, -1])
        values = np.concatenate([pose, content], axis=1).T
        dims = windows.dims[:2]
        coords = {d: windows.coords[d] for d in dims if d in windows.coords}
        shape = (len(values), *windows.shape[:2])
        coords["latent"] = self.latent_names_
        return xr.DataArray(values.reshape(shape), coords, ("latent", *dims), name="latents")

    def score(self, X, y=None, *, n_samples=4):
        """Evidence lower bound: what is to be maximised, on any crops.

        Parameters
        ----------
        X : array_like
            As for `transform`.
        y : None
            Ignored.
        n_samples : int
            Draws from the posterior of each crop.

        Returns
        -------
        float
            Mean over the crops, in nats; of densities in the units of the data.
        """
        import torch

        from atomlens.shiftvae._train import reconstruction_loss

        crops, total = self._crops(X), 0.0
        source = _Source(self, crops)
        generator = torch.Generator(self._device()).manual_seed(self.random_state)
        n_pose, noise = self.geometry_.n_pose, self.noise_sd_ / self.range_
        with one_thread(), torch.inference_mode():
            for some in crops.blocks():
                batch = source(np.arange(some.start, some.stop))
                mean, log_sd = self.networks_["encoder"](batch)
                total -= float(self.geometry_.divergence(mean, log_sd).sum())
                for _ in range(n_samples):
                    draw = torch.randn(mean.shape, generator=generator, device=mean.device)
                    latents = mean + log_sd.exp() * draw
                    pose = self.geometry_.pose(latents)
                    decoded = self.networks_["decoder"](latents[:, n_pose:], pose)
                    loss = reconstruction_loss(decoded, batch, likelihood=self.likelihood, noise_sd=noise)
                    total -= float(loss.sum()) / n_samples
        return total / len(crops) - np.prod(self.geometry_.shape) * float(np.log(self.range_))

    def summary(self, X):
        """What each latent says about crops.

        Parameters
        ----------
        X : array_like
            As for `transform`.

        Returns
        -------
        DataFrame
            One row a latent: ``kl`` (nats a crop, the divergence of its posterior from the prior),
            ``posterior_sd`` and ``spread`` (standard deviation of the means), both in units of the prior, and
            whether it is ``active``. A latent that is not has collapsed, whatever its means correlate with.
        """
        import torch

        mean, sd = self._encode(X)
        parts = torch.from_numpy(mean), torch.from_numpy(np.log(sd))
        kl = self.geometry_.divergence(*parts).mean(dim=0).numpy()
        table = {
            "kl": kl,
            "posterior_sd": sd.mean(axis=0),
            "spread": mean.std(axis=0),
            "active": kl > _ACTIVE,
        }
        return pd.DataFrame(table, index=self.latent_names_)

    # --- what it is made of ---------------------------------------------------------------------------------

    def _check(self, crops):
        allowed = {
            "invariance": (self.invariance, _INVARIANCES),
            "decoder": (self.decoder, ("canonical", "coordinate")),
            "likelihood": (self.likelihood, ("gaussian", "bernoulli")),
        }
        for name, (value, choices) in allowed.items():
            if value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
        for name in ("latent_dim", "batch_size", "max_epochs"):
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
        positive = ["rotation_scale", "learning_rate", "shift_scale"]
        for name in [*positive, *(["noise_sd"] if self.noise_sd is not None else [])]:
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value!r}")
        if self.shift_scale > 1:
            raise ValueError(
                f"shift_scale is in half-widths of the window, {self.shift_scale} would move crops out of their "
                "own window: take 1 at most, or larger windows"
            )
        for name in ("beta", "smoothness"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)!r}")
        if self.lattice is not None and "shift" not in _INVARIANCES[self.invariance]:
            raise ValueError(f"a lattice is for shifts: invariance={self.invariance!r} has none")
        if crops.signal and "rotation" in _INVARIANCES[self.invariance]:
            raise ValueError("signals cannot be turned: take invariance='shift'")
        if len(crops) < self.batch_size:
            raise ValueError(
                f"{len(crops)} crops are fewer than a batch of {self.batch_size}: cut more of them, or lower "
                "batch_size"
            )
        if self.smoothness or self.penalty is not None:
            if crops.grid is None:
                raise ValueError(
                    "a condition on the content maps needs crops on a grid: pass the windows as they come from "
                    "sliding_windows, or grid_shape=(rows, columns)"
                )
            if min(crops.grid) < _BLOCK or self.batch_size < _BLOCK**2:
                raise ValueError(
                    f"a condition on the content maps looks at blocks of {_BLOCK} x {_BLOCK} windows: a grid of "
                    f"{crops.grid[0]} x {crops.grid[1]} or a batch of {self.batch_size} is too small"
                )

    def _pose_names(self, crops):
        names = {"shift": ["shift_x"] if crops.signal else ["shift_x", "shift_y"], "rotation": ["rotation"]}
        return [name for movement in _INVARIANCES[self.invariance] for name in names[movement]]

    def _geometry(self, crops):
        from atomlens.shiftvae._geometry import UNIFORM_SD, Geometry

        names = self._pose_names(crops)
        axes, rotates = sum(name.startswith("shift") for name in names), "rotation" in names
        across, down = (self.shift_scale * (n - 1) / 2 for n in reversed(crops.shape))
        scale = np.diag([across, down][:axes])
        reach = _MARGIN * scale.sum(axis=0)
        if self.lattice is not None:
            cell = _lattice_vectors(self.lattice, axes)
            scale, reach = UNIFORM_SD * cell, np.abs(cell).sum(axis=0) / 2 + 1
        down, across = ([0, 0] + [math.ceil(r) + 1 for r in reach[::-1]])[-2:]
        margin = (down, across)
        if rotates:
            diagonal = math.hypot(*crops.shape) / 2
            margin = tuple(m + math.ceil(diagonal - n / 2) for m, n in zip(margin, crops.shape, strict=True))
            scale = block_diag(scale, math.radians(self.rotation_scale))
        scale = tuple(map(tuple, scale.tolist()))
        return Geometry(crops.shape, axes, rotates, scale, margin, axes if self.lattice is not None else 0)

    def _build(self):
        import torch

        from atomlens.shiftvae import _networks

        self.networks_ = _networks.build(
            self.geometry_,
            self.latent_dim,
            decoder=self.decoder,
            units=self.decoder_units or _UNITS[self.decoder],
            random_state=self.random_state,
        ).to("cuda" if torch.cuda.is_available() else "cpu")

    def _device(self):
        return next(self.networks_.parameters()).device

    def _fitted(self):
        check_is_fitted(self, "networks_")

    def _crops(self, X):
        self._fitted()
        crops = Crops(X)
        if crops.shape != self.geometry_.shape or crops.signal != self.signal_:
            height, width = self.geometry_.shape
            wanted = f"{width} points" if self.signal_ else f"{height} x {width} pixels"
            raise ValueError(f"the model knows crops of {wanted}, these have {crops.size_text}")
        return crops

    def _encode(self, X):
        """Means and standard deviations of all latents of all crops, in units of the prior."""
        import torch

        crops = self._crops(X)
        source = _Source(self, crops)
        means, sds = [], []
        with one_thread(), torch.inference_mode():
            for some in crops.blocks():
                batch = source(np.arange(some.start, some.stop))
                if not bool(torch.isfinite(batch).all()):
                    raise ValueError("some crops hold NaN or infinite values: leave them out, or fill them")
                mean, log_sd = self.networks_["encoder"](batch)
                means.append(mean.cpu().numpy())
                sds.append(log_sd.exp().cpu().numpy())
        return np.concatenate(means), np.concatenate(sds)

    def _split(self, mean):
        """Pose (pixels, radians) and content."""
        return self.geometry_.pose(mean), mean[:, self.geometry_.n_pose :]

    def _decode(self, pose, content):
        import torch

        pictures = []
        with one_thread(), torch.inference_mode():
            for start in range(0, len(content), 1024):
                some = slice(start, start + 1024)
                z, p = (torch.as_tensor(part[some], device=self._device()) for part in (content, pose))
                pictures.append(self._link(self.networks_["decoder"](z, p)).cpu().numpy())
        pictures = np.concatenate(pictures) * np.float32(self.range_) + np.float32(self.offset_)
        return pictures[:, 0] if self.signal_ else pictures

    def _link(self, decoded):
        """Pixels from what the decoder returns, which are logits for the Bernoulli likelihood."""
        return decoded.sigmoid() if self.likelihood == "bernoulli" else decoded

    def _pose(self, X, polish):
        mean, _ = self._encode(X)
        pose, content = self._split(mean)
        if not polish:
            return pose
        from atomlens.shiftvae._polish import polished

        crops = self._crops(X)
        source = _Source(self, crops)
        noise = self.noise_sd_ / self.range_
        with one_thread():
            for some in crops.blocks():
                batch = source(np.arange(some.start, some.stop))
                pose[some] = polished(
                    self.networks_["decoder"], batch, pose[some], content[some], noise, self._link
                )
        return pose

    def _warn(self, X):
        """Say what went wrong, if anything did: a model that learnt nothing looks like any other."""
        from sklearn.exceptions import ConvergenceWarning

        if self.ended_ == "diverged":
            warnings.warn(
                f"the loss became infinite or NaN after {len(self.history_)} epochs: the last good state is kept; "
                f"lower learning_rate ({self.learning_rate}), or look for outliers in the data",
                ConvergenceWarning,
                stacklevel=3,
            )
        table, n_pose = self.summary_, self.geometry_.n_pose
        if not table.active.iloc[n_pose:].any():
            warnings.warn(
                "nothing was separated: every content latent stayed at its prior. Either the crops differ by "
                "their movement and noise only, or a movement is missing: look at `history_` and at "
                "`reconstruct`, and try another shift_scale, larger windows, or more crops",
                SeparationWarning,
                stacklevel=3,
            )
        for name in table.index[:n_pose][~table.active.iloc[:n_pose]]:
            warnings.warn(
                f"{name} was not used: the crops do not move that way, or by less than noise hides",
                SeparationWarning,
                stacklevel=3,
            )


def _lattice_vectors(lattice, axes):
    """Rows of lattice vectors in pixels, (2, 2) or (1, 1)."""
    if hasattr(lattice, "required"):
        lattice = lattice.required().basis
    cell = np.asarray(lattice, float)
    if cell.size != axes**2 or not np.isfinite(cell).all():
        raise ValueError(
            f"lattice must be two vectors of (x, y) in pixels, or one period for signals, got shape {cell.shape}"
        )
    cell = cell.reshape(axes, axes)
    if abs(np.linalg.det(cell)) < 1:
        raise ValueError(f"lattice {cell.tolist()} has a unit cell of less than a pixel")
    return cell


class _Source:
    """Scaled crops by their numbers, as tensors on the device of the model."""

    def __init__(self, model, crops):
        self.crops, self.device = crops, model._device()
        self.offset, self.range = np.float32(model.offset_), np.float32(model.range_)
        self.n_pixels = int(np.prod(crops.shape))

    def __call__(self, rows):
        import torch

        values = self.crops.take(rows)
        values -= self.offset
        values /= self.range
        return torch.from_numpy(values).to(self.device)


def _with_pixels(image):
    """Give an image its pixel numbers as coordinates."""
    if image.ndim != 2:
        raise ValueError(f"an image has two axes (y, x), got shape {image.shape}: pick one frame first")
    return xr.DataArray(image, {d: np.arange(n) for d, n in zip("yx", image.shape, strict=True)}, ("y", "x"))
