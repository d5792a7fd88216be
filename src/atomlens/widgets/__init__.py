"""Linked views for the notebooks: traitlets models, tested without a browser, and thin views on them."""

import lazy_loader

# Nothing is loaded before it is used: the views on images import torch, those on spectra do not. The views
# need ipywidgets and ipympl; the models do not.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
