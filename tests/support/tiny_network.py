"""A minimal trainable network."""

from paddle import nn


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
