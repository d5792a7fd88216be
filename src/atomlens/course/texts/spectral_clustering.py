"""What the exercises to lesson 01 say: hints, from a nudge to a worked line, and reasons for choices."""

from atomlens.course.lesson import Question

__all__ = ["HINTS", "QUESTIONS"]

HINTS = {
    "mean counts": (
        "a spectrum is many numbers, one for each energy: what makes one number of counts of them?",
        "two steps in this order: add up over energy, which leaves a map of counts; then average over the "
        "map",
        "two spectra, 3 + 5 + 2 and 4 + 6 + 4 counts: sums of 10 and 14, and their mean is 12",
    ),
    "number of phases": (
        "several criteria vote, and not one of them alone decides: what does the choice as a whole advise?",
        "what `choose_k` returns knows its own advice: look at its attributes with the Tab key, or at its "
        "repr",
        "an object that compares k = 1 to 8 holds a score for each k, and beside them the one k that it "
        "advises",
    ),
    "BIC's k": (
        "this is asked of one criterion alone, not of the advice of all",
        "the table of reasons has one row for each criterion, and a column with the k that each prefers",
        "in a table with rows `a`, `b` and a column `k`, `table.k['a']` is what row `a` says",
    ),
    "label map": (
        "a map of labels has one whole number for each place of the scan; how many clusters did you ask for?",
        "cluster with the number of phases from above; the result holds the map beside spectra and sizes",
        "if an object has a part called `spectra`, `result.spectra` is that part; a map is another one",
    ),
    "strongest energy (eV)": (
        "every spectrum of EELS is strongest at low energy: what is special about the smallest cluster?",
        "look at a difference: the spectrum of this cluster minus the mean over all clusters; where is it "
        "largest?",
        "spectra (9, 4, 5) and (9, 4, 1) have the mean (9, 4, 3): the first exceeds it most in its third "
        "channel, and the answer is the energy of that channel, not its number",
    ),
    "repaired map": (
        "which quantity has the published map followed, and which step could take it out of every spectrum?",
        "a thicker place has more counts in all channels alike; what is left if each spectrum is divided "
        "by its own sum?",
        "thin (2, 6) and thick (4, 12), divided by their sums, are both (0.25, 0.75)",
    ),
    "silhouette's k": (
        "ask the sample with a single phase, and only one of the criteria",
        "the same table of reasons as for your own sample, with k from 1 to 6",
        "a criterion that compares a cluster with its nearest neighbour needs two: whatever it says, it "
        "will not be 1",
    ),
    "recommended k": (
        "now all criteria together are asked, among them one that can say 1",
        "the advice of the choice as a whole, for the sample with a single phase",
        "criteria that need two clusters may all prefer 2; a test for gaps in the density can find none, "
        "and then nothing is parted",
    ),
    "score against dose": (
        "a dictionary has a key for each dose, and its value is a score, not a map of labels",
        "at each dose: measure the sample anew, cluster it with the planted number of phases, compare "
        "with the truth",
        "{1: 0.1, 2: 0.4} pairs each key with a score; a loop fills it: `scores[key] = value`",
    ),
}

# The text and the options stand in the notebook.
QUESTIONS = {
    "what adds up": Question(
        "a",
        {
            "a": "four times the counts, and twice the standard deviation: noise over signal falls as 1/√N",
            "b": "the absolute noise doubles, and the signal it is divided by grows as well",
            "c": "this is what the relative variance does; the standard deviation is its square root",
            "d": (
                "noise grows, but less than the signal: its variance, not its standard deviation, is "
                "proportional to the counts"
            ),
        },
    ),
    "more clusters": Question(
        "c",
        {
            "a": (
                "every further cluster lets some spectra come closer to a mean, so it does not stop "
                "falling there"
            ),
            "b": (
                "it goes on falling beyond: a phase that is cut in two still fits its spectra better than "
                "before"
            ),
            "c": (
                "then every spectrum is its own mean and the sum is zero: so a criterion for k has to "
                "charge for clusters, or look for gaps"
            ),
        },
    ),
    "names of labels": Question(
        "b",
        {
            "a": (
                "this would be so for the share of equal labels, which is why that is no good score for "
                "clusters"
            ),
            "b": (
                "the index looks at pairs of points, together or apart, and both maps say the same of "
                "every pair"
            ),
            "c": (
                "this would be so if names were compared; the index asks of each pair of points whether "
                "both maps put them together"
            ),
        },
    ),
    "a map of dice": Question(
        "b",
        {
            "a": ("this is the share of lucky guesses; the word adjusted says what is done about such luck"),
            "b": "it is adjusted so that chance gives 0 on average, whatever the number of clusters",
            "c": (
                "the plain Rand index can be there and higher, as most pairs are apart in both maps; it "
                "is not adjusted"
            ),
            "d": (
                "negative values mean less agreement than by chance, and dice are neither better nor "
                "worse than chance"
            ),
        },
    ),
    "why a difference": Question(
        "b",
        {
            "a": "subtracting one noisy curve from another adds noise, it removes none",
            "b": (
                "all share a background that falls steeply, and it hides what sets one cluster apart; a "
                "difference shows just that"
            ),
            "c": "counts are never negative, but their differences are, and may be",
        },
    ),
    "thick and thin": Question(
        "b",
        {
            "a": "both lose the same, and differ as much as before: a factor is not undone by a difference",
            "b": "the factor stands in every channel and in the area alike, and cancels",
            "c": "this makes spectra less noisy, and leaves a factor where it is",
            "d": (
                "each channel gets a new unit, the same for both places: one is still larger than the "
                "other in all of them"
            ),
        },
    ),
    "one phase": Question(
        "a",
        {
            "a": (
                "without a second cluster it is not defined: it can only say which split is best, never "
                "that there should be none"
            ),
            "b": "it is not 0: try to write down the nearest other cluster of a point",
            "c": "it converges at once, to the mean of all",
            "d": "it charges for nothing: it is a mere comparison of distances",
        },
    ),
    "how steep": Question(
        "b",
        {
            "a": "the noise grows in counts, but falls relative to the signal",
            "b": (
                "clusters are told apart once their spectra differ by more than the noise; after that "
                "there is little to gain"
            ),
            "c": (
                "it cannot grow for ever: what would the largest possible score be, and how far would a "
                "straight line go?"
            ),
            "d": (
                "the means of clusters are averaged, but each single spectrum has to be assigned, with "
                "all its noise"
            ),
        },
    ),
}
