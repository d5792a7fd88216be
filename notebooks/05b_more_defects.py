# %% [markdown]
# # 05b · More about defects without labels
#
# <div class="alert alert-block alert-info">
#
# **You will** find out how large a window has to be · look for defects in positions alone, and see what they cannot
# show · judge four more experiments, and a grain boundary
#
# **Needs** [lesson 05](05_patterson_ocsvm.ipynb) · **Time** 30 min
#
# </div>
#
# The first scheme of the papers works on columns, the second, that of lesson 05, on pixels. Each has a window of its own
# kind.

# %% tags=["hide-input"]
import warnings

import numpy as np
import pandas as pd

from atomlens import datasets, defects, lattice, metrics, patterson, plotting, simulate
from atomlens.notebook import budget, findings, show
from atomlens.windows import cell_windows, commensurate_size

# %% [markdown]
# ## 1 · The window has to fit the lattice
#
# Forgetting is not free. The transform continues a window periodically; where its edges do not fit together, the
# seam depends on where it was cut. A taper fades the edges out, but then weighs the atoms in the middle more, and
# which atoms these are depends on the place again. The **spread** over random offsets measures what is left.

# %%
perfect = simulate.image(simulate.structures.zirconia((7, 7))).data
cell = lattice.estimate(perfect)
sides = np.arange(0.75, 4.6, 0.25)
spread = pd.DataFrame(
    {
        str(taper): [
            patterson.translation_spread(
                perfect, tuple(np.rint(n * cell.lengths[::-1]).astype(int)), taper=taper, n_offsets=60
            )
            for n in sides
        ]
        for taper in (None, "hann")
    },
    index=sides,
)

# %%
show(
    plotting.window_spread(spread),
    alt="Spread against window size: without taper it goes up and down, with a Hann taper it falls to nothing.",
)

# %% [markdown]
# **Figure 5b.1.** Without a taper the spread goes up and down, and is low where opposite edges happen to fit. Whole
# numbers of cells are no guarantee: in an upright window the rows of this oblique lattice are shifted, and do not
# meet at the edges. With a Hann taper any window will do from about three cells on: the taper blurs each Bragg peak
# by one step of the transform either way, and from three steps between the peaks they no longer overlap.
#
# So there are two good ways. **One cell**: sample the window along the lattice vectors, so that it holds whole cells
# whatever their shape, and use no taper.

# %%
whole_cells, _ = cell_windows(perfect, cell)
functions = patterson.patterson(whole_cells).reshape(len(whole_cells), -1)

# %%
away = np.linalg.norm(functions - functions.mean(axis=0), axis=1).mean()
fits, misfit = commensurate_size(cell)
print(f"windows along the lattice: spread {away:.4f}")
print(f"best rectangle of whole pixels: {fits[0]} x {fits[1]}, {misfit:.2f} spacings off")

# %% [markdown]
# **Three cells and more**: slide over the pixels with a taper. These are the two schemes of the papers (Guo and
# colleagues, npj Computational Materials 7, 180, 2021; Microscopy and Microanalysis 27 S1, 2021). *Known from their
# abstracts:* two schemes of segmentation, both of which feed Patterson functions to a one-class support vector machine;
# the first on the positions of columns, with bilayer MoWTe₂, the second on images, with a twin boundary in monoclinic
# ZrO₂. *Our reconstruction:* every size, kernel and parameter.
#
# ## 2 · Columns, and nothing else
#
# A bilayer of MoTe₂ with some tungsten. Some columns are missing, some are displaced, and a row is empty.

# %%
sheet = simulate.structures.transition_metal_dichalcogenide("MoTe2", (8, 8), layers=2, alloy={"W": 0.3})
where = {"n": 5, "min_separation": 1.2, "border": 0.9, "random_state": 6}
sheet = simulate.defects.vacancies(sheet, kind="column", **where)
sheet = simulate.defects.displaced(sheet, distance=0.09, **where)
sheet = simulate.defects.line_defect(sheet, at=(4.0, 6.3), length=2.5)

# %%
bilayer = simulate.image(sheet, electrons=400, instrument=simulate.Instrument(jitter=0.003), random_state=2)
planted = bilayer.extras["defects"].query("kind != 'vacancy_line'")  # the row counts by its vacancies
planted.kind.value_counts()

