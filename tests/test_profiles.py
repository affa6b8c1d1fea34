"""Profiles: what each holds, inheritance, and the sentences for mistakes."""

import pytest

from helpers.errors import CourseError
from helpers.profiles import TABLE, load_profile, profile_names


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_loads_whole(name):
    profile = load_profile(name)
    assert profile.name == name
    for recipe in (profile.pair, profile.fastscnn, profile.finetune):
        assert all(size % 32 == 0 for size in recipe.crop_hw)
        assert 0 <= recipe.warmup < recipe.iterations
        assert 0 <= recipe.min_lr < recipe.lr
    assert 0 < profile.prune.cut < 1


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


def test_unknown_profile_names_the_known_ones():
    with pytest.raises(CourseError, match="'tiny'.*smoke, mini, cityscapes"):
        load_profile("tiny")


def test_misspelt_key_is_named_with_what_was_meant(tmp_path):
    table = tmp_path / "profiles.toml"
    table.write_text(TABLE.read_text().replace("[smoke.pair]\n", "[smoke.pair]\nbatchsize = 2\n"))
    with pytest.raises(CourseError, match=r"\[smoke.pair\].*'batchsize'.*'batch_size'"):
        load_profile("smoke", table)
