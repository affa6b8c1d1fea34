"""Published weights by name: ImageNet for backbones, Cityscapes for complete networks.

PaddleSeg publishes them as .pdparams, which are pickles; `helpers.models.pickles` reads them without executing any.
They were trained on data for non-commercial use, and the course does not redistribute them.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
from paddle import nn

from helpers import cityscapes
from helpers.common.errors import CourseError
from helpers.models import pickles
from helpers.models.fetching import Source, fetch
from helpers.models.weight_files import Saved
from helpers.models.weights import set_weights

MEMBER = "model.pdparams"
_HOST = "https://bj.bcebos.com/paddleseg/dygraph"

# PaddleSeg release 2.8, configs/fcn, configs/ocrnet, configs/deeplabv3p. HRNet's and ResNet's were distilled (ssld).
IMAGENET: dict[str, Source] = {
    "hrnet_w18": Source(f"{_HOST}/hrnet_w18_ssld.tar.gz"),
    "hrnet_w48": Source(f"{_HOST}/hrnet_w48_ssld.tar.gz"),
    "uhrnet_w18_small": Source(f"{_HOST}/uhrnetw18_small_imagenet.tar.gz"),
    "uhrnet_w48": Source(f"{_HOST}/uhrnetw48_imagenet.tar.gz"),
    "resnet50_vd": Source(f"{_HOST}/resnet50_vd_ssld_v2.tar.gz"),
}


def _trained(config: str) -> Source:
    return Source(f"{_HOST}/cityscapes/{config}/{MEMBER}", name=f"{config}.pdparams")


# PaddleSeg release 2.8, configs/fastscnn and configs/fcn: published mIoU on Cityscapes val 0.6931, 0.7897, 0.8070,
# 0.7766 and 0.8128. U-HRNet's weights of 120k iterations score higher; these had the same 80k as HRNet's.
CITYSCAPES: dict[str, Source] = {
    "fastscnn": _trained("fastscnn_cityscapes_1024x1024_160k"),
    "hrnet_w18": _trained("fcn_hrnetw18_cityscapes_1024x512_80k"),
    "hrnet_w48": _trained("fcn_hrnetw48_cityscapes_1024x512_80k"),
    "uhrnet_w18_small": _trained("fcn_uhrnetw18_small_cityscapes_1024x512_80k"),
    "uhrnet_w48": _trained("fcn_uhrnetw48_cityscapes_1024x512_80k"),
}


def load_cityscapes(net: nn.Layer, name: str) -> None:
    """Load the Cityscapes weights of the network `name`, a key of CITYSCAPES, into `net`.

    Raises CourseError if they cannot be fetched, or are damaged, malicious, or of another network.
    """
    path = fetch(CITYSCAPES[name], limit=_limit(net, 1.2))
    names = cityscapes.CITYSCAPES.names
    saved = Saved(pickles.load(path), len(names), names)
    set_weights(net, saved, str(path), strict=False)


def load_backbone(backbone: nn.Layer, name: str) -> None:
    """Load the ImageNet weights `name`, a key of IMAGENET, into `backbone`.

    The classifier for ImageNet that the archive may hold is ignored. Raises CourseError if the archive cannot be
    fetched, or is damaged, malicious, or of another network.
    """
    limit = _limit(backbone, 2.5)  # HRNet-W18 with its classifier for ImageNet has 2.2 times the parameters
    archive = fetch(IMAGENET[name], limit)
    state = _read(archive, limit)
    own = backbone.state_dict()
    without_classifier = Saved({key: state[key] for key in own if key in state}, num_classes=0)
    set_weights(backbone, without_classifier, str(archive), strict=False)


def _limit(net: nn.Layer, factor: float) -> int:
    """Bytes that a file of the weights of `net` may have: `factor` times what float32 needs.

    Paddle 2.0 and 2.1 pickled at protocol 2, which writes bytes as text: random ones take 1.5 times as many.
    """
    return round(1.5 * factor * sum(4 * tensor.size for tensor in net.state_dict().values()))


def _read(archive: Path, limit: int) -> dict[str, np.ndarray]:
    try:
        with tarfile.open(archive) as tar:
            member = next((each for each in tar if Path(each.name).name == MEMBER and each.isfile()), None)
            if member is None:
                raise CourseError(f"{archive} holds no {MEMBER}: delete it and run again.")
            if member.size > limit:
                raise CourseError(f"{archive} holds {member.size / 1e6:.0f} MB of weights, too many: delete it.")
            with tar.extractfile(member) as file:
                return pickles.read(file, f"{archive}:{member.name}")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CourseError(f"{archive} is not a complete archive ({error}): delete it and run again.") from error
