"""Loaders of movies."""

import numpy as np

from atomlens import io
from atomlens.datasets._images import with_nm

COLOURS = {1: "black", 2: "blue", 3: "red", 4: "cyan", 5: "magenta"}
WS2_PIXEL_NM, WS2_FRAME_S = 512 * 0.03 / 180, 2.25
_OUTLINE = 2  # pixels: width of the line of a box
_BRIGHTEST = 40  # grey levels by which colours of one pixel differ, above which it is painted


def ws2_movie(entry, get):
    """Grey frames, without the boxes painted over them, which are the truth."""
    import pandas as pd
    import xarray as xr
    from PIL import Image, ImageSequence

    path = get("MovieClustered_50.gif")
    boxes = pd.read_csv(get("ws2_boxes_decoded.csv"))
    with Image.open(path) as animation:
        colours = np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)])
    painted = np.ptp(colours.astype(np.int16), axis=3) > _BRIGHTEST
    for box in boxes.itertuples():
        _outline(painted[box.frame], box)
    movie = colours[..., 0].astype(np.float32)
    for frame, hidden in zip(movie, painted, strict=True):
        frame[hidden] = np.median(frame[~hidden])
    dims = ("time", "y", "x")
    along = [("time", WS2_FRAME_S, "s"), ("y", WS2_PIXEL_NM, "nm"), ("x", WS2_PIXEL_NM, "nm")]
    coords = {
        dim: (dim, np.arange(n) * step, {"units": unit})
        for n, (dim, step, unit) in zip(movie.shape, along, strict=True)
    }
    attrs = {"file": path.name, "sha256": io.sha256(path), "kind": "movie", "units": "grey levels"}
    data = xr.DataArray(movie, coords, dims, name="movie", attrs=attrs | {"dt_s": WS2_FRAME_S})
    truth = with_nm(boxes[["frame", "x", "y"]].copy(), data)
    truth["label"], truth["own_fraction"] = boxes["cls"].map(COLOURS), boxes["own_fraction"]
    return data, truth, {"painted": data.copy(data=painted).rename("painted").assign_attrs(units="")}


def _outline(painted, box):
    """Mark the line around a box."""
    rows, columns = (
        slice(max(0, round(centre - (side - 1) / 2)), max(0, round(centre + (side - 1) / 2) + 1))
        for centre, side in ((box.y, box.h), (box.x, box.w))
    )
    whole = painted[rows, columns]
    inner = whole[_OUTLINE:-_OUTLINE, _OUTLINE:-_OUTLINE].copy()
    whole[:] = True
    whole[_OUTLINE:-_OUTLINE, _OUTLINE:-_OUTLINE] = inner
