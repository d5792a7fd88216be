"""What the widgets of the shift-VAE know and do, without anything on a screen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import traitlets
from matplotlib.path import Path
from sklearn.utils.validation import check_is_fitted

from atomlens._types import Any, ArrayLike, DataArray, Sequence, ShiftVAE, ndarray
from atomlens.plotting.latents import plane
from atomlens.widgets._model import Model
from atomlens.windows import column_windows

__all__ = ["LatentModel", "ManifoldModel"]

_AT_MOST = 1000  # windows that a mean is taken over
_CORNERS = 24  # of a loop in the code that is shown
_CLICK = 0.03  # of an axis: a smaller loop is a click, and marks so much on either side
PLACES = ("map", "cloud")


class _Plane(Model):
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


class ManifoldModel(_Plane):
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


class LatentModel(_Plane):
    """Latent maps of an image, their cloud, and a selection of windows that is made in either.

    Parameters
    ----------
    vae : ShiftVAE
        Fitted to crops, or to the windows of an image.
    image : DataArray or array_like of shape (H, W)
    stride : int, optional
        Pixels from one window to the next; a quarter of the window without it.
    name, model_name : str
        What the image and the model are called in the code that is shown.
    **traits
        Initial values of the traits.

    Raises
    ------
    NotFittedError, ValueError
        As `atomlens.shiftvae.ShiftVAE.latent_map`. Afterwards the message is in `error`.

    Examples
    --------
    >>> from atomlens import shiftvae, simulate
    >>> image = simulate.image(simulate.structures.perovskite((4, 4), polar=40), electrons=3000).data
    >>> from atomlens.windows import sliding_windows
    >>> cell = [[19.5, 0], [0, 19.5]]
    >>> vae = shiftvae.ShiftVAE(2, lattice=cell, max_epochs=2, progress=False)
    >>> model = LatentModel(vae.fit(sliding_windows(image, 24, step=6)), image)
    >>> model.brush("cloud", [(-9, -9), (9, -9), (9, 9), (-9, 9)])
    >>> int(model.chosen.sum()) == model.maps.y.size * model.maps.x.size
    True
    """

    stride = traitlets.Int(1, min=1, help="Pixels from one window to the next.")
    shown = traitlets.Unicode(help="Latent whose map is drawn.")
    maps = traitlets.Any(None, allow_none=True, help="Maps of all latents: DataArray (latent, y, x).")
    where = traitlets.Enum(PLACES, "cloud", help="What the loop was drawn in.")
    outline = traitlets.Tuple(help="Corners of the loop, in the units of `where`.")
    chosen = traitlets.Any(
        None, allow_none=True, help="Windows inside the loop: bool of shape (N,), or None."
    )

    def __init__(
        self,
        vae: ShiftVAE,
        image: DataArray | ArrayLike,
        *,
        stride: int | None = None,
        name: str = "image",
        model_name: str = "model",
        **traits: Any,
    ) -> None:
        check_is_fitted(vae, "latent_names_")
        self.vae, self.image, self.name, self.model_name = vae, image, name, model_name
        #: (height, width) of the windows, in pixels.
        self.size = vae.decode(np.zeros((1, vae.latent_dim))).shape[1:]
        stride = max(1, min(self.size) // 4) if stride is None else stride
        super().__init__(**{"stride": stride, "shown": self.names[0], **traits})
        self._map()

    @traitlets.validate("shown")
    def _mapped(self, proposal):
        known = self.poses + self.names
        if proposal.value not in known:
            raise traitlets.TraitError(f"no latent {proposal.value!r}: there are {', '.join(known)}")
        return proposal.value

    @traitlets.observe("stride")
    def _remap(self, _):
        if self.maps is not None:  # set up
            self._map()

    def _map(self):
        self.chosen = None
        self.maps = self.vae.latent_map(self.image, stride=self.stride)
        self._choose()

    @property
    def latents(self) -> Any:
        """Latents of all windows, row by row: shape (N, number of latents)."""
        return self.maps.values.reshape(len(self.maps.latent), -1).T

    @property
    def content(self) -> Any:
        """Content of all windows: shape (N, latent_dim)."""
        return self.latents[:, len(self.poses) :]

    @property
    def points(self) -> Any:
        """Windows in the cloud: shape (N, 2)."""
        return plane(self.content, self.axes)

    @property
    def positions(self) -> Any:
        """Centres of the windows as the map is drawn: x, y, shape (N, 2)."""
        x, y = np.meshgrid(self.maps.x, self.maps.y)
        return np.column_stack([x.ravel(), y.ravel()])

    def brush(self, where: str, outline: Sequence[Any]) -> None:
        """Mark the windows inside a loop, or those next to a click; a loop round nothing ends the selection.

        Parameters
        ----------
        where : {"map", "cloud"}
            What the loop was drawn in; the image has the coordinates of the map.
        outline : sequence of (float, float)
        """
        reach = _CLICK * np.ptp(self._places(where), axis=0)
        corners = np.asarray(outline, dtype=float)
        corners = corners[:: max(1, -(-len(corners) // _CORNERS))]
        if (np.ptp(corners, axis=0) < reach).all():
            corners = _box(corners.mean(axis=0) - reach, corners.mean(axis=0) + reach)
        if where == "cloud" and self.single:  # there is nothing but the latent across
            corners = _box((corners[:, 0].min(), -1.0), (corners[:, 0].max(), 1.0))
        digits = max(0, 3 - int(np.floor(np.log10(reach.max() or 1.0))))
        outline = tuple((round(float(x), digits), round(float(y), digits)) for x, y in corners)
        self.where = where
        if outline == self.outline:  # the same loop in another place
            self._choose()
        self.outline = outline

    def _places(self, where):
        return self.positions if where == "map" else self.points

    @traitlets.observe("across", "up")
    def _other_plane(self, _):
        self.outline = ()

    @traitlets.observe("outline")
    def _choose(self, _=None):
        self.error = ""
        if len(self.outline) < 3:
            self.chosen = None
            return
        inside = Path(self.outline).contains_points(self._places(self.where))
        if not inside.any():
            self.error = "no window lies inside the loop"
        self.chosen = inside if inside.any() else None

    def mean_crop(self, chosen: Any = None) -> ndarray:
        """Mean of windows, their shifts taken out.

        Parameters
        ----------
        chosen : array_like of bool, shape (N,), optional
            All of them without it. Of many windows, every second, third, ... is taken.

        Returns
        -------
        ndarray of shape (H, W)
        """
        rows = np.arange(len(self.latents)) if chosen is None else np.flatnonzero(chosen)
        rows = rows[:: _every(len(rows))]
        height, width = self.size
        row, column = np.divmod(rows, self.maps.sizes["x"])
        x, y = self.stride * column + (width - 1) / 2, self.stride * row + (height - 1) / 2
        if "shift_x" in self.poses:
            x, y = x + self.latents[rows, 0], y + self.latents[rows, 1]
        return column_windows(self.image, pd.DataFrame({"x": x, "y": y}), (height, width)).mean(axis=0)

    @property
    def code(self) -> str:
        """Calls that repeat the view, to be pasted into a cell."""
        maps = f"maps = {self.model_name}.latent_map({self.name}, stride={self.stride})"
        if self.chosen is None:
            return (
                f'from atomlens import plotting\n\n{maps}\nplotting.latent_maps(maps, names=["{self.shown}"])'
            )
        if self.where == "map":
            points = "np.stack(np.meshgrid(maps.x, maps.y), axis=-1).reshape(-1, 2)"
        elif self.single:
            points = "np.stack([latents[:, -1], 0 * latents[:, -1]], axis=1)"
        else:
            points = f"latents[:, {[len(self.poses) + axis for axis in self.axes]}]"
        height, width = self.size
        every = _every(int(self.chosen.sum()))
        x, y = (" + latents[rows, 0]", " + latents[rows, 1]") if "shift_x" in self.poses else ("", "")
        return "\n".join(
            [
                "import numpy as np",
                "import pandas as pd",
                "from matplotlib.path import Path",
                "from atomlens.windows import column_windows",
                "",
                maps,
                "latents = maps.values.reshape(len(maps.latent), -1).T",
                f"outline = {list(self.outline)}",
                f"chosen = Path(outline).contains_points({points})",
                "",
                "# their mean, without their shifts" if x else "# their mean",
                "rows = np.flatnonzero(chosen)" + (f"[::{every}]" if every > 1 else ""),
                'row, column = np.divmod(rows, maps.sizes["x"])',
                f"x = {self.stride} * column + {(width - 1) / 2}{x}",
                f"y = {self.stride} * row + {(height - 1) / 2}{y}",
                'places = pd.DataFrame({"x": x, "y": y})',
                f"mean = column_windows({self.name}, places, ({height}, {width})).mean(axis=0)",
            ]
        )


def _box(low, high):
    """Corners of a box."""
    return np.array([(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])])


def _every(count):
    """Step that leaves enough of so many windows for a mean, and no more."""
    return max(1, count // _AT_MOST)
