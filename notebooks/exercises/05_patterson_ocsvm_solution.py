# %% [markdown] tags=["solution"]
# *With solutions. This file is the source of the students' notebook: what stands between the markers is cut
# out there.*

# %% [markdown]
# # Exercises to lesson 05 · Defects without labels
#
# **You will** choose a window that fits a lattice · derive the width of a kernel without labels · count vacancies,
# and clear a crystal that has none · measure how much of an image is twinned
#
# **Needs** [lesson 05](../05_patterson_ocsvm.ipynb) · **Time** 30 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint.
# Nothing breaks when an answer is wrong.

# %%
import numpy as np

from atomlens import defects, plotting
from atomlens.course.patterson_ocsvm import Exercise
from atomlens.notebook import show
from atomlens.patterson import translation_spread

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.

# %%
exercise = Exercise("Ada Lovelace")
panels = {"crystal": exercise.crystal, "film": exercise.film, "twin": exercise.twin}
figure, axes = plotting.new_figure(1, 3, size=(10.4, 3.7))
for ax, (title, image) in zip(axes, panels.items(), strict=True):
    plotting.draw_image(ax, image, title=title)
show(figure, alt="Three of your samples: a perfect crystal, a film, and a twinned crystal.")

# %% [markdown]
# ## 1 · A window that fits
#
# `exercise.sizes` lists (height, width) of five windows, in pixels. For one of them the Patterson function of
# `exercise.crystal` does not depend on where the window is cut, without any taper. Which one? Hand in its
# (height, width) in pixels, as it stands in the list.

# %%
# --- solution
spread = [translation_spread(exercise.crystal, size) for size in exercise.sizes]
best = exercise.sizes[int(np.argmin(spread))]
# --- end
exercise.check_size(best)

# %% [markdown]
# ## 2 · A kernel without labels
#
# The closest two rows of `exercise.features` lie a distance *near* apart, the farthest two a distance *far*. For which
# γ does the kernel exp(−γ d²) differ most between these two distances? Use NumPy alone.

# %%
# --- solution
difference = exercise.features[:, None] - exercise.features[None]
distance = np.linalg.norm(difference, axis=2)[np.triu_indices(len(exercise.features), 1)]
near, far = distance.min(), distance.max()
gamma = 2 * np.log(far / near) / (far**2 - near**2)
# --- end
exercise.check_gamma(gamma)

# %% [markdown]
# ## 3 · Count what is missing
#
# How many columns are missing in `exercise.film`? Keep what the detector of the lesson returns as `found`.

# %%
# --- solution
found = defects.detect(exercise.film)
count = len(found.defects)
# --- end
exercise.check_count(count)

# %% [markdown]
# Look at them:

# %%
if found is not ...:
    figure = plotting.defects_found(exercise.film, found)
    show(figure, alt="Your film with its hits, without the perfect crystal, and the score.")

# %% [markdown]
# ## 4 · Not guilty
#
# Three crystals are in `exercise.suspects`. One of them is perfect: number 0, 1 or 2?

# %%
# --- solution
hits = [len(defects.detect(image).defects) for image in exercise.suspects]
perfect = hits.index(0)
# --- end
exercise.check_perfect(perfect)

# %% [markdown]
# ## 5 · How much is twinned?
#
# Which fraction of `exercise.twin` does the smaller of its two twins cover?

# %%
# --- solution
domains = defects.segment_domains(exercise.twin)
share = float((domains > 0).mean())
# --- end
exercise.check_share(share)

# %% [markdown]
# ## How did it go?

# %%
from atomlens.course import check

check.summary()
