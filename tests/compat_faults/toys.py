"""Small models, data and processes shared by the faults."""

import os
import socket
from pathlib import Path


def toy_runner(folder: Path, **settings):
    import torch
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    class Toy(BaseModel):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, inputs, mode):
            return dict(loss=self.layer(torch.stack(inputs)).sum())

    return Runner(
        **dict(
            model=Toy(),
            work_dir=str(folder / 'run'),
            train_dataloader=dict(
                dataset=[dict(inputs=torch.ones(1))], batch_size=1, sampler=dict(type='DefaultSampler')
            ),
            train_cfg=dict(by_epoch=True, max_epochs=2),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            log_level='ERROR',
        )
        | settings
    )


def recognizer_config(**test_cfg) -> dict:
    return dict(
        type='Recognizer2D',
        backbone=dict(type='ResNetTSM', depth=18, num_segments=8, pretrained2d=False),
        cls_head=dict(type='TSMHead', num_classes=3, in_channels=512, num_segments=8, average_clips='prob'),
        data_preprocessor=dict(type='ActionDataPreprocessor', mean=[128] * 3, std=[64] * 3),
        test_cfg=test_cfg,
    )


class Clips(list):
    """Packed clips of 8 frames (T, C, H, W) that become darker over time."""

    metainfo = dict(classes=['push', 'pull', 'lift'])

    def __init__(self, clips: int = 5):
        import torch
        from mmaction.structures import ActionDataSample

        frames = torch.linspace(250, 180, 8).to(torch.uint8).reshape(8, 1, 1, 1).expand(8, 3, 224, 288).contiguous()
        super().__init__(dict(inputs=frames, data_samples=ActionDataSample().set_gt_label(1)) for _ in range(clips))


def write_video(path: Path, color: tuple[int, int, int] = (0, 0, 255), frames: int = 10) -> str:
    """Write a 96 x 64 video of one color (B, G, R)."""
    import cv2
    import numpy as np

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (96, 64))
    for _ in range(frames):
        writer.write(np.full((64, 96, 3), color, np.uint8))
    writer.release()
    return str(path)


def build_inferencer(kind: str = 'MMAction2Inferencer', **kwargs):
    from mmaction import apis
    from mmengine.config import Config

    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8, test_mode=True),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(-1, 32)),
        dict(type='CenterCrop', crop_size=32),
        dict(type='FormatShape', input_format='NCHW'),
        dict(type='PackActionInputs'),
    ]
    recognizer = recognizer_config()
    recognizer['cls_head'].update(average_clips='score', init_std=1)
    cfg = Config(
        dict(
            model=recognizer,
            test_pipeline=pipeline,
            test_dataloader=dict(
                dataset=dict(type='VideoDataset', pipeline=pipeline, metainfo=dict(classes=['push', 'pull', 'lift']))
            ),
            visualizer=dict(type='ActionVisualizer'),
        )
    )
    return getattr(apis, kind)(cfg, device='cpu', **kwargs)


def join_group_of_one() -> None:
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        port = server.getsockname()[1]
    os.environ.update(RANK='0', LOCAL_RANK='0', WORLD_SIZE='1', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))


class Call:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call
