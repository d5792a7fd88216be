# %% [markdown]
# # 05 · Defects without labels: Patterson functions and a one-class machine
#
# **You will** turn windows into Patterson functions, which forget where a window was cut · let a one-class support
# vector machine learn what is normal, without a label · set a false-alarm rate, and check that it is kept · divide
# an image into twins and grains
#
# **Needs** what a lattice is; lesson 02 for windows, lesson 03 for columns · **Time** 60 min to read and play, about a
# minute to run
#
# A network finds what it was shown. A defect that nobody has seen yet can only be found the other way round: learn
# what is normal, and report what is not. A crystal makes that easy to say, as nearly all of it is alike.

# %%
import warnings

import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy.spatial import cKDTree

# %%
from atomlens import datasets, defects, descriptors, lattice, metrics, patterson, plotting, simulate, widgets
from atomlens.notebook import budget, show
from atomlens.windows import cell_windows, commensurate_size, sliding_windows

# %% [markdown]
# ## 1 · A picture that forgets where it was cut
#
# Two windows of a perfect crystal, cut at different places, are different pictures. Compared pixel by pixel they
# have nothing in common. Their **Patterson function** is the same,
#
# $$ P(\mathbf r) = \sum_{\mathbf x} q(\mathbf x)\, q(\mathbf x + \mathbf r)
#    = \mathcal F^{-1}\!\left[\,|\mathcal F q|^2\,\right](\mathbf r), \qquad q = p - \bar p, \tag{5.1} $$
#
# because a shift changes only the phases of the Fourier coefficients, and the modulus drops them. It is the
# function that X-ray crystallographers have had since 1934, when they, too, had no phases. By hand:


# %%
def patterson_by_hand(patch):
    """Equation (5.1), the origin in the middle, divided by its length."""
    q = patch - patch.mean()
    function = np.fft.fftshift(np.fft.ifft2(np.abs(np.fft.fft2(q)) ** 2).real)
    return function / np.linalg.norm(function)


# %% [markdown]
# The sample is monoclinic zirconia, simulated without noise first. Why the windows have this size, and why a taper
# fades their edges out, is for Section 2.

# %%
perfect = simulate.image(simulate.structures.zirconia((7, 7))).data
cell = lattice.estimate(perfect)
cell

# %%
size = patterson.tapered_size(cell)

# %%
places = pd.DataFrame({"x": [90, 200, 151], "y": [80, 131, 260]})
show(
    plotting.window_transforms(perfect, places, size, taper="hann"),
    alt="Three windows of zirconia, their Fourier transforms and their Patterson functions, which are equal.",
)

# %% [markdown]
# **Figure 5.1.** Three windows, three pictures, one Patterson function. The package computes all windows at once:

# %%
windows = sliding_windows(perfect.values, size, step=20).reshape(-1, *size)
same = patterson.patterson(windows, half=False) - [patterson_by_hand(w) for w in windows]
print(f"{len(windows)} windows; largest difference between package and (5.1): {np.abs(same).max():.1e}")

# %% [markdown]
# ## 2 · The window has to fit the lattice
#
# Forgetting is not free. The transform continues a window periodically; where its edges do not fit together, the
# seam depends on where it was cut. A taper fades the edges out, but then weighs the atoms in the middle more, and
# which atoms these are depends on the place again. The **spread** over random offsets measures what is left.

# %%
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
# **Figure 5.2.** Without a taper the spread goes up and down, and is low where opposite edges happen to fit. Whole
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
# **Three cells and more**: slide over the pixels with a taper. These are the two schemes of the papers that this
# lesson follows (Guo and colleagues, npj Computational Materials 7, 180, 2021; Microscopy and Microanalysis 27 S1,
# 2021). *Known from their abstracts:* two schemes of segmentation, both of which feed Patterson functions to a one-class
# support vector machine; the first on the positions of columns, with bilayer MoWTe₂, the second on images, with a
# twin boundary in monoclinic ZrO₂. *Our reconstruction:* every size, kernel and parameter below.
#
# ## 3 · Scheme 1: columns, and nothing else
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
Markdown(
    f"**Score.** F1 {match.f1:.2f}: {match.n_matched} of {match.n_truth} found, {len(match.spurious)} false."
)

