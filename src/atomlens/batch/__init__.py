"""Many files, or a long movie, on several processes or a cluster: one result a file, and a restart goes on.

Examples
--------
>>> import pathlib, tempfile
>>> from atomlens import batch, datasets, io
>>> files = [datasets.sample_path("image.tif")]
>>> with tempfile.TemporaryDirectory() as folder:
...     done = batch.run(io.read, files, pathlib.Path(folder, "results"), workers=0, progress=False)
...     done.table["status"].tolist()
['done']
"""

from atomlens.batch._movie import movie
from atomlens.batch._results import Batch, open
from atomlens.batch._run import run
from atomlens.batch._watch import watch

__all__ = ["Batch", "movie", "open", "run", "watch"]
