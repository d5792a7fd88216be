"""Spectrum images: preprocess, cluster, choose how many clusters, unmix.

The spectral axis may be anything (energy, bias, diffraction angle), and the scan anything too: a map,
a line, scattered spots.
"""

from atomlens.spectra._cluster import ClusterResult, cluster
from atomlens.spectra.clusterer import METHODS, SpectralClusterer
from atomlens.spectra.components import NoiseRankPCA
from atomlens.spectra.counts import CountMixture
from atomlens.spectra.despike import Despike
from atomlens.spectra.energy_loss import AlignZeroLoss, RemoveBackground
from atomlens.spectra.pipelines import recommended_pipeline
from atomlens.spectra.preprocess import Crop, Normalise, PoissonWeight
from atomlens.spectra.selection import KChoice, choose_k
from atomlens.spectra.unmixing import Unmixing, unmix

__all__ = [
    "METHODS",
    "AlignZeroLoss",
    "ClusterResult",
    "CountMixture",
    "Crop",
    "Despike",
    "KChoice",
    "NoiseRankPCA",
    "Normalise",
    "PoissonWeight",
    "RemoveBackground",
    "SpectralClusterer",
    "Unmixing",
    "choose_k",
    "cluster",
    "recommended_pipeline",
    "unmix",
]
