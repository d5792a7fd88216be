"""Mirror, cache, download: in this order, always verified, and nothing partial left behind."""

import shutil

import numpy as np
import pytest

from atomlens import datasets
from atomlens.datasets._fetch import local


def files_in(folder):
    return (
        [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
        if folder.exists()
        else []
    )


def test_a_download_is_kept_and_not_repeated(cache, server, register, capfd):
    entry = register(server.base + "a%20b.npy", server.content)
    assert datasets.list().loc["tiny", "status"] == "to download"
    sample = datasets.load("tiny")
    np.testing.assert_array_equal(sample.data, np.arange(5000.0).reshape(50, 100))
    assert files_in(cache) == ["tiny_folder/a b.npy"]
    assert datasets.list().loc["tiny", "status"] == "here"
    assert local(entry.files["a b.npy"]) == cache / "tiny_folder" / "a b.npy"
    datasets.load("tiny")
    assert server.asked == ["/a%20b.npy"]
    assert capfd.readouterr() == ("", "")


def test_a_spoilt_cache_is_downloaded_again(cache, server, register):
    register(server.base, server.content)
    datasets.load("tiny")
    (cache / "tiny_folder" / "a b.npy").write_bytes(b"spoilt")
    assert datasets.load("tiny").data.shape == (50, 100)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("behave", "exception", "message"),
    [
        ("cut", datasets.DatasetUnavailableError, "download broke off"),
        (
            "wrong",
            datasets.ChecksumError,
            "delivered something else than the registered a b.npy.*Nothing was kept",
        ),
        ("missing", datasets.DatasetUnavailableError, r"not found there \(404\)"),
    ],
)
@pytest.mark.parametrize("phantom", ["eels_phantom", None])
def test_a_failed_download_leaves_nothing(cache, server, register, behave, exception, message, phantom):
    register(server.base, server.content, phantom=phantom)
    server.behave = behave
    remedy = (
        r"phantom load\('eels_phantom'\) works offline"
        if phantom
        else "tiny_folder/a b.npy.*ATOMLENS_DATA_DIR"
    )
    with pytest.raises(exception, match=f"127.0.0.1.*{message}.*{remedy}"):
        datasets.load("tiny")
    assert files_in(cache) == []
    server.behave = "well"
    assert datasets.load("tiny").data.shape == (50, 100)


def test_an_interrupted_download_leaves_nothing(cache, server, register, monkeypatch):
    import pooch

    register(server.base, server.content)

    class Interrupted(pooch.HTTPDownloader):
        def __call__(self, url, output_file, pooch):
            with open(output_file, "wb") as file:  # noqa: PTH123 - what pooch's own downloader does
                file.write(b"half")
            raise KeyboardInterrupt

    monkeypatch.setattr("pooch.core.choose_downloader", lambda *args, **kwargs: Interrupted())
    with pytest.raises(KeyboardInterrupt):
        datasets.load("tiny")
    assert files_in(cache) == []


def test_no_network(cache, server, register):
    register("https://nowhere.invalid/a.npy", server.content, phantom="eels_phantom")
    with pytest.raises(
        datasets.DatasetUnavailableError,
        match=r"not on this machine.*from nowhere.invalid.*; the phantom load\('eels_phantom'\)",
    ):
        datasets.load("tiny")
    assert files_in(cache) == []


@pytest.mark.parametrize("or_phantom", [False, True])
def test_connection_refused(cache, server, register, or_phantom):
    register("http://127.0.0.1:9/a.npy", server.content)
    with pytest.raises(
        datasets.DatasetUnavailableError, match=r"\(connection refused\); there is no phantom yet"
    ):
        datasets.load("tiny", or_phantom=or_phantom)


def put_in_mirror(tmp_path, monkeypatch, content):
    path = tmp_path / "mirror" / "tiny_folder" / "a b.npy"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    monkeypatch.setenv("ATOMLENS_DATA_DIR", str(tmp_path / "mirror"))
    return path


def test_the_mirror_comes_first(cache, server, register, tmp_path, monkeypatch):
    register(server.base, server.content)
    put_in_mirror(tmp_path, monkeypatch, server.content)
    assert datasets.list().loc["tiny", "status"] == "here"
    assert datasets.load("tiny").data.shape == (50, 100)
    assert server.asked == []
    assert files_in(cache) == []


def test_what_the_mirror_lacks_is_downloaded(cache, server, register, tmp_path, monkeypatch):
    register(server.base, server.content)
    put_in_mirror(tmp_path, monkeypatch, server.content).unlink()
    assert datasets.load("tiny").data.shape == (50, 100)
    assert files_in(tmp_path / "mirror") == []
    assert len(files_in(cache)) == 1


def test_a_wrong_file_in_the_mirror_is_refused_and_left_alone(cache, server, register, tmp_path, monkeypatch):
    entry = register(server.base, server.content)
    path = put_in_mirror(tmp_path, monkeypatch, b"other bytes")
    with pytest.raises(datasets.ChecksumError) as caught:
        datasets.load("tiny")
    for part in (
        str(path),
        entry.files["a b.npy"].sha256,
        "found ",
        "Replace it in the mirror",
        "unset ATOMLENS_DATA_DIR",
    ):
        assert part in str(caught.value)
    assert path.read_bytes() == b"other bytes"
    assert server.asked == []


def test_a_set_without_url(cache, server, register, tmp_path, monkeypatch):
    register(None, server.content, obtain="it ships with a package")
    assert datasets.list().loc["tiny", "status"] == "mirror only"
    with pytest.raises(
        datasets.DatasetUnavailableError,
        match=r"tiny has no public URL: it ships with a package; put it at tiny_folder/a b.npy.*DATA_DIR",
    ):
        datasets.load("tiny")
    put_in_mirror(tmp_path, monkeypatch, server.content)
    assert datasets.load("tiny").data.shape == (50, 100)


def test_a_cache_that_cannot_be_written(cache, server, register, monkeypatch):
    register(server.base, server.content)
    cache.write_text("a file where the folder should be")  # a root user may write to any folder
    with pytest.raises(
        PermissionError, match=r"downloads cannot be kept in .*cache.*set ATOMLENS_CACHE_DIR to a folder"
    ):
        datasets.load("tiny")
    assert server.asked == []
    assert cache.read_text().startswith("a file")


def test_a_mirror_that_is_no_folder(cache, server, register, tmp_path, monkeypatch):
    register(server.base, server.content)
    monkeypatch.setenv("ATOMLENS_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(
        FileNotFoundError, match=r"ATOMLENS_DATA_DIR names .*nowhere, which is no folder: correct"
    ):
        datasets.load("tiny")


def test_the_default_cache_is_the_users(monkeypatch):
    import pooch

    from atomlens.datasets._fetch import cache_folder

    monkeypatch.delenv("ATOMLENS_CACHE_DIR", raising=False)
    assert str(cache_folder()) == str(pooch.os_cache("atomlens"))


def test_a_real_set_offline_names_its_phantom(cache, monkeypatch):
    def no_network(*args, **kwargs):
        raise OSError("[Errno -3] Temporary failure in name resolution")

    monkeypatch.setattr("socket.getaddrinfo", no_network)
    with pytest.raises(datasets.DatasetUnavailableError) as caught:
        datasets.load("cuzn_eels")
    message = str(caught.value)
    assert message.count("\n") == 0
    assert "raw.githubusercontent.com (the name cannot be resolved; no network?)" in message
    assert "load('eels_phantom') works offline" in message
    shutil.rmtree(cache)