# %% [markdown]
# **Figure 5.3.** Missing columns leave holes that no other cell has, displaced ones stand where no other cell has one.
# The empty row lights up as a whole: where holes are closer together than a window is wide, not each gets a ring of
# its own.

# %%
missed = planted.index.isin(planted.index[match.missed])
pd.crosstab(planted.kind, np.where(missed, "missed", "found"))

# %% [markdown]
# Tungsten is not reported, as the semantic image
# does not know how bright a column is. That is the point here, since tungsten is everywhere; it is a limit
# elsewhere, and Section 8 comes back to it.
#
# ## 4 · Parameters without labels
#
# A one-class machine draws a boundary around the crowd. Two numbers say how: ν, the fraction that may lie outside,
# and γ, how closely the boundary follows. With labels one would try; without, they have to come from the data.
# After an idea of Ghafoori and colleagues (2018): windows far from their neighbours, beyond the *knee* of the sorted
# distances, are suspects and take no part; γ makes the kernel differ most between the closest and the farthest pair.

# %%
noisy = simulate.structures.zirconia((7, 7))
noisy = simulate.defects.vacancies(noisy, kind="column", n=8, min_separation=1.2, border=0.9, random_state=3)
sample = simulate.image(noisy, electrons=50, random_state=10)
vacancies = sample.extras["defects"]

# %%
describe = descriptors.WindowDescriptor(step=8)
features = describe.fit_transform(sample.data)
nu, gamma, suspects = defects.label_free_parameters(features)

# %%
crowd = defects.NearestNeighbourDetector().fit(features)
machine = defects.OneClassDetector().fit(features)
print(f"{suspects.sum()} suspects of {len(features)} windows (a fraction of {nu:.3f}); gamma {gamma:.2f}")
print(f"without them, the machine is told that no more than {machine.nu_:.2f} of the windows are outliers")

# %%
show(
    plotting.knee(-crowd.score_samples(features), suspects, title="Windows of zirconia"),
    alt="Sorted distances of windows to their neighbours: flat, then rising steeply after a knee.",
)

# %% [markdown]
# **Figure 5.4.** Most windows are as far from their neighbours as noise makes them. Those beyond the knee stand out.
# Do they hold a vacancy?

# %%
places = describe.positions_[["x", "y"]].to_numpy()
offsets = np.abs(places[:, None] - vacancies[["x", "y"]].to_numpy())
reach = (offsets < np.array(describe.size_)[::-1] / 2).all(axis=2).any(axis=1)
print(f"{reach[suspects].mean():.0%} of the suspects reach a vacancy, {reach.mean():.0%} of all windows do")

# %% [markdown]
# A vacancy at the rim of a window, where the taper is low, hardly changes it, so that not all of these are suspects.
#
# ## 5 · Scheme 2 on the raw image, beside every baseline
#
# The same eight vacancies, with all methods of the package. Three get the Patterson functions of windows: the machine
# (`svm`), the distance to the nearest neighbours, the plainest measure there is (`knn`), and an isolation forest. Two
# work on the pixels: `residual` is the image without its Bragg peaks, and `unit_cell` the difference from the
# **average unit cell**, put in every cell where the drifting lattice has it, measured in the shape of a column that
# is brighter, darker or moved.

# %%
names = budget(full=["unit_cell", "svm", "knn", "isolation_forest", "residual"], fast=["unit_cell", "svm"])
maps = {name: defects.detect(sample.data, detector=name) for name in names}

# %% [markdown]
# Cells that hold a vacancy are the positives. Those beside one are left out: windows reach into them.

# %%
nearby = cKDTree(vacancies[["x", "y"]])


def judged(found):
    """Scores of the cells, those near a defect but without one left out; and which hold one."""
    table = found.cells
    near = nearby.query(table[["x", "y"]])[0]
    holds = np.zeros(len(table), bool)
    holds[cKDTree(table[["x", "y"]]).query(vacancies[["x", "y"]])[1]] = True
    keep = holds | (near > min(size))
    return table.score.to_numpy()[keep], holds[keep]


