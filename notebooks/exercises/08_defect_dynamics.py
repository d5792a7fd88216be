# %% [markdown]
# # Exercises to lesson 08 · Defects in motion
#
# **You will** read diffusion and noise off a curve · measure what a movie tells · count transitions without inventing
# any · take the mistakes of an eye out of a chain · find the defects that are not free
#
# **Needs** [lesson 08](../08_defect_dynamics.ipynb) · **Time** 40 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint.

# %%
import numpy as np

from atomlens import dynamics
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
# ## 2 · Measure it
#
# `exercise.tracks` are forty particles, one frame every `exercise.dt` seconds. How fast do they diffuse, in nm²/s?

# %%
# Your code here
coefficient = ...
exercise.check_diffusion(coefficient)

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
# ## 5 · Not free
#
# In one of the three sets `exercise.suspects` the particles are bound to their places. In which (0, 1 or 2)?

# %%
# Your code here
p_values = ...
bound = ...
exercise.check_bound(bound)

# %%
from atomlens.course import check

check.summary()
