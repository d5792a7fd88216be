"""Networks: saved and loaded without pickles, deterministic, and nothing global touched."""

import json
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from atomlens.columns import Chain, ColumnModel, Ensemble, load_model  # noqa: E402
from atomlens.columns._atomai import import_atomai, quiet, segmentor  # noqa: E402
from atomlens.columns.model import Spec  # noqa: E402

SMALL = Spec(filters=2, classes=("a", "b"))


@pytest.fixture(scope="module")
def model():
    return ColumnModel(SMALL, seed=3)


@pytest.fixture
def picture():
    return np.random.default_rng(0).standard_normal((37, 51)).astype(np.float32)


def test_probabilities_have_the_shape_of_the_image(model, picture):
    maps = model.probability(picture)
    assert maps.shape == (2, 37, 51)
    assert maps.dtype == np.float32
    assert ((maps > 0) & (maps < 1)).all()


def test_the_seed_decides_the_weights(model, picture):
    np.testing.assert_array_equal(ColumnModel(SMALL, seed=3).probability(picture), model.probability(picture))
    assert (ColumnModel(SMALL, seed=4).probability(picture) != model.probability(picture)).any()


def test_saved_and_loaded_it_is_the_same(model, picture, tmp_path):
    path = tmp_path / "mine.pt"
    model.history = pd.DataFrame(
        {"step": [5, 10], "loss": [0.5, 0.2], "f1": [0.1, 0.9], "seconds": [1.0, 2.5]}
    )
    model.save(path, card={"recipe": "a test"})
    again = load_model(path)
    assert again.spec == model.spec
    pd.testing.assert_frame_equal(again.history, model.history)
    np.testing.assert_array_equal(again.probability(picture), model.probability(picture))
    assert json.loads(path.with_suffix(".json").read_text())["card"] == {"recipe": "a test"}
    weights = torch.load(path, weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in weights.values())
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(path)
    model.save(path, overwrite=True)
    assert load_model(path).spec == model.spec
    with pytest.raises(ValueError, match=r"\.pt"):
        model.save(tmp_path / "mine.h5")


def test_half_precision_is_half_the_size(picture, tmp_path):
    model = ColumnModel(Spec(filters=8))
    model.save(tmp_path / "whole.pt")
    model.save(tmp_path / "half.pt", half=True)
    whole, half = ((tmp_path / f"{n}.pt").stat().st_size for n in ("whole", "half"))
    assert half < 0.6 * whole
    again = load_model(tmp_path / "half.pt")
    assert next(again.net.parameters()).dtype == torch.float32
    np.testing.assert_allclose(again.probability(picture), model.probability(picture), atol=0.01)


def _break(kind, path):
    about = path.with_suffix(".json")
    if kind == "no json":
        about.unlink()
    elif kind == "no weights":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:500])
    elif kind == "not torch":
        path.write_bytes(b"hello")
    elif kind == "another network":
        ColumnModel(Spec(filters=4)).save(path, overwrite=True)
        about.write_text(json.dumps({**json.loads(about.read_text()), "filters": 2}))
    elif kind == "json of something else":
        about.write_text('{"a": 1}')
    elif kind == "json is a list":
        about.write_text("[1, 2]")
    elif kind == "history is a word":
        about.write_text(json.dumps({**json.loads(about.read_text()), "history": "long"}))
    elif kind == "pickled object":
        torch.save(SMALL, path)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("no json", FileNotFoundError, "json of the same name"),
        ("no weights", FileNotFoundError, "does not exist"),
        ("truncated", ValueError, "damaged"),
        ("not torch", ValueError, "damaged"),
        ("another network", ValueError, "another network"),
        ("json of something else", ValueError, "does not describe"),
        ("json is a list", ValueError, "does not describe"),
        ("history is a word", ValueError, "does not describe"),
        ("pickled object", ValueError, "no plain state dict|not a plain state dict"),
    ],
)
def test_foreign_or_damaged_files_are_explained(kind, error, message, tmp_path):
    path = tmp_path / "model.pt"
    ColumnModel(SMALL).save(path)
    _break(kind, path)
    with pytest.raises(error, match=message):
        load_model(path)


