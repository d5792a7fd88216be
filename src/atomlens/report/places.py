"""What was found at one place of the data, in words with units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from atomlens._image import calibration_of

__all__ = ["nm_a_pixel", "said_at"]


def said_at(known, x, y):
    """What the steps found at a place in pixels, or nearest to it: words by name."""
    if "image" in known:
        return _in_image(known, x, y)
    said = {}
    if "clusters" in known:
        label = int(_value(known["clusters"].labels, x, y))
        said["cluster"] = "left out" if label < 0 else str(label)
    if "unmixed" in known:
        shares = _value(known["unmixed"].abundances, x, y)
        if np.isfinite(shares).all():  # not where it was left out
            said["mixture"] = ", ".join(f"{100 * share:.0f} %" for share in shares)
    return said


def nm_a_pixel(known):
    """Nanometres a pixel of the image, or None; a table tells it only where it has two places or more."""
    return calibration_of(known["image"]).get("x", (0, None))[1]


def _in_image(known, x, y):
    columns, moved = known.get("columns", ()), known.get("moved")
    size = nm_a_pixel(known)
    said = {}
    if "left_out" in known and _value(xr.DataArray(known["left_out"], dims=("y", "x")), x, y):
        said["place"] = "left out"
    if len(columns):
        row = _nearest(columns, x, y)
        error = _length(np.hypot(row["x_err"], row["y_err"]), size)
        where = ", ".join(f"{row[name] * size:.4f}" if size else f"{row[name]:.2f}" for name in "xy")
        said["column"] = f"({where}) {'nm' if size else 'px'} ± {error}"
        said["score"] = "set by hand" if pd.isna(row["score"]) else f"{row['score']:.3f}"
    if moved is not None:
        row = _nearest(moved, x, y)
        known_there = pd.notna(row["dx"])
        shift = _length(np.hypot(row["dx"], row["dy"]), size) if known_there else None
        said["displacement"] = shift or "not told: a neighbour is missing"
    if "domains" in known:
        label = int(_value(known["domains"], x, y))
        said["domain"] = "none" if label < 0 else str(label)
    hits = known["defects"].defects if "defects" in known else ()
    if len(hits):
        row = _nearest(hits, x, y)
        gap = np.hypot(row["x"] - x, row["y"] - y)
        away = f"{gap * size:.2f} nm" if size else f"{gap:.0f} px"
        p = "p < 1e-9" if row["p_value"] < 1e-9 else f"p = {row['p_value']:.1e}"
        said["nearest defect"] = f"{away} away, score {row['score']:.1f}, {p} a cell"
    return said


def _value(array, x, y):
    """The value at the pixel of a place, of a map or of a line."""
    places = (y, x) if {"x", "y"} <= set(array.dims) else (x,)
    return array.values[
        tuple(int(np.clip(round(v), 0, n - 1)) for v, n in zip(places, array.shape, strict=False))
    ]


def _nearest(table, x, y):
    return table.iloc[int(np.hypot(table["x"] - x, table["y"] - y).argmin())]


def _length(pixels, size):
    return f"{1000 * size * pixels:.2g} pm" if size else f"{pixels:.2g} px"
