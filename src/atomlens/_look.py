"""An image at one look: columns, lattice, defects, domains, and what to doubt."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

from atomlens._doubts import doubts as doubts_of
from atomlens._doubts import quietly
from atomlens._types import ArrayLike, DataFrame, DefectMap, Figure, Lattice

__all__ = ["Look", "look"]

_LINE = 118  # characters of a line below the figure


@dataclass(frozen=True, eq=False)
class Look:
    """What `look` saw.

    Attributes
    ----------
    image : array_like or DataArray of shape (H, W)
    columns : DataFrame
        From `atomlens.columns.find`.
    lattice : Lattice
        From `atomlens.lattice.estimate`.
    defects : DefectMap or None
        From `atomlens.defects.detect`; None where there is no lattice.
    domains : DataArray or None
        From `atomlens.defects.segment_domains`.
    doubts : list of str
        What speaks against any of these, with the remedy.
    """

    image: Any
    columns: DataFrame
    lattice: Lattice
    defects: DefectMap | None
    domains: Any
    doubts: list[str]

    @property
    def summary(self) -> list[str]:
        """What was found, a line each."""
        network = self.columns.attrs["model"].partition(":")[0]
        lattice = repr(self.lattice).partition("\n")[0].strip("<>")
        lines = [f"{len(self.columns)} columns (network: {network})", lattice]
        if self.defects is not None:
            density, error, unit = self.defects.density
            lines.append(
                f"{_count(len(self.defects.defects), 'defect')} in {self.defects.n_cells} cells: "
                f"{density:.3g} ± {error:.2g} per {unit}"
            )
        if self.domains is not None:
            lines.append(_count(self.domains.attrs["n_domains"], "domain"))
        return lines

    def __repr__(self):
        return (
            "\n".join(["<Look", *(f"  {s}" for s in self.summary), *(f"  doubt: {s}" for s in self.doubts)])
            + ">"
        )

    @property
    def alt(self) -> str:
        """What the figure shows, in a sentence."""
        return f"An image with what was found in it: {'; '.join(self.summary)}; {len(self.doubts)} doubts."

    @property
    def figure(self) -> Figure:
        """All of it in one figure: matplotlib.figure.Figure."""
        from atomlens import plotting
        from atomlens.plotting.descriptors import pixel_of

        figure, axes = plotting.new_figure(
            [["columns", "spectrum"], ["defects", "domains"]], size=(10.4, 9.6)
        )
        plotting.draw_image(axes["columns"], self.image, title=self.summary[0])
        plotting.draw_columns(axes["columns"], self.image, self.columns)
        vectors, _, rest = self.summary[1].partition("°, ")
        title = f"{vectors}°\n{rest}" if rest else vectors
        step, unit = pixel_of(self.image)
        plotting.draw_fourier(axes["spectrum"], self.image, step=step, unit=unit, title=title)
        if self.defects is None:
            axes["defects"].set_axis_off()
        else:
            plotting.draw_image(axes["defects"], self.image, title=self.summary[2])
            plotting.draw_hits(axes["defects"], self.image, self.defects.defects)
        if self.domains is None:
            axes["domains"].set_axis_off()
        else:
            plotting.draw_labels(axes["domains"], self.domains, title=self.summary[-1])
        lines = [line for doubt in self.doubts for line in textwrap.wrap(f"! {doubt}", _LINE)]
        figure.supxlabel("\n".join(lines or ["No doubts."]), x=0.01, ha="left", fontsize=9.5)
        return figure

    def _repr_png_(self):
        from atomlens.notebook import as_png

        return as_png(self.figure)


def _count(n, what):
    return f"{n} {what}{'' if n == 1 else 's'}"


def look(image: ArrayLike, *, mask: ArrayLike | None = None) -> Look:
    """Look at an image of atoms: find columns, lattice, defects and domains, and say what to doubt.

    Each of these can be had alone, and with options, from its own room.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    mask : array_like of bool, shape (H, W), optional
        True for pixels to leave out. Without it, padding and a burnt-in scale bar are.

    Returns
    -------
    Look
        With ``columns``, ``lattice``, ``defects``, ``domains``, ``doubts`` and a ``figure``.

    Raises
    ------
    ValueError, TypeError
        As for `atomlens.columns.find`.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sheet = simulate.structures.perovskite((5, 5))
    >>> seen = look(simulate.image(sheet, electrons=300, random_state=0).data)
    >>> len(seen.defects.defects), seen.domains.attrs["n_domains"], seen.doubts
    (0, 1, [])
    """
    from atomlens import columns, defects, lattice

    with quietly():  # what they say stands in the doubts
        found = columns.find(image, mask=mask)
        try:
            basis = lattice.estimate(image, mask=mask)
        except ValueError as error:
            basis, said = lattice.Lattice(np.full((2, 2), np.nan)), [str(error)]
        else:
            said = doubts_of(basis)
        hits = domains = None
        if basis.periodic:
            for name, step in (("defects", defects.detect), ("domains", defects.segment_domains)):
                try:
                    result = step(image, mask=mask)
                except ValueError as error:
                    said.append(f"{name}: {error}")
                    continue
                hits, domains = (result, domains) if name == "defects" else (hits, result)
    every = [*doubts_of(found), *said, *(d for r in (hits, domains) if r is not None for d in doubts_of(r))]
    return Look(image, found, basis, hits, domains, list(dict.fromkeys(every)))
