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
from atomlens._types import Any, DataArray
from atomlens.report import Settings, check_place, examine, write
from atomlens.widgets._inbox import Inbox
from atomlens.widgets._model import Model

__all__ = ["SampleModel"]

#: Changed, these are followed at once: nothing has to be found again.
LIVE = ("false_alarm_rate", "n_phases", "n_clusters")
_SAVED = ".settings.json"
_SAME = 3  # pixels: what was added by hand moves so far, at most, as it is fitted


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
    >>> model.change(n_clusters=2)
    >>> model.analyse()
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
        self._memory, self._past = {}, []
        if path is not None:
            self.open(path, settings)

    # The file ------------------------------------------------------------------------------------------

    def open(self, path: str | Path, settings: Settings | None = None) -> bool:
        """Look at a file; the one before stays where that fails. Whether it worked."""
        return bool(self._tried(self._open, path, settings))

    def _open(self, path, settings):
        given = str(path).strip()
        if not given:
            raise ValueError("there is no name of a file: choose or type one")
        path = Path(given).expanduser().resolve()
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
            self.path, self.signals, self.settings, self.data = path, signals, settings, data
            self.found, self.layer, self.frame = None, self._first_layer(), 0
            self.place = self._middle()
        return True

    @property
    def uploaded(self) -> bool:
        """Whether the file came through the browser, and goes with the session."""
        return self.path is not None and self.inbox.holds(self.path)

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
            return Settings.load(self.saved_at if path is None else path)

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
        new, old = settings.to_dict(), self.settings.to_dict()
        changed = {name for name in new if new[name] != old[name]}
        reread = changed & {"signal", "kind", "pixel_size"}
        if reread and self.path is not None:
            data = self._tried(_read, self.path, settings)
            if data is None:
                return False
        if remember:
            self._past.append(self.settings)
        with self.hold_trait_notifications():
            self.settings = settings
            if reread and self.path is not None:
                other = data.shape != self.data.shape
                self.data = data
                if other or reread != {"pixel_size"}:
                    self.found, self.layer, self.frame = None, self._first_layer(), 0
                    self.place = self._middle()
        if self.found is not None and changed and changed <= set(LIVE):
            self.analyse()
        return not self.error

    def undo(self) -> None:
        """Take back the last change of the settings."""
        if not self._past:
            self.error = "there is nothing to undo"
            return
        self.error = ""
        self._become(self._past.pop(), remember=False)

    def leave_out(self, outline: Any) -> bool:
        """Leave out what lies inside corners (x, y) in pixels."""
        corners = np.round(outline, 1).tolist()  # a tenth of a pixel is finer than a hand
        return self._by_hand(left_out=(*self.settings.left_out, tuple(map(tuple, corners))))

    def add(self, x: float, y: float) -> bool:
        """Add a column at a place in pixels."""
        return self._by_hand(added=(*self.settings.added, (round(x, 2), round(y, 2))))

    def remove(self, x: float, y: float) -> bool:
        """Remove the column nearest to a place; one that was added by hand is taken back."""
        shown = self.found.known.get("columns") if self.found else None
        if shown is not None and len(shown):
            x, y = (float(_nearest(shown, x, y)[name]) for name in ("x", "y"))
        added = np.array(self.settings.added).reshape(-1, 2)
        gap = np.hypot(*(added - (x, y)).T)
        if len(added) and gap.min() <= _SAME:
            kept = tuple(place for n, place in enumerate(self.settings.added) if n != gap.argmin())
            return self._by_hand(added=kept)
        return self._by_hand(removed=(*self.settings.removed, (x, y)))

    def _by_hand(self, **changes):
        def check():
            kind = None if self.data is None else self.data.attrs.get("kind")
            if kind is None:
                raise ValueError("there is nothing to mark yet: choose a file")
            if kind != "image" and not (kind == "spectrum_image" and "left_out" in changes):
                raise ValueError(f"a {kind.replace('_', ' ')} has no columns or areas to mark")
            return self.settings.with_(**changes)

        settings = self._tried(check)
        return settings is not None and self._become(settings)

    # Findings ------------------------------------------------------------------------------------------

    @property
    def stale(self) -> bool:
        """Whether the settings ask for something else than was found."""
        return self.path is not None and (self.found is None or self.found.settings != self.settings)

    def analyse(self, progress: Callable[[str], None] | None = None) -> bool:
        """Make the analyses that make sense; only what has changed is computed again. Whether it worked."""

        def make():
            if self.path is None:
                raise ValueError("there is nothing to analyse yet: choose a file")
            return examine(self.path, self.settings, progress=progress, memory=self._memory)

        found = self._tried(make)
        if found is None:
            return False
        first = self.found is None
        with self.hold_trait_notifications():
            self.found = found
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
        return list(range(len(self.data)) if self.found is None else self.found.known["shown"])

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
            check_place(folder, force=overwrite)
            return write(self._current(), folder, force=overwrite)

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
            raise ValueError("the settings have changed since the analysis: analyse again, then report")
        return self._findings()

    def _findings(self):
        """What was found; where the file goes with the session, its code looks for it beside itself."""
        if not self.uploaded:
            return self.found
        return replace(
            self.found, script=self.found.script.replace(repr(str(self.path)), repr(self.path.name))
        )

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
        except (OSError, MemoryError) as error:
            self.error = str(error) or "there is not enough memory for that"
            return None


def readable(folder: str | Path) -> list[str]:
    """Names of the files in a folder that can be read."""
    return sorted(p.name for p in Path(folder).iterdir() if p.suffix.lower() in io.READABLE)


def _read(path, settings) -> DataArray:
    chosen = {n: getattr(settings, n) for n in ("signal", "kind", "pixel_size")}
    with quietly():
        return io.read(path, **chosen)


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


def _nearest(table, x, y):
    return table.iloc[int(np.hypot(table["x"] - x, table["y"] - y).argmin())]
