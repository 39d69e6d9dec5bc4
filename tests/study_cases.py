"""Small study runs for tests."""

from argparse import Namespace

from mmengine.config import Config

from dyreg_mmaction.study import StudyRun

CONFIG = """
custom_imports = dict(imports=['dyreg_mmaction'])
default_scope = 'mmaction'
model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='DyRegResNet3dSlowOnly', depth=18, pretrained=None, pretrained2d=False, lateral=False, in_channels=1,
        num_stages=1, base_channels=4, out_indices=(0,), spatial_strides=(1,), temporal_strides=(1,), dilations=(1,),
        inflate=(0,), conv1_kernel=(1, 7, 7), conv1_stride_t=1, pool1_stride_t=1, norm_eval=False, input_size=32,
        plugins=[dict(type='DyRegGNN', after='layer1.1', num_nodes=4, regions=dict(type=%r))]),
    cls_head=dict(type='I3DHead', in_channels=4, num_classes=56, average_clips='score', dropout_ratio=0.5),
)
pipeline = [dict(type='FormatShape', input_format='NCTHW'), dict(type='PackActionInputs')]
dataset = dict(type='MultiSyncMNIST', num_digits=2, num_frames=2, canvas_size=64, frame_size=32, pipeline=pipeline)
train_dataloader = dict(batch_size=3, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True), dataset=dataset)
val_dataloader = dict(train_dataloader, batch_size=4, dataset=dict(split='test', **dataset))
val_evaluator = dict(type='AccMetric')
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4)
val_cfg = dict(type='ValLoop')
optim_wrapper = dict(optimizer=dict(type='Adam', lr=0.01))
"""


def write_configs(folder):
    """Return the paths of two configs by name."""
    paths = {name: folder / f'{name}.py' for name in ('fixed', 'dynamic')}
    paths['fixed'].write_text(CONFIG % 'FixedRegions')
    paths['dynamic'].write_text(CONFIG % 'DynamicRegions')
    return paths


def study_run(folder, name='dynamic', out='out', seed=0, portion=2, videos=24, val_videos=5, **settings):
    """Return a run in ``folder / out``."""
    cfg = Config.fromfile(write_configs(folder)[name])
    cfg.merge_from_dict(settings)
    options = Namespace(out=folder / out, portion=portion, videos=videos, val_videos=val_videos)
    return StudyRun(name, cfg, seed, options)
