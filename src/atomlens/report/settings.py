"""The few settings that matter, in one object that the command line, the app and a batch share."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from atomlens._replace import replacing

__all__ = ["ANALYSES", "Settings"]

#: What can be asked for, in the order in which it is done. "latent" takes a minute: only when asked.
ANALYSES = ("columns", "defects", "domains", "phases", "latent", "clusters", "unmix", "frames")
_LENGTHS = (1e-9, 1e9)  # nm or pixels: beyond, numbers overflow instead of meaning something
_MOST_GROUPS = 1000
_MOST_MARKS = 10_000  # corners or places: a hand makes hundreds, and a million takes minutes


@dataclass(frozen=True)
class Settings:
    """How a file is examined; all of it is optional.

    Parameters
    ----------
    signal : int or str, optional
        Which signal of a file with several.
    kind : str, optional
        What the data are, where the file does not tell (see `atomlens.io.read`).
    pixel_size : float, optional
        In nm; replaces the file's.
    lattice : float or (float, float), optional
        Lengths in nm of the two shortest lattice vectors, to calibrate by instead.
    left_out : tuple of polygons
        Each a sequence of corners (x, y) in pixels; what lies inside is not looked at.
    feature_size : float, optional
        As for `atomlens.columns.find`, in pixels.
    threshold : float, optional
        Lowest score of a column.
    false_alarm_rate : float
        Of defects, per unit cell.
    n_phases, n_clusters : int, optional
        Numbers of phases (labels of neighbourhoods) and of clusters of spectra; chosen by tests without.
    added, removed : tuple of (float, float)
        Places (x, y) in pixels where columns are added, and from where they are removed.
    analyses : tuple of str, optional
        Which of `ANALYSES` to make; those that make sense without.

    Raises
    ------
    ValueError
        If a setting is not valid.

    Examples
    --------
    >>> Settings(n_phases=2).changed
    {'n_phases': 2}
    >>> Settings.from_dict(Settings(lattice=0.3905).to_dict()).lattice
    0.3905
    """

    signal: int | str | None = None
    kind: str | None = None
    pixel_size: float | None = None
    lattice: float | tuple[float, float] | None = None
    left_out: tuple = ()
    feature_size: float | None = None
    threshold: float | None = None
    false_alarm_rate: float = 1e-4
    n_phases: int | None = None
    n_clusters: int | None = None
    added: tuple = ()
    removed: tuple = ()
    analyses: tuple[str, ...] | None = None

    def __post_init__(self):
        for name in ("pixel_size", "feature_size"):
            _in_range(name, getattr(self, name), *_LENGTHS)
        _in_range("threshold", self.threshold, 0, 1)
        _in_range("false_alarm_rate", self.false_alarm_rate, 0, 1)
        for name in ("n_phases", "n_clusters"):
            value = getattr(self, name)
            if value is not None and not (type(value) is int and 1 <= value <= _MOST_GROUPS):
                raise ValueError(
                    f"{name} must be a whole number from 1 to {_MOST_GROUPS}, got {_short(value)}"
                )
        for name, types in (("signal", int | str), ("kind", str)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, types)):
                raise ValueError(
                    f"{name} must be a name{' or number' * (name == 'signal')}, got {_short(value)}"
                )
        if self.lattice is not None and self.pixel_size is not None:
            raise ValueError("give pixel_size or lattice, not both: each of them calibrates the image")
        object.__setattr__(self, "lattice", _lengths(self.lattice))
        object.__setattr__(self, "left_out", tuple(_polygon(p) for p in _several("left_out", self.left_out)))
        for name in ("added", "removed"):
            places = _several(name, getattr(self, name))
            object.__setattr__(self, name, tuple(_place(name, p) for p in places))
        if self.analyses is not None:
            wanted = (
                (self.analyses,) if isinstance(self.analyses, str) else _several("analyses", self.analyses)
            )
            unknown = [name for name in wanted if name not in ANALYSES]
            if unknown:
                raise ValueError(f"{_short(unknown[0])} is no analysis: choose from {', '.join(ANALYSES)}")
            object.__setattr__(self, "analyses", wanted)

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that are not the defaults."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) != f.default}

    def with_(self, **changes: Any) -> Settings:
        """Return the settings with some of them changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """All of it in types that JSON has."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """The settings that `to_dict` gave.

        Raises
        ------
        ValueError
            If a name is unknown or a value not valid.
        """
        known = {f.name for f in fields(cls)}
        if not isinstance(values, dict) or not set(values) <= known:
            wrong = sorted(set(values) - known)[0] if isinstance(values, dict) else type(values).__name__
            raise ValueError(f"{wrong!r} is no setting: there are {', '.join(sorted(known))}")
        try:
            return cls(**{name: _tuples(value) for name, value in values.items()})
        except TypeError as error:
            raise ValueError(f"the settings are damaged: {error}") from None

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the settings as JSON.

        Raises
        ------
        FileExistsError
            If there is a file and `overwrite` is False.
        """
        with replacing([path], overwrite=overwrite) as (temporary,):
            temporary.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Settings:
        """Read what `save` wrote.

        Raises
        ------
        FileNotFoundError
        ValueError
            If it holds no settings.
        """
        path = Path(path)
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise ValueError(f"{path.name} holds no settings: it is no JSON") from None
        except RecursionError:
            raise ValueError(f"{path.name} holds no settings: its lists are nested too deep") from None


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _short(value):
    """A value in an error: of a damaged file it may be anything, and long."""
    return reprlib.repr(value)


def _in_range(name, value, low, high):
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not low < value < high:
        span = (
            f"positive, from {low:g} to {high:g}" if (low, high) == _LENGTHS else f"between {low} and {high}"
        )
        raise ValueError(f"{name} must be {span}, got {_short(value)}")


def _several(name, values):
    """A tuple of what must be a list, not too long."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a list, got {_short(values)}")
    values = tuple(values)
    if len(values) > _MOST_MARKS:
        raise ValueError(f"{name} has {len(values)} entries: {_MOST_MARKS} at most")
    return values


def _lengths(lattice):
    if lattice is None:
        return None
    several = tuple(lattice) if isinstance(lattice, list | tuple) else (lattice,)
    if len(several) not in (1, 2):
        raise ValueError(f"lattice is one length in nm, or two, got {_short(lattice)}")
    for value in several:
        _in_range("lattice", value, *_LENGTHS)
    return several if len(several) == 2 else several[0]


def _place(name, place):
    try:
        x, y = (float(value) for value in place)
    except (TypeError, ValueError, OverflowError):
        x = y = math.nan
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(f"{name} must hold places (x, y) in pixels, got {_short(place)}")
    return x, y


def _polygon(corners):
    polygon = tuple(_place("left_out", corner) for corner in _several("a polygon of left_out", corners))
    if len(polygon) < 3:
        raise ValueError(f"a polygon of left_out needs 3 corners, got {len(polygon)}")
    return polygon
