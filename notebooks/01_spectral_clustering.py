# %% [markdown]
# # 01 · Clustering of spectral data
#
# **You will** turn a spectrum image into a map of phases and score it against the truth · decide how many
# clusters there are, and recognise when there are none · do the same to three measured data sets
#
# **Needs** nothing but what a spectrum image is · **Time** 45 min to read and play, about a minute to run
#
# A *spectrum image* holds a whole spectrum at every point of a scan. Nobody can look at thousands of
# spectra, so we let an algorithm sort them into a few groups of similar ones, and look at the groups.

# %%
import numpy as np
import pandas as pd
import xarray as xr
from IPython.display import Markdown

from atomlens import datasets, metrics, plotting, simulate, spectra, widgets
from atomlens.notebook import budget, show

pd.options.display.max_colwidth = None
effort = budget(full={"n_resamples": 8}, fast={"n_resamples": 1, "max_points": 500})
size = budget(full=(64, 64), fast=(40, 40))

# %% [markdown]
# ## 1 · The idea
#
# Unfold the scan: $N$ spectra of $L$ channels are $N$ points $\mathbf{x}_i$ in a space of $L$ dimensions.
# Spectra of one phase lie close together there. **k-means** looks for $k$ centres $\boldsymbol\mu_c$ and
# for an assignment $c(i)$ of every point such that
#
# $$ \sum_{i=1}^{N} \lVert \mathbf{x}_i - \boldsymbol{\mu}_{c(i)} \rVert^2 \tag{1.1} $$
#
# is as small as possible. That is all. The art lies before it (what should *close* mean when the sample
# is a wedge and the counts are few?) and after it (how many clusters, and do they exist?).
#
# We begin where the answer is known: a simulated *twin* with planted phases. It is hard on purpose. There
# are few counts, the thickness varies threefold, cosmic rays hit some spectra, the smallest phase covers
# a twentieth of the area, and some edges lie only 20 eV apart.

# %%
twin = datasets.load("eels_twin")
twin

# %% [markdown]
# The next figure shows the data as an instrument would: the sum of all counts, and three single spectra.

# %%
show(
    plotting.first_look(twin.data),
    alt="Left: total counts, rising smoothly across the scan. Right: three single noisy spectra.",
)

# %% [markdown]
# **Figure 1.1.** The total counts show the wedge, not the phases. A single spectrum is mostly noise.

# %% [markdown]
# ## 2 · From spectra to phases, scored
#
# One call does the work. It despikes, divides each spectrum by its area (so that thickness drops out),
# weights the channels so that counting noise is equal in all of them, keeps the principal components
# above the noise, and runs k-means. Every step is a scikit-learn transformer in one `Pipeline`, so the
# analysis can be printed, repeated, and taken to other data.

# %%
result = spectra.cluster(twin.data, n_clusters=4)
print(*result.pipeline.named_steps.values(), sep="\n")

# %%
show(
    plotting.cluster_overview(result, truth=twin.truth.labels),
    alt="Planted phases and clusters found, two nearly identical maps; right, four mean spectra with bands.",
)

# %% [markdown]
# **Figure 1.2.** The label map repeats the planted one. The mean spectra show what the phases are: each has
# the white lines of its own metal over the common oxygen edge at 532 eV. The bands are wide because
# thickness scales the spectra within each phase.
#
# The *adjusted Rand index* (ARI) compares two partitions whatever their numbering: 1 is the same
# partition, 0 is what chance gives. The table shows that even the smallest phase was found.

# %%
ari = metrics.adjusted_rand_index(result.labels, twin.truth.labels)
assert ari > 0.98
print(f"ARI = {ari:.4f}")
metrics.cluster_report(result.labels, twin.truth.labels)

# %% [markdown]
# ### k-means in eight lines
#
# Here is Lloyd's algorithm for equation (1.1), written out once: assign every point to its nearest
# centre, move every centre to the mean of its points, repeat. We run it on the component scores that the
# pipeline computed, from one distant start, and compare.


# %%
def lloyd(points, centres, steps=50):
    for _ in range(steps):
        distance = ((points[:, None] - centres) ** 2).sum(axis=2)
        nearest = distance.argmin(axis=1)
        centres = np.array([points[nearest == c].mean(axis=0) for c in range(len(centres))])
    return nearest


points = result.scores_map.values.reshape(-1, result.scores_map.sizes["component"])
corners = points[[*points.argmax(axis=0), points[:, 0].argmin()]]
by_hand = lloyd(points, corners)
agreement = metrics.adjusted_rand_index(by_hand, result.labels.values.ravel())
print(f"ARI by hand against the package: {agreement:.4f}")

