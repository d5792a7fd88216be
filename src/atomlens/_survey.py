"""What kind of sample is this? What is known of it, and which analyses make sense."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atomlens._doubts import doubts as doubts_of
from atomlens._doubts import quietly
from atomlens._types import ArrayLike, CellSymmetry, DataArray, DataFrame, Lattice

__all__ = ["Survey", "survey"]

_FEW_CELLS = 30  # for an average cell, as for `atomlens.defects.detect`
_FEW_SPECTRA = 20  # for a cluster
_MOST_SPECTRA = 2000  # that a survey looks at


@dataclass(frozen=True, eq=False)
class Survey:
    """What `survey` found.

    Attributes
    ----------
    kind : str
        "lattice image", "single atoms" (columns without a lattice), "image" (neither), "spectrum image",
        "line scan", "spectrum" or "movie".
    data : DataArray
    facts : dict of str to str
        What is known, in words with units: size, calibration, dose, saturation, lattice, symmetry ...
    analyses : DataFrame
        One row an analysis (index): ``sensible``, ``why``, and ``call``, the Python that makes it.
    doubts : list of str
    columns : DataFrame or None
        From `atomlens.columns.find`, of an image.
    lattice : Lattice or None
    symmetry : CellSymmetry or None
        From `atomlens.crystallography.cell_symmetry`.
    """

    kind: str
    data: Any
    facts: dict[str, str]
    analyses: DataFrame
    doubts: list[str]
    columns: DataFrame | None = field(default=None, repr=False)
    lattice: Lattice | None = None
    symmetry: CellSymmetry | None = None

    def __repr__(self):
        width = max(map(len, self.facts))
        lines = [f"<Survey: {self.kind}", *(f"  {k:{width}}  {v}" for k, v in self.facts.items())]
        for name, row in self.analyses.iterrows():
            lines.append(f"  {'+' if row['sensible'] else '-'} {name}: {row['why']}")
        return "\n".join([*lines, *(f"  doubt: {doubt}" for doubt in self.doubts)]) + ">"

    def _repr_html_(self):
        from html import escape

        facts = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in self.facts.items())
        rows = "".join(
            f"<tr><td>{'✓' if row['sensible'] else '–'}</td><th>{name}</th><td>{escape(row['why'])}</td></tr>"
            for name, row in self.analyses.iterrows()
        )
        doubts = "".join(f"<li>{escape(doubt)}</li>" for doubt in self.doubts)
        return (
            f"<p><b>{self.kind}</b></p><table>{facts}</table><table>{rows}</table>"
            + (f"<p>Doubts</p><ul>{doubts}</ul>" if doubts else "<p>No doubts.</p>")
        )  # fmt: skip


def survey(data: ArrayLike | DataArray, *, kind: str | None = None, mask: ArrayLike | None = None) -> Survey:
    """Say what kind of sample this is, what is known of it, and which analyses make sense.

    Parameters
    ----------
    data : array_like or DataArray
        An image (H, W), a spectrum (L,), a line scan (N, L), a spectrum image (H, W, L) or a movie (T, H, W),
        such as `atomlens.io.read` returns.
    kind : {"image", "spectrum", "line_scan", "spectrum_image", "movie"}, optional
        What it is, where its dimensions do not tell.
    mask : array_like of bool, optional
        Of an image: True for pixels to leave out.

    Returns
    -------
    Survey

    Raises
    ------
    ValueError
        If the kind is unknown, is needed and not given, or the data are unusable.
    TypeError
        If they are no real numbers.

    Notes
    -----
    The dose is what the standard errors of the positions tell: sigma² / error² electrons a column would be
    located as well without a background. It is no reading of a detector.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sheet = simulate.structures.perovskite((5, 5))
    >>> seen = survey(simulate.image(sheet, electrons=300, random_state=0).data)
    >>> seen.kind, seen.facts["symmetry"]
    ('lattice image', '4mm suggested: 180°, 90°, 270° and 4 mirrors kept')
    """
    data = _as_array(data, kind)
    what = kind or _kind_of(data)
    if what != "image" and mask is not None:
        raise ValueError("mask= is for images: of spectra, leave out positions in the analysis itself")
    return {"image": _of_image, "movie": _of_movie}.get(what, _of_spectra)(data, what, mask)


def _as_array(data, kind):
    import xarray as xr

    from atomlens.io import KINDS

    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind={kind!r} is not known: choose one of {', '.join(KINDS)}")
    if not hasattr(data, "dims"):
        values = np.asarray(data)
        if values.dtype.kind not in "buif":
            raise TypeError(f"data must be real numbers, got {values.dtype}: take the modulus or real part")
        dims = {1: ("energy",), 2: ("y", "x")}.get(values.ndim)
        if values.ndim == 3 and kind in ("movie", "spectrum_image"):
            dims = ("time", "y", "x") if kind == "movie" else ("y", "x", "energy")
        if kind == "line_scan" and values.ndim == 2:
            dims = ("x", "energy")
        if dims is None:
            raise ValueError(
                f'an array of shape {values.shape} may be several things: say kind="movie" for (time, y, x), '
                'kind="spectrum_image" for (y, x, energy)'
            )
        data = xr.DataArray(values, dims=dims)
    return data


def _kind_of(data):
    from atomlens.io import KINDS

    told = data.attrs.get("kind")
    if told in KINDS:
        return told
    if data.ndim in (2, 3) and data.dims[-2:] == ("y", "x"):
        return {2: "image", 3: "movie"}[data.ndim]
    if data.ndim in (1, 2, 3) and data.dims[-1] == "energy":
        return {1: "spectrum", 2: "line_scan", 3: "spectrum_image"}[data.ndim]
    raise ValueError(
        f"data with the dimensions ({', '.join(map(str, data.dims))}) are nothing that is known here: pick "
        f"one image or spectrum of them, or read the file again with kind= ({', '.join(KINDS)})"
    )


def _size(data):
    return " x ".join(f"{n} ({dim})" for dim, n in data.sizes.items())


def _calibration(data, dims):
    """Step of each axis in its unit, in words, and what to doubt."""
    said, missing = [], []
    for dim in dims:
        axis = data.coords.get(dim)
        unit = None if axis is None else axis.attrs.get("units")
        if unit in (None, "px", "channel", "frame") or axis.size < 2:
            missing.append(dim)
        else:
            step = abs(float(axis[-1] - axis[0])) / (axis.size - 1)
            said.append(f"{dim}: {step:.4g} {unit} a step")
    doubts = []
    if missing and set(missing) & {"x", "y"}:
        doubts.append(
            "the image has no scale, so lengths are in pixels: give `pixel_size` when reading the file, or "
            "calibrate by a known lattice with `atomlens.io.calibrate`"
        )
    if len(said) == 2 and said[0].partition(": ")[2] == said[1].partition(": ")[2]:
        said = [said[0].partition(": ")[2].replace("a step", "a pixel")]
    return ", ".join(said) or "none", doubts


def _table(rows):
    import pandas as pd

    return pd.DataFrame.from_dict(rows, orient="index", columns=["sensible", "why", "call"]).rename_axis(
        "analysis"
    )


# Images ------------------------------------------------------------------------------------------------


def _of_image(image, _, mask):
    from atomlens import columns, crystallography, lattice

    scale, doubts = _calibration(image, image.dims)
    facts = {"size": _size(image), "scale": scale}
    with quietly():
        found = columns.find(image, mask=mask)
        said = doubts_of(found)
        basis = symmetry = None
        try:
            basis = lattice.estimate(image, mask=mask)
        except ValueError as error:
            said.append(str(error))
        if basis is not None and basis.periodic:
            symmetry = crystallography.cell_symmetry(image, basis, mask=mask)
            said += [*doubts_of(basis), *symmetry.doubts]
    periodic = symmetry is not None
    kind = "lattice image" if periodic else "image" if columns.doubt(found) else "single atoms"
    if kind == "single atoms":
        said.append(
            "no lattice speaks for these columns, and single atoms are easily confused with noise and a "
            "film: compare the overlay with the image, and raise the threshold where there are too many"
        )
    facts["columns"] = str(len(found))
    facts["dose"] = _dose(found)
    facts["saturated"] = f"{found.attrs['saturated']:.1%} of the pixels"
    if periodic:
        facts |= _crystal(found, basis, symmetry)
    else:
        facts["lattice"] = "none found"
    analyses = _image_analyses(image, kind, found, basis, facts)
    every = list(dict.fromkeys([*doubts, *said]))
    return Survey(kind, image, facts, analyses, every, found, basis, symmetry)


def _dose(found):
    """Electrons that would locate a column as well, without a background: (sigma / error)^2."""
    known = found[(found["x_err"] > 0) & (found["y_err"] > 0)]
    if not len(known):
        return "not known"
    error = np.sqrt((known["x_err"] ** 2 + known["y_err"] ** 2) / 2)
    electrons = float(np.median((known["sigma"] / error) ** 2))
    return f"about {electrons:.2g} electrons a column, as far as positions tell"


def _crystal(found, basis, symmetry):
    lengths = basis.lengths if basis.lengths_nm is None else basis.lengths_nm
    unit = "px" if basis.lengths_nm is None else "nm"
    kept = [name for name in symmetry.table.index[symmetry.table["kept"]] if not name.startswith("m")]
    mirrors = sum(name.startswith("m") for name in symmetry.table.index[symmetry.table["kept"]])
    evidence = ", ".join(kept) + (f" and {mirrors} mirrors" if mirrors and kept else "")
    evidence = evidence or (f"{mirrors} mirrors" if mirrors else "no operation")
    return {
        "lattice": f"a = {lengths[0]:.4g} {unit}, b = {lengths[1]:.4g} {unit}, {basis.angle:.1f}°",
        "columns a cell": _a_cell(found, basis),
        "symmetry": f"{symmetry.point_group} suggested: {evidence} kept",
        "sublattices": str(_sublattices(found)),
    }


def _a_cell(found, basis):
    """Columns in a cell, as the area that they take says."""
    from scipy.spatial import ConvexHull

    if len(found) < 4:
        return "not known"
    area = ConvexHull(found[["x", "y"]].to_numpy()).volume
    return f"{len(found) * abs(np.linalg.det(basis.basis)) / area:.2f}"


def _sublattices(found):
    """How many sublattices brightness tells apart: two, or one."""
    from atomlens.lattice import assign_sublattices

    try:
        assign_sublattices(found)
    except ValueError:
        return 1
    return 2


def _image_analyses(image, kind, found, basis, facts):
    """Which analyses of an image make sense, and why."""
    cells = 0 if basis is None or not basis.periodic else image.size / abs(np.linalg.det(basis.basis))
    periodic = kind == "lattice image"
    two = facts.get("sublattices") == "2"
    why_columns = f"{len(found)} were found" + (", which are doubtful" if kind == "image" else "")
    why_not = "nothing repeats in the image"
    small = f"{cells:.0f} unit cells make no average to compare with" if periodic else why_not
    enough = periodic and cells >= _FEW_CELLS
    why_phases = (
        "one sublattice against the other"
        if two
        else "only one sublattice can be told: displacements of one against another stay unseen"
    )
    many = cells >= 4 * _FEW_CELLS
    few_windows = f"{cells:.0f} unit cells are too few to train on" if periodic else why_not
    rows = {
        "columns": (bool(len(found)), why_columns, "al.columns.find(image)"),
        "defects": (
            enough,
            f"{cells:.0f} unit cells to learn from" if enough else small,
            "al.defects.detect(image)",
        ),
        "domains": (
            enough,
            "grains, twins and phases, if there are some" if enough else small,
            "al.defects.segment_domains(image)",
        ),
        "phases": (
            enough and len(found) > _FEW_CELLS,
            why_phases if enough else small,
            'al.crystallography.LocalCrystallography("auto", point_group="auto").fit(columns)',
        ),
        "latent": (
            many,
            "what varies from window to window; takes a minute" if many else few_windows,
            "al.shiftvae.ShiftVAE(1, lattice=lattice).fit(windows)",
        ),
    }
    return _table(rows)


# Spectra -----------------------------------------------------------------------------------------------


def _of_spectra(data, what, _):
    from atomlens.spectra.counts import dose

    spectral = data.dims[-1]
    scale, doubts = _calibration(data, [d for d in data.dims if d != spectral])
    axis, no_axis = _calibration(data, [spectral])
    if axis == "none":
        no_axis = [
            f"the {spectral} axis has no scale: windows are in channels; assign coordinates with units, or "
            "read the file that has them"
        ]
    rows = data.data.reshape(-1, data.shape[-1])
    few = np.asarray(rows[:: max(1, len(rows) // _MOST_SPECTRA)], dtype=float)
    facts = {"size": _size(data), "spectral axis": _range(data, spectral, axis)}
    if what != "spectrum":
        facts["scale"] = scale
    finite = np.isfinite(few)
    if not finite.all():
        doubts.append(f"{1 - finite.mean():.1%} of the values are NaN or infinite: mask or fill them")
    kept = few[finite.all(axis=1)]
    if not len(kept):
        raise ValueError("no spectrum is without NaN: fill them first")
    counts = dose(kept)
    facts["dose"] = f"{counts:.3g} counts a spectrum" if counts else "not known: the values are no raw counts"
    empty = float((kept == 0).all(axis=1).mean())
    if empty:
        facts["empty"] = f"{empty:.1%} of the spectra hold nothing"
        if what != "spectrum":
            doubts.append(
                "some spectra are empty and would make a cluster of their own: leave them out, as a "
                "report does, with mask=data.sum(data.dims[-1]) > 0"
            )
    highest = kept.max()
    share = float((kept == highest).sum() / kept.size)
    if (kept == highest).sum() > len(kept) // 10 + 10 and highest > kept.mean() * 3:
        doubts.append(f"{share:.2%} of the values stand at the highest one: the detector may be saturated")
    n = int(np.prod(data.shape[:-1]))
    several = n >= _FEW_SPECTRA
    too_few = f"{n} spectr{'um is' if n == 1 else 'a are'} too few for clusters"
    rows = {
        "clusters": (several, f"{n} spectra; a test says how many clusters, if any" if several else too_few,
                     "al.spectra.cluster(data, al.spectra.choose_k(data).recommended)"),
        "unmix": (several, "how much of each, where spectra mix" if several else too_few,
                  "al.spectra.unmix(data, 2)"),
    }  # fmt: skip
    kind = what.replace("_", " ")
    return Survey(kind, data, facts, _table(rows), [*doubts, *no_axis])


def _range(data, spectral, axis):
    if axis == "none":
        return f"{data.sizes[spectral]} channels"
    coordinate = data[spectral]
    unit = coordinate.attrs["units"]
    return f"{float(coordinate[0]):.5g} to {float(coordinate[-1]):.5g} {unit}, {axis.partition(': ')[2]}"


# Movies ------------------------------------------------------------------------------------------------


def _of_movie(movie, *_):
    from skimage.registration import phase_cross_correlation

    first, last = (np.asarray(movie[n], dtype=float) for n in (0, -1))
    inner = survey(movie[0].drop_vars("time", errors="ignore").assign_attrs(kind="image"), kind="image")
    clock, _ = _calibration(movie, ["time"])
    facts = {"size": _size(movie), "time": clock, "first frame": inner.kind}
    facts |= {k: v for k, v in inner.facts.items() if k not in ("size",)}
    doubts = [f"first frame: {doubt}" for doubt in inner.doubts]
    if clock == "none":
        doubts.append("the frames have no times: rates are per frame; assign `time` in s")
    flat = min(first.std(), last.std()) == 0
    drift = np.full(2, np.nan) if flat else phase_cross_correlation(first, last, upsample_factor=10)[0]
    facts["first to last frame"] = (
        "one of them is empty" if flat else f"shifted by {np.hypot(*drift):.1f} px, modulo the lattice"
    )
    rows = {
        "frames": (inner.kind != "image", f"the first frame is a {inner.kind}; columns frame by frame"
                   if inner.kind != "image" else "no columns in the first frame that one could trust",
                   "al.columns.find(movie[0])"),
        "tracks": (inner.kind != "image" and len(movie) > 2, f"{len(movie)} frames to link",
                   "al.dynamics.link(columns_of_all_frames)"),
    }  # fmt: skip
    return Survey("movie", movie, facts, _table(rows), doubts, inner.columns, inner.lattice, inner.symmetry)
