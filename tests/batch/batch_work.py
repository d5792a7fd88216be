"""Work for the tests of batches: worker processes import it, which they could not do with a test module."""

import os
import signal
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr


def measure(path, scale=1.0, log=None, pause=0.0):
    """A table, a map and numbers of an array; notes in `log` that it was called."""
    time.sleep(pause)
    pixels = np.load(path) * scale
    if log:
        with open(log, "a") as file:  # noqa: PTH123
            file.write(f"{os.getpid()} {Path(path).name}\n")
    rows = pd.DataFrame({"x": pixels[0], "kind": [f"row ä{i}" for i in range(pixels.shape[1])]})
    rows.attrs["doubts"] = ["a doubt"]
    picture = xr.DataArray(
        pixels, {"x": np.arange(pixels.shape[1]) / 10}, ("y", "x"), attrs={"units": "counts"}
    )
    return {"columns": rows, "map": picture, "mean": float(pixels.mean()), "formula": "SrTiO3"}


def doubtful(path):
    warnings.warn("half of it is dark", UserWarning)
    return {"n": 1}


def kills_once(path, flag):
    """The first that comes takes its worker with it."""
    try:
        Path(flag).touch(exist_ok=False)
    except FileExistsError:
        return measure(path)
    os.kill(os.getpid(), signal.SIGKILL)
    return None


def kills_always(path):
    """A file that kills whoever reads it."""
    if "poison" in Path(path).name:
        os.kill(os.getpid(), signal.SIGKILL)
    return measure(path, pause=0.02)


def returns(path, what):
    return what


def leaves(path):
    raise SystemExit("good bye")


def changes(path):
    """The microscope still writes."""
    Path(path).write_bytes(Path(path).read_bytes() + b"more")
    return {"n": 1}


class Model:
    """A fitted model that counts how often it arrives somewhere."""

    def __init__(self, log):
        self.log, self.weights = str(log), np.arange(1000.0)

    def __setstate__(self, state):
        self.__dict__ = state
        with open(self.log, "a") as file:  # noqa: PTH123
            file.write(f"{os.getpid()}\n")

    def latent(self, frame):
        if float(frame.max()) < 0:
            raise ValueError("a dark frame")
        table = pd.DataFrame({"z": frame.values.ravel()[:3] + self.weights[:3]})
        return {"latents": table, "map": frame * 2, "mean": float(frame.mean())}
