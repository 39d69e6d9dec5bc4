"""The released model, from weights to logits, against an independent float64 implementation of its arithmetic."""

from pathlib import Path

import numpy as np
import pytest
import reference_dyreg
import reference_tsm
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from dyreg_mmaction.checkpoints import convert_released, convert_released_state_dict
from dyreg_mmaction.models import DyRegGNN, record_regions
from dyreg_mmaction.registry import MODELS

CONFIGS = Path(__file__).parents[2] / 'configs'
MEAN, STD = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])  # of RGB in 0..1


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


@pytest.fixture(scope='module')
def released():
    return reference_tsm.random_state()


def build_recognizer(released, num_frames):
    """Return the model of the config with converted weights, for clips of ``num_frames``."""
    cfg = Config.fromfile(CONFIGS / 'tsm_r50_dyreg_released_sthv2.py')
    cfg.merge_from_dict(
        {
            'model.backbone.pretrained': None,
            'model.backbone.num_segments': num_frames,
            'model.cls_head.num_segments': num_frames,
        }
    )
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(convert_released_state_dict(released))  # strict
    return model


def relative_error(given, expected):
    return float((given - expected).abs().max() / expected.abs().max())


# 16 frames as in the released model; two are sufficient to compare the other size
@pytest.mark.parametrize(
    'num_frames, size',
    [
        (2, 224),
        (2, 256),
        pytest.param(16, 256, marks=pytest.mark.slow),
    ],
)
def test_logits_agree_with_a_float64_evaluation(num_frames, size, released):
    model = build_recognizer(released, num_frames)
    frames = torch.randn(1, num_frames, 3, size, size, generator=torch.Generator().manual_seed(size))
    with torch.no_grad(), record_regions(model) as record:
        logits, _ = model.extract_feat(frames, stage='head')
    for path, (regions,) in record.items():  # the compared regions move
        assert regions.normalized().center.std((1, 2)).min() > 0.02, path
        assert regions.normalized().half_size.std((1, 2)).min() > 0.005, path
    expected = reference_tsm.logits(released, frames)
    assert relative_error(logits, expected) < 1e-5
    assert expected.std() > 0.1
    plain = {key.replace('conv2.0.block.', 'conv2.'): value for key, value in released.items()}
    if num_frames == 2:
        assert relative_error(reference_tsm.logits(plain, frames), expected) > 0.01  # the modules matter


def test_mean_logits_of_six_views(released):
    from mmaction.structures import ActionDataSample  # after the package has patched MMAction2

    model = build_recognizer(released, 2)
    frames = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)  # layout of FormatShape
    inputs = [torch.from_numpy(frames).permute(0, 3, 1, 2)]
    with torch.no_grad():
        (predicted,) = model.test_step(dict(inputs=inputs, data_samples=[ActionDataSample()]))
    normalized = torch.from_numpy((frames / 255 - MEAN) / STD).permute(0, 3, 1, 2)
    expected = reference_tsm.logits(released, normalized.unflatten(0, (6, 2))).mean(0)
    assert relative_error(predicted.pred_score, expected) < 1e-5
    assert predicted.pred_label.item() == expected.argmax()


@pytest.mark.parametrize('name, size, corners', [('released', 256, (0, 196, 98)), ('released-1view', 224, (116,))])
def test_test_pipeline_has_the_authors_frames_and_crops(name, size, corners):
    cfg = Config.fromfile(CONFIGS / f'tsm_r50_dyreg_{name}_sthv2.py')
    steps = {step['type']: dict(step) for step in cfg.test_dataloader.dataset.pipeline}
    samplings = 2 if len(corners) == 3 else 1
    for total in (1, 5, 15, 16, 17, 31, 100, 333):
        sampled = Compose([steps['SampleFrames']])(dict(total_frames=total, start_index=0))
        tick = total / 16
        middles, starts = [int(tick / 2 + tick * k) for k in range(16)], [int(tick * k) for k in range(16)]
        assert sampled['frame_inds'].tolist() == (middles + starts)[: 16 * samplings]
    # every pixel contains its column and the index of its sampled frame
    columns = np.broadcast_to(np.arange(455, dtype=np.float32)[:, None], (256, 455, 3))
    imgs = [columns + 1000 * i for i in range(16 * samplings)]
    given = Compose([steps[kind] for kind in ('Resize', 'TSMCrop', 'FormatShape')])(
        dict(sampled, imgs=imgs, img_shape=(256, 455))
    )
    views = given['imgs'].reshape(-1, 16, 3, size, size)
    expected = [x + 1000 * first for x in corners for first in (0, 16)[:samplings]]
    assert views[:, 0, 0, 0, 0].tolist() == expected
    assert (np.diff(views, axis=1) == 1000).all() and (np.diff(views, axis=4) == 1).all()


def test_model_averages_logits_and_normalizes_as_released():
    model = Config.fromfile(CONFIGS / 'tsm_r50_dyreg_released_sthv2.py').model
    assert model.cls_head.average_clips == 'score'
    np.testing.assert_allclose(model.data_preprocessor.mean, 255 * MEAN)
    np.testing.assert_allclose(model.data_preprocessor.std, 255 * STD)


# in_channels, node_channels, map in training, map, generator, hidden, rnn, anchors
MODULES = {
    'layer2.2': (128, 128, 28, 28, 'big', 128, 'GRU', 'center'),
    'layer3.4': (256, 256, 14, 14, 'big', 128, 'GRU', 'center'),
    'layer4.1': (512, 256, 7, 7, 'big', 128, 'GRU', 'center'),
    'layer2.2 at full resolution': (128, 128, 28, 32, 'big', 128, 'GRU', 'center'),
    'layer3.4 at full resolution': (256, 256, 14, 16, 'big', 128, 'GRU', 'center'),
    'layer4.1 at full resolution': (512, 256, 7, 8, 'big', 128, 'GRU', 'center'),
    'MultiSyncMNIST': (128, 32, 16, 16, 'big', 32, 'GRU', 'center'),
    'MultiSyncMNIST, Lite': (128, 32, 16, 16, 'small', 32, 'GRU', 'center'),
    'grid anchors': (256, 256, 14, 14, 'big', 128, 'GRU', 'grid'),
    'LSTM': (256, 256, 14, 14, 'big', 128, 'LSTM', 'center'),
}


@pytest.mark.parametrize('name', MODULES)
def test_published_modules(name):
    in_channels, channels, trained, side, generator, hidden, rnn, anchors = MODULES[name]
    state = reference_dyreg.random_state(in_channels, channels, (trained,) * 2, 9, hidden, generator, rnn)
    if anchors == 'grid':
        rows = trained * (2 * (np.arange(9) // 3) + 1) / 6
        state['dynamic_graph.ph_buf'] = rows.reshape(1, 9, 1).astype(np.float32)
    converted, _, config = convert_released({key: torch.from_numpy(value) for key, value in state.items()})
    module = DyRegGNN(**{key: value for key, value in config.items() if key != 'type'}).eval()
    module.load_state_dict(converted)
    x = np.random.default_rng(1).standard_normal((1, 3, in_channels, side, side)).astype(np.float32)
    expected = reference_dyreg.dynamic_graph_wrapper(state, x, (trained, trained), anchors)
    assert expected['region_center'].std((0, 1)).min() > 0.05 * side
    with torch.no_grad():
        output = module(torch.from_numpy(x).transpose(1, 2)).transpose(1, 2)[0]
    added = torch.from_numpy(expected['output'] - x[0])  # the residual only
    assert relative_error(output - torch.from_numpy(x[0]), added) < 1e-4
