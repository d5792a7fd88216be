# %% [markdown]
# # Exercises to lesson 08 · Defects in motion
#
# **You will** read diffusion and noise off a curve · measure what a movie tells · count transitions without inventing
# any · take the mistakes of an eye out of a chain · find the defects that are not free
#
# **Needs** [lesson 08](../08_defect_dynamics.ipynb) · **Time** 40 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint. Nothing
# breaks when an answer is wrong: each new try gets a hint that says more, and `check.hint()` asks for the next one.
# Questions are answered with a letter, such as `"a"`. What was right is kept in a folder `answers` beside this
# notebook, and `check.summary()` lists it, also after a restart.

# %%
import numpy as np

from atomlens import dynamics
from atomlens.course import check
from atomlens.course.defect_dynamics import Exercise

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.

# %%
exercise = Exercise("Ada Lovelace")

# %% [markdown]
# ## 1 · Read the curve
#
# `exercise.curve` is a mean-square displacement, `msd` in nm² against `lag_s` in s. What are the diffusion coefficient
# in nm²/s, and the error of the places in nm?

# %%
# Your code here
slope = ...
intercept = ...
diffusion = ...
noise = ...
exercise.check_curve([diffusion, noise])

# %% [markdown]
# **Question.** A mean-square displacement does not go to zero at time zero, but to 4 σ². Why?
#
# - a) Because each place has an error: two sightings of a particle at rest differ.
# - b) Because particles have moved before the film began.
# - c) Because the fit is bad.

# %%
# Your code here
option = ...
exercise.question("at time zero", option)

# %% [markdown]
# **Question.** In a plane the slope of the mean-square displacement is 4 D. In three dimensions it is
#
# - a) 4 D
# - b) 6 D
# - c) 8 D
# - d) 9 D

# %%
# Your code here
option = ...
exercise.question("three dimensions", option)

# %% [markdown]
# ## 2 · Measure it
#
# `exercise.tracks` are forty particles, one frame every `exercise.dt` seconds. How fast do they diffuse, in nm²/s?

# %%
# Your code here
coefficient = ...
exercise.check_diffusion(coefficient)

# %% [markdown]
# **Question.** Why not fit the curve up to the longest lag, to use all data?
#
# - a) Diffusion stops after a while.
# - b) It is too slow to compute.
# - c) Long lags have few and overlapping displacements: their points are noisy, and all err together.

# %%
# Your code here
option = ...
exercise.question("long lags", option)

# %% [markdown]
# **Question.** D is computed from the mean square of single steps, and errors of the places are forgotten. The result
# is
#
# - a) too small.
# - b) right on average.
# - c) too large.

# %%
# Your code here
option = ...
exercise.question("noise in steps", option)

# %% [markdown]
# ## 3 · Count
#
# `exercise.sightings` lists three particles that are in state "a" or "b"; some frames are missing. Make the table of
# transitions from one frame to the next: rows "a" and "b" before, columns "a" and "b" after.

# %%
exercise.sightings.pivot(index="particle", columns="frame", values="label").fillna("")

# %%
# Your code here
counts = ...
exercise.check_counts(counts)

# %% [markdown]
# **Question.** In each frame a defect stays in its state with probability 0.9. How long does it stay on average?
#
# - a) 0.9 frames
# - b) 10 frames
# - c) 1.1 frames
# - d) For ever.

# %%
# Your code here
option = ...
exercise.question("how long it stays", option)

# %% [markdown]
# ## 4 · Take the mistakes out
#
# An eye takes one state for the other with probability `exercise.erring`, either way, and sees the transition matrix
# `exercise.seen`. What is the true one? Call the misclassification $M$, the shares of the states $\pi$. Pairs of
# successive sightings then have the probabilities $M^T \mathrm{diag}(\pi)\, P\, M$.

# %%
# Your code here
eye = ...
values = ...
vectors = ...
share = ...
pairs = ...
true_pairs = ...
chain = ...
exercise.check_chain(chain)

# %% [markdown]
# **Question.** An eye sometimes takes one state for the other. The transitions it sees are
#
# - a) as many: errors cancel.
# - b) fewer than the true ones.
# - c) more than the true ones.

# %%
# Your code here
option = ...
exercise.question("an eye that errs", option)

# %% [markdown]
# ## 5 · Not free
#
# In one of the three sets `exercise.suspects` the particles are bound to their places. In which (0, 1 or 2)?

# %%
# Your code here
p_values = ...
bound = ...
exercise.check_bound(bound)

# %% [markdown]
# **Question.** How does the mean-square displacement of a particle bound to its place look at long times?
#
# - a) It falls to zero.
# - b) It levels off.
# - c) It grows on, but more slowly.

# %%
# Your code here
option = ...
exercise.question("never far", option)

# %%
check.summary()
