"""What the widget of descriptors knows and does, without anything on a screen."""

from __future__ import annotations

import numpy as np
import traitlets

from atomlens._doubts import quietly
from atomlens._image import prepare
from atomlens._types import Any, ArrayLike, DataArray
from atomlens.descriptors import WindowDescriptor, look_alikes
from atomlens.lattice import estimate
from atomlens.patterson import tapered_size
from atomlens.widgets._model import Model
from atomlens.windows import column_windows

__all__ = ["DescriptorModel"]

KINDS = ("patterson", "fft", "log_fft")
TAPERS = ("auto", "hann", "none")
SMALLEST = 12  # pixels
_MOST = 6000  # windows over the image: more would make it slow to turn the knobs


class DescriptorModel(Model):
    """Windows over an image, one of them selected, and those that are most like it.

    Parameters
    ----------
    image : DataArray or array_like of shape (H, W)
    name : str
        What the image is called in the code that is shown.
    **traits
        Initial values of the traits; without `height` and `width`, the window holds about three cells of the
        lattice, or an eighth of the image where there is none.

    Examples
    --------
    >>> y, x = np.mgrid[:120, :120]
    >>> model = DescriptorModel(np.cos(2 * np.pi * x / 12) + np.cos(2 * np.pi * y / 12), n_alike=3)
    >>> model.describe.size_, model.alike.columns.tolist()
    ((36, 36), ['x', 'y', 'distance'])
    """

    height = traitlets.Int(SMALLEST, min=SMALLEST, help="Of the windows, in pixels.")
    width = traitlets.Int(SMALLEST, min=SMALLEST, help="Of the windows, in pixels.")
    kind = traitlets.Enum(KINDS, "patterson", help="Features that are compared.")
    taper = traitlets.Enum(TAPERS, "auto", help="Fading of the windows towards their border.")
    n_alike = traitlets.Int(4, min=1, max=12, help="Number of look-alikes.")
    selected = traitlets.Int(0, help="The window that is shown: a row of `describe.positions_`.")
    result = traitlets.Any(None, allow_none=True, help="The features of all windows, one row each.")
    alike = traitlets.Any(None, allow_none=True, help="The windows most like it: positions and distance.")

    def __init__(self, image: DataArray | ArrayLike, *, name: str = "image", **traits: Any) -> None:
        values = prepare(image).pixels
        self.image, self.name = image, name
        self.largest = tuple(max(SMALLEST, n // 2) for n in values.shape)
        with quietly():
            found = estimate(image)
        wanted = tapered_size(found) if found.periodic else tuple(n // 8 for n in values.shape)
        sizes = zip(("height", "width"), wanted, self.largest, strict=True)
        size = {side: int(np.clip(n, SMALLEST, most)) for side, n, most in sizes}
        for side, most in zip(size, self.largest, strict=True):
            if traits.get(side, SMALLEST) > most:
                raise ValueError(f"{side}={traits[side]} leaves no room to move a window: {most} at most")
        # Steps fine enough to find a place again, coarse enough to be quick.
        coarse = np.sqrt(values.size / _MOST)
        self.step = max(1, round(max(coarse, found.spacing / 3 if found.periodic else 0)))
        self.describe = None
        super().__init__(**{**size, **traits})
        self._compute()
        if self.result is None:
            raise ValueError(self.error)
        if "selected" not in traits:
            self.select(*((n - 1) / 2 for n in values.shape[::-1]))

    @traitlets.observe("height", "width", "kind", "taper")
    def _compute(self, _=None):
        if self.describe is None and _ is not None:
            return  # not before all of the initial values are set
        place = self.place if self.result is not None else None
        taper = None if self.taper == "none" else self.taper
        describe = WindowDescriptor((self.height, self.width), step=self.step, kind=self.kind, taper=taper)
        if (result := self._tried(describe.fit_transform, self.image)) is None:
            return
        self.describe = describe
        with self.hold_trait_notifications():  # the old row may be none of the new ones
            self.result = result
            if place is not None:
                self.select(*place)

    @traitlets.observe("result", "selected", "n_alike")
    def _search(self, _=None):
        if self.result is None:
            return
        table = self.describe.positions_
        found, distances = look_alikes(
            self.result, self.selected, self.n_alike, positions=table, apart=max(self.describe.size_)
        )
        self.alike = table.iloc[found].assign(distance=distances)

    @property
    def place(self) -> Any:
        """Centre (x, y) of the selected window, in pixels."""
        return tuple(self.describe.positions_[["x", "y"]].iloc[self.selected])

    @property
    def patch(self) -> Any:
        """The selected window: ndarray of shape (height, width)."""
        here = self.describe.positions_.iloc[[self.selected]]
        return column_windows(self.image, here, self.describe.size_)[0]

    @property
    def likeness(self) -> Any:
        """Distance of every window from the selected one, as a map: DataArray."""
        apart = np.linalg.norm(self.result - self.result[self.selected], axis=1)
        return self.describe.map(apart).assign_attrs(long_name="distance of the features", units="1")

    def select(self, x: float, y: float) -> None:
        """Select the window whose centre is nearest to a place.

        Parameters
        ----------
        x, y : float
            In pixels.
        """
        table = self.describe.positions_
        self.selected = int(np.hypot(table["x"] - x, table["y"] - y).to_numpy().argmin())

    @property
    def code(self) -> str:
        """Calls that repeat the view, to be pasted into a cell."""
        taper = None if self.taper == "none" else self.taper
        lines = [
            "from atomlens.descriptors import WindowDescriptor, look_alikes",
            "",
            "describe = WindowDescriptor(",
            f"    ({self.height}, {self.width}), step={self.step}, kind={self.kind!r}, taper={taper!r}",
            ")",
            f"features = describe.fit_transform({self.name})",
            "alike, distances = look_alikes(",
            f"    features, {self.selected}, {self.n_alike},",
            "    positions=describe.positions_, apart=max(describe.size_),",
            ")",
            "describe.positions_.iloc[alike]",
        ]
        return "\n".join(lines)
