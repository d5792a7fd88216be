"""A verdict, and how it is shown."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

from atomlens._shell import shell

__all__ = ["MARK", "Result"]

MARK = {"right": "✓", "wrong": "✗", "open": "○"}
_COLOUR = {"right": "#1a7f37", "wrong": "#b42318", "open": "#57606a"}


@dataclass(frozen=True)
class Result:
    """The verdict on one answer; true only if it is right.

    Parameters
    ----------
    name : str
        What was asked.
    state : {"right", "wrong", "open"}
        Open means that there is no answer yet.
    message : str
        What helps.

    Examples
    --------
    >>> bool(Result("pixel size", "right", "correct"))
    True
    """

    name: str
    state: str
    message: str
    _shown_in: list = field(default_factory=list, repr=False, compare=False)

    def __bool__(self):
        return self.state == "right"

    def __repr__(self):
        return f"{MARK[self.state]} {self.name}: {self.message}"

    def _repr_html_(self):
        name, message = html.escape(self.name), html.escape(self.message)
        return f'<span style="color:{_COLOUR[self.state]}"><b>{MARK[self.state]} {name}</b></span>: {message}'

    def _ipython_display_(self):
        self.show()

    def show(self) -> None:
        """Show once a cell: as the last line of the cell that made it, a result would appear twice."""
        here = shell()
        if here is None:
            print(self)  # noqa: T201 - the verdict is the point of calling a checker
        elif here.execution_count not in self._shown_in:
            from IPython.display import display

            self._shown_in.append(here.execution_count)
            display({"text/plain": repr(self), "text/html": self._repr_html_()}, raw=True)
