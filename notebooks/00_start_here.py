# %% [markdown]
# # 00 · Start here
#
# <div class="alert alert-block alert-info">
#
# **You will** check that this machine is ready · find the lesson that answers your question · read a file of
# your own and see its phases, or its atoms
#
# **Needs** nothing; [what to know first](before_you_start.md) is one page, and there is a [glossary](glossary.md) ·
# **Time** 10 min
#
# </div>
#
# atomlens teaches machine learning on atomically resolved microscopy data, and carries it out. Every lesson
# first runs on a *phantom*, simulated data whose answer is planted, prints a score, and only then turns to
# measured data, with a pedigree. Every lesson also shows where its method fails.
#
# To run a notebook: *Run* menu, *Run All Cells*. To run one cell: click it and press Shift + Enter.

# %%
import numpy as np
import pandas as pd

import atomlens as al
from atomlens import columns, datasets, plotting, spectra
from atomlens.course import environment_report
from atomlens.notebook import show

pd.options.display.max_colwidth = None

# %% [markdown]
# ## Is this machine ready?

# %%
environment_report()

# %% [markdown]
# ## Which lesson answers my question?
#
# Times are those of a lesson live, with questions. To run, on two cores without a GPU, none took longer than 80 s.
#
# | lesson | question | time | know first |
# | --- | --- | --- | --- |
# | [01 · Clustering of spectral data](01_spectral_clustering.ipynb) | Which phases are in my spectrum image, how many are there, and are there any? | 45 min | what a spectrum image is |
# | [Exercises to 01](exercises/01_spectral_clustering.ipynb) | Have I understood it? Your own data, checked as you go | 40 min | lesson 01 |
# | [01b · More about spectra](01b_more_spectra.ipynb) | And with few counts, moving axes, curves, interfaces, or more than fits into memory? | 30 min | lesson 01 |
# | [02 · Descriptors](02_descriptors.ipynb) | How do images, atoms and movies become rows of numbers, and what do these not see? | 45 min | what a Fourier transform is |
# | [Exercises to 02](exercises/02_descriptors.ipynb) | Have I understood it? Your own images, checked as you go | 40 min | lesson 02 |
# | [02b · More about descriptors](02b_more_descriptors.ipynb) | Which window, dose and frame rate are enough, and how do I find a look-alike? | 30 min | lesson 02 |
# | [03 · Finding atomic columns](03_atom_finding.ipynb) | Where are the columns, how well can that be known, and when does a network help? | 45 min | what an atomic-resolution image is |
# | [Exercises to 03](exercises/03_atom_finding.ipynb) | Have I understood it? Your own images, checked as you go | 30 min | lesson 03 |
# | [03b · More about finding columns](03b_more_atom_finding.ipynb) | Do dirt, ensembles, focal losses and chains do what is said of them, and what about my detector? | 40 min | lesson 03 |
# | [04 · Local crystallography](04_local_crystallography.ipynb) | Which phase is each atom in, which phases are ferroic, and how is that tested? | 45 min | what a lattice is |
# | [Exercises to 04](exercises/04_local_crystallography.ipynb) | Have I understood it? Your own crystals, checked as you go | 40 min | lesson 04 |
# | [04b · More local crystallography](04b_more_local_crystallography.ipynb) | Which neighbours, how many labels, how small a displacement, and which waves? | 45 min | lesson 04 |
# | [05 · Defects without labels](05_patterson_ocsvm.ipynb) | What in this image is not the crystal, how sure is that, and where are the twins and grains? | 45 min | windows (lesson 02) |
# | [Exercises to 05](exercises/05_patterson_ocsvm.ipynb) | Have I understood it? Your own images, checked as you go | 30 min | lesson 05 |
# | [05b · More about defects](05b_more_defects.ipynb) | How large a window, what do columns alone show, and what about my kind of sample? | 30 min | lesson 05 |
# | [06 · Shift-VAE](06_shift_vae.ipynb) | What varies in these windows besides where they were cut, and is that a map of anything? | 45 min | windows (lesson 02), shifts (lesson 05) |
# | [Exercises to 06](exercises/06_shift_vae.ipynb) | Have I understood it? Checked as you go | 30 min | lesson 06 |
# | [06b · More about the shift-VAE](06b_more_shift_vae.ipynb) | When is a smooth map a result, how small may a window be, and what do other programs find? | 40 min | lesson 06 |
# | [07 · A library of defects](07_defect_library.ipynb) | Which kinds of defects are in these images, was this one seen before, and what do its electrons do? | 45 min | lesson 03 |
# | [Exercises to 07](exercises/07_defect_library.ipynb) | Have I understood it? | 30 min | lesson 07 |
# | [08 · Defects in motion](08_defect_dynamics.ipynb) | How fast do defects move, what do they become, and what do published estimators get wrong? | 45 min | lessons 03 and 05 |
# | [Exercises to 08](exercises/08_defect_dynamics.ipynb) | Have I understood it? Your own tracks, checked as you go | 40 min | lesson 08 |
# | [08b · Silicon at the edge of graphene](08b_silicon_edge.ipynb) | Which of these pictures are one state turned round, and what becomes of what? | 30 min | lesson 08 |
# | [Exercises to 08b](exercises/08b_silicon_edge.ipynb) | Have I understood it? Your own classes and chains, checked as you go | 30 min | lesson 08b |
# | [09 · Proteins that assemble](09_protein_assembly.ipynb) | Where is every particle, how is it turned, how sure is that, and what do they do? | 45 min | lessons 03 and 08 |
# | [Exercises to 09](exercises/09_protein_assembly.ipynb) | Have I understood it? Your own angles and turns, checked as you go | 40 min | lesson 09 |
# | [10 · Your sample](10_your_sample.ipynb) | What is in my own file? From a file to a report, by hand | 10 min | nothing |
#
# A new sample, and no time to learn? In a terminal, `atomlens report my_image.dm4` makes every analysis that makes
# sense, as one page with doubts first; `atomlens --help` lists what else there is.

