"""What the one-class explorer knows and does: a boundary around a crowd in a plane."""

from __future__ import annotations

import numpy as np
import traitlets

from atomlens._types import Any, ArrayLike, ndarray
from atomlens.widgets._model import Model

__all__ = ["BoundaryModel"]

# Points on the boundary are at zero as far as the solver went, not beyond: it goes far enough to tell.
_TOLERANCE, _BEYOND = 1e-8, -1e-6


class BoundaryModel(Model):
    """A one-class support vector machine around points in a plane.

    Parameters
    ----------
    points : array_like of shape (N, 2)
        What it learns from, odd points included.
    odd : array_like of bool, shape (N,), optional
        Which points do not belong to the crowd, where that is known.
    name : str
        What the points are called in the code that is shown.
    **traits
        Initial values of the traits.

    Raises
    ------
    ValueError
        If there are fewer than 5 points, they do not lie in a plane, or `odd` does not fit them.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> model = BoundaryModel(rng.normal(size=(100, 2)), nu=0.2)
    >>> model.share <= 0.2 <= model.support
    True
    """

    nu = traitlets.Float(0.05, min=0.01, max=0.95, help="At most this fraction of the points lies outside.")
    gamma = traitlets.Float(1.0, min=1e-3, max=1e3, help="Of the kernel exp(-gamma d^2).")
    detector = traitlets.Any(None, allow_none=True, help="The fitted machine.")

    def __init__(
        self, points: ArrayLike, odd: ArrayLike | None = None, *, name: str = "points", **traits: Any
    ) -> None:
        self.points, self.name = np.asarray(points, float), name
        if self.points.ndim != 2 or self.points.shape[1] != 2 or len(self.points) < 5:
            raise ValueError(f"points must be 5 rows of two numbers or more, got shape {self.points.shape}")
        self.odd = None if odd is None else np.asarray(odd, bool)
        if self.odd is not None and self.odd.shape != (len(self.points),):
            raise ValueError(f"odd has {self.odd.size} entries for {len(self.points)} points: give one each")
        super().__init__(**traits)
        self._fit()
        self.observe(self._fit, ["nu", "gamma"])

    def _fit(self, _=None):
        from sklearn.svm import OneClassSVM

        self.detector = OneClassSVM(nu=self.nu, gamma=self.gamma, tol=_TOLERANCE).fit(self.points)

    @property
    def outside(self) -> ndarray:
        """Points beyond the boundary, shape (N,)."""
        return self.detector.decision_function(self.points) < _BEYOND

    @property
    def share(self) -> float:
        """Fraction of the points outside."""
        return float(self.outside.mean())

    @property
    def support(self) -> float:
        """Fraction of the points that the boundary rests on."""
        return len(self.detector.support_) / len(self.points)

    @property
    def code(self) -> str:
        """Calls that repeat what is seen."""
        return (
            "from sklearn.svm import OneClassSVM\n"
            f"detector = OneClassSVM(nu={self.nu:.3g}, gamma={self.gamma:.3g}, tol={_TOLERANCE:g})"
            f".fit({self.name})\n"
            f"outside = detector.decision_function({self.name}) < {_BEYOND:g}  # not on it"
        )
