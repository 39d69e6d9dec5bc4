import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import decord
import numpy as np
import pytest
from mmengine.registry import DefaultScope

from dyreg_mmaction.datasets import MiniSomething
from dyreg_mmaction.datasets.synthetic.mini_something.drawing import draw, sample_background, sample_sprites
from dyreg_mmaction.datasets.synthetic.mini_something.generator import Clip, generate_mini_something
from dyreg_mmaction.datasets.synthetic.mini_something.scenes import (
    CLASSES,
    GROWTH,
    HEIGHT,
    Track,
    move,
    sample_scene,
    seen_by,
)
from dyreg_mmaction.datasets.video.checks import check_video
from dyreg_mmaction.datasets.video.writers import write_video
from dyreg_mmaction.registry import DATASETS

TOOL = Path(__file__).parents[3] / 'tools/data/make_mini_something.py'
PIPELINE = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 72)),
    dict(type='CenterCrop', crop_size=64),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs'),
]
SEEDS = range(30)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'mini_something'
    generate_mini_something(root, num_train=16, num_val=8)
    return root


@pytest.fixture(scope='module')
def boxes(root):
    return json.loads((root / 'bounding_box_annotations.json').read_text())


def scene(seed):
    return sample_scene(np.random.default_rng(seed))


def videos(root):
    return {path.name: path.read_bytes() for path in (root / 'videos').iterdir()}


@pytest.mark.parametrize('split, size', [('train', 16), ('val', 8)])
def test_config_reads_it_with_mmaction2s_pipeline(root, split, size):
    with DefaultScope.overwrite_default_scope('mmaction'):
        dataset = DATASETS.build(dict(type='MiniSomething', data_root=str(root), split=split, pipeline=PIPELINE))
    assert len(dataset) == size
    samples = [dataset[index] for index in range(size)]
    assert {tuple(sample['inputs'].shape) for sample in samples} == {(8, 3, 64, 64)}
    assert [int(sample['data_samples'].gt_label) for sample in samples] == [index % 8 for index in range(size)]
    assert min(float(sample['inputs'].float().std()) for sample in samples) > 5


def test_format_of_videos(root, boxes):
    widths, lengths = set(), set()
    for path in (root / 'videos').iterdir():
        reader = decord.VideoReader(str(path))
        with av.open(str(path)) as container:
            assert container.streams.video[0].codec_context.name == 'vp9'
            frames = np.stack([frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)])
        np.testing.assert_array_equal(reader.get_batch(range(len(reader))).asnumpy(), frames)
        assert len(frames) == len(boxes[path.stem])
        assert frames.shape[1] == 240
        assert reader.get_avg_fps() == pytest.approx(12, abs=0.2)
        widths.add(frames.shape[2])
        lengths.add(len(frames))
    assert widths == {320, 427}
    assert len(lengths) > 2


def test_video_contains_the_drawn_frames(tmp_path):
    rng = np.random.default_rng(3)
    drawn = draw(sample_background(rng, 320), sample_sprites(rng), move(scene(3), CLASSES[0]))
    write_video(tmp_path / 'a.webm', drawn, fps=12)
    decoded = decord.VideoReader(str(tmp_path / 'a.webm')).get_batch(range(len(drawn))).asnumpy()
    error = np.abs(decoded.astype(int) - drawn).mean(axis=(1, 2, 3))
    assert error.max() < 6
    assert np.abs(decoded[:-1].astype(int) - drawn[1:]).mean() > error.mean()  # and in the right order


@pytest.mark.parametrize('action', CLASSES, ids=lambda action: action.label)
def test_middle_frame_is_the_same_in_all_classes(action):
    for seed in SEEDS:
        places = scene(seed)
        track = move(places, action)
        middle = len(track.center) // 2
        assert len(track.center) == 2 * middle + 1
        np.testing.assert_allclose(track.center[middle], places.center)
        np.testing.assert_allclose(track.half_size[middle], places.half_size)


