"""Transition matrices against planted ones and deeptime; tests of order and stationarity at their level."""

import warnings
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from deeptime.markov import TransitionCountEstimator
from deeptime.markov.hmm import DiscreteOutputModel, HiddenMarkovModel, MaximumLikelihoodHMM
from deeptime.markov.msm import BayesianMSM, MaximumLikelihoodMSM
from scipy.special import gammaln
from scipy.stats import beta

from atomlens import dynamics
from atomlens.dynamics._hidden import Sequences, sample_chains
from atomlens.simulate import movies

MATRIX = np.array([[0.9, 0.07, 0.03], [0.1, 0.8, 0.1], [0.05, 0.2, 0.75]])
CONFUSION = np.array([[0.94, 0.03, 0.03], [0.04, 0.93, 0.03], [0.02, 0.03, 0.95]])


def planted(**options):
    chosen = {"n_particles": 25, "n_frames": 60, "matrix": MATRIX, "shape": (9000, 9000), **options}
    sample = movies.tracks(**chosen)
    return sample.data.assign(particle=sample.extras["particle"]).query("particle >= 0")


def chain(states, particle=0, first=0):
    return pd.DataFrame(
        {"frame": first + np.arange(len(states)), "particle": particle, "state": list(states)}
    )


def quiet(tracks, function=dynamics.transitions, **options):
    """A result whose doubts are several: all raised again as one."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = function(tracks, **options)
    warnings.warn("; ".join(str(w.message) for w in said))
    return found


def trajectories(tracks):
    return [g["label"].to_numpy() for _, g in tracks.sort_values("frame").groupby("particle") if len(g) > 1]


def test_counts_and_matrix_are_those_of_deeptime():
    tracks = planted()
    found = dynamics.transitions(tracks)
    counts = TransitionCountEstimator(lagtime=1, count_mode="sliding").fit_fetch(trajectories(tracks))
    model = MaximumLikelihoodMSM(reversible=False).fit_fetch(counts)
    assert np.array_equal(found.counts, counts.count_matrix)
    assert np.allclose(found.matrix, model.transition_matrix)
    assert np.allclose(found.occupation, model.stationary_distribution, atol=0.01)
    effective = TransitionCountEstimator(lagtime=1, count_mode="effective").fit_fetch(trajectories(tracks))
    posterior = BayesianMSM(n_samples=400, reversible=False).fit_fetch(effective)
    samples = np.array([m.transition_matrix for m in posterior.samples])
    low, high = np.quantile(samples, [0.025, 0.975], axis=0)
    width = found.high - found.low
    assert (np.abs(found.low - low) < 0.3 * width).all()
    assert (np.abs(found.high - high) < 0.3 * width).all()


def test_gaps_count_as_no_transition():
    tracks = pd.concat([chain("aab"), chain("ba", first=5), chain("ab", particle=1)])
    tracks = tracks.assign(state=tracks["state"].str.replace("a", "A"))
    with pytest.warns(UserWarning, match="only 3 transitions start from A"):
        found = quiet(tracks, states=["A", "b"])
    assert found.counts.tolist() == [[1, 2], [1, 0]]


def test_intervals_are_those_of_jeffreys():
    tracks = pd.concat([chain("a" * 8 + "b" * 5 + "a" * 20), chain("abab" * 10, particle=1)])
    found = dynamics.transitions(tracks)
    n = found.counts.sum(axis=1)
    for i, j in np.ndindex(2, 2):
        expected = beta.ppf([0.025, 0.975], found.counts[i, j] + 0.5, n[i] - found.counts[i, j] + 0.5)
        assert np.allclose([found.low[i, j], found.high[i, j]], expected)
    assert np.allclose(found.lifetime, 1 / (1 - found.matrix.diagonal()))
    slow = dynamics.transitions(tracks, dt=2.0)
    assert np.allclose(slow.lifetime_interval, 2 * found.lifetime_interval)
    assert (found.lifetime_interval[:, 0] < found.lifetime).all()
    assert (found.occupation_interval[:, 0] < found.occupation).all()
    assert found.table().shape == (4, 6)
    assert "Transitions of 2 states" in repr(found)


def test_plain_intervals_hold_the_truth():
    inside = []
    for seed in range(60):
        found = dynamics.transitions(planted(n_frames=25, random_state=seed))
        inside.append((found.low <= MATRIX) & (found.high >= MATRIX))
    share = np.mean(inside, axis=0)
    assert 0.92 < share.mean() < 0.99
    assert share.min() > 0.85


def test_hidden_states_are_seen_through_errors_and_gaps():
    inside, errors, naive = [], [], []
    for seed in range(12):
        tracks = planted(misclassification=CONFUSION, missed=0.1, random_state=seed)
        found = dynamics.transitions(tracks, misclassification=CONFUSION)
        inside.append((found.low <= MATRIX) & (found.high >= MATRIX))
        errors.append(found.matrix - MATRIX)
        naive.append(dynamics.transitions(tracks).matrix - MATRIX)
    assert np.mean(inside) > 0.88
    assert np.abs(np.mean(errors, axis=0)).max() < 0.025
    assert np.abs(np.mean(naive, axis=0)).max() > 0.05
    assert np.allclose(found.matrix.sum(axis=1), 1)
    assert np.array_equal(found.misclassification, CONFUSION)


def test_without_errors_the_hidden_chain_is_the_plain_one():
    tracks = planted(n_frames=40)
    plain, hidden = dynamics.transitions(tracks), dynamics.transitions(tracks, misclassification=np.eye(3))
    assert np.allclose(hidden.counts, plain.counts)
    assert np.allclose(hidden.matrix, plain.matrix, atol=5e-3)
    assert np.allclose(hidden.low, plain.low, atol=5e-3)
    assert np.allclose(hidden.high, plain.high, atol=5e-3)


def test_the_hidden_chain_is_that_of_deeptime():
    """Its likelihood has its maximum within our interval, near our mean."""
    tracks = planted(n_particles=30, n_frames=80, misclassification=CONFUSION, random_state=4)
    found = dynamics.transitions(tracks, misclassification=CONFUSION)
    start = HiddenMarkovModel(found.matrix, DiscreteOutputModel(CONFUSION))
    model = MaximumLikelihoodHMM(start, lagtime=1, reversible=False, stationary=False).fit_fetch(
        trajectories(tracks)
    )
    other = model.transition_model.transition_matrix
    width = found.high - found.low
    assert (np.abs(other - found.matrix) < 0.75 * width).all()


def test_counts_of_a_phantom_widen_the_intervals():
    tracks = planted(misclassification=CONFUSION, random_state=3)
    few = np.rint(40 * CONFUSION + 1)
    sure, unsure = (
        dynamics.transitions(tracks, misclassification=m) for m in (few / few.sum(axis=1, keepdims=True), few)
    )
    ratio = (unsure.high - unsure.low) / (sure.high - sure.low)
    assert 1.05 < np.median(ratio) < 3


def test_samples_are_those_of_the_exact_posterior():
    """Two states and one short track: all sequences summed one by one."""
    confusion = np.array([[0.8, 0.2], [0.3, 0.7]])
    seen = [0, 1, -1, 1]
    table = chain([0, 1, 1]).assign(frame=[0, 1, 3])
    sequences = Sequences.of(table, "state", [0, 1])
    assert sequences.seen.tolist() == [seen]
    runs = [sample_chains(sequences, confusion, None, np.random.default_rng(s))[0] for s in range(12)]
    counts = np.concatenate(runs)
    expected, total = np.zeros((2, 2)), 0.0
    for hidden in product((0, 1), repeat=4):
        n = np.zeros((2, 2))
        for a, b in pairwise(hidden):
            n[a, b] += 1
        # Dirichlet with 1/2 for each, integrated over the matrix; the first state has the same
        weight = np.exp((gammaln(n + 0.5) - gammaln(0.5)).sum() - gammaln(n.sum(axis=1) + 1).sum())
        weight *= np.prod([confusion[s, o] for s, o in zip(hidden, seen, strict=True) if o >= 0])
        expected, total = expected + weight * n, total + weight
    assert np.allclose(counts.mean(axis=0), expected / total, atol=0.08)


@pytest.mark.parametrize("test", [dynamics.first_order, dynamics.stationary])
def test_tests_reject_the_truth_as_often_as_they_say(test):
    p = [test(planted(n_particles=8, n_frames=20, random_state=s)).p_value for s in range(3000, 3100)]
    assert np.mean(np.array(p) <= 0.05) <= 0.12
    assert np.mean(np.array(p) <= 0.5) > 0.3


def test_errors_of_classification_look_like_memory_and_are_allowed_for():
    tracks = planted(n_particles=50, n_frames=100, misclassification=CONFUSION, random_state=1)
    assert dynamics.first_order(tracks).p_value < 0.05
    assert dynamics.first_order(tracks, misclassification=CONFUSION).p_value > 0.05
    assert dynamics.stationary(tracks, misclassification=CONFUSION).p_value > 0.05


def test_memory_is_found():
    rng = np.random.default_rng(0)
    tracks = []
    for particle in range(20):
        states = [0, 0]
        for _ in range(60):
            # It stays where it was twice, and leaves where it just came
            stay = 0.95 if states[-1] == states[-2] else 0.5
            states.append(states[-1] if rng.random() < stay else 1 - states[-1])
        tracks.append(chain(states, particle))
    found = dynamics.first_order(pd.concat(tracks))
    assert found.p_value < 0.01
    assert found.statistic > 3 * found.expected
    assert "first order: p = " in repr(found)


def test_classes_that_are_swapped_on_the_way_are_found():
    tracks = planted(random_state=6)
    swapped = tracks.assign(label=np.where(tracks["frame"] < 30, tracks["label"], 2 - tracks["label"]))
    assert dynamics.stationary(swapped).p_value < 0.01
    assert dynamics.stationary(tracks, n_blocks=3).p_value > 0.01
    with pytest.warns(UserWarning, match="were two classes swapped"):
        dynamics.transitions(tracks, misclassification=CONFUSION[::-1])


def test_a_mean_of_rows_is_biased_and_one_sequence_says_nothing():
    matrix = np.full((5, 5), 0.075) + 0.625 * np.eye(5)
    rows, pooled, one = [], [], []
    for seed in range(6):
        tracks = planted(n_particles=47, n_frames=20, matrix=matrix, missed=0.1, random_state=seed)
        rows.append(dynamics.row_mean_matrix(tracks).diagonal())
        pooled.append(dynamics.transitions(tracks).matrix.diagonal())
        matrix_8 = np.full((5, 5), 0.05) + 0.75 * np.eye(5)
        atoms = movies.tracks(4, n_frames=300, matrix=matrix_8, shape=(9000, 9000), random_state=seed).data
        one.append(dynamics.one_sequence_matrix(atoms).diagonal())
    assert 0.5 < np.mean(rows) < 0.61
    assert abs(np.mean(pooled) - 0.7) < 0.02
    assert 0.15 < np.mean(one) < 0.28


def test_nothing_known_is_said():
    with pytest.warns(UserWarning, match="no track has two detections"):
        found = quiet(chain("a"), states=["a", "b"])
    assert (found.low == 0).all()
    assert (found.high == 1).all()
    assert np.isnan(found.matrix).all()
    with pytest.warns(UserWarning, match="nothing ever follows b"):
        found = quiet(chain("a" * 30 + "b"))
    assert (found.low[1].tolist(), found.high[1].tolist()) == ([0, 0], [1, 1])
    with pytest.warns(UserWarning, match="only 2 transitions start from b"):
        dynamics.transitions(chain("a" * 30 + "bba"))
    with pytest.warns(UserWarning, match="nothing to test"):
        assert np.isnan(dynamics.first_order(chain("ab")).p_value)
    with pytest.warns(UserWarning, match="no track has two"):
        assert np.isnan(quiet(chain("a"), dynamics.stationary).p_value)


def test_no_detection_at_all_is_said():
    empty = pd.DataFrame({"frame": [], "particle": [], "label": []})
    for function in (dynamics.transitions, dynamics.first_order, dynamics.stationary):
        with pytest.raises(ValueError, match="list the states"):
            function(empty)
        with pytest.warns(UserWarning, match="no track has two detections"):
            found = quiet(empty, function, misclassification=np.eye(2))
    assert np.isnan(found.p_value)


def test_classes_never_left_have_an_endless_life():
    tracks = pd.concat([chain("a" * 20 + "b" * 20), chain("b" * 9, particle=1)])
    with pytest.warns(UserWarning, match="b is never left"):
        found = dynamics.transitions(tracks, dt=0.5)
    assert found.lifetime[1] == np.inf
    assert found.high[1, 1] == 1
    assert found.low[1, 0] == 0
    assert 1 < found.lifetime_interval[1, 0] < np.inf


def test_classes_that_look_alike_are_doubted():
    alike = np.array([[0.5, 0.5], [0.5, 0.5]])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = dynamics.transitions(chain([0, 1] * 20), misclassification=alike)
    assert any("seen alike" in str(w.message) for w in said)
    assert np.mean(found.high - found.low) > 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"states": [0, 1]}, "which states does not list"),
        ({"misclassification": np.eye(2)}, "list all in `states`"),
        ({"misclassification": [[0.5, 0.2]]}, "must be square"),
        ({"misclassification": np.full((3, 3), 0.2)}, "rows are true states"),
        ({"misclassification": -np.eye(3)}, "no negative"),
        ({"state": "colour"}, "lacks colour"),
        ({"level": 2.0}, "level lies"),
        ({"dt": 0.0}, "dt must be"),
    ],
)
def test_bad_input_is_explained(options, message):
    with pytest.raises(ValueError, match=message):
        dynamics.transitions(planted(n_frames=20), **options)


def test_bad_tables_are_explained():
    tracks = planted(n_frames=5)
    with pytest.raises(ValueError, match="rows have no label"):
        dynamics.transitions(tracks.assign(label=np.nan))
    with pytest.raises(ValueError, match="already"):
        dynamics.transitions(tracks.assign(particle=0))
    with pytest.raises(ValueError, match="n_blocks"):
        dynamics.stationary(tracks, n_blocks=1)
    with pytest.raises(ValueError, match="which states does not list"):
        dynamics.row_mean_matrix(tracks, states=[0])
    with pytest.raises(ValueError, match="lacks frame"):
        dynamics.one_sequence_matrix(pd.DataFrame({"state": [1]}))