# %% [markdown]
# ## 3 · What "similar" means: normalisation changes the answer
#
# The same data, the same k-means, five ways to divide out the strength of a spectrum. This twin has two
# phases, and its thickness varies sixfold.

# %%
wedge = simulate.spectra.eels(2, shape=size, smallest=0.4, thickness_ratio=6.0, counts=2e4, random_state=0)
choices = ["none", "max", "l2", "snv", "area"]
normalised = {
    how: spectra.cluster(wedge.data, 2, preprocess=spectra.recommended_pipeline(wedge.data, normalise=how))
    for how in choices
}
show(
    plotting.method_grid(normalised, truth=wedge.truth.labels),
    alt="Planted map of two phases and five label maps. Without normalisation the map is split by thickness.",
)

# %% [markdown]
# **Figure 1.3.** Without normalisation the two clusters are *thin* and *thick*: correct mathematics, wrong
# question. Each of the other choices recovers the phases here, but they weigh noise differently. The area is
# the best measured number of a noisy spectrum; the maximum is a single channel, and its noise spoils the
# whole spectrum when counts are few.

# %%
thick = (wedge.truth.thickness > wedge.truth.thickness.median()).astype(int)
bare = normalised["none"].labels
print(f"none, scored as phases:    ARI {metrics.adjusted_rand_index(bare, wedge.truth.labels):.2f}")
print(f"none, scored as thickness: ARI {metrics.adjusted_rand_index(bare, thick):.2f}")

# %% [markdown]
# ## 4 · Six methods, side by side
#
# Easy data cannot tell methods apart. So: a fraction of the dose, and a probe that mixes neighbours. Five
# methods see the same components. *gmm* fits Gaussians of any shape, *ward* merges from the bottom up,
# *spectral* cuts a neighbour graph, and *hdbscan* keeps dense regions and leaves the rest out (grey). The sixth,
# *multinomial*, sees the counts themselves: each cluster is a spectrum, from which electrons are drawn one by one.
# `cluster` takes it by itself where counts are few, as here.

# %%
faint = simulate.spectra.eels(4, shape=size, counts=600, mixing=1.0, random_state=2)
methods = (*spectra.METHODS, "multinomial")
by_method = {method: spectra.cluster(faint.data, 4, method) for method in methods}
show(
    plotting.method_grid(by_method, truth=faint.truth.labels),
    alt="Planted map and six label maps with their adjusted Rand indices; hdbscan leaves points out.",
)

# %% [markdown]
# **Figure 1.4.** With so few counts the clouds touch, and neighbours mix. Five methods make nearly the same
# errors, most of them at the borders, where a spectrum belongs to two phases. *hdbscan* asks for gaps in
# density and finds fewer dense regions than there are phases. Is it wrong? The test of section 5 is asked
# below, and agrees: what cannot be separated at this dose is not counted.
#
# The table lists the fraction of each planted phase that each method recovered.

# %%
recalls = {
    m: metrics.cluster_report(found.labels, faint.truth.labels).recall for m, found in by_method.items()
}
pd.DataFrame(recalls).round(2)

# %% [markdown]
# With still fewer counts components drown in noise. The mixture of counts, which knows how electrons scatter, holds
# out longer (adjusted Rand indices):

# %%
agreement = {}
for counts in (200, 300, 600):
    some = simulate.spectra.eels(4, shape=size, counts=counts, random_state=2)
    agreement[counts] = {
        method: metrics.adjusted_rand_index(spectra.cluster(some.data, 4, method).labels, some.truth.labels)
        for method in ("kmeans", "multinomial")
    }
pd.DataFrame(agreement).rename_axis(columns="counts a spectrum").round(2)

# %%
border = faint.truth.abundances.max("phase") < 0.9
wrong = metrics.align_labels(by_method["kmeans"].labels, faint.truth.labels) != faint.truth.labels
print(
    f"mixed spectra: {float(border.mean()):.0%} of the area, {float(border.where(wrong).mean()):.0%} of the errors"
)
print(spectra.choose_k(faint.data, range(1, 7), **effort))

# %% [markdown]
# ## 5 · How many clusters?
#
# Seven criteria answer, and they do not agree, because they answer different questions. Six score a
# partition. The seventh is a *test*: could one pair of these clusters be a single cloud, cut in two? If no
# pair could, the clusters are **separated by a gap in density**. Its surrogate null is the unimodal
# distribution that is hardest to tell from two clusters, so it can also say "there are no clusters".

