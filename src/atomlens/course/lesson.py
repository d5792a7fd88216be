"""What the exercises of all lessons have in common: a seed, hints, questions, and a memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from atomlens._types import Any, Mapping
from atomlens.course import check
from atomlens.course.diagnose import Praise, kind
from atomlens.course.record import Record, place, say

__all__ = ["Lesson", "Question"]


@dataclass(frozen=True)
class Question:
    """A question whose text and options stand in the notebook: the right letter, and a reason for each.

    Parameters
    ----------
    right : str
        The letter of the right option.
    why : dict of str to str
        For each letter why it is right or wrong; of a wrong one, nothing that gives the right one away.

    Examples
    --------
    >>> question = Question("b", {"a": "noise does not add up", "b": "variances add"})
    >>> question.why_not("A")
    'noise does not add up'
    """

    right: str
    why: Mapping[str, str]

    def why_not(self, choice: Any) -> str:
        """Say what there is to say of a choice.

        Parameters
        ----------
        choice : str
            A letter.

        Returns
        -------
        str
            A `Praise` if it is right.
        """
        letter = choice.strip().strip("()").casefold() if isinstance(choice, str) else None
        if letter not in self.why:
            return f"expected one of {', '.join(map(repr, self.why))}, got {kind(choice)}"
        return Praise(self.why[letter]) if letter == self.right else self.why[letter]


class Lesson:
    """One student and one lesson; the exercises of a lesson build on it.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    name : str
        Of the lesson.
    hints : dict of str to tuple of str
        By check: a nudge, the idea, and a line worked with other numbers.
    questions : dict of str to Question
        By name.
    seed : int
        The student's.
    record : Record
        What was tried and found.

    Examples
    --------
    >>> Lesson("Ada Lovelace").seed == check.seed("ada lovelace")
    True
    """

    name: ClassVar[str] = "lesson"
    hints: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    questions: ClassVar[Mapping[str, Question]] = {}

    def __init__(self, student: str) -> None:
        self.seed = check.seed(student)
        self.record = Record(place(self.name, self.seed))
        check.follow(self.record)
        if right := sum(c["state"] == "right" for c in self.record.checks.values()):
            say(f"Welcome back: {right} right so far, and check.summary() lists what.")

    def question(self, name: str, choice: Any) -> check.Result:
        """Judge the choice in a question of the notebook, and say why.

        Parameters
        ----------
        name : str
            Of the question.
        choice : str
            The letter of an option.

        Returns
        -------
        Result

        Raises
        ------
        KeyError
            If there is no such question.
        """
        if name not in self.questions:
            raise KeyError(f"there is no question {name!r}: they are {', '.join(map(repr, self.questions))}")
        asked = self.questions[name]
        return check.judge(choice, lambda: asked.why_not(choice), name, of=self)
