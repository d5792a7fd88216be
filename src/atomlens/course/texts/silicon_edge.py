"""What the exercises to lesson 08b say: hints, from a nudge to a worked line, and reasons for choices."""

from atomlens.course.lesson import Question

__all__ = ["HINTS", "QUESTIONS"]

HINTS = {
    "different pictures": (
        "which operations leave it as it is?",
        "twelve operations make twelve pictures; those that leave it alone make the same one again",
        "a picture that two of the twelve leave alone: 12 / 2 = 6 different ones",
    ),
    "states": (
        "two classes are one state if one of them, turned or mirrored, looks like the other",
        "make all twelve copies of each class, and put together those of which a copy is like another",
        "classes A, B and C, and B turned by 120° is A: states 0, 0, 1",
    ),
    "probabilities to stay": (
        "what was *this* atom in the frame before?",
        "the label before, of the same particle; then count all particles together, and divide each row",
        "from loose 80 times to loose, 15 to bridge, 5 to edge: 80 / 100 = 0.8",
    ),
    "memory": (
        "without a memory, what comes next depends on the present only",
        "test for each set whether the state before the present one helps to tell the next",
        "p-values (0.4, 0.7, 0.001): the last is hard to explain without a memory",
    ),
}

# The text and the options stand in the notebook.
QUESTIONS = {
    "why twelve": Question(
        "b",
        {
            "a": "the lattice also has mirrors, and they are no turns",
            "b": "six turns, and each of them once more after a mirror",
            "c": "translations move a picture; it is cut out around its atom, so they are taken out already",
        },
    ),
    "more classes": Question(
        "c",
        {
            "a": "noise blurs a class; it does not turn it",
            "b": "the mixture does its work well: to it, a turned picture is another picture",
            "c": "a mixture sees pictures, and a state has as many as the host has ways to turn it",
        },
    ),
    "too symmetric": Question(
        "a",
        {
            "a": "of a blurred picture many operations seem to leave all alone",
            "b": "more operations that leave it alone are fewer different pictures",
            "c": "the host has only those it has, whatever the picture looks like",
        },
    ),
    "one sequence": Question(
        "a",
        {
            "a": "successive rows are mostly different atoms, so what comes next looks like chance",
            "b": "then rows would nearly always agree: but the neighbour in the table is another atom",
            "c": "the shares of the states stay right; what becomes of what does not",
        },
    ),
    "lost sight": Question(
        "b",
        {
            "a": "its end was not seen, so nothing can be counted from it",
            "b": "steps that were seen count, the one that was not does not",
            "c": "nobody saw it change: that would be an invention",
        },
    ),
    "no memory found": Question(
        "c",
        {
            "a": "a test can fail to find what is there",
            "b": "a p-value is no probability of the hypothesis",
            "c": "with few steps only a strong memory shows: say how strong it would have to be",
        },
    ),
}
