"""Few counts: the mixture of multinomials reaches what can be known, and says what cannot."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from sklearn.pipeline import Pipeline

from atomlens import metrics, simulate, spectra
from atomlens.spectra.counts import Halvings, count_folds, dose

CHANNELS = np.arange(120)
SHARES = np.array([np.exp(-CHANNELS / 50) + 0.8 * np.exp(-(((CHANNELS - c) / 6) ** 2)) for c in (30, 60, 90)])
SHARES /= SHARES.sum(axis=1, keepdims=True)
TRUTH = np.zeros((40, 50), dtype=int)
TRUTH[:, 25:] = 1
TRUTH[:13, :16] = 2


def planted(counts, seed=0, thickness=1.0):
    counts = counts * np.broadcast_to(thickness, TRUTH.shape)[..., None]
    drawn = np.random.default_rng(seed).poisson(counts * SHARES[TRUTH])
    return xr.DataArray(drawn.astype(np.float32), dims=("y", "x", "energy"))


def clairvoyant(data):
    """The most likely phase of every spectrum, the spectra of the phases and their areas being known."""
    weights = np.bincount(TRUTH.ravel()) / TRUTH.size
    return (data.values @ np.log(SHARES).T + np.log(weights)).argmax(axis=-1)


@pytest.mark.parametrize("counts", [25, 40, 80])
def test_few_counts_come_close_to_the_clairvoyant(counts):
    data = planted(counts, counts)
    result = spectra.cluster(data, 3)
    best = metrics.adjusted_rand_index(clairvoyant(data), TRUTH)
    assert result.method == "multinomial"
    assert "by multinomial" in repr(result)
    assert metrics.adjusted_rand_index(result.labels, TRUTH) >= 0.9 * best


@pytest.mark.parametrize("counts", [25, 40, 80])
def test_more_could_not_be_learned_where_the_thickness_varies(counts):
    """A start at the truth gets no farther: what is missing to the clairvoyant is not in the counts."""
    data = planted(counts, counts, np.linspace(0.5, 1.5, 50))
    result = spectra.cluster(data, 3)
    model, matrix = result.pipeline[-1], data.values.reshape(-1, 120).astype(float)
    likelihood, shares, weights = model._rounds(matrix, np.eye(3)[TRUTH.ravel()], 1000)
    assert model.log_likelihood_ > likelihood - 1
    from_truth = (matrix @ np.log(shares).T + np.log(weights)).argmax(axis=1).reshape(TRUTH.shape)
    reached, possible = (metrics.adjusted_rand_index(found, TRUTH) for found in (result.labels, from_truth))
    assert reached > 0.97 * possible


def test_either_method_can_be_asked_for():
    data = planted(40)
    assert spectra.cluster(data, 3, "kmeans").method == "kmeans"
    bright = simulate.spectra.eels(3, shape=(24, 24), random_state=0)
    assert spectra.cluster(bright.data, 3).method == "kmeans"
    forced = spectra.cluster(bright.data, 3, "multinomial")
    assert forced.method == "multinomial"
    assert metrics.adjusted_rand_index(forced.labels, bright.truth.labels) > 0.98


@pytest.mark.parametrize("change", [lambda d: d / 7, lambda d: d - 1, lambda d: d * 100])
def test_what_are_no_raw_counts_or_not_few_goes_the_usual_way(change):
    data = change(planted(80))
    assert spectra.cluster(data, 3).method == "kmeans"
    assert spectra.choose_k(data, range(1, 4), n_resamples=1).distinguishable is None


def test_own_steps_are_not_taken_over():
    data = planted(80)
    assert spectra.cluster(data, 3, preprocess=spectra.recommended_pipeline(data)).method == "kmeans"
    cropped = Pipeline([("crop", spectra.Crop(low=10, high=110))])
    assert spectra.cluster(data, 3, "multinomial", preprocess=cropped).pipeline.steps[0][0] == "crop"
    with pytest.raises(ValueError, match="negative"):
        spectra.cluster(data, 3, "multinomial", preprocess=spectra.recommended_pipeline(data))


def test_result_holds_probabilities_and_mean_spectra():
    data = planted(80)
    result = spectra.cluster(data, 3)
    np.testing.assert_allclose(result.scores_map.sum("component"), 1, rtol=1e-5)
    np.testing.assert_array_equal(result.scores_map.argmax("component"), result.labels)
    assert np.isnan(result.scores.silhouette)
    clean = spectra.Despike().fit_transform(data.values.reshape(-1, 120))
    members = clean[result.labels.values.ravel() == 2]
    np.testing.assert_allclose(result.spectra[2], members.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(
        result.pipeline.predict(data.values.reshape(-1, 120)), result.labels.values.ravel()
    )


def test_a_spectrum_without_a_count_is_left_out():
    data = planted(80)
    data[3, 4] = 0
    result = spectra.cluster(data, 3)
    assert result.labels[3, 4] == -1
    assert int((result.labels < 0).sum()) == 1
    assert spectra.choose_k(data, [2, 3], n_resamples=1, max_points=500).recommended == 3


def test_lazy_counts_are_streamed(monkeypatch):
    monkeypatch.setattr("atomlens.spectra._streaming._BLOCK_BYTES", 4 * 120 * 300)
    data = planted(80)
    lazy = data.copy(data=da.from_array(data.values, chunks=(10, 50, 60)))
    mask = np.ones(TRUTH.shape, dtype=bool)
    mask[30:] = False
    here, streamed = (spectra.cluster(d, 3, mask=mask, progress=False) for d in (data, lazy))
    assert streamed.method == "multinomial"
    assert metrics.adjusted_rand_index(here.labels, streamed.labels) > 0.98
    np.testing.assert_allclose(streamed.spectra, here.spectra, rtol=0.1, atol=0.05)
    assert spectra.choose_k(lazy, [2, 3], n_resamples=1).recommended == 3


def test_number_of_phases_is_found_where_gaps_can_be_seen():
    choice = spectra.choose_k(planted(80), range(1, 5), n_resamples=1)
    assert (choice.recommended, choice.distinguishable) == (3, 3)
    assert choice.counts == pytest.approx(80, rel=0.02)
    assert choice.reasons.k["mixture_p"] == 3


def test_what_few_counts_cannot_tell_is_said():
    choice = spectra.choose_k(planted(40), range(1, 5), n_resamples=1)
    assert (choice.recommended, choice.distinguishable) == (1, 3)
    assert "tell 3 spectra apart, but not whether these are phases or a continuum" in repr(choice)
    assert "count longer" in repr(choice)
    one = np.random.default_rng(0).poisson(30 * SHARES[0], (30, 30, 120))
    nothing = spectra.choose_k(one, range(1, 4), n_resamples=1)
    assert (nothing.recommended, nothing.distinguishable) == (1, 1)
    assert "tell no two spectra apart" in repr(nothing)


def test_a_moving_peak_of_few_counts_is_no_set_of_phases():
    energy = np.linspace(0, 40, 200)
    place = np.broadcast_to(20 + 15 * (np.linspace(0, 1, 40) - 0.5), (30, 40))
    peak = np.exp(-(((energy - place[..., None]) / 2.5) ** 2) / 2) + 0.05
    peak /= peak.sum(axis=-1, keepdims=True)
    for counts in (50, 300):
        drawn = np.random.default_rng(counts).poisson(counts * peak)
        choice = spectra.choose_k(drawn, [1, 2], n_resamples=1)
        assert choice.recommended == 1
        assert choice.distinguishable > 1


def test_level_of_the_test_on_halved_counts_and_of_the_gap():
    n_trials, p = 10, []
    for seed in range(n_trials):
        counts = np.random.default_rng(seed).poisson(30 * SHARES[seed % 3], (200, 120)).astype(float)
        p.append(Halvings(counts, random_state=seed).p_value(2))
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / n_trials)


def test_rungs_of_whole_counts_are_no_clusters():
    """One narrow peak of few counts: 0, 1, 2 ... counts in it, of a number that is the same every time."""
    from atomlens._gap import gap_p_values

    rng = np.random.default_rng(0)
    counts = rng.multinomial(12, np.array([0.2, *np.full(20, 0.04)]), 1500).astype(float)
    for fold in count_folds(counts, 2, 2):
        assert gap_p_values([fold])[0, 1] > 0.05


def test_dose_of_raw_counts_only():
    assert dose(np.array([[1, 0, 2], [0, 4, 1]])) == 4
    assert dose(np.array([[0.5, 1.0]])) is None
    assert dose(np.array([[-1.0, 1.0]])) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectra.CountMixture(2).fit(np.zeros((5, 4))), "not a single count"),
        (lambda: spectra.CountMixture(9).fit(np.eye(4)), "from 1 to 4"),
        (lambda: spectra.CountMixture(2).fit(-np.eye(4)), "negative"),
        (lambda: spectra.choose_k(planted(40), range(1, 4), method="gmm"), "must be auto"),
        (lambda: spectra.choose_k(planted(40) / 3, range(1, 4), method="multinomial"), "raw counts"),
    ],
)
def test_bad_input_says_what_to_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()
