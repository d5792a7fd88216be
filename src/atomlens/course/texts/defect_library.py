"""What the exercises to lesson 07 say: hints, from a nudge to a worked line, and reasons for choices."""

from atomlens.course.lesson import Question

__all__ = ["HINTS", "QUESTIONS"]

HINTS = {
    "formula": (
        "count bright atoms first, then the atoms bonded to them, each only once",
        "what is taken out of an image is a list of defects; each one has a formula",
        "two bright atoms with three neighbours each and none in common: Si2C6",
    ),
    "neighbours": (
        "how long is a bond of silicon, and how far away are atoms that are only the next ones?",
        "sort the distances: there is a gap between those that are bonded and the others; count what lies "
        "below it",
        "distances 0.17, 0.18, 0.19, 0.25, 0.26 nm: the gap is after the third",
    ),
    "p-value": (
        "as lonely, or more? And does the newcomer count itself?",
        "the share of all, the newcomer among them, that are at least as lonely as the newcomer",
        "9 members, 2 of them at least as lonely: (2 + 1) / (9 + 1) = 0.3",
    ),
    "new defect": (
        "what is new is unlike all that the library holds",
        "take each candidate out of its image, ask the library whether it has been seen, and compare the "
        "p-values",
        "p-values (0.6, 0.05, 0.4): the second is the least like the members, and it is number 1",
    ),
}

# The text and the options stand in the notebook.
QUESTIONS = {
    "how bright": Question(
        "b",
        {
            "a": "this is the charge of silicon; a ratio to carbon is asked for",
            "b": "(14/6)^1.7 = 4.2: bright enough to be counted by eye",
            "c": "this is the ratio of the charges; it has an exponent",
            "d": "electrons are scattered to large angles by the nucleus, not by valence electrons",
        },
    ),
    "turned round": Question(
        "a",
        {
            "a": "a formula, distances, or the smallest difference over all turns and mirrors",
            "b": "angles are without end, and each entry would need images of its own",
            "c": (
                "pixels of the same defect at two angles differ more than those of two defects at one angle"
            ),
        },
    ),
    "where to cut": Question(
        "a",
        {
            "a": "then small errors of the places change nothing: look at a histogram",
            "b": "the second shell would be counted as well",
            "c": "then the longer ones of the bonds are missed, and noise decides about the shortest",
        },
    ),
    "the smallest p": Question(
        "a",
        {
            "a": "(0 + 1) / (19 + 1): a small library cannot say of anything that it is very unusual",
            "b": "the newcomer counts itself, so there is always one at least as lonely",
            "c": "this is 1/19: the newcomer counts below the line, too",
            "d": "ranks are whole numbers: what rank would be below the first?",
        },
    ),
    "not unusual": Question(
        "c",
        {
            "a": (
                "a p-value says how unusual it is if it belongs; the probability that it belongs is "
                "another thing"
            ),
            "b": "one minus p is no probability of anything that is asked here",
            "c": "nothing speaks against it, which is less than proof: two kinds may look alike",
        },
    ),
    "another microscope": Question(
        "b",
        {
            "a": "something is different, and the dose is known to be",
            "b": (
                "conformal p-values need exchangeability: compare at the same dose, or add noise to the "
                "members"
            ),
            "c": "a small library has large p-values; this one is small",
        },
    ),
    "a hundred known": Question(
        "b",
        {
            "a": "this is how many are rightly recognised",
            "b": "so the promise reads: at most 5 % false alarms, on average",
            "c": "members are unlike one another, too, and some newcomers are at the rim",
        },
    ),
}
