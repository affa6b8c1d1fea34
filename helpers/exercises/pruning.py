"""Checks of the exercises of notebook 04."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helpers.exercises.checking import Case, Mistake, Result, check, equals


def check_removed_with(function: Callable[[str, int], dict[str, int]]) -> Result:
    """Check `function(layer, channel)`: what is removed with a filter, as {layer: index of its filter or input}.

    The layers "first" and "second" write 8 maps each, which are added; the sum and the 4 maps of "third" are
    concatenated and read by "last".
    """

    def right(layer: str, channel: int) -> dict[str, int]:
        if layer == "third":
            return {"third": channel, "last": 8 + channel}
        return {"first": channel, "second": channel, "last": channel}

    def without_the_reader(layer: str, channel: int) -> dict[str, int]:
        return {name: index for name, index in right(layer, channel).items() if name != "last"}

    def without_the_other_summand(layer: str, channel: int) -> dict[str, int]:
        return {name: index for name, index in right(layer, channel).items() if name in (layer, "last")}

    def at_the_same_index(layer: str, channel: int) -> dict[str, int]:
        return dict.fromkeys(right(layer, channel), channel)

    def behind_first(layer: str, channel: int) -> dict[str, int]:
        return {"second": channel, "last": 8 + channel} if layer == "second" else right(layer, channel)

    mistakes = [
        Mistake(
            lambda layer, channel: {layer: channel},
            "Other layers still write or read this channel. Follow it along the arrows.",
        ),
        Mistake(
            without_the_other_summand,
            "A sum has a channel as long as one of its summands has it: both must lose the same filter.",
        ),
        Mistake(without_the_reader, "The layer that reads the maps has a weight for each of them: it loses an input."),
        Mistake(
            at_the_same_index,
            "A concatenation moves channels: the maps of third lie behind the 8 maps of the sum.",
        ),
        Mistake(behind_first, "An addition does not put maps behind each other: the sum has 8 maps, not 16."),
    ]
    calls = (("first", 5), ("third", 2), ("second", 0))
    cases = [
        Case(f"filter {channel} of {layer}", (layer, channel), _same(right(layer, channel))) for layer, channel in calls
    ]
    return check(function, cases, "Follow the channel from its filter to `last`.", mistakes)


def _same(expected: dict[str, int]) -> Callable[[Any], str | None]:
    def verdict(returned: Any) -> str | None:
        if not isinstance(returned, dict):
            return f"it returns {returned!r}, not a dictionary"
        for layer, index in expected.items():
            if layer not in returned:
                return f"{layer} is missing"
            if (wrong := equals(index)(returned[layer])) is not None:
                return f"for {layer}, {wrong}"
        others = sorted(str(layer) for layer in returned.keys() - expected.keys())
        return f"{others[0]} keeps all of its channels" if others else None

    return verdict


def check_aligned_macs(function: Callable[[int, int, int], int]) -> Result:
    """Check `function(in_channels, out_channels, block)`: multiply-accumulates of a 1x1 convolution in whole blocks."""

    def up(channels: int, block: int) -> int:
        return -(-channels // block) * block

    mistakes = [
        Mistake(lambda i, o, b: i * o, "A half-empty block takes as long as a full one: round up. -(-a // b) does."),
        Mistake(
            lambda i, o, b: (i // b + 1) * (o // b + 1) * b * b,
            "Full blocks need nothing more: 16 channels fill one block of 16, not two.",
        ),
        Mistake(lambda i, o, b: up(i * o, b), "Round up each of the two channel counts, not their product."),
        Mistake(lambda i, o, b: up(i, b) * o, "The output is stored in blocks, too: round up both channel counts."),
        Mistake(lambda i, o, b: i * up(o, b), "The input is stored in blocks, too: round up both channel counts."),
        Mistake(lambda i, o, b: -(-i // b) * -(-o // b), "This counts blocks. Each of them holds `block` channels."),
    ]
    cases = [
        Case("16 to 32 channels in blocks of 16", (16, 32, 16), equals(512)),
        Case("3 to 19 channels in blocks of 8", (3, 19, 8), equals(192)),
        Case("17 to 32 channels in blocks of 16", (17, 32, 16), equals(1024)),
        Case("5 to 7 channels in blocks of 1", (5, 7, 1), equals(35)),
    ]
    return check(function, cases, "Round up each channel count to whole blocks, then multiply.", mistakes)
