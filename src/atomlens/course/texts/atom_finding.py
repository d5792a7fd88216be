"""What the exercises to lesson 03 say: hints, from a nudge to a worked line, and reasons for choices."""

from atomlens.course.lesson import Question

__all__ = ["HINTS", "QUESTIONS"]

HINTS = {
    "number of columns": (
        "some rows may be too weak to be asked for, as oxygen is: which say that they are asked for?",
        "a column of True and False marks the rows that count; True counts as 1",
        "(True, False, True) has the sum 2",
    ),
    "contrast": (
        "a ratio of two columns that count: which two, and which of them on top?",
        "only rows that are scored, and of these how many electrons each has: the most against the fewest",
        "of 300, 120 and 60 electrons the strongest has 5 times as many as the weakest",
    ),
    "F1 on the secret image": (
        "look at your table laid over the image: are columns missing, or too many, or is x taken for y?",
        "the network of the lesson finds columns of any lattice like these; peaks in a noisy image need "
        "smoothing first",
        "with precision 1 and recall 0.8, F1 is 2 · 0.8 / 1.8 = 0.89: one fifth of the columns is missing",
    ),
    "F1 by hand": (
        "two shares are to be combined: of the reported, and of the planted. Which kind of mean?",
        "precision counts right among reported, recall right among planted; F1 is their harmonic mean",
        "3 right of 4 reported, 6 planted: precision 3/4, recall 1/2, and 2 · 3 / (4 + 6) = 0.6",
    ),
    "Cramér-Rao bound": (
        "how does the error of a mean depend on how many were averaged?",
        "every electron measures the place with the width of the column as its error, and all of them "
        "together average",
        "3 px wide and 900 electrons: 3 / √900 = 0.1 px",
    ),
    "error over the bound": (
        "a peak's brightest pixel is at best right to half a pixel, and the bound is far below: what "
        "comes after finding?",
        "fit a model to the pixels around each column, and leave out those that could not be fitted (no "
        "standard error)",
        "rounding to whole pixels alone has an error of 1/√12 = 0.29 px; a fit to 900 electrons of width "
        "3 reaches 0.1",
    ),
    "columns in noise": (
        "the number of rows that are reported, whatever you think of them",
        "look at the length of the table; a finder that knows what noise looks like reports none of it",
        "a table without rows has the length 0, and that is a number as good as any",
    ),
}

# The text and the options stand in the notebook.
QUESTIONS = {
    "no true negatives": Question(
        "b",
        {
            "a": (
                "if empty pixels counted, accuracy would be far larger than F1, and that is not what "
                "makes a score good"
            ),
            "b": (
                "they are endless, and would make every finder look perfect: F1 uses only what was "
                "reported and what was planted"
            ),
            "c": "in a phantom it is known, and yet there is no such number",
        },
    ),
    "half of them": Question(
        "b",
        {
            "a": "this is its recall; its perfect precision counts for something as well",
            "b": "2 · 1 · 0.5 / 1.5: the harmonic mean stays close to the smaller of the two",
            "c": (
                "this is the arithmetic mean, by which a finder that reports one column alone would get "
                "half the marks"
            ),
            "d": "this is its precision; half of the columns are missing",
        },
    ),
    "a lower threshold": Question(
        "b",
        {
            "a": "weaker peaks are let in: are all of them columns?",
            "b": "weak columns are found, and with them some noise: F1 is best somewhere between",
            "c": "this is what a higher threshold does",
        },
    ),
    "four times the dose": Question(
        "b",
        {
            "a": "its square, the variance, falls to a quarter",
            "b": "it goes with one over the root of the number of electrons",
            "c": (
                "this would need errors that fall as the square of the dose; independent electrons "
                "average more slowly"
            ),
            "d": "the width is the error of one electron; more of them average",
        },
    ),
    "finer pixels": Question(
        "b",
        {
            "a": "more pixels do not bring more electrons, and it is electrons that carry information",
            "b": (
                "width and number of electrons are what they were, and nothing else is in the bound as "
                "long as pixels are small"
            ),
            "c": "each pixel is noisier, and there are more of them: both effects cancel",
        },
    ),
    "better than the bound": Question(
        "c",
        {
            "a": "over one column this might be luck; over a hundred the average leaves hardly any",
            "b": "no unbiased fit to these data alone can be better than the bound, let alone five times",
            "c": (
                "truth that leaked, errors counted wrongly, or prior knowledge, such as a lattice that "
                "places are drawn to"
            ),
        },
    ),
    "sure of it": Question(
        "c",
        {
            "a": "if the warning is right, 99 % has lost its meaning",
            "b": "the number comes from a function that was never tested on such images",
            "c": "far from its training data a network is as sure as ever, and as often wrong as it likes",
        },
    ),
}
