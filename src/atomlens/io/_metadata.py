"""The instrument's metadata, flat: one plain value a key, the unit in the key's name."""

import json
import math
import re

import numpy as np

# Units fixed by the metadata convention that rosettasciio follows.
_UNIT_OF = {
    "beam_energy": "keV", "beam_current": "nA", "camera_length": "mm", "convergence_angle": "mrad",
    "collection_angle": "mrad", "dwell_time": "s", "exposure": "s", "integration_time": "s", "live_time": "s",
    "real_time": "s", "tilt_alpha": "deg", "tilt_beta": "deg",
    "azimuth_angle": "deg", "elevation_angle": "deg", "working_distance": "mm",
    "energy_resolution_MnKa": "eV",
}  # fmt: skip
_COUNTS = {"Counts": "counts"}
_GENERAL = ("date", "time", "time_zone", "authors", "original_filename", "notes", "doi")


def flat(metadata, original=None, mapping=None):
    """Return the instrument, date, sample and quantity entries of a rosettasciio metadata tree.

    Some readers leave entries in `original` with a `mapping` {path: (new path, function)}
    for HyperSpy to apply; that is done here.

    >>> flat({"Acquisition_instrument": {"TEM": {"beam_energy": 200.0}}, "Signal": {"quantity": "Counts"}})
    {'beam_energy_keV': 200.0, 'quantity': 'Counts'}
    """
    full = _merge(metadata, _mapped(original or {}, mapping or {}))
    attrs = {}
    for path, value in _leaves(full.get("Acquisition_instrument", {})):
        key = _key(path)
        attrs[key if key not in attrs else "_".join(path)] = value
    general = full.get("General", {})
    attrs |= {key: general[key] for key in _GENERAL if general.get(key)}
    if full.get("Sample", {}).get("description"):
        attrs["sample_description"] = full["Sample"]["description"]
    signal = full.get("Signal", {})
    attrs |= {key: signal[key] for key in ("quantity", "signal_type") if signal.get(key)}
    # "Electrons (Counts)" says what the values are, and their unit.
    if named := re.fullmatch(r"(.+?) \((.+)\)", str(signal.get("quantity", ""))):
        attrs["long_name"], attrs["units"] = named[1].lower(), _COUNTS.get(named[2], named[2])
    return {key: plain(value) for key, value in attrs.items() if plain(value) is not None}


# Where HyperSpy looks for what our attrs hold.
_HOME = {
    "beam_energy_keV": "Acquisition_instrument.TEM.beam_energy",
    "beam_current_nA": "Acquisition_instrument.TEM.beam_current",
    "convergence_angle_mrad": "Acquisition_instrument.TEM.convergence_angle",
    "collection_angle_mrad": "Acquisition_instrument.TEM.Detector.EELS.collection_angle",
    "camera_length_mm": "Acquisition_instrument.TEM.camera_length",
    "magnification": "Acquisition_instrument.TEM.magnification",
    "microscope": "Acquisition_instrument.TEM.microscope",
    "date": "General.date",
    "time": "General.time",
    "authors": "General.authors",
    "sample_description": "Sample.description",
    "quantity": "Signal.quantity",
    "signal_type": "Signal.signal_type",
}


def tree(attrs, title):
    """Return attrs as a HyperSpy metadata tree: the inverse of `flat` for the entries HyperSpy uses.

    >>> tree({"beam_energy_keV": 200.0}, "map")["Acquisition_instrument"]
    {'TEM': {'beam_energy': 200.0}}
    """
    found = {"General": {"title": title}, "Signal": {"signal_type": ""}}
    for key, path in _HOME.items():
        if key in attrs:
            _plant(found, path, attrs[key])
    return found


def _plant(found, path, value):
    *folders, name = path.split(".")
    for folder in folders:
        found = found.setdefault(folder, {})
    found[name] = value


def plain(value):
    """Return a value that JSON, NetCDF and zarr can hold, or None.

    >>> plain(np.float32(2)), plain(np.array([1, 2])), plain(b"nA"), plain(float("nan")), plain(object())
    (2.0, [1, 2], 'nA', None, None)
    """
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist() if value.size < 100 else None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return value


def _leaves(tree, path=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        elif not isinstance(value, (list, tuple)) or len(value) < 20:
            yield (*path, key), value


def _key(path):
    name = path[-1]
    if len(path) > 1 and path[-2] == "Stage" and name in "xyz":
        return f"stage_{name}_mm"
    return f"{name}_{_UNIT_OF[name]}" if name in _UNIT_OF else name


def _mapped(original, mapping):
    found = {}
    for source, (target, function) in mapping.items():
        value = _walk(original, source.split("."))
        if value is None:
            continue
        try:
            value = function(value) if function else value
        except (TypeError, ValueError, KeyError, IndexError, AttributeError):
            continue  # an odd entry in a header is no reason to refuse the data
        if value not in (None, ""):
            _plant(found, target, value)
    return found


def _walk(tree, path):
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return None
        tree = tree[key]
    return tree


def _merge(first, second):
    merged = dict(first)
    for key, value in second.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
