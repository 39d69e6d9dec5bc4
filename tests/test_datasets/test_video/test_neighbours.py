"""WithNeighbours: the adjacent video frame of each sampled frame, with the same decoding, crops and flips."""

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from dyreg_mmaction.datasets import WithNeighbours
from dyreg_mmaction.datasets.video.writers import write_video

FRAMES, HEIGHT, WIDTH = 20, 48, 64
DECODE = dict(type='VideoDecode')
PIXELS = [
    dict(type='Resize', scale=(-1, 40)),
    dict(type='RandomCrop', size=32),
    dict(type='Flip', flip_ratio=0.5),
]


def moving():
    """Return frames whose left half has the frame number as brightness; the right half differs, to detect flips."""
    frames = np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    frames[:, :, : WIDTH // 2] = 10 * np.arange(FRAMES)[:, None, None, None] + 20
    return frames


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp('video') / 'moving.webm'
    write_video(path, moving(), fps=12)
    return dict(filename=str(path), start_index=0, modality='RGB')


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def run(
    given, numbers, layout='NCHW', wrap=True, opening=({'type': 'VideoInit'},), decode=DECODE, pixels=PIXELS, **options
):
    """Run a pipeline on frames of these numbers: one clip (NCTHW), or clips of one frame (NCHW)."""
    np.random.seed(3)
    steps = [decode, *pixels, dict(type='FormatShape', input_format=layout)]
    if wrap:
        steps = [dict(type='WithNeighbours', transforms=steps, **options)]
    sampling = (1, len(numbers)) if layout == 'NCTHW' else (len(numbers), 1)
    chosen = dict(frame_inds=np.array(numbers), num_clips=sampling[0], clip_len=sampling[1])
    return Compose(steps)(dict(Compose(list(opening))(dict(given)), **chosen))


@pytest.mark.parametrize('layout', ['NCHW', 'NCTHW'])
@pytest.mark.parametrize(('step', 'adjacent'), [(1, [1, 6, 18]), (3, [3, 8, 16])])
def test_frames_are_unchanged_and_neighbours_are_adjacent(video, layout, step, adjacent):
    given = run(video, [0, 5, 19], layout, step=step)
    np.testing.assert_array_equal(given['imgs'], run(video, [0, 5, 19], layout, wrap=False)['imgs'])
    np.testing.assert_array_equal(given['neighbours'], run(video, adjacent, layout, wrap=False)['imgs'])
    assert given['neighbours'].dtype == np.uint8 and given['imgs'].shape == given['input_shape']
    assert given['frame_inds'].tolist() == [0, 5, 19]
    assert (given['num_clips'], given['clip_len']) == ((3, 1) if layout == 'NCHW' else (1, 3))


def test_short_video_has_its_first_frame_as_neighbour(tmp_path):
    write_video(tmp_path / 'short.webm', moving()[5:7], fps=12)
    short = dict(filename=str(tmp_path / 'short.webm'), modality='RGB')
    np.testing.assert_array_equal(run(short, [0, 1], step=5)['neighbours'], run(short, [0, 0], wrap=False)['imgs'])


def test_every_crop_has_its_neighbour(video):
    pixels = [dict(type='ThreeCrop', crop_size=48)]
    given, plain, adjacent = (
        run(video, n, pixels=pixels, wrap=w) for n, w in (([2, 9], True), ([2, 9], False), ([3, 10], False))
    )
    assert len(given['imgs']) == 6
    np.testing.assert_array_equal(given['imgs'], plain['imgs'])
    np.testing.assert_array_equal(given['neighbours'], adjacent['imgs'])


def test_raw_frames_have_neighbours(tmp_path):
    for number, frame in enumerate(moving(), start=1):
        cv2.imwrite(str(tmp_path / f'img_{number:05}.png'), frame[..., ::-1])
    raw = dict(
        frame_dir=str(tmp_path), total_frames=FRAMES, start_index=1, filename_tmpl='img_{:05}.png', modality='RGB'
    )
    given = run(raw, [1, 6, 20], opening=(), decode=dict(type='RawFrameDecode'), pixels=())
    for key, numbers in dict(imgs=[0, 5, 19], neighbours=[1, 6, 18]).items():
        np.testing.assert_array_equal(given[key], moving()[numbers].transpose(0, 3, 1, 2))


def test_boxes_are_those_of_the_frames(video):
    class Boxes:
        def __call__(self, results):
            number = results['frame_inds'].astype(np.float32)
            return dict(results, objects=np.broadcast_to(number[None, :, None, None], (1, len(number), 1, 4)))

    transform = WithNeighbours([DECODE, dict(type='FormatShape', input_format='NCHW')])
    transform.transforms.transforms.insert(1, Boxes())
    opened = Compose([dict(type='VideoInit')])(dict(video))
    given = transform(dict(opened, frame_inds=np.array([3, 8]), num_clips=2, clip_len=1))
    assert given['objects'][0, :, 0, 0].tolist() == [3, 8]


def test_decoded_frames_raise_an_error(video):
    transform = WithNeighbours([DECODE, dict(type='FormatShape', input_format='NCHW')])
    for results in (dict(imgs=[], frame_inds=[]), dict(video)):
        with pytest.raises(ValueError, match='WithNeighbours got decoded frames, .*; place it after SampleFrames'):
            transform(results)


def test_invalid_options_raise_errors():
    for step in (0, 1.5, 'a'):
        with pytest.raises(ValueError, match=f'step of WithNeighbours is {step!r}, but must be an integer'):
            WithNeighbours([], step=step)
    with pytest.raises(ValueError, match=r"are \['VideoDecode'\], but must be those from decoding to FormatShape"):
        WithNeighbours([DECODE])
