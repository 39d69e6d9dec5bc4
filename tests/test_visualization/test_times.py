"""Frames in a report have the times at which a player displays them."""

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from video_cases import VIDEOS

from dyreg_mmaction.datasets.video.writers import hold_frames
from dyreg_mmaction.ops import Regions
from dyreg_mmaction.visualization import keep_source, make_clip

DECODERS = {'ours': ('VideoInit', 'VideoDecode'), "MMAction2's": ('DecordInit', 'DecordDecode')}


def clip_of(path, decoder, num_frames):
    """Return a clip of frames of the whole video with arbitrary regions."""
    init_default_scope('mmaction')
    init, decode = DECODERS[decoder]
    sample_frames = dict(type='SampleFrames', clip_len=1, num_clips=num_frames, test_mode=True)
    pack = [dict(type='FormatShape', input_format='NCHW'), dict(type='PackActionInputs')]
    pipeline = keep_source([dict(type=init), sample_frames, dict(type=decode), *pack])
    sample = Compose(pipeline)(dict(filename=str(path), label=0, start_index=0, modality='RGB'))
    data = sample['data_samples']
    data.set_field(torch.ones(1), 'pred_score')
    data.set_field({'a': Regions(*torch.full((2, 1, num_frames, 1, 2), 0.5), (1, 1))}, 'regions')
    return make_clip(sample['inputs'], data)


@pytest.mark.parametrize('decoder', DECODERS)
@pytest.mark.parametrize('name', ['variable rate, MP4', 'variable rate, WebM'])
def test_times_of_a_variable_rate(tmp_path, decoder, name):
    clip = clip_of(VIDEOS[name][0](tmp_path), decoder, 11)
    assert clip.times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.9, 1.2, 1.5, 1.8])
    assert 1.89 < clip.duration < 2.11 and clip.fps == pytest.approx(10)
    shown = hold_frames(clip.times, clip.duration, clip.fps)
    assert np.bincount(shown)[:10].tolist() == [1] * 6 + [3] * 4


@pytest.mark.parametrize('decoder', DECODERS)
def test_long_last_frame_is_shown_until_the_end(tmp_path, decoder):
    clip = clip_of(VIDEOS['held, MP4'][0](tmp_path), decoder, 12)
    assert clip.times == pytest.approx(np.arange(12) / 10)
    assert clip.duration == pytest.approx(6.1) and clip.fps == pytest.approx(10)


def test_trimmed_video_begins_with_its_first_frame(tmp_path):
    clip = clip_of(VIDEOS['trimmed'][0](tmp_path), 'ours', 16)
    assert clip.times == pytest.approx(np.arange(16) / 10) and clip.duration == pytest.approx(1.6)
