"""Figures of the lessons: one look, lengths as scale bars, colours that all eyes can tell apart.

Functions named ``draw_...`` draw on axes `ax` that they are given; the others return a figure of page width
or less. What the functions have in common is not explained again in each of them: `image` is an array or a
DataArray of shape (H, W); if it is calibrated, places from tables (``x_nm``, ``y_nm``) are drawn in
nanometres, else (``x``, ``y``) in pixels. `title` is a text above the axes, none by default. Nothing is shown
or saved here (`atomlens.notebook.show` displays a figure with its alt text).
"""

from atomlens.plotting.crystallography import (
    cluster_numbers,
    constellations,
    contingencies,
    first_neighbourhood,
    phase_limits,
    phases,
)
from atomlens.plotting.crystals import (
    draw_cloud,
    draw_constellation,
    draw_displacements,
    draw_phases,
    draw_spectrum,
    draw_values,
)
from atomlens.plotting.defects import (
    alarm_rates,
    defects_found,
    detection_curves,
    domain_map,
    hit_gallery,
    knee,
    window_spread,
)
from atomlens.plotting.descriptors import (
    blindness,
    component_maps,
    draw_fourier,
    draw_patch,
    draw_patterson,
    draw_windows,
    look_alikes,
    pictures,
    window_transforms,
)
from atomlens.plotting.drawing import (
    CLUSTER_COLOURS,
    draw_image,
    draw_labels,
    draw_map,
    draw_spectra,
    new_figure,
)
from atomlens.plotting.images import (
    columns_found,
    doubtful_columns,
    draw_columns,
    draw_hits,
    draw_lines,
    lines_against_dose,
    mark_errors,
    overlays,
    scene_grid,
    training_curves,
)
from atomlens.plotting.latents import draw_crop, draw_latent_map, draw_latents, draw_manifold
from atomlens.plotting.shiftvae import (
    against_truth,
    crops,
    latent_bars,
    latent_cloud,
    latent_maps,
    manifold,
    training_history,
)
from atomlens.plotting.spectra import (
    abundance_maps,
    cluster_overview,
    criteria,
    draw_criteria,
    first_look,
    library,
    method_grid,
)

__all__ = [
    "CLUSTER_COLOURS",
    "abundance_maps",
    "against_truth",
    "alarm_rates",
    "blindness",
    "cluster_numbers",
    "cluster_overview",
    "columns_found",
    "component_maps",
    "constellations",
    "contingencies",
    "criteria",
    "crops",
    "defects_found",
    "detection_curves",
    "domain_map",
    "doubtful_columns",
    "draw_cloud",
    "draw_columns",
    "draw_constellation",
    "draw_criteria",
    "draw_crop",
    "draw_displacements",
    "draw_fourier",
    "draw_hits",
    "draw_image",
    "draw_labels",
    "draw_latent_map",
    "draw_latents",
    "draw_lines",
    "draw_manifold",
    "draw_map",
    "draw_patch",
    "draw_patterson",
    "draw_phases",
    "draw_spectra",
    "draw_spectrum",
    "draw_values",
    "draw_windows",
    "first_look",
    "first_neighbourhood",
    "hit_gallery",
    "knee",
    "latent_bars",
    "latent_cloud",
    "latent_maps",
    "library",
    "lines_against_dose",
    "look_alikes",
    "manifold",
    "mark_errors",
    "method_grid",
    "new_figure",
    "overlays",
    "phase_limits",
    "phases",
    "pictures",
    "scene_grid",
    "training_curves",
    "training_history",
    "window_spread",
    "window_transforms",
]
