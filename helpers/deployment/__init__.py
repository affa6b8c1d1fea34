"""Deploy a trained network: export, engines, latency.

`export` writes a network as a graph that runs without its Python code. `Predictor` runs the graph in an engine: uint8
RGB frame in, train ids out, like `helpers.evaluation.predict`.
"""

from helpers.deployment import cards
from helpers.deployment.choice import Choice
from helpers.deployment.engines import ALL_ENGINES, ENGINES, Engine, available
from helpers.deployment.exports import FORMATS, Export, export
from helpers.deployment.graphs import GRAPHS
from helpers.deployment.measuring import Latency, agreement, measure
from helpers.deployment.predictor import Predictor, eager
from helpers.deployment.quantising import quantise
from helpers.deployment.streaming import stream

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
    "cards",
    "eager",
    "export",
    "measure",
    "quantise",
    "stream",
]
