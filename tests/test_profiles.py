"""Profiles: values, inheritance, and error messages."""

import pytest

from helpers.common.errors import CourseError
from helpers.profiles import TABLE, load_profile, profile_names


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_is_complete(name):
    profile = load_profile(name)
    assert profile.name == name
    for recipe in (profile.pair, profile.fastscnn, profile.finetune):
        assert (recipe.accumulate, recipe.ema, recipe.patience) == (
            1,
            0.0,
            0,
        )  # as published
        assert all(size % 32 == 0 for size in recipe.crop_hw)
        assert 0 <= recipe.warmup < recipe.iterations
        assert 0 <= recipe.min_lr < recipe.lr
    assert 0 < profile.prune.cut < 1 and profile.prune.cut in profile.prune.cuts and profile.prune.seeds > 0


def test_published_recipe():
    """The published training configurations of HRNet, U-HRNet and Fast-SCNN."""
    profile = load_profile("cityscapes")
    assert (profile.data.train, profile.data.val, profile.data.test) == (2975, 500, 1525)
    assert (profile.pair.crop_hw, profile.pair.iterations, profile.pair.lr) == ((512, 1024), 120_000, 0.01)
    assert (profile.fastscnn.crop_hw, profile.fastscnn.lr, profile.fastscnn.min_lr) == ((1024, 1024), 0.05, 1e-4)
    assert (profile.fastscnn.weight_decay, profile.fastscnn.aux_weights) == (4e-5, (1.0, 0.4))


def test_finetune_inherits_from_fastscnn():
    profile = load_profile("mini")
    assert profile.finetune.crop_hw == profile.fastscnn.crop_hw
    assert profile.finetune.iterations != profile.fastscnn.iterations


def test_published_finetune_is_the_end_of_the_schedule():
    """The learning rate in the file is the rewound one, rounded."""
    from helpers.pruning import rewound

    profile = load_profile("cityscapes")
    assert profile.finetune.lr == pytest.approx(rewound(profile.fastscnn, profile.finetune.iterations).lr, rel=1e-3)
    assert profile.finetune.validate_every == 0


def test_unknown_profile_lists_the_known_ones():
    with pytest.raises(CourseError, match="'tiny'.*smoke, mini, cityscapes"):
        load_profile("tiny")


def test_misspelt_key_suggests_the_correct_one(tmp_path):
    table = tmp_path / "profiles.toml"
    table.write_text(TABLE.read_text().replace("[smoke.pair]\n", "[smoke.pair]\nbatchsize = 2\n"))
    with pytest.raises(CourseError, match=r"'batchsize' in \[smoke.pair\].*'batch_size'"):
        load_profile("smoke", table)


@pytest.mark.parametrize("network", ["hrnet_w48", "uhrnet_w48", "uhrnet_w18_small", "uhrnet_w48_ocr"])
def test_published_recipes_of_the_pair_and_ocr(network):
    """PaddleSeg's configs/fcn and configs/ocrnet: 3 images on each of 4 GPUs, sgd, polynomial decay to zero."""
    recipe = load_profile("cityscapes").recipe(network)
    assert (recipe.crop_hw, recipe.batch_size, recipe.iterations) == ((512, 1024), 3, 120_000)
    assert (recipe.optimiser, recipe.lr, recipe.min_lr, recipe.power) == ("sgd", 0.01, 0.0, 0.9)
    assert (recipe.momentum, recipe.weight_decay, recipe.pretrained) == (0.9, 5e-4, "imagenet")
    assert (recipe.scale_min, recipe.scale_max, recipe.scale_step, recipe.jitter) == (0.5, 2.0, 0.25, 0.4)
    assert recipe.aux_weights == ((1.0, 0.4) if network.endswith("ocr") else (1.0,))
    assert recipe.losses == (("cross_entropy", 1.0),)


@pytest.mark.parametrize("name", profile_names())
def test_networks_in_the_table_exist(name):
    from helpers.models import NAMES

    profile = load_profile(name)
    assert {*profile.models, *profile.networks, *profile.study.family} <= set(NAMES)
    assert profile.recipe("fastscnn") is profile.fastscnn
    assert profile.recipe("hrnet_w48") is profile.pair


def test_misspelt_key_of_one_network(tmp_path):
    table = tmp_path / "profiles.toml"
    table.write_text(TABLE.read_text().replace("pspnet = { aux_weights", "pspnet = { aux_weight", 1))
    with pytest.raises(CourseError, match=r"'aux_weight' in \[mini.networks.pspnet\].*'aux_weights'"):
        load_profile("mini", table)


def test_missing_key(tmp_path):
    table = tmp_path / "profiles.toml"
    table.write_text(TABLE.read_text().replace("transfer_lr = 3e-4\n", ""))
    with pytest.raises(CourseError, match=r"Missing key 'transfer_lr' in \[mini.study\]"):
        load_profile("mini", table)
