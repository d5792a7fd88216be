# %% [markdown]
# # Exercises to lesson 06 · Shift-VAE
#
# **You will** shift a crop by hand · find a latent that has collapsed although it correlates · give the shift the
# room it needs, and no more · recover a planted field · tell a real map from one that the windows made
#
# **Needs** [lesson 06](../06_shift_vae.ipynb) · **Time** 40 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint. Nothing
# breaks when an answer is wrong: each new try gets a hint that says more, and `check.hint()` asks for the next one.
# Questions are answered with a letter, such as `"a"`. What was right is kept in a folder `answers` beside this
# notebook, and `check.summary()` lists it, also after a restart.

# %%
import numpy as np
import pandas as pd
from scipy.ndimage import map_coordinates
from sklearn.mixture import GaussianMixture

from atomlens import plotting
from atomlens.course import check
from atomlens.course.shift_vae import Exercise
from atomlens.notebook import show
from atomlens.shiftvae import ShiftVAE
from atomlens.windows import sliding_windows

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.

# %%
exercise = Exercise("Ada Lovelace")
panels = {"frame": exercise.frame, "one of the crops": exercise.crops[0], "crystal": exercise.crystal}
figure, axes = plotting.new_figure(1, 3, size=(10.4, 3.7))
for ax, (title, image) in zip(axes, panels.items(), strict=True):
    plotting.draw_image(ax, image, title=title)
show(figure, alt="Three of your samples: a frame of columns, a noisy crop, and a crystal.")

# %% [markdown]
# ## 1 · A crop by hand
#
# Sample a crop of 24 × 24 pixels from the middle of `exercise.frame`, which has 40 × 40, shifted by
# `exercise.shift`: two numbers, x and y, in pixels and not whole. The sign is that of `ShiftVAE.shifts`:
#
# `crop[y, x] = frame[y - shift_y, x - shift_x]`, both counted from the middle.

# %%
# Your code here
shift_x = ...
shift_y = ...
margin = ...
y = ...
x = ...
crop = ...
exercise.check_crop(crop)

# %% [markdown]
# **Question.** crop[y, x] = frame[y − s_y, x − s_x]. For s_x = +2, where does a column of the frame appear in the
# crop?
#
# - a) 2 pixels further right.
# - b) 2 pixels further left.
# - c) 2 pixels further down.

# %%
# Your code here
option = ...
exercise.question("which way", option)

# %% [markdown]
# ## 2 · Which latent has collapsed?
#
# A model with three content latents was trained on 400 signals of different widths. `exercise.means` and
# `exercise.sds` hold its posteriors, `exercise.widths` what was planted. First look at what misleads:

# %%
exercise.means.corrwith(pd.Series(exercise.widths)).abs().round(2)

# %% [markdown]
# How far is the posterior of each latent from its prior, N(0, 1)? Give the Kullback–Leibler divergence of z1, z2
# and z3, in nats, as the mean over the signals.

# %%
# Your code here
means = ...
sds = ...
divergence = ...
exercise.check_divergence(divergence)

# %% [markdown]
# So which one has collapsed: `"z1"`, `"z2"` or `"z3"`?

# %%
# Your code here
collapsed = ...
exercise.check_collapsed(collapsed)

# %% [markdown]
# **Question.** The means of a collapsed latent correlate strongly with the width of the signal. How can this be?
#
# - a) By chance: with 400 signals anything correlates.
# - b) It has not collapsed then.
# - c) Correlation has no scale: tiny means that follow the width exactly correlate as well as large ones.

# %%
# Your code here
option = ...
exercise.question("correlated", option)

# %% [markdown]
# **Question.** The divergence of a latent from its prior is 0 for every signal. What does the decoder learn from it?
#
# - a) The mean of all signals.
# - b) Nothing.
# - c) Exactly one bit.

# %%
# Your code here
option = ...
exercise.question("zero nats", option)

# %% [markdown]
# ## 3 · As much room as needed
#
# `exercise.crops` show a lattice around a column that is as the others, missing, or brighter. Along x and along y
# the shift is uniform, and at most `exercise.largest_shift` pixels. Which `shift_scale` has its standard deviation?

# %%
# Your code here
half_width = ...
shift_scale = ...
exercise.check_scale(shift_scale)

