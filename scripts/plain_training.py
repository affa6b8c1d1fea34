"""The baseline of `make bench ONLY=training`: plain training steps of Paddle and PaddleSeg with default flags.

Runs in its own process and imports nothing from this project, whose settings take effect before `import paddle`.
Arguments: class of the network, file of weights, file of batches, learning rate. For each line on standard input, a
number of steps, take the steps and print the seconds of each.
"""

import sys
import time

import numpy as np
import paddle
import paddle.nn.functional as F
from paddleseg import models
from safetensors.numpy import load_file


def main(network: str, weights: str, batches: str, lr: str) -> None:
    if network == "FastSCNN":
        net = models.FastSCNN(19, enable_auxiliary_loss=True)
    else:
        net = models.FCN(19, getattr(models.backbones, network)(), backbone_indices=(-1,))
    net.set_state_dict(load_file(weights))
    net.train()
    optimiser = paddle.optimizer.Momentum(float(lr), 0.9, parameters=net.parameters(), weight_decay=4e-5)
    stored = np.load(batches, allow_pickle=False)
    images, labels = stored["images"], stored["labels"]  # (B, N, 3, H, W), (B, N, H, W)
    step = 0
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            image, label = (paddle.to_tensor(each[step % len(images)]) for each in (images, labels))
            outputs = net(image)
            parts = [F.cross_entropy(logits, label, ignore_index=255, axis=1) for logits in outputs]
            loss = sum(weight * part for weight, part in zip((1.0, 0.4), parts, strict=False))
            loss.backward()
            optimiser.step()
            optimiser.clear_grad()
            loss.item()
            seconds.append(time.perf_counter() - start)
            step += 1
        print("seconds", *seconds, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
