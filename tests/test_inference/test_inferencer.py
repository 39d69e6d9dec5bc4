"""`RegionInferencer` on videos, folders of frames and arrays; its guide's lines run in test_readme.py."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmaction.apis import inference_recognizer, init_recognizer
from mmaction.datasets.transforms import ThreeCrop
from mmengine.config import Config
from mmengine.dataset import Compose

from dyreg_mmaction.datasets import LoadBoxes
from dyreg_mmaction.inference import RegionInferencer
from dyreg_mmaction.inference.inferencer import describe
from dyreg_mmaction.inference.pipelines import one_view, read_pipeline
from dyreg_mmaction.registry import TRANSFORMS

CONFIG = Path(__file__).parents[2] / 'configs/tsm_r18_dyreg_mini.py'
PLUGIN = 'layer1.1.conv2.conv'


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    """Return noise that changes over time as an array, as frames and as a (lossy) video."""
    folder = tmp_path_factory.mktemp('clip')
    array = np.random.default_rng(0).integers(0, 255, (20, 9, 12, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    (folder / 'frames').mkdir()
    writer = cv2.VideoWriter(str(folder / 'video.mp4'), cv2.VideoWriter.fourcc(*'mp4v'), 10, (96, 72))
    for number, frame in enumerate(array, start=3):
        cv2.imwrite(str(folder / f'frames/img_{number:05}.png'), frame[..., ::-1])
        writer.write(frame[..., ::-1])
    writer.release()
    return dict(array=array, frames=folder / 'frames', video=folder / 'video.mp4')


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp('checkpoint') / 'checkpoint.pth'
    torch.manual_seed(0)
    model = init_recognizer(str(CONFIG), device='cpu')
    model.cls_head.fc_cls.weight.data.normal_(std=1)
    torch.save(dict(state_dict=model.state_dict(), meta=dict()), path)
    return str(path)


@pytest.fixture(scope='module')
def inferencer(checkpoint):
    return RegionInferencer(CONFIG, checkpoint, device='cpu')


@pytest.fixture(scope='module')
def all_views(checkpoint):
    return RegionInferencer(CONFIG, checkpoint, device='cpu', test_views=True)


def test_list_of_all_kinds_of_inputs(inferencer, clip):
    result = inferencer([clip['video'], str(clip['frames']), clip['array']], batch_size=2)
    video, frames, array = result['predictions']
    assert frames['pred_scores'] == pytest.approx(array['pred_scores'], rel=1e-4)
    assert video['pred_scores'] == pytest.approx(array['pred_scores'], abs=0.1)
    for prediction in (video, frames, array):
        assert sum(prediction['pred_scores']) == pytest.approx(1, abs=1e-5)
        assert prediction['pred_names'] == [inferencer.classes[prediction['pred_labels'][0]]]
        assert 'regions' not in prediction


def test_single_path(inferencer, clip):
    assert len(inferencer(str(clip['frames']))['predictions']) == 1


def test_regions_in_predictions(inferencer, clip):
    inputs = [clip['array'], clip['array'][::-1]]
    both = inferencer(inputs, batch_size=2, regions=True)['predictions']
    for entry, prediction in zip(inputs, both, strict=True):
        (alone,) = inferencer(entry, regions=True)['predictions']
        for name in ('center', 'half_size'):
            values = np.array(prediction['regions'][PLUGIN][name])
            assert values.shape == (1, 8, 9, 2) and values.min() > 0 and values.max() < 1
            np.testing.assert_allclose(values, alone['regions'][PLUGIN][name], atol=1e-6)
    json.dumps(both)


def test_all_views_as_in_inference_recognizer(checkpoint, all_views, clip):
    (prediction,) = all_views(clip['video'], regions=True)['predictions']
    assert len(prediction['regions'][PLUGIN]['center']) == 6
    expected = inference_recognizer(init_recognizer(str(CONFIG), checkpoint, device='cpu'), str(clip['video']))
    assert prediction['pred_scores'] == pytest.approx(expected.pred_score.tolist(), abs=1e-5)


def test_fused_inferencer(checkpoint, inferencer, clip):
    (expected,) = inferencer(clip['array'], regions=True)['predictions']
    for fuse, tolerance in ((True, 1e-4), ('bfloat16', 2e-2)):
        fast = RegionInferencer(CONFIG, checkpoint, device='cpu', fuse=fuse)
        (found,) = fast(clip['array'], regions=True)['predictions']
        assert found['pred_scores'] == pytest.approx(expected['pred_scores'], abs=tolerance)
        assert found['pred_scores'] != expected['pred_scores']
        assert found['pred_labels'] == expected['pred_labels']


def test_configs_with_frames_and_3d_recognizer(clip):
    cfg = Config.fromfile(CONFIG.with_name('i3d_r50_dyreg_sthv1.py'))
    cfg.model.backbone.update(pretrained=None, base_channels=4, plugins=[])
    cfg.model.cls_head.in_channels = 128
    (sample,) = RegionInferencer(cfg, device='cpu')(clip['video'], return_datasamples=True)['predictions']
    assert sample.pred_score.shape == (174,) and sample.pred_score.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize('size', [(40, 120), (60, 80), (64, 64), (80, 60), (120, 40)], ids=str)
def test_any_aspect_ratio(all_views, inferencer, size):
    array = np.random.default_rng(0).integers(0, 255, (20, size[1], size[0], 3), np.uint8)
    for run, views in ((inferencer, 1), (all_views, 6)):
        (prediction,) = run(array, regions=True)['predictions']
        assert np.shape(prediction['regions'][PLUGIN]['center']) == (views, 8, 9, 2)


RESIZE = dict(type='Resize', scale=(-1, 64))
PIXELS = {
    'ThreeCrop': [RESIZE, dict(type=ThreeCrop, crop_size=64)],
    'TenCrop': [RESIZE, dict(type='mmaction.TenCrop', crop_size=64)],
    'TSMCrop': [RESIZE, dict(type='TSMCrop', crop_size=64, num_crops=3)],
    'WithBoxes': [dict(type='WithBoxes', transforms=[RESIZE, dict(type='TSMCrop', crop_size=64, num_crops=3)])],
    'WithBoxes-ThreeCrop': [dict(type='WithBoxes', transforms=[RESIZE, dict(type='ThreeCrop', crop_size=64)])],
}
TWICE = dict(type='SampleFrames', clip_len=1, num_clips=8, twice_sample=True, test_mode=True)
DENSE = dict(type='DenseSampleFrames', clip_len=1, num_clips=8, sample_range=16, test_mode=True)
FORMAT = dict(type='FormatShape', input_format='NCHW')


def single_view(entry, sampling, *steps):
    """Return the model's input for an inferencer's input."""
    kind, results = describe(entry)
    steps = [dict(type='VideoInit'), sampling, *steps, dict(type='PackActionInputs')]
    return Compose(read_pipeline(one_view(steps), kind))(results)['inputs']


@pytest.mark.parametrize('sampling', [TWICE, DENSE], ids=['twice', 'dense'])
@pytest.mark.parametrize('pixels', PIXELS)
def test_one_view_of_any_pipeline(inferencer, clip, sampling, pixels):
    for entry in (clip['array'], str(clip['frames']), str(clip['video'])):
        inputs = single_view(entry, sampling, dict(type='VideoDecode'), *PIXELS[pixels], FORMAT)
        assert inputs.shape == (8, 3, 64, 64)


def test_one_view_inside_other_transforms(clip):
    cfg = Config.fromfile(CONFIG)
    steps = [dict(type='VideoDecode'), *PIXELS['WithBoxes'], FORMAT]
    pipeline = [
        dict(type='VideoInit'),
        DENSE,
        dict(type='WithNeighbours', transforms=steps),
        dict(type='PackActionInputs'),
    ]
    cfg.test_dataloader.dataset.pipeline = pipeline
    predictions = RegionInferencer(cfg, device='cpu')([clip['array'], clip['frames']], regions=True)['predictions']
    assert [len(prediction['regions'][PLUGIN]['center']) for prediction in predictions] == [1, 1]


@pytest.mark.parametrize('name', ['UniformSample', 'SampleFrames', 'DenseSampleFrames'])
def test_one_view_of_clips(name):
    (step,) = one_view([dict(type=name, clip_len=16, num_clips=10, test_mode=True)])
    results = TRANSFORMS.build(step)(dict(total_frames=100, start_index=0))
    assert len(results['frame_inds']) == 16


def test_config_with_generated_frames_raises_an_error():
    with pytest.raises(ValueError, match='FormatShape, PackActionInputs, but no transform that decodes'):
        RegionInferencer(CONFIG.with_name('multisyncmnist') / 'r18.py', device='cpu')


def test_load_objects_is_removed(clip):
    cfg = Config.fromfile(CONFIG.parent / 'mini_something/reduced/r18_dyreg.py')
    (prediction,) = RegionInferencer(cfg, device='cpu')(clip['array'])['predictions']
    assert len(prediction['pred_scores']) == 8


def test_boxes_of_an_array_raise_an_error(clip, tmp_path):
    (tmp_path / 'boxes.json').write_text('{}')
    load = LoadBoxes(ann_file=str(tmp_path / 'boxes.json'))
    with pytest.raises(ValueError, match='boxes are looked up by video path, but the sample is an array'):
        load(dict(img_shape=(8, 8), frame_inds=[0], start_index=0, clip_len=1, num_clips=1))


def test_boxes_of_the_inputs_are_used(clip, tmp_path):
    """The boxes of the config's file are of other videos, although one may have the same name."""
    own, given = tmp_path / 'own.json', tmp_path / 'boxes.json'
    for path, x in ((own, 0), (given, 24)):
        sides = dict(x1=x, y1=0, x2=x + 24, y2=36)
        path.write_text(json.dumps({'video': [dict(name='video/0001.jpg', labels=[dict(box2d=sides)])]}))
    cfg = Config.fromfile(CONFIG)
    cfg.model.type = 'RegionRecognizer2D'
    cfg.model.backbone.plugins[0]['regions'] = dict(type='BoxRegions')
    steps = cfg.test_dataloader.dataset.pipeline
    steps[3:] = [
        dict(type='LoadBoxes', ann_file=str(own)),
        dict(type='WithBoxes', transforms=steps[3:6]),
        steps[6],
        dict(type='PackActionInputs', algorithm_keys=('boxes',)),
    ]
    with pytest.raises(
        ValueError, match=r'boxes of .*own.json, which may not be those of your videos; .* boxes=\.\.\.'
    ):
        RegionInferencer(cfg, device='cpu')
    inferencer = RegionInferencer(cfg, device='cpu', boxes=str(given))
    (prediction,) = inferencer(clip['video'], regions=True)['predictions']
    center = np.array(prediction['regions'][PLUGIN]['center'])[..., 0, 0]
    np.testing.assert_allclose(center, (36 - 16) / 64, atol=1e-6)  # the middle crop begins at x = 16
    (tmp_path / 'video.mp4').write_bytes(clip['video'].read_bytes())
    with pytest.raises(ValueError, match="has boxes of 'video', which matches"):
        inferencer([clip['video'], tmp_path / 'video.mp4'])


def test_invalid_inputs_raise_errors(tmp_path):
    for entry, message in (
        ('nowhere.mp4', "'nowhere.mp4' does not exist; pass a video"),
        (np.zeros((4, 3, 8, 8), np.uint8), r'an array of shape \(4, 3, 8, 8\) and uint8 is not a clip'),
        (np.zeros((4, 8, 8, 3)), 'float64 is not a clip; pass frames'),
        (str(tmp_path), 'has no frames; name them with numbers'),
    ):
        with pytest.raises(ValueError, match=message):
            describe(entry)
    for number in (1, 2, 4):
        (tmp_path / f'{number:05}.jpg').touch()
    with pytest.raises(ValueError, match='has 3 frames from 00001.jpg on, but 00003.jpg is missing'):
        describe(str(tmp_path))
