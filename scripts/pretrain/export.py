"""Export networks as the ONNX files that `graph.py` makes trainable. Needs Paddle.

python -m scripts.pretrain.export FOLDER [NAME ...] writes FOLDER/graphs/NAME.onnx and NAME.json.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from paddle import nn

from helpers import models
from helpers.common.command_line import exit_code
from helpers.common.files import atomic_path, write_json
from helpers.deployment.onnx import convert

NETWORKS = ("hrnet_w18_small_v2", "uhrnet_w18_small", "fastscnn")
SIZE_HW = (256, 512)
_COPIED = re.compile(r"(_deepcopy_\d+)+$")


def export(
    net: nn.Layer,
    folder: str | Path,
    name: str,
    *,
    network: str,
    recipe: str,
    start: str = "random weights",
    size_hw: tuple[int, int] = SIZE_HW,
) -> None:
    """Write `<name>.onnx`, the network without its last resize, and `<name>.json`, what `train.py` has to know of it.

    Parameters
    ----------
    net : nn.Layer
        The network with the weights that training starts from.
    folder : str or Path
        Where to write.
    name : str
        Name of the files.
    network : str
        The design, a name for `models.build`.
    recipe : str
        Name of a recipe in `recipes.py`.
    start : str
        Where the weights come from, for the model card.
    size_hw : tuple of int
        Height and width of the crops, in pixels; fixed in the file.
    """
    folder = Path(folder)
    tensors = {key: _COPIED.sub("", tensor.name) for key, tensor in net.state_dict().items()}
    with atomic_path(folder / f"{name}.onnx") as temporary:
        convert(net, temporary, size_hw)
    about = {"network": network, "recipe": recipe, "start": start, "size_hw": list(size_hw), "tensors": tensors}
    write_json(folder / f"{name}.json", about)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("networks", nargs="*", default=NETWORKS, help=f"default: {' '.join(NETWORKS)}")
    parser.add_argument("--size", type=int, nargs=2, default=SIZE_HW, metavar=("H", "W"))
    parser.add_argument("--seed", type=int, default=0, help="of the random weights")
    given = parser.parse_args(arguments)

    def run() -> None:
        for name in given.networks:
            recipe = "fastscnn" if name == "fastscnn" else "hrnet"
            net = models.build(name, seed=given.seed)
            export(net, given.folder / "graphs", name, network=name, recipe=recipe, size_hw=tuple(given.size))
            print(f"{name}: exported", flush=True)

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
