"""The one place that unpickles takes arrays and dictionaries, and nothing that runs."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from atomlens.datasets._unpickle import load_dictionary


def stored(folder, payload):
    """A 0-D object .npy that pickles `payload`, and its hash."""
    path = folder / "a.npy"
    array = np.empty((), dtype=object)
    array[()] = payload
    np.save(path, array, allow_pickle=True)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def old_numpy(path):
    """Name numpy's module as numpy 1 did, as the registered files do, in a pickle of protocol 2."""
    head, body = path.read_bytes()[:128], path.read_bytes()[128:]
    tree = pickle.dumps(pickle.loads(body), protocol=2).replace(
        b"numpy._core.multiarray", b"numpy.core.multiarray"
    )
    path.write_bytes(head + tree)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_dictionary_of_arrays(tmp_path):
    rows = np.arange(6.0).reshape(2, 3)
    path, _ = stored(tmp_path, {0: rows})
    found = load_dictionary(*old_numpy(path))
    np.testing.assert_array_equal(found[0], rows)


def test_a_wrong_hash_stops_before_the_pickle(tmp_path):
    path, _ = stored(tmp_path, {0: Evil()})
    with pytest.raises(ValueError, match="not the registered file, so it is not unpickled"):
        load_dictionary(path, "0" * 64)


class Evil:
    def __reduce__(self):
        return (Path("/tmp/should_not_exist").touch, ())


class Call:
    def __init__(self, function, *args):
        self.reduced = (function, args)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize(
    "payload",
    [
        {0: Evil()},
        {0: Call(eval, "1")},
        {0: Call(getattr, {}, "keys")},
        {0: Call(np.load, "x")},
        {0: Call(print, "unpickled")},
    ],
    ids=["path", "eval", "getattr", "numpy_load", "print"],
)
def test_anything_that_runs_is_refused(tmp_path, payload, capsys):
    path, digest = stored(tmp_path, payload)
    with pytest.raises(pickle.UnpicklingError, match="not allowed"):
        load_dictionary(path, digest)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "payload", [[1, 2], {0: "text"}, {0: np.array(["a"])}], ids=["list", "text", "strings"]
)
def test_anything_else_than_arrays_is_refused(tmp_path, payload):
    path, _ = stored(tmp_path, payload)
    with pytest.raises(pickle.UnpicklingError, match="something else than a dictionary of numeric arrays"):
        load_dictionary(*old_numpy(path))


def test_the_registered_files(mirror):
    from atomlens.datasets._registry import registry

    for name in ("graphene_grain_boundary", "graphene_si_2nm"):
        (file,) = (f for f in registry()[name].files.values() if f.name.endswith("-coord.npy"))
        (rows,) = load_dictionary(mirror / file.folder / file.name, file.sha256).values()
        assert rows.shape[1] == 3
        assert len(rows) > 100
