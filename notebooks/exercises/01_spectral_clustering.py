# %% [markdown]
# # Exercises to lesson 01 · Clustering of spectral data
#
# **You will** cluster data that nobody else has · judge the number of clusters · repair an analysis that
# went wrong
#
# **Needs** [lesson 01](../01_spectral_clustering.ipynb) · **Time** 40 min
#
# Write your answers where it says so, in place of the dots, and run the cell. Each check answers at once: ✓, or a
# hint. Nothing breaks when an answer is wrong.

# %%
import numpy as np

from atomlens import check, metrics, plotting, simulate, spectra
from atomlens.notebook import show

# %% [markdown]
# Put your own name here. It seeds your own sample: your numbers differ from your neighbour's.

# %%
name = "Ada Lovelace"
seed = check.seed(name)
n_planted = 3 + seed % 3
mine = simulate.spectra.eels(n_planted, shape=(48, 48), random_state=seed)
show(plotting.first_look(mine.data), alt="Total counts of your sample, and three of its spectra.")

# %% [markdown]
# ## 1 · How much signal is there?
#
# Compute the mean number of counts in a spectrum (sum over energy, mean over the scan).

# %%
# Your code here
mean_counts = ...
check.close(
    mean_counts,
    float(mine.data.sum("energy").mean()),
    rtol=1e-3,
    name="mean counts",
    hint="`mine.data.sum('energy')` is a map; take its mean",
)

# %% [markdown]
# ## 2 · How many phases?
#
# Use `spectra.choose_k` with k from 1 to 8, and read off the recommended number.

# %%
# Your code here
choice = ...
k = ...
check.equal(k, n_planted, name="number of phases", hint="choose_k returns an object with `.recommended`")

# %% [markdown]
# Look at the criteria. Which one prefers the largest k? (Write its name, as in the index of `choice.reasons`.)

# %%
# Your code here
greedy = ...
expected = spectra.choose_k(mine.data, range(1, 9)).reasons.k.dropna().astype(int)
check.between(
    expected.get(greedy, 0) if isinstance(greedy, str) else greedy,
    expected.max(),
    8,
    name="greediest criterion",
    hint="look at the column `k` of `choice.reasons`; several may share the largest value",
)

# %% [markdown]
# ## 3 · Where are they?
#
# Cluster your sample into that many clusters, and keep the label map.

# %%
# Your code here
result = ...
label_map = ...
check.labels(label_map, mine.truth.labels, min_ari=0.95, name="label map")

# %% [markdown]
# ## 4 · An edge tells the element
#
# Between 480 and 1000 eV: which energy is the strongest channel of the **smallest** cluster, once the mean of all
# clusters is subtracted? (Clusters are numbered by size, so the smallest is the last.)

# %%
# Your code here
difference = ...
strongest = ...
truth = spectra.cluster(mine.data, n_planted).spectra
check.close(
    strongest,
    float((truth[-1] - truth.mean("cluster")).idxmax("energy")),
    atol=4.0,
    name="energy of the strongest channel (eV)",
    hint="`.idxmax('energy')` returns the coordinate of the maximum, not its number",
)

# %% [markdown]
# ## 5 · Repair an analysis
#
# A colleague clustered this wedge *without normalising*, and published thickness. Choose steps with
# `spectra.recommended_pipeline` such that `spectra.cluster(wedge.data, 2, preprocess=steps)` finds the phases.

# %%
wedge = simulate.spectra.eels(2, smallest=0.4, thickness_ratio=6.0, counts=2e4, random_state=seed)
wrong = spectra.recommended_pipeline(wedge.data, normalise="none")
published = spectra.cluster(wedge.data, 2, preprocess=wrong)
show(
    plotting.method_grid({"published": published}, truth=wedge.truth.labels),
    alt="The planted phases, and the published map which follows the thickness.",
)

# %%
# Your code here
steps = ...
repaired = ...
check.labels(repaired, wedge.truth.labels, min_ari=0.95, name="repaired map")

# %% [markdown]
# ## 6 · Nothing there?
#
# Here is a sample with a single phase. Find the k that the silhouette prefers, and the k that is recommended.

# %%
single = simulate.spectra.eels(1, shape=(48, 48), counts=5e4, random_state=seed)
# Your code here
nothing = ...
silhouette_prefers = ...
recommended = ...
check.between(silhouette_prefers, 2, 6, name="silhouette", hint="`.reasons.k['silhouette']`")
check.equal(recommended, 1, name="recommended for one phase")

# %% [markdown]
# Why can the silhouette never answer 1? (No check: discuss it with your neighbour.)
#
# ## 7 · How few counts are enough?
#
# Lower the dose of your sample in steps. Make a dictionary `ari`: counts in a spectrum → adjusted Rand index
# of the clustering with the planted number of phases.

# %%
doses = [200, 500, 1000, 2000, 5000]
# Your code here
ari = ...
scores = [ari.get(dose, np.nan) for dose in doses] if isinstance(ari, dict) else ari
check.shape(scores, (len(doses),), name="one score a dose")
check.between(scores if scores is ... else scores[-1], 0.9, 1.0, name="ARI at the largest dose")

# %% [markdown]
# ## How far are you?

# %%
check.summary()
