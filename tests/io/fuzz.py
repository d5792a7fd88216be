"""Damaged files: each of many mutants is read, or refused with a FormatError. Nothing else, and soon.

`python tests/io/fuzz.py --mutants 3000` mutates a file of every kind that can be made here, and those of a
folder given with `--folder`. A process that may take only so much memory reads the mutants one by one; if it
dies, or takes too long, that is a fault, as any other exception is. `make fuzz` runs it, and a test a part.
"""

import argparse
import selectors
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

_SECONDS = 30  # a mutant
_MEMORY = 6 * 2**30  # of address space, most of it for libraries
_LARGEST = 2**22  # bytes of a seed
_TABLES = (".csv", ".txt", ".mat")


# The worker: what reads


def work():
    """Read the files whose names come in, and answer with one line each."""
    import resource
    import warnings

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    from atomlens import io

    for line in sys.stdin:
        path = Path(line.rstrip("\n"))
        try:
            if path.suffix in _TABLES:
                io.read_columns(path)
            else:
                listed = io.signals(path)
                io.read(path, signal=int(listed.index[0]))
            said = "read"
        except io.FormatError:
            said = "refused"
        except ImportError:
            said = "needs a package"
        except MemoryError:
            said = "FAULT MemoryError"
        except Exception as error:
            said = f"FAULT {type(error).__name__}: {error}"
        print("\n".join(["", said.replace("\n", " ")[:300]]).strip(), flush=True)


class Reader:
    """A process that reads, and a new one where it was lost."""

    def __init__(self):
        self.process = None

    def read(self, path):
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, __file__, "--worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                bufsize=1,
            )
        self.process.stdin.write(f"{path}\n")
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            answered = selector.select(_SECONDS)
        line = self.process.stdout.readline() if answered else ""
        if line:
            return line.strip()
        fault = "FAULT died" if answered else f"FAULT more than {_SECONDS} s"
        self.close()
        return fault

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


# Seeds: a file of every kind


