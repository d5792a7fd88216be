from .crystallography import (
    cluster_numbers as cluster_numbers,
    constellations as constellations,
    contingencies as contingencies,
    first_neighbourhood as first_neighbourhood,
    phase_limits as phase_limits,
    phases as phases,
)
from .crystals import (
    draw_cloud as draw_cloud,
    draw_constellation as draw_constellation,
    draw_displacements as draw_displacements,
    draw_phases as draw_phases,
    draw_spectrum as draw_spectrum,
    draw_values as draw_values,
)
from .defect_library import (
    bond_lengths as bond_lengths,
    draw_defect as draw_defect,
    group_means as group_means,
    members as members,
)
from .defects import (
    alarm_rates as alarm_rates,
    defects_found as defects_found,
    detection_curves as detection_curves,
    domain_map as domain_map,
    hit_gallery as hit_gallery,
    knee as knee,
    window_spread as window_spread,
)
from .descriptors import (
    blindness as blindness,
    component_maps as component_maps,
    draw_fourier as draw_fourier,
    draw_patch as draw_patch,
    draw_patterson as draw_patterson,
    draw_windows as draw_windows,
    look_alikes as look_alikes,
    pictures as pictures,
    window_transforms as window_transforms,
)
from .drawing import (
    CLUSTER_COLOURS as CLUSTER_COLOURS,
    draw_image as draw_image,
    draw_labels as draw_labels,
    draw_map as draw_map,
    draw_spectra as draw_spectra,
    new_figure as new_figure,
)
from .images import (
    columns_found as columns_found,
    doubtful_columns as doubtful_columns,
    draw_columns as draw_columns,
    draw_hits as draw_hits,
    draw_lines as draw_lines,
    lines_against_dose as lines_against_dose,
    mark_errors as mark_errors,
    overlays as overlays,
    scene_grid as scene_grid,
    training_curves as training_curves,
)
from .latents import (
    draw_crop as draw_crop,
    draw_latent_map as draw_latent_map,
    draw_latents as draw_latents,
    draw_manifold as draw_manifold,
)
from .motion import (
    animation as animation,
    class_means as class_means,
    displacements as displacements,
    draw_tracks as draw_tracks,
    matrices as matrices,
    state_sequences as state_sequences,
)
from .particles import (
    domain_growth as domain_growth,
    draw_angles as draw_angles,
    draw_particles as draw_particles,
    turns as turns,
)
from .schematics import (
    descriptors_schematic as descriptors_schematic,
    draw_boundary as draw_boundary,
    kmeans_steps as kmeans_steps,
    pipeline_schematic as pipeline_schematic,
    unet_schematic as unet_schematic,
    vae_schematic as vae_schematic,
)
from .shiftvae import (
    against_truth as against_truth,
    crops as crops,
    latent_bars as latent_bars,
    latent_cloud as latent_cloud,
    latent_maps as latent_maps,
    manifold as manifold,
    training_history as training_history,
)
from .spectra import (
    abundance_maps as abundance_maps,
    cluster_overview as cluster_overview,
    criteria as criteria,
    draw_criteria as draw_criteria,
    first_look as first_look,
    library as library,
    method_grid as method_grid,
)
