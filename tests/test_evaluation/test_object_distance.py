"""Distance between regions and objects, for values computed by hand and in complete runs."""

import json

import numpy as np
import pytest
import torch
import torch.distributed as dist
from forks import Forks
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from region_runs import FRAMES, SIDE, config, digits, recognizer

from dyreg_mmaction.cli.launch import build_runner
from dyreg_mmaction.datasets.video.writers import write_video
from dyreg_mmaction.evaluation import ObjectDistance
from dyreg_mmaction.evaluation.distances import count_frames, video_distances
from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import DATASETS

GRID = dict(type='FixedRegions')


def square(x, y, half=0.1):
    return [x - half, y - half, x + half, y + half]


GONE = [np.nan] * 4


def distances(centers, boxes, acting=None):
    """Return the distances of one view from centers and boxes by frame."""
    return video_distances(np.array([centers], float), np.array([boxes], float), acting)


def test_values_computed_by_hand():
    centers = [[(0.2, 0.2), (0.8, 0.8)], [(0.2, 0.2), (0.8, 0.8)]]
    boxes = [[square(0.2, 0.5), square(0.85, 0.85)], [square(0.2, 0.5), GONE]]
    given = distances(centers, boxes, np.array([False, True]))
    far = np.hypot(0.6, 0.3)
    near = np.hypot(0.05, 0.05)
    assert given['dist_p'] == pytest.approx(((0.3 + near) / 2 + (0.3 + far) / 2) / 2)
    assert given['dist_r'] == pytest.approx(((0.3 + near) / 2 + 0.3) / 2)
    assert given['inside'] == pytest.approx((1 / 2 + 0) / 2)
    assert given['switches'] == 0
    assert given['dist_acting'] == pytest.approx(near)


FOLLOWED = [(0.2, 0.2), (0.5, 0.2), (0.5, 0.6)]


def followed(x, y, frames=2, views=1):
    """Return a sample whose nodes are on its only object."""
    return sample([[[[x, y]] * 3] * frames] * views, [[[square(x, y)]] * frames] * views)


def test_regions_of_the_previous_video_are_the_baseline():
    """Nodes on the object of their own video, and 0.3 and 0.4 from it in the next one."""
    found = measured(*(followed(x, y) for x, y in FOLLOWED), other=True)
    assert found['object/dist_r'] == pytest.approx(0, abs=1e-6)
    assert found['object/dist_other'] == pytest.approx(0.35)


def test_baseline_does_not_depend_on_an_earlier_evaluation():
    metric = ObjectDistance(other=True)
    for _ in range(2):
        for x, y in FOLLOWED:
            metric.process(None, [followed(x, y)])
        assert metric.evaluate(3)['object/dist_other'] == pytest.approx(0.35)


def test_baseline_is_of_another_video():
    """Neither of a copy, nor of a clip of another length or number of views, nor of a damaged sample."""
    first, second, third = (followed(x, y) for x, y in FOLLOWED)
    between = [first, followed(0.9, 0.9, frames=4), followed(0.9, 0.9, views=2), dict(first, damaged={'a': 'cut'})]
    found = measured(first, *between, second, second, third, other=True)
    assert found['object/dist_other'] == pytest.approx((0.3 + 0.3 + 0.4) / 3)
    assert 'object/dist_other' not in measured(first, first, other=True)
    nothing = sample([[[[0.5, 0.5]] * 3] * 2], np.empty((1, 2, 0, 4)))
    assert 'object/dist_other' not in measured(first, nothing, other=True)


def test_baseline_of_two_processes_is_that_of_one(tmp_path):
    """With an odd number of videos, whose last one is repeated to fill the batch."""
    places = [*FOLLOWED, (0.1, 0.9), (0.8, 0.3)]
    expected = measured(*(followed(x, y) for x, y in places), other=True)

    def test():
        dist.init_process_group('gloo')
        metric = ObjectDistance(other=True)
        for index in range(dist.get_rank(), 6, 2):
            metric.process(None, [followed(*places[index % 5])])
        found = metric.evaluate(5)
        assert found == expected
        dist.destroy_process_group()

    Forks(test, tmp_path, 2).succeed()


def test_baseline_that_is_not_a_bool_raises_an_error():
    with pytest.raises(ValueError, match="other is 'False', but must be True or False"):
        ObjectDistance(other='False')


