"""Random crops of the training frames, augmented on the device that trains. Needs PyTorch only."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scripts.pretrain.recipes import Recipe

CLASSES, IGNORE = 19, 255
_GREY = 127.5


def normalised(images: Tensor) -> Tensor:
    """Scale RGB values of 0 to 255 to -1 to 1, as the course's networks expect: float32."""
    return images.float().div(_GREY).sub(1.0)


class Batches:
    """Draw batches from frames in memory, by a generator on the CPU: the same seed gives the same crops anywhere.

    A batch has one scale and one position of the crop; flip and colours differ from image to image.
    """

    def __init__(self, images: Tensor, labels: Tensor, recipe: Recipe, size_hw: tuple[int, int], batch: int, seed: int):
        """`images` uint8 (N, H, W, 3) and `labels` uint8 (N, H, W), on the device where batches are needed."""
        self._images, self._labels, self._recipe = images, labels, recipe
        self._size_hw, self._batch = size_hw, batch
        self._generator = torch.Generator().manual_seed(seed)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Return normalised images, float32 (batch, 3, H, W), and labels, int64 (batch, H, W) with 255 to ignore."""
        index = torch.randint(0, len(self._images), (self._batch,), generator=self._generator)
        index = index.to(self._images.device)
        x = self._images[index].permute(0, 3, 1, 2).float()
        y = self._labels[index][:, None].float()
        x, y = self._crop(*self._scale(x, y))
        flip = self._uniform(self._batch).view(-1, 1, 1, 1) < 0.5
        x, y = torch.where(flip, x.flip(3), x), torch.where(flip, y.flip(3), y)
        x = normalised(self._recolour(x)).contiguous(memory_format=torch.channels_last)
        return x, y[:, 0].long()

    def _scale(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        scale = self._recipe.scales[self._below(len(self._recipe.scales))]
        if scale == 1:
            return x, y
        size = tuple(round(each * scale) for each in x.shape[2:])
        x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        return x, F.interpolate(y, size=size, mode="nearest")

    def _crop(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        height, width = self._size_hw
        below, right = max(0, height - x.shape[2]), max(0, width - x.shape[3])
        if below or right:
            x, y = F.pad(x, (0, right, 0, below), value=_GREY), F.pad(y, (0, right, 0, below), value=IGNORE)
        top, left = self._below(x.shape[2] - height + 1), self._below(x.shape[3] - width + 1)
        window = (..., slice(top, top + height), slice(left, left + width))
        return x[window], y[window]

    def _recolour(self, x: Tensor) -> Tensor:
        factors = 1 + self._recipe.jitter * (2 * self._uniform(3, self._batch, 1, 1, 1) - 1)
        brightness, contrast, saturation = factors
        x = x * brightness
        mean = x.mean((1, 2, 3), keepdim=True)
        x = (x - mean) * contrast + mean
        grey = x.mean(1, keepdim=True)
        return ((x - grey) * saturation + grey).clamp(0, 255)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self._generator).to(self._images.device)

    def _below(self, limit: int) -> int:
        return int(torch.randint(0, limit, (1,), generator=self._generator))


def class_weights(labels: Tensor, balance: float) -> Tensor:
    """Return 1 / ln(balance + share of the pixels) of each class, float32 (19,)."""
    pixels = torch.bincount(labels.flatten().int(), minlength=256)[:CLASSES].float()
    return 1 / torch.log(balance + pixels / pixels.sum())
