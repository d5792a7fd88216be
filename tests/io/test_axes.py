"""Dims are recognised by units and names, in any order and with any scan flag."""

from itertools import permutations

import numpy as np
import pytest

from atomlens._units import quantity, tidy
from atomlens.io import FormatError
from atomlens.io._axes import Axis, canonical, force, kind_of, recognise, roles, uniform

Y, X = Axis(5, "y", "nm"), Axis(4, "x", "nm")
BARE = Axis(7)


@pytest.mark.parametrize(
    ("spelling", "factor", "ours"),
    [
        ("µm", 1e3, "nm"),
        ("μm", 1e3, "nm"),  # the Greek letter
        ("um", 1e3, "nm"),
        (r"\u00B5m", 1e3, "nm"),  # as ImageJ writes it
        ("micron", 1e3, "nm"),
        ("Å", 0.1, "nm"),
        ("\u212b", 0.1, "nm"),  # the angstrom sign
        ("Angstroms", 0.1, "nm"),
        ("pm", 1e-3, "nm"),
        ("m", 1e9, "nm"),
        ("nm", 1.0, "nm"),
        ("1/nm", 1.0, "1/nm"),
        ("nm^-1", 1.0, "1/nm"),
        ("1 / Å", 10.0, "1/nm"),
        ("nm⁻¹", 1.0, "1/nm"),
        ("1/m", 1e-9, "1/nm"),
        ("keV", 1e3, "eV"),
        ("meV", 1e-3, "eV"),
        ("ms", 1e-3, "s"),
        ("rad", 1e3, "mrad"),
        ("pixels", 1.0, "px"),
        ("<undefined>", 1.0, "px"),
        ("inch", 1.0, "px"),
        (None, 1.0, "px"),
        ("V", 1.0, "V"),
    ],
)
def test_units(spelling, factor, ours):
    _, found, unit = quantity(spelling)
    assert found == pytest.approx(factor, rel=1e-12)
    assert unit == ours


def test_case_matters_where_it_must():
    assert tidy("mm") == "mm"
    assert quantity("MeV")[1] == 1e6
    assert quantity("meV")[1] == 1e-3


@pytest.mark.parametrize(
    ("axes", "dims", "kind"),
    [
        ([Y, X], "y x", "image"),
        ([Y, X, Axis(9, "Energy loss", "eV")], "y x energy", "spectrum_image"),
        ([Axis(5, "height"), Axis(4, "width")], "y x", "image"),
        ([Axis(5, "", "nm"), Axis(4, "", "nm")], "y x", "image"),
        ([Axis(9, "Energy", "keV")], "energy", "spectrum"),
        ([Axis(9, "E")], "e", "spectrum"),
        ([X, Axis(9, "Energy loss", "eV")], "x energy", "line_scan"),
        ([Axis(5, "", "µm"), Axis(9, "", "eV")], "x energy", "line_scan"),
        ([Axis(3, "time", "s"), Y, X], "time y x", "movie"),
        ([Axis(3, "frames"), Axis(5, "y"), Axis(4, "x")], "time y x", "movie"),
        ([Axis(3, "", "ms"), Y, X], "time y x", "movie"),
        ([Axis(5, "", "1/nm"), Axis(4, "", "1/nm")], "ky kx", "image"),
        ([Y, X, Axis(6, "", "1/nm"), Axis(6, "", "1/nm")], "y x ky kx", "other"),
        ([Y, X, Axis(9, "Wavelength", "nm")], "y x wavelength", "spectrum_image"),
        ([Y, X, Axis(9, "", "V")], "y x bias", "spectrum_image"),
        ([Axis(3, "time", "s"), Axis(9, "Energy", "eV")], "time energy", "line_scan"),
        ([Axis(9, "", None)], "channel", "spectrum"),
        ([Axis(5), Axis(4)], "y x", "image"),
        ([Axis(5, "", "nm", navigate=True), Axis(9, navigate=False)], "x channel", "line_scan"),
    ],
)
def test_recognised_in_any_order(axes, dims, kind):
    wanted = dims.split()
    # An order of its own tells y from x only where names do not.
    for order in permutations(range(len(axes))) if all(a.name for a in axes) else [range(len(axes))]:
        found, got, _ = recognise([axes[i] for i in order], "file")
        assert found == [wanted[i] for i in order]
        assert got == kind
        if kind != "other":
            assert canonical(found) == tuple(wanted)


def test_energy_first_and_flagged_as_scan_axis():
    axes = [
        Axis(1024, "Energy loss", "eV", navigate=True),
        Axis(45, "y", "µm", navigate=False),
        Axis(22, "x", "µm", navigate=False),
    ]
    found, kind, note = recognise(axes, "gaas")
    assert (found, kind, note) == (["energy", "y", "x"], "spectrum_image", "")


def test_one_bare_axis_follows_the_scan_flags_of_a_calibrated_stack():
    def flagged(axis, navigate):
        return Axis(axis.size, axis.name, axis.units, navigate=navigate)

    stack = [flagged(BARE, True), flagged(Y, False), flagged(X, False)]
    assert recognise(stack, "f")[:2] == (["time", "y", "x"], "movie")
    cube = [flagged(Y, True), flagged(X, True), flagged(BARE, False)]
    assert recognise(cube, "f")[:2] == (["y", "x", "channel"], "spectrum_image")
    assert "taken as" in recognise(cube, "f")[2]


