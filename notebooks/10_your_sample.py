# %% [markdown]
# # 10 · Your sample

# %% [markdown] tags=["lesson"]
# **You will** go from a file to a report · set the scale, and leave out what is no sample · correct by hand what the
# computer got wrong
#
# **Needs** nothing, though [lesson 00](00_start_here.ipynb) tells what the words mean · **Time** 10 min
#
# `make app` shows this page alone, without code. A small example is open. Drop your own file on the dashed area.

# %% tags=["hide-input"]
import os
import warnings
from pathlib import Path

from IPython.display import display

from atomlens import datasets, report, widgets
from atomlens.notebook import show

warnings.simplefilter("ignore", UserWarning)  # the app and the report tell the doubts themselves
in_app = os.environ.get("SERVER_SOFTWARE", "").startswith(
    "voila"
)  # `make app`: no code is seen, none is run twice

# %% tags=["parameters", "hide-input"]
path = None  # of a file; None opens the example
settings = None  # a settings.json of an earlier report, or a dict such as {"pixel_size": 0.02}
report_to = None  # a new folder

# %% tags=["hide-input"]
file = datasets.sample_path("image.tif") if path is None else Path(path)
chosen = (
    report.Settings.load(settings) if isinstance(settings, str) else report.Settings.from_dict(settings or {})
)
app = widgets.sample_app(file, chosen, folder=Path.home())
app

# %% [markdown]
# **In this order:** look, set the scale, leave out, press *Analyse*, read the doubts, correct, press *Report*.
#
# - **Scale.** Without one, lengths are in pixels. A pixel size does, or the length of the lattice in nm.
# - **Leave out** the border of the sample, dirt, a burnt-in scale bar: draw a loop.
# - **Show** columns, defects, domains, phases, displacements, or clusters of spectra. A click chooses a place, and
#   the close-up and the line below tell what was found there. All of it works by keyboard, too: *x*, *y*, *Here*.
# - **Correct.** Add columns, remove them, analyse again. Only what has changed is computed a second time.
# - **Doubts** come first in the report. Each names a remedy: try it, and see whether the doubt goes.

# %% [markdown] tags=["lesson"]
# ## The same without a mouse
#
# The next cells are for [papermill](https://papermill.readthedocs.io), which runs a notebook with other parameters:
#
#     papermill 10_your_sample.ipynb mine.ipynb -p path FILE -p report_to FOLDER
#
# `atomlens report FILE` does it without a notebook.

# %%
if not in_app:
    found = report.examine(file, chosen)
    if report_to is not None:
        report.write(found, report_to)
    display(found.numbers)

# %%
if not in_app:
    for picture in found.pictures():
        show(picture.figure, alt=picture.alt)

# %% [markdown]
# ## Where it fails
#
# - **Doubts are not proofs.** No doubt means that nothing was seen that speaks against the result.
# - **Two lattices in one image** are taken for one, where one of them fills most of it. *Domains* shows them; leave
#   one out, and look at each alone.
# - **Corrected columns** are as good as the hand. The report counts them, and their score is empty.
# - **Uploads** go when the page is closed. Press *Download* before, or choose files that are on this machine.