# %%
show(
    plotting.detection_curves(
        {name: judged(found) for name, found in maps.items()},
        marks={name: found.threshold for name, found in maps.items()},
    ),
    alt="ROC and precision-recall curves of the methods; a dot marks the threshold of each.",
)

# %% [markdown]
# **Figure 5.5.** The curves say how well a method ranks the cells. Dots mark its own threshold, at one false alarm in
# ten thousand cells: a method may rank well and yet find little at a rate that is to be kept. The table counts hits
# at that threshold; a hit has to lie within a lattice vector.

# %%
matches = {
    name: metrics.match(found.defects[["x", "y"]], vacancies[["x", "y"]], tolerance=cell.spacing)
    for name, found in maps.items()
}
rows = {n: {"F1": m.f1, "missed": len(m.missed), "false": len(m.spurious)} for n, m in matches.items()}
pd.DataFrame(rows).T.round(2).astype({"missed": int, "false": int})

# %% [markdown]
# One image is one draw of the noise. The same again, another draw, and more electrons:

# %%
rows = [{"electrons": 50, "seed": 10, "method": n, "F1": matches[n].f1} for n in ("unit_cell", "svm")]
for dose, seed in budget(full=[(50, 1), (150, 1)], fast=[]):
    image = simulate.image(noisy, electrons=dose, random_state=seed).data
    for name in ("unit_cell", "svm"):
        hits = defects.detect(image, detector=name).defects[["x", "y"]]
        score = metrics.match(hits, vacancies[["x", "y"]], tolerance=cell.spacing)
        rows.append({"electrons": dose, "seed": seed, "method": name, "F1": score.f1})
draws = pd.DataFrame(rows).pivot_table(index=["electrons", "seed"], columns="method", values="F1")
draws.round(2)

# %% [markdown]
# With many electrons both find them. With few the average cell is ahead, for two reasons. It keeps the phases, that
# is, it knows *where* in the cell something is wrong; and it looks only for changes in the shape of a column, three
# numbers, where a window has to find the change among as many numbers as it has pixels, each with its noise.
#
# So `detect` uses the average cell unless told otherwise. The benchmark `defects_truth` compares all methods over
# seven lattices, five kinds of defects and three doses.
#
# ## 6 · A rate that is kept
#
# A threshold without a rate is an opinion. `detect` takes the crystal that it found, puts the noise of the image on
# it anew, without defects, and asks how high the scores get: the tail is a generalised Pareto distribution. The rate
# is per unit cell of a perfect crystal. Does it hold? Images without any defect:

# %%
found = [
    defects.detect(
        simulate.image(simulate.structures.metal("Au", (9, 9)), electrons=100, random_state=seed).data
    )
    for seed in range(budget(full=4, fast=1))
]

# %%
rates = np.array([3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1])
p_values = np.concatenate([f.cells.p_value for f in found])
alarms = pd.DataFrame({"alarms": [(p_values < r).sum() for r in rates], "cells": len(p_values)}, index=rates)

# %%
show(
    plotting.alarm_rates(alarms),
    alt="Measured false-alarm rates on the line of the rates that were set.",
)
Markdown(f"At the default rate: {sum(len(f.defects) for f in found)} hits in {len(p_values)} perfect cells.")

# %% [markdown]
# **Figure 5.6.** The line is what was set, the dots what came out. The bars count cells only; the threshold of each
# image has an error of its own, as it is known from some thousand surrogate cells and the bulk of the image, so that
# single images lie off by up to a half. The benchmark `defects_false_alarms` averages over many. With the knob
# turned from careful to bold on the zirconia of Section 5, hits come in the order of their p-values:

# %%
pd.Series({rate: len(maps["unit_cell"].at(rate).defects) for rate in (1e-6, 1e-4, 1e-2)}, name="hits")

# %% [markdown]
# ## 7 · Twins: when nearly everything is normal, and when it is not
#
# Scheme 2 of the papers shows the domains beside a twin boundary. Where one twin fills most of the image, the other
# is the outlier, and a detector should find it. Half and half, there is no normal: an outlier detector must fail.
# Then the same Patterson functions, *clustered*, give the domains.