def test_box_at_the_border_is_clipped():
    given = distances([[(0.05, 0.5)]], [[[-0.3, 0.4, 0.1, 0.6], [-0.3, 0.4, -0.1, 0.6]]])
    assert given['dist_r'] == pytest.approx(0) and given['dist_p'] == pytest.approx(0)


def test_another_nearest_node_is_a_switch():
    nodes = [(0.2, 0.5), (0.8, 0.5)]
    walk = [square(x, 0.5) for x in (0.1, 0.3, 0.6, 0.9)]
    still = square(0.2, 0.5)
    given = distances([nodes] * 4, [[box, still] for box in walk])
    assert given['switches'] == pytest.approx(1 / 6)


def test_object_that_returns_is_not_a_switch():
    nodes = [(0.2, 0.5), (0.8, 0.5)]
    assert np.isnan(distances([nodes] * 3, [[square(0.2, 0.5)], [GONE], [square(0.8, 0.5)]])['switches'])


@pytest.mark.parametrize('boxes', [np.empty((1, 2, 0, 4)), np.full((1, 2, 3, 4), np.nan)])
def test_no_boxes_give_nan(boxes):
    assert np.isnan(list(video_distances(np.zeros((1, 2, 5, 2)), boxes).values())).all()
    assert count_frames(boxes) == (2, 2)


def sample(center, objects, paths=('a',), **others):
    center = torch.tensor(center)
    regions = Regions(center, torch.full_like(center, 0.1), (1, 1))
    return dict(regions=dict.fromkeys(paths, regions), objects=np.array(objects, np.float32), **others)


def measured(*samples, **kwargs):
    metric = ObjectDistance(**kwargs)
    for one in samples:
        metric.process(None, [one])
    return metric.evaluate(len(samples))


def test_frames_without_annotation_are_counted_and_excluded():
    full = sample([[[[0.5, 0.5]], [[0.5, 0.5]]]], [[[square(0.5, 0.7)], [GONE]]])
    empty = sample([[[[0.5, 0.5]], [[0.5, 0.5]]]], np.empty((1, 2, 0, 4)))
    given = measured(full, empty)
    assert given['object/dist_r'] == pytest.approx(0.2, abs=1e-6)
    counts = {name: given[f'object/{name}'] for name in ('videos', 'videos_without_boxes', 'frames')}
    assert counts == dict(videos=1, videos_without_boxes=1, frames=4)
    assert given['object/frames_without_boxes'] == 3
    assert 'object/dist_acting' not in given


def long_and_short():
    """Two videos, with 16 and 2 annotated frames."""
    near, far = square(0.5, 0.6), square(0.1, 0.1)
    return [sample([[[[0.5, 0.5]]] * length], [[[box]] * length]) for length, box in ((16, near), (2, far))]


def test_frames_have_equal_weights():
    """Eq. 15 and 16: F is the number of frames in the whole dataset."""
    given = measured(*long_and_short())
    expected = pytest.approx((16 * 0.1 + 2 * 0.32**0.5) / 18, abs=1e-6)
    assert given['object/dist_p'] == given['object/dist_r'] == given['object/dist'] == expected
    assert given['object/inside'] == pytest.approx(16 / 18)


def test_videos_have_equal_weights_with_average_videos():
    given = measured(*long_and_short(), average='videos')
    assert given['object/dist_r'] == pytest.approx((0.1 + 0.32**0.5) / 2, abs=1e-6)
    assert given['object/inside'] == pytest.approx(1 / 2)
    with pytest.raises(ValueError, match="average='clips' is unknown; choose one of"):
        ObjectDistance(average='clips')


def test_validation_set_without_boxes_is_logged(caplog):
    empty = sample([[[[0.5, 0.5]]] * 2], np.empty((1, 2, 0, 4)), paths=('a', 'b'))
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    given = measured(empty, sample([[[[0.5, 0.5]]] * 2], np.full((1, 2, 1, 4), np.nan), paths=('a', 'b')))
    logger.removeHandler(caplog.handler)
    assert 'ObjectDistance measured nothing' in caplog.text and 'none of the 4 frames' in caplog.text
    assert np.isnan([given[f'object/{name}'] for name in ('dist', 'a/dist', 'b/dist')]).all()
    assert given['object/videos'] == 0 and given['object/videos_without_boxes'] == 2
    assert 'object/dist_p' not in given


