"""Linked views for the notebooks: traitlets models, tested without a browser, and thin views on them."""

from importlib import import_module

_PLACES = {
    "ClusterModel": "models",
    "CockpitModel": "models",
    "CrystalModel": "crystal_models",
    "DescriptorModel": "descriptor_models",
    "DefectModel": "defect_models",
    "FinderModel": "column_models",
    "ImagingModel": "column_models",
    "LatentModel": "latent_models",
    "ManifoldModel": "latent_models",
    # The views need ipywidgets and ipympl; the models do not.
    "cluster_explorer": "views",
    "column_finder": "column_views",
    "crystal_explorer": "crystal_views",
    "defect_explorer": "defect_views",
    "descriptor_explorer": "descriptor_views",
    "imaging_explorer": "column_views",
    "k_cockpit": "views",
    "latent_explorer": "latent_views",
    "manifold_explorer": "latent_views",
}

__all__ = [
    "ClusterModel",
    "CockpitModel",
    "CrystalModel",
    "DefectModel",
    "DescriptorModel",
    "FinderModel",
    "ImagingModel",
    "LatentModel",
    "ManifoldModel",
    "cluster_explorer",
    "column_finder",
    "crystal_explorer",
    "defect_explorer",
    "descriptor_explorer",
    "imaging_explorer",
    "k_cockpit",
    "latent_explorer",
    "manifold_explorer",
]


def __getattr__(name):
    # Nothing is loaded before it is used: the views on images import torch, those on spectra do not.
    if name in _PLACES:
        return getattr(import_module(f"atomlens.widgets.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'atomlens.widgets' has no attribute {name!r}")
