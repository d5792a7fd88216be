"""To HyperSpy and back, in memory."""

from __future__ import annotations

from atomlens._extras import require
from atomlens._types import Any, DataArray
from atomlens.io._rosetta import from_dictionary, to_dictionary
from atomlens.io._signal import to_array
from atomlens.io._write import complete, what_to_save, without_extra_coordinates


def to_hyperspy(data: DataArray) -> Any:
    """Turn a DataArray into a HyperSpy signal, lazy if the data is a Dask array.

    Parameters
    ----------
    data : xarray.DataArray
        Spectra become a ``Signal1D`` (scan axes navigate), images and movies a ``Signal2D``.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        With axes, units, title and the instrument metadata HyperSpy knows; nothing is copied.

    Raises
    ------
    ImportError
        If HyperSpy is not installed; the message says how to install it.
    ValueError
        If the data is not numeric or has further coordinates along its axes.

    Examples
    --------
    >>> from atomlens import datasets, io
    >>> si = io.read(datasets.sample_path("spectrum_image.hspy"))
    >>> io.to_hyperspy(si)                                         # doctest: +SKIP
    <Signal1D, title: spectrum_image, dimensions: (24, 24|128)>
    """
    hs = require("hyperspy.api", reason="converting to HyperSpy")
    array = without_extra_coordinates(complete(data), "HyperSpy")
    entry = to_dictionary(array, what_to_save(array))
    spectra = sum(not axis["navigate"] for axis in entry["axes"]) == 1
    # HyperSpy leaves a unit undefined when the key is absent, not when it is None.
    axes = [{k: v for k, v in axis.items() if k != "_type" and v is not None} for axis in entry["axes"]]
    signal_class = hs.signals.Signal1D if spectra else hs.signals.Signal2D
    signal = signal_class(entry["data"], axes=axes, metadata=entry["metadata"])
    return signal.as_lazy() if array.chunks else signal


def from_hyperspy(signal: Any) -> DataArray:
    """Turn a HyperSpy signal into a DataArray with our dims and units.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal

    Returns
    -------
    xarray.DataArray
        As :func:`read` returns it; one made by :func:`to_hyperspy` comes back as it went.

    Raises
    ------
    TypeError
        If `signal` is no HyperSpy signal.
    FormatError
        If its axes are ambiguous or its data is not numeric.

    Examples
    --------
    >>> import hyperspy.api as hs                                      # doctest: +SKIP
    >>> io.from_hyperspy(hs.signals.Signal1D([1.0, 2.0, 3.0])).dims    # doctest: +SKIP
    ('channel',)
    """
    if not hasattr(signal, "axes_manager") or not hasattr(signal, "metadata"):
        raise TypeError(f"from_hyperspy takes a HyperSpy signal, not a {type(signal).__name__}")
    entry = {
        "data": signal.data,
        "axes": list(signal.axes_manager.as_dictionary().values()),
        "metadata": signal.metadata.as_dictionary(),
    }
    found = from_dictionary(entry, "HyperSpy signal", {"reader": "HyperSpy"})
    return to_array(found, found.title)
