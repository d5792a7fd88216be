"""What the exercises to lesson 02 say: hints, from a nudge to a worked line, and reasons for choices."""

from atomlens.course.lesson import Question

__all__ = ["HINTS", "QUESTIONS"]

HINTS = {
    "Patterson function": (
        "three things are asked for: mean subtracted, nothing tapered or normalised, origin in the "
        "middle. Which one is missing?",
        "transform, take the squared modulus, transform back; the mean goes first, and the origin is "
        "moved last",
        "for the row (1, -1, 0) the sums of products at shifts 0, 1, 2 are (2, -1, -1); with the origin "
        "in the middle (-1, 2, -1)",
    ),
    "window that fits": (
        "a window needs no taper if its opposite edges go on into each other",
        "whole cells, down and across: then the Patterson function is the same wherever the window is "
        "cut; so measure its spread",
        "a cell of 5 x 7 pixels fits 10 x 7 and 10 x 14, but not 10 x 10; spreads such as (0.2, 0.01, "
        "0.3) say the second, which is number 1 as counting starts at 0",
    ),
    "map of the halves": (
        "a map needs a label for each window, and where each window lies",
        "the two halves differ in their Patterson functions: reduce these, cluster them into two, then "
        "ask the descriptor for a map",
        "twelve windows in 3 rows of 4 give 12 labels; a map has them as 3 x 4, with y and x of their "
        "middles in nm",
    ),
    "changes": (
        "ask what a descriptor sees of each record, and what only the pixels themselves could tell",
        "a Patterson function is blind to translation, contrast and inversion, a small picture of a "
        "column not to the last; and contrast changes the mean of a record",
        "if windows are blind to a change and pictures are not, it can only be one that the Patterson "
        "function cannot see at all: one of the four words remains",
    ),
    "dopants": (
        "likeness is asked for: to which row, and how many?",
        "columns near the border have no picture: the number of a picture is not the number of its row in "
        "the table",
        "if pictures exist for rows 3, 5 and 8 of a table, picture 1 belongs to row 5",
    ),
    "share of directions that are right": (
        "where an atom goes cannot be seen in a single frame: what does the descriptor look at?",
        "each block has many stacks: let those of known blocks teach, the others be told, and all stacks "
        "of a block vote",
        "votes 1, 1, -1 for a block have the sum 1, and that is positive: so 1",
    ),
}

# The text and the options stand in the notebook.
QUESTIONS = {
    "turned by 180°": Question(
        "a",
        {
            "a": (
                "the shift from atom A to B and that from B to A are both in it: the order is lost, and "
                "with it any inversion"
            ),
            "b": "products of two intensities are summed, and both change together: no sign comes of it",
            "c": "size does not help: the symmetry holds for a window of any size",
        },
    ),
    "a window that moves": Question(
        "c",
        {
            "a": "the picture in the window has moved, and something has to know that",
            "b": "then the Patterson function would depend on the place, and be no use in a map",
            "c": (
                "a shift multiplies each coefficient by a phase factor; the Patterson function is made of "
                "the squared moduli"
            ),
        },
    ),
    "no mean": Question(
        "a",
        {
            "a": (
                "the mean times itself, summed over all pixels, is there at every shift: contrast drowns "
                "in it"
            ),
            "b": "the mean is correlated with itself at every shift, not only at the shift of zero",
            "c": "it is symmetric for whatever picture, with its mean or without",
        },
    ),
    "why no taper": Question(
        "a",
        {
            "a": (
                "the discrete Fourier transform repeats the window; without a jump there is nothing that "
                "leaks into other frequencies"
            ),
            "b": "this would be true of any window of that size, whole cells or not",
            "c": "shape is not the point: a square with a cell and a half leaks as well",
        },
    ),
    "blind to contrast": Question(
        "b",
        {
            "a": "there blindness is welcome: thickness changes the contrast, and is no phase",
            "b": (
                "what the descriptor does not see cannot end up in a map: for such domains take the mean, too"
            ),
            "c": "there blindness is welcome, as for everything that the instrument adds",
        },
    ),
    "twice as many": Question(
        "b",
        {
            "a": "likeness is a matter of degree, and there is always a next one",
            "b": "a list of neighbours never says where to stop: look for a gap in the distances",
            "c": (
                "the nearest neighbours of a picture are a list of the length that you ask for, whatever "
                "their distance"
            ),
        },
    ),
    "one frame": Question(
        "b",
        {
            "a": "to be always wrong one has to know the direction as well as to be always right",
            "b": (
                "a single frame shows where an atom is, which is the same for both directions: what is "
                "left is a coin"
            ),
            "c": "atoms of both kinds visit the same places; what differs is the order in time",
        },
    ),
}
