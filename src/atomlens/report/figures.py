"""Figures of a report, and what is to be seen in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomlens._types import Any, Figure

__all__ = ["Picture", "draw"]


@dataclass(frozen=True, eq=False)
class Picture:
    """One figure with its words.

    Attributes
    ----------
    name : str
        Of its files.
    figure : Figure
    caption : str
    alt : str
        What it shows, for those who cannot see it.
    """

    name: str
    figure: Figure
    caption: str
    alt: str


def draw(step: str, known: dict[str, Any]) -> list[Picture]:
    """The figures of a step (of `ANALYSES`, or "sample"), from what its code found."""
    return _DRAWN[step](known)


def _sample(known):
    from atomlens import plotting
    from atomlens.plotting.descriptors import pixel_of

    sample = known["sample"]
    if sample.kind == "spectrum":
        figure, ax = plotting.new_figure(size=(10.4, 4))
        data = sample.data
        ax.plot(data[data.dims[-1]] if data.dims[-1] in data.coords else np.arange(data.size), data.values)
        ax.set(xlabel=_axis(data), ylabel="intensity")
        ax.margins(x=0)
        return [Picture("spectrum", figure, "The spectrum as it was read.", "A curve.")]
    if "spectral axis" in sample.facts:
        figure = plotting.first_look(sample.data)
        text = "Total signal of the scan, and the spectra at the marked points."
        return [Picture("first_look", figure, text, f"A {sample.kind} and three of its spectra.")]
    if sample.kind == "movie":
        return []
    figure, (left, right) = plotting.new_figure(1, 2, size=(10.4, 5.2))
    plotting.draw_image(left, sample.data)
    step, unit = pixel_of(sample.data)
    plotting.draw_fourier(right, sample.data, step=step, unit=unit)
    text = "The image as it was read, and its power spectrum."
    return [Picture("image", figure, text, f"A {sample.kind} and its power spectrum.")]


def _axis(data):
    dim = data.dims[-1]
    unit = data[dim].attrs.get("units") if dim in data.coords else None
    return f"{dim} ({unit})" if unit else str(dim)


def _columns(known):
    from atomlens import plotting

    image, columns = known["image"], known["columns"]
    figure, ax = plotting.new_figure(size=(7.2, 7.2 * _height(image)))
    plotting.draw_image(ax, image, title=f"{len(columns)} columns")
    plotting.draw_columns(ax, image, columns)
    text = f"{len(columns)} atomic columns over the image; fainter dots have lower scores."
    return [Picture("columns", figure, text, f"An image with dots on {len(columns)} columns.")]


def _height(image):
    return float(np.clip(image.shape[0] / image.shape[1], 0.3, 1.4))


def _defects(known):
    from atomlens import plotting

    found = known["defects"]
    n = len(found.defects)
    text = (
        f"{n} places that the perfect crystal does not explain, at a false-alarm rate of "
        f"{found.false_alarm_rate:g} a unit cell ({found.false_alarm_rate * found.n_cells:.2g} are "
        "expected by chance). Middle: what is left without the perfect crystal, in standard deviations of "
        "the noise."
    )
    figure = plotting.defects_found(known["image"], found)
    return [Picture("defects", figure, text, f"An image with {n} rings, its residual and its score.")]


def _domains(known):
    from atomlens import plotting

    domains = known["domains"]
    n = domains.attrs["n_domains"]
    figure = plotting.domain_map(known["image"], domains)
    text = f"{n} domain{'' if n == 1 else 's'} of different periodicity or orientation."
    return [Picture("domains", figure, text, f"A map of {n} domains beside the image.")]


def _phases(known):
    from atomlens import plotting

    phases, sites, moved, image = (known[name] for name in ("phases", "sites", "moved", "image"))
    figure, (left, right) = plotting.new_figure(1, 2, size=(10.4, 5.4 * _height(image)))
    own = sites.iloc[phases.centers_]
    plotting.draw_phases(left, own, phases.phase_labels_, image=image, title="Phase of each atom")
    plotting.draw_displacements(
        right, moved, image=image, title="Displacement from the middle of the neighbours"
    )
    kinds = ", ".join(phases.verdict_["kind"])
    text = (
        f"Phases by their neighbourhoods ({kinds}; point group {phases.point_group_}), and the "
        "displacement of each atom from the middle of its neighbours, exaggerated; colours are directions."
    )
    alt = "Atoms coloured by phase, and arrows of their displacements."
    return [Picture("phases", figure, text, alt)]


def _latent(known):
    from atomlens import plotting

    figure = plotting.latent_maps(known["latent"])
    text = (
        "What varies from window to window: where the windows lie in the crystal (shifts), and what they "
        "hold besides (z); the table says which of these are more than noise."
    )
    n = known["latent"].sizes["latent"]
    return [Picture("latent", figure, text, f"{n} maps of latent variables.")]


def _clusters(known):
    from atomlens import plotting

    clusters = known["clusters"]
    n = clusters.spectra.sizes["cluster"]
    made = [
        Picture(
            "clusters",
            plotting.cluster_overview(clusters),
            f"{n} cluster{'' if n == 1 else 's'} of spectra, with their means and standard deviations.",
            f"A map of {n} clusters and their mean spectra.",
        )
    ]
    if "choice" in known:
        text = "Criteria for the number of clusters, and the number that each of them prefers."
        made.append(
            Picture("criteria", plotting.criteria(known["choice"]), text, "Seven criteria against k.")
        )
    return made


def _unmix(known):
    from atomlens import plotting

    unmixed = known["unmixed"]
    n = unmixed.abundances.shape[-1]
    figure = plotting.abundance_maps(unmixed.abundances, unmixed.endmembers)
    text = f"How much of each of {n} end members, where spectra mix instead of falling into clusters."
    return [Picture("mixtures", figure, text, f"{n} maps of abundance and the end members.")]


def _frames(known):
    from atomlens import plotting
    from atomlens.report.tables import by_frame

    movie, columns, table = known["movie"], known["columns"], by_frame(known)
    shown = [int(table["frame"].iloc[n]) for n in (0, len(table) // 2, -1)]
    figure, axes = plotting.new_figure(1, 4, size=(10.4, 3.2))
    for ax, n in zip(axes, shown, strict=False):
        plotting.draw_image(ax, movie[n], title=f"Frame {n}")
        plotting.draw_columns(ax, movie[n], columns[columns["frame"] == n])
    axes[3].plot(table["frame"], table["columns"], "o-")
    axes[3].set(xlabel="frame", ylabel="columns", ylim=(0, None))
    text = "Columns in the first, middle and last frame that were looked at, and how many there are in each."
    return [
        Picture("frames", figure, text, "Three frames with dots on columns, and a curve of their number.")
    ]


_DRAWN = {
    "sample": _sample,
    "columns": _columns,
    "defects": _defects,
    "domains": _domains,
    "phases": _phases,
    "latent": _latent,
    "clusters": _clusters,
    "unmix": _unmix,
    "frames": _frames,
}