@pytest.mark.parametrize('first', range(0, 8, 2))
def test_classes_of_a_pair_are_time_reversals(first):
    forth, back = move(scene(0), CLASSES[first]), move(scene(0), CLASSES[first + 1])
    np.testing.assert_allclose(forth.center[::-1], back.center)
    np.testing.assert_allclose(forth.half_size[::-1], back.half_size)
    assert np.abs(forth.center - back.center).max() + np.abs(forth.half_size - back.half_size).max() > 10


@pytest.mark.parametrize(
    'template, measure',
    [
        ('Moving [something] from left to right', lambda track: track.center[:, 0, 0]),
        ('Moving [something] from right to left', lambda track: -track.center[:, 0, 0]),
        ('Moving [something] down', lambda track: track.center[:, 0, 1]),
        ('Moving [something] up', lambda track: -track.center[:, 0, 1]),
        ('Moving [something] towards the camera', lambda track: 50 * np.log(track.half_size[:, 0])),
        ('Moving [something] away from the camera', lambda track: -50 * np.log(track.half_size[:, 0])),
        ('Moving [something] and [something] away from each other', lambda track: distance(track)),
        ('Moving [something] and [something] closer to each other', lambda track: -distance(track)),
    ],
)
def test_acting_objects_follow_the_class_and_others_rest(template, measure):
    (action,) = (action for action in CLASSES if action.template == template)
    for seed in SEEDS:
        track = move(scene(seed), action)
        assert (np.diff(measure(track)) > 1).all()
        assert np.ptp(track.center[:, action.num_acting :], axis=0).max() == 0
        assert np.ptp(track.half_size[:, action.num_acting :], axis=0).max() == 0


def distance(track):
    return np.linalg.norm(track.center[:, 1] - track.center[:, 0], axis=-1)


@pytest.mark.parametrize('action', CLASSES, ids=lambda action: action.label)
def test_objects_stay_in_the_frame_and_acting_ones_in_the_central_square(action):
    for seed in SEEDS:
        places = scene(seed)
        track = move(places, action)
        half = np.array([places.width, HEIGHT]) / 2
        reach = np.abs(track.center - half) + track.half_size[..., None]
        assert (reach <= half + 1e-6).all()
        assert (reach[:, :2] <= HEIGHT / 2 + 1e-6).all()


def test_objects_do_not_overlap_in_the_middle_frame():
    for seed in SEEDS:
        places = scene(seed)
        gaps = np.linalg.norm(places.center[:, None] - places.center, axis=-1)
        assert (gaps + np.eye(3) * 1e3 >= places.half_size[:, None] + places.half_size).all()


@pytest.mark.parametrize('half_size', [24.0 / GROWTH, 27.3, 51.2])
@pytest.mark.parametrize('center', [(100.0, 120.0), (80.25, 60.75)])
def test_boxes_enclose_the_drawn_pixels(center, half_size):
    for seed in range(12):
        sprite = sample_sprites(np.random.default_rng(seed))[0]
        track = Track(np.array([[center]]), np.array([[half_size]]))
        drawn = draw(np.zeros((HEIGHT, 320, 3), np.uint8), [sprite], track)[0].max(axis=-1) > 70
        rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
        shown = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        corner = half_size * sprite.extent
        box = np.concatenate([center - corner, center + corner])
        np.testing.assert_allclose(shown, box, atol=3)  # a polygon's sharp tip fades out before the box's edge
        assert np.abs(shown - box).mean() < 1.2


def test_boxes_are_in_the_format_of_something_else(root, boxes):
    assert set(boxes) == {path.stem for path in (root / 'videos').iterdir()}
    placeholders = {video['id']: video['placeholders'] for video in label_file(root, 'train')}
    for video, frames in boxes.items():
        assert [frame['name'] for frame in frames] == [f'{video}/{n:04}.jpg' for n in range(1, len(frames) + 1)]
        for frame in frames:
            assert frame['nr_instances'] == len(frame['labels']) == 3
            assert [label['standard_category'] for label in frame['labels']] == ['0000', '0001', '0002']
            names = [label['category'] for label in frame['labels']]
            assert len(set(names)) == 3
            assert frame['gt_placeholders'] == placeholders.get(video, frame['gt_placeholders'])
            assert names[: len(frame['gt_placeholders'])] == frame['gt_placeholders']
            for label in frame['labels']:
                box = label['box2d']
                assert 0 <= box['x1'] < box['x2'] <= 427 and 0 <= box['y1'] < box['y2'] <= 240