@pytest.mark.parametrize("axes", [[BARE] * 3, [Axis(3, "depth"), Axis(5, "height"), Axis(4, "width")]])
def test_bare_stacks_are_ambiguous(axes):
    with pytest.raises(FormatError, match='say what it is, for example kind="spectrum_image"'):
        recognise(axes, "f.npy")


@pytest.mark.parametrize(
    ("axes", "dims"),
    [
        ([BARE] * 4, "y x ky kx"),
        ([BARE] * 5, "axis_0 axis_1 axis_2 axis_3 axis_4"),
        ([Axis(3, "time", "s"), BARE, BARE, BARE], "time axis_1 axis_2 axis_3"),
    ],
)
def test_no_kind_would_fit_so_none_is_asked_for(axes, dims):
    found, kind, note = recognise(axes, "f.npy")
    assert " ".join(found) == dims
    assert kind == "other"
    assert "numbered" in note


def test_two_axes_of_one_meaning_keep_their_own_names():
    assert recognise([Axis(3, "Energy", "eV"), Axis(3, "Energy loss", "eV")], "f")[0] == [
        "energy",
        "energy_loss",
    ]
    assert recognise([Axis(3, "", "[]"), Axis(4, "", "[]")], "f")[:2] == (["y", "x"], "image")


@pytest.mark.parametrize(
    "names",
    [
        "Y axis/X axis",
        "yaxis/xaxis",
        "Y/X",
        "scan_y/scan_x",
        "y position/x position",
        "Y-Axis/X-Axis",
        "row/col",
    ],
)
@pytest.mark.parametrize("units", ["nm", None])
def test_scan_axes_as_others_call_them(names, units):
    y, x = names.split("/")
    found = recognise([Axis(5, y, units), Axis(4, x, units), Axis(9, "Energy", "eV")], "f")
    assert found == (["y", "x", "energy"], "spectrum_image", "")


@pytest.mark.parametrize(
    ("axis", "dim"),
    [
        (Axis(9, "", "1/cm"), "raman_shift"),
        (Axis(9, "Raman shift", "cm^-1"), "raman_shift"),
        (Axis(9, "Wavelength", "nm"), "wavelength"),
        (Axis(9, "Bias", "V"), "bias"),
        (Axis(9, "Energy loss"), "energy"),
        (Axis(9, "Time", "s", navigate=False), "time"),
    ],
)
def test_spectral_axes_of_all_kinds(axis, dim):
    scan = [Axis(5, "y", "µm", navigate=True), Axis(4, "x", "µm", navigate=True)]
    assert recognise([*scan, axis], "f")[:2] == (["y", "x", dim], "spectrum_image")
    assert canonical(["y", "x", dim], "spectrum_image") == ("y", "x", dim)
    assert kind_of(("y", "x", dim)) == "spectrum_image"


@pytest.mark.parametrize(
    ("kind", "axes", "dims"),
    [
        ("spectrum_image", [BARE] * 3, "y x channel"),
        ("movie", [BARE] * 3, "time y x"),
        ("line_scan", [BARE] * 2, "x channel"),
        ("image", [BARE] * 2, "y x"),
        ("spectrum", [BARE], "channel"),
        ("movie", [Axis(3, "depth"), Axis(5, "height"), Axis(4, "width")], "time y x"),
        ("spectrum_image", [Axis(9, "depth"), Axis(5, "height"), Axis(4, "width")], "channel y x"),
        ("movie", [Axis(3, "z", "nm"), Y, X], "time y x"),
        ("line_scan", [Axis(3, "y", "nm"), Axis(9, "Energy", "eV")], "x energy"),
    ],
)
def test_kind_forces(kind, axes, dims):
    found = force(kind, roles(axes), "f")
    assert found == dims.split()
    assert kind_of(found) == kind


@pytest.mark.parametrize(
    ("kind", "axes", "dims"),
    [
        ("image", [X, Axis(9, "Energy", "eV")], "x y"),
        ("movie", [Y, X, Axis(9, "Energy", "eV")], "y x time"),
        ("spectrum", [X], "channel"),
        ("line_scan", [Y, X], "x channel"),
        ("spectrum_image", [Y, X, Axis(9, "time", "s")], "y x time"),
        ("spectrum_image", [Axis(3, "kx"), Axis(4, "ky"), Axis(9, "E", "eV")], "kx ky energy"),
    ],
)
def test_kind_is_obeyed_where_the_number_of_axes_fits(kind, axes, dims):
    assert " ".join(force(kind, roles(axes), "f")) == dims


@pytest.mark.parametrize(("kind", "axes"), [("spectrum", [Y, X]), ("spectrum_image", [BARE, BARE])])
def test_kind_refuses(kind, axes):
    with pytest.raises(FormatError, match="leave kind= out, or choose image, line_scan"):
        force(kind, roles(axes), "f")


def test_uniform():
    assert uniform(np.array([1.0, 1.5, 2.0])) == (0.5, 1.0)
    assert uniform(np.array([3])) == (1.0, 3.0)
    assert uniform(np.array([1.0, 2.0, 4.0])) is None
    assert uniform(np.array([1.0, 1.0])) is None