# %%
microscope = simulate.Instrument(drift=(0.1, 0.2), jitter=0.005, contamination=0.3, contamination_length=2)
twins = simulate.structures.zirconia((10, 20), twin=True)
twinned = simulate.image(twins, electrons=60, instrument=microscope, random_state=1)

# %%
boundary = twinned.data.sizes["y"] // 2
minority, equal = (twinned.data[boundary - n : boundary - n + 500].copy() for n in (100, 250))

# %%
domains = defects.segment_domains(equal)
show(
    plotting.domain_map(equal, domains),
    alt="A twinned crystal with its boundary drawn, and its two domains.",
)


# %%
def agreement(image, domains, first_row):
    """Share of the columns, a window away from the boundary, in the domain that was planted."""
    columns = twinned.truth[twinned.truth.y.between(first_row + 1, first_row + len(image) - 2)]
    columns = columns[np.abs(columns.y - boundary) > max(domains.attrs["window"])]
    row, column = columns.y.round().astype(int) - first_row, columns.x.round().astype(int)
    at = domains.values[row, np.clip(column, 0, image.sizes["x"] - 1)]
    right = np.mean(at == columns.domain)
    return max(right, 1 - right)


# %%
print(
    f"half and half: {domains.attrs['n_domains']} domains, {agreement(equal, domains, boundary - 250):.3f} right"
)
domains = defects.segment_domains(minority)
print(
    f"one fifth: {domains.attrs['n_domains']} domains, {agreement(minority, domains, boundary - 100):.3f} right"
)

# %% [markdown]
# **Figure 5.7.** Nobody said how many domains there are: one is divided as long as a valley in the density lies
# between the halves. And what do detectors make of the two images? They are told the lattice of the lower twin, and
# get a part of the width, to save time.

# %%
rows, lower = {}, lattice.estimate(twinned.data[boundary + 60 :])
for name, image, edge in (("one fifth", minority, 100), ("half and half", equal, 250)):
    for method in ("unit_cell", "svm")[: budget(full=2, fast=1)]:
        with warnings.catch_warnings(action="ignore"):  # that this is not one crystal is the point
            cells = defects.detect(image[:, :120], detector=method, lattice=lower).cells
        odd, upper = cells.p_value < 0.01, cells.y < edge
        rows[name, method] = {"upper twin (%)": odd[upper].mean(), "lower twin (%)": odd[~upper].mean()}
(100 * pd.DataFrame(rows).T).round().astype(int)

# %% [markdown]
# The machine learns from all windows, and a fifth of them is too many to be unusual: each has plenty of its own kind
# for company. The average cell is that of the majority, so it flags cells of the smaller twin; not all of them, as a
# shear along the scan lines looks like drift in part. Half and half, either twin may be taken for the crystal.

# %% [markdown]
# ## 8 · Limits, on purpose
#
# *Inversion.* P(r) = P(−r): a crystal and its inverse have the same Patterson function. Gallium arsenide, and the
# same turned by 180°, are two domains by nature and one by theory; twins that share no more than that cannot be seen.

# %%
ends = [
    simulate.image(simulate.structures.dumbbells("GaAs", (7, 7), rotation=turn), electrons=300).data
    for turn in (0, 180)
]

# %%
halves = ends[0].copy(data=np.concatenate([ends[0][:, :175], ends[1][:, 175:]], axis=1))
print(f"inversion twins: {defects.segment_domains(halves).attrs['n_domains']} domain found, 2 planted")

# %% [markdown]
# *Species in a semantic image.* One selenium atom in place of sulphur brightens a column; for scheme 1 nothing has
# happened.

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
# *Nothing that repeats.* Without a lattice there is no normal, and `detect` says so:

# %%
film = simulate.image(simulate.structures.amorphous(size=(7, 7)), dose=3e4).data
try:
    defects.detect(film)
except defects.NotPeriodicError as refusal:
    print(refusal)

# %% [markdown]
# ## 9 · Real samples
#
# Now experiments. No truth is known, so look, and judge. Selenium was implanted into the first; the second lost sulphur
# and caught dirt; the third is on its way to WSSe. Below, graphene with a silicon atom, silicon along ⟨110⟩, and copper
# oxide under a tunnelling microscope.