def test_an_ensemble_is_the_mean_and_knows_its_doubt(picture):
    members = [ColumnModel(SMALL, seed=s) for s in (1, 2, 3)]
    ensemble = Ensemble(members)
    every = np.stack([m.probability(picture) for m in members])
    np.testing.assert_allclose(ensemble.probability(picture), every.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(ensemble.spread(picture)[1], every.std(axis=0), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="at least two"):
        Ensemble(members[:1])
    with pytest.raises(ValueError, match="same classes"):
        Ensemble([members[0], ColumnModel(Spec(filters=2))])


def test_nothing_global_is_touched_and_nothing_printed(picture, capsys):
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    torch.manual_seed(5)
    expected = np.random.rand(), random.random(), torch.rand(1).item()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    torch.manual_seed(5)
    ColumnModel(SMALL).probability(picture)
    with quiet():
        segmentor("Unet", 1, 2).predict(picture)
    assert (np.random.rand(), random.random(), torch.rand(1).item()) == expected  # noqa: NPY002
    assert capsys.readouterr().out == ""


def test_one_thread_is_used_and_the_setting_comes_back(model, picture, monkeypatch):
    torch.set_num_threads(2)
    seen = []
    forward = type(model.net).forward
    monkeypatch.setattr(
        type(model.net), "forward", lambda self, x: seen.append(torch.get_num_threads()) or forward(self, x)
    )
    model.probability(picture)
    with quiet():
        assert torch.get_num_threads() == 1
    assert seen == [1]
    assert torch.get_num_threads() == 2


def test_the_library_reads_our_weights(picture):
    """AtomAI's own predictor and ours see the same in the middle of a picture."""
    import_atomai()
    model = ColumnModel(Spec(filters=2), seed=1)
    square = np.random.default_rng(1).standard_normal((64, 64)).astype(np.float32)
    with quiet():
        theirs = model.segmentor.predict(square, norm=False, compute_coords=False)
    inner = slice(28, 36)
    np.testing.assert_allclose(
        model.probability(square)[0, inner, inner], theirs[0, inner, inner, 0], atol=0.05
    )


def test_a_segmentor_trained_by_hand_can_be_taken_over(picture):
    built = segmentor("Unet", 1, 2, seed=4)
    model = ColumnModel.from_segmentor(built)
    assert model.spec == Spec(filters=2)
    np.testing.assert_array_equal(
        model.probability(picture), ColumnModel(Spec(filters=2), seed=4).probability(picture)
    )
    with pytest.raises(ValueError, match="2 names were given"):
        ColumnModel.from_segmentor(built, classes=("a", "b"))


def test_the_threshold_of_an_ensemble_is_the_median():
    models = [ColumnModel(replace(SMALL, threshold=t)) for t in (0.5, 0.3, 0.45)]
    assert Ensemble(models).spec == replace(SMALL, threshold=0.45)


@pytest.mark.parametrize(
    "make", [lambda: Ensemble(["general", "general"]), lambda: Chain("general", "general")]
)
def test_names_are_no_networks(make):
    with pytest.raises(TypeError, match="trained models, not of str: open them with load_model"):
        make()


def test_a_segmentor_with_other_layers_is_refused():
    with quiet():
        odd = import_atomai().models.Segmentor("Unet", nb_classes=1, nb_filters=4, layers=[1, 1, 1, 1])
    with pytest.raises(ValueError, match="other layers than AtomAI's default"):
        ColumnModel.from_segmentor(odd)


def test_atomai_is_imported_without_what_takes_long():
    """What it imports and nothing here uses comes when it is called, and is not replaced for others."""
    code = (
        "import sys; from atomlens.columns._atomai import import_atomai; atomai = import_atomai()\n"
        "assert not {'torchvision', 'torchvision.models', 'mendeleev'} & set(sys.modules)\n"
        "assert atomai.utils.graphx.element('C').atomic_number == 6\n"
        "assert 'mendeleev' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
