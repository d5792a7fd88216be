from .boundary_models import BoundaryModel as BoundaryModel
from .boundary_views import one_class_explorer as one_class_explorer
from .column_models import FinderModel as FinderModel, ImagingModel as ImagingModel
from .column_views import column_finder as column_finder, imaging_explorer as imaging_explorer
from .crystal_models import CrystalModel as CrystalModel
from .crystal_views import crystal_explorer as crystal_explorer
from .defect_models import DefectModel as DefectModel
from .defect_views import defect_explorer as defect_explorer
from .descriptor_models import DescriptorModel as DescriptorModel
from .descriptor_views import descriptor_explorer as descriptor_explorer
from .latent_models import LatentModel as LatentModel
from .latent_views import latent_explorer as latent_explorer, manifold_explorer as manifold_explorer
from .library_models import LibraryModel as LibraryModel
from .library_views import library_gallery as library_gallery
from .manifold_models import ManifoldModel as ManifoldModel
from .models import ClusterModel as ClusterModel, CockpitModel as CockpitModel
from .motion_models import TrackModel as TrackModel
from .motion_views import track_explorer as track_explorer
from .particle_models import LabelModel as LabelModel, ParticleModel as ParticleModel
from .particle_views import particle_explorer as particle_explorer, particle_labeller as particle_labeller
from .views import cluster_explorer as cluster_explorer, k_cockpit as k_cockpit
from .sample_models import SampleModel as SampleModel
from .sample_views import sample_app as sample_app