# %%
samples = ["mos2_se_implanted", "mos2_haadf_b", "ws2_wsse_partial_12"]
samples += ["graphene_si_2nm", "si110_haadf", "cu2o_stm"]
real = {}
for name in samples[: budget(full=6, fast=1)]:
    picture = datasets.load(name, or_twin=True).data
    picture = picture[:400, :400]
    with warnings.catch_warnings(record=True) as said:
        real[name] = picture, defects.detect(picture)
    for warning in said:
        print(f"{name}: {warning.message}")

# %%
pairs = {
    "Two sulphides with rings at hits: bright and dark columns, dirt.": samples[:2],
    "No ring in WSSe, one at the silicon in graphene.": samples[2:4],
    "No ring in silicon, many rings at the vacancies of copper oxide.": samples[4:],
}
for alt, pair in pairs.items():
    if some := {name: real[name] for name in pair if name in real}:
        show(plotting.hit_gallery(some), alt=alt)

# %% [markdown]
# **Figure 5.8.** In the first image heavy atoms and missing ones are found column by column. Dirt on the surface is
# reported as well, rightly: it is not the crystal. In WSSe the scan has not settled in its first lines, upper left; the
# lattice is followed there, and nothing is reported. In silicon there is nothing, either. Around
# each vacancy of the oxide several rings appear, as its neighbours change their height, and so many cells are touched
# that `detect` doubts: so much of the image differs that it might be another phase. Hits that touch share a `group`.

# %%
groups = real[list(real)[-1]][1].groups.sort_values("score", ascending=False)
groups[["x", "y", "n_hits", "area", "score"]].head(3).round()

# %% [markdown]
# Two boundaries, between twins of cadmium telluride and between grains of iron:

# %%
cadmium = datasets.load("cdte_twin", or_twin=True).data

# %%
show(
    plotting.domain_map(cadmium, defects.segment_domains(cadmium), title="CdTe"),
    alt="Image of cadmium telluride with the boundary between two twins drawn where the rows bend.",
)

# %%
iron = datasets.load("fe_grain_boundary", or_twin=True).data

# %%
show(
    plotting.domain_map(iron, defects.segment_domains(iron), title="Fe"),
    alt="Image of iron with the boundary between two grains drawn.",
)

# %% [markdown]
# **Figure 5.9.** Both boundaries lie where the eye sees them, to within half a window.
#
# ## 10 · Your turn
#
# Click a hit: its window and Patterson function appear beside the normal windows most like it. Move the false-alarm
# rate; change the method. The code below repeats what you see, with your own image in place of this one.

# %%
explorer = widgets.defect_explorer(sample.data, name="sample.data")
explorer

# %%
show(
    explorer.figure,
    alt="Image with rings at hits and three framed windows; beside it their pixels and Patterson functions.",
)

# %% [markdown]
# **Figure 5.10.** The explorer as it opens, for readers without a running notebook: the strongest hit (orange frame),
# and the two normal windows whose Patterson functions are most like its own.
#
# Your own image takes a few lines:
#
# ```python
# image = io.read("my_image.dm4")
# found = defects.detect(image)
# found.save("defects.csv")
# found.save("score.tif")
# ```
#
# Leave out what is not crystal, such as vacuum or a bar at the border. If the background slopes steeply, subtract it
# first, with `windows.flatten`.
#
# The exercises are in [exercises/05_patterson_ocsvm](exercises/05_patterson_ocsvm.ipynb).
#
# ## What stays

# %%
few = draws.loc[50].mean()
measured = alarms.loc[0.01, "alarms"] / alarms.loc[0.01, "cells"]
Markdown(
    f"""* A Patterson function forgets where a window was cut, if the window fits: along the lattice, spread {away:.3f}.
* Where electrons are few, the one-class machine reaches F1 {few.svm:.2f}, the average unit cell {few.unit_cell:.2f}.
* Set to 1 %, the false-alarm rate came out as {100 * measured:.2f} %; half-and-half twins need clusters, not outliers.

Next comes lesson 06, where a network learns what varies in a window, and not just that something does."""
)
