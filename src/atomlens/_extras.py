"""Optional dependencies: one helper that says which extra to install, and why."""

from importlib import import_module

_EXTRA_OF = {
    "hyperspy": "interop",
    "exspy": "interop",
    "torch": "deep",
    "atomai": "deep",
    "ipywidgets": "lab",
    "ipympl": "lab",
    "anywidget": "lab",
    "abtem": "simulate",
    "atomap": "peers",
    "tblite": "electrons",
    "pyroved": "peers",
    "pyro": "peers",
    "sparse": "formats",
    "numba": "formats",
    "hdf5plugin": "formats",
}


def require(module, *, reason):
    """Import an optional module, or say in one sentence how to get it.

    Parameters
    ----------
    module : str
        Dotted name, such as ``"hyperspy.api"``.
    reason : str
        What needs it, as the subject of a sentence: ``"converting to HyperSpy"``.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If the module is not installed; the message names the extra.

    Examples
    --------
    >>> require("json", reason="reading settings").__name__
    'json'
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise missing(module, reason) from error


def missing(module, reason):
    """The error for a module that is not installed, as `require` raises it."""
    top = module.partition(".")[0]
    extra = _EXTRA_OF.get(top)
    how = f'pip install "atomlens[{extra}]"' if extra else f"pip install {top}"
    return ImportError(f"{reason} needs {top}, which is not installed: {how}", name=top)
