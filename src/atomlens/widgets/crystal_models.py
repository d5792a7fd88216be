"""What the widget of local crystallography knows and does, without anything on a screen."""

from __future__ import annotations

import numpy as np
import traitlets
from matplotlib.path import Path
from scipy.spatial import cKDTree

from atomlens._types import Any, ArrayLike, DataArray, DataFrame, Sequence
from atomlens.crystallography import POINT_GROUPS, LocalCrystallography, point_group
from atomlens.crystallography.estimator import METHODS
from atomlens.plotting.crystallography import length_unit
from atomlens.plotting.drawing import place_columns
from atomlens.widgets._model import Model

__all__ = ["CrystalModel"]

#: Lattice directions that may lie in a mirror line.
MIRRORS = {"a": (1, 0), "b": (0, 1), "a + b": (1, 1), "a − b": (1, -1), "a + 2b": (1, 2), "2a + b": (2, 1)}


class CrystalModel(Model):
    """Atoms, their neighbourhoods, the labels that clustering gives them, and their symmetric images.

    Parameters
    ----------
    columns : DataFrame
        As for `atomlens.crystallography.LocalCrystallography.fit`.
    image : DataArray or array_like of shape (H, W), optional
        Drawn below the atoms.
    name : str
        What the table is called in the code that is shown.
    n_neighbors, center, neighbors, random_state
        As for `atomlens.crystallography.LocalCrystallography`.
    **traits
        Initial values of the traits.

    Examples
    --------
    >>> from atomlens import datasets
    >>> model = CrystalModel(datasets.load("bfo_phantom").data, center="Fe", neighbors="Bi", n_clusters=2)
    >>> model.result.verdict_.kind.tolist()
    ['ferroic']
    >>> model.operation = "m 90°"
    >>> model.replica.shape
    (4, 2)
    """

    n_clusters = traitlets.Int(4, min=1, max=12, help="Number of labels.")
    method = traitlets.Enum(METHODS, "kmeans", help="How they are found.")
    point_group = traitlets.Enum(POINT_GROUPS, "4mm", help="Of the undistorted structure.")
    mirror = traitlets.Enum(tuple(MIRRORS.values()), (1, 0), help="Direction u a + v b in a mirror line.")
    tolerance = traitlets.Float(0.0, min=0.0, help="Asymmetry in pixels that counts as none.")
    operation = traitlets.Unicode("1", help="Operation whose image of the neighbourhood is shown.")
    result = traitlets.Any(None, allow_none=True, help="The fitted LocalCrystallography.")
    selected = traitlets.Int(0, help="Atom whose neighbourhood is shown: a row of `atoms`.")
    brushed = traitlets.Any(None, allow_none=True, help="Rows of `atoms` inside the lasso, or None.")

    def __init__(
        self,
        columns: DataFrame,
        *,
        image: DataArray | ArrayLike | None = None,
        name: str = "columns",
        n_neighbors: Any = 4,
        center: str | int | None = None,
        neighbors: str | int | None = None,
        random_state: int = 0,
        **traits: Any,
    ) -> None:
        self.columns, self.image, self.name = columns, image, name
        self.settings = {"n_neighbors": n_neighbors, "center": center, "neighbors": neighbors}
        self.random_state = random_state
        self._data = columns
        first = traits.pop("operation", None)
        super().__init__(**traits)
        self._fit()
        if self.result is None:
            raise ValueError(self.error)
        if first is not None:
            self.operation = first
        places = self.atoms[["x", "y"]].to_numpy()
        whole = np.flatnonzero(self.result.neighbourhoods_.complete)
        middle = whole if whole.size else np.arange(len(places))
        away = np.linalg.norm(places[middle] - places.mean(axis=0), axis=1)
        self.selected = int(middle[np.argmin(away)])

    @traitlets.observe("n_clusters", "method", "point_group", "mirror", "tolerance")
    def _fit(self, _=None):
        estimator = LocalCrystallography(
            n_clusters=self.n_clusters, method=self.method, point_group=self.point_group, mirror=self.mirror,
            tolerance=self.tolerance, random_state=self.random_state, **self.settings,
        )  # fmt: skip
        if (result := self._tried(estimator.fit, self._data)) is None:
            return
        self._data = result.neighbourhoods_  # found once
        with self.hold_trait_notifications():  # the old operation may be none of the new ones
            self.result = result
            if self.operation not in result.operations_[1:]:
                self.operation = result.operations_[min(1, len(result.operations_) - 1)]

    @traitlets.validate("operation")
    def _known(self, proposal):
        if self.result is not None and proposal.value not in self.result.operations_:
            known = ", ".join(self.result.operations_)
            raise traitlets.TraitError(f"no operation {proposal.value!r} in {self.point_group}: use {known}")
        return proposal.value

    @property
    def atoms(self) -> Any:
        """Rows of the table that are centres."""
        return self.columns.iloc[self.result.centers_]

    @property
    def axes(self) -> Any:
        """Columns of the table that the map is drawn along."""
        return place_columns(self.columns, self.image)

    @property
    def unit(self) -> Any:
        """Unit of displacements, and its size in pixels."""
        return length_unit(self.result)

    @property
    def cloud(self) -> Any:
        """Displacement of every atom against the mean of its neighbours, in `unit`: shape (N, 2)."""
        return -self.result.vectors_.mean(axis=1) * self.unit[1]

    @property
    def matrix(self) -> Any:
        """The operation in the frame of the neighbourhoods: shape (2, 2)."""
        return self._group.matrices[self._group.names.index(self.operation)]

    @property
    def replica(self) -> Any:
        """What the operation makes of the neighbours of the selected atom, put back into their order.

        Shape (k, 2), in pixels; all NaN for an atom without a place in the lattice.
        """
        hoods, row = self.result.neighbourhoods_, [self.selected]
        if hoods.kind[self.selected] < 0:
            return np.full_like(self.result.ideal_, np.nan)
        replicas = self._group.replicas(self.result.vectors_[row], hoods.kind[row], hoods.ideal)
        return replicas[self._group.names.index(self.operation), 0]

    @property
    def replica_label(self) -> int:
        """Label of the replica; -1 where it lies outside of all, or a neighbour is missing."""
        operation = self.result.operations_.index(self.operation)
        return int(self.result.replica_labels_[operation, self.selected])

    @property
    def _group(self):
        return point_group(self.result.point_group, self.result.lattice_.basis, mirror=self.result.mirror)

    def select(self, x: float, y: float) -> None:
        """Select the atom nearest to a place.

        Parameters
        ----------
        x, y : float
            In the unit that the map is drawn in.
        """
        places = self.atoms[list(self.axes)].to_numpy()
        self.selected = int(cKDTree(places).query([x, y])[1])

    def brush(self, outline: Sequence[Any]) -> None:
        """Mark the atoms whose points lie inside an outline in the cloud.

        Parameters
        ----------
        outline : sequence of (float, float)
            Corners, in `unit`; fewer than three mark nothing.
        """
        if len(outline) < 3:
            self.brushed = None
            return
        inside = np.flatnonzero(Path(outline).contains_points(np.nan_to_num(self.cloud, nan=np.inf)))
        self.brushed = inside if inside.size else None

    @property
    def code(self) -> str:
        """Calls that repeat the view, to be pasted into a cell."""
        lines = [
            "from atomlens.crystallography import LocalCrystallography",
            "",
            "crystal = LocalCrystallography(",
            f"    n_neighbors={self.settings['n_neighbors']}, n_clusters={self.n_clusters},",
            f"    center={self.settings['center']!r}, neighbors={self.settings['neighbors']!r},",
            f"    method={self.method!r}, point_group={self.point_group!r}, mirror={self.mirror},",
            f"    tolerance={self.tolerance:.3g}, random_state={self.random_state},",
            f").fit({self.name})",
            "crystal.verdict_",
            f'crystal.contingency_["{self.operation}"]  # what this operation makes of the labels',
        ]
        return "\n".join(lines)
