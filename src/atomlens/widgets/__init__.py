"""Linked views for the notebooks: traitlets models, tested without a browser, and thin views on them."""

from atomlens.widgets.models import ClusterModel, CockpitModel

__all__ = ["ClusterModel", "CockpitModel", "cluster_explorer", "k_cockpit"]


def __getattr__(name):
    # The views need ipywidgets and ipympl; the models do not.
    if name in ("cluster_explorer", "k_cockpit"):
        from atomlens.widgets import views

        return getattr(views, name)
    raise AttributeError(f"module 'atomlens.widgets' has no attribute {name!r}")
