"""``python -m atomlens.datasets`` prints data/README.md: one row a data set."""

import sys

from atomlens.datasets._registry import PHANTOMS, registry

_HEAD = """# Data

`samples/` holds small files simulated by `make_samples.py`; they ship with the package
(`datasets.sample_path`), as do the multislice images in `samples/multislice/`, simulated by
`make_multislice.py` (`simulate.multislice.sample`). Everything else is named data: `datasets.load(name)`
simulates it, or reads it from a local mirror (`ATOMLENS_DATA_DIR`), from the cache
(`ATOMLENS_CACHE_DIR`), or from its source, and checks its SHA-256. None of the files named below is part of
this repository. A set without a licence is only linked.

**Licence of what is in this folder.** Samples, networks (`weights/`) and stored tables (`results/`) were made
by the code of this repository, from simulations alone, and are under the MIT licence like it. Measured sets
keep the licences of their authors, which stand below.

This page is generated: `python -m atomlens.datasets > data/README.md`.

## Simulated

| name | kind | what it is |
| --- | --- | --- |
"""
_REAL = """
## Real, or published elsewhere

| name | kind | shape | MB | what it is | known truth | calibration | licence | citation |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
_TRAPS = """
## Known traps

"""


def page():
    """Return the text of data/README.md."""
    simulated = "".join(
        f"| `{name}` | {phantom.kind} | {phantom.description} |\n" for name, phantom in PHANTOMS.items()
    )
    real = "".join(map(_row, registry().values()))
    traps = "".join(f"- `{name}`: {' '.join(entry.notes)}\n" for name, entry in registry().items())
    return f"{_HEAD}{simulated}{_REAL}{real}{_TRAPS}{traps}"


def _row(entry):
    size = sum(file.bytes for file in entry.files.values()) / 1e6
    shape = f"{len(entry.members)} images" if entry.members else " x ".join(map(str, entry.shape))
    cells = (
        f"`{entry.name}`", entry.kind, shape, f"{size:.1f}", entry.description,
        entry.truth or "none", entry.calibration, entry.licence, entry.citation,
    )  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
