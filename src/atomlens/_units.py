"""Units as files spell them, and the few that atomlens uses: nm, 1/nm, eV, s."""

import re

_LENGTH = {"pm": 1e-3, "Å": 0.1, "nm": 1.0, "µm": 1e3, "mm": 1e6, "cm": 1e7, "m": 1e9}
_ENERGY = {"meV": 1e-3, "eV": 1.0, "keV": 1e3, "MeV": 1e6}
_TIME = {"fs": 1e-15, "ps": 1e-12, "ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_ANGLE = {"µrad": 1e-3, "mrad": 1.0, "rad": 1e3}

_SPELLINGS = {
    "": None, "undefined": None, "none": None, "unknown": None, "a.u.": None,
    "px": "px", "pix": "px", "pixel": "px", "pixels": "px",
    # A resolution in inches is one of print (72 dpi), not of the specimen.
    "in": "inch", "inch": "inch", "inches": "inch",
    "a": "Å", "å": "Å", "ang": "Å", "angstrom": "Å", "angstroms": "Å", "ångström": "Å",
    "um": "µm", "micron": "µm", "microns": "µm", "micrometer": "µm", "micrometre": "µm",
    "nanometer": "nm", "nanometre": "nm", "nanometers": "nm", "nanometres": "nm", "meter": "m", "metre": "m",
    "electronvolt": "eV", "electron volts": "eV", "ev": "eV", "kev": "keV",
    "microsecond": "µs", "nanosecond": "ns", "millisecond": "ms", "volt": "V", "volts": "V", "hz": "Hz",
    "sec": "s", "second": "s", "seconds": "s", "us": "µs", "minute": "min", "minutes": "min", "hour": "h",
}  # fmt: skip


_LONGEST = 12  # letters of a unit; more is a sentence


def tidy(unit):
    """Return one spelling for a unit, None where the file gives none.

    >>> tidy("um"), tidy("Angstrom"), tidy("<undefined>"), tidy("nm^-1"), tidy("[n_m]")
    ('µm', 'Å', None, '1/nm', 'nm')
    """
    if unit is None:
        return None
    # Micro and angstrom exist twice in Unicode; ImageJ writes the former as an escape. The EMD format puts
    # brackets around a unit, and a stroke between its prefix and the rest: [n_m].
    text = str(unit).strip().strip("<>[]$").replace("μ", "µ").replace("\u212b", "Å")
    text = text.replace(r"\u00B5", "µ").replace(r"\u00C5", "Å")
    text = re.sub(r"\\mu\s*|[{}]", lambda found: "µ" if "mu" in found[0] else "", text)  # of TeX
    text = re.sub(r"(?<=[a-zA-Zµ])_(?=[a-zA-Z])", "", text) if len(text) <= _LONGEST else text
    inverse = re.fullmatch(r"1\s*/\s*(.+)|(.+?)\s*(?:\^?\(?-1\)?|⁻¹)", text)
    if inverse:
        return f"1/{tidy(inverse[1] or inverse[2])}"
    return _SPELLINGS.get(text.lower(), text)


def quantity(unit):
    """Return (what is measured, factor to our unit, our unit).

    >>> quantity("µm")
    ('length', 1000.0, 'nm')
    >>> quantity("1/Å")
    ('reciprocal', 10.0, '1/nm')
    >>> quantity("keV"), quantity("V"), quantity(None)
    (('energy', 1000.0, 'eV'), ('other', 1.0, 'V'), ('none', 1.0, 'px'))
    """
    unit = tidy(unit)
    if unit in (None, "px", "inch"):
        return "none", 1.0, "px"
    for name, table, ours in (
        ("length", _LENGTH, "nm"),
        ("energy", _ENERGY, "eV"),
        ("time", _TIME, "s"),
        ("angle", _ANGLE, "mrad"),
    ):
        if unit in table:
            return name, table[unit], ours
    if unit == "1/cm":  # of light, in Raman and infrared spectra
        return "wavenumber", 1.0, unit
    if unit.startswith("1/") and unit[2:] in _LENGTH:
        return "reciprocal", round(1 / _LENGTH[unit[2:]], 15), "1/nm"
    return "other", 1.0, unit


def known(what):
    """List the units understood for a quantity, for messages."""
    return ", ".join({"length": _LENGTH, "energy": _ENERGY, "time": _TIME}[what])
