"""What the exercises to lesson 05 say: hints, from a nudge to a worked line, and reasons for choices."""

from atomlens.course.lesson import Question

__all__ = ["HINTS", "QUESTIONS"]

HINTS = {
    "window that fits": (
        "one of the windows holds whole cells, down and across: how would its Patterson function show it?",
        "measure for each size how much the Patterson function depends on the place; the smallest spread "
        "wins",
        "spreads of (0.30, 0.02, 0.25) for three sizes: the second one fits, and its (height, width) is "
        "the answer",
    ),
    "gamma": (
        "which distance is the closest, which the farthest, and is a distance squared or not?",
        "the difference of two kernels is largest where its derivative with respect to γ is zero: two "
        "exponentials that can be parted by a logarithm",
        "exp(-g) - exp(-4 g), for distances 1 and 2: -exp(-g) + 4 exp(-4 g) = 0, so 3 g = ln 4 and g = 0.46",
    ),
    "number of vacancies": (
        "count hits, not pixels, and look at them in the figure",
        "the detector of the lesson returns a table of defects with a row for each",
        "a table of rows 0, 1 and 2 has the length 3",
    ),
    "perfect crystal": (
        "a perfect crystal gives no hits; the number of the image is asked for, counted from 0",
        "run the detector on all three with its own settings, and compare how many hits there are",
        "hits (2, 5, 0): the last one is perfect, and it is number 2",
    ),
    "smaller twin": (
        "a fraction of the area, of the smaller of the two",
        "a map of domains has a number in each place: which share of the places has the number of the "
        "smaller one?",
        "of the labels (0, 0, 1, 0) a quarter is not 0: the mean of (False, False, True, False) is 0.25",
    ),
}

# The text and the options stand in the notebook.
QUESTIONS = {
    "a larger window": Question(
        "a",
        {
            "a": "contrast against noise and sharpness of the map pull in opposite directions",
            "b": "ten whole cells are whole cells",
            "c": "more pixels average more noise: this speaks for large windows",
        },
    ),
    "too sharp a kernel": Question(
        "a",
        {
            "a": (
                "the kernel matrix becomes the identity, and nothing is learned about what rows have in "
                "common"
            ),
            "b": "this is what a very small γ does: then the kernel is 1 for any two rows",
            "c": "the kernel decides which rows are neighbours, and that is all the machine knows",
        },
    ),
    "nu": Question(
        "a",
        {
            "a": (
                "it is an upper bound on the share of rows left outside, and a lower bound on that of "
                "support vectors"
            ),
            "b": "it is a setting of ours, and knows nothing about how many defects there are",
            "c": (
                "this would need to know how many defects there are, and how they score; a p-value comes "
                "from a null, not from ν"
            ),
        },
    ),
    "no labels": Question(
        "c",
        {
            "a": "all windows are turned alike, and whatever is common is learned",
            "b": "rare defects are the case for which it is made: the common is learned as normal",
            "c": (
                "what is common becomes normal: a film in which a third is different has two phases, and "
                "no anomalies"
            ),
        },
    ),
    "what a score says": Question(
        "b",
        {
            "a": "a dopant, a speck of dirt or a tear would score as well: the score has no names",
            "b": "no more than this; what it is has to be seen, or measured, in a second step",
            "c": "scores are ranks: to become probabilities they need a null distribution, and a prior",
        },
    ),
    "many windows": Question(
        "d",
        {
            "a": "every test may err, and there are many of them",
            "b": "this is how many are rightly left alone",
            "c": "the level counts per window, and it is a share, not a number",
            "d": (
                "1000 · 0.01: so the level of a single window has to be far lower, or the whole image "
                "has to be tested"
            ),
        },
    ),
    "at the boundary": Question(
        "a",
        {
            "a": (
                "a strip as wide as a window is undecided: the error is its width times the length of the "
                "boundary, over the area"
            ),
            "b": "a share has no unit: both areas change alike",
            "c": "deep within a twin every window is clear, and noise rarely turns it into the other one",
        },
    ),
}
