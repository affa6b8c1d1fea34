"""Draw docs/frame.png, the figure in the README, from the results of `make run` in outputs/mini.

.venv/bin/python scripts/readme_picture.py [--frame 4]
"""

from __future__ import annotations

import argparse

import matplotlib

from helpers import evaluation, models, plotting, pruning
from helpers.cityscapes import read_image, read_label
from helpers.common.files import PROJECT, atomic_path
from helpers.notebook import Notebook

matplotlib.use("agg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frame", type=int, default=0, help="index of the validation frame")
    nb = Notebook("05", profile="mini")
    frame = nb.frames("val")[parser.parse_args().frame]
    image = read_image(frame)

    networks = {
        models.title(name): models.load_weights(
            models.build(name), nb.require(f"02/{name}/{models.WEIGHTS}", made_by="02")
        )
        for name in nb.profile.models
    }
    networks["Fast-SCNN, pruned"] = pruning.load_pruned(nb.require("04/pruned", made_by="04"))
    images = [image, plotting.overlay(image, read_label(frame), 0.75)]
    images += [plotting.overlay(image, evaluation.predict(net, image), 0.75) for net in networks.values()]
    figure = plotting.frame_grid(
        images,
        [frame.stem, "label", *networks],
        columns=3,
        caption=nb.caption,
        legend=plotting.present_classes(read_label(frame)),
    )
    with atomic_path(PROJECT / "docs" / "frame.png") as temporary:
        figure.savefig(temporary, dpi=90)


if __name__ == "__main__":
    main()
