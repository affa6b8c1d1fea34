"""Open a network to predict with: a layer, a name and weights, an exported model, or a function."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from helpers import models
from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.cpu.arrays import place_of
from helpers.cpu.pixels import Workers, network_input
from helpers.datasets import Classes, Dataset
from helpers.deployment import Predictor
from helpers.deployment.exports import DESCRIPTION
from helpers.evaluation import upsample
from helpers.evaluation.views import Views
from helpers.models.modes import evaluation_mode
from helpers.models.pruned import PLAN, load_pruned
from helpers.models.weight_files import SUFFIXES
from helpers.models.weights import WEIGHTS

# Maps a uint8 RGB image (H, W, 3) to train ids (H, W).
PredictFn = Callable[[np.ndarray], np.ndarray]
WHOLE = Views()
_SERIAL = Workers(1)  # normalise pixels in the thread that reads them


def require_rgb(image: np.ndarray) -> None:
    """Raise CourseError unless `image` is uint8 (H, W, 3) with at least one pixel."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise CourseError(
            f"Expected an 8-bit RGB image of shape (H, W, 3), got {image.dtype} {image.shape}: "
            "convert it with PIL's .convert('RGB')."
        )


def require_classes(num_classes: int | None, data: Dataset, names: tuple[str, ...] = ()) -> None:
    """Raise CourseError if a network of `num_classes`, None if not known, cannot be scored on `data`.

    `names` are those of the network's classes, if known.
    """
    known = data.classes.names
    if len(names) == len(known) and names != known:
        first = next(i for i in range(len(names)) if names[i] != known[i])
        raise CourseError(
            f"Expected a network for the classes of {data.name}, got one whose class {first} is {names[first]}, not "
            f"{known[first]}: train it on this data, or evaluate it on the data that it was trained on."
        )
    if num_classes not in (None, len(known)):
        raise CourseError(
            f"Expected a network for the {len(known)} classes of {data.name}, got one for {num_classes}: train "
            "it on this data, or evaluate it on the data that it was trained on."
        )


class Segmenter:
    """Predicts in two steps: `prepare`, which may run in any thread, and `labels`, which runs in one.

    `classes` are the names and colours of the train ids, None if not known; `class_names` are the names only, or ().
    """

    classes: Classes | None = None
    class_names: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int | None:
        """Number of classes that the network distinguishes, None if it is not known."""
        return None if self.classes is None else len(self.classes)

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Turn a uint8 RGB image (H, W, 3) into the input of `labels`."""
        return image

    def labels(self, prepared: np.ndarray) -> np.ndarray:
        """Return train ids uint8 (H, W)."""
        raise NotImplementedError

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Predict train ids uint8 (H, W) of a uint8 RGB image (H, W, 3)."""
        require_rgb(image)
        return self.labels(self.prepare(image))


class Eager(Segmenter):
    """A layer, in evaluation mode while it predicts; its mode is restored."""

    def __init__(self, net: nn.Layer, views: Views = WHOLE):
        self.net, self.views = net, views
        self.class_names = getattr(net, "class_names", ())
        # Weights carry names without colours, which are known for the shipped ones.
        self.classes = CITYSCAPES if self.class_names == CITYSCAPES.names else None

    @property
    def num_classes(self):
        return upsample.output_of(self.net).num_classes

    def prepare(self, image):
        return network_input(image[np.newaxis], _SERIAL)

    def labels(self, prepared):
        with paddle.no_grad(), evaluation_mode(self.net):
            x = paddle.to_tensor(prepared, place=place_of(self.net))  # (1, 3, H, W)
            if self.views.plain:
                return upsample.labels(self.net, x)
            logits = self.views.logits(lambda part: self.net(part)[0], x)
            return paddle.argmax(logits, axis=1)[0].numpy().astype(np.uint8)


class Exported(Segmenter):
    """A model that `helpers.deployment.export` wrote. Several views need a graph that returns logits."""

    def __init__(self, folder: str | Path, engine: str = "", views: Views = WHOLE):
        self.views = views
        self.predictor = Predictor(folder, engine) if engine else Predictor(folder)
        if not views.plain and self.predictor.export.graph == "labels":
            raise CourseError(
                f"The model in {folder} returns labels, and only logits can be averaged over scales, flips or windows: "
                "export it with graph='logits'."
            )
        self.classes = self.predictor.classes
        self.class_names = self.classes.names if self.classes else ()

    @property
    def num_classes(self):
        return self.predictor.export.num_classes

    def labels(self, prepared):
        if self.views.plain:
            return self.predictor(prepared)
        logits = self.views.logits(
            lambda part: paddle.to_tensor(self.predictor.logits(part.numpy())),
            paddle.to_tensor(network_input(prepared[np.newaxis], _SERIAL)),
        )
        return paddle.argmax(logits, axis=1)[0].numpy().astype(np.uint8)


