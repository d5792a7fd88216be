# %% [markdown]
# # Exercises to lesson 08b · Silicon at the edge of graphene
#
# **You will** count the pictures of a state · merge classes that are copies of one another · count transitions in a
# table of detections · find the chain that has a memory
#
# **Needs** [lesson 08b](../08b_silicon_edge.ipynb) · **Time** 30 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint.

# %%
import numpy as np
import pandas as pd

from atomlens import dynamics, plotting
from atomlens.course.silicon_edge import Exercise
from atomlens.notebook import show

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.

# %%
exercise = Exercise("Ada Lovelace")

# %% [markdown]
# ## 1 · How many pictures?
#
# `exercise.picture` shows a defect in graphene. Turned by multiples of 60 degrees and mirrored, how many different
# pictures does it make?

# %%
show(
    plotting.class_means([exercise.picture], ["exercise.picture"]), alt="A bright atom and others around it."
)

# %%
# Your code here
symmetric = ...
copies = ...
exercise.check_copies(copies)

# %% [markdown]
# ## 2 · Which are the same?
#
# `exercise.classes` are mean pictures of classes, some of them copies of one another. Give each the number of its
# state, in any order.

# %%
show(plotting.class_means(exercise.classes), alt="Mean pictures of classes: atoms around a bright one.")

# %%
# Your code here
states = ...
exercise.check_states(states)

# %% [markdown]
# ## 3 · Who stays?
#
# `exercise.sightings` lists what silicon atoms were in each frame. With what probability does one that is loose, a
# bridge, at the edge stay what it is until the next frame? Give the three, in this order.

# %%
exercise.sightings.head(8)

# %%
# Your code here
before = ...
matrix = ...
stay = ...
exercise.check_stay(stay)

# %% [markdown]
# ## 4 · Who remembers?
#
# In one of the three sets of tracks `exercise.suspects`, what an atom becomes depends on what it was before. In which
# (0, 1 or 2)?

# %%
# Your code here
p_values = ...
remembers = ...
exercise.check_memory(remembers)

# %%
from atomlens.course import check

check.summary()
