"""Description of a recognizer's input for other programs."""

from mmengine.config import Config

from dyreg_mmaction.compat.inferencers import class_names

# frame numbers of a clip by sampling method; total: number of frames of the video
POSITIONS = {
    'middles': 'frame i of a clip: int((i + 0.5) * total / frames)',
    'uniform': 'frame i of a clip: round(i * interval) + int(interval / 2) with interval = (total - 1) / frames',
    'stretch': 'frame i of a clip: (max(total - (frames - 1) * interval - 1, 0) // 2 + i * interval) % total',
}


def describe_input(cfg: Config, size: int | None = None, dataset_meta: dict | None = None) -> dict:
    """Describe how validation makes clips of a video: frames, sizes, order and scale of pixels, and class names.

    If validation uses several clips or crops of a video, the middle one is described.

    Args:
        cfg (Config): Config of the recognizer.
        size (int, optional): Side of the crop. Defaults to that of validation.
        dataset_meta (dict, optional): Metadata of the checkpoint. Unknown class names become numbers.

    Returns:
        dict: The description, which can be written as JSON.

    Raises:
        ValueError: If the validation pipeline cannot be described, the crop is larger than the frames, or the number of
            class names differs from that of the head.
    """
    pipeline = cfg.val_dataloader.dataset.pipeline
    steps = {step['type']: step for outer in pipeline for step in (outer, *outer.get('transforms', []))}  # WithBoxes
    if not steps.keys() >= {'Resize', 'CenterCrop'} or not steps.keys() & {'SampleFrames', 'UniformSample'}:
        raise ValueError(
            f'the validation pipeline has {", ".join(steps)}, which cannot be described for other programs; use '
            'SampleFrames or UniformSample, Resize and CenterCrop'
        )
    preprocessor, num_classes = cfg.model.data_preprocessor, cfg.model.cls_head.num_classes
    classes = class_names(cfg, dataset_meta) or [str(label) for label in range(num_classes)]
    if len(classes) != num_classes:
        raise ValueError(
            f'there are {len(classes)} class names ({classes[0]!r}, ...) for {num_classes} classes; set --label-file '
            f'to a file with {num_classes} lines'
        )
    short_side, side = _short_side(steps['Resize']), size or _side(steps['CenterCrop'])
    if side > short_side:
        raise ValueError(
            f'a crop of {side} pixels is larger than the frames, whose shorter side is resized to {short_side}; set a '
            f'size of at most {short_side}, or use a config with larger frames'
        )
    return dict(
        input=f'clips: float32 (batch, frames, 3, size, size), {_color(preprocessor)}, (pixel - mean) / std',
        output='logits: float32 (batch, classes)',
        **_sampling(steps),
        short_side=short_side,
        size=side,
        mean=list(preprocessor.get('mean') or [0, 0, 0]),
        std=list(preprocessor.get('std') or [1, 1, 1]),
        classes=classes,
    )


def _sampling(steps: dict[str, dict]) -> dict:
    """Describe the number of frames of a clip and their positions in the video."""
    if 'UniformSample' in steps:
        return dict(frames=steps['UniformSample']['clip_len'], sampling='uniform', positions=POSITIONS['uniform'])
    step = steps['SampleFrames']
    for option, known in dict(target_fps=None, out_of_bound_opt='loop').items():
        if step.get(option, known) != known:
            raise ValueError(
                f'SampleFrames of the validation pipeline has {option}={step[option]!r}, which cannot be described for '
                f'other programs; set {option}={known!r}'
            )
    if step['clip_len'] == 1:
        return dict(frames=step.get('num_clips', 1), sampling='middles', positions=POSITIONS['middles'])
    interval = step.get('frame_interval', 1)
    return dict(frames=step['clip_len'], interval=interval, sampling='stretch', positions=POSITIONS['stretch'])


def _short_side(resize: dict) -> int:
    scale = resize['scale']
    if not isinstance(scale, tuple | list) or min(scale) != -1 or not resize.get('keep_ratio', True):
        raise ValueError(f'Resize of the validation pipeline has scale={scale!r}; set it to (-1, short side)')
    return max(scale)


def _side(crop: dict) -> int:
    size = crop['crop_size']
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise ValueError(f'CenterCrop of the validation pipeline has crop_size={size!r}; set it to a square')
    return height


def _color(preprocessor: dict) -> str:
    return 'BGR' if preprocessor.get('to_rgb') else 'RGB'  # decoders return RGB, and to_rgb reverses it
