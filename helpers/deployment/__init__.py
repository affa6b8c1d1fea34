"""From a trained network to files, and from files to labels: export, engines, latency.

`export` writes a network as a graph that needs no Python code of its own; `Predictor` runs that graph with an engine
and has the same call as the network in `helpers.evaluation.predict`: uint8 RGB frame in, train ids out.
"""

from helpers.deployment.choice import Choice
from helpers.deployment.engines import ALL_ENGINES, ENGINES, Engine, available
from helpers.deployment.exports import FORMATS, Export, export
from helpers.deployment.graphs import GRAPHS
from helpers.deployment.measuring import Latency, agreement, measure
from helpers.deployment.predictor import Predictor, eager

__all__ = [
    "ALL_ENGINES",
    "ENGINES",
    "FORMATS",
    "GRAPHS",
    "Choice",
    "Engine",
    "Export",
    "Latency",
    "Predictor",
    "agreement",
    "available",
    "eager",
    "export",
    "measure",
]
