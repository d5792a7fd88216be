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
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint. Nothing
# breaks when an answer is wrong: each new try gets a hint that says more, and `check.hint()` asks for the next one.
# Questions are answered with a letter, such as `"a"`. What was right is kept in a folder `answers` beside this
# notebook, and `check.summary()` lists it, also after a restart.

# %%
import numpy as np

from atomlens import defects, plotting
from atomlens.course import check
from atomlens.course.patterson_ocsvm import Exercise
from atomlens.notebook import show
from atomlens.patterson import translation_spread

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.
#
# The film and the suspects were drawn anew until the detector of the lesson found all defects and no others: they show
# how to use it, not how often it is right.

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
# `translation_spread(image, size)` says how much the function changes with the place of the cut: 0 is not at all.

# %%
# --- solution
spread = [translation_spread(exercise.crystal, size) for size in exercise.sizes]
best = exercise.sizes[int(np.argmin(spread))]
# --- end
exercise.check_size(best)

# %% [markdown]
# **Question.** Why not take a window of ten by ten cells?
#
# - a) A single defect would be a small part of it, and its place would be blurred.
# - b) It would not hold whole cells.
# - c) Its Patterson function would be noisier.

# %%
# --- solution
option = "a"
# --- end
exercise.question("a larger window", option)

# %% [markdown]
# ## 2 · A kernel without labels
#
# The closest two different rows of `exercise.features` lie a distance *near* apart, the farthest two a distance *far*. For which
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
# **Question.** γ is made very large, so that exp(−γ d²) is nearly 0 for any two different rows. What does the one-
# class SVM learn?
#
# - a) Every row is an island: whatever is new is an anomaly.
# - b) All rows look alike: nothing is an anomaly.
# - c) The same as before, only faster.

# %%
# --- solution
option = "a"
# --- end
exercise.question("too sharp a kernel", option)

# %% [markdown]
# **Question.** A one-class SVM is trained with ν = 0.05. What does ν promise about the training rows?
#
# - a) At most about 5 % of them end up outside.
# - b) Exactly 5 % of them are defects.
# - c) The probability that a hit is false is 5 %.

# %%
# --- solution
option = "a"
# --- end
exercise.question("nu", option)

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
# **Question.** One-class detection trains on the image itself, without labels. When does this go wrong?
#
# - a) When the crystal is turned.
# - b) When defects are rare.
# - c) When a large share of the windows has the same defect.

# %%
# --- solution
option = "c"
# --- end
exercise.question("no labels", option)

# %% [markdown]
# **Question.** A window has a high anomaly score. What do you know?
#
# - a) A column is missing there.
# - b) It differs from most windows.
# - c) The probability that it holds a defect.

# %%
# --- solution
option = "b"
# --- end
exercise.question("what a score says", option)

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
# **Question.** A perfect crystal has 1000 independent windows, and each is tested at a level of 1 %. How many hits do
# you expect?
#
# - a) None.
# - b) About 990.
# - c) 1, as the level is 1 %.
# - d) About 10.

# %%
# --- solution
option = "d"
# --- end
exercise.question("many windows", option)

# %% [markdown]
# ## 5 · How much is twinned?
#
# Which fraction of `exercise.twin` does the smaller of its two twins cover?

# %%
# --- solution
domains = defects.segment_domains(exercise.twin, n_domains=2)
share = float((domains > 0).mean())
# --- end
exercise.check_share(share)

# %% [markdown]
# **Question.** You measure the share of a twin by windows. Where does most of the error come from?
#
# - a) From windows that lie across the boundary.
# - b) From the calibration in nm.
# - c) From noise everywhere in the image.

# %%
# --- solution
option = "a"
# --- end
exercise.question("at the boundary", option)

# %% [markdown]
# ## How did it go?

# %%
check.summary()
