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
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint. Nothing
# breaks when an answer is wrong: each new try gets a hint that says more, and `check.hint()` asks for the next one.
# Questions are answered with a letter, such as `"a"`. What was right is kept in a folder `answers` beside this
# notebook, and `check.summary()` lists it, also after a restart.

# %%
from atomlens import metrics, plotting, spectra
from atomlens.course import check
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
# **Question.** Counts follow Poisson statistics. You record every spectrum four times as long. What becomes of the
# *relative* noise of a channel, noise divided by signal?
#
# - a) It halves.
# - b) It doubles.
# - c) It falls to a quarter.
# - d) It stays the same: noise grows as the signal does.

# %%
# --- solution
option = "a"
# --- end
exercise.question("what adds up", option)

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
# **Question.** The sum of squared distances from each spectrum to the mean of its cluster is what k-means makes
# small. For which k is it smallest?
#
# - a) For k = 2, the simplest split.
# - b) For the true number of phases.
# - c) For as many clusters as there are spectra.

# %%
# --- solution
option = "c"
# --- end
exercise.question("more clusters", option)

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
# **Question.** Your neighbour clusters the same data and gets the same map, but your cluster 0 is called 2 there, and
# your 2 is called 0. What is the adjusted Rand index of the two maps?
#
# - a) It depends on how large clusters 0 and 2 are.
# - b) 1: they agree.
# - c) 0: most labels disagree.

# %%
# --- solution
option = "b"
# --- end
exercise.question("names of labels", option)

# %% [markdown]
# **Question.** Somebody throws dice for the label of each place. What is the adjusted Rand index of this map against
# the truth, about?
#
# - a) 1/k for k clusters, as with guessing.
# - b) 0
# - c) 0.5, as for a coin.
# - d) -1, the worst there is.

# %%
# --- solution
option = "b"
# --- end
exercise.question("a map of dice", option)

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
# **Question.** Why is the mean over the clusters subtracted before the strongest energy is read off?
#
# - a) To remove the noise.
# - b) Because otherwise all clusters are strongest at the same place, at low energy.
# - c) Because counts must not be negative.

# %%
# --- solution
option = "b"
# --- end
exercise.question("why a difference", option)

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
# **Question.** Two places have the same phase, and one is twice as thick. Every channel there has twice the counts.
# Which step makes their spectra equal, apart from noise?
#
# - a) Subtract the mean spectrum of the whole scan from both.
# - b) Divide each spectrum by its own area.
# - c) Smooth along the energy.
# - d) Scale each energy channel to unit variance over the scan.

# %%
# --- solution
option = "b"
# --- end
exercise.question("thick and thin", option)

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
# **Question.** Why can the silhouette never answer 1?
#
# - a) It compares the distance to a point's own cluster with that to the next cluster, and there is none.
# - b) Its value for one cluster is always 0, and 0 is never the largest.
# - c) k-means does not converge for k = 1.
# - d) It charges for small k, as BIC charges for large k.

# %%
# --- solution
option = "a"
# --- end
exercise.question("one phase", option)

# %% [markdown]
# **Predict, then run.** Before you run the next section: how will the score depend on the dose, from 200 to 5000
# counts a spectrum?
#
# - a) It falls, as more counts make more noise.
# - b) It is low where noise hides the differences, climbs within a small range of doses, and levels off near 1.
# - c) It grows in proportion to the dose.
# - d) It hardly depends on it: k-means averages the noise away.

# %%
# --- solution
option = "b"
# --- end
exercise.question("how steep", option)

# %% [markdown]
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
check.summary()