def label_file(root, name):
    return json.loads((root / 'labels' / f'{name}.json').read_text())


def test_boxes_are_on_the_objects_of_the_video(root, boxes):
    inside, outside = [], []
    for video, frames in boxes.items():
        pixels = decord.VideoReader(str(root / f'videos/{video}.webm')).get_batch([0]).asnumpy()[0].max(axis=-1)
        covered = np.zeros(pixels.shape, bool)
        for label in frames[0]['labels']:
            x1, y1, x2, y2 = (round(label['box2d'][key]) for key in ('x1', 'y1', 'x2', 'y2'))
            covered[y1:y2, x1:x2] = True
            inside.append(pixels[(y1 + y2) // 2, (x1 + x2) // 2])
        outside.append(np.mean(pixels[~covered] > 130))
    assert min(inside) > 130
    assert max(outside) < 0.01


def test_labels_are_in_the_format_of_something_something_v2(root):
    labels = label_file(root, 'labels')
    assert list(labels.values()) == [str(number) for number in range(8)]
    for split, first in (('train', 1), ('validation', 100_001)):
        entries = label_file(root, split)
        assert [entry['id'] for entry in entries] == [str(first + index) for index in range(len(entries))]
        for index, entry in enumerate(entries):
            assert labels[entry['template'].replace('[something]', 'something')] == str(index % 8)
            assert len(entry['placeholders']) == entry['template'].count('[something]')
            text = entry['template']
            for name in entry['placeholders']:
                text = text.replace('[something]', name, 1)
            assert entry['label'] == text


def test_clip_depends_on_seed_split_and_number_only(root, tmp_path):
    generate_mini_something(tmp_path / 'small', num_train=3, num_val=2, workers=2)
    small, large = videos(tmp_path / 'small'), videos(root)
    assert set(small) == {'1.webm', '2.webm', '3.webm', '100001.webm', '100002.webm'}
    assert all(large[name] == content for name, content in small.items())
    assert len(set(large.values())) == len(large)
    generate_mini_something(tmp_path / 'other', num_train=3, num_val=2, seed=1)
    assert not set(videos(tmp_path / 'other').values()) & set(small.values())


def test_second_run_generates_only_missing_clips(tmp_path):
    generate_mini_something(tmp_path / 'a', num_train=3, num_val=1)
    before = videos(tmp_path / 'a')
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / 'a/videos').iterdir()}
    (tmp_path / 'a/videos/2.webm').unlink()
    (tmp_path / 'a/labels/train.json').unlink()
    generate_mini_something(tmp_path / 'a', num_train=3, num_val=1)
    assert videos(tmp_path / 'a') == before
    changed = {p.name for p in (tmp_path / 'a/videos').iterdir() if p.stat().st_mtime_ns != times[p.name]}
    assert changed == {'2.webm'}
    assert len(label_file(tmp_path / 'a', 'train')) == 3


@pytest.mark.parametrize('change', [dict(seed=1), dict(num_train=17), dict(num_val=9)])
def test_folder_with_other_options_raises_an_error(root, change):
    before = videos(root)
    with pytest.raises(ValueError, match='contains a MiniSomething of .*choose another folder'):
        generate_mini_something(root, **{**dict(num_train=16, num_val=8), **change})
    assert videos(root) == before


