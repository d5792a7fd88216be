"""How many threads a piece of work gets: starting several costs more than they save where there is little."""

from __future__ import annotations

import contextlib

from threadpoolctl import threadpool_limits

_SEVERAL_PAY_ABOVE = 20_000  # points to be clustered


def one_thread():
    """Context in which numpy, scipy and scikit-learn use one thread.

    k-means on a few thousand points was measured five times slower on two threads than on one.

    Returns
    -------
    context manager
        The earlier limits are restored when it closes.

    Examples
    --------
    >>> with one_thread():
    ...     pass
    """
    return threadpool_limits(1)


def threads_for(n_points):
    """Context in which clustering uses one thread, unless there are many points."""
    return one_thread() if n_points < _SEVERAL_PAY_ABOVE else contextlib.nullcontext()


@contextlib.contextmanager
def one_torch_thread():
    """Let torch, and the linear algebra of numpy beside it, use one thread.

    On a few shared cores, several were measured four times slower.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
