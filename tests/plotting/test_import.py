"""One import gives every figure, without Paddle."""

import subprocess
import sys

from helpers.common.files import PROJECT


def test_one_import_gives_every_figure_without_paddle():
    code = """
import sys
from helpers import plotting
figures = (plotting.data.class_bars, plotting.training.grouped_bars, plotting.evaluation.confusion,
           plotting.pruning.channels_left, plotting.deployment.roofline, plotting.frame_grid)
assert all(map(callable, figures)) and "paddle" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
