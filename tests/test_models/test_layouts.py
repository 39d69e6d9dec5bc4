"""Conversion of a sub-module's output to a map and back."""

from typing import NamedTuple

import pytest
import torch
from torch import nn

from dyreg_mmaction.models.forwards import Forward
from dyreg_mmaction.models.layouts import (
    ANY,
    ChannelsLast,
    Clips,
    Example,
    First,
    Frames,
    FrameTokens,
    SizedTokens,
    Tokens,
    build_layout,
    find_layout,
)

B, C, T, H, W = 2, 5, 3, 4, 6
MAP = torch.arange(B * C * T * H * W, dtype=torch.float32).view(B, C, T, H, W)
SIZE = (2 * T, 16 * H, 16 * W)
EXAMPLE = Example(B, SIZE, [(2 * T, 2 * H, 2 * W), (T, H, W)])
FORWARD = Forward(B, SIZE)


def tokens(order, extra=0):
    """Return the tokens of the map after class tokens."""
    flat = MAP.permute(0, *order, 1).flatten(1, 3)
    return torch.cat((-torch.ones(B, extra, C), flat), 1)


def frame_tokens(extra=0):
    flat = MAP.permute(0, 2, 3, 4, 1).flatten(0, 1).flatten(1, 2)
    return torch.cat((-torch.ones(B * T, extra, C), flat), 1)


class Named(NamedTuple):
    x: torch.Tensor
    attention: None


CASES = {
    'clips': (Clips(), MAP),
    'frames': (Frames(), MAP.transpose(1, 2).flatten(0, 1)),
    'frames of a number': (Frames(T), MAP.transpose(1, 2).flatten(0, 1)),
    'channels last': (ChannelsLast(), MAP.permute(0, 2, 3, 4, 1)),
    'frames of channels last': (ChannelsLast(), MAP.permute(0, 2, 3, 4, 1).flatten(0, 1)),
    'tokens': (Tokens(), tokens((2, 3, 4))),
    'tokens of a stride': (Tokens(stride=(2, 16, 16)), tokens((2, 3, 4))),
    'tokens after a class token': (Tokens(), tokens((2, 3, 4), 1)),
    'tokens with time last': (Tokens(time_last=True), tokens((3, 4, 2), 1)),
    'tokens before the batch': (Tokens(batch_first=False), tokens((2, 3, 4), 1).transpose(0, 1)),
    'tokens of frames': (FrameTokens(), frame_tokens()),
    'tokens of frames after class and registers': (FrameTokens(), frame_tokens(5)),
    'tokens of frames before the batch': (FrameTokens(batch_first=False), frame_tokens(1).transpose(0, 1)),
    'tokens and their size': (SizedTokens(), (tokens((2, 3, 4), 1), torch.Size((T, H, W)))),
    'tokens of frames and their size': (SizedTokens(), [frame_tokens(1), (H, W)]),
    'tokens and attention': (First('Tokens'), (tokens((2, 3, 4), 1), None)),
    'a named tuple of frames': (First(Frames()), Named(MAP.transpose(1, 2).flatten(0, 1), None)),
    'a list of frames': (First(Frames()), [MAP.transpose(1, 2).flatten(0, 1)]),
}


def first(output):
    return output if isinstance(output, torch.Tensor) else output[0]


@pytest.mark.parametrize('case', CASES)
def test_conversion_to_a_map_and_back(case):
    layout, output = CASES[case]
    layout = layout.fitted(output, EXAMPLE)
    x = layout.to_map(output, FORWARD)
    assert torch.equal(x, MAP)
    assert x.untyped_storage().data_ptr() == first(output).untyped_storage().data_ptr()  # a view
    back = layout.from_map(MAP + 1, output)
    assert type(back) is type(output)
    changed = first(back) - first(output)
    assert torch.equal(changed, (first(output) >= 0).float())
    if not isinstance(output, torch.Tensor):
        assert all(new is old for new, old in zip(back[1:], output[1:], strict=True))


