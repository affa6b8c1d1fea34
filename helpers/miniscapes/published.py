"""What is published about Cityscapes' 2,975 fine training frames, and what MiniScapes aims at beside it."""

from __future__ import annotations

# Share of each class among the labelled pixels. Source: the frequencies that DANNet (Wu et al., CVPR 2021) publishes to
# weight its loss (W-zx-Y/DANNet, train.py); they agree to three digits with those that the class weights of ERFNet
# (Romera et al., 2018; Eromera/erfnet_pytorch, train/main.py, 1 / ln(1.10 + share of all pixels)) imply.
PIXEL_SHARE = {
    "road": 0.36869696, "sidewalk": 0.06084986, "building": 0.22824049, "wall": 0.00655399, "fence": 0.00877272,
    "pole": 0.01227341, "traffic light": 0.00207795, "traffic sign": 0.0055127, "vegetation": 0.15928651,
    "terrain": 0.01157818, "sky": 0.04018982, "person": 0.01218957, "rider": 0.00135122, "car": 0.06994545,
    "truck": 0.00267456, "bus": 0.00235192, "train": 0.00232904, "motorcycle": 0.00098658, "bicycle": 0.00413907,
}
