"""What the widget of defect detection knows and does, without anything on a screen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import traitlets
from scipy.ndimage import maximum_filter
from scipy.spatial import cKDTree

from atomlens import descriptors
from atomlens._types import Any, ArrayLike, DataFrame
from atomlens.defects import DETECTORS, OneClassDetector, detect
from atomlens.widgets._model import Model
from atomlens.windows import column_windows

__all__ = ["DefectModel"]

_CLEAR = 0.5  # of the windows by their highest score: those that serve as normal ones


class DefectModel(Model):
    """Hits in an image at a false-alarm rate that can be changed, and what one of them looks like.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    name : str
        What the image is called in the code that is shown.
    random_state : int
    **traits
        Initial values of the traits.

    Raises
    ------
    NotPeriodicError, ValueError
        As `atomlens.defects.detect`, at the start; afterwards the message is in `error`.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sheet = simulate.structures.perovskite((6, 6))
    >>> sheet = simulate.defects.vacancies(sheet, kind="column", at=[(3.1, 2.9)])
    >>> model = DefectModel(simulate.image(sheet, electrons=300, random_state=0).data)
    >>> len(model.found.defects), model.patch(model.place).shape == model.patterson(model.place).shape
    (1, True)
    """

    detector = traitlets.Enum(DETECTORS["window"], "unit_cell", help="Method.")
    nu = traitlets.Any("auto", help='Of the machine "svm": at most this fraction is odd; or "auto".')
    gamma = traitlets.Any("auto", help='Of its kernel exp(-gamma d^2); or "auto".')
    exponent = traitlets.Int(-4, min=-6, max=-1, help="Decimal logarithm of the false-alarm rate.")
    found = traitlets.Any(None, allow_none=True, help="The DefectMap at this rate.")
    place = traitlets.Tuple(default_value=(0.0, 0.0), help="Place (x, y) in pixels that is looked at.")

    def __init__(
        self, image: ArrayLike, *, name: str = "image", random_state: int = 0, **traits: Any
    ) -> None:
        self.image, self.name, self.random_state = image, name, random_state
        self._maps, self._describe, self._features = {}, None, None
        super().__init__(**traits)
        self.found = self._map().at(self.rate)
        self._go_to_strongest()

    @property
    def rate(self) -> Any:
        """False-alarm rate per unit cell."""
        return 10.0**self.exponent

    @property
    def tuned(self) -> Any:
        """Parameters of the one-class machine that were set by hand, by name."""
        values = {"nu": self.nu, "gamma": self.gamma} if self.detector == "svm" else {}
        return {name: value for name, value in values.items() if value != "auto"}

    @property
    def machine(self) -> Any:
        """The fitted `atomlens.defects.OneClassDetector`, or None of another method."""
        return self.found.pipeline.detector_ if self.detector == "svm" else None

    def _map(self):
        """Result of a method; computed once."""
        key = (self.detector, *self.tuned.items())
        if key not in self._maps:
            detector = self.detector
            if self.tuned:
                detector = OneClassDetector(**self.tuned, random_state=self.random_state)
            self._maps[key] = detect(self.image, detector=detector, random_state=self.random_state)
        return self._maps[key]

    @traitlets.observe("detector", "nu", "gamma", "exponent")
    def _update(self, _=None):
        if self.found is None:  # not yet set up
            return
        if (found := self._tried(lambda: self._map().at(self.rate))) is not None:
            self.found = found

    def _go_to_strongest(self):
        hits = self.found.defects
        if len(hits):
            self.place = tuple(hits[["x", "y"]].iloc[0])
        else:
            height, width = np.shape(self.image)
            self.place = ((width - 1) / 2, (height - 1) / 2)

    def select(self, x: Any, y: Any) -> None:
        """Look at the hit nearest to a place in pixels; at the place itself if none is within two cells."""
        hits = self.found.defects[["x", "y"]].to_numpy()
        if len(hits):
            distance, row = cKDTree(hits).query([x, y])
            if distance < 2 * self.found.lattice.spacing:
                x, y = hits[row]
        self.place = (float(x), float(y))

    @property
    def p_value(self) -> float:
        """How often a cell of a perfect crystal scores as high as the one that is looked at."""
        cells = self.found.cells
        return float(cells["p_value"].iloc[cKDTree(cells[["x", "y"]]).query(self.place)[1]])

    @property
    def windows(self) -> Any:
        """Fitted `atomlens.descriptors.WindowDescriptor` of the image, and its features; computed once."""
        if self._describe is None:
            self._describe = descriptors.WindowDescriptor()
            self._features = self._describe.fit_transform(self.image)
        return self._describe, self._features

    def row(self, place: Any) -> Any:
        """Window whose centre is nearest to a place in pixels."""
        centres = self.windows[0].positions_[["x", "y"]].to_numpy()
        return int(cKDTree(centres).query(place)[1])

    def patch(self, place: Any) -> Any:
        """Pixels of the window nearest to a place, shape (height, width)."""
        describe, _ = self.windows
        return column_windows(self.image, describe.positions_.iloc[[self.row(place)]], describe.size_)[0]

    def patterson(self, place: Any) -> Any:
        """Patterson function of the window nearest to a place, shape (height, width)."""
        describe, features = self.windows
        return describe.inverse_image(features[[self.row(place)]])[0]

    def normal(self, n: int = 3) -> DataFrame:
        """Places of the windows most like the one looked at, among the half of them that hold nothing odd.

        Parameters
        ----------
        n : int

        Returns
        -------
        DataFrame
            ``x``, ``y`` (pixels) and ``distance`` of the Patterson functions.
        """
        describe, features = self.windows
        table = describe.positions_
        row, column = (np.rint(table[axis]).astype(int).to_numpy() for axis in "yx")
        score = maximum_filter(self.found.score.values, describe.size_)[row, column]
        usual = np.flatnonzero(score <= np.quantile(score, _CLEAR))
        own = self.row(self.place)
        rows = np.concatenate([[own], usual[usual != own]])
        nearest, distance = descriptors.look_alikes(
            features[rows], 0, n, positions=table.iloc[rows], apart=max(describe.size_) / 2
        )
        chosen = table.iloc[rows[nearest]]
        return pd.DataFrame({"x": chosen["x"].to_numpy(), "y": chosen["y"].to_numpy(), "distance": distance})

    @property
    def code(self) -> str:
        """Calls that repeat the view, to be pasted into a cell."""
        detector = repr(self.detector)
        if self.tuned:
            values = ", ".join(f"{name}={value!r}" for name, value in self.tuned.items())
            detector = f"defects.OneClassDetector({values}, random_state={self.random_state})"
        return "\n".join(
            [
                "from atomlens import defects",
                "",
                "found = defects.detect(",
                f"    {self.name}, detector={detector},",
                f"    false_alarm_rate={self.rate:.3g}, random_state={self.random_state},",
                ")",
                "found.defects",
            ]
        )
