"""The registry is complete and consistent; names, listing and credit are helpful."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from atomlens import Sample, datasets
from atomlens.datasets.__main__ import page
from atomlens.datasets._load import _source
from atomlens.datasets._registry import PHANTOMS, entry_of, registry

ROOT = Path(__file__).parents[2]
KINDS = {"image", "spectrum_image", "line_scan", "spectra", "movie", "columns", "library"}


@pytest.mark.parametrize("name", registry())
def test_entry(name):
    entry = registry()[name]
    assert entry.kind in KINDS
    assert entry.licence
    assert entry.citation
    assert entry.notes
    assert re.fullmatch(r"0\d", entry.lesson)
    assert entry.phantom in {None, *PHANTOMS}
    for file in entry.files.values():
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.bytes > 0
        if file.url is None:
            assert entry.obtain
        else:  # pinned to a commit, and a valid address
            assert re.match(r"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{40}/", file.url)
            assert " " not in file.url


def test_only_two_sets_have_a_file_without_url():
    assert [name for name, entry in registry().items() if entry.obtain] == ["mos2_se_implanted", "ws2_movie"]


def test_every_set_has_a_loader():
    from atomlens.datasets._load import _LOADERS

    assert {entry.loader for entry in registry().values()} == set(_LOADERS)


def test_the_mirror_holds_what_is_registered(mirror):
    for entry in registry().values():
        for file in entry.files.values():
            content = (mirror / file.folder / file.name).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)


def test_list(cache):
    table = datasets.list()
    assert table.index.name == "name"
    assert set(table.index) == {*PHANTOMS, *registry()}
    assert not table.isna().any(axis=None)
    assert table.loc[list(PHANTOMS), "status"].eq("here").all()
    assert not table.loc[list(PHANTOMS), "real"].any()
    assert table.loc["cuzn_eels", ["real", "status", "phantom"]].tolist() == [
        True,
        "to download",
        "eels_phantom",
    ]
    assert table.loc["mos2_se_implanted", "status"] == "mirror only"
    assert not table.loc["mn3o4_eels_simulated", "real"]
    assert not cache.exists()  # listing creates nothing


@pytest.mark.parametrize("name", PHANTOMS)
def test_phantoms_are_simulated_as_listed(name):
    sample, phantom = datasets.load(name, random_state=3), PHANTOMS[name]
    assert sample.source["name"] == name
    assert sample.source["real"] is False
    assert sample.source["description"] == phantom.description
    assert sample.truth is not None
    assert sample.data.shape == phantom.shape
    by_hand = phantom.simulate(3)
    assert sample.data.equals(by_hand.data)
    assert not sample.data.equals(datasets.load(name).data)


def test_every_real_set_has_a_phantom():
    assert [name for name, entry in registry().items() if entry.phantom is None] == []
    for entry in registry().values():
        if entry.kind in ("image", "columns"):
            assert PHANTOMS[entry.phantom].kind == entry.kind


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("cuzn_eel", "'cuzn_eels'"),
        ("eels_twn", "'eels_phantom'"),
        ("mos2", "'mos2_haadf_"),
        ("pt_single_atoms/22", "'pt_single_atoms/02"),
        ("graphene_si_library/Si1C3/9999", "'graphene_si_library/Si1C3/"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(wrong, right):
    with pytest.raises(ValueError, match=f"no data set '{wrong}': did you mean .*{right}.*datasets.list"):
        datasets.load(wrong)


def test_a_name_like_no_other():
    with pytest.raises(ValueError, match=r"no data set 'qqqq': datasets.list\(\) shows them all"):
        datasets.load("qqqq")
    with pytest.raises(ValueError, match="no data set 3"):
        datasets.load(3)


def test_measured_data_takes_no_seed():
    with pytest.raises(
        ValueError, match="cuzn_eels is not simulated here, so it takes no random_state: leave it out"
    ):
        datasets.load("cuzn_eels", random_state=1)


def test_collections_list_their_members_without_a_file(cache):
    library = datasets.load("graphene_si_library")
    assert list(library.data.columns) == ["name", "class", "shape", "fov_nm", "atoms"]
    assert len(library.data) == 92
    assert library.data["class"].value_counts().to_dict()["Si3C6"] == 23
    assert library.data["shape"].isin([(128, 128), (256, 256)]).all()
    assert len(datasets.load("pt_single_atoms").data) == 14
    for name in [*library.data["name"], *datasets.load("pt_single_atoms").data["name"]]:
        assert entry_of(name).files
    assert not cache.exists()


def test_the_list_tells_kind_and_shape():
    table = datasets.list()
    assert table.loc["lsmo_sto_eels", ["kind", "shape"]].tolist() == ["line_scan", "10 x 512"]
    assert not table.loc["eels_phantom", "real"]
    assert table.loc["lsmo_sto_eels", "size_mb"] == 0.08  # one file of 84,576 bytes


def source_of(name):
    """What `load` puts into a sample, without a file."""
    return _source(entry_of(name))


def test_credit_shows_licence_and_citation():
    source = source_of("cuzn_eels")
    text = datasets.credit(Sample(None, None, source))
    assert "Cite: HyperSpy developers" in text
    assert "Licence: none stated" in text
    assert "may not be passed on" in text
    text = datasets.credit(Sample(None, None, source_of("pt_single_atoms")))
    assert "Licence: MIT" in text
    assert "passed on" not in text
    assert "simulated by atomlens" in datasets.credit(datasets.load("current_voltage_phantom"))
    assert "M. Shiga" in datasets.credit(Sample(None, None, source_of("mn3o4_eels_simulated")))


def test_the_page_of_the_data_folder_is_fresh():
    written = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m atomlens.datasets > data/README.md"
    printed = subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "atomlens.datasets"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert printed.stdout == written


def test_the_page_has_one_row_a_set():
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert [re.match(r"\| `(\w+)`", row)[1] for row in rows] == [*PHANTOMS, *registry()]
    assert all(row.count("|") == 10 for row in rows[len(PHANTOMS) :])


def test_importing_datasets_is_light():
    code = (
        "import sys, atomlens.datasets as d; d.list();"
        "print([m for m in ('rsciio', 'dask', 'torch', 'scipy', 'requests', 'sklearn') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_frames_are_plain():
    assert isinstance(datasets.list(), pd.DataFrame)
    assert np.issubdtype(datasets.list()["size_mb"].dtype, np.floating)