# %% [markdown]
# ## Your own file, in a few steps
#
# **Read it.** One function reads what microscopes write (dm3, dm4, emd, ser, mrc, hspy, zspy, tif, nexus, h5)
# and plain formats (png, jpg, npy, npz). What comes back is an array that knows its dimensions, its units, and
# where it came from. This path leads to a small sample that comes with atomlens: put yours here.

# %%
path = datasets.sample_path("spectrum_image.hspy")
si = al.io.read(path)
print(dict(si.sizes), "in", ", ".join(si[dim].attrs["units"] for dim in si.dims))
pd.Series(si.attrs, name="where it comes from").to_frame()

# %% [markdown]
# **Look at it.** The figure shows the total signal, and the spectra of three points.

# %%
show(
    plotting.first_look(si),
    alt="Left, a map of the total counts with three dots; right, the three spectra in the same colours.",
)

# %% [markdown]
# **Ask how many phases there are, and where.** [Lesson 01](01_spectral_clustering.ipynb) explains each step.

# %%
choice = spectra.choose_k(si, range(1, 6))
result = spectra.cluster(si, choice.recommended)
show(
    plotting.cluster_overview(result, title=f"{choice.recommended} clusters"),
    alt="A map of the clusters, and the mean spectrum of each with a band of one standard deviation.",
)

# %% [markdown]
# **Take the result with you**, as tables, an image and a HyperSpy file.

# %%
for written in result.export("results/00_start_here", overwrite=True):
    print(written)

# %% [markdown]
# ### If it is an image of atoms
#
# Then a table of its columns is one call away: positions in pixels and in nanometres, each with its standard error.
# [Lesson 03](03_atom_finding.ipynb) explains how, and how far it can be trusted; `widgets.column_finder(image)` there
# lets you move the threshold, and measures a column at a click.

# %%
image = al.io.read(datasets.sample_path("image.tif"))
found = columns.find(image)
found.to_csv("results/columns.csv", index=False)
found.nlargest(3, "score")[["x", "y", "x_nm", "y_nm", "score", "intensity", "x_err", "y_err"]].round(3)

# %%
show(
    plotting.columns_found(image, found, title="A sample image"),
    alt="A hexagonal lattice with one column missing, and the same image with a dot on each column found.",
)

# %% [markdown]
# ### When a file is stubborn
#
# Errors say what is wrong and what to do. A stack of images, for example, may be a movie or a spectrum image,
# and a plain array does not say which:

# %%
np.save("results/stack.npy", np.ones((5, 8, 8)))
try:
    al.io.read("results/stack.npy")
except ValueError as problem:
    print(problem)

# %% [markdown]
# So we tell it, and add the pixel size that the file lacks.

# %%
movie = al.io.read("results/stack.npy", kind="movie", pixel_size=0.02, units="nm")
print(movie.dims, movie.x.attrs["units"])

# %% [markdown]
# ## Named data sets
#
# Phantoms are always here. Measured sets are downloaded once, when first used, and checked
# against their SHA-256. Without a network, point the variable `ATOMLENS_DATA_DIR` at a folder that holds them.

# %%
table = datasets.list()
table[["kind", "shape", "size_mb", "real", "status", "about"]]

# %% [markdown]
# `datasets.load(name)` returns the data, what is known to be true about them, and their source. Whoever uses
# a set should cite it, and respect its licence:

# %%
sample = datasets.load("eels_phantom")
print(datasets.credit(sample))
sample

# %% [markdown]
# - Ready? **Next**: [lesson 01](01_spectral_clustering.ipynb).
# - Every widget has a button *Show the code*: what it prints repeats the view in a cell of your own.
# - Something is wrong, or hard to understand? That is a bug of ours. Please report it.
