"""What a trained model draws: crops, manifolds, maps."""

from __future__ import annotations

import numpy as np
import xarray as xr

from atomlens._image import check_axes
from atomlens._types import ArrayLike, DataArray, ndarray
from atomlens.windows import sliding_windows


class Pictures:
    """The part of `ShiftVAE` that draws."""

    def reconstruct(self, X: ArrayLike) -> ndarray:
        """Crops as the model sees them: decoded from the means of their posterior, without noise.

        Parameters
        ----------
        X : array_like
            As for `transform`.

        Returns
        -------
        ndarray of float32, in the shape of the crops, (N, H, W) or (N, length)
        """
        return self._pictures(*self._split(X))

    def decode(
        self, content: ArrayLike, *, shift: ArrayLike | None = None, rotation: ArrayLike | None = None
    ) -> ndarray:
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
        >>> from atomlens.shiftvae import ShiftVAE
        >>> model = ShiftVAE(1, max_epochs=1, progress=False)
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")  # noise: there is nothing to separate
        ...     model.fit(signals).decode([[0.0], [1.0]], shift=[[2.0]]).shape
        (2, 16)
        """
        self._fitted()
        content = np.asarray(content, np.float32)
        if content.ndim != 2 or content.shape[1] != self.latent_dim:
            raise ValueError(f"content has shape (M, {self.latent_dim}), got {content.shape}")
        geometry = self.core_.geometry
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
        return self._pictures(pose, content)

    def manifold(self, n: int = 9, *, extent: float = 2.0, axes: tuple[int, int] = (0, 1)) -> ndarray:
        """Decoded pictures over a grid of content, without shift.

        Parameters
        ----------
        n : int
            Steps along each latent.
        extent : float
            From minus this to this, in units of the prior.
        axes : tuple of int
            Numbers of the one or two latents that vary, counted from 0; the others are 0. With a single
            latent, the first alone.

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

    def latent_map(self, image: ArrayLike, *, stride: int = 1) -> DataArray:
        """Latents of the windows of an image, as maps.

        Parameters
        ----------
        image : array_like of shape (H, W), or DataArray
        stride : int or tuple of int
            Pixels from one window to the next, down and across.

        Returns
        -------
        DataArray
            Dims (latent, y, x): every latent of `latent_names_`, shifts in pixels and rotations in degrees as
            the encoder gives them, content in units of the prior. The positions are the centres of the
            windows, in the units of the image, or in pixels.

        Raises
        ------
        ValueError
            If the image is smaller than the window, holds NaN, or the model is one of signals.
        """
        self._fitted()
        if self.signal_:
            raise ValueError("a model of signals has no windows in an image: train it on crops")
        image = _with_pixels(image)
        windows = sliding_windows(image, self.core_.geometry.shape, step=stride)
        pose, content = self._split(windows)
        if self.core_.geometry.rotates:
            pose[:, -1] = np.degrees(pose[:, -1])
        values = np.concatenate([pose, content], axis=1).T
        dims = windows.dims[:2]
        coords = {d: windows.coords[d] for d in dims if d in windows.coords}
        shape = (len(values), *windows.shape[:2])
        pixels = {"shift_a": "shift_x", "shift_b": "shift_y"}
        coords["latent"] = [pixels.get(name, name) for name in self.latent_names_]
        return xr.DataArray(values.reshape(shape), coords, ("latent", *dims), name="latents")

    def _split(self, X):
        """Pose (pixels, radians) and content of crops."""
        pose, content = self.latents(X)
        return self.core_.geometry.pose(pose), content

    def _pictures(self, pose, content):
        pictures = self.core_.decode(pose, content)
        return pictures[:, 0] if self.signal_ else pictures


def _with_pixels(image):
    """Give an image its pixel numbers as coordinates, where it has none."""
    check_axes(image)
    image = image if isinstance(image, xr.DataArray) else xr.DataArray(np.asarray(image), dims=("y", "x"))
    missing = {dim: np.arange(n) for dim, n in image.sizes.items() if dim not in image.coords}
    return image.assign_coords(missing)
