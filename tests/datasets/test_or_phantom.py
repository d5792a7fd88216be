"""A lesson runs on any machine: where a real set cannot be had, its phantom takes its place, and says so."""

import pytest

from atomlens import datasets


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No mirror, an empty cache, and a network that refuses."""
    import pooch

    def refuse(*_, **__):
        raise ConnectionError("no network")

    monkeypatch.delenv("ATOMLENS_DATA_DIR", raising=False)
    monkeypatch.setenv("ATOMLENS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", refuse)


def test_phantom_takes_the_place_of_a_set_that_cannot_be_had(offline, capsys):
    sample = datasets.load("cuzn_eels", or_phantom=True)
    assert sample.source["name"] == "eels_phantom"
    said = capsys.readouterr().out
    assert "cuzn_eels is not on this machine" in said
    assert "that phantom is used here" in said


def test_without_being_asked_nothing_is_replaced(offline):
    with pytest.raises(datasets.DatasetUnavailableError, match="eels_phantom"):
        datasets.load("cuzn_eels")


@pytest.mark.parametrize(
    ("name", "phantom"),
    [
        ("mos2_haadf_b", "mos2_phantom"),
        ("cu2o_stm", "stm_vacancies_phantom"),
        ("bfo_columns", "bfo_phantom"),
        ("cdte_twin", "cdte_boundary_phantom"),
        # members of a collection have the collection's
        ("pt_single_atoms/021", "pt_single_atoms_phantom"),
        ("graphene_si_library/Si1C3/10", "graphene_si_cluster_phantom"),
    ],
)
def test_images_and_members_of_collections_have_phantoms(offline, name, phantom):
    sample = datasets.load(name, or_phantom=True)
    assert sample.source["name"] == phantom
    assert sample.truth is not None


def test_old_names_load_with_a_note():
    with pytest.warns(FutureWarning, match="eels_twin is called eels_phantom now"):
        old = datasets.load("eels_twin", random_state=3)
    assert old.data.equals(datasets.load("eels_phantom", random_state=3).data)
    with pytest.warns(FutureWarning, match="or_phantom"):
        datasets.load("eels_phantom", or_twin=True)
    assert datasets._load._new_name("cdte_twin") == "cdte_twin", "a crystal: it was measured"
