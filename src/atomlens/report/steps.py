"""What is done with a file: step by step, as the Python that a reader can repeat.

A step is a few lines of Python. The report runs these very lines, and prints them: what is in the report and
what its code gives cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from atomlens.report import tables

__all__ = ["RECIPES", "Step", "reading"]

_FRAMES = 12  # of a movie, that a report looks at
_MOST_PHASES = 6


@dataclass(frozen=True)
class Step:
    """One analysis.

    Attributes
    ----------
    name : str
        One of `ANALYSES`.
    title : str
    code : callable
        From the settings and what is known so far (the names of the lines before) to lines of Python.
    numbers, tables, maps : callable
        From what is known to a dict: of (value, error, unit), of DataFrames, of DataArrays.
    doubts : callable
        What is to be said of the step in a report, where nobody chose the options.
    methods : str
        A sentence or two for a paper.
    needs : tuple of str
        Steps before it whose names it uses; all of them know what was read.
    """

    name: str
    title: str
    code: Callable[[Any, dict], str]
    methods: str
    numbers: Callable[[dict], dict] = lambda known: {}
    tables: Callable[[dict], dict] = lambda known: {}
    maps: Callable[[dict], dict] = lambda known: {}
    doubts: Callable[[dict], list] = lambda known: []
    needs: tuple[str, ...] = ()


def _call(function, *given, **options):
    """A call as text; options that are None are left out."""
    said = [*given, *(f"{name}={value!r}" for name, value in options.items() if value is not None)]
    return f"{function}({', '.join(said)})"


def reading(path, settings, kind, oblong=False):
    """Lines that read the file, calibrate and mask it, and look at it; `oblong` pixels become square."""
    chosen = {n: getattr(settings, n) for n in ("signal", "kind", "pixel_size")}
    name = {"image": "image", "movie": "movie"}.get(kind, "data")
    lines = [f"{name} = " + _call("al.io.read", repr(str(path)), **chosen)]
    if settings.lattice is not None:
        if kind != "image":
            raise ValueError(
                f"a {kind.replace('_', ' ')} has no lattice to calibrate by: give its pixel size"
            )
        lines.append(f"{name} = " + _call("al.io.calibrate", name, repr(settings.lattice)))
    elif oblong:
        lines.append(f"{name} = " + _call("al.io.square_pixels", name))
    if settings.left_out:
        if kind not in ("image", "spectrum_image"):
            raise ValueError(f"a {kind.replace('_', ' ')} has no area to leave out: take left_out away")
        corners = [[(y, x) for x, y in polygon] for polygon in settings.left_out]
        lines += [
            f"corners = {corners!r}  # (y, x) in pixels",
            f"left_out = np.logical_or.reduce([polygon2mask({name}.shape[:2], c) for c in corners])",
        ]
    mask = "mask=left_out" if settings.left_out and kind == "image" else None
    asked = [f"kind={settings.kind!r}"] if settings.kind else []
    lines.append("sample = " + _call("al.survey", name, *asked, *filter(None, [mask])))
    return "\n".join(lines)


def _mask(known):
    return ["mask=left_out"] if "left_out" in known else []


# Images ------------------------------------------------------------------------------------------------


def _find(settings, known):
    options = {"feature_size": settings.feature_size, "threshold": settings.threshold}
    line = "columns = sample.columns"
    if any(option is not None for option in options.values()):
        line = "columns = " + _call("al.columns.find", "image", *_mask(known), **options)
    if settings.added or settings.removed:
        by_hand = {"add": list(settings.added) or None, "remove": list(settings.removed) or None}
        line += "\ncolumns = " + _call("al.columns.edit", "columns", "image", *_mask(known), **by_hand)
    return line


def _defects(settings, known):
    line = "defects = " + _call("al.defects.detect", "image", *_mask(known), "lattice=sample.lattice")
    if "false_alarm_rate" in settings.changed:
        line += f"\ndefects = defects.at({settings.false_alarm_rate!r})"
    return line


def _domains(settings, known):
    return "domains = " + _call("al.defects.segment_domains", "image", *_mask(known))


def _phases(settings, known):
    two = known["sample"].facts.get("sublattices") == "2"
    table = "al.lattice.assign_sublattices(columns)" if two else "columns.assign(label=0)"
    sides = ", center=1, neighbors=0" if two else ""
    lines, n = [f"sites = {table}"], settings.n_phases
    model = 'al.crystallography.LocalCrystallography("auto", {}, point_group="auto"' + sides + ")"
    if n is None:
        lines.append(
            f"choice = al.crystallography.choose_n_clusters(sites, range(1, {_MOST_PHASES + 1}), "
            f"estimator={model.format(1)})"
        )
    lines.append(f"phases = {model.format(n or 'choice.recommended')}.fit(sites)")
    lines.append(f'moved = al.crystallography.displacements(sites, n_neighbors="auto"{sides})')
    return "\n".join(lines)


_LATENT_CODE = """\
size = round(2.2 * sample.lattice.lengths.max())
windows = al.windows.sliding_windows(image, size, step=max(2, size // 8))
vae = al.shiftvae.ShiftVAE(1, lattice=sample.lattice, progress=False).fit(windows)
latent = vae.latent_map(image, stride=max(2, size // 12))"""


# Spectra -----------------------------------------------------------------------------------------------


def _clusters(settings, known):
    parts = ["data.sum(data.dims[-1]) > 0"] if "empty" in known["sample"].facts else []
    parts += ["~left_out"] if "left_out" in known else []
    lines = [f"taken = {' & '.join(f'({part})' for part in parts)}"] if parts else []
    mask = ["mask=taken"] if parts else []
    k = settings.n_clusters
    if k is None:
        lines.append("choice = " + _call("al.spectra.choose_k", "data", *mask))
        k = "choice.recommended"
    lines.append("clusters = " + _call("al.spectra.cluster", "data", str(k), *mask))
    return "\n".join(lines)


def _unmix(settings, known):
    mask = ["mask=taken"] if "taken" in known else []
    n = settings.n_clusters or max(2, known["choice"].recommended if "choice" in known else 2)
    return "unmixed = " + _call("al.spectra.unmix", "data", str(n), *mask)


# Movies ------------------------------------------------------------------------------------------------


def _frames(settings, known):
    step = max(1, -(-len(known["movie"]) // _FRAMES))
    options = {"feature_size": settings.feature_size, "threshold": settings.threshold}
    found = _call("al.columns.find", "movie[n]", **options)
    return "\n".join(
        [
            f"shown = range(0, len(movie), {step})",
            f"columns = pd.concat([{found}.assign(frame=n) for n in shown], ignore_index=True)",
        ]
    )


_COLUMNS = Step(
    "columns", "Atomic columns", _find,
    "Atomic columns were located with a convolutional neural network of the U-Net type and refined "
    "jointly by Poisson maximum likelihood with two-dimensional Gaussians; standard errors are those of "
    "the joint Fisher information (Ronneberger et al., MICCAI 2015; Ziatdinov et al., Nat. Mach. Intell. "
    "4, 1101 (2022); De Backer et al., Ultramicroscopy 171, 104 (2016)).",
    tables.columns_numbers, lambda known: {"columns": known["columns"]},
)  # fmt: skip
_DEFECTS = Step(
    "defects", "Defects", _defects,
    "Deviations from periodicity were detected without labels, by comparison with the average unit cell; "
    "the threshold keeps the stated rate of false alarms per unit cell of a perfect crystal (Rao, Math. "
    "Proc. Camb. Philos. Soc. 44, 50 (1948)).",
    tables.defects_numbers, lambda known: {"defects": known["defects"].defects},
    lambda known: {"defect_score": known["defects"].score},
)  # fmt: skip
_DOMAINS = Step(
    "domains", "Domains", _domains,
    "Grains, twins and phases were segmented by the local Patterson function, as many as a test of "
    "density gaps supports (Guo et al., npj Comput. Mater. 7, 180 (2021)).",
    lambda known: {"domains": (known["domains"].attrs["n_domains"], None, "")},
    maps=lambda known: {"domains": known["domains"]},
)  # fmt: skip
_PHASES = Step(
    "phases", "Phases and displacements", _phases,
    "Phases were told by k-means clustering of ordered neighbour vectors, and judged ferroic or not by "
    "how they transform under the point group of the undistorted neighbourhood (Belianinov et al., Nat. "
    "Commun. 6, 7801 (2015)).",
    tables.phases_numbers, tables.phases_tables, doubts=tables.phases_doubts, needs=("columns",),
)  # fmt: skip
_LATENT = Step(
    "latent", "What varies", lambda settings, known: _LATENT_CODE,
    "What varies from window to window was learned by a variational autoencoder that is invariant to shifts "
    "(Ziatdinov et al., Mach. Learn.: Sci. Technol. 4, 045033 (2023)).",
    tables.latent_numbers, tables.latent_tables, tables.latent_maps,
)  # fmt: skip
_CLUSTERS = Step(
    "clusters", "Clusters of spectra", _clusters,
    "Spectra were weighted by their Poisson noise, reduced to principal components above the noise and "
    "clustered; the number of clusters is the largest whose clusters are separated by gaps in density "
    "(Keenan and Kotula, Surf. Interface Anal. 36, 203 (2004); Hartigan and Hartigan, Ann. Stat. 13, 70 "
    "(1985)).",
    tables.clusters_numbers, lambda known: {"cluster_spectra": known["clusters"].table()},
    lambda known: {"clusters": known["clusters"].labels},
)  # fmt: skip
_UNMIX = Step(
    "unmix", "Mixtures", _unmix,
    "Spectra were also described as mixtures of end members, the corners of the cloud of all spectra "
    "(Nascimento and Bioucas-Dias, IEEE Trans. Geosci. Remote Sens. 43, 898 (2005)).",
    maps=lambda known: {"abundances": known["unmixed"].abundances}, needs=("clusters",),
)  # fmt: skip
_FRAMES_STEP = Step(
    "frames", "Frames", _frames, _COLUMNS.methods,
    tables.frames_numbers, lambda known: {"columns": known["columns"], "frames": tables.by_frame(known)},
)  # fmt: skip

#: Steps for each kind of data, in their order.
RECIPES = {
    "image": (_COLUMNS, _DEFECTS, _DOMAINS, _PHASES, _LATENT),
    "movie": (_FRAMES_STEP,),
    "spectra": (_CLUSTERS, _UNMIX),
}
