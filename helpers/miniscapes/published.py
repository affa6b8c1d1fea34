"""Published statistics of the 2,975 finely annotated Cityscapes training frames, for comparison with MiniScapes."""

from __future__ import annotations

TRAIN_FRAMES = 2975

# Source of pixels and frames: the statistics that GPaCo (Cui et al., TPAMI 2023) publishes in
# dvlab-research/Parametric-Contrastive-Learning, GPaCo/Seg/stats/cityscapes_pix_label_stats.txt and
# cityscapes_image_label_stats.txt. The pixel counts are also those of openseg-group/OCNet.pytorch issue 66, and their
# shares those by which DANNet (Wu et al., CVPR 2021) weights its loss.
# Source of instances (rounded there to hundreds): Mask R-CNN (He et al., ICCV 2017), appendix on Cityscapes.
_TABLE = """
road            2036416525   2934
sidewalk         336090793   2811
building        1260636120   2934
wall              36199498    970
fence             48454166   1296
pole              67789506   2949
traffic_light     11477088   1658
traffic_sign      30448193   2808
vegetation       879783988   2891
terrain           63949536   1654
sky              221979646   2686
person            67326424   2343   17900
rider              7463162   1023    1800
car              386328286   2832   26900
truck             14772328    359     500
bus               12990290    274     400
train             12863955    142     200
motorcycle         5449152    513     700
bicycle           22861233   1646    3700
"""
_ROWS = [(name.replace("_", " "), *map(int, counts)) for name, *counts in map(str.split, _TABLE.strip().splitlines())]
_PIXELS = sum(row[1] for row in _ROWS)

# Share of each class among all labelled pixels; share of frames that contain it; annotated instances per frame.
PIXEL_SHARE: dict[str, float] = {row[0]: row[1] / _PIXELS for row in _ROWS}
FRAME_SHARE: dict[str, float] = {row[0]: row[2] / TRAIN_FRAMES for row in _ROWS}
INSTANCES_PER_FRAME: dict[str, float] = {row[0]: row[3] / TRAIN_FRAMES for row in _ROWS if len(row) == 4}
