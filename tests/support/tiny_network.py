"""A minimal trainable network, and a recipe that trains it in seconds."""

from dataclasses import replace

from paddle import nn

from helpers.profiles import load_profile

TINY_RECIPE = replace(
    load_profile("smoke").pair,
    crop_hw=(32, 64),
    batch_size=2,
    iterations=12,
    warmup=2,
    optimiser="sgd",
    lr=0.05,
    aux_weights=(1.0, 0.4),
)


class TinyNet(nn.Layer):
    """Segmentation network with everything a checkpoint must restore: batch norm, dropout, auxiliary output."""

    def __init__(self, classes=19):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2D(3, 8, 3, padding=1), nn.BatchNorm2D(8), nn.ReLU(), nn.Dropout2D(0.2))
        self.head = nn.Conv2D(8, classes, 1)
        self.auxlayer = nn.Conv2D(8, classes, 1)

    def forward(self, x):
        x = self.body(x)
        return [self.head(x), self.auxlayer(x)]
