"""From a trained network to files, and from files to labels: export, engines, latency.

`export` writes a network as a graph that needs no Python code of its own; `Predictor` runs that graph with an engine
and has the same call as the network in `helpers.evaluation.predict`: uint8 RGB frame in, train ids out.
"""

from helpers.deployment.compare import Latency, agreement, measure
from helpers.deployment.engines import ENGINES, Engine
from helpers.deployment.graphs import FORMATS, GRAPHS, Export, export
from helpers.deployment.predictor import Predictor, eager

__all__ = [
    "ENGINES",
    "FORMATS",
    "GRAPHS",
    "Engine",
    "Export",
    "Latency",
    "Predictor",
    "agreement",
    "eager",
    "export",
    "measure",
]
