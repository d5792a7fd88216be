"""Movies of atomic force microscopes, in files written here byte by byte, as the format is documented."""

import struct

import numpy as np
import pytest

from atomlens import io

FRAMES, NY, NX = 3, 4, 5
TOPOGRAPHY, ERROR, PHASE = 0x5054, 0x5245, 0x4850
LEVELS = np.arange(FRAMES * NY * NX, dtype="<i2").reshape(FRAMES, NY, NX) * 30


def new_header(version=1, second=0, **changes):
    """Version 1 or 2, as bytes; `extra` follows the comment, as in version 2."""
    v = {
        "size": None, "frame_header": 32, "name": b"Ada", "comment": b"hello", "frames": FRAMES,
        "nx": NX, "ny": NY, "width": 100, "height": 40,
        "frame_ms": 250.0, "range": 0x40000, "bits": 12, "z": 12.5, "gain": 2.0,
        "extra": b"", "first": TOPOGRAPHY, "sensor": 3.0, "phase": 7.0, "comment_size": None,
    } | changes  # fmt: skip
    body = struct.pack(
        "<7i",
        v["frame_header"],
        932,
        len(v["name"]),
        v["comment_size"] or len(v["comment"]),
        v["first"],
        second,
        9,
    )
    body += struct.pack("<7i", v["frames"], 1, 62, v["nx"], v["ny"], v["width"], v["height"])
    body += struct.pack("<B", 1) + struct.pack("<9i", 1, 2017, 11, 21, 13, 12, 39, 3, 2)
    body += struct.pack("<3f", v["frame_ms"], v["sensor"], v["phase"]) + struct.pack("<i", 0) + bytes(12)
    body += struct.pack("<iIi", 2, v["range"], v["bits"])
    body += struct.pack("<6f", 730, 2911, 7.3, 29.1, v["z"], v["gain"])
    body += v["name"] + v["comment"] + v["extra"]
    size = len(body) + 8 if v["size"] is None else v["size"]
    return struct.pack("<2i", version, size) + body


def old_header(**changes):
    """Version 0; its own size is wrong in some files, and here."""
    v = {"nx": NX, "ny": NY, "frames": FRAMES, "range": 0x2, "offset": 6} | changes
    text = struct.pack("<i2h", 0, TOPOGRAPHY, 0) + struct.pack("<5i", 1, 32, 3, v["offset"], 5)
    text += struct.pack("<4h3f", v["nx"], v["ny"], 100, 40, 250.0, 12.5, 2.0) + struct.pack(
        "<Ii", v["range"], 12
    )
    text += struct.pack("<B", 0) + struct.pack("<i2h", 1, 0, 2009) + struct.pack("<6B", 11, 21, 13, 12, 39, 3)
    text += struct.pack("<2f3i3ih", 730, 2911, 0, 0, 0, 9, v["frames"], 2, 62) + b"Ada"
    return text + struct.pack("<2fi", 3.0, 7.0, 1) + bytes(max(v["offset"], 0)) + b"hello"


def written(path, header, *movies):
    frames = (bytes(32) + frame.tobytes() for movie in movies for frame in movie)
    path.write_bytes(header + b"".join(frames))
    return path


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("header", "heights"),
    [
        (new_header(), 25.0 * (5 - 10 * LEVELS / 4096)),  # two signs: the lowest level is the highest voltage
        (new_header(2, extra=bytes(40), range=0x20000), 25.0 * (2.5 - 5 * LEVELS / 4096)),
        (new_header(range=0x1, bits=16), 25.0 * LEVELS / 65536),
        (old_header(), 25.0 * 2.5 * LEVELS / 4096),
    ],
)
def test_heights_come_with_their_scales(tmp_path, header, heights, lazy):
    movie = io.read(written(tmp_path / "a.asd", header, LEVELS), lazy=lazy)
    assert movie.dims == ("time", "y", "x")
    assert movie.attrs["kind"] == "movie"
    assert movie.attrs["units"] == "nm"
    np.testing.assert_allclose(movie, heights, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(movie.time, [0, 0.25, 0.5])
    np.testing.assert_allclose(movie.x, 20 * np.arange(NX))
    np.testing.assert_allclose(movie.y, 10 * np.arange(NY))
    assert bool(movie.chunks) is lazy


def test_two_channels_are_two_signals(tmp_path):
    path = written(tmp_path / "a.asd", new_header(second=PHASE), LEVELS, LEVELS + 1)
    assert io.signals(path)["title"].tolist() == ["topography", "phase"]
    phase = io.read(path, signal="phase")
    assert phase.attrs["units"] == "degrees"
    np.testing.assert_allclose(phase, -7.0 * (5 - 10 * (LEVELS + 1) / 4096), rtol=1e-5)
    error = io.read(written(tmp_path / "b.asd", new_header(first=ERROR), LEVELS))
    np.testing.assert_allclose(error, -3.0 * (5 - 10 * LEVELS / 4096), rtol=1e-5)


def test_an_unknown_range_leaves_levels_and_says_so(tmp_path):
    movie = io.read(written(tmp_path / "a.asd", new_header(range=3), LEVELS))
    np.testing.assert_array_equal(movie, LEVELS)
    assert movie.attrs["units"] == "levels"
    assert "range 3" in movie.attrs["note_levels"]


@pytest.mark.parametrize("missing", [{"width": 0}, {"frame_ms": 0.0}])
def test_a_scale_that_is_none_is_none(tmp_path, missing):
    movie = io.read(written(tmp_path / "a.asd", new_header(**missing), LEVELS))
    assert movie.x.attrs["units"] == "px"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"\x07\x00\x00\x00" + bytes(300), "version 7"),
        (new_header(nx=-5), "'nx'"),
        (new_header(ny=10**9), "'ny'"),
        (new_header(frames=0), "'frames'"),
        (new_header(frames=10**9), "header claims"),
        (new_header(frame_header=-1), "'frame_header'"),
        (new_header(size=-1), "'header'"),
        (new_header(bits=60), "'bits'"),
        (new_header(first=0), "no channel"),
        (new_header(comment_size=-4), "'comment_size'"),
        (old_header(offset=-9), "damaged"),
    ],
)
def test_hostile_headers_are_one_sentence(tmp_path, header, message):
    with pytest.raises(io.FormatError, match=message) as caught:
        io.read(written(tmp_path / "a.asd", header, LEVELS))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("header", [new_header(), old_header()])
@pytest.mark.parametrize("kept", [1, 3, 4, 60, 90, 130, 300, -1])
def test_a_movie_that_was_cut_off_is_refused(tmp_path, header, kept):
    path = written(tmp_path / "a.asd", header, LEVELS)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(io.FormatError, match=r"truncated|known are 0, 1 and 2"):
        io.read(path, lazy=True)


def test_a_movie_of_a_real_microscope(data_dir):
    """Frames 20 and 31 are worse, and noise: their spread says so."""
    movie = io.read(data_dir / "hs_afm_lattice" / "asd_sample_0.asd")
    assert movie.shape == (32, 200, 200)
    assert float(movie.x[1] - movie.x[0]) == 0.5
    assert float(movie.time[1] - movie.time[0]) == 1.0
    assert 0 <= movie.min() < movie.max() <= 4095
