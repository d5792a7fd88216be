"""The one door to AtomAI: it closes the traps that its version 0.8 has in practice."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
import warnings
from functools import cache, partial
from types import ModuleType

from atomlens._extras import require
from atomlens._threads import one_torch_thread
from atomlens._torch import keep_random_state
from atomlens._types import Any

# What AtomAI imports and nothing here uses. torchvision takes seconds, and PyPI's build for Linux, made for
# CUDA, cannot be imported beside a CPU torch at all; mendeleev brings a database.
_UNUSED = {
    "torchvision": (),
    "torchvision.models": ("mobilenet_v2", "resnet50", "vgg16"),
    "torchvision.utils": ("make_grid",),
    "mendeleev": ("element",),
}


@cache
def import_atomai():
    """Import AtomAI without those of its requirements that take long, or cannot be imported.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If torch or AtomAI is not installed; the message names the extra.
    """
    reason = "finding columns with a network"
    require("torch", reason=reason)
    with warnings.catch_warnings(), keep_random_state(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        with _placeholders():
            return require("atomai", reason=reason)


@contextlib.contextmanager
def _placeholders():
    """Modules that are imported for good when one of their functions is called, and not before."""
    absent = {name: functions for name, functions in _UNUSED.items() if name not in sys.modules}
    for name, functions in absent.items():
        module = ModuleType(name)
        module.__path__ = []  # a package: its submodules are looked up
        for function in functions:
            setattr(module, function, partial(_called, name, function))
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def _called(module, function, *args, **options):
    return getattr(importlib.import_module(module), function)(*args, **options)


@contextlib.contextmanager
def quiet() -> None:
    """Silence AtomAI's bare prints and its warnings, keep the random state, and stay on one thread."""
    silence = contextlib.redirect_stdout(io.StringIO())
    with warnings.catch_warnings(), keep_random_state(), one_torch_thread(), silence:
        warnings.simplefilter("ignore")
        yield


def segmentor(architecture: str, n_classes: int, filters: int, *, seed: int = 1) -> Any:
    """Build an AtomAI `Segmentor` whose weights depend on the seed alone.

    Parameters
    ----------
    architecture : {"Unet", "dilnet"}
    n_classes : int
        Output channels.
    filters : int
        Filters of the first block.
    seed : int

    Returns
    -------
    atomai.models.Segmentor
    """
    atomai = import_atomai()
    with quiet():
        return atomai.models.Segmentor(architecture, nb_classes=n_classes, nb_filters=filters, seed=seed)
