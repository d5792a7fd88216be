"""Claim: a file of another program is read as it is, or refused for a reason that is said.

Give a folder of real files, such as `rsciio/tests/data` of rosettasciio's repository, with its archives
unpacked. Each file is read with rosettasciio and with `atomlens.io`, and falls into one of these:

right       values and calibrated axes are those of rosettasciio, up to the order of the axes
corrected   values are, and an axis is in pixels, with a note: its calibration is no physical one
refused     with a sentence that says why, and the reason is one of `REASONS`
unread      refused for another reason
wrong       read, but as something else
more        read, though rosettasciio does not read it by this name

What rosettasciio itself cannot read counts as rightly refused. Files that belong to another one are left out.
"""

import argparse
import re
import signal
import time
import warnings
from collections import Counter, defaultdict
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import rsciio

from atomlens import io

# What a refusal may say, and what that means
REASONS = {
    "not numbers": r"holds records|ragged|not numbers|text, not|holds no signal|no numeric array",
    "pickled": "pickled",
    "complex": "complex numbers",
    "other files": "refers to|belongs to|lies in another file",
    "no plain axes": "ambiguous|neither units nor telling names",
    "log of a holder": r"is no image or spectrum|of the type '\.dens'",
    "damaged": "truncated|damaged",
    "needs more": r"needs the package|pip install",
}
# Beside these lie others that hold the data, or that describe it
_SIDECARS = {".hdr": ".mib", ".raw": ".rpl"}
_SECONDS = 120
# Units of files -> ours, and the factor; written anew here, so as to be independent
UNITS = {
    "nm": ("nm", 1), "µm": ("nm", 1e3), "um": ("nm", 1e3), "μm": ("nm", 1e3),
    "micron": ("nm", 1e3), "microns": ("nm", 1e3),
    "mm": ("nm", 1e6), "m": ("nm", 1e9), "Å": ("nm", 0.1), "A": ("nm", 0.1),
    "pm": ("nm", 1e-3), "cm": ("nm", 1e7),
    "eV": ("eV", 1), "keV": ("eV", 1e3), "meV": ("eV", 1e-3), "s": ("s", 1), "ms": ("s", 1e-3),
    "µs": ("s", 1e-6), "ns": ("s", 1e-9),
    "ps": ("s", 1e-12), "1/nm": ("1/nm", 1), "nm^-1": ("1/nm", 1), "1/Å": ("1/nm", 10),
    "1/m": ("1/nm", 1e-9), "mrad": ("mrad", 1), "rad": ("mrad", 1e3),
}  # fmt: skip


def readers(path):
    """Readers of rosettasciio that may take a file, the likeliest first."""
    suffix = path.suffix.lower().lstrip(".")
    return [p for p in rsciio.IO_PLUGINS if suffix in {e.lower() for e in p["file_extensions"]}]


def reference(path):
    """What rosettasciio makes of a file: list of dictionaries, or the name of an error."""
    from importlib import import_module

    failed = []
    for plugin in readers(path):
        try:
            read = import_module(plugin["api"]).file_reader
            # of a NeXus file only what it says is data, not the arrays of its axes
            found = (plugin["name"] == "NeXus" and read(str(path), nxdata_only=True)) or read(str(path))
            if found:
                return found
            failed.append(f"{plugin['name']}: nothing")
        except BaseException as error:  # whatever it is, it has not been read
            if isinstance(error, KeyboardInterrupt | TimeoutError):
                raise
            failed.append(f"{plugin['name']}: {type(error).__name__}")
    return "; ".join(failed) or "no reader"


def grey(data):
    if not data.dtype.names:
        return data
    if data.dtype.names[:3] == ("R", "G", "B"):
        red, green, blue = (data[c] for c in "RGB")
        if (red == green).all() and (green == blue).all():
            return red
        return 0.2125 * red + 0.7154 * green + 0.0721 * blue
    return None


def coordinates(axis, size):
    values = axis.get("axis")
    if values is None:
        values = axis.get("offset", 0) + axis.get("scale", 1) * np.arange(size)
    units = axis.get("units")
    return np.asarray(values, float), UNITS.get(units if isinstance(units, str) else None)


def agrees(ours, theirs):
    """What it is, "right" or "corrected", or what differs between our array and that of rosettasciio."""
    data = np.asarray(theirs["data"])
    if data.dtype == object:
        return "wrong: an object became numbers"
    data = grey(data)
    if data is None:
        return "wrong: records became numbers"
    axes = [a for a, n in zip(theirs["axes"], data.shape, strict=False) if n != 1]
    data = data.reshape([n for n in data.shape if n != 1] or [1])
    axes = axes or theirs["axes"][:1]
    values = ours.values
    if sorted(values.shape) != sorted(data.shape):
        return f"wrong: shape {values.shape}, not {data.shape}"
    verdict = "wrong: values"
    for order in permutations(range(data.ndim)):
        moved = data.transpose(order)
        if moved.shape != values.shape:
            continue
        for flips in np.ndindex(*(2,) * data.ndim):
            turned = moved[tuple(slice(None, None, -1 if f else 1) for f in flips)]
            if np.allclose(turned, values, rtol=1e-5, atol=0, equal_nan=values.dtype.kind == "f"):
                verdict = compare_axes(ours, [axes[i] for i in order], flips) if axes else "right"
                if not verdict.startswith("wrong"):
                    return verdict
    return verdict