def test_replaced_samples_are_excluded():
    good, damaged = long_and_short()
    given = measured(good, dict(damaged, damaged={'cut.webm': 'it ends early'}))
    assert given == dict(measured(good), **{'object/videos_damaged': 1})
    nothing = measured(dict(damaged, damaged={'cut.webm': 'it ends early'}))
    assert np.isnan(nothing['object/dist']) and nothing['object/frames'] == 0 and nothing['object/videos_damaged'] == 1


def test_nan_regions_give_nan():
    good, diverged = long_and_short()
    diverged['regions']['a'].center[:] = np.nan
    assert np.isnan([measured(good, diverged)[f'object/{name}'] for name in ('dist', 'dist_p', 'dist_r')]).all()


def test_metrics_by_plugin():
    near, far = ([[[[0.5, 0.5]]] * length] for length in (1, 3))
    first = sample(near[0], [[[square(0.5, 0.5)]]], paths=('a', 'b'))
    second = sample([[[[0.5, 0.5]]] * 3], [[[square(0.5, 0.9)]] * 3], paths=('a', 'b'))
    moved = first['regions']['b']._replace(center=first['regions']['b'].center + 0.1)
    first['regions']['b'] = moved
    given = measured(first, second, average='videos')
    assert given['object/a/dist_r'] == pytest.approx(0.2, abs=1e-6)
    assert given['object/b/dist_r'] == pytest.approx((0.02**0.5 + 0.4) / 2, abs=1e-6)
    assert given['object/dist_r'] == pytest.approx((given['object/a/dist_r'] + given['object/b/dist_r']) / 2)


@pytest.mark.parametrize('missing, words', [('regions', 'AttachRegionsHook'), ('objects', 'LoadObjects')])
def test_missing_fields_raise_errors(missing, words):
    one = sample([[[[0.5, 0.5]]]], [[[square(0.5, 0.5)]]])
    del one[missing]
    with pytest.raises(ValueError, match=words):
        measured(one)


def test_objects_of_other_views_raise_an_error():
    with pytest.raises(ValueError, match='1 clips of 1 frames do not match regions of 2 clips'):
        measured(sample([[[[0.5, 0.5]]]] * 2, [[[square(0.5, 0.5)]]]))


def test_middle_frames_are_used_if_time_is_halved():
    boxes = [[square(x, 0.5)] for x in (0.1, 0.2, 0.3, 0.4)]
    given = measured(sample([[[[0.2, 0.5]], [[0.4, 0.5]]]], [boxes]))
    assert given['object/dist_r'] == pytest.approx(0, abs=1e-6)


def run(work_dir, model, dataset, **kwargs):
    return Runner.from_cfg(config(work_dir, model, dataset, **kwargs)).test()


def test_fixed_grid_in_a_run(tmp_path):
    given = run(tmp_path, recognizer(GRID), digits())
    init_default_scope('mmaction')
    dataset = DATASETS.build(digits())
    centers = (
        np.tile([(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)], (1, FRAMES, 1, 1)) - 0.5 / 16
    )  # cell p of 16 lies at p / 16
    videos = [dataset.get_data_info(i) for i in range(5)]
    own = [video_distances(centers, v['gt_bboxes'][None] / SIDE, v['synchronous']) for v in videos]
    for name in ('dist_p', 'dist_r', 'inside', 'switches', 'dist_acting'):
        assert given[f'object/{name}'] == pytest.approx(np.nanmean([o[name] for o in own]), abs=1e-5), name
    assert given['object/videos'] == 5 and given['object/frames_without_boxes'] == 0


@pytest.mark.parametrize('views', [None, FRAMES])
def test_views_keep_their_own_boxes(tmp_path, views):
    """Nodes are the boxes, with three crops per video, so mixing up crops or videos gives large distances."""
    crops = [dict(type='ThreeCrop', crop_size=(48, SIDE))]
    test_cfg = dict(max_testing_views=views) if views else None
    model = recognizer(dict(type='BoxRegions'), num_nodes=3, size=(SIDE, 48), test_cfg=test_cfg)
    given = run(tmp_path, model, digits(transforms=crops))
    assert given['object/dist_r'] < 0.03 and given['object/inside'] > 0.9  # very thin boxes at the border cover no cell
    assert given['object/frames'] == 5 * 3 * FRAMES


