"""What the widgets on atomic images know and do, without anything on a screen."""

from __future__ import annotations

import warnings

import numpy as np
import traitlets
from scipy.spatial import cKDTree

from atomlens import columns, metrics, simulate
from atomlens._types import Any, ArrayLike, Chain, ColumnModel, Ensemble, Series, Structure
from atomlens.simulate.imaging import FWHM
from atomlens.widgets._model import Model

__all__ = ["FinderModel", "ImagingModel"]

_SEE_ALL = 0.1  # lowest score that is kept: the threshold then moves without asking the network again


class ImagingModel(Model):
    """An imaged structure whose dose, defocus and scan can be changed, and what is found in it.

    Parameters
    ----------
    structure : Structure
    name : str
        What the structure is called in the code that is shown.
    **traits
        Initial values of the traits.

    Examples
    --------
    >>> from atomlens import simulate
    >>> model = ImagingModel(simulate.structures.graphene((3, 3)), electrons=500)
    >>> model.match.f1 > 0.9
    True
    """

    electrons = traitlets.Float(20.0, min=1.0, help="Detected electrons in the weakest scored column.")
    defocus = traitlets.Float(0.0, help="Defocus in nm.")
    drift = traitlets.Float(0.0, help="Drift along x during the frame, in nm.")
    jitter = traitlets.Float(0.0, min=0.0, help="Standard deviation of displaced scan lines, in nm.")
    sample = traitlets.Any(None, allow_none=True, help="The simulated image and its truth.")
    found = traitlets.Any(None, allow_none=True, help="Table of the columns found.")
    match = traitlets.Any(None, allow_none=True, help="Found against true columns.")

    def __init__(self, structure: Structure, *, name: str = "structure", **traits: Any) -> None:
        self.structure, self.name = structure, name
        super().__init__(**traits)
        self._image()

    @traitlets.observe("electrons", "defocus", "drift", "jitter")
    def _image(self, _=None):
        instrument = simulate.Instrument(defocus=self.defocus, drift=(self.drift, 0.0), jitter=self.jitter)
        self.sample = simulate.image(self.structure, electrons=self.electrons, instrument=instrument)
        with warnings.catch_warnings():
            # a slider at its end leaves the trained domain; the score says so
            warnings.simplefilter("ignore", columns.OutsideTrainedDomain)
            self.found = columns.find(self.sample.data, refine=False)
        shape = self.sample.data.shape
        self.match = metrics.match(self.found, self.sample.truth, tolerance=3, border=3, shape=shape)

    @property
    def probe(self) -> float:
        """Full width at half maximum of a column, in the unit of the image's axes: nm."""
        truth = self.sample.truth
        nm_per_pixel = np.ptp(truth["x_nm"]) / np.ptp(truth["x"])
        return float(FWHM * truth["sigma"].median() * nm_per_pixel)

    @property
    def code(self) -> str:
        """Calls that repeat the view, to be pasted into a cell."""
        return "\n".join(
            (
                "from atomlens import columns, simulate",
                "",
                "instrument = simulate.Instrument(",
                f"    defocus={self.defocus:g}, drift=({self.drift:g}, 0.0), jitter={self.jitter:g}",
                ")",
                f"sample = simulate.image({self.name}, electrons={self.electrons:g}, instrument=instrument)",
                "found = columns.find(sample.data, refine=False)",
            )
        )


class FinderModel(Model):
    """Columns found in one's own image, with the threshold and the classes that are shown.

    The network is asked once, at a low threshold; what is shown is chosen from its answer.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    model : str, ColumnModel, Ensemble or Chain
        As for `atomlens.columns.find`.
    name : str
        What the image is called in the code that is shown.

    Examples
    --------
    >>> from atomlens import simulate
    >>> model = FinderModel(simulate.image(simulate.structures.graphene((3, 3)), electrons=500).data)
    >>> many = len(model.shown)
    >>> model.threshold = 0.95
    >>> len(model.shown) < many
    True
    """

    threshold = traitlets.Float(min=_SEE_ALL, max=0.99, help="Lowest score of a column.")
    hidden = traitlets.Set(help="Classes that are not shown.")
    shown = traitlets.Any(help="Table of the columns that are shown.")
    chosen = traitlets.Int(None, allow_none=True, help="Row of `every` that is looked at.")

    def __init__(
        self,
        image: ArrayLike,
        *,
        model: str | ColumnModel | Ensemble | Chain = "general",
        name: str = "image",
    ) -> None:
        self.image, self.model, self.name, self._refined = image, model, name, None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.every = columns.find(image, model=model, refine=False, threshold=_SEE_ALL)
        # Among all that was seen, the faintest included, a typical score says nothing: what is shown counts.
        said = [str(w.message) for w in caught if self.every.empty]
        super().__init__(threshold=self.every.attrs["model_threshold"])
        self.classes = self.every.attrs["classes"]
        self._choose()
        self.error = said[-1] if said else columns.doubt(self.shown)

    @traitlets.observe("threshold", "hidden")
    def _choose(self, _=None):
        keep = self.every["score"] >= self.threshold
        keep &= ~self.every["label"].isin([self.classes.index(name) for name in self.hidden])
        self.shown = self.every[keep]
        if self.chosen is not None and not keep[self.chosen]:
            self.chosen = None

    def select(self, x: float, y: float) -> None:
        """Look at the shown column that is nearest to a place in pixels."""
        if len(self.shown):
            nearest = cKDTree(self.shown[["x", "y"]]).query([x, y])[1]
            self.chosen = int(self.shown.index[nearest])

    @property
    def measured(self) -> Series:
        """The chosen column, fitted by `atomlens.columns.refine` jointly with all that are surely there."""
        if self._refined is None or self.chosen not in self._refined.index:
            sure = self.every["score"] >= self.every.attrs["model_threshold"]
            sure[self.chosen] = True
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about the image as a whole; here one column counts
                self._refined = columns.refine(self.image, self.every[sure])
        return self._refined.loc[self.chosen]

    @property
    def code(self) -> str:
        """Calls that repeat the view, to be pasted into a cell."""
        model = repr(self.model) if isinstance(self.model, str) else "model"
        lines = [
            "from atomlens import columns",
            "",
            f"found = columns.find({self.name}, model={model}, threshold={self.threshold:g}, refine=False)",
        ]
        if self.hidden:
            left_out = [self.classes.index(name) for name in sorted(self.hidden)]
            lines.append(f"found = found[~found.label.isin({left_out})]")
        return "\n".join(lines)
