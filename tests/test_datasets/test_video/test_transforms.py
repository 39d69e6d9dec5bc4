"""Opening and decoding of videos in a pipeline: damaged ones raise errors with their names."""

import shutil

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from video_cases import noise_in_motion, write_codec

from dyreg_mmaction.datasets.video import VideoDecode, VideoInit, check_video, write_video
from dyreg_mmaction.datasets.video.timeline import import_av


@pytest.fixture(autouse=True)
def scope():
    import_av().logging.set_level(None)
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def read(path, decoder='decord', numbers=(0, 7, 7, 3, 19)):
    results = VideoInit(decoder)(dict(filename=str(path)))
    return VideoDecode()(dict(results, frame_inds=np.array(numbers)))


def test_unknown_decoder_raises_an_error():
    with pytest.raises(ValueError, match="decoder is 'opencv', but must be one of decord, pyav, torchcodec"):
        VideoInit('opencv')


@pytest.mark.parametrize('decoder', ['decord', 'pyav'])
@pytest.mark.parametrize('share', [0.3, 0.6, 0.9])
def test_truncated_webm_raises_an_error(webm, tmp_path, decoder, share):
    path = tmp_path / 'cut.webm'
    path.write_bytes(webm.read_bytes()[: int(webm.stat().st_size * share)])
    with pytest.raises(ValueError, match=r'cut.webm cannot be read: truncated: \d+ of about 20 frames'):
        read(path, decoder)


@pytest.mark.parametrize(
    'content, fault',
    [(b'', 'empty'), (b'<html>404</html>' * 100, 'undecodable'), (None, 'No such file or directory')],
)
def test_non_video_raises_an_error_with_its_path(tmp_path, content, fault):
    path = tmp_path / 'no.webm'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f'no.webm cannot be read: .*{fault}') as error:
        read(path)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('decoder', ['decord', 'pyav'])
def test_short_videos_are_read(tmp_path, decoder):
    write_video(tmp_path / 'one.webm', noise_in_motion(1), fps=12)
    assert len(read(tmp_path / 'one.webm', decoder, numbers=[0, 0])['imgs']) == 2
    write_video(tmp_path / 'two.webm', noise_in_motion(2), fps=12)
    assert len(read(tmp_path / 'two.webm', decoder, numbers=[0, 0, 1, 1])['imgs']) == 4


@pytest.mark.parametrize('decoder', ['decord', 'pyav'])
def test_wrong_extension_is_accepted(webm, tmp_path, decoder):
    shutil.copy(webm, tmp_path / 'video.avi')
    assert len(read(tmp_path / 'video.avi', decoder)['imgs']) == 5


@pytest.mark.parametrize('decoder', ['decord', 'pyav'])
@pytest.mark.parametrize('name', ['vfr.webm', 'vfr.mp4'])
def test_variable_frame_rate_is_not_truncation(tmp_path, decoder, name):
    codec = 'libvpx-vp9' if name.endswith('webm') else 'mpeg4'
    times = [*range(10), 14, 15, 30, 31, 50, 51, 52, 53, 54, 70]  # the last frame may be displayed for long
    path = write_codec(tmp_path / name, codec, noise_in_motion(), times=times)
    assert check_video(path) == (20, '')
    assert len(read(path, decoder)['imgs']) == 5
