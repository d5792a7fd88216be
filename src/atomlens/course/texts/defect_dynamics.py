"""What the exercises to lesson 08 say: hints, from a nudge to a worked line, and reasons for choices."""

from atomlens.course.lesson import Question

__all__ = ["HINTS", "QUESTIONS"]

HINTS = {
    "D and σ": (
        "a straight line has two numbers: which tells how fast it is, and which what was there at time zero?",
        "in two dimensions the slope is 4 D, and errors of the places add 4 σ² at any time",
        "a line 0.8 t + 0.04: D = 0.8 / 4 = 0.2, and σ = √(0.04 / 4) = 0.1",
    ),
    "diffusion coefficient": (
        "steps hold noise as well as motion, and a frame lasts longer than a second or less: is either "
        "forgotten?",
        "the estimator of the lesson takes noise out by the correlation of successive steps; it has to "
        "know the time between frames",
        "the mean square of a step is 4 D dt + 4 σ²; the mean product of two successive steps is -σ² "
        "along each axis, so noise can be taken out",
    ),
    "counts": (
        "which pairs of sightings are one frame apart, and of one particle?",
        "take each particle for itself, in order; a pair counts if the frame of the second is that of the "
        "first plus one",
        "frames 0, 1, 3 with a, b, b: one transition, from a to b; from 1 to 3 is no step of one frame",
    ),
    "true matrix": (
        "what is seen goes through the eye twice, once for each frame: it has to be undone on both sides",
        "make probabilities of pairs out of what is seen, divide the misclassification out from left and "
        "right, and make rows sum to 1",
        "S = Mᵀ J M, so J = M⁻ᵀ S M⁻¹; with J = [[0.4, 0.1], [0.1, 0.4]] the rows divided by 0.5 are "
        "[[0.8, 0.2], [0.2, 0.8]]",
    ),
    "bound particles": (
        "what is bound does not get away: how does its displacement grow with time?",
        "test each set for whether its particles are free; the number of the set is asked for, counted "
        "from 0",
        "p-values (0.4, 0.7, 0.0001) for being free: the last set is not, and it is number 2",
    ),
}

# The text and the options stand in the notebook.
QUESTIONS = {
    "at time zero": Question(
        "a",
        {
            "a": "σ² for each axis and for each of the two sightings: 4 σ² in a plane",
            "b": "displacements are counted from the first sighting: what was before does not matter",
            "c": "the curve is exact here, and the intercept is still there",
        },
    ),
    "three dimensions": Question(
        "b",
        {
            "a": "there is one more axis to move along",
            "b": "2 D for each axis, and they add up",
            "c": "the factor does not double with each dimension: one axis gives 2 D, two give 4 D",
            "d": "squares of axes add up, they are not multiplied",
        },
    ),
    "long lags": Question(
        "c",
        {
            "a": "free diffusion does not stop, and bound particles show it as a plateau",
            "b": "it takes no time worth mentioning",
            "c": (
                "the points of the curve are not independent: more of them do not make a better line, "
                "unless they are weighted"
            ),
        },
    ),
    "noise in steps": Question(
        "c",
        {
            "a": "errors make steps longer, not shorter",
            "b": "errors are zero on average, their squares are not",
            "c": (
                "each step holds the errors of two sightings: D is too large by σ²/dt, and the more the "
                "faster one films"
            ),
        },
    ),
    "how long it stays": Question(
        "b",
        {
            "a": "a probability is no duration",
            "b": "1 / (1 − 0.9), the mean of a geometric distribution",
            "c": "this is 1/0.9; it is the probability of leaving that sets the time",
            "d": "0.9 of 0.9 of 0.9 ... gets small",
        },
    ),
    "an eye that errs": Question(
        "c",
        {
            "a": (
                "an error towards b is not undone by one towards a in another frame: both look like "
                "transitions"
            ),
            "b": (
                "an error in a single frame looks like two transitions, there and back; how rarely does "
                "it hide one?"
            ),
            "c": "where states last long, nearly every error adds a transition there and one back",
        },
    ),
    "never far": Question(
        "b",
        {
            "a": "the particle does not come back to the exact point at which it started",
            "b": "at the size of the trap, and of the error: a plateau that free particles do not have",
            "c": "it cannot get further than its trap is wide: what does this say about the square of it?",
        },
    ),
}
