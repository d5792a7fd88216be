"""Where the code runs: in a notebook or in plain Python."""

import sys


def shell():
    """Return the running IPython shell, or None in plain Python, without importing IPython there.

    Examples
    --------
    >>> shell() is None
    True
    """
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
