"""What the gallery of a defect library knows and does, without anything on a screen."""

from __future__ import annotations

import traitlets

from atomlens._types import Any, Series
from atomlens.library import Defect, Library
from atomlens.widgets._model import Model

__all__ = ["LibraryModel"]

METHODS = ("bonds", "kmeans", "gmm", "hdbscan")
SHOWN = 8


class LibraryModel(Model):
    """Groups of a library, one of them on show, and one of its members.

    Parameters
    ----------
    library : Library
    name : str
        What the library is called in the code that is shown.
    **traits
        Initial values of the traits.

    Raises
    ------
    ValueError
        If the library is empty.

    Examples
    --------
    >>> from atomlens import datasets, library
    >>> shelf = library.Library(library.extract(datasets.load("graphene_si_phantom").data))
    >>> model = LibraryModel(shelf)
    >>> model.names, model.defect.formula
    (['image 1'], 'Si1C4')
    """

    method = traitlets.Enum(METHODS, "bonds", help="How defects are grouped.")
    n_groups = traitlets.Int(3, min=2, max=8, help="Groups of k-means.")
    group = traitlets.Int(0, help="The group on show.")
    page = traitlets.Int(0, min=0, help="Which members of it are shown, so many at a time.")
    member = traitlets.Unicode("", help="Name of the member that was chosen.")
    groups = traitlets.Any(None, allow_none=True, help="Group of every defect by its name.")

    def __init__(self, library: Library, *, name: str = "shelf", **traits: Any) -> None:
        if not len(library):
            raise ValueError("the library is empty: there is nothing to show")
        self.library, self.name = library, name
        super().__init__(**traits)
        self._regroup()
        self.observe(self._regroup, ["method", "n_groups"])
        self.observe(self._turn, "group")
        self.observe(self._choose, "page")

    @property
    def names(self) -> list[str]:
        """Members on show."""
        return self._members[SHOWN * self.page : SHOWN * (self.page + 1)]

    @property
    def pages(self) -> int:
        """How many pages the group fills."""
        return -(-len(self._members) // SHOWN)

    @property
    def kinds(self) -> list[int]:
        """Groups there are, the largest first; -1 for what was left out comes last."""
        return sorted(set(self.groups), key=lambda kind: (kind < 0, kind))

    @property
    def defect(self) -> Defect:
        """The member that was chosen."""
        return self.library[self.member]

    @property
    def code(self) -> str:
        """Calls that repeat what is seen."""
        more = f", {self.n_groups}" if self.method == "kmeans" else ""
        return (
            f'groups = {self.name}.group("{self.method}"{more})\n'
            f"atomlens.plotting.members({self.name}, groups, {self.group})\n"
            f"{self.name}[{self.member!r}]"
        )

    @property
    def _members(self):
        return list(self.groups.index[self.groups == self.group])

    def summary(self) -> Series:
        """Formulas in the group, and how often."""
        table = self.library.table.set_index("name")
        return table.loc[self._members, "formula"].value_counts()

    def _regroup(self, _=None):
        n = min(self.n_groups, len(self.library)) if self.method == "kmeans" else None
        groups = self._tried(self.library.group, self.method, n)
        if groups is None:
            return
        with self.hold_trait_notifications():
            self.groups = groups
            self.group = self.kinds[0]
        self._turn()

    def _turn(self, _=None):
        self.page = 0
        self._choose()

    def _choose(self, _=None):
        if self.names and self.member not in self.names:
            self.member = self.names[0]
