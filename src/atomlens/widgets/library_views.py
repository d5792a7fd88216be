"""The gallery of a defect library: click a member of a group to see its atoms and doubts."""

from __future__ import annotations

from atomlens import plotting
from atomlens._types import Any
from atomlens.library import Library
from atomlens.widgets._linked import LinkedView, dropdown, slider, widgets
from atomlens.widgets.library_models import METHODS, LibraryModel

__all__ = ["library_gallery"]


class LibraryGallery(LinkedView):
    """Members of one group, page by page; the chosen one large, with its atoms."""

    def __init__(self, model):
        mosaic = [["one", "one", *range(4 * row, 4 * row + 4)] for row in range(2)]
        figure, axes = plotting.new_figure(mosaic, size=(9.2, 3.9))
        self._one, *self._small = axes.values()
        controls = {
            "method": dropdown("grouped by", METHODS, model.method),
            "n_groups": slider("groups of k-means", 2, 8, model.n_groups),
        }
        self.group = dropdown("group", [("", model.group)], model.group)
        self.page = widgets.Button(description="more", icon="arrow-right", layout={"width": "90px"})
        hint = "Choose a group; click a picture to see its atoms: guests, neighbours, and sites found empty."
        super().__init__(model, figure, controls, others=[self.group, self.page], hint=hint, verdict=True)
        self.group.observe(self._on_chosen, "value")
        self.page.on_click(self._on_more)
        model.observe(self._on_groups, "groups")
        model.observe(self._show, ["group", "page", "member"])
        self.canvas.mpl_connect("button_release_event", self._on_click)
        self._on_groups()

    def _on_groups(self, _=None):
        model, counts = self.model, self.model.groups.value_counts()
        names = {-1: "left out"}
        options = [(f"{names.get(kind, kind)}: {counts[kind]} defects", kind) for kind in model.kinds]
        self.group.options = options
        self.group.value = model.group
        self._show()

    def _on_chosen(self, change):
        if change["new"] is not None:
            self.model.group = change["new"]

    def _on_more(self, _):
        self.model.page = (self.model.page + 1) % self.model.pages

    def _show(self, _=None):
        model = self.model
        if not model.names:
            return
        if self.group.value != model.group:
            self.group.value = model.group
        for ax in (self._one, *self._small):
            ax.clear()
            ax.set_axis_off()
        plotting.draw_defect(self._one, model.defect, title=f"{model.defect.formula}  {model.member}")
        for ax, name in zip(self._small, model.names, strict=False):
            plotting.draw_defect(ax, model.library[name], atoms=name == model.member)
            ax.set_title(model.library[name].formula, fontsize=9)
        formulas = ", ".join(f"{count} x {name}" for name, count in model.summary().items())
        doubts = "; ".join(model.defect.doubts) or "no doubt"
        self._say(f"This group: <b>{formulas}</b>, page {model.page + 1} of {model.pages}. Chosen: {doubts}.")
        self._redraw()

    def _on_click(self, event):
        if event.inaxes in self._small:
            n = self._small.index(event.inaxes)
            if n < len(self.model.names):
                self.model.member = self.model.names[n]


def library_gallery(library: Library, *, name: str = "shelf", **settings: Any) -> Any:
    """Look through a library of defects by hand.

    Parameters
    ----------
    library : Library
    name : str
        What the library is called in the notebook, for the code that is shown.
    **settings
        Initial `method`, `n_groups` and `group`.

    Returns
    -------
    ipywidgets.Widget

    Raises
    ------
    ValueError
        If the library is empty.

    Examples
    --------
    >>> from atomlens import datasets, library
    >>> shelf = library.Library(library.extract(datasets.load("graphene_si_phantom").data))
    >>> library_gallery(shelf).model.pages
    1
    """
    return LibraryGallery(LibraryModel(library, name=name, **settings))