def test_folder_with_other_files_raises_an_error(tmp_path):
    (tmp_path / 'thesis.txt').write_text('precious')
    with pytest.raises(ValueError, match='contains other files'):
        generate_mini_something(tmp_path, 1, 1)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.txt']


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(num_train=0), 'train clips is 0, but must be 1 to 100000'),
        (dict(num_val=100_001), 'validation clips is 100001, but must be 1 to 100000'),
        (dict(seed=-1), 'seed is -1, but must be at least 0'),
        (dict(workers=0), 'workers is 0, but must be at least 1'),
    ],
)
def test_options_out_of_range_raise_errors(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        generate_mini_something(tmp_path / 'a', **wrong)
    assert not list(tmp_path.glob('a/videos/*'))


def test_missing_folder_raises_an_error_with_the_command(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="generate it with 'python tools/data/make_mini_something.py .*missing'"
    ):
        MiniSomething(str(tmp_path / 'missing'), pipeline=[])


def test_unknown_split_raises_an_error(root):
    with pytest.raises(ValueError, match="split is 'test', but must be 'train' or 'val'"):
        MiniSomething(str(root), split='test', pipeline=[])


def test_video_dataset_reads_the_folder(root):
    config = dict(type='VideoDataset', ann_file=str(root / 'sthv2_val_list_videos.txt'), pipeline=[])
    info = DATASETS.build({**config, 'data_prefix': dict(video=str(root / 'videos'))}).get_data_info(3)
    assert info['label'] == 3
    assert Path(info['filename']) == root / 'videos/100004.webm'


@pytest.mark.slow
@pytest.mark.parametrize('stop', [signal.SIGINT, signal.SIGTERM])
def test_interrupted_generation_can_be_continued(tmp_path, stop):
    out = tmp_path / 'a'
    command = [sys.executable, str(TOOL), str(out), '--train', '20', '--val', '4', '--workers', '2']
    env = {**os.environ, 'PYTHONPATH': str(TOOL.parents[2])}
    run = subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell ignores it in the background
    )
    while run.poll() is None and len(list(out.glob('videos/[1-9]*.webm'))) < 5:
        time.sleep(0.05)
    os.killpg(run.pid, stop)  # the process group, like Ctrl-C and schedulers
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 1 and b'run the same command to continue' in errors and b'Traceback' not in errors
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)
    made = sorted((out / 'videos').iterdir())
    assert 5 <= len(made) < 24
    assert all(path.name[0] != '.' and not check_video(path).problem for path in made)
    before = {path.name: path.stat().st_mtime_ns for path in made}
    assert not (out / 'sthv2_train_list_videos.txt').exists()
    subprocess.run(command, env=env, check=True, capture_output=True)
    assert len(MiniSomething(str(out), pipeline=[])) == 20
    assert before == {path.name: path.stat().st_mtime_ns for path in made}


def test_moving_camera_moves_background_and_objects():
    still, moving = Clip(0, 'train', 3), Clip(0, 'train', 3, pan=20, shake=2)
    scene, sprites, rng = moving.scene()
    camera = moving.camera(scene.num_frames)
    assert not still.camera(scene.num_frames).any()
    assert 15 < np.abs(camera[0] - camera[-1]).max() < 60 and np.diff(camera, n=2, axis=0).any()
    background = sample_background(rng, scene.width, margin=40)
    track = move(scene, moving.action)
    frames = draw(background, sprites, seen_by(camera, track), camera)
    rested = draw(background, sprites, track)
    (x, y), (left, top) = camera[0], camera[0].clip(0)
    expected = rested[0, top : HEIGHT + min(y, 0), left : scene.width + min(x, 0)]
    given = frames[0, top - y : HEIGHT - max(y, 0), left - x : scene.width - max(x, 0)]
    np.testing.assert_array_equal(given, expected)  # the first frame, moved by whole pixels


def test_camera_options_are_saved_and_boxes_are_clipped(tmp_path):
    generate_mini_something(tmp_path / 'pan', num_train=2, num_val=1, pan=32, shake=5)
    with pytest.raises(ValueError, match="'pan': 32, 'shake': 5}, but"):
        generate_mini_something(tmp_path / 'pan', num_train=2, num_val=1)
    frames = json.loads((tmp_path / 'pan/bounding_box_annotations.json').read_text())['1']
    corners = np.array([list(label['box2d'].values()) for frame in frames for label in frame['labels']])
    assert (corners >= 0).all() and (corners[:, 3] <= HEIGHT).all()
    assert np.ptp(corners.reshape(len(frames), -1, 4)[:, -1], axis=0).max() > 20  # an object that does not act
    with pytest.raises(ValueError, match='pan is 33, but must be 0 to 32 pixels'):
        generate_mini_something(tmp_path / 'far', pan=33)
