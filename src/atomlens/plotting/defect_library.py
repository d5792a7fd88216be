"""Defects side by side: members of a group, their mean and spread, and the lengths of their bonds."""

from __future__ import annotations

import numpy as np

from atomlens._types import Any, Axes, Figure, Series
from atomlens.library import Defect, Library
from atomlens.library.extract import CROP_NM
from atomlens.plotting.drawing import GREYS, colour_bar, colour_of, panels, scale_bar, smooth, styled

__all__ = ["bond_lengths", "draw_defect", "group_means", "members"]

_LIMITS = (-0.3, 3.0)  # brightness: hollows are 0, atoms of the host 1; guests may be cut off
_SHOWN = 12
_GUEST, _HOST, _EMPTY = "#D55E00", "#56B4E9", "#FFFFFF"


def _extent():
    half = CROP_NM / 2
    return (-half, half, half, -half)


@styled
def draw_defect(ax: Axes, defect: Defect, *, atoms: bool = True, title: str | None = None) -> Any:
    """Draw the picture of a defect in the frame of its host, and its atoms.

    Parameters
    ----------
    atoms : bool
        Whether to mark guests (filled), bonded atoms (rings) and bonded sites without an atom (crosses).

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens import datasets, library
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> found = library.extract(datasets.load("graphene_si_phantom").data)
    >>> draw_defect(ax, found[0]).get_array().shape
    (60, 60)
    """
    drawn = ax.imshow(np.asarray(defect.crop), cmap=GREYS, vmin=_LIMITS[0], vmax=_LIMITS[1], extent=_extent())
    smooth(drawn)
    if atoms:
        middle = defect.guests.mean(axis=0)
        there = defect.bonded["present"].to_numpy()
        sites, seen = (defect.bonded[[f"{s}x_nm", f"{s}y_nm"]].to_numpy() - middle for s in ("", "seen_"))
        ax.plot(*(defect.guests - middle).T, "o", color=_GUEST, ms=5)
        ax.plot(*seen[there].T, "o", mfc="none", mec=_HOST, ms=7, mew=1.4)
        ax.plot(*sites[~there].T, "x", color=_EMPTY, ms=6)
    ax.set(xticks=[], yticks=[], xlim=_extent()[:2], ylim=_extent()[2:], title=title)
    return drawn


@styled
def members(library: Library, groups: Series, group: int = 0, *, atoms: bool = True) -> Figure:
    """The first members of a group, each with its atoms.

    Parameters
    ----------
    groups : Series of int
        As `Library.group` gives them.
    group : int

    Raises
    ------
    ValueError
        If the group has no member.

    Examples
    --------
    >>> from atomlens import datasets, library
    >>> shelf = library.Library(library.extract(datasets.load("graphene_si_phantom").data))
    >>> len(members(shelf, shelf.group(), 1).axes)
    1
    """
    names = list(groups.index[groups == group])
    if not names:
        raise ValueError(f"there is no group {group}: groups are {sorted(set(groups))}")
    shown = names[:_SHOWN]
    figure, axes = panels(len(shown), per_row=6, width=1.7)
    for ax, name in zip(axes, shown, strict=True):
        draw_defect(
            ax, library[name], atoms=atoms, title=f"{library[name].formula} {name.rpartition('/')[2]}"
        )
    scale_bar(axes[0], "nm")
    return figure


@styled
def group_means(library: Library, groups: Series) -> Figure:
    """Mean of the pictures of every group above their spread, aligned with one another.

    Parameters
    ----------
    groups : Series of int
        As `Library.group` gives them; -1 is left out.

    Examples
    --------
    >>> from atomlens import datasets, library
    >>> shelf = library.Library(library.extract(datasets.load("graphene_si_phantom").data))
    >>> len(group_means(shelf, shelf.group()).axes) >= 4
    True
    """
    from atomlens.library import aligned

    kinds = sorted(set(groups) - {-1})
    figure, axes = panels(2 * len(kinds), per_row=len(kinds), width=min(2.2, 10.0 / len(kinds)))
    table = library.table.set_index("name")
    crops = dict(zip(table.index, library.crops, strict=True))
    for n, kind in enumerate(kinds):
        names = groups.index[groups == kind]
        turned = aligned([crops[name] for name in names])
        formulas = table.loc[names, "formula"].value_counts()
        what = formulas.index[0] if len(formulas) == 1 else f"group {kind}"
        top, low = axes[n], axes[n + len(kinds)]
        smooth(
            top.imshow(turned.mean(axis=0), cmap=GREYS, vmin=_LIMITS[0], vmax=_LIMITS[1], extent=_extent())
        )
        around = turned.std(axis=0) if len(names) > 1 else np.full(turned.shape[1:], np.nan)
        spread = low.imshow(around, vmin=0, vmax=1.5, extent=_extent())
        top.set_title(f"{what}, {len(names)}")
        for ax in (top, low):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    axes[len(kinds)].set_title("spread")
    scale_bar(axes[0], "nm")
    colour_bar(spread, "standard deviation\n(1: an atom)")
    return figure


@styled
def bond_lengths(library: Library, groups: Series, *, expected: dict[str, float] | None = None) -> Figure:
    """Distances from guests to bonded atoms, by group, beside what is expected.

    Parameters
    ----------
    groups : Series of int
        As `Library.group` gives them.
    expected : dict of str to float, optional
        Lengths in nm to be drawn as lines, by what they are called.

    Examples
    --------
    >>> from atomlens import datasets, library
    >>> shelf = library.Library(library.extract(datasets.load("graphene_si_phantom").data))
    >>> bond_lengths(shelf, shelf.group(), expected={"Si-C": 0.18}).axes[0].get_ylabel()
    'from Si to C (nm)'
    """
    figure, [ax] = panels(1, width=7.0, height=0.45)
    kinds = sorted(set(groups) - {-1})
    names = []
    for n, kind in enumerate(kinds):
        of = [library[name] for name in groups.index[groups == kind]]
        lengths = np.concatenate([d.bonds for d in of])
        jitter = np.linspace(-0.25, 0.25, lengths.size) if lengths.size > 1 else 0
        ax.plot(n + jitter, np.sort(lengths), ".", color=colour_of(n), ms=4)
        formulas = {d.formula for d in of}
        names.append(formulas.pop() if len(formulas) == 1 else f"group {kind}")
    for n, (name, length) in enumerate((expected or {}).items()):
        ax.axhline(length, color="#444444", lw=1, ls=("--", ":", "-.")[n % 3], label=name)
    if expected:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    first = next(iter(library))
    ax.set(xticks=range(len(kinds)), xticklabels=names)
    ax.set_ylabel(f"from {first.guest} to {first.placed.host.elements[0]} (nm)")
    return figure
