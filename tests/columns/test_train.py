"""Training: it learns, stops, resumes, and refuses what it cannot use."""

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from atomlens.columns import Chain, Scenes, losses, train  # noqa: E402
from atomlens.columns.model import spotlight  # noqa: E402
from atomlens.columns.train import _VALIDATION_SEED, _rate  # noqa: E402
from atomlens.simulate import defects, structures  # noqa: E402

TINY = {"filters": 2, "size": 32, "batch_size": 2, "n_validation": 2, "progress": False}


@pytest.fixture(scope="module")
def graphene():
    return structures.graphene((8, 8))


def test_it_learns_to_find_columns():
    scenes = Scenes([structures.perovskite((8, 8))], size=64, electrons=(500, 3000), disturbed=0.0)
    model = train(
        scenes,
        filters=4,
        steps=60,
        batch_size=8,
        validate_every=20,
        n_validation=6,
        learning_rate=1e-2,
        progress=False,
    )
    assert model.history["f1"].iloc[-1] > 0.9
    assert model.history["loss"].iloc[-1] < model.history["loss"].iloc[0]
    assert model.history["step"].tolist() == [20, 40, 60]


def test_the_same_seed_gives_the_same_network(graphene):
    one, two, other = (train(graphene, steps=3, validate_every=3, random_state=s, **TINY) for s in (0, 0, 1))
    picture = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    np.testing.assert_allclose(one.probability(picture), two.probability(picture), atol=1e-5)
    assert np.abs(one.probability(picture) - other.probability(picture)).max() > 1e-3


def test_an_interrupted_training_goes_on_where_it_stopped(graphene, tmp_path):
    file = tmp_path / "state.pt"
    options = {"steps": 6, "validate_every": 2, "checkpoint": file, **TINY}

    class Stop(Exception):
        pass

    calls = []

    def failing(logits, target, weight):
        calls.append(1)
        if len(calls) > 4:
            raise Stop
        return losses.cross_entropy(logits, target, weight)

    failing.__qualname__ = losses.cross_entropy.__qualname__  # what a checkpoint knows a loss by
    with pytest.raises(Stop):
        train(graphene, loss=failing, **options)
    resumed = train(graphene, loss=losses.cross_entropy, **options)
    straight = train(graphene, steps=6, validate_every=2, **TINY)
    pd.testing.assert_frame_equal(
        resumed.history.drop(columns="seconds"), straight.history.drop(columns="seconds"), rtol=1e-4
    )
    for change in ({"random_state": 9}, {"loss": "focal"}, {"learning_rate": 0.1}, {"electrons": (5, 50)}):
        with pytest.raises(ValueError, match="another training"):
            train(graphene, **{"loss": losses.cross_entropy, **options, **change})
    with pytest.raises(ValueError, match="another training"):
        train(structures.metal("Au", (8, 8)), loss=losses.cross_entropy, **options)


def test_fine_tuning_starts_from_what_was_learnt(graphene):
    first = train(graphene, steps=3, validate_every=3, **TINY)
    tuned = train(graphene, start=first, steps=1, validate_every=1, learning_rate=1e-9, **TINY)
    picture = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    np.testing.assert_allclose(tuned.probability(picture), first.probability(picture), atol=0.02)
    with pytest.raises(ValueError, match="cannot start Unet with 4 filters"):
        train(graphene, start=first, **{**TINY, "filters": 4})


def test_the_second_of_a_chain_sees_what_the_first_points_at(graphene):
    first = train(graphene, steps=2, validate_every=2, **TINY)
    second = train(graphene, after=first, steps=2, validate_every=2, **TINY)
    picture = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    lit = spotlight(first, picture)
    assert np.abs(lit).sum() < np.abs(picture).sum()
    np.testing.assert_array_equal(Chain(first, second).probability(picture), second.probability(lit))


@pytest.mark.parametrize("classes", ["column", "defect"])
def test_training_begins_with_the_frequency_of_what_is_asked_for(graphene, classes):
    structure = defects.vacancies(graphene, n=40, random_state=0)
    scenes = Scenes([structure], size=32, classes=classes)
    rng = np.random.default_rng([0, _VALIDATION_SEED])
    asked = np.mean([scenes.draw(rng)[1].mean() for _ in range(20)])
    options = {"filters": 2, "batch_size": 2, "n_validation": 20, "progress": False}
    model = train(scenes, steps=1, validate_every=1, learning_rate=1e-12, **options)
    assert torch.sigmoid(model.net.px.bias).item() == pytest.approx(asked, rel=1e-3)
    even = train(scenes, steps=1, validate_every=1, learning_rate=1e-12, prior_start=False, **options)
    assert 0.2 < torch.sigmoid(even.net.px.bias).item() < 0.8


@pytest.mark.parametrize("role", ["start", "after"])
def test_networks_are_handed_over_opened(graphene, role):
    with pytest.raises(TypeError, match=f"{role} must be a trained model, not str: open it"):
        train(graphene, steps=1, **{role: "general"}, **TINY)


def test_a_validation_set_without_any_is_refused(graphene):
    with pytest.raises(ValueError, match=r"none of the 2 scenes.*raise n_validation"):
        train(defects.vacancies(graphene, random_state=0), classes="defect", steps=1, **TINY)


def test_patience_stops_early(graphene):
    model = train(graphene, steps=40, validate_every=1, patience=2, learning_rate=1e-12, **TINY)
    assert len(model.history) < 40


def test_scenes_may_be_drawn_by_another_process(graphene):
    here = train(graphene, steps=2, validate_every=2, **TINY)
    there = train(graphene, steps=2, validate_every=2, workers=1, **TINY)
    assert there.history["loss"].tolist() == pytest.approx(here.history["loss"].tolist(), rel=1e-4)


@pytest.mark.parametrize("architecture", ["Unet", "dilnet"])
@pytest.mark.parametrize("loss", ["ce", "focal"])
def test_networks_losses_and_classes_go_together(architecture, loss):
    structure = structures.transition_metal_dichalcogenide("MoS2", (8, 8))
    model = train(
        structure,
        architecture=architecture,
        loss=loss,
        classes="sublattice",
        steps=2,
        validate_every=1,
        **TINY,
    )
    assert model.spec.classes == ("Mo", "S2")
    assert model.spec.architecture == architecture
    assert np.isfinite(model.history["loss"]).all()


def test_learning_rate_rises_and_falls():
    rates = [_rate(step, 1000) for step in range(1000)]
    assert rates[0] < 0.1
    assert max(rates) == pytest.approx(1)
    assert rates[-1] == pytest.approx(0.01, abs=0.002)
    assert np.argmax(rates) < 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "ResNet"}, "architecture must be"),
        ({"loss": "hinge"}, "loss must be"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"filters": 0}, "filters must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"classes": "atoms"}, "classes must be one of"),
    ],
)
def test_bad_options_are_explained(graphene, options, message):
    with pytest.raises(ValueError, match=message):
        train(graphene, **{**TINY, **options})


def test_options_of_scenes_are_not_lost(graphene):
    with pytest.raises(ValueError, match="Scenes object"):
        train(Scenes([graphene], size=32), size=64)
