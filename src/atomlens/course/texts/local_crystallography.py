"""What the exercises to lesson 04 say: hints, from a nudge to a worked line, and reasons for choices."""

from atomlens.course.lesson import Question

__all__ = ["HINTS", "QUESTIONS"]

HINTS = {
    "lattice parameters": (
        "in which unit are the numbers that you have, and in which one is asked for?",
        "the lattice gives its lengths in pixels, and knows how large a pixel is",
        "25 px of 0.016 nm each are 0.4 nm",
    ),
    "lattice angle": (
        "the crystal was strained: a right angle is what it had before",
        "the angle from a to b, in degrees; the lattice that you have estimated knows it, or take it from "
        "a · b",
        "a = (2, 0) and b = (1, √3) have a · b = 2 and lengths 2 and 2: cos γ = 1/2, so γ = 60°",
    ),
    "labels of titanium": (
        "which neighbours stay in place while titanium moves?",
        "titanium is off centre with respect to a frame that does not move with it: take its vectors to "
        "that, and four clusters",
        "if all titanium atoms move alike, vectors from one to the next do not change; vectors to "
        "something else do",
    ),
    "displacement in pm": (
        "the mean of the lengths is not the length of the mean: noise makes nearly all of them longer",
        "average dx and dy over all atoms first, then take the length of this one vector",
        "(3, 4) and (3, -4) both have the length 5; their mean (3, 0) has the length 3",
    ),
    "direction in degrees": (
        "which of two numbers goes first, and in which unit does the function answer?",
        "the direction of the mean vector, from +x towards +y; angles themselves cannot be averaged: "
        "359° and 1° have the mean 0°",
        "a mean of (1, 1) points along 45°, one of (-1, 1) along 135°: an arc tangent of dy/dx alone "
        "cannot tell (1, 1) from (-1, -1)",
    ),
    "turned neighbours": (
        "two things change: the vectors themselves, and which neighbour is which",
        "first every vector, (x, y) to (-y, x); then it belongs to the entry of the neighbour whose place "
        "it has taken",
        "neighbours in the order east, north: (1, 0), (0, 1). Turned, the east one points north: it now "
        "is the entry of the north",
    ),
    "number of labels": (
        "labels have to be parted by gaps, all of them: what is the largest number for which they are?",
        "let several numbers be tried, and read what is advised; if it is the last one tried, try more",
        "gaps for 2, 3 and 4 labels, none for 5: so 4",
    ),
    "number of variants": (
        "a phase that is not displaced has a label as well, but no variants",
        "the verdict has one row for each phase, and says of each whether it is ferroic and how many "
        "variants it has",
        "five labels of which four turn into one another and the fifth into itself: four variants",
    ),
    "share of atoms that are right": (
        "True for atoms of a phase that is not ferroic, one value for each titanium atom",
        "each atom has a label, each label belongs to a phase, and each phase is ferroic or not: follow "
        "this chain",
        "phases of atoms (0, 1, 0), and of the phases ferroic (True, False): the atoms are True, False, "
        "True; the rest is the answer",
    ),
    "p-values of the suspects": (
        "a p-value shall be small where there is a displacement, and only there: which null hypothesis "
        "says so?",
        "not shuffled labels, which no sample would survive, but the p-values of the verdict, in the "
        "order of the samples",
        "p-values (0.3, 0.001) at a level of 1 %: the second is ferroic, and the first is not shown to be",
    ),
    "variants of the suspects": (
        "two labels are not two variants: are they displaced, and are they parted?",
        "0 where the verdict says non-ferroic, else its number of variants; this may be smaller than the "
        "number of labels",
        "one displaced domain that was cut into two labels: one variant",
    ),
    "vacancies of Pb and Ti": (
        "two whole numbers, and in which order?",
        "find the sites of the lattice that have no column, inside the field; the site tells the sublattice",
        "sites (0, 0, 1) of empty places, site 0 named A and site 1 named B: two of A and one of B",
    ),
    "wave vector": (
        "two numbers in cycles per cell: along a, and along b. Which of the waves is no accident?",
        "list the superlattices of the neighbourhoods, and take the one that chance explains least",
        "a displacement + - + - along a and the same along b repeats after two cells along a: (0.5, 0)",
    ),
    "cells in the new cell": (
        "how many cells differ from one another, before the wave repeats?",
        "the cell (i, j) has the phase i q_a + j q_b; whole cycles do not count; how many different "
        "phases are there?",
        "q = (1/3, 0) has the phases 0, 1/3, 2/3: three cells; q = (1/2, 1/3) has 0, 1/6, ..., 5/6: six",
    ),
}

# The text and the options stand in the notebook.
QUESTIONS = {
    "turned only": Question(
        "a",
        {
            "a": "a rotation keeps lengths and angles, which is why strain is read off these",
            "b": "both vectors turn by the same 5°, and so their angle stays",
            "c": "they would change under strain; a rotation keeps all lengths",
            "d": "an area is made of lengths and an angle, and a rotation keeps them",
        },
    ),
    "who moves": Question(
        "b",
        {
            "a": "a vector between two atoms changes by the difference of their shifts; how large is that?",
            "b": (
                "both ends of every vector move alike; the frame has to be something that stays, here lead"
            ),
            "c": "draw two titanium atoms, shift both, and measure the vector between them",
        },
    ),
    "length of noise": Question(
        "b",
        {
            "a": "two errors add up in a length, at right angles",
            "b": (
                "about 1.25 times 6 pm: noise alone looks like a displacement, unless vectors are "
                "averaged before the length is taken"
            ),
            "c": "a length is never negative: how could the mean of positive numbers be zero?",
        },
    ),
    "a hundred atoms": Question(
        "b",
        {
            "a": "independent errors partly cancel in a mean",
            "b": "6 pm / √100; so a displacement well below the error of a column can be measured",
            "c": "the variance falls by 100, the error by its root",
            "d": "the error of a sum grows, to √100 times 6 pm; then it is divided by 100",
        },
    ),
    "variants of a direction": Question(
        "c",
        {
            "a": (
                "the direction and its opposite are two of them; there are more operations in 4mm than these"
            ),
            "b": "this is so along an axis or a diagonal, where a mirror leaves the direction as it is",
            "c": (
                "4mm has eight operations, and none but the identity keeps a direction in general position"
            ),
        },
    ),
    "shuffled labels": Question(
        "c",
        {
            "a": (
                "with more shuffles, p would be a smaller number than one in a thousand, and just as "
                "misleading"
            ),
            "b": "the verdict says otherwise: is there another hypothesis that shuffling disproves?",
            "c": (
                "cut any round cloud in two and turn it by 180°: most points change sides. A test has to "
                "ask for a gap, or for a centre that is off"
            ),
            "d": "it is a good test of independence; that is not what is asked here",
        },
    ),
    "one in a hundred": Question(
        "c",
        {
            "a": "a level is the share of false alarms that one accepts; it is small, but not nothing",
            "b": "this is how many are rightly called non-ferroic",
            "c": "this is what a level means: so a single hit among many samples proves little",
        },
    ),
    "two periods": Question(
        "b",
        {
            "a": "after two cells along b the wave has made half a cycle: it is not back yet",
            "b": "phases 0, 1/4, 1/2, 3/4: four kinds of cells; the new cell may be oblique",
            "c": "do not add the periods: list the phases i/2 + j/4 without whole cycles",
            "d": "2 x 4 cells certainly repeat, but a smaller, oblique cell does as well",
        },
    ),
}
