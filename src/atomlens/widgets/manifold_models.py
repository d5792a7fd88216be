"""What the manifold explorer knows and does: a place among the latents, and what is decoded there."""

from __future__ import annotations

import numpy as np
import traitlets
from sklearn.utils.validation import check_is_fitted

from atomlens._types import Any, ArrayLike, ShiftVAE
from atomlens.plotting.latents import plane
from atomlens.widgets._model import Model

__all__ = ["ManifoldModel"]


class Plane(Model):
    """The plane of two content latents of a fitted model."""

    across = traitlets.Int(0, min=0, help="Number of the content latent across, counted from 0.")
    up = traitlets.Int(1, min=0, help="Number of the content latent that goes up.")

    @traitlets.validate("across", "up")
    def _known(self, proposal):
        if proposal.value >= max(self.vae.latent_dim, 2):
            raise traitlets.TraitError(
                f"{proposal.trait.name} must be below {self.vae.latent_dim}, got {proposal.value}: content "
                "latents are counted from 0"
            )
        return proposal.value

    @property
    def names(self):
        """Names of all content latents."""
        return tuple(f"z{n + 1}" for n in range(self.vae.latent_dim))

    @property
    def single(self):
        """Whether there is one content latent only; the plane then means nothing upwards."""
        return self.vae.latent_dim == 1

    @property
    def axes(self):
        """Numbers of the latents across and up; the first alone if there is one only."""
        return (0,) if self.single else (self.across, self.up)

    @property
    def poses(self):
        """Names of the movements; in `ShiftVAE.latent_map` they come before the content."""
        geometry = self.vae.core_.geometry
        return ("shift_x", "shift_y")[: geometry.axes] + ("rotation",) * geometry.rotates


class ManifoldModel(Plane):
    """A place in the space of latents that can be moved, and what is decoded there.

    Parameters
    ----------
    vae : ShiftVAE
        Fitted.
    crops : array_like, optional
        Crops whose content is shown in the plane; their mean shift is the start.
    name : str
        What the model is called in the code that is shown.
    **traits
        Initial values of the traits.

    Raises
    ------
    NotFittedError, ValueError
        If the model is not fitted, or the crops do not fit it. Afterwards the message is in `error`.

    Examples
    --------
    >>> from atomlens import shiftvae, simulate
    >>> crops = simulate.shifted.cells(200).data
    >>> model = ManifoldModel(shiftvae.ShiftVAE(2, max_epochs=2, progress=False).fit(crops), crops)
    >>> model.move(1.0, -0.5)
    >>> model.content, model.picture.shape
    ((1.0, -0.5), (24, 24))
    """

    content = traitlets.Tuple(help="Content that is decoded, in units of the prior.")
    shift_x = traitlets.Float(0.0, help="Pixels.")
    shift_y = traitlets.Float(0.0, help="Pixels.")
    rotation = traitlets.Float(0.0, help="Degrees.")
    picture = traitlets.Any(None, allow_none=True, help="What is decoded: shape (H, W) or (length,).")

    def __init__(
        self, vae: ShiftVAE, crops: ArrayLike | None = None, *, name: str = "model", **traits: Any
    ) -> None:
        check_is_fitted(vae, "latent_names_")
        self.vae, self.name = vae, name
        names = self.poses
        scale = np.linalg.norm(vae.core_.geometry.pose(np.eye(len(names))), axis=0)
        #: What the model can move, with the standard deviation of its prior: pixels, degrees.
        self.movements = {
            name: float(np.degrees(sd) if name == "rotation" else sd)
            for name, sd in zip(names, scale, strict=True)
        }
        self.known = None if crops is None else vae.transform(crops)
        start = {}
        if crops is not None and "shift_x" in names:
            # Where nothing was ever seen, nothing was learnt: begin in the middle of the crops.
            mean = vae.shifts(crops, polish=False).mean(axis=0).round(1).tolist()
            start = dict(zip(("shift_x", "shift_y"), mean, strict=False))
        super().__init__(**{"content": (0.0,) * vae.latent_dim, **start, **traits})
        self._decode()
        if self.error:
            raise ValueError(self.error)
        usual = np.random.default_rng(0).normal(size=(200, vae.latent_dim)) if crops is None else self.known
        reached = vae.decode(usual[:: max(1, len(usual) // 200)], **self.pose)
        #: Lowest and highest value that is usual, for the scale of the picture.
        self.limits = float(reached.min()), float(reached.max())

    @property
    def points(self) -> Any:
        """Content of the crops in the plane: shape (N, 2); None without crops."""
        return None if self.known is None else plane(self.known, self.axes)

    @property
    def place(self) -> Any:
        """Where the content lies in the plane."""
        return (self.content[0], 0.0) if self.single else (self.content[self.across], self.content[self.up])

    def move(self, across: Any, up: Any) -> None:
        """Go to a place in the plane; latents that are not shown stay as they are."""
        content = list(self.content)
        for axis, value in zip(self.axes, (across, up), strict=False):
            content[axis] = round(float(value), 3)
        self.content = tuple(content)

    @property
    def pose(self) -> Any:
        """Movements as `ShiftVAE.decode` takes them."""
        known, pose = self.movements, {}
        if "shift_x" in known:
            shift = [self.shift_x, self.shift_y] if "shift_y" in known else [self.shift_x]
            pose["shift"] = [[round(value, 3) for value in shift]]
        if "rotation" in known:
            pose["rotation"] = [round(self.rotation, 3)]
        return pose

    @traitlets.observe("content", "shift_x", "shift_y", "rotation")
    def _decode(self, _=None):
        if (pictures := self._tried(self.vae.decode, [self.content], **self.pose)) is not None:
            self.picture = pictures[0]

    @property
    def code(self) -> str:
        """Calls that repeat the view, to be pasted into a cell."""
        pose = "".join(f", {name}={value}" for name, value in self.pose.items())
        return f"picture = {self.name}.decode([{list(self.content)}]{pose})[0]"
