"""atomlens: machine learning on atomic-resolution microscopy data.

Every room of the package is loaded when it is first used, so that ``import atomlens`` is
instant and never imports torch.

Examples
--------
>>> import atomlens as al
>>> sample = al.datasets.load("eels_phantom")
>>> sample.data.dims
('y', 'x', 'energy')
"""

import lazy_loader

__version__ = "0.2.0"

# The rooms are listed once, in the .pyi, which type checkers and editors read as well.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
