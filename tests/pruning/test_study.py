"""The pruning study: each result is measured once; summaries by hand."""

from dataclasses import replace

import pytest
from tiny_cityscapes import write_set

from helpers.datasets import open_dataset
from helpers.profiles import load_profile
from helpers.pruning.study import Study, advantages, summary


@pytest.fixture
def study(tmp_path):
    root = write_set(tmp_path / "set")
    profile = load_profile("smoke")
    small = {"crop_hw": (32, 64), "iterations": 2, "warmup": 0}
    profile = replace(
        profile,
        fastscnn=replace(profile.fastscnn, **small),
        finetune=replace(profile.finetune, **{**small, "iterations": 1}),
        prune=replace(profile.prune, report_size_hw=(64, 128), curve_cuts=(0.3,)),
    )
    data = open_dataset(root)
    return Study(tmp_path / "study", profile, data.frames("train"), data.frames("val"), device="cpu")


def test_each_result_is_measured_once(study, monkeypatch):
    # After two steps a network scores too little for sensitivity, which has its own tests.
    flat = lambda net, analysis, *rest, **more: {group.master: {0.5: 0.1, 0.9: 0.2} for group in analysis.coupled}  # noqa: E731
    monkeypatch.setattr("helpers.pruning.study.sensitivity", flat)
    study.run(0, ["kept", "control"], ["distilled"], draws=2)
    names = {"0.unpruned", "0.30%.l1", "0.30%.random0", "0.30%.random1"}
    names |= {"0.kept.raw", "0.kept.refreshed", "0.kept.distilled", "0.control.distilled"}
    assert set(study.numbers) == names and study.path.is_file()

    again = Study(study.folder, study.profile, study.train, study.val, device="cpu")
    monkeypatch.setattr("helpers.evaluation.evaluate", None)  # nothing is measured twice
    again.run(0, ["kept", "control"], ["distilled"], draws=2)
    assert again.numbers == study.numbers


def test_summary_by_hand():
    numbers = {"0.unpruned": 0.40, "0.kept.rewound": 0.39, "1.unpruned": 0.42, "1.kept.rewound": 0.43}
    assert summary(numbers)["kept.rewound"] == pytest.approx((0.41, 0.0, 2))


def test_advantages_by_hand():
    numbers = {"0.unpruned": 0.4, "0.30%.l1": 0.3, "0.30%.random0": 0.2, "0.30%.random1": 0.3}
    numbers |= {"0.51%.l1": 0.1, "0.51%.random0": 0.15, "1.30%.l1": 0.2, "1.30%.random0": 0.3}
    numbers["1.51%.l1"] = 0.1  # stopped before the first draw
    found = advantages(numbers)
    assert found["30%"] == pytest.approx([0.05, -0.1])
    assert found["51%"] == pytest.approx([-0.05])
    assert found["all"] == pytest.approx([0.0, -0.1])
