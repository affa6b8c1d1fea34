"""Published ImageNet weights: fetched once, checked, kept in a cache, loaded into a backbone.

The archives are those that PaddleSeg's configs name. Their publisher gives no checksums, so a download is held against
the length and the MD5 that the server sends along, and its own SHA-256 is written beside it: a file that changes in the
cache later is noticed. A source with a `sha256` is held against that too.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import paddle
from paddle import nn

from helpers.common.errors import CourseError
from helpers.common.files import atomic_path, write_text
from helpers.common.progress import progress

CACHE_VARIABLE = "COURSE_WEIGHTS"
MEMBER = "model.pdparams"
TIMEOUT_S = 30
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Source:
    """Where an archive with `model.pdparams` is, and the SHA-256 of the archive where it is known."""

    url: str
    sha256: str | None = None


_HOST = "https://bj.bcebos.com/paddleseg/dygraph"
# PaddleSeg release 2.8, configs/fcn, configs/ocrnet, configs/deeplabv3p. HRNet's and ResNet's were distilled (ssld).
SOURCES: dict[str, Source] = {
    "hrnet_w18": Source(f"{_HOST}/hrnet_w18_ssld.tar.gz"),
    "hrnet_w48": Source(f"{_HOST}/hrnet_w48_ssld.tar.gz"),
    "uhrnet_w18_small": Source(f"{_HOST}/uhrnetw18_small_imagenet.tar.gz"),
    "uhrnet_w48": Source(f"{_HOST}/uhrnetw48_imagenet.tar.gz"),
    "resnet50_vd": Source(f"{_HOST}/resnet50_vd_ssld_v2.tar.gz"),
}


def cache_folder() -> Path:
    """Where archives are kept: $COURSE_WEIGHTS, else ~/.cache/street-scene-course."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "street-scene-course").expanduser()


def load_backbone(backbone: nn.Layer, name: str) -> None:
    """Put the weights `name` of SOURCES into `backbone`, fetching them when they are not in the cache.

    The classifier for ImageNet that the archive may carry is left out. Raises CourseError when there is no network,
    when the archive is damaged, or when it belongs to another network.
    """
    archive = fetch(SOURCES[name])
    state = _read(archive)
    own = backbone.state_dict()
    fits = {key for key in own if key in state and list(own[key].shape) == list(state[key].shape)}
    # U-HRNet's backbone carries a classifier of its own for 19 classes, which the network never uses.
    lacking = [key for key in own if key not in fits and not key.startswith("last_layer.1.")]
    if lacking:
        raise CourseError(
            f"{archive} does not fit the backbone {name}: {len(lacking)} of {len(own)} tensors are missing or have "
            f"another shape, the first is {lacking[0]}; put the archive of {SOURCES[name].url} there."
        )
    backbone.set_state_dict({key: state[key] for key in fits})


def fetch(source: Source, folder: Path | None = None) -> Path:
    """Path of the archive in the cache `folder`, downloaded when it is not there yet.

    Raises CourseError when it cannot be had, with the way to put it there by hand, and when a file in the cache is not
    the one that was once put there.
    """
    folder = folder or cache_folder()
    path = folder / source.url.rsplit("/", 1)[-1]
    noted = path.with_name(f"{path.name}.sha256")
    if path.is_file():
        expected = source.sha256 or (noted.read_text().strip() if noted.is_file() else None)
        digest = _sha256(path)
        if expected is not None and digest != expected:
            raise CourseError(
                f"{path} has changed since it was fetched (SHA-256 {digest[:12]}…, expected {expected[:12]}…): "
                "delete it and run again."
            )
        if not noted.is_file():  # put there by hand
            write_text(noted, f"{digest}\n")
        return path
    with atomic_path(path) as temporary:
        _download(source, temporary, path)
        digest = _sha256(temporary)
        if source.sha256 is not None and digest != source.sha256:
            raise CourseError(
                f"What came from {source.url} has the SHA-256 {digest[:12]}…, expected {source.sha256[:12]}…: "
                "run again, and if it comes to the same, take the file from another place."
            )
        write_text(noted, f"{digest}\n")
    return path


def _download(source: Source, temporary: Path, path: Path) -> None:
    try:
        with urllib.request.urlopen(source.url, timeout=TIMEOUT_S) as answer, open(temporary, "wb") as file:
            length = int(answer.headers.get("Content-Length") or 0)
            md5 = hashlib.md5(usedforsecurity=False)
            with progress(total=length or None, desc=path.name, unit="B", unit_scale=True) as bar:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    md5.update(block)
                    bar.update(len(block))
            told = answer.headers.get("Content-MD5")
    except (urllib.error.URLError, OSError) as error:
        raise CourseError(
            f"Could not fetch {source.url} ({_reason(error)}): fetch it on a machine that can, put it at {path}, and "
            "run again; or train from random weights with `pretrained = false` in profiles.toml."
        ) from error
    size = temporary.stat().st_size
    if length and size != length or told and base64.b64decode(told) != md5.digest():
        raise CourseError(f"{source.url} came damaged ({size} of {length} bytes): run again to fetch it anew.")


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _read(archive: Path) -> dict[str, paddle.Tensor]:
    try:
        with tarfile.open(archive) as tar:
            inside = next((member for member in tar if Path(member.name).name == MEMBER and member.isfile()), None)
            if inside is None:
                raise CourseError(f"{archive} holds no {MEMBER}: delete it and run again.")
            with tempfile.TemporaryDirectory() as folder, tar.extractfile(inside) as source:
                extracted = Path(folder) / MEMBER
                with open(extracted, "wb") as target:
                    shutil.copyfileobj(source, target)
                return paddle.load(str(extracted))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CourseError(f"{archive} is no whole archive ({error}): delete it and run again.") from error