# %% [markdown]
# `detect` finds the columns with the network of lesson 03, draws each as the same small Gaussian, the *semantic
# image*, cuts it into windows of one cell along the lattice, and lets the machine learn their Patterson functions.

# %%
in_columns = defects.detect(bilayer.data, scheme="columns", detector="svm")
in_columns

# %%
near = 0.6 * in_columns.lattice.spacing
match = metrics.match(in_columns.defects[["x", "y"]], planted[["x", "y"]], tolerance=near)
show(
    plotting.defects_found(bilayer.data, in_columns, truth=planted),
    alt="Bilayer MoTe2 with rings at hits; beside it the residual and the score of the semantic image.",
)
print(f"F1 {match.f1:.2f}: {match.n_matched} of {match.n_truth} found, {len(match.spurious)} false.")

# %% [markdown]
# **Figure 5b.2.** Missing columns leave holes that no other cell has, displaced ones stand where no other cell has one.
# The empty row lights up as a whole: where holes are closer together than a window is wide, not each gets a ring of
# its own.

# %%
missed = planted.index.isin(planted.index[match.missed])
pd.crosstab(planted.kind, np.where(missed, "missed", "found"))

# %% [markdown]
# Tungsten is not reported, as the semantic image does not know how bright a column is. That is the point here, since
# tungsten is everywhere; it is a limit elsewhere. One selenium atom in place of sulphur brightens a column; for columns
# alone nothing has happened:

# %%
doped = simulate.structures.transition_metal_dichalcogenide("MoS2", (6, 6))
doped = simulate.defects.substitutions(
    doped, species="Se", sublattice="S2", n=5, min_separation=1.2, random_state=1
)
doped = simulate.image(doped, electrons=400, random_state=1)
for scheme in ("columns", "window"):
    hits = defects.detect(doped.data, scheme=scheme).defects
    score = metrics.match(hits[["x", "y"]], doped.extras["defects"][["x", "y"]], tolerance=8)
    print(
        f"scheme {scheme!r}: {score.n_matched} of {score.n_truth} selenium atoms, {len(score.spurious)} false"
    )

# %% [markdown]
# ## 3 · More experiments
#
# The first lost sulphur and caught dirt; the second is on its way to WSSe. Below, silicon along ⟨110⟩, and copper oxide under
# a tunnelling microscope.

# %%
samples = ["mos2_haadf_b", "ws2_wsse_partial_12", "si110_haadf", "cu2o_stm"]
real = {}
for name in samples[: budget(full=4, fast=1)]:
    picture = datasets.load(name, or_phantom=True).data[:400, :400]
    with warnings.catch_warnings(record=True) as said:
        real[name] = picture, defects.detect(picture)
    for warning in said:
        print(f"{name}: {warning.message}")

# %%
pairs = {
    "MoS2 with rings at dark columns and dirt; no ring in WSSe.": samples[:2],
    "No ring in silicon, many rings at the vacancies of copper oxide.": samples[2:],
}
for alt, pair in pairs.items():
    if some := {name: real[name] for name in pair if name in real}:
        show(plotting.hit_gallery(some), alt=alt)

# %% [markdown]
# **Figure 5b.3.** In WSSe the scan has not settled in its first lines, upper left; the
# lattice is followed there, and nothing is reported. In silicon there is nothing, either. Around
# each vacancy of the oxide several rings appear, as its neighbours change their height, and so many cells are touched
# that `detect` doubts: so much of the image differs that it might be another phase. Hits that touch share a `group`.

# %%
groups = real[list(real)[-1]][1].groups.sort_values("score", ascending=False)
groups[["x", "y", "n_hits", "area", "score"]].head(3).round()

# %% [markdown]
# A boundary between grains of iron:

# %%
iron = datasets.load("fe_grain_boundary", or_phantom=True).data
show(
    plotting.domain_map(iron, defects.segment_domains(iron), title="Fe"),
    alt="Image of iron with the boundary between two grains drawn.",
)

# %% [markdown]
# **Figure 5b.4.** The boundary lies where the eye sees it, to within half a window.
#
# ## What stays

# %% tags=["hide-input"]
findings(
    f"""* Windows along the lattice spread by {away:.3f}; the best rectangle of whole pixels is {misfit:.2f} spacings off.
* Columns alone find {match.n_matched} of {match.n_truth} missing and displaced columns of a bilayer (n = 1), and no species."""
)
