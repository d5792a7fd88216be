"""What the app knows and does, from a file to its report, without anything on a screen."""

from __future__ import annotations

import io as bytes_io
import re
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import traitlets

from atomlens import io
from atomlens._doubts import quietly
from atomlens._image import calibration_of, is_square
from atomlens._paths import user_path
from atomlens._types import Any, DataArray
from atomlens.report import Settings, check_place, examine, write
from atomlens.widgets._inbox import Inbox
from atomlens.widgets._model import Model

__all__ = ["SampleModel"]

#: Changed, these are followed at once: nothing has to be found again.
LIVE = ("false_alarm_rate", "n_phases", "n_clusters")
_SAVED = ".settings.json"
_BY_HAND = ("left_out", "added", "removed")
_REACH = 8  # sizes of a feature: a click further away from all columns means none of them
_APART = 0.5  # sizes of a feature, at least, between columns
_SIZE = 2  # pixels: of a feature, before one is known


class SampleModel(Model):
    """One sample: a file, the settings, and what was found with them.

    Parameters
    ----------
    path : str or Path, optional
        A file to begin with.
    settings : Settings, optional
    inbox : Inbox, optional
        Where uploads are kept.

    Examples
    --------
    >>> from atomlens import datasets
    >>> model = SampleModel(datasets.sample_path("spectrum_image.hspy"))
    >>> model.change(n_clusters=2) and model.analyse()
    True
    >>> model.layers
    ['total', 'clusters', 'mixture 1', 'mixture 2']
    """

    settings = traitlets.Instance(Settings, (), help="What is asked for.")
    path = traitlets.Any(None, allow_none=True, help="The file, or None.")
    signals = traitlets.Any(None, allow_none=True, help="What the file holds, as `io.signals` says.")
    data = traitlets.Any(None, allow_none=True, help="What was read, before any analysis.")
    found = traitlets.Any(None, allow_none=True, help="Findings of the last analysis, or None.")
    layer = traitlets.Unicode("", help="What is drawn over the data: one of `layers`.")
    frame = traitlets.Int(0, min=0, help="Frame of a movie.")
    place = traitlets.Any(None, allow_none=True, help="The chosen place (x, y) in pixels.")

    def __init__(
        self, path: str | Path | None = None, settings: Settings | None = None, *, inbox: Inbox | None = None
    ) -> None:
        super().__init__()
        self.inbox = Inbox() if inbox is None else inbox
        self._memory, self._past, self._seen, self._refused = {}, [], None, None
        if path is not None:
            self.open(path, settings)

    # The file ------------------------------------------------------------------------------------------

    def open(self, path: str | Path, settings: Settings | None = None) -> bool:
        """Look at a file; the one before stays where that fails. Whether it worked."""
        opened = bool(self._tried(self._open, path, settings))
        self._refused = None if opened else path
        return opened

    def read_as(self, kind: str | None) -> bool:
        """Say what the data are; a file that was refused for want of it is opened. Whether it worked."""
        if self._refused is not None:
            return self.open(self._refused, Settings(kind=kind))
        return self.change(kind=kind)

    def _open(self, path, settings):
        given = str(path).strip()
        if not given:
            raise ValueError("there is no name of a file: choose or type one")
        path = user_path(given).resolve()
        if path.is_dir() and path.suffix.lower() not in io.READABLE:
            names = readable(path)
            there = f"choose one of its {len(names)} files" if names else "there is nothing in it to read"
            raise ValueError(f"{path} is a folder: {there}")
        signals = io.signals(path)
        settings = Settings() if settings is None else settings
        if len(signals) > 1 and settings.signal is None:
            settings = settings.with_(signal=int(signals.index[0]))
        data = _read(path, settings)
        self._memory.clear()
        self._past.clear()
        with self.hold_trait_notifications():
            self.path, self.signals, self.settings, self.found = path, signals, settings, None
            self._show(data)
        return True

    @property
    def uploaded(self) -> bool:
        """Whether the file came through the browser, and goes with the session."""
        return self.path is not None and self.inbox.holds(self.path)

    @property
    def signal(self) -> int | str | None:
        """Which signal of the file is shown: its number, where the file has one of that title."""
        chosen = self.settings.signal
        same = [] if self.signals is None else self.signals.index[self.signals["title"] == chosen]
        return int(same[0]) if len(same) else chosen

    @property
    def saved_at(self) -> Path | None:
        """Where the settings of this file are saved: beside it."""
        return None if self.path is None else self.path.with_name(self.path.name + _SAVED)

    def save(self, *, overwrite: bool = False) -> Path | None:
        """Write the settings beside the file; None where that cannot be done."""

        def save():
            if self.path is None:
                raise ValueError("there is nothing to save yet: choose a file")
            return self.settings.save(self.saved_at, overwrite=overwrite)

        return self._tried(save)

    def resume(self, path: str | Path | None = None) -> bool:
        """Take the settings that were saved for this file, or those of another file. Whether it worked."""

        def load():
            if self.path is None:
                raise ValueError("settings belong to a file: choose that first")
            return Settings.load(self.saved_at if path is None else user_path(path))

        settings = self._tried(load)
        return settings is not None and self._become(settings)

    # Settings ------------------------------------------------------------------------------------------

    def change(self, **changes: Any) -> bool:
        """Change settings; whether it worked. What is cheap is followed at once, the rest by `analyse`."""
        settings = self._tried(self.settings.with_, **changes)
        return settings is not None and (settings == self.settings or self._become(settings))

    def change_text(self, name: str, text: str) -> bool:
        """As `change`, from what was typed; nothing means automatic."""
        value = self._tried(_numbers, name, text)
        return not self.error and self.change(**{name: value})

    def calibrate(self, how: str, text: str = "") -> bool:
        """Set the scale: by the "file", the "pixel_size" in nm, or the lengths in nm of the "lattice"."""
        scale = {"pixel_size": None, "lattice": None}
        if how != "file":
            scale[how] = self._tried(_numbers, how, text)
            if self.error:
                return False
        return self.change(**scale)

    def _become(self, settings, *, remember=True):
        """Take new settings, and follow them where that is cheap."""
        data = self.data
        new, old = settings.changed, self.settings.changed
        changed = {name for name in new | old if new.get(name) != old.get(name)}
        reread = changed & {"signal", "kind"}
        if self.path is not None and (reread or ("pixel_size" in changed and self.found is None)):
            data = self._tried(_read, self.path, settings)
            if data is None:
                return False
            if remember and data.shape != self.data.shape and not changed & set(_BY_HAND):
                settings = settings.with_(**dict.fromkeys(_BY_HAND, ()))  # they are places in the other data
        if remember:
            self._past.append(self.settings)
        with self.hold_trait_notifications():
            self.settings = settings
            if reread and self.path is not None:
                self.found = None
                self._show(data)
            elif data is not self.data:
                self.data = data
        if self.found is not None and changed and changed <= set(LIVE):
            self.analyse()
        return not self.error

    def undo(self) -> None:
        """Take back the last change of the settings."""
        if not self._past:
            self.error = "there is nothing to undo"
            return
        self.error = ""
        self._become(self._past[-1], remember=False)
        if self.settings == self._past[-1]:
            self._past.pop()

    def leave_out(self, outline: Any) -> bool:
        """Leave out what lies inside corners (x, y) in pixels."""
        corners = np.round(outline, 1).tolist()  # a tenth of a pixel is finer than a hand
        return self._by_hand(lambda: {"left_out": (*self.settings.left_out, tuple(map(tuple, corners)))})

    def add(self, x: float, y: float) -> bool:
        """Add a column at a place in pixels."""

        def check():
            places, size, hand = self._columns()
            gone, added = set(self.settings.removed), self.settings.added
            found = (place for place, own in zip(places, hand, strict=True) if not own and place not in gone)
            there = [*found, *added]
            if there and _gaps(there, x, y).min() < _APART * size:
                raise ValueError(f"there is a column already at ({x:.1f}, {y:.1f}) px: add another place")
            return {"added": (*added, (round(x, 2), round(y, 2)))}

        return self._by_hand(check, x, y)

    def remove(self, x: float, y: float) -> bool:
        """Remove the column nearest to a place; one that was added by hand is taken back."""

        def check():
            chosen = self.settings
            places, size, hand = self._columns()
            every = [*places, *chosen.added]
            near, at = (x, y), None
            if every:
                gaps = _gaps(every, x, y)
                at = int(gaps.argmin())
                near = every[at]
                if gaps[at] > _REACH * size:
                    raise ValueError(f"there is no column near ({x:.1f}, {y:.1f}) px to remove")
            if at is not None and (at >= len(places) or hand[at]):
                gaps = _gaps(chosen.added, *near)  # where it was put, it has moved from as it was fitted
                if not len(gaps) or gaps.min() > _REACH * size:
                    raise ValueError("that column is taken back already: analyse again")
                return {"added": tuple(p for n, p in enumerate(chosen.added) if n != gaps.argmin())}
            if near in chosen.removed:
                raise ValueError("that column is removed already: analyse again")
            return {"removed": (*chosen.removed, near)}

        return self._by_hand(check, x, y)

    def _columns(self):
        """Places of the columns that were found, the size of one, and which were added by hand."""
        table = self.found.known.get("columns") if self.found else None
        if table is None:
            return [], self.settings.feature_size or _SIZE, []
        places = list(map(tuple, table[["x", "y"]].astype(float).to_numpy().tolist()))
        return places, table.attrs.get("feature_size", _SIZE), table["score"].isna().tolist()

    def _by_hand(self, changes, *place):
        def check():
            kind = None if self.data is None else self.data.attrs.get("kind")
            if kind is None:
                raise ValueError("there is nothing to mark yet: choose a file")
            if kind != "image" and (place or kind != "spectrum_image"):
                raise ValueError(f"a {kind.replace('_', ' ')} has no columns or areas to mark")
            if place:
                self._check_inside(*place)
            return self.settings.with_(**changes())

        settings = self._tried(check)
        return settings is not None and self._become(settings)

    def look_at(self, x: float, y: float) -> bool:
        """Choose a place in pixels. Whether there is one."""

        def look():
            self._check_inside(x, y)
            self.place = (x, y)
            return True

        return self.place is not None and bool(self._tried(look))

    def _check_inside(self, x, y):
        height, width = self._size
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):  # false for NaN, too
            raise ValueError(f"({x:g}, {y:g}) px lies outside of the data of {width} x {height} pixels")

    # Findings ------------------------------------------------------------------------------------------

    @property
    def stale(self) -> bool:
        """Whether the settings ask for something else than was found, or the file is another one now."""
        if self.path is None:
            return False
        return (
            self.found is None
            or self.found.settings != self.settings
            or self._state() not in (None, self._seen)
        )

    def analyse(self, progress: Callable[[str], None] | None = None) -> bool:
        """Make the analyses that make sense; only what has changed is computed again. Whether it worked."""

        def make():
            if self.path is None:
                raise ValueError("there is nothing to analyse yet: choose a file")
            seen = self._state()
            return seen, examine(self.path, self.settings, progress=progress, memory=self._memory)

        made = self._tried(make)
        if made is None:
            return False
        first = self.found is None
        self._seen, found = made
        with self.hold_trait_notifications():
            self.found = found
            # What is drawn is what was looked at: with the scale of the lattice, and of a file that changed.
            if found.data.sizes != self.data.sizes or found.data.attrs["kind"] != self.data.attrs["kind"]:
                self._show(found.data)
            elif found.data is not self.data:
                self.data = found.data
            if first or self.layer not in self.layers:
                self.layer = self._first_layer()
        return True

    @property
    def code(self) -> str:
        """Python that repeats what was found."""
        return "" if self.found is None else self._findings().script

    @property
    def layers(self) -> list[str]:
        """What can be drawn over the data."""
        kind = None if self.data is None else self.data.attrs.get("kind")
        known = {} if self.found is None else self.found.known
        if kind == "image":
            there = [name for name in ("columns", "defects", "domains", "phases") if name in known]
            return ["image", *there, *(["displacements"] if "moved" in known else [])]
        if kind == "spectrum_image":
            mixtures = range(known["unmixed"].abundances.shape[-1]) if "unmixed" in known else ()
            clusters = ["clusters"] if "clusters" in known else []
            return ["total", *clusters, *(f"mixture {n + 1}" for n in mixtures)]
        if kind == "line_scan":
            return ["total", *(["clusters"] if "clusters" in known else [])]
        return {"movie": ["frames"], "spectrum": ["spectrum"]}.get(kind, [])

    @property
    def frames(self) -> list[int]:
        """Frames of a movie that can be shown: those that were looked at, once they were."""
        if self.data is None or self.data.attrs.get("kind") != "movie":
            return []
        every = range(len(self.data))
        return list(every if self.found is None else self.found.known.get("shown", every))

    def here(self) -> dict[str, str]:
        """What was found at the chosen place, in words with units."""
        return {} if self.found is None or self.place is None else self.found.at(*self.place)

    @property
    def pixel(self) -> tuple[int, int]:
        """Row and column of the chosen place."""
        height, width = self._size
        x, y = self.place
        return int(np.clip(round(y), 0, height - 1)), int(np.clip(round(x), 0, width - 1))

    # Results -------------------------------------------------------------------------------------------

    def report(self, folder: str | Path, *, overwrite: bool = False) -> Path | None:
        """Write the report into a folder; its path, or None where that cannot be done."""

        def make():
            found = self._current()
            if not str(folder).strip():
                raise ValueError("there is no name of a folder for the report: type one")
            place = user_path(folder).resolve()
            check_place(place, force=overwrite)
            return write(found, place, force=overwrite)

        return self._tried(make)

    def bundle(self) -> bytes | None:
        """The report with all that lies beside it, as the bytes of a ZIP archive."""

        def make():
            with tempfile.TemporaryDirectory() as place:
                folder = write(self._current(), Path(place) / "report").parent
                packed = bytes_io.BytesIO()
                with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                        archive.write(path, f"{self.name}_report/{path.relative_to(folder).as_posix()}")
                return packed.getvalue()

        return self._tried(make)

    @property
    def name(self) -> str:
        """The file's name without its extension, as a name for what is made of it."""
        return re.sub(r"[^\w.-]+", "_", self.path.stem) if self.path is not None else "sample"

    def _current(self):
        if self.path is None:
            raise ValueError("there is nothing to report yet: choose a file")
        if self.stale:
            raise ValueError(
                "the settings or the file have changed since the analysis: analyse again, then report"
            )
        return self._findings()

    def _findings(self):
        """What was found; where the file goes with the session, its code looks for it beside itself."""
        if not self.uploaded:
            return self.found
        return replace(
            self.found, script=self.found.script.replace(repr(str(self.path)), repr(self.path.name))
        )

    def _state(self):
        """What changes when the file does; None where it is gone."""
        try:
            seen = self.path.stat()
        except OSError:
            return None
        return seen.st_size, seen.st_mtime_ns

    def _show(self, data):
        """Take other data, and look at their middle."""
        self.data = data
        self.layer, self.frame, self.place = self._first_layer(), 0, self._middle()

    def _first_layer(self):
        layers = self.layers
        return layers[min(1, len(layers) - 1)] if layers else ""  # columns, or clusters, once there are some

    @property
    def _size(self):
        """Height and width in pixels."""
        data = self.data
        if "x" in data.dims and "y" in data.dims:
            return data.sizes["y"], data.sizes["x"]
        return 1, data.shape[0]

    def _middle(self):
        if self.data is None or self.data.attrs.get("kind") in ("spectrum", "other"):
            return None
        height, width = self._size
        return (width // 2, height // 2)

    def _tried(self, function, *args, **settings):
        try:
            return super()._tried(function, *args, **settings)
        except MemoryError:
            self.error = "there is not enough memory for that"
        except OSError as error:
            plain = error.strerror and error.filename
            self.error = (
                f"{error.filename}: {error.strerror}" if plain else str(error) or type(error).__name__
            )
        return None


def readable(folder: str | Path) -> list[str]:
    """Names of the files in a folder that can be read."""
    return sorted(p.name for p in Path(folder).iterdir() if p.suffix.lower() in io.READABLE)


def _read(path, settings) -> DataArray:
    chosen = {n: getattr(settings, n) for n in ("signal", "kind", "pixel_size")}
    with quietly():
        data = io.read(path, **chosen)
        oblong = data.attrs.get("kind") == "image" and not is_square(calibration_of(data))
        return io.square_pixels(data) if oblong else data


def _numbers(name, text):
    """A number out of a text field, or two for a lattice; None if it is empty."""
    words = re.split(r"[\s;×]+", text.strip()) if text.strip() else []
    try:
        values = tuple(float(word) for word in words)
    except ValueError:
        raise ValueError(f"{text.strip()!r} is no number: write it like 0.39") from None
    if len(values) > (2 if name == "lattice" else 1):
        raise ValueError(f"{text.strip()!r} are {len(values)} numbers: write one, like 0.39")
    return values if len(values) > 1 else values[0] if values else None


def _gaps(places, x, y):
    """Distances of places from one."""
    return np.hypot(*(np.reshape(places, (-1, 2)) - (x, y)).T)
