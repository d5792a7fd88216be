"""What the exercises to lesson 09 say: hints, from a nudge to a worked line, and reasons for choices."""

from atomlens.course.lesson import Question

__all__ = ["HINTS", "QUESTIONS"]

HINTS = {
    "mean angle": (
        "what is halfway between 179 and 1 degrees, for a rod?",
        "turn each angle into a point on a circle that is gone round once in 180 degrees, "
        "average the points, "
        "and go back",
        "angles 170 and 20: doubled 340 and 40, the sum of their unit vectors points along "
        "10, and half of that is 5",
    ),
    "order": (
        "how long is the mean arrow, if every rod is an arrow of length one?",
        "arrows of rods lie at twice their angle, else opposite rods that look alike would cancel",
        "angles 0 and 45: arrows (1, 0) and (0, 1), their mean (0.5, 0.5) has the length 0.71",
    ),
    "total turn": (
        "an angle that jumps from 179 to 1 has not turned by -178",
        "bring each step between two frames between -90 and 90 degrees, then add all steps up",
        "170, 178, 5, 14: steps 8, 7 and 9, in all 24 degrees",
    ),
    "rotational diffusion": (
        "steps hold rattling as well as turning: which of them stays?",
        "noise makes successive steps opposite: their mean product, over the time of a frame, "
        "is added to half "
        "the mean square over the same time",
        "mean square 10, mean product of neighbours -3, half a second a frame: 10 / 1 - 3 / "
        "0.5 = 4 degrees squared a second",
    ),
    "first poor frame": (
        "what is on the surface is also in the next frame; what is not?",
        "correlate each frame with its neighbours, and look where that falls; frames are counted from 0",
        "correlations 0.9, 0.9, 0.9, 0.1, 0.0: the first three frames are alike, and number 3 "
        "is the first that is not",
    ),
}

# The text and the options stand in the notebook.
QUESTIONS = {
    "two numbers": Question(
        "b",
        {
            "a": "a network can return any number; the trouble is which numbers are near to each other",
            "b": (
                "angles that are nearly the same have nearly the same cosine and sine, also where "
                "counting begins anew"
            ),
            "c": "two numbers take longer than one, if anything",
        },
    ),
    "period": Question(
        "c",
        {
            "a": "that is what a particle without any symmetry needs",
            "b": "after half a turn a triangle points the other way",
            "c": "a third of a turn brings it back to itself",
            "d": "that belongs to six equal directions",
        },
    ),
    "short arrow": Question(
        "a",
        {
            "a": "opposite guesses cancel: what is left is short, and says so",
            "b": "what lies far from the middle has no say in the length",
            "c": "the network sees the same kind of particle in all frames",
        },
    ),
    "one witness": Question(
        "b",
        {
            "a": "there are more rows in the table, but the same event is behind them",
            "b": "they turn as one body: fifty rows tell of one hop",
            "c": "noise differs from rod to rod, the hop does not",
        },
    ),
    "hidden jump": Question(
        "c",
        {
            "a": "it would have to be told from a turn the other way",
            "b": "half a turn is the most that a rod can show, and this is beyond",
            "c": "120 = 180 - 60, and 180 degrees bring a rod back to itself",
        },
    ),
    "straight line": Question(
        "a",
        {
            "a": (
                "many distributions look straight over a decade: only a contest on steps not seen "
                "tells them apart"
            ),
            "b": "the axes do not matter here, what is drawn does",
            "c": "more points make a smoother line, not another law",
        },
    ),
}
