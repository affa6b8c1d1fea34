"""Draw docs/frame.png, the figure in the README: a validation frame, its label, and the best network's prediction.

.venv/bin/python scripts/readme_picture.py [--frame 4]
"""

from __future__ import annotations

import argparse

import matplotlib

from helpers import evaluation, models, plotting
from helpers.common.files import PROJECT, atomic_path
from helpers.datasets import read_image, read_label
from helpers.notebook import Notebook

matplotlib.use("agg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frame", type=int, default=0, help="index of the validation frame")
    nb = Notebook("03", profile="mini")
    frame = nb.frames("val")[parser.parse_args().frame]
    image, label = read_image(frame), read_label(frame)

    name, card = max(models.cards().items(), key=lambda item: item[1].scores.miou)
    prediction = evaluation.predict(models.load_shipped(name), image)
    figure = plotting.frame_grid(
        [
            image,
            plotting.overlay(image, label, nb.classes, 0.75),
            plotting.overlay(image, prediction, nb.classes, 0.75),
        ],
        [frame.stem, "label", f"prediction of {card.title}"],
        columns=3,
        caption=nb.caption,
        legend=plotting.class_colours(nb.classes, label),
    )
    with atomic_path(PROJECT / "docs" / "frame.png") as temporary:
        figure.savefig(temporary, dpi=90)


if __name__ == "__main__":
    main()
