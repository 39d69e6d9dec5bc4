"""What another program must know to feed a recogniser."""

from mmengine.config import Config

from dyreg_mmaction.compat.inferencers import class_names

# numbers of the frames of a clip, by the way of sampling; total: of the video
POSITIONS = {
    'middles': 'frame i of a clip: int((i + 0.5) * total / frames)',
    'uniform': 'frame i of a clip: round(i * part) + int(part / 2) with part = (total - 1) / frames',
    'stretch': 'frame i of a clip: (max(total - (frames - 1) * interval - 1, 0) // 2 + i * interval) % total',
}


def describe_input(cfg: Config, size: int | None = None, dataset_meta: dict | None = None) -> dict:
    """How clips are made of a video, as in validation: which frames, sizes, order and scale of pixels, and class names.

    Of several clips of a video, as of several crops, it is the one in the middle.

    Args:
        cfg (Config): Config of the recogniser.
        size (int, optional): Side of the crop; None: that of validation.
        dataset_meta (dict, optional): Of the checkpoint. Where no one knows class names, they are numbers.

    Raises:
        ValueError: If the config's validation pipeline does not say it, the crop is larger than the frames, or
            ``classes`` are not as many as the head's.
    """
    pipeline = cfg.val_dataloader.dataset.pipeline
    steps = {step['type']: step for part in pipeline for step in (part, *part.get('transforms', []))}  # WithBoxes
    if not steps.keys() >= {'Resize', 'CenterCrop'} or not steps.keys() & {'SampleFrames', 'UniformSample'}:
        raise ValueError(
            f'the validation pipeline has {", ".join(steps)}, but must have SampleFrames or UniformSample, Resize and '
            'CenterCrop to be written down for other programs'
        )
    preprocessor, num_classes = cfg.model.data_preprocessor, cfg.model.cls_head.num_classes
    classes = class_names(cfg, dataset_meta) or [str(label) for label in range(num_classes)]
    if len(classes) != num_classes:
        raise ValueError(
            f'{len(classes)} class names ({classes[0]!r}, ...) for {num_classes} classes; give --label-file a file '
            f'with {num_classes} lines'
        )
    short_side, side = _short_side(steps['Resize']), size or _side(steps['CenterCrop'])
    if side > short_side:
        raise ValueError(
            f'a crop of {side} pixels does not fit into frames whose shorter side is resized to {short_side}; give a '
            f'size of at most {short_side}, or a config that resizes to more'
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
    """Frames of one clip, and where in the video they are."""
    if 'UniformSample' in steps:
        return dict(frames=steps['UniformSample']['clip_len'], sampling='uniform', positions=POSITIONS['uniform'])
    step = steps['SampleFrames']
    for option, known in dict(target_fps=None, out_of_bound_opt='loop').items():
        if step.get(option, known) != known:
            raise ValueError(
                f'SampleFrames of the validation pipeline has {option}={step[option]!r}, which cannot be written down '
                f'for other programs; only {option}={known!r} can'
            )
    if step['clip_len'] == 1:
        return dict(frames=step.get('num_clips', 1), sampling='middles', positions=POSITIONS['middles'])
    interval = step.get('frame_interval', 1)
    return dict(frames=step['clip_len'], interval=interval, sampling='stretch', positions=POSITIONS['stretch'])


def _short_side(resize: dict) -> int:
    scale = resize['scale']
    if not isinstance(scale, tuple | list) or min(scale) != -1 or not resize.get('keep_ratio', True):
        raise ValueError(f'Resize of the validation pipeline has scale={scale!r}; only (-1, short side) can be written')
    return max(scale)


def _side(crop: dict) -> int:
    size = crop['crop_size']
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise ValueError(f'CenterCrop of the validation pipeline has crop_size={size!r}; only squares can be written')
    return height


def _color(preprocessor: dict) -> str:
    return 'BGR' if preprocessor.get('to_rgb') else 'RGB'  # it turns round what decoders give, which is RGB
