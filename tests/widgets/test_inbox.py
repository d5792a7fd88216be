"""Uploads: names that try to get out, sizes that lie, and nothing left behind."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from atomlens.widgets._inbox import Inbox, sweep


def send(inbox, name, content, part=4):
    inbox.begin(name, len(content))
    paths = [inbox.add(content[n : n + part]) for n in range(0, len(content), part)]
    assert paths[:-1] == [None] * (len(paths) - 1)
    return paths[-1]


def test_a_file_is_put_together_part_by_part():
    inbox = Inbox()
    inbox.begin("a.tif", 6)
    assert inbox.add(b"abcd") is None
    assert inbox.received == 4
    path = inbox.add(b"ef")
    assert path.read_bytes() == b"abcdef"
    assert inbox.holds(path)
    assert not inbox.holds(Path(__file__))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.tif", "passwd.tif"),
        ("C:\\Users\\me\\x.dm4", "x.dm4"),
        ("/absolute.tif", "absolute.tif"),
        (".hidden.tif", "hidden.tif"),
        ("Prüfling 1 <b>.tif", "Prüfling 1 <b>.tif"),
        ("a\nb\x00c.tif", "abc.tif"),
        ("界" * 200 + ".tif", "界" * 38 + ".tif"),
    ],
)
def test_names_stay_inside(name, kept):
    inbox = Inbox()
    path = send(inbox, name, b"12345")
    assert path.name == kept
    assert inbox.holds(path)
    assert path.read_bytes() == b"12345"


@pytest.mark.parametrize("name", ["", "..", "/", "a/..", " ", "\x00"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="no name of a file"):
        Inbox().begin(name, 3)


def test_sizes_are_checked_before_and_after():
    inbox = Inbox(limit=2**20)
    with pytest.raises(ValueError, match="1 MB can be uploaded"):
        inbox.begin("a.tif", 2**20 + 1)
    with pytest.raises(ValueError, match="empty"):
        inbox.begin("a.tif", 0)
    with pytest.raises(ValueError, match="no upload has begun"):
        inbox.add(b"abc")
    for part in (b"", b"abcd"):  # nothing, and more than was announced
        inbox.begin("a.tif", 3)
        with pytest.raises(ValueError, match="size that was announced"):
            inbox.add(part)
    with pytest.raises(ValueError, match="no upload has begun"):
        inbox.add(b"abc")


def test_a_full_disk_is_said_beforehand(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2**28 + 10}))
    with pytest.raises(ValueError, match="no room"):
        Inbox().begin("a.tif", 11)


def test_two_files_of_one_name_are_two_files():
    inbox = Inbox()
    one, two = send(inbox, "a.tif", b"one"), send(inbox, "a.tif", b"two")
    assert (one.read_bytes(), two.read_bytes()) == (b"one", b"two")


def test_what_was_not_finished_is_forgotten_and_all_of_it_cleared():
    inbox = Inbox()
    whole = send(inbox, "a.tif", b"abc")
    inbox.begin("b.tif", 5)
    inbox.add(b"ab")
    inbox.begin("c.tif", 5)
    names = {path.name for path in whole.parent.parent.rglob("*") if path.is_file()}
    assert names == {"a.tif", "c.tif"}
    inbox.clear()
    assert not whole.parent.parent.exists()


def test_nothing_is_left_when_python_ends_or_was_killed():
    """At a normal end the folder goes; after a kill, the next upload takes it away."""
    code = (
        "from atomlens.widgets._inbox import Inbox; i = Inbox(); i.begin('a.tif', 3); "
        "print(i.add(b'abc').parent.parent, flush=True)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not Path(ended.stdout.strip()).exists()
    code += "; import os; os.kill(os.getpid(), 9)"
    killed = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    folder = Path(killed.stdout.strip())
    assert folder.is_dir()
    mine = Inbox()
    path = send(mine, "b.tif", b"b")
    sweep()
    assert not folder.exists()
    assert path.exists()
    assert Path(tempfile.gettempdir()) in path.parents
    assert str(os.getpid()) in str(path)
