# %% [markdown]
# # Exercises to lesson 07 · Defect library
#
# **You will** find columns in an image that nobody else has
#
# **Needs** [lesson 07](../07_defect_library.ipynb) · **Time** 30 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint.

# %%
from atomlens import columns
from atomlens.course.defect_library import Exercise

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.

# %%
exercise = Exercise("Ada Lovelace")

# %% [markdown]
# ## 1 · How many?
#
# Find the columns of `exercise.sample.data`. How many are there?

# %%
# Your code here
number = ...
exercise.check_number(number)

# %%
from atomlens.course import check

check.summary()