class Function(Segmenter):
    """Any function from an image to train ids."""

    def __init__(self, function: PredictFn):
        self.labels = function


# What `open_network` takes.
Source = Segmenter | nn.Layer | PredictFn | str | Path


def open_network(
    source: Source,
    weights: str | Path | None = None,
    *,
    pretrained: str | None = None,
    engine: str = "",
    views: Views = WHOLE,
) -> Segmenter:
    """Make a Segmenter of `source`:

    - a layer, as `models.build` returns it;
    - the name of a network together with `weights`, a .safetensors or .pdparams file for any number of classes, or with
      `pretrained`, "miniscapes" or "cityscapes" as in `models.build`;
    - the name of shipped weights of a pruned network, a key of `models.cards()`;
    - a .safetensors or .pdparams file in a folder that has the name of its network, as notebook 02 writes them, or that
      folder;
    - the folder of a pruned network, as notebook 04 writes it;
    - the folder of an exported model, run by `engine` (default: that of `helpers.deployment.Predictor`);
    - a function from an image to train ids.

    Raises CourseError for anything else, and if `weights`, `pretrained`, `engine` or `views` do not fit the source.
    """
    if (weights or pretrained) and not _is_name(source):
        raise CourseError(
            f"{source} is not the name of a network: drop `{'weights' if weights else 'pretrained'}`, or give a name "
            f"({', '.join(models.NAMES)})."
        )
    if weights and pretrained:
        raise CourseError(f"Got two kinds of weights, {weights} and {pretrained!r}: drop one.")
    if isinstance(source, Segmenter):
        return source
    if isinstance(source, nn.Layer):
        return Eager(source, views)
    if isinstance(source, (str, Path)):
        path = Path(source)
        if not (weights or pretrained) and (path / DESCRIPTION).is_file():
            return Exported(path, engine, views)
        if engine:
            raise CourseError(
                f"The engine {engine!r} runs exported models, and {source} is not one: export it first (notebook 05)."
            )
        net = _named(str(source), weights, pretrained) if _is_name(source) else _saved(path)
        return Eager(net, views)
    if not callable(source):
        raise CourseError(
            f"{source!r} cannot predict: give a network, its name and weights, the folder of an exported model, or a "
            "function from an image to train ids."
        )
    if not views.plain:
        raise CourseError("A function returns labels, which cannot be averaged over views: give the network itself.")
    return Function(source)


def _is_name(source: object) -> bool:
    return isinstance(source, str) and (source in models.NAMES or source in models.cards())


def _named(name: str, weights: str | Path | None, pretrained: str | None) -> nn.Layer:
    if name not in models.NAMES:  # pruned, and shipped
        if weights is not None or pretrained not in (None, "miniscapes"):
            raise CourseError(f"{name} has one set of weights, trained on MiniScapes: drop {weights or pretrained!r}.")
        return models.load_shipped(name)
    if pretrained == "imagenet":
        raise CourseError(f"The ImageNet weights of {name} are for its backbone only: train the network first.")
    if pretrained:
        return models.build(name, pretrained=pretrained)
    if weights is None:
        raise CourseError(
            f"{name} is a design without weights: give the file that its weights were saved to, or `pretrained`, "
            "miniscapes or cityscapes."
        )
    return models.load_saved(name, weights)


def _saved(path: Path) -> nn.Layer:
    if (path / PLAN).is_file():
        return load_pruned(path)
    if (path / WEIGHTS).is_file():
        path = path / WEIGHTS
    if path.suffix in SUFFIXES:
        if path.parent.name not in models.NAMES:
            raise CourseError(
                f"The folder of {path} is not named after a network: give the network's name, and this file as its "
                f"weights (names: {', '.join(models.NAMES)})."
            )
        return models.load_saved(path.parent.name, path)
    if path.exists():
        raise CourseError(
            f"{path} is neither the folder of an exported model, which holds {DESCRIPTION}, nor of a pruned one, which "
            f"holds {PLAN}, nor a file of weights: export the network first (notebook 05), or give its weights."
        )
    close = get_close_matches(str(path), [*models.NAMES, *models.cards()], n=1)
    raise CourseError(
        f"There is neither a network nor a file {str(path)!r}: "
        + (f"did you mean {close[0]}?" if close else "give a file of weights, or the folder of an exported model.")
    )


def predict(net: nn.Layer, image: np.ndarray, views: Views = WHOLE) -> np.ndarray:
    """Predict train ids uint8 (H, W) of a uint8 RGB image (H, W, 3) with `net`; its mode does not change."""
    return Eager(net, views)(image)
