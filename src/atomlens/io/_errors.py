"""The one error of file reading."""


class FormatError(ValueError):
    """A file cannot be read as asked: unknown, damaged, ambiguous or not numeric.

    The message names the file, what is wrong with it and what to do.

    Examples
    --------
    >>> issubclass(FormatError, ValueError)
    True
    """
