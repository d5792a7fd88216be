"""Figures of the lessons: one look, lengths as scale bars, colours that all eyes can tell apart.

Functions named ``draw_...`` draw on axes `ax` that they are given; the others return a figure of page width
or less. What the functions have in common is not explained again in each of them: `image` is an array or a
DataArray of shape (H, W); if it is calibrated, places from tables (``x_nm``, ``y_nm``) are drawn in
nanometres, else (``x``, ``y``) in pixels. `title` is a text above the axes, none by default. Nothing is shown
or saved here (`atomlens.notebook.show` displays a figure with its alt text).
"""

import lazy_loader

# The functions are listed once, in the .pyi, which type checkers and editors read as well.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