def compare_axes(ours, axes, flips):
    verdict = "right"
    for dim, axis, flip in zip(ours.dims, axes, flips, strict=True):
        got, unit = ours[dim].values.astype(float), ours[dim].attrs.get("units")
        wanted, known = coordinates(axis, ours.sizes[dim])
        if flip:
            wanted = wanted[::-1]
        if (
            known
            and known[0] == unit
            and np.allclose(got, wanted * known[1], rtol=1e-4, atol=1e-6 * np.ptp(got))
        ):
            if flip and (np.diff(got) < 0).any():
                return f"wrong: {dim} is turned"
            continue
        bare = unit in ("px", "frame", "channel") and np.array_equal(got, np.arange(len(got)))
        if bare and not flip and (known is None or any(name.startswith("note_scale") for name in ours.attrs)):
            verdict = "corrected" if known else verdict
            continue
        # a unit that we do not convert
        if known is None and not bare and np.allclose(got, wanted, rtol=1e-4):
            continue
        spell = f"{wanted[:2]} {axis.get('units')!r}"
        return f"wrong: axis {dim}: {got[:2]} {unit}, file {spell}"
    return verdict


def read(path, i):
    """One signal; where a kind is asked for, with one that is proposed."""
    try:
        return io.read(path, signal=i)
    except io.FormatError as error:
        proposed = re.findall(r'kind="(\w+)"', str(error))
        if not proposed:
            raise
        return io.read(path, signal=i, kind=proposed[0])


def outcome(path):
    """One of the words above, and a detail."""
    theirs = reference(path)
    try:
        listed = io.signals(path)
        arrays = [read(path, i) for i in listed.index]
    except (io.FormatError, ImportError) as error:
        said = str(error)
        reason = next((name for name, words in REASONS.items() if re.search(words, said)), None)
        if isinstance(theirs, str):
            return "refused", f"rosettasciio, too: {said}"
        return ("refused", f"{reason}: {said}") if reason and reason != "damaged" else ("unread", said)
    except TimeoutError:
        raise
    except Exception as error:
        return "unread", f"LEAK {type(error).__name__}: {error}"
    if isinstance(theirs, str):
        return "more", theirs
    theirs = list(theirs)
    verdicts = []
    for array in arrays:
        found = [agrees(array, entry) for entry in theirs]
        best = next((w for w in ("right", "corrected") if w in found), found[0])
        if best in ("right", "corrected"):
            theirs.pop(found.index(best))
        verdicts.append(best)
    bad = [v for v in verdicts if v.startswith("wrong")]
    if bad:
        return "wrong", bad[0]
    left = [e for e in theirs if np.asarray(e["data"]).dtype != object and np.size(e["data"]) > 1]
    if left:
        return "wrong", f"{len(left)} of its signals are missing: {[np.shape(e['data']) for e in left][:3]}"
    return ("corrected" if "corrected" in verdicts else "right"), ""


def files(folder):
    inside = {".zspy", ".zarr"}
    known = {"." + e.lower() for p in rsciio.IO_PLUGINS for e in p["file_extensions"]} | set(
        io.readable() if hasattr(io, "readable") else []
    )
    for path in sorted(Path(folder).rglob("*")):
        if any(parent.suffix in inside for parent in path.parents):
            continue
        suffix = path.suffix.lower()
        if (path.is_dir() and suffix not in inside) or suffix not in known:
            continue
        mate = _SIDECARS.get(suffix)
        if mate and path.with_suffix(mate).exists():
            continue
        yield path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", help="of real files; without it there is nothing to measure")
    parser.add_argument("--only", help="one extension")
    chosen = parser.parse_args()
    if not chosen.folder:
        print("give a folder of files, such as rsciio/tests/data")
        return
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError))
    table, details = defaultdict(Counter), []
    began = time.time()
    for path in files(chosen.folder):
        if chosen.only and path.suffix.lower() != chosen.only:
            continue
        signal.alarm(_SECONDS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                word, detail = outcome(path)
            except TimeoutError:
                word, detail = "unread", f"more than {_SECONDS} s"
        signal.alarm(0)
        table[path.suffix.lower()][word] += 1
        if word in ("wrong", "unread", "more", "refused"):
            details.append(f"{word:8s} {path.relative_to(chosen.folder)}: {detail[:230]}")
    words = ("right", "corrected", "refused", "unread", "wrong", "more")
    shown = pd.DataFrame(table, index=words).T.fillna(0).astype(int)
    print("\n".join(details))
    shown.loc["all"] = shown.sum()
    print(shown.to_string())
    all_ = shown.loc["all"]
    n = all_.sum() - all_["more"] - sum(d.startswith("refused") and "rosettasciio, too" in d for d in details)
    read = all_["right"] + all_["corrected"]
    fine = read + sum(d.startswith("refused") and "rosettasciio, too" not in d for d in details)
    print(
        f"{n} files that rosettasciio reads: {100 * read / n:.1f} % read, "
        f"{100 * fine / n:.1f} % read or rightly refused"
    )
    print(f"{time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
