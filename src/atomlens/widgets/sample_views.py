"""The app: from a file to a report with a mouse, or with the keyboard alone."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from html import escape
from pathlib import Path

import numpy as np

from atomlens._paths import user_path
from atomlens._types import Any
from atomlens.io import KINDS
from atomlens.report import Settings
from atomlens.widgets._linked import LinkedView, dropdown, float_slider, widgets
from atomlens.widgets._sample_figure import OUT, SampleFigure
from atomlens.widgets._upload import Upload
from atomlens.widgets.sample_models import SampleModel, readable

__all__ = ["sample_app"]

_MODES = {"look": "look", "leave out": "left_out", "add": "added", "remove": "removed"}
_HINTS = {
    "empty": "Drop a file on the dashed area, or choose one on this machine; a folder may be typed, too.",
    "new": "Press Analyse. Before it: set the scale if the file has none, and leave out what is no sample.",
    "look": "Click into the data: the close-up and the line below the figure follow.",
    "left_out": "Draw a loop round what is to be left out; or type x and y and press Here, corner by corner.",
    "added": "Click where a column is missing; or type x and y and press Here. Then press Analyse.",
    "removed": "Click a column that is none; or type x and y and press Here. Then press Analyse.",
}
_WRONG = "#B00020"
_AUTO = 0  # in a list of numbers: a Dropdown shows nothing for None
_KINDS = {  # what a control is for
    "scale": ("image", "movie", "spectrum_image"),
    "length": ("image", "movie", "spectrum_image"),
    "mode": ("image", "spectrum_image"),
    "frame": ("movie",),
    "feature_size": ("image", "movie"),
    "threshold": ("image", "movie"),
    "false_alarm_rate": ("image",),
    "n_phases": ("image",),
    "n_clusters": ("spectrum_image", "line_scan"),
}


class SampleApp(LinkedView):
    """A file, its settings, and what was found, with everything linked to one chosen place."""

    def __init__(self, model, folder):
        self._shown = SampleFigure(model, lambda corners: self._answer(model.leave_out, corners))
        self._folder, self._own = Path(folder).resolve(), False
        self._make_controls(model)
        super().__init__(model, self._shown.figure, {}, hint=_HINTS["empty"], verdict=True)
        self.canvas.toolbar_visible = "fade-in-fade-out"
        self._arrange()
        for answer, traits in (
            (self._on_file, "path"),
            (self._on_data, "data"),
            (self._on_settings, "settings"),
            (self._on_found, "found"),
            (self._on_layer, ["layer", "frame"]),
            (self._on_place, "place"),
        ):
            model.observe(answer, traits)
        self.canvas.mpl_connect("button_release_event", self._on_click)
        self._list_files()
        self._on_file()
        self._on_data()

    # Controls ------------------------------------------------------------------------------------------

    def _make_controls(self, model):
        numbers = [("auto", _AUTO), *((str(n), n) for n in range(1, 13))]
        scales = [("of the file", "file"), ("pixel size (nm)", "pixel_size"), ("lattice (nm)", "lattice")]
        rate = Settings().false_alarm_rate
        self.upload = Upload(model.inbox, lambda path: self._answer(model.open, path), self._fail)
        self.file = _typed(
            "file",
            370,
            kind=widgets.Combobox,
            placeholder="name of a file on this machine",
            ensure_option=False,
        )
        kinds = [("as in the file", ""), *((kind.replace("_", " "), kind) for kind in KINDS)]
        self.kind = dropdown("read", kinds, "", width=170)
        self.signal = dropdown("signal", [("", None)], None, width=330)
        self.scale = dropdown("scale", scales, "file", width=180)
        self.length = _typed("", 112, placeholder="0.02, or 0.39 0.40")
        self.mode = widgets.ToggleButtons(options=_MODES, style={"button_width": "87px"})
        self.x, self.y = (_typed(f"{name} (px)", 97, kind=widgets.FloatText) for name in "xy")
        self.here = _button("Here", "crosshairs", "Do it at x and y", 76)
        self.undo = _button("Undo", "undo", "Take back the last change", 80)
        self.run = _button("Analyse", "play", "Make all analyses that make sense", 110)
        self.feature_size = _typed("feature (px)", 150, placeholder="auto")
        self.threshold = _typed("lowest score", 150, placeholder="auto")
        self.false_alarm_rate = float_slider(
            "false alarms a cell", -8, -1, 0.5, rate, log=True, readout=".0e"
        )
        self.n_phases = dropdown("phases", numbers[:7], _AUTO, width=120)
        self.n_clusters = dropdown("clusters", numbers, _AUTO, width=130)
        self.layer = dropdown("show", [""], "", width=180)
        self.frame = widgets.SelectionSlider(options=[0], description="frame", continuous_update=False)
        self.folder = _typed("report to", 380, placeholder="a new folder")
        self.replace = widgets.Checkbox(
            value=False, description="replace", indent=False, layout={"width": "84px"}
        )
        self.reporting = _button("Report", "file-text-o", "Write the report there", 96)
        self.packing = _button("Download", "download", "Report, tables, code", 112)
        self.saving = _button("Save", "save", "Write the settings beside the file", 80)
        self.resume = _button("Resume", "history", "Take the settings saved there", 96)
        self.doubts, self.numbers, self.facts, self.link = (widgets.HTML() for _ in range(4))

    def _arrange(self):
        def row(*children):
            return widgets.HBox(children, layout={"flex_flow": "row wrap", "align_items": "center"})

        self.code.layout.display = ""
        self.tabs = widgets.Tab([self.doubts, self.numbers, self.facts, self.code])
        for n, title in enumerate(("Doubts", "Numbers", "Sample", "Code")):
            self.tabs.set_title(n, title)
        self.children = [
            row(self.file, self.upload, self.kind, self.signal),
            row(self.scale, self.length, self.mode, self.x, self.y, self.here, self.undo),
            row(self.run, self.feature_size, self.threshold, self.false_alarm_rate, self.n_phases,
                self.n_clusters),
            row(self.layer, self.frame, self.message),
            self.canvas,
            self.verdict,
            row(self.folder, self.replace, self.reporting, self.packing, self.saving, self.resume),
            self.link,
            self.tabs,
        ]  # fmt: skip
        self.layout.max_width = "1040px"
        for control, answer in {
            self.file: lambda value: self._choose(value.strip()),
            self.kind: lambda value: self.model.read_as(value or None),
            self.signal: lambda value: self.model.change(signal=value),
            self.scale: lambda _: self._calibrate(),
            self.length: lambda _: self._calibrate(),
            self.layer: lambda value: self.model.set_trait("layer", value or ""),
            self.frame: lambda value: self.model.set_trait("frame", value),
            self.feature_size: lambda value: self.model.change_text("feature_size", value),
            self.threshold: lambda value: self.model.change_text("threshold", value),
            self.false_alarm_rate: lambda value: self.model.change(false_alarm_rate=value),
            self.n_phases: lambda value: self.model.change(n_phases=value or None),
            self.n_clusters: lambda value: self.model.change(n_clusters=value or None),
            self.mode: self._on_mode,
            self.x: lambda _: self._on_typed_place(),
            self.y: lambda _: self._on_typed_place(),
        }.items():
            control.observe(lambda change, answer=answer: self._answer(answer, change["new"]), "value")
        for button, answer in {
            self.here: self._on_here,
            self.undo: self.model.undo,
            self.run: self._on_run,
            self.reporting: self._on_report,
            self.packing: self._on_pack,
            self.saving: self._on_save,
            self.resume: self.model.resume,
        }.items():
            button.on_click(lambda _, answer=answer: self._answer(lambda _: answer(), None))

    def _answer(self, function, value):
        """Do what a control is for, if a hand has moved it; where it cannot be done, it goes back."""
        if not self._own:
            with self._told():
                self.model.error = ""
                function(value)
                if self.model.error:
                    self._show_settings()

    @contextmanager
    def _told(self):
        """Whatever goes wrong is said: what a callback raises, Jupyter hides."""
        try:
            yield
        except Exception as error:
            self.model.error = f"something unexpected went wrong ({type(error).__name__}: {error})"
        self._say_state()

    @contextmanager
    def _setting(self):
        """While the view sets its own controls, they do not answer."""
        before, self._own = self._own, True
        try:
            yield
        finally:
            self._own = before

    @contextmanager
    def _working(self, text):
        """While something is computed, the view says so."""
        self.run.disabled, self.run.description = True, "Working …"
        self._tell(text)
        with self._told():
            yield
        self.run.disabled, self.run.description = False, "Analyse"

    # What happens in the model -------------------------------------------------------------------------

    def _on_file(self, _=None):
        model = self.model
        with self._setting():
            if model.path is not None:
                near = model.uploaded or model.path.parent == self._folder
                self.file.value = model.path.name if near else str(model.path)
                place = Path("~") if model.uploaded else model.path.parent
                self.folder.value = str(place / f"{model.name}_report")
            self.mode.value = "look"
        self._shown.looping = False
        self._may_resume()
        self.link.value = ""

    def _on_data(self, _=None):
        model = self.model
        kind = None if model.data is None else model.data.attrs.get("kind")
        by_hand = dict(list(_MODES.items())[: None if kind == "image" else 2])  # spectra have no columns
        with self._setting():
            several = model.signals is not None and len(model.signals) > 1
            rows = model.signals.iterrows() if several else ()
            self.signal.options = [(f"{n}: {s.title} ({s['shape']})", n) for n, s in rows] or [("", None)]
            if self.mode.options != by_hand:
                self.mode.options, self.mode.value = by_hand, "look"
        self._shown.looping, self._shown.corners = self.mode.value == "left_out", []
        self.signal.layout.display = "" if several else "none"
        for name, kinds in _KINDS.items():
            getattr(self, name).layout.display = "" if kind in kinds else "none"
        for control in (self.x, self.y, self.here):
            control.layout.display = "none" if kind in (None, "spectrum") else ""
        self._on_settings()
        self._on_found()
        self._on_place()

    def _on_settings(self, _=None):
        self._show_settings()
        self._draw()
        self._say_state()

    def _show_settings(self):
        """Show the settings, whoever has changed them."""
        model, chosen = self.model, self.model.settings
        several = model.signals is not None and len(model.signals) > 1
        with self._setting():
            _choose(self.kind, chosen.kind or "")
            _choose(self.signal, model.signal if several else None)
            how = "lattice" if chosen.lattice is not None else "pixel_size" if chosen.pixel_size else "file"
            self.scale.value = how
            self.length.value = "" if how == "file" else _in_words(getattr(chosen, how))
            self.feature_size.value = _in_words(chosen.feature_size)
            self.threshold.value = _in_words(chosen.threshold)
            rate, slider = np.log10(chosen.false_alarm_rate), self.false_alarm_rate
            slider.min, slider.max = min(slider.min, np.floor(rate)), max(slider.max, np.ceil(rate))
            slider.value = chosen.false_alarm_rate
            _choose(self.n_phases, chosen.n_phases or _AUTO)
            _choose(self.n_clusters, chosen.n_clusters or _AUTO)

    def _on_found(self, _=None):
        model, found = self.model, self.model.found
        with self._setting():
            self.layer.options = model.layers or [""]
            self.layer.value = model.layer if model.layer in self.layer.options else self.layer.options[0]
            self.frame.options = frames = model.frames or [0]
            self.frame.value = min(frames, key=lambda n: abs(n - model.frame))
        model.frame = self.frame.value
        doubts = [] if found is None else found.doubts
        nothing = "Nothing was analysed yet." if found is None else "No doubt."
        self.tabs.set_title(0, f"Doubts ({len(doubts)})" if doubts else "Doubts")
        items = "".join(f"<li>{escape(doubt)}</li>" for doubt in doubts)
        self.doubts.value = f"<ul style='color:{_WRONG};line-height:1.45'>{items}</ul>" if items else nothing
        self.numbers.value = nothing if found is None else _table(found.said)
        self.facts.value = nothing if found is None else _table(found.sample.facts)
        self.link.value = ""
        self._draw()
        self._say_state()

    def _on_layer(self, _=None):
        with self._setting():
            if self.model.layer in self.layer.options:
                self.layer.value = self.model.layer
            if self.model.frame in self.frame.options:
                self.frame.value = self.model.frame
        self._draw()

    def _on_place(self, _=None):
        if self.model.place is not None:
            with self._setting():
                self.x.value, self.y.value = (round(float(v), 1) for v in self.model.place)
        self._shown.draw_place()
        self._say_here()
        self._redraw()

    def _draw(self):
        self._shown.draw()
        self._say_here()
        self._redraw()

    # Words ---------------------------------------------------------------------------------------------

    def _show_error(self, _=None):
        self._say_state()

    def _say_state(self):
        """One line: what went wrong, or what can be done."""
        model = self.model
        waiting = model.stale and model.found is not None
        self.run.button_style = "warning" if waiting else "primary"
        if model.error:
            self.message.value = f"<b style='color:{_WRONG}'>{escape(model.error)}</b>"
        elif waiting:
            self.message.value = (
                f"<b style='color:{OUT}'>The settings have changed, or the file: press Analyse.</b>"
            )
        elif model.path is None:
            self._tell(_HINTS["empty"])
        elif self._shown.corners:
            x, y = self._shown.corners[0]
            n = len(self._shown.corners)
            self._tell(f"{n} corners so far. Go on, and come back to ({x:g}, {y:g}) to close the area.")
        else:
            fresh = model.found is None and self.mode.value == "look"
            self._tell(_HINTS["new" if fresh else self.mode.value])

    def _say_here(self):
        said = self.model.here().items()
        self._say(" · ".join(f"<b>{escape(name)}</b> {escape(text)}" for name, text in said) or "&nbsp;")

    def _tell(self, text):
        self.message.value = f"<span style='color:#444'>{escape(text)}</span>"

    def _fail(self, text):
        self.model.error = text

    # What is done by hand ------------------------------------------------------------------------------

    def _list_files(self):
        with self._setting():
            try:
                self.file.options = readable(self._folder)
            except OSError as error:
                self._fail(f"{self._folder} cannot be listed: {error.strerror}")

    def _choose(self, name):
        if not name:
            return
        try:
            path = (self._folder / user_path(name)).resolve()
            names = readable(path) if path.is_dir() else ()
        except (OSError, ValueError) as error:
            self._fail(f"{name} cannot be opened: {getattr(error, 'strerror', None) or error}")
            return
        if names:
            self._folder = path
            self._list_files()
            with self._setting():
                self.file.value = ""
            self._fail(f"there are {len(self.file.options)} files in {self._folder}: choose one")
        else:
            self.model.open(path)

    def _calibrate(self):
        if self.scale.value == "file" or self.length.value.strip():
            self.model.calibrate(self.scale.value, self.length.value)

    def _on_mode(self, mode):
        self._shown.corners, self._shown.looping = [], mode == "left_out"

    def _on_typed_place(self):
        if self.mode.value != "left_out":  # corners may lie outside
            self.model.look_at(self.x.value, self.y.value)

    def _on_here(self):
        place, corners = (self.x.value, self.y.value), self._shown.corners
        if self.mode.value != "left_out" or self.model.data is None:
            self._act(*place)
        elif len(corners) >= 3 and np.hypot(*np.subtract(place, corners[0])) < 1:
            self._shown.corners = []
            self.model.leave_out(corners)
        else:
            corners.append(place)
            self._draw()

    def _act(self, x, y):
        act = {"added": self.model.add, "removed": self.model.remove}.get(self.mode.value)
        (act or self.model.look_at)(x, y)

    def _on_click(self, event):
        free = self.mode.value != "left_out" and not self.canvas.toolbar.mode  # neither a loop nor a zoom
        if free and event.inaxes is self._shown.left and self.model.place is not None:
            with self._told():
                self._act(*self._shown.place_of(event))

    def _on_run(self):
        with self._working("Analysing …"):
            self.model.analyse(progress=lambda title: self._tell(f"{title} …"))

    def _on_save(self):
        model = self.model
        path = model.save(overwrite=self.replace.value or model.uploaded)
        if path is not None:
            said = f"Saved as {escape(str(path))}."
            if model.uploaded:
                said = _download(path.name, "application/json", path.read_bytes())
            self.link.value = said
        self._may_resume()

    def _may_resume(self):
        saved = self.model.saved_at
        self.resume.disabled = saved is None or not saved.exists()

    def _on_report(self):
        with self._working("Writing the report …"):
            path = self.model.report(self.folder.value.strip(), overwrite=self.replace.value)
        if path is not None:
            self.link.value = f"Written: <b>{escape(str(path))}</b>"

    def _on_pack(self):
        with self._working("Packing the report …"):
            packed = self.model.bundle()
        if packed is not None:
            self.link.value = _download(f"{self.model.name}_report.zip", "application/zip", packed)


def _typed(label, width, *, kind=widgets.Text, **options):
    return kind(
        description=label, continuous_update=False,
        style={"description_width": "initial"}, layout={"width": f"{width}px"}, **options,
    )  # fmt: skip


def _button(label, icon, tip, width):
    return widgets.Button(description=label, icon=icon, tooltip=tip, layout={"width": f"{width}px"})


def _choose(control, value):
    """Set a dropdown, also to what it does not offer: the command line and files of settings may."""
    offered = [option[1] for option in control.options]
    if value not in offered:
        control.options = [*control.options, (str(value), value)]
    control.value = value


def _in_words(value):
    return "" if value is None else " ".join(f"{v:g}" for v in np.atleast_1d(value))


def _table(rows):
    cells = "".join(
        f"<tr><th style='text-align:left;padding-right:1.5em'>{escape(name)}</th><td>{escape(said)}</td></tr>"
        for name, said in rows.items()
    )
    return f"<table style='line-height:1.45'>{cells}</table>"


def _download(name, kind, content):
    """A link with the content inside: it needs no server."""
    uri = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    name = escape(name, quote=True)
    size = f"{len(content) / 1e6:.2g} MB"
    return f"<a download='{name}' href='{uri}'><b>{name}</b></a> ({size}): click to keep it."


def sample_app(
    path: str | Path | None = None, settings: Settings | None = None, *, folder: str | Path = "."
) -> Any:
    """From a file to a report, by hand: choose, calibrate, mask, analyse, correct, report.

    Parameters
    ----------
    path : str or Path, optional
        A file to begin with.
    settings : atomlens.report.Settings, optional
    folder : str or Path
        Whose files are offered.

    Returns
    -------
    SampleApp
        An ipywidget; ``model.found`` holds the `atomlens.report.Findings`, ``model.settings`` the settings.

    Raises
    ------
    ImportError
        If ipywidgets, ipympl or anywidget is not installed.

    Examples
    --------
    >>> from atomlens import datasets
    >>> app = sample_app(datasets.sample_path("spectrum_image.hspy"))
    >>> app.model.layer
    'total'
    """
    return SampleApp(SampleModel(path, settings), folder)
