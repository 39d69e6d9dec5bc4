"""Draw images and videos."""

from pathlib import Path

from .registry import fault
from .toys import Clips, build_inferencer, recognizer_config, write_video


@fault('AssertionError: no label is drawn')
def draw_labels(folder: Path) -> None:
    import numpy as np
    from mmaction.structures import ActionDataSample
    from mmaction.visualization import ActionVisualizer

    visualizer = ActionVisualizer()
    visualizer.dataset_meta = Clips.metainfo
    video = np.full((1, 64, 256, 3), 255, np.uint8)

    def picture(sample: ActionDataSample, **kwargs) -> np.ndarray:
        visualizer.add_datasample('clip', video, sample, out_path=str(folder / 'clip'), **kwargs)
        return np.fromfile(folder / 'clip' / 'frames_0' / '0.png', np.uint8).tobytes()

    def sample() -> ActionDataSample:
        return ActionDataSample().set_gt_label(1)

    def predicted(label: int, score: list[float]) -> ActionDataSample:
        return sample().set_pred_label(label).set_pred_score(score)

    nothing = picture(ActionDataSample())
    assert picture(sample()) != nothing, 'no label is drawn'
    assert picture(sample(), draw_gt=False) == nothing
    drawn = {
        picture(sample()),
        picture(sample().set_pred_label(2)),
        picture(predicted(2, [0.1, 0.2, 0.7])),
        picture(predicted(2, [0.1, 0.1, 0.8])),
        picture(predicted(0, [0.7, 0.2, 0.1])),
    }
    assert len(drawn) == 5


def _test_with_pictures(out_dir: Path) -> None:
    """Test and draw samples, as ``tools/test.py --show-dir`` does."""
    from mmengine.runner import Runner

    Runner(
        model=recognizer_config(),
        work_dir=str(out_dir / 'work_dir'),
        default_scope='mmaction',
        test_cfg=dict(type='TestLoop'),
        test_evaluator=dict(type='AccMetric'),
        test_dataloader=dict(dataset=Clips(), batch_size=2, sampler=dict(type='DefaultSampler', shuffle=False)),
        default_hooks=dict(
            visualization=dict(
                type='VisualizationHook', enable=True, show=False, wait_time=2, interval=2, out_dir=str(out_dir)
            )
        ),
        visualizer=dict(type='ActionVisualizer', vis_backends=[dict(type='LocalVisBackend')]),
        log_level='ERROR',
    ).test()


@fault("unexpected keyword argument 'show'")
def draw_samples(folder: Path) -> None:
    import cv2
    import torch
    from mmaction.engine.hooks.visualization_hook import VisualizationHook

    _test_with_pictures(folder)
    # sample 4 is alone in the last batch
    assert sorted(path.name for path in folder.glob('*_0')) == ['0_0', '2_0', '4_0']
    pictures = sorted((folder / '4_0' / 'frames_0').glob('*.png'))
    assert len(pictures) == 8
    for picture, brightness in zip(pictures, torch.linspace(250, 180, 8), strict=True):
        image = cv2.imread(str(picture))
        assert image.shape == (224, 288, 3) and (image[150:, 150:] == int(brightness)).all()

    frames = torch.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)  # (T, H, W, C)
    for layout in (frames.permute(0, 3, 1, 2), frames.permute(3, 0, 1, 2), frames.permute(3, 0, 1, 2)[None]):
        seen = {}

        class Visualizer:
            def add_datasample(self, name, video, sample, seen=seen, **kwargs):
                seen[name] = video

        hook = VisualizationHook(enable=True, interval=1)
        hook._visualizer = Visualizer()
        hook._draw_samples(0, {'inputs': [layout]}, [Clips(1)[0]['data_samples']])
        assert (seen['0'] == frames.numpy()).all()


@fault('AssertionError: red is blue')
def draw_in_rgb(folder: Path) -> None:
    import cv2
    import numpy as np

    red = write_video(folder / 'red.mp4')
    inferencer = build_inferencer()
    (drawn,) = inferencer(red, return_vis=True, vid_out_dir=str(folder / 'out'), out_type='img')['visualization']
    assert drawn[0, -1, -1].argmax() == 0, 'red is blue'
    assert cv2.imread(str(folder / 'out' / 'red.mp4' / 'frames_0' / '0.png'))[-1, -1].argmax() == 2
    array = np.zeros((10, 64, 96, 3), np.uint8)
    array[..., 0] = 255
    inferencer = build_inferencer(input_format='array')
    inferencer(array, vid_out_dir=str(folder / 'array'))
    assert cv2.VideoCapture(str(folder / 'array' / '00000000.mp4')).read()[1][-1, -1].argmax() == 2


@fault('Please install moviepy')
def write_videos(folder: Path) -> None:
    import cv2
    from PIL import Image

    videos = [write_video(folder / f'{name}.mp4') for name in 'ab']
    for kind in ('video', 'gif'):
        build_inferencer()(videos, vid_out_dir=str(folder / 'out'), out_type=kind)
    reader = cv2.VideoCapture(str(folder / 'out' / 'b.mp4'))
    shape = [reader.get(key) for key in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
    assert shape == [10, 96, 64] and reader.read()[1][-1, -1].argmax() == 2  # red
    assert Image.open(folder / 'out' / 'a.gif').n_frames >= 1
