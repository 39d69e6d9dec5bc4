"""Every config of the top folder can be built, and its pipelines produce the input of its model."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from mmaction.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

import dyreg_mmaction  # noqa: F401
from dyreg_mmaction.cli.configs import read_config

ROOT = Path(__file__).parents[1]
# those on configs of MMAction2, and on other libraries, are in test_backbone_configs.py
STHV = sorted(
    path.stem for path in (ROOT / 'configs').glob('*_sthv*.py') if path.stem[:7] not in ('mvit_s_', 'tsm_tv-')
)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


@pytest.fixture(scope='module')
def clip(tmp_path_factory) -> dict[str, dict]:
    """A clip of 40 frames of 240 x 320, as a video and as a folder of frames."""
    folder = tmp_path_factory.mktemp('clip')
    frames = np.random.default_rng(0).integers(0, 255, (40, 240, 320, 3), dtype=np.uint8)
    with av.open(str(folder / 'clip.mp4'), 'w') as file:
        stream = file.add_stream('mpeg4', rate=12, width=320, height=240, pix_fmt='yuv420p')
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
        file.mux(stream.encode())
    for i, frame in enumerate(frames):
        cv2.imwrite(str(folder / f'{i + 1:05}.jpg'), frame)
    common = dict(label=3, start_index=0, modality='RGB')
    return dict(
        VideoDataset=dict(common, filename=str(folder / 'clip.mp4')),
        RawframeDataset=dict(
            common, frame_dir=str(folder), total_frames=40, filename_tmpl='{:05}.jpg', start_index=1, offset=0
        ),
    )


@pytest.mark.parametrize('name', STHV)
def test_config_builds_for_174_classes(name):
    cfg = Config.fromfile(ROOT / 'configs' / f'{name}.py')
    cfg.model.backbone.pretrained = None
    model = MODELS.build(cfg.model)
    assert model.cls_head.num_classes == 174
    assert cfg.env_cfg.cudnn_benchmark  # all batches of a loop have the same size
    assert hasattr(model.backbone, 'plugins') == cfg.model.backbone.type.startswith('DyReg')


@pytest.mark.parametrize('name', STHV)
@pytest.mark.parametrize('loader', ['train', 'val', 'test'])
def test_pipeline_returns_16_or_32_frames_per_view(name, loader, clip):
    cfg = Config.fromfile(ROOT / 'configs' / f'{name}.py')
    dataset = cfg[f'{loader}_dataloader'].dataset
    if 'detector' in name:
        pytest.skip(f'{name} needs boxes: see test_node_configs.py')
    if dataset.type not in clip:
        pytest.skip(f'{name}: {dataset.type} is tested with its own data')
    pipeline = Compose([TRANSFORMS.build(step) for step in dataset.pipeline])
    inputs = pipeline(dict(clip[dataset.type]))['inputs']
    views, size = (6, 256) if loader == 'test' else (1, 224)
    frames = 32 if name.startswith('c2d') else 16
    if 'released' in name:
        assert inputs.shape[0] % 16 == 0
    elif cfg.model.type == 'Recognizer3D':
        assert inputs.shape == (views, 3, frames, size, size)
    else:
        assert inputs.shape == (views * 16, 3, size, size)


def test_test_views_are_two_clips_and_three_crops(clip):
    cfg = Config.fromfile(ROOT / 'configs' / 'tsm_r50_dyreg_sthv2.py')
    pipeline = Compose([TRANSFORMS.build(step) for step in cfg.test_dataloader.dataset.pipeline])
    views = pipeline(dict(clip['VideoDataset']))['inputs'].unflatten(0, (-1, 16))
    assert len({tuple(view.flatten()[::999].tolist()) for view in views}) == 6


@pytest.mark.parametrize('name', ['tsm_r50_dyreg_sthv1', 'tsm_r50_dyreg_sthv2', 'c2d_r50_sthv1', 'i3d_r50_sthv1'])
def test_flips_are_disabled_and_swap_labels_if_enabled(name, clip):
    path = str(ROOT / 'configs' / f'{name}.py')
    flips = [
        next(step for step in cfg.train_dataloader.dataset.pipeline if step.type == 'Flip')
        for cfg in (read_config(path), read_config(path, dict(flip_ratio=1.0)))
    ]
    assert [flip.flip_ratio for flip in flips] == [0, 1]
    cfg = read_config(path, dict(flip_ratio=1.0))
    pipeline = Compose([TRANSFORMS.build(step) for step in cfg.train_dataloader.dataset.pipeline])
    source, target = next(iter(flips[1].flip_label_map.items()))
    sample = dict(clip[cfg.train_dataloader.dataset.type], label=source)
    assert pipeline(sample)['data_samples'].gt_label.item() == target


def test_compared_configs_differ_in_plugins_only():
    baseline, plugged = (
        Config.fromfile(ROOT / 'configs' / f'{name}.py').to_dict() for name in ('tsm_r50_sthv2', 'tsm_r50_dyreg_sthv2')
    )
    backbone = plugged['model'].pop('backbone')
    expected = baseline['model'].pop('backbone')
    assert plugged == baseline
    assert {k: v for k, v in backbone.items() if k not in ('type', 'plugins')} == {
        k: v for k, v in expected.items() if k != 'type'
    }


@pytest.mark.parametrize('name', ['tsm_r50_dyreg_sthv1', 'tsm_r50_dyreg_sthv2', 'tsm_r18_dyreg_mini'])
def test_motion_configs_only_add_the_motion_loss(name):
    start, _, data = name.rpartition('_')
    plain, motion = (Config.fromfile(ROOT / 'configs' / f'{n}.py').to_dict() for n in (name, f'{start}-motion_{data}'))
    plain['model'].update(
        type='RegionRecognizer2D', region_losses=[dict(type='MotionLikelihood', weight=0.3, until=0.4)]
    )
    assert motion == plain


def test_distillation_has_a_teacher_for_each_module():
    name = 'tsm_r50_dyreg_sthv2'
    plain, distill = (Config.fromfile(ROOT / 'configs' / f'{n}.py').to_dict() for n in (name, f'{name}_distill'))
    teachers = distill.pop('teachers')
    (loss,) = distill['model'].pop('region_losses')
    assert loss == dict(type='RegionDistillation', weight=1.0, until=0.1, ending='step', teachers=teachers)
    plain['model']['type'] = 'RegionRecognizer2D'
    assert distill == plain
    for plugin, teacher in zip(plain['model']['backbone']['plugins'], teachers.items(), strict=True):
        path, files = teacher
        assert Config.fromfile(ROOT / files['config']).model.backbone.plugins == [plugin]
        assert plugin['after'] == path and files['checkpoint'] == f'work_dirs/{Path(files["config"]).stem}/teacher.pth'


def test_three_lines_add_the_module_to_a_config_of_mmaction2(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        "_base_ = 'mmaction::recognition/tsm/tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_sthv2-rgb.py'\n"
        "custom_imports = dict(imports=['dyreg_mmaction'])\n"
        "model = dict(backbone=dict(type='DyRegResNetTSM', "
        "plugins=[dict(type='DyRegGNN', after='layer3.4.conv2.conv')]))\n"
    )
    cfg = Config.fromfile(path)
    cfg.model.backbone.pretrained = None
    model = MODELS.build(cfg.model)
    assert list(model.backbone.plugins) == ['layer3-4-conv2-conv']
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)  # TSM's constructor, patched
    assert {p for group in wrapper.optimizer.param_groups for p in group['params']} == set(model.parameters())