# %%
choice = spectra.choose_k(twin.data, range(1, 9), **effort)
show(
    plotting.criteria(choice),
    alt="Seven small plots of criteria against k, each with a dot at the k it prefers, and the verdict: 4.",
)

# %% [markdown]
# **Figure 1.5.** The k cockpit. Orange dots mark what each criterion prefers. The elbow stops early, since
# splitting the closest pair of phases takes little off the inertia. BIC goes on: it counts the Gaussians that
# describe the clouds best, and a cloud that is stretched by thickness takes more than one. The test returns the
# planted number.

# %%
assert choice.recommended == twin.truth.sizes["phase"]
choice.reasons

# %% [markdown]
# And where nothing is to be found? One phase, the same wedge, more counts, so that the change of shape with
# thickness becomes visible:

# %%
single = simulate.spectra.eels(1, shape=size, counts=5e4, random_state=3)
nothing = spectra.choose_k(single.data, range(1, 7), **effort)
assert nothing.recommended == 1
nothing.reasons

# %% [markdown]
# A silhouette always prefers *some* k of at least 2. Had we trusted it, we would have published phases
# where there is one, and given each a spectrum and a map.
#
# **Try it.** Move the slider. What does k = 3 merge, and what does k = 5 cut?

# %%
widgets.k_cockpit(twin.data, choice, name="twin.data")

# %% [markdown]
# The explorer links the map with what is behind it: click or drag on the map, change k, method and
# normalisation, then press *Show the code* and paste it into a cell.

# %%
explorer = widgets.cluster_explorer(twin.data, name="twin.data", n_clusters=4)
explorer.model.region = (10, 20, 30, 40)
explorer

# %% [markdown]
# The next figure is a static view of the explorer, for readers without a running notebook.

# %%
show(
    explorer.figure,
    alt="Label map with a black square; right, four cluster spectra and in black the mean of the square.",
)

# %% [markdown]
# **Figure 1.6.** The mean spectrum of the black square follows the band of one cluster. Its two needles are
# cosmic rays, which the clustering has removed and the raw data still hold.

# %% [markdown]
# ## 6 · Measured: an interface
#
# Now real data. If a set is neither in your mirror nor to be had over the network, the twin takes its
# place and says so. The first is a line scan across an interface of (La,Sr)MnO₃ and SrTiO₃.

# %%
lsmo = datasets.load("lsmo_sto_eels", or_twin=True)
print(datasets.credit(lsmo))

# %%
interface = spectra.choose_k(lsmo.data, range(1, 5), **effort)
print("recommended:", interface.recommended)
two_sides = spectra.cluster(lsmo.data, 2)
show(
    plotting.cluster_overview(two_sides, normalise=True),
    alt="A strip of two colours, one interface; two spectra, one with Ti lines, one with Mn and La lines.",
)

# %% [markdown]
# **Figure 1.7.** The scan falls into two stretches with one interface between them. Titanium lines near
# 460 eV mark one side, manganese near 640 eV and lanthanum near 840 eV the other. Ten spectra are
# few for a test: below sixty, it is calibrated on simulated clouds of the same number of points.

# %% [markdown]
# ## 7 · Measured: layers and vacuum

# %%
gaas = datasets.load("gaas_eels", or_twin=True)
print(datasets.credit(gaas))

# %%
layers = spectra.choose_k(gaas.data, range(1, 8), **effort)
stack = spectra.cluster(gaas.data, layers.recommended)
show(
    plotting.cluster_overview(stack, title=f"{layers.recommended} clusters"),
    alt="Slanted layers of two clusters below a strip of vacuum, and three mean spectra.",
)

# %% [markdown]
# **Figure 1.8.** Vacuum at the top, and two kinds of layers that cross the scan at a slant.
# In vacuum nothing but the detector's background is left. Yet normalisation blows it up to the same area as
# a real spectrum: a cluster of noise. That is harmless here, for it forms a cluster of its own. Where it
# does not, leave it out with `mask=`.

# %% [markdown]
# ## 8 · Measured: when there are no clusters
#
# The third set maps copper and zinc on an oxide nanotube. Its source also published maps of the two fitted
# edges, which is as much of an answer key as real data offer.

# %%
cuzn = datasets.load("cuzn_eels", or_twin=True)
print(datasets.credit(cuzn))

# %%
choice_cuzn = spectra.choose_k(cuzn.data, range(1, 8), **effort)
show(
    plotting.criteria(choice_cuzn),
    alt="Seven criteria for the CuZn data, which prefer numbers from 1 to 7; the verdict is no clusters.",
)

