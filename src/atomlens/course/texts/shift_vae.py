"""What the exercises to lesson 06 say: hints, from a nudge to a worked line, and reasons for choices."""

from atomlens.course.lesson import Question

__all__ = ["HINTS", "QUESTIONS"]

HINTS = {
    "shifted crop": (
        "shift by hand: for a positive x, must what the crop shows lie further right or further left?",
        "for each pixel of the crop, say where in the frame it comes from, and interpolate there: rows "
        "first, then columns",
        "frame (0, 0, 5, 0, 0), crop of three from its middle shifted by +1: crop[x] = frame[1 + x - 1], "
        "which is (0, 0, 5)",
    ),
    "divergences": (
        "one divergence for each signal first; what is averaged, and when?",
        "two Gaussians: the squared mean, the variance, and the logarithm of the width each count; then "
        "the mean over the signals",
        "μ = 1 and σ = 1: (1 + 1 - 1)/2 - ln 1 = 0.5 nats",
    ),
    "collapsed latent": (
        "a latent that has collapsed has the posterior of its prior, whatever the signal",
        "compare how far each posterior is from the prior; correlation does not matter, as it has no scale",
        "divergences of 1.9, 0.02 and 0.7 nats: the second says next to nothing",
    ),
    "shift_scale": (
        "three questions: standard deviation or largest value? pixels or half-widths? width or half-width?",
        "find the standard deviation of a uniform distribution from -L to L, and give it in half-widths "
        "of the window",
        "L = 3 px: 3/√3 = 1.73 px; in a window of 21 px, half of it is (21 - 1)/2 = 10 px: 0.173",
    ),
    "three kinds": (
        "do crops of one kind lie together in the plane of the two contents? Draw it",
        "with room for the right shift and no more, contents form three clouds; a mixture of three "
        "Gaussians labels them",
        "contents near (0, 0), (2, 0) and (0, 3) are three clouds: each crop gets the number of its own",
    ),
    "content map": (
        "a shift in a crystal has no ends: which of the two models knows this?",
        "the model with a lattice; and of several models the one with the higher bound is the better one",
        "shifted by a whole period of 9 px, a window is the same again: 10 px and 1 px are one shift",
    ),
    "real map": (
        "what is in the crystal does not know where in its cell a window was cut",
        "for each map, average over windows with the same x and y modulo the period: which share of the "
        "variance is in these averages?",
        "values 1, 3, 1, 3 at places A, B, A, B of the cell: the place explains all of it. Values 1, 1, "
        "3, 3 there: none",
    ),
}

# The text and the options stand in the notebook.
QUESTIONS = {
    "which way": Question(
        "a",
        {
            "a": "the pixel x of the crop shows what was at x − 2: the column at 10 is now seen at 12",
            "b": "put in numbers: if the frame has its column at 10, for which x is x − 2 = 10?",
            "c": "x runs along the rows, to the right",
        },
    ),
    "correlated": Question(
        "c",
        {
            "a": "chance gives correlations of about 1/√400 = 0.05, not strong ones",
            "b": "the divergence says how much information there is, and it is about zero",
            "c": "the decoder gets the mean plus noise of about 1: next to this, the tiny means drown",
        },
    ),
    "zero nats": Question(
        "b",
        {
            "a": "the mean needs no latent at all: the decoder has constants for this",
            "b": "the latent is drawn from the same distribution whatever the signal: pure noise",
            "c": "a bit would be ln 2 = 0.69 nats",
        },
    ),
    "uniform": Question(
        "b",
        {
            "a": "this is its largest value: all others are smaller",
            "b": "L/√3: the mean of the square of a uniform variable is L²/3",
            "c": "this is the mean of its absolute value; squares weigh large shifts more",
            "d": "this is the whole range",
        },
    ),
    "too much room": Question(
        "c",
        {
            "a": "they can be: what lies outside is filled in; this is no reason for a narrow prior",
            "b": "the same network is trained for as many epochs",
            "c": (
                "a prior that is too wide is paid for in the bound, and a shift by one more period fits "
                "nearly as well"
            ),
        },
    ),
    "a higher bound": Question(
        "c",
        {
            "a": "a description that fits better is not yet a cause; see the last section",
            "b": "of different data they cannot; these are the same",
            "c": (
                "a bound on the likelihood of the same data can be compared, and no truth is needed for it"
            ),
        },
    ),
    "beats": Question(
        "a",
        {
            "a": (
                "the shift leaks into the content; so ask which share of the map the place in the cell "
                "explains"
            ),
            "b": "a superlattice has a longer period than the crystal",
            "c": "noise has no period: it would differ from cell to cell",
        },
    ),
}