# %% [markdown]
# **Question.** A shift is uniform from −3 to 3 pixels. What is its standard deviation?
#
# - a) 3 pixels
# - b) 1.73 pixels
# - c) 1.5 pixels
# - d) 6 pixels

# %%
# Your code here
option = ...
exercise.question("uniform", option)

# %% [markdown]
# Train a model with two content latents and give each crop a label, one for each of the three kinds. 12 epochs are
# enough. Train one with `shift_scale=0.4` as well and compare their bounds (`score`): what does room cost that nobody
# needs?

# %%
# Your code here
vae = ...
content = ...
kinds = ...
exercise.check_kinds(kinds)

# %% [markdown]
# **Question.** Why not give the shift all the room there is, to be safe?
#
# - a) Shifts beyond the window cannot be computed.
# - b) It would be slower.
# - c) In a lattice the next column is as good a centre: the shift gets ambiguous, and unused room costs bound.

# %%
# Your code here
option = ...
exercise.question("too much room", option)

# %% [markdown]
# ## 4 · A shift without ends
#
# In `exercise.crystal` the brightness of the weak columns varies smoothly. The crystal repeats after
# `exercise.period` pixels along x and along y. Cut windows anywhere and train two models with **one** content
# latent, 12 epochs each: `ordinary` with a shift that has ends, and `periodic` with a lattice.

# %%
windows = sliding_windows(exercise.crystal, exercise.window, step=exercise.stride)
ends = exercise.period / np.sqrt(12) / ((exercise.window - 1) / 2)  # as `shift_scale`: half a period each way

# %% [markdown]
# Hand in the map of the content, z1, that shows what was planted; windows as above, one value for each.

# %%
# Your code here
ordinary = ...
cell = ...
periodic = ...
content_map = ...
exercise.check_map(content_map)

# %% [markdown]
# **Question.** Two models of the *same* windows have bounds of 310 and 290 nats. What may you conclude?
#
# - a) The first has found the physical cause.
# - b) Nothing: bounds can never be compared.
# - c) The first describes the windows better.

# %%
# Your code here
option = ...
exercise.question("a higher bound", option)

# %% [markdown]
# Both maps, with the evidence lower bound of their models, which tells the better one without any truth. Once in a
# while the ordinary one is lucky.

# %%
if ordinary is not ... and periodic is not ...:
    figure, axes = plotting.new_figure(1, 2, size=(8.4, 3.8))
    for ax, name, model in zip(axes, ("ordinary", "periodic"), (ordinary, periodic), strict=True):
        maps = model.latent_map(exercise.crystal, stride=exercise.stride)
        title = f"{name}, bound {model.score(windows):.0f} nats"
        plotting.draw_latent_map(ax, maps.sel(latent="z1"), title=title)
    show(figure, alt="Two content maps: lines and dots of an ordinary shift; the planted field.")

# %% [markdown]
# ## 5 · Is it real?
#
# Three crystals with the same period, each with a model that was trained on it, are in `exercise.suspects`: pairs of a
# model and an array. Only one of the crystals is modulated. Their maps, at the same stride as above:

# %%
figure, axes = plotting.new_figure(1, 3, size=(10.4, 3.7))
for number, (ax, (model, crystal)) in enumerate(zip(axes, exercise.suspects, strict=True)):
    maps = model.latent_map(crystal, stride=exercise.stride)
    plotting.draw_latent_map(ax, maps.sel(latent="z1"), title=f"suspect {number}")
show(figure, alt="Content maps of three suspects.")

# %% [markdown]
# What is real does not know where in a cell a window was cut. Which share of the variance of each map does the
# place in the cell explain? Take the maps at every pixel (`stride=1`): coarser ones show beats with the lattice. Then
# say which suspect's map is real: number 0, 1 or 2. One of the others may not even be active (`model.summary_`).


# %%
# Your code here
def explained_by_place(model, crystal): ...


shares = ...
says = ...
real = ...
exercise.check_real(real)

# %% [markdown]
# **Question.** A content map shows a regular pattern with the period of the crystal. What is the likely reason?
#
# - a) The content tells where in the cell a window was cut.
# - b) A superlattice that was not known.
# - c) Noise.

# %%
# Your code here
option = ...
exercise.question("beats", option)

# %% [markdown]
# ## How did it go?

# %%
check.summary()
