"""A lesson runs on any machine: where a real set cannot be had, its twin takes its place, and says so."""

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


def test_twin_takes_the_place_of_a_set_that_cannot_be_had(offline, capsys):
    sample = datasets.load("cuzn_eels", or_twin=True)
    assert sample.source["name"] == "eels_twin"
    said = capsys.readouterr().out
    assert "cuzn_eels is not on this machine" in said
    assert "that twin is used here" in said


def test_without_being_asked_nothing_is_replaced(offline):
    with pytest.raises(datasets.DatasetUnavailableError, match="eels_twin"):
        datasets.load("cuzn_eels")


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("mos2_haadf_b", "mos2_twin"),
        ("cu2o_stm", "stm_vacancies_twin"),
        ("bfo_columns", "bfo_twin"),
        ("cdte_twin", "cdte_boundary_twin"),
        # members of a collection have the collection's
        ("pt_single_atoms/021", "pt_single_atoms_twin"),
        ("graphene_si_library/Si1C3/10", "graphene_si_cluster_twin"),
    ],
)
def test_images_and_members_of_collections_have_twins(offline, name, twin):
    sample = datasets.load(name, or_twin=True)
    assert sample.source["name"] == twin
    assert sample.truth is not None


def test_sets_without_a_twin_stay_unavailable(offline):
    with pytest.raises(datasets.DatasetUnavailableError, match="no simulated twin"):
        datasets.load("hs_afm_lattice", or_twin=True)
