# %% [markdown] tags=["solution"]
# *With solutions. This file is the source of the students' notebook: what stands between the markers is cut
# out there.*

# %% [markdown]
# # Exercises to lesson 01 · Clustering of spectral data
#
# **You will** cluster data that nobody else has · judge the number of clusters · repair an analysis that
# went wrong
#
# **Needs** [lesson 01](../01_spectral_clustering.ipynb) · **Time** 40 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint.
# Nothing breaks when an answer is wrong.

# %%
from atomlens import metrics, plotting, spectra
from atomlens.course.spectral_clustering import Exercise
from atomlens.notebook import show

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.

# %%
exercise = Exercise("Ada Lovelace")
si = exercise.sample.data
show(plotting.first_look(si), alt="Total counts of your sample, and three of its spectra.")

# %% [markdown]
# ## 1 · How much signal is there?
#
# Compute the mean number of counts in a spectrum (sum over energy, mean over the scan).

# %%
# --- solution
mean_counts = float(si.sum("energy").mean())
# --- end
exercise.check_mean_counts(mean_counts)

# %% [markdown]
# ## 2 · How many phases?
#
# Use `spectra.choose_k` with k from 1 to 8, and read off the recommended number.

# %%
# --- solution
choice = spectra.choose_k(si, range(1, 9))
k = choice.recommended
# --- end
exercise.check_number(k)

# %% [markdown]
# BIC counts the Gaussians that describe the clouds best. Which k does it prefer?

# %%
# --- solution
bic_prefers = int(choice.reasons.k["bic"])
# --- end
exercise.check_bic(bic_prefers)

# %% [markdown]
# ## 3 · Where are they?
#
# Cluster your sample into that many clusters, and keep the label map.

# %%
# --- solution
result = spectra.cluster(si, k)
label_map = result.labels
# --- end
exercise.check_labels(label_map)

# %% [markdown]
# ## 4 · An edge tells the element
#
# At which energy does the mean spectrum of the **smallest** cluster exceed the mean over all clusters most?
# (Clusters are numbered by size: the smallest is the last.)

# %%
# --- solution
difference = result.spectra[-1] - result.spectra.mean("cluster")
strongest = float(difference.idxmax("energy"))
# --- end
exercise.check_strongest(strongest)

# %% [markdown]
# ## 5 · Repair an analysis
#
# A colleague clustered this wedge *without normalising*, and published thickness as phases.

# %%
wedge = exercise.wedge
wrong = spectra.recommended_pipeline(wedge.data, normalise="none")
published = spectra.cluster(wedge.data, 2, preprocess=wrong)
show(
    plotting.method_grid({"published": published}, truth=wedge.truth.labels),
    alt="The planted phases, and the published map, which follows the thickness.",
)

# %% [markdown]
# Choose other steps, so that `spectra.cluster(wedge.data, 2, preprocess=steps)` finds the phases.

# %%
# --- solution
steps = spectra.recommended_pipeline(wedge.data, normalise="area")
repaired = spectra.cluster(wedge.data, 2, preprocess=steps).labels
# --- end
exercise.check_repaired(repaired)

# %% [markdown]
# ## 6 · Nothing there?
#
# `exercise.single` has a single phase. Which k does the silhouette prefer (try 1 to 6), and which is
# recommended?

# %%
# --- solution
nothing = spectra.choose_k(exercise.single.data, range(1, 7))
silhouette_prefers = int(nothing.reasons.k["silhouette"])
recommended = nothing.recommended
# --- end
exercise.check_silhouette(silhouette_prefers)
exercise.check_single(recommended)

# %% [markdown]
# Why can the silhouette never answer 1? (No check: discuss it with your neighbour.)
#
# ## 7 · How few counts are enough?
#
# `exercise.at_dose(counts)` measures your sample again with another dose. Make a dictionary `scores`: counts in
# a spectrum → adjusted Rand index of the clustering, with the planted number of phases.

# %%
doses = [200, 500, 1000, 2000, 5000]
# --- solution
scores = {}
for counts in doses:
    labels = spectra.cluster(exercise.at_dose(counts).data, exercise.n_planted).labels
    scores[counts] = metrics.adjusted_rand_index(labels, exercise.sample.truth.labels)
# --- end
exercise.check_doses(scores)

# %% [markdown]
# ## How far are you?

# %%
from atomlens.course import check

check.summary()
