"""Files of networks: nobody's file is overwritten, and whatever is no network of ours is said to be so."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from atomlens import columns, dynamics, particles, shiftvae, simulate  # noqa: E402
from atomlens.columns.model import Spec  # noqa: E402


@pytest.fixture(scope="module")
def finder():
    return columns.ColumnModel(Spec(filters=2))


@pytest.fixture(scope="module")
def vae():
    signals = simulate.shifted.peaks(120).data
    return shiftvae.ShiftVAE(1, noise_sd=0.05, max_epochs=1, progress=False).fit(signals)


@pytest.fixture(params=["finder", "vae"])
def saved(request, tmp_path):
    """A model in files, and what opens it."""
    model = request.getfixturevalue(request.param)
    model.save(tmp_path / "net.pt")
    room = columns if request.param == "finder" else shiftvae
    return model, tmp_path / "net.pt", room


def change(path, **entries):
    about = path.with_suffix(".json")
    about.write_text(json.dumps({**json.loads(about.read_text()), **entries}))


@pytest.mark.parametrize("there", ["net.pt", "net.json"])
def test_neither_file_is_overwritten_unasked(finder, vae, tmp_path, there):
    for model in (finder, vae):
        (tmp_path / there).write_text("somebody else's")
        with pytest.raises(FileExistsError, match=f"{there} exists already: .*overwrite=True"):
            model.save(tmp_path / "net.pt")
        assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(there, "somebody else's")]
        model.save(tmp_path / "net.pt", overwrite=True)
        for file in tmp_path.iterdir():
            file.unlink()


def test_saved_and_opened_again(saved):
    model, path, room = saved
    again = room.load_model(path)
    assert repr(again) == repr(model)
    net, known = (m.net if room is columns else m.core_.networks for m in (again, model))
    for name, value in known.state_dict().items():
        assert torch.equal(net.state_dict()[name], value)


def test_each_kind_says_which_room_opens_the_other(saved):
    _, path, room = saved
    other = shiftvae if room is columns else columns
    with pytest.raises(ValueError, match=rf"open it with `{room.__name__}\.load_model`"):
        other.load_model(path)


@pytest.mark.parametrize(("version", "remedy"), [("99", "update atomlens"), ("0", "train it again")])
def test_another_version_is_named(saved, version, remedy):
    _, path, room = saved
    name = json.loads(path.with_suffix(".json").read_text())["format"].split()[0]
    change(path, format=f"{name} {version}")
    with pytest.raises(ValueError, match=remedy):
        room.load_model(path)


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "{}", '{"format": 7}', '{"format": "else 1"}', '{"format": null}']
)
def test_a_json_that_is_not_ours_is_refused_in_one_sentence(saved, text):
    _, path, room = saved
    path.with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match=r"net\.json does not describe .* take the file") as caught:
        room.load_model(path)
    assert "\n" not in str(caught.value)


def test_a_description_that_is_cut_short_is_refused(saved):
    _, path, room = saved
    about = path.with_suffix(".json")
    about.write_text(about.read_text()[:-40])
    with pytest.raises(ValueError, match="does not describe"):
        room.load_model(path)


def test_files_of_the_first_version_are_still_read(finder, tmp_path):
    """The networks that come with the package are marked by a number."""
    finder.save(tmp_path / "net.pt")
    change(tmp_path / "net.pt", format=1)
    assert columns.load_model(tmp_path / "net.pt").spec == finder.spec
    with pytest.raises(ValueError, match=r"open it with `atomlens\.columns\.load_model`"):
        shiftvae.load_model(tmp_path / "net.pt")


def test_all_networks_of_the_package_open():
    picture = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    for name in columns.model_names():
        model = columns.load_model(name)
        assert model.probability(picture).shape == (len(model.spec.classes), 32, 32)


@pytest.mark.parametrize(
    "use",
    [
        lambda: columns.load_model("general"),
        lambda: columns.train(simulate.structures.graphene((4, 4)), steps=1),
        lambda: particles.train(np.eye(64), pd.DataFrame({"x": [30], "y": [30], "theta": [0.0]}), symmetry=2),
        lambda: dynamics.train_on_frame(np.eye(64)),
    ],
)
def test_without_torch_the_extra_is_named(monkeypatch, use):
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    with pytest.raises(
        ImportError, match=r"needs torch, which is not installed: pip install \"atomlens\[deep\]"
    ):
        use()