# %% [markdown]
# **Figure 1.9.** Here the criteria disagree in earnest. Two clusters are *stable*: another half of the
# data gives nearly the same map. But they are not *separated*. The spectra form a continuum, and
# k-means cuts it at a place that repeats. Both statements are true, and only together do they describe the
# sample. What varies? Compare the first component with the maps, after different preprocessing.

# %%
maps = {name: m for name, m in cuzn.truth.data_vars.items() if m.dims == ("y", "x") and float(m.std()) > 0}
maps["total counts"] = cuzn.data.sum("energy")
steps = {
    "as measured": {"normalise": "none"},
    "divided by area": {"normalise": "area"},
    "background removed": {"normalise": "none", "background": (800, 915)},
}
rows = {}
for name, options in steps.items():
    pipeline = spectra.recommended_pipeline(cuzn.data, **options)
    first = spectra.cluster(cuzn.data, 2, preprocess=pipeline).scores_map[..., 0]
    rows[name] = {key: abs(float(xr.corr(first, m.drop_vars(m.coords)))) for key, m in maps.items()}
pd.DataFrame(rows).T.rename_axis("first component, against").round(2)

# %% [markdown]
# As measured, the first component *is* the total of the counts, to which thickness, density and scattering
# out of the aperture all contribute. Divided by area, or with the background under the edges removed by a power
# law, it follows the two metals. (It cannot tell one from the other: their maps are much alike.) So the right
# question is not *which phase?* but *how much of it?* We **unmix** the spectra into endmembers instead.

# %%
parts = spectra.unmix(cuzn.data, 2)
show(
    plotting.abundance_maps(parts.abundances, endmembers=parts.endmembers),
    alt="Two complementary abundance maps, and two endmember spectra of which one shows edges near 1000 eV.",
)

# %% [markdown]
# **Figure 1.10.** The second endmember carries the copper and zinc edges above 930 eV, the first is
# background alone. Between a metal-rich corner and bare places the abundance takes all values: there is no
# border to draw. An abundance is a share of the *counts*, background included. The correlations compare it with
# the maps published by the source.

# %%
metal = parts.abundances[..., 1].drop_vars(["x", "y", "endmember"])
correlation = {name: float(xr.corr(metal, m.drop_vars(m.coords))) for name, m in maps.items()}
pd.Series(correlation, name="r with abundance of endmember 1").round(2).to_frame()

# %% [markdown]
# ## 9 · When the axis itself moves
#
# In low-loss spectra the zero-loss peak is by far the strongest feature, and it jitters with the high tension.
# Then spectra differ most in where they *begin*. `align` finds each peak and shifts its spectrum back.

# %%
jitter = datasets.load("low_loss_twin")
aligned = spectra.recommended_pipeline(jitter.data, align=(-4, 4))
both = {
    "not aligned": spectra.cluster(jitter.data, 3),
    "aligned": spectra.cluster(jitter.data, 3, preprocess=aligned),
}
show(
    plotting.method_grid(both, truth=jitter.truth.labels),
    alt="Planted map, a speckled map without alignment, and a map with alignment that repeats the planted one.",
)

# %% [markdown]
# **Figure 1.11.** Without alignment the position of the zero-loss peak weighs more than the plasmons, and clusters
# sort the spectra largely by it. How much of the variance of the jitter do they explain?

# %%
shift, groups = jitter.truth["shift"].values, both["not aligned"].labels.values
inside = sum(((shift[groups == k] - shift[groups == k].mean()) ** 2).sum() for k in range(3))
print(
    f"clusters without alignment explain {1 - inside / ((shift - shift.mean()) ** 2).sum():.0%} of the jitter"
)

# %% [markdown]
# ## 10 · Any axis, any scan
#
# Nothing so far knew about energy loss. Current-voltage curves, which may be negative, go through the same
# call; the pipeline notices that they are not counts and leaves out the steps that assume so.

# %%
curves = datasets.load("current_voltage_twin")
by_curve = spectra.cluster(curves.data, spectra.choose_k(curves.data, range(1, 6), **effort).recommended)
show(
    plotting.cluster_overview(by_curve, truth=curves.truth.labels),
    alt="Planted and found maps of three regions; three curves: straight, gapped, rectifying.",
)

# %% [markdown]
# **Figure 1.12.** Metallic, gapped and rectifying regions. And a *combinatorial library*, a diffraction
# pattern at each of a few hundred scattered spots of a ternary composition spread:

