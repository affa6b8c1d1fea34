"""The table of engines, on a small network."""

import numpy as np
import pytest
from small_networks import frames, tiny

from helpers import deployment
from helpers.common.errors import CourseError
from helpers.evaluation.serving import compare_engines


def test_a_row_for_each_network_and_engine(tmp_path):
    net = tiny(seed=0)
    net.eval()
    folder = deployment.export(net, tmp_path / "tiny", network="fastscnn")
    images = [frames(64, 128)[0], frames(96, 128)[0]]
    eager = deployment.eager(net)
    labels = [eager(image) for image in images]
    engines = ["eager", "paddle-onednn"]
    table = compare_engines({"tiny": folder}, engines, {"tiny": eager}, images, labels, warmup=1, repeats=3)
    assert list(table.index) == [("tiny", engine) for engine in engines]
    assert (table["ms"] > 0).all() and (table["MB of file"] > 0).all()
    # The labels are the network's own predictions: where all agree, every class that occurs is perfect.
    assert table.loc[("tiny", "eager"), "agreement"] == 1 and table.loc[("tiny", "eager"), "mIoU"] == 1
    assert table.loc[("tiny", "paddle-onednn"), "agreement"] > 0.999

    inverted = [np.where(label == 0, 1, 0).astype(np.uint8) for label in labels]
    wrong = compare_engines({"tiny": folder}, ["eager"], {"tiny": eager}, images, inverted, warmup=0, repeats=1)
    assert wrong["mIoU"].iloc[0] < 0.5 and wrong["agreement"].iloc[0] == 1
    with pytest.raises(CourseError, match="2 images and 1 labels"):
        compare_engines({"tiny": folder}, engines, {"tiny": eager}, images, labels[:1], warmup=1, repeats=1)
