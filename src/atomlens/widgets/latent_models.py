"""What the explorer of latent maps knows and does, without anything on a screen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import traitlets
import xarray as xr
from matplotlib.path import Path
from sklearn.utils.validation import check_is_fitted

from atomlens._types import Any, ArrayLike, DataArray, Sequence, ShiftVAE, ndarray
from atomlens.plotting.latents import plane
from atomlens.widgets.manifold_models import Plane
from atomlens.windows import column_windows

__all__ = ["LatentModel"]

_AT_MOST = 1000  # windows that a mean is taken over
_CORNERS = 24  # of a loop in the code that is shown
_CLICK = 0.03  # of an axis: a smaller loop is a click, and marks so much on either side
PLACES = ("map", "cloud")
_STEPS, _USUAL = 7, (2, 98)  # pictures of a traversal, and the percentiles of the map that it runs between
_LEAST = 0.5  # to either side: a latent that says nothing draws the same picture all along


class LatentModel(Plane):
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

    @property
    def steps(self) -> ndarray:
        """Values of the latent that is shown, from low to high ones of its map: shape (7,)."""
        low, high = np.percentile(self.maps.sel(latent=self.shown), _USUAL)
        middle, half = (low + high) / 2, max((high - low) / 2, _LEAST)
        return np.linspace(middle - half, middle + half, _STEPS).round(2)

    @property
    def traversal(self) -> DataArray:
        """What is decoded along the latent that is shown.

        Dims (z_across, y, x). All other contents are the medians of their maps, all other movements none.
        """
        content, pose = np.tile(np.median(self.content, axis=0), (_STEPS, 1)), {}
        if self.shown in self.names:
            content[:, self.names.index(self.shown)] = self.steps
        elif self.shown == "rotation":
            pose["rotation"] = self.steps
        else:
            pose["shift"] = np.outer(self.steps, self._direction)
        pictures = self.vae.decode(content, **pose)
        return xr.DataArray(pictures, {"z_across": self.steps}, ("z_across", "y", "x"))

    @property
    def _direction(self):
        return [int(self.shown == name) for name in ("shift_x", "shift_y")]

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
            return "\n".join(
                [
                    "import numpy as np",
                    "from atomlens import plotting",
                    "",
                    maps,
                    f'plotting.latent_maps(maps, names=["{self.shown}"])',
                    *self._traversal_code(),
                ]
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

    def _traversal_code(self):
        steps, pose = self.steps.tolist(), ""
        along = []
        if self.shown in self.names:
            along = [f"content[:, {self.names.index(self.shown)}] = {steps}"]
        elif self.shown == "rotation":
            pose = f", rotation={steps}"
        else:
            pose = f", shift=np.outer({steps}, {self._direction})"
        return [
            "",
            f"usual = np.median(maps.sel(latent={list(self.names)}), axis=(1, 2))",
            f"content = np.tile(usual, ({_STEPS}, 1))",
            *along,
            f"pictures = {self.model_name}.decode(content{pose})",
        ]


def _box(low, high):
    """Corners of a box."""
    return np.array([(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])])


def _every(count):
    """Step that leaves enough of so many windows for a mean, and no more."""
    return max(1, count // _AT_MOST)
