# %% [markdown]
# # Exercises to lesson 03 · Finding atomic columns
#
# **You will** find the columns of images that nobody else has · score them by hand · take them to the physical
# limit
#
# **Needs** [lesson 03](../03_atom_finding.ipynb) · **Time** 30 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint. Nothing
# breaks when an answer is wrong: each new try gets a hint that says more, and `check.hint()` asks for the next one.
# Questions are answered with a letter, such as `"a"`. What was right is kept in a folder `answers` beside this
# notebook, and `check.summary()` lists it, also after a restart.

# %%
import warnings

from atomlens import columns, metrics, plotting, simulate
from atomlens.course import check
from atomlens.course.atom_finding import Exercise
from atomlens.notebook import show

# %% [markdown]
# Put your own name here. It seeds your images: your numbers differ from your neighbour's.

# %%
exercise = Exercise("Ada Lovelace")
sample = exercise.sample
show(
    plotting.overlays(
        {"your image": (sample.data, None), "more electrons": (exercise.bright.data, None)}, columns=2
    ),
    alt="Your image, noisy, and the same structure with many more electrons.",
)

# %% [markdown]
# ## 1 · Read the truth
#
# `sample.truth` is a table with one row a column. Some may be too weak to be asked for, as oxygen is. How many columns are
# asked for (`scored`)?

# %%
# Your code here
n_columns = ...
exercise.check_number(n_columns)

# %% [markdown]
# How many times more electrons has the strongest scored column than the weakest?

# %%
# Your code here
electrons = ...
contrast = ...
exercise.check_contrast(contrast)

# %% [markdown]
# ## 2 · Find them
#
# Find the columns of `exercise.secret`, an image whose truth you do not have.

# %%
# Your code here
found = ...
exercise.check_found(found)

# %% [markdown]
# **Question.** You lower the threshold of a finder. What happens, as a rule?
#
# - a) Precision and recall rise.
# - b) Recall rises, precision falls.
# - c) Precision rises, recall falls.

# %%
# Your code here
option = ...
exercise.question("a lower threshold", option)

# %% [markdown]
# ## 3 · Score by hand
#
# A finder reports 120 columns; 90 of them are right; 100 were planted. What is F1?

# %%
# Your code here
precision = ...
recall = ...
f1 = ...
exercise.check_f1(f1)

# %% [markdown]
# **Question.** Why is there no *accuracy* for finders of columns, the share of right decisions, as for a classifier?
#
# - a) Because F1 is always larger.
# - b) Because nothing counts the places where there is rightly nothing.
# - c) Because the truth is never known.

# %%
# Your code here
option = ...
exercise.question("no true negatives", option)

# %% [markdown]
# **Question.** A careful finder reports half of the columns, and all of its reports are right. What is F1?
#
# - a) 0.50
# - b) 0.67
# - c) 0.75
# - d) 1.00

# %%
# Your code here
option = ...
exercise.question("half of them", option)

# %% [markdown]
# ## 4 · To the limit
#
# What is the smallest possible standard deviation of a coordinate, in pixels, for a column alone on no
# background, with 400 electrons and a width (standard deviation) of 2 px?

# %%
# Your code here
bound = ...
exercise.check_bound(bound)

# %% [markdown]
# **Question.** The dose is made four times as large. The smallest possible error of a place
#
# - a) falls to a quarter.
# - b) falls to a half.
# - c) falls to a sixteenth.
# - d) stays: it is given by the width of the probe.

# %%
# Your code here
option = ...
exercise.question("four times the dose", option)

# %% [markdown]
# **Question.** The same dose on the same field, but pixels half as wide: four times as many, each with a quarter of
# the electrons. The width of a column was already several pixels. The bound in *nm*
#
# - a) halves, as there are more pixels to fit.
# - b) hardly changes.
# - c) doubles, as each pixel is noisier.

# %%
# Your code here
option = ...
exercise.question("finer pixels", option)

# %% [markdown]
# Now find the columns of `exercise.bright.data`, *and refine them*. The check divides your error by the bound.

# %%
# Your code here
refined = ...
exercise.check_refined(refined)

# %% [markdown]
# **Question.** A colleague's errors are on average 0.2 times the Cramér-Rao bound, over a hundred columns. What do
# you think?
#
# - a) Luck: the bound holds on average only.
# - b) A very good fit.
# - c) Something is wrong, or it knew something beforehand.

# %%
# Your code here
option = ...
exercise.question("better than the bound", option)

# %% [markdown]
# ## 5 · Where there is nothing
#
# How many columns does `columns.find` report in `exercise.noise`? (It also warns, rightly; the
# first line keeps that off the page.)

# %%
warnings.simplefilter("ignore", columns.OutsideTrainedDomain)
# Your code here
n_in_noise = ...
exercise.check_noise(n_in_noise)

# %% [markdown]
# **Question.** A network gives a probability of 0.99 for a column, and the finder warns that the image is outside of
# what it was trained on. Which is to be believed?
#
# - a) Both: the column is there with 99 %.
# - b) The probability: it is a number.
# - c) The warning: probabilities hold for images like those of the training.

# %%
# Your code here
option = ...
exercise.question("sure of it", option)

# %% [markdown]
# ## 6 · Free: how low can you go?
#
# Image `exercise.structure` at 50, 20, 10, 5, 3 and 2 electrons: `simulate.image(exercise.structure, electrons=20)`. Score
# what is found with `metrics.match(found, truth, tolerance=4).f1`. At which dose does F1 fall below 0.9, for the network and
# for `columns.find_peaks`? There is no check here, only a curve.

# %% [markdown]
# ## How did it go?

# %%
check.summary()