def make_seeds(folder):
    """Write files of all kinds that can be made here, and return their paths."""
    import h5py
    import scipy.io
    import tifffile
    import xarray as xr
    from PIL import Image
    from rsciio import msa

    from atomlens import io

    rng = np.random.default_rng(0)
    counts = rng.poisson(50, (24, 20)).astype(np.uint16)
    cube = rng.poisson(50, (6, 5, 16)).astype(np.float32)

    def nm(dims, shape):
        return {d: (d, 0.1 * np.arange(n), {"units": "nm"}) for d, n in zip(dims, shape, strict=True)}

    image = xr.DataArray(counts, nm("yx", counts.shape), ("y", "x"), attrs={"title": "seed"})
    spectra = xr.DataArray(cube, nm("yx", cube.shape[:2]), ("y", "x", "energy"))
    io.write_all(
        {folder / f"image{s}": image for s in (".tif", ".hspy", ".nc", ".zarr", ".zspy")}
        | {folder / "float.tif": image.astype(float)}
        | {folder / f"spectra{s}": spectra for s in (".hspy", ".nc", ".zarr")}
    )
    np.save(folder / "image.npy", counts)
    np.savez_compressed(folder / "two.npz", a=counts, b=cube)
    Image.fromarray(counts).save(folder / "grey.png")
    Image.fromarray(rng.integers(0, 255, (24, 20, 3)).astype(np.uint8)).save(folder / "colour.png")
    Image.fromarray(counts.astype(np.uint8)).save(folder / "image.jpg")
    tifffile.imwrite(folder / "imagej.tif", counts, imagej=True, resolution=(10, 10), metadata={"unit": "nm"})
    tifffile.imwrite(folder / "image.ome.tif", counts, compression="zlib", metadata={"axes": "YX"})
    with h5py.File(folder / "plain.h5", "w") as file:
        file.create_dataset("a/b", data=counts, compression="gzip", chunks=(8, 8))
    with h5py.File(folder / "berkeley.emd", "w") as file:
        file.attrs.update(version_major=0, version_minor=2)
        group = file.create_group("signals/s")
        group.attrs["emd_group_type"] = 1
        group["data"] = counts
        for i, (name, n) in enumerate(zip("yx", counts.shape, strict=True), start=1):
            group[f"dim{i}"] = 0.1 * np.arange(n)
            group[f"dim{i}"].attrs.update(name=name, units="[n_m]")
    header = bytearray(1024)
    header[0:16] = struct.pack("<4i", 20, 24, 1, 6)
    header[28:52] = struct.pack("<3i3f", 20, 24, 1, 20, 24, 1)
    header[64:76] = struct.pack("<3i", 1, 2, 3)
    header[208:216] = b"MAP \x44\x44\0\0"
    (folder / "image.mrc").write_bytes(bytes(header) + counts.tobytes())
    (folder / "image.ser").write_bytes(_ser(counts))
    energy = {"name": "Energy", "size": 16, "units": "eV", "scale": 0.5, "offset": 0.0, "navigate": False}
    described = {
        "data": cube[0, 0],
        "axes": [energy],
        "metadata": {"General": {}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
    }
    msa.file_writer(str(folder / "spectrum.msa"), described)
    keys = {
        "width": 5, "height": 6, "depth": 16, "offset": 0, "data-length": 4, "data-type": "float",
        "byte-order": "little-endian", "record-by": "vector",
    }  # fmt: skip
    lines = "".join(f"{key}\t{value}\n" for key, value in keys.items())
    (folder / "spectra.rpl").write_text("key\tvalue\n" + lines)
    (folder / "spectra.raw").write_bytes(cube.tobytes())
    (folder / "columns.csv").write_text("x,y,label\n1.5,2.5,0\n3.5,4.5,1\n5.5,7.5,1\n")
    scipy.io.savemat(folder / "columns.mat", {"positions": rng.uniform(0, 9, (9, 2))})
    return sorted(path for path in folder.iterdir() if path.suffix != ".raw")


def _ser(counts):
    rows, columns = counts.shape
    element = (
        struct.pack("<ddi", 0.0, 1e-10, 0) * 2 + struct.pack("<hii", 2, columns, rows) + counts.tobytes()
    )
    dimension = struct.pack("<iddii", 1, 0.0, 1.0, 0, 6) + b"Number" + struct.pack("<i", 0)
    start = 30 + len(dimension)
    head = struct.pack("<hhhiiiiii", 0x4949, 0x0197, 0x0210, 0x4122, 0x4152, 1, 1, 0, 1)[:22]
    offsets = struct.pack("<ii", start + 8, start + 8 + len(element))
    return (
        head
        + struct.pack("<ii", start, 1)
        + dimension
        + offsets
        + element
        + struct.pack("<HHI", 0x4152, 0, 0)
    )


# Mutants


def mutated(content, rng):
    """Bytes with one to four accidents."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        size = len(content)
        if not size:
            break
        # Headers lie at the beginning, and tables of contents at the end: there it hurts most.
        at = int(
            rng.choice(
                [rng.integers(size), rng.integers(min(size, 512)), size - 1 - rng.integers(min(size, 512))]
            )
        )
        length = int(min(rng.integers(1, 65), size - at))
        match rng.integers(8):
            case 0:
                content[at] ^= 1 << rng.integers(8)
            case 1:
                content[at : at + length] = rng.bytes(length)
            case 2:
                content[at : at + length] = bytes(length)
            case 3:
                del content[at : at + length]
            case 4:
                content[at:at] = rng.bytes(length)
            case 5:
                del content[at:]
            case 6:
                extreme = rng.choice([0, 2**31 - 1, 2**31, 2**32 - 1])
                content[at : at + 4] = struct.pack("<I", int(extreme))
            case 7:
                content[at:at] = content[at : at + length]
    return bytes(content)


def mutate(seed, folder, number, rng):
    """A mutant of a file, or of a folder in which one file is damaged, with what lies beside it."""
    path = folder / f"{number}{seed.suffix}"
    if seed.is_dir():
        shutil.copytree(seed, path)
        inside = sorted(p for p in path.rglob("*") if p.is_file())
        victim = inside[rng.integers(len(inside))]
        victim.write_bytes(mutated(victim.read_bytes(), rng))
    else:
        path.write_bytes(mutated(seed.read_bytes(), rng))
        beside = seed.with_suffix(".raw")
        if seed.suffix == ".rpl" and beside.exists():
            shutil.copy(beside, path.with_suffix(".raw"))
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="more files to mutate")
    parser.add_argument("--keep", type=Path, help="where mutants at fault are kept")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        return work()
    began, table, faults = time.time(), {}, []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "seeds").mkdir()
        seeds = make_seeds(folder / "seeds")
        more = sorted(chosen.folder.rglob("*")) if chosen.folder else []
        seeds += [path for path in more if path.is_file() and 0 < path.stat().st_size < _LARGEST]
        reader = Reader()
        whole = [] if chosen.folder else [seed for seed in seeds if reader.read(seed) != "read"]
        faults += [f"{seed.name} is not read before it is damaged" for seed in whole]
        for number in range(chosen.mutants):
            seed = seeds[number % len(seeds)]
            path = mutate(seed, folder, number, np.random.default_rng([chosen.seed, number]))
            said = reader.read(path)
            table.setdefault(seed.suffix, Counter())[said.split(":")[0]] += 1
            if said.startswith("FAULT"):
                faults.append(f"mutant {number} of {seed.name}: {said}")
                if chosen.keep:
                    chosen.keep.mkdir(exist_ok=True)
                    shutil.move(path, chosen.keep / path.name)
                    continue
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        reader.close()
    for suffix, outcomes in sorted(table.items()):
        print(f"{suffix:8s}", ", ".join(f"{n} {said}" for said, n in outcomes.most_common()))
    print("\n".join(faults))
    print(
        f"{chosen.mutants} mutants of {len(seeds)} files: {len(faults)} faults, {time.time() - began:.0f} s"
    )
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
