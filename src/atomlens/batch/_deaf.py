"""Workers of this computer leave Ctrl-C to the client, which ends them: each would print a traceback."""

import signal


def dask_setup(worker):
    """Called by Dask in a worker that starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
