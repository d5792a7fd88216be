"""The one-class explorer: two sliders, and the boundary they draw."""

from __future__ import annotations

from atomlens import plotting
from atomlens._types import Any, ArrayLike
from atomlens.widgets._linked import LinkedView, float_slider
from atomlens.widgets.boundary_models import BoundaryModel

__all__ = ["one_class_explorer"]


class OneClassExplorer(LinkedView):
    """Points in a plane, what the machine holds for usual, and how many lie outside."""

    def __init__(self, model):
        figure, ax = plotting.new_figure(size=(7.4, 4.4))
        self._ax = ax
        controls = {
            "nu": float_slider("ν", 0.01, 0.95, 0.01, model.nu),
            "gamma": float_slider("γ", -2, 2, 0.1, model.gamma, log=True, readout=".2g"),
        }
        hint = "ν: how many may lie outside. γ: how closely the boundary follows the points."
        super().__init__(model, figure, controls, hint=hint, verdict=True)
        model.observe(self._show, "detector")
        self._show()

    def _show(self, _=None):
        model = self.model
        self._ax.clear()
        plotting.draw_boundary(self._ax, model.points, model.detector)
        said = (
            f"<b>{model.share:.0%}</b> of the points lie outside, where ν = {model.nu:.2f} allows; "
            f"the boundary rests on <b>{model.support:.0%}</b> of them"
        )
        if model.odd is not None:
            caught = int((model.outside & model.odd).sum())
            said += f". Of {int(model.odd.sum())} planted odd ones, <b>{caught}</b> are outside"
        self._say(said)
        self._redraw()


def one_class_explorer(
    points: ArrayLike, odd: ArrayLike | None = None, *, name: str = "points", **settings: Any
) -> Any:
    """See what the two parameters of a one-class support vector machine do, in a plane.

    Parameters
    ----------
    points : array_like of shape (N, 2)
        What the machine learns from.
    odd : array_like of bool, shape (N,), optional
        Which points do not belong to the crowd, to count those found.
    name : str
        What the points are called in the notebook, for the code that is shown.
    **settings
        Initial `nu` and `gamma`.

    Returns
    -------
    ipywidgets.Widget

    Raises
    ------
    ValueError
        If there are fewer than 5 points, they do not lie in a plane, or `odd` does not fit them.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.random.default_rng(0).normal(size=(60, 2))
    >>> one_class_explorer(points, nu=0.1).model.nu
    0.1
    """
    return OneClassExplorer(BoundaryModel(points, odd, name=name, **settings))
