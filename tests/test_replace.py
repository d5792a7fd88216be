"""What is written appears whole or not at all."""

import errno
import multiprocessing
import os
import subprocess
import sys

import pytest

from atomlens import _replace
from atomlens._replace import replacing


def write(path, text, **options):
    with replacing([path], **options) as (temporary,):
        temporary.write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_several_files_appear_together(tmp_path):
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    with replacing(paths) as temporaries:
        for temporary in temporaries:
            temporary.write_text("new")
            assert temporary.suffix == ".txt"
        assert not any(path.exists() for path in paths)
    assert names(tmp_path) == ["a.txt", "b.txt"]


@pytest.fixture
def second_cannot_be_put_aside(monkeypatch):
    keep = _replace._keep

    def failing(target, kept):
        if target.name == "b.txt":
            raise OSError(errno.EIO, "broken")
        keep(target, kept)

    monkeypatch.setattr(_replace, "_keep", failing)


def replace_with_new(*paths, broken=False):
    with replacing(paths, overwrite=True) as temporaries:
        for temporary in temporaries:
            temporary.mkdir() if temporary.suffix == ".zarr" else temporary.write_text("new")
        if broken:
            raise OSError(errno.EIO, "broken")


def test_all_is_as_it_was_after_a_failed_write(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(OSError, match="broken"):
        replace_with_new(tmp_path / "a.txt", tmp_path / "b.txt", broken=True)
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


@pytest.mark.usefixtures("second_cannot_be_put_aside")
def test_what_was_new_already_goes_back(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "b.txt").write_text("old")
    with pytest.raises(OSError, match="broken"):
        replace_with_new(tmp_path / "0.txt", tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "c.txt")
    assert names(tmp_path) == ["a.txt", "b.txt"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"old"}


@pytest.mark.usefixtures("second_cannot_be_put_aside")
def test_a_folder_goes_back_too(tmp_path):
    store = tmp_path / "a.zarr"
    store.mkdir()
    (store / ".zgroup").write_text("old")
    (tmp_path / "b.txt").write_text("old")
    with pytest.raises(OSError, match="broken"):
        replace_with_new(store, tmp_path / "b.txt")
    assert names(tmp_path) == ["a.zarr", "b.txt"]
    assert (store / ".zgroup").read_text() == "old"


def _compete(path, barrier, results):
    barrier.wait()
    try:
        write(path, str(os.getpid()))
        results.put("written")
    except FileExistsError:
        results.put("refused")


def test_of_writers_at_once_one_wins(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.Queue()
    writers = [
        context.Process(target=_compete, args=(tmp_path / "a.txt", barrier, results)) for _ in range(4)
    ]
    for writer in writers:
        writer.start()
    said = sorted(results.get(timeout=60) for _ in writers)
    for writer in writers:
        writer.join()
    assert said == ["refused"] * 3 + ["written"]
    assert names(tmp_path) == ["a.txt"]


def test_a_link_is_followed_and_one_that_leads_nowhere_is_left(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write(tmp_path / "link.txt", "new", overwrite=True)
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"
    (tmp_path / "lost.txt").symlink_to("gone.txt")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="link to a file that is not there"):
            write(tmp_path / "lost.txt", "new", overwrite=overwrite)
    assert (tmp_path / "lost.txt").is_symlink()


def test_a_store_in_which_somebody_keeps_something_else_is_not_replaced(tmp_path):
    store = tmp_path / "a.zarr"
    (store / "data").mkdir(parents=True)
    for name in (".zgroup", "data/.zarray", "data/0.0"):
        (store / name).write_text("")
    (store / "notes.txt").write_text("precious")
    with pytest.raises(FileExistsError, match=r"notes.txt does not belong to the zarr store a.zarr"):
        write(store, "new", overwrite=True)
    assert (store / "notes.txt").read_text() == "precious"


def test_without_room_nothing_begins(tmp_path):
    with pytest.raises(OSError, match="there is no room") as caught:
        write(tmp_path / "a.txt", "new", nbytes=10**18)
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_limit_is_felt_before_anything_is_written(tmp_path):
    code = (
        "import resource, sys, pathlib\n"
        "from atomlens._replace import replacing\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try:\n"
        "    with replacing([pathlib.Path(sys.argv[1], 'a.txt')], nbytes=10**6): pass\n"
        "except OSError as error: print(error.strerror)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "there is no room" in said.stdout
    assert names(tmp_path) == []


def test_what_a_killed_writer_left_is_cleared(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    host = _replace._host()
    left = tmp_path / f".a.atomlens-{host}-{dead.pid}-0123abcd.txt"
    aside = tmp_path / f".b.txt.atomlens-{host}-{dead.pid}-0123abcd.old"
    working = tmp_path / f".c.atomlens-{host}-{os.getpid()}-0123abcd.txt"
    elsewhere = tmp_path / f".d.atomlens-00000000-{dead.pid}-0123abcd.txt"
    for path in (left, aside, working, elsewhere):
        path.write_text("half")
    write(tmp_path / "new.txt", "new")
    # What was put aside is given back, since nothing took its place.
    assert names(tmp_path) == sorted([working.name, elsewhere.name, "b.txt", "new.txt"])
    os.utime(elsewhere, (0, 0))
    _replace.sweep(tmp_path)
    assert elsewhere.name not in names(tmp_path)


def test_one_file_cannot_hold_both(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("a.txt")
    for other in (tmp_path / "." / "a.txt", tmp_path / "link.txt"):
        with pytest.raises(ValueError, match="is named twice"):
            replace_with_new(tmp_path / "a.txt", other)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt", "link.txt"]


def test_a_link_to_another_kind_of_file_is_left(tmp_path):
    (tmp_path / "real.nc").write_text("old")
    (tmp_path / "link.tif").symlink_to("real.nc")
    with pytest.raises(FileExistsError, match=r"link to real.nc, a file of another type"):
        write(tmp_path / "link.tif", "new", overwrite=True)


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_who_may_read_a_file_stays_as_it_was(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "a.txt").chmod(0o600)
    write(tmp_path / "a.txt", "new", overwrite=True)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o600


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "a.zarr").write_text("mine")
    with pytest.raises(FileExistsError, match="where a folder would be written"):
        write(tmp_path / "a.zarr", "new", overwrite=True)
