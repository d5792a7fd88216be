"""Where the package's own small files lie: data/ in a checkout, atomlens/_data in an installed copy."""

from pathlib import Path

_PLACES = (Path(__file__).parent / "_data", Path(__file__).parents[2] / "data")


def resource(*parts):
    """Return the path of a file that ships with atomlens.

    Parameters
    ----------
    *parts : str
        Path below ``data``, such as ``("samples", "image.tif")``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    FileNotFoundError
        If the installation is incomplete.

    Examples
    --------
    >>> resource("samples", "image.tif").name
    'image.tif'
    """
    for place in _PLACES:
        path = place.joinpath(*parts)
        if path.exists():
            return path
    raise FileNotFoundError(
        f"{'/'.join(parts)} is not part of this installation of atomlens (looked in "
        f"{' and '.join(map(str, _PLACES))}): install atomlens again"
    )
