"""Numbers and tables of a report, from what its code found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens.report.places import nm_a_pixel


def columns_numbers(known):
    """How many columns, how well located, and their lattice; (value, error, unit) by name."""
    columns, lattice = known["columns"], known["sample"].lattice
    numbers = {"columns": (len(columns), None, "")}
    nm = lattice is not None and lattice.pixel_size_nm
    errors = np.hypot(columns["x_err"], columns["y_err"]).dropna()
    if len(errors):
        error, size = float(errors.median()), nm_a_pixel(known)
        numbers["position error"] = (error * size * 1000, None, "pm") if size else (error, None, "px")
    if lattice is not None and lattice.periodic:
        lengths = lattice.lengths_nm if nm else lattice.lengths
        unit = "nm" if nm else "px"
        numbers |= {"a": (float(lengths[0]), None, unit), "b": (float(lengths[1]), None, unit)}
        numbers["angle"] = (lattice.angle, None, "°")
    return numbers


def defects_numbers(known):
    """How many defects, cells and false alarms, and how dense."""
    found = known["defects"]
    density, error, unit = found.density
    return {
        "unit cells": (found.n_cells, None, ""),
        "defects": (len(found.defects), None, ""),
        "false alarms expected": (found.false_alarm_rate * found.n_cells, None, ""),
        "defect density": (density, float(error), f"1/{unit}"),
    }


def phases_numbers(known):
    """How many phases, and the mean displacement of them."""
    verdict, moved = known["phases"].verdict_, known["moved"]
    name = "magnitude_pm" if "magnitude_pm" in moved else "magnitude"
    unit = "pm" if name.endswith("pm") else "px"
    return {
        "phases": (len(verdict), None, ""),
        "point group": (known["phases"].point_group_, None, ""),
        "verdict": (", ".join(verdict["kind"]), None, ""),
        "median displacement": (float(np.nanmedian(moved[name])), None, unit),
    }


def phases_tables(known):
    """The verdict, and the displacement and phase of each atom."""
    phases, moved = known["phases"], known["moved"]
    verdict = phases.verdict_.reset_index()
    return {"phases": verdict, "displacements": moved.assign(phase=phases.phase_labels_)}


def phases_doubts(known):
    """That all of a field is displaced the same way may be the microscope."""
    verdict = known["phases"].verdict_
    alone = verdict["ferroic"] & (verdict["n_variants"] == 1)
    if not alone.any():
        return []
    return [
        "one ferroic variant fills the field: a tilt of the sample by a few mrad, coma or a distorted "
        "scan displace all columns alike and look the same; compare with a crystal known to be "
        "non-ferroic, taken in the same way, and give what it shows as `tolerance` of LocalCrystallography"
    ]


def latent_numbers(known):
    """Windows, and how many content latents are more than noise."""
    summary = known["vae"].summary_
    content = summary[summary["p_value"].notna()]
    return {
        "windows": (int(np.prod(known["windows"].shape[:-2])), None, ""),
        "latents beyond noise": (int(content["meaningful"].sum()), None, ""),
    }


def latent_tables(known):
    """What each latent says, and whether it is more than noise."""
    return {"latents": known["vae"].summary_.rename_axis("latent").reset_index()}


def latent_maps(known):
    """One map a latent."""
    maps = known["latent"]
    return {f"latent_{name}": maps.sel(latent=name) for name in maps.latent.values}


def clusters_numbers(known):
    """How many clusters, and the smallest of them."""
    scores = known["clusters"].scores
    return {
        "clusters": (int(scores["n_clusters"]), None, ""),
        "smallest cluster": (100 * float(scores["smallest_share"]), None, "%"),
    }


def by_frame(known):
    """Columns of each frame that was looked at: how many, and their median score."""
    table = known["columns"].groupby("frame").agg(columns=("x", "size"), score=("score", "median"))
    return table.reindex(list(known["shown"]), fill_value=0).rename_axis("frame").reset_index()


def frames_numbers(known):
    """Frames looked at, and columns in them."""
    table = by_frame(known)
    spread = float(table["columns"].std()) if len(table) > 1 else None
    return {
        "frames looked at": (len(table), None, ""),
        "columns a frame": (float(table["columns"].mean()), spread, ""),
    }


def as_table(numbers):
    """Numbers as a table: index ``quantity``; ``value``, ``error``, ``unit``."""
    columns = ["value", "error", "unit"]
    rows = [pd.Series(entry, columns, dtype=object) for entry in numbers.values()]  # a count stays a count
    return pd.DataFrame(rows, index=pd.Index(numbers, name="quantity"), columns=columns, dtype=object)
