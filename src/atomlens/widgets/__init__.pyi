from .models import ClusterModel, CockpitModel
from .crystal_models import CrystalModel
from .views import cluster_explorer, k_cockpit
from .column_views import column_finder, imaging_explorer
from .crystal_views import crystal_explorer
from .defect_views import defect_explorer
from .descriptor_views import descriptor_explorer
from .latent_views import latent_explorer, manifold_explorer