def test_damaged_video_in_a_run(tmp_path):
    """The video counts as damaged; its replacement is measured once, not twice."""
    frames = np.random.default_rng(0).integers(0, 255, (8, SIDE, SIDE, 3), dtype=np.uint8)
    for name in ('0', '1', '2'):
        write_video(tmp_path / f'{name}.webm', frames, fps=12)
    (tmp_path / '1.webm').write_bytes((tmp_path / '1.webm').read_bytes()[:400])
    (tmp_path / 'list.txt').write_text('0.webm 0\n1.webm 0\n2.webm 0\n')
    box = dict(box2d=dict(x1=10, y1=10, x2=30, y2=50))
    annotated = {name: [dict(name=f'{name}/{i + 1}.jpg', labels=[box]) for i in range(8)] for name in '012'}
    (tmp_path / 'boxes.json').write_text(json.dumps(annotated))
    pipeline = [
        dict(type='VideoInit', decoder='pyav'),
        dict(type='SampleFrames', clip_len=1, num_clips=FRAMES, test_mode=True),
        dict(type='VideoDecode'),
        dict(type='LoadObjects', ann_file=str(tmp_path / 'boxes.json'), ann_height=SIDE),
        dict(type='FormatShape', input_format='NCHW'),
        dict(type='PackActionInputs', algorithm_keys=('objects',)),
    ]
    dataset = dict(type='VideoDataset', ann_file=str(tmp_path / 'list.txt'), pipeline=pipeline, test_mode=True)
    dataset['data_prefix'] = dict(video=str(tmp_path))
    model = recognizer(GRID)
    model['backbone']['in_channels'] = 3
    model['data_preprocessor'].update(mean=[127.5] * 3, std=[127.5] * 3)
    given = build_runner(config(tmp_path, model, dataset)).test()
    counts = {name: given[f'object/{name}'] for name in ('videos', 'videos_damaged', 'frames')}
    assert counts == dict(videos=2, videos_damaged=1, frames=2 * FRAMES)


def test_object_distance_in_validation(tmp_path):
    loop = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=digits())
    runner = Runner.from_cfg(
        config(
            tmp_path,
            recognizer(dict(type='DynamicRegions', hidden_channels=8), GRID),
            digits(),
            train_dataloader=loop,
            val_dataloader=loop,
            train_cfg=dict(by_epoch=True, max_epochs=1),
            val_cfg=dict(),
            val_evaluator=[dict(type='AccMetric'), dict(type='ObjectDistance')],
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', save_best='object/dist', rule='less')),
        )
    )
    runner.train()
    assert (tmp_path / 'best_object_dist_epoch_1.pth').exists()
    sources = [plugin.regions for plugin in runner.model.backbone.plugins.values()]
    assert not any(module._forward_hooks for module in (runner.model, *sources))


@pytest.mark.parametrize('halved', [False, True])
def test_clips_of_3d_recognizers(tmp_path, halved):
    """Crops of a 3D recognizer with a backbone that halves time: its nodes are the boxes of the middle frames."""
    dataset = digits(transforms=[dict(type='ThreeCrop', crop_size=(48, SIDE))])
    dataset['pipeline'][-2] = dict(type='FormatShape', input_format='NCTHW')
    plugin = dict(type='DyRegGNN', after='layer1.0', node_channels=8, num_nodes=3, regions=dict(type='BoxRegions'))
    model = dict(
        type='RegionRecognizer3D',
        backbone=dict(
            type='DyRegResNet3d',
            depth=18,
            pretrained=None,
            pretrained2d=False,
            in_channels=1,
            base_channels=8,
            num_stages=1,
            spatial_strides=(1,),
            temporal_strides=(1,),
            dilations=(1,),
            out_indices=(0,),
            conv1_stride_t=2 if halved else 1,
            pool1_stride_t=1,
            inflate=(0,),
            with_pool2=False,
            input_size=(SIDE, 48),
            plugins=[plugin],
        ),
        cls_head=dict(type='I3DHead', num_classes=56, in_channels=8, average_clips='prob'),
        data_preprocessor=dict(type='ActionDataPreprocessor', mean=[127.5], std=[127.5], format_shape='NCTHW'),
    )
    given = run(tmp_path, model, dataset)
    assert given['object/dist_r'] < 0.03 and given['object/frames'] == 5 * 3 * FRAMES