# %%
spread = datasets.load("composition_spread_twin")
structures = spectra.cluster(spread.data, spectra.choose_k(spread.data, range(1, 6), **effort).recommended)
composition = np.column_stack([spread.data[name] for name in "abc"])
print(f"ARI = {metrics.adjusted_rand_index(structures.labels, spread.truth.labels):.3f}")
show(
    plotting.library(structures.labels, composition),
    alt="Dots in three colours on a round wafer, and the same dots in a composition triangle.",
)

# %% [markdown]
# **Figure 1.13.** Three structure fields meet in the composition triangle. The few disagreements with the
# truth lie on the borders, where two structures coexist and a label is a matter of taste.

# %% [markdown]
# ## 11 · Where it fails, on purpose
#
# Leave out one step at a time, and cut too finely.

# %%
hard = simulate.spectra.eels(4, shape=size, spike_fraction=0.1, random_state=0)
spiky = spectra.recommended_pipeline(hard.data, despike=False)
unscaled = spectra.recommended_pipeline(hard.data, normalise="none")
attempts = {
    "recommended": spectra.cluster(hard.data, 4),
    "no despiking": spectra.cluster(hard.data, 4, preprocess=spiky),
    "no normalising": spectra.cluster(hard.data, 4, preprocess=unscaled),
    "k too large": spectra.cluster(hard.data, 8),
}
show(
    plotting.method_grid(attempts, truth=hard.truth.labels),
    alt="Planted map and four attempts: all but the recommended one differ visibly from it.",
)

# %% [markdown]
# **Figure 1.14.** Without despiking a few cosmic rays outweigh a whole phase: a cluster is spent on a handful
# of spectra (the last size below). Without normalising, thickness cuts the phases. Too large a k never
# complains: k-means cuts a cloud into neat halves, and only the criteria of section 5 tell.

# %%
print("sizes without despiking:", np.bincount(attempts["no despiking"].labels.values.ravel()).tolist())

# %% [markdown]
# More limits. A phase that covers a handful of pixels is not a cluster to any of these methods.
# Two phases whose spectra differ by less than the noise of a spectrum are one cloud, and the test will call
# them one. And a gap in density is needed: phases joined by a wide zone of mixtures count as a continuum.
#
# With very many counts, the few mixing ratios that occur at sharp interfaces are clusters with gaps around
# them, and the test alone finds too many. So a k is passed over when one of its clusters is a mixture of others
# *and* lines the places where they meet. The price: an intermediate layer that is as thin as an interface
# is taken for one. The reason says what was done:

# %%
bright = simulate.spectra.eels(3, shape=size, counts=5e6, random_state=1)
choice_bright = spectra.choose_k(bright.data, range(1, 7), **effort)
print(f"planted {bright.truth.sizes['phase']}, recommended {choice_bright.recommended}:")
print(choice_bright.reasons.reason["null_p"])

# %% [markdown]
# ## 12 · Larger than memory, and out to other programs
#
# The same call streams data that do not fit into memory, block by block, on Dask. Here the twin
# is cut into chunks as if it came from disk; `al.io.read` does that by itself for large files.

# %%
chunked = twin.data.chunk({"y": 16})
streamed = spectra.cluster(chunked, 4, progress=False)
print(f"ARI of streamed against in memory: {metrics.adjusted_rand_index(streamed.labels, result.labels):.4f}")

# %%
for path in result.export("results/01_spectral_clustering", overwrite=True):
    print(path)

# %% [markdown]
# ## 13 · What to remember

# %%
preferred = choice_cuzn.reasons.k
scored = {how: metrics.adjusted_rand_index(r.labels, wedge.truth.labels) for how, r in normalised.items()}
Markdown(f"""
- On the twin the recommended pipeline reaches an **ARI of {ari:.3f}**, and the test finds
  **{choice.recommended}** clusters where {twin.truth.sizes["phase"]} were planted.
- Criteria for k disagree because they ask different things: for CuZn the silhouette prefers
  **{preferred["silhouette"]}**, Calinski-Harabasz **{preferred["calinski_harabasz"]}**, and the test says
  **{choice_cuzn.recommended}**.
- Preprocessing decides what a cluster means: leaving out normalisation took the ARI of the wedge from
  **{scored["area"]:.2f}** to **{scored["none"]:.2f}**.
""")

# %% [markdown]
# **Now you**: the [exercises](exercises/01_spectral_clustering.ipynb) give every student their own data.
# **Your own file**: `al.io.read("file.dm4")` instead of `datasets.load(...)`, then everything above;
# [the start notebook](00_start_here.ipynb) shows how.