@pytest.mark.parametrize('case', [case for case in CASES if 'time last' not in case])
def test_layout_is_inferred_from_output_and_previous_maps(case):
    layout, output = CASES[case]
    assert torch.equal(find_layout(output, EXAMPLE, ANY).to_map(output, FORWARD), MAP)


@pytest.mark.parametrize('size', [(SIZE[0] + 1, SIZE[1] + 15, SIZE[2]), (SIZE[0] - 1, SIZE[1], SIZE[2] - 8)])
def test_number_of_tokens_of_another_crop(size):
    layout = Tokens().fitted(tokens((2, 3, 4)), EXAMPLE)
    assert torch.equal(layout.to_map(tokens((2, 3, 4)), Forward(B, size)), MAP)
    with pytest.raises(ValueError, match=r'72 tokens are not 3 x 4 x 12, the cells of an input of \(6, 64, 192\)'):
        layout.to_map(tokens((2, 3, 4)), Forward(B, (SIZE[0], SIZE[1], 2 * SIZE[2])))


WRONG = {
    'too few rows': (Clips(), MAP[:1], '1 rows for 2 clips'),
    'channels mistaken for cells': (Clips(), torch.zeros(B, 16, 3, 4, 192), r'more than the \(6, 64, 96\)'),
    'another aspect': (ChannelsLast(), torch.zeros(B, T, H, 24, C), 'H x W = 4 x 24 in an input of 64 x 96'),
    'frames of no clips': (Frames(), torch.zeros(5, C, H, W), '5 rows for 2 clips of 6 frames'),
    'no tuple': (First('Frames'), MAP, 'Tensor, not a tuple'),
    'a tuple of two maps': (First(Clips()), (MAP, MAP), 'a tuple of several maps'),
    'a tuple of another layout': (First('Frames'), (torch.zeros(B, C), None), '2 axes, not 4'),
    'a vector': (Frames(), torch.zeros(B, C), '2 axes, not 4'),
    'tokens of no cells': (Tokens(), torch.zeros(B, 100, C), '100 tokens, which are not T x H x W . class tokens'),
    'another number of class tokens': (Tokens(class_tokens=0), tokens((2, 3, 4), 1), '73 tokens.* 0 class tokens'),
    'another stride': (Tokens(stride=(1, 16, 16)), tokens((2, 3, 4)), '72 tokens, which are not T x H x W'),
    'no pair': (SizedTokens(), tokens((2, 3, 4)), 'Tensor, not a pair'),
    'attentions mistaken for a size': (SizedTokens(), (tokens((2, 3, 4)), [MAP, MAP]), 'not a size'),
    'None as size': (SizedTokens(), (tokens((2, 3, 4)), (None, None)), 'not a size'),
    'a size of one number': (SizedTokens(), (tokens((2, 3, 4)), (72,)), 'not a size'),
    'a size of other tokens': (SizedTokens(), (tokens((2, 3, 4)), (T, H, W + 1)), r'72 tokens of a size \(3, 4, 7\)'),
}


@pytest.mark.parametrize('case', WRONG)
def test_wrong_outputs_raise_errors(case):
    layout, output, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        layout.fitted(output, EXAMPLE)


def test_layout_is_a_name_a_dict_or_an_object():
    assert build_layout('ChannelsLast') == build_layout(dict(type='ChannelsLast')) == ChannelsLast()
    assert build_layout(dict(type='Tokens', stride=(2, 16, 16))) == Tokens(stride=(2, 16, 16))
    assert build_layout(Frames(4)) == Frames(4)
    with pytest.raises(ValueError, match=r"layout='Token' is unknown; choose one of \['Clips', 'Frames'"):
        build_layout('Token')
    with pytest.raises(ValueError, match="layout Frames has no argument 'stride'; it accepts"):
        build_layout(dict(type='Frames', stride=2))
    with pytest.raises(ValueError, match='is unknown'):
        build_layout(nn.Identity())
