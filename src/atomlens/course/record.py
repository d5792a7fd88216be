"""What a student has tried and found, in a small file beside the notebook, so that it survives a restart."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from atomlens._paths import user_path
from atomlens._replace import replacing
from atomlens._shell import shell
from atomlens._types import Any

__all__ = ["Record", "place", "say"]

_FORMAT, _MOST = 1, 5000  # numbers of an answer that are kept: a map of labels, not an image
_STATES = ("right", "wrong", "open")


def place(lesson: str, seed: int) -> Path | None:
    """Where the answers of one student to one lesson are kept, or None if they are not.

    In Jupyter that is the folder ``answers`` beside the notebook. The variable ``ATOMLENS_ANSWERS`` names
    another folder, or says ``off``. Plain Python keeps nothing, and neither do tests of solutions.

    Parameters
    ----------
    lesson : str
        Its name.
    seed : int
        The student's, which stands for their name in the file's.

    Returns
    -------
    Path or None

    Examples
    --------
    >>> place("01_spectral_clustering", 7) is None  # here is no notebook
    True
    """
    chosen = os.environ.get("ATOMLENS_ANSWERS", "")
    if chosen.lower() == "off" or os.environ.get("ATOMLENS_CHECK") == "strict":
        return None
    if not chosen and not hasattr(shell(), "kernel"):
        return None
    return user_path(chosen or "answers").absolute() / f"{lesson}_{seed}.json"


class Record:
    """Verdicts, tries and accepted answers of one student in one lesson.

    A file that cannot be read is moved aside, not overwritten; one that cannot be written is told once.

    Parameters
    ----------
    path : Path, optional
        Of the file; without one, nothing outlives the session.

    Attributes
    ----------
    checks : dict of str to dict
        ``state``, ``tries`` (different wrong answers), ``level`` (hints given), and ``accepted``, by check.
    hints : dict of str to tuple of str
        What each check could still say.

    Examples
    --------
    >>> record = Record()
    >>> record.note("gamma", 0.3, "wrong", 3), record.note("gamma", 0.3, "wrong", 3)  # nothing new was tried
    (1, 1)
    >>> record.note("gamma", 0.4, "wrong", 3)
    2
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path, self.hints = path, {}
        self.checks, self._ours = self._read(), set()

    def note(self, name: str, answer: Any, state: str, n_hints: int = 0) -> int:
        """Take down a verdict and return how many hints are due; an open answer takes nothing back.

        Parameters
        ----------
        name : str
            Of the check.
        answer : object
            What was handed in.
        state : {"right", "wrong", "open"}
            The verdict.
        n_hints : int
            How many there are.

        Returns
        -------
        int
        """
        check = self.checks.setdefault(name, {"state": "open", "tries": 0, "level": 0})
        if state == "open":
            return check["level"]
        plain, print_of = _plain(answer), _fingerprint(answer)
        if state == "right":
            check["accepted"] = plain
        elif print_of != check.get("last"):
            check["tries"] += 1
            check["level"] = min(check["level"] + 1, n_hints)
        check.update(state=state, last=print_of)
        self._keep(name)
        return check["level"]

    def ask(self, name: str) -> int:
        """Take down that a hint was asked for, and return how many are due.

        Parameters
        ----------
        name : str
            Of the check.

        Returns
        -------
        int
        """
        check = self.checks[name]
        check["level"] = min(check["level"] + 1, len(self.hints.get(name, ())))
        self._keep(name)
        return check["level"]

    def _read(self):
        if self.path is None:
            return {}
        try:
            text = self.path.read_text(encoding="utf-8")
            kept = json.loads(text)
            sound = kept["atomlens"] == _FORMAT and all(map(_is_sound, kept["checks"].values()))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            self._give_up(f"{self.path} cannot be read ({error.strerror or error})")
            return {}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            sound = False
        return kept["checks"] if sound else self._set_aside()

    def _set_aside(self):
        number = 1
        while (aside := self.path.with_suffix(f".damaged-{number}.json")).exists():
            number += 1
        try:
            self.path.rename(aside)
        except OSError as error:
            self._give_up(f"{self.path} is damaged, and cannot be moved aside ({error.strerror or error})")
        else:
            say(f"{self.path.name} is damaged: it is now called {aside.name}, and your answers start anew.")
        return {}

    def _keep(self, name):
        """Write at once; what another kernel noted meanwhile stays."""
        self._ours.add(name)
        if self.path is None:
            return
        others = {n: c for n, c in self._read().items() if n not in self._ours}
        if self.path is None:  # it could not be read
            return
        self.checks = {**self.checks, **others}
        text = json.dumps({"atomlens": _FORMAT, "checks": self.checks}, indent=1)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing([self.path], overwrite=True) as (temporary,):
                temporary.write_text(text, encoding="utf-8")
        except OSError as error:
            self._give_up(f"your answers cannot be kept in {self.path.parent} ({error.strerror or error})")

    def _give_up(self, why):
        self.path = None
        say(f"{why}: they last until this notebook is closed, unless ATOMLENS_ANSWERS names another folder.")


def say(sentence: str) -> None:
    """Tell the student what is kept and what is not, in a sentence."""
    print(sentence)  # noqa: T201 - silence here could lose somebody's work


def _is_sound(check):
    numbers = isinstance(check["tries"], int) and isinstance(check["level"], int)
    return check["state"] in _STATES and numbers


def _plain(answer):
    """An answer as JSON has it, or None: tables, models and large arrays are not kept."""
    if isinstance(answer, str | bool | int | float):
        return answer
    if isinstance(answer, dict):
        items = {str(key): _plain(value) for key, value in answer.items()}
        return items if None not in items.values() else None
    try:
        array = np.asarray(sorted(answer) if isinstance(answer, set | frozenset) else answer)
    except (TypeError, ValueError):
        return None
    return array.tolist() if array.size <= _MOST and array.dtype.kind in "biufU" else None


def _fingerprint(answer):
    """The same for the same answer: whoever runs a cell again has tried nothing new."""
    plain = _plain(answer)
    if plain is not None:
        said = json.dumps(plain).encode()
    elif hasattr(answer, "to_csv"):  # a table
        said = answer.to_csv().encode()
    else:
        array = np.asarray(answer, dtype=None) if hasattr(answer, "dtype") else None
        said = array.tobytes() if array is not None and array.dtype != object else repr(answer).encode()
    return hashlib.sha256(said).hexdigest()[:16]
