"""A plain report on this machine, to see whether all that a lesson needs is here."""

from __future__ import annotations

import html
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

# The packages worth a line of their own; the others are checked all the same.
_SHOWN = (
    "numpy", "scipy", "pandas", "xarray", "scikit-learn", "scikit-image", "matplotlib", "dask",
    "rosettasciio", "jupyterlab", "ipywidgets", "torch", "atomai",
)  # fmt: skip
_PYTHONS = ((3, 11), (3, 12))
_GIB = 2**30


@dataclass(frozen=True)
class EnvironmentReport:
    """What was found on this machine.

    Parameters
    ----------
    rows : tuple of (str, str, str)
        Part, what is here, and a remark.
    problems : tuple of str
        What is missing, with its remedy; empty if all is well.
    """

    rows: tuple
    problems: tuple

    @property
    def ready(self):
        """True if nothing is missing."""
        return not self.problems

    @property
    def table(self):
        """The rows as a DataFrame with the columns ``part``, ``here`` and ``remark``."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=["part", "here", "remark"])

    @property
    def verdict(self):
        """One sentence: ready, or what is missing and what to do."""
        if self.ready:
            return "Ready: everything that the lessons need is here."
        return "Not ready. " + " ".join(self.problems)

    def __repr__(self):
        widths = [max(len(row[i]) for row in self.rows) for i in range(2)]
        lines = [
            f"{part:<{widths[0]}}  {here:<{widths[1]}}  {note}".rstrip() for part, here, note in self.rows
        ]
        return "\n".join([*lines, "", self.verdict])

    def _repr_html_(self):
        rows = "".join(
            "<tr>"
            + "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in row)
            + "</tr>"
            for row in self.rows
        )
        colour = "#1a7f37" if self.ready else "#b42318"
        return f'<table>{rows}</table><p style="color:{colour}"><b>{html.escape(self.verdict)}</b></p>'


def environment_report() -> EnvironmentReport:
    """Report on versions, cores, memory, GPU, data and cache, without importing torch.

    Returns
    -------
    EnvironmentReport
        Shows itself as a table with a verdict below; ``ready`` is its verdict as a boolean.

    Examples
    --------
    >>> report = environment_report()
    >>> report.table.columns.tolist()
    ['part', 'here', 'remark']
    """
    parts = (_python(), *_packages(), _cores(), _memory(), _gpu(), _mirror(), _cache(), _folder())
    rows = tuple((part, here, remark) for part, here, remark, _ in parts)
    return EnvironmentReport(rows, tuple(problem for *_, problem in parts if problem))


def _python():
    wanted = " or ".join(".".join(map(str, version)) for version in _PYTHONS)
    fine = sys.version_info[:2] in _PYTHONS
    problem = "" if fine else f"Use Python {wanted}: make a new environment as the README says."
    return "Python", platform.python_version(), f"on {platform.system()} {platform.machine()}", problem


def _packages():
    """One row a shown package, and one problem a package that is missing or too old."""
    pins, seen = _pins(), []
    for requirement, optional in _requirements():
        name = requirement.name
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = None
        shown = name in _SHOWN
        if version is None:
            problem = "" if optional and not shown else f'{name} is missing: pip install "{requirement}".'
            seen.append((name, "missing", "", problem))
        elif not requirement.specifier.contains(version, prereleases=True):
            problem = f'{name} {version} does not fit: pip install "{requirement}".'
            seen.append((name, version, f"{requirement.specifier} is needed", problem))
        elif shown:
            tested = pins.get(name)
            same = tested is None or version.partition("+")[0] == tested
            seen.append((name, version, "" if same else f"tested with {tested}", ""))
    order = {name: i for i, name in enumerate(_SHOWN)}
    return sorted(seen, key=lambda row: order.get(row[0], len(order)))


def _requirements():
    """The requirements of atomlens and of its standard extras, as (requirement, is it optional)."""
    from packaging.requirements import Requirement

    for text in metadata.requires("atomlens") or []:
        requirement = Requirement(text)
        marker, requirement.marker = requirement.marker, None
        if marker is None or marker.evaluate({"extra": ""}):
            yield requirement, False
        elif any(marker.evaluate({"extra": extra}) for extra in ("lab", "deep")):
            yield requirement, True


def _pins():
    """The versions with which atomlens was tested, where this is a checkout."""
    path = Path(__file__).parents[3] / "constraints.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return dict(line.split("==") for line in lines if "==" in line)


def _cores():
    import joblib

    cores = joblib.cpu_count()  # heeds the limits of containers and batch queues
    return "processor", f"{cores} core{'s' * (cores > 1)}", "", ""


def _memory():
    import psutil

    limits = [psutil.virtual_memory().total]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(path).read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such limit ("max")
            continue
    size = min(limits) / _GIB
    problem = (
        "" if size >= 1.5 else "Less than 1.5 GiB of memory: close other programs or use a larger machine."
    )
    return "memory", f"{size:.1f} GiB", "", problem


def _gpu():
    program = shutil.which("nvidia-smi")
    names = []
    if program:
        query = [program, "--query-gpu=name", "--format=csv,noheader"]
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
        names = answer.stdout.split("\n")[:-1] if answer.returncode == 0 else []
    return "GPU", ", ".join(names) or "none", "" if names else "none is needed", ""


def _mirror():
    folder = os.environ.get("ATOMLENS_DATA_DIR")
    if not folder:
        remark = "real data is downloaded when asked for; the phantoms are always here"
        return "data mirror", "none", remark, ""
    if Path(folder).expanduser().is_dir():
        return "data mirror", folder, "ATOMLENS_DATA_DIR", ""
    return "data mirror", folder, "no such folder", "Correct ATOMLENS_DATA_DIR, or unset it."


def _cache():
    import pooch

    folder = Path(os.environ.get("ATOMLENS_CACHE_DIR") or pooch.os_cache("atomlens")).expanduser()
    if _writable(folder):
        return "cache", str(folder), "", ""
    remedy = "Set ATOMLENS_CACHE_DIR to a folder that you may write to."
    return "cache", str(folder), "cannot be written", remedy


def _folder():
    if _writable(Path.cwd()):
        return "results", "can be written here", "", ""
    return "results", "this folder is read-only", "", "Copy the notebooks to a folder that you may write to."


def _writable(folder):
    """Try it: permission bits say little on network drives, on Windows and for root."""
    folder = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
