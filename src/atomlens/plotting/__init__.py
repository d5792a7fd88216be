"""Figures of the lessons: one look, units on every axis, colours that all eyes can tell apart.

Every function draws on axes that it is given or makes, and returns the figure; nothing is shown or
saved here (`atomlens.notebook.show` displays a figure with its alt text).
"""

from atomlens.plotting._crystal_figures import (
    cluster_numbers,
    constellations,
    contingencies,
    first_neighbourhood,
    phase_limits,
    phases,
)
from atomlens.plotting._crystals import (
    draw_cloud,
    draw_constellation,
    draw_displacements,
    draw_phases,
    draw_spectrum,
    draw_values,
)
from atomlens.plotting._draw import CLUSTER_COLOURS, draw_labels, draw_map, draw_spectra, new_figure
from atomlens.plotting._figures import (
    abundance_maps,
    cluster_overview,
    criteria,
    draw_criteria,
    first_look,
    library,
    method_grid,
    scores,
)
from atomlens.plotting._images import (
    columns_found,
    doubtful_columns,
    draw_columns,
    draw_image,
    lines_against_dose,
    mark_errors,
    overlays,
    scene_grid,
    training_curves,
)

__all__ = [
    "CLUSTER_COLOURS",
    "abundance_maps",
    "cluster_numbers",
    "cluster_overview",
    "columns_found",
    "constellations",
    "contingencies",
    "criteria",
    "doubtful_columns",
    "draw_cloud",
    "draw_columns",
    "draw_constellation",
    "draw_criteria",
    "draw_displacements",
    "draw_image",
    "draw_labels",
    "draw_map",
    "draw_phases",
    "draw_spectra",
    "draw_spectrum",
    "draw_values",
    "first_look",
    "first_neighbourhood",
    "library",
    "lines_against_dose",
    "mark_errors",
    "method_grid",
    "new_figure",
    "overlays",
    "phase_limits",
    "phases",
    "scene_grid",
    "scores",
    "training_curves",
]
