"""Which model to train, and from which weights."""

from typing import NamedTuple

from dyreg_mmaction.checkpoints import load_file

from ..named_files import find_weights

TSM = 'https://download.openmmlab.com/mmaction/v1.0/recognition/tsm/'
SOMETHING = {  # MMAction2's TSM-R50 on Something-Something V2, by its number of frames
    frames: f'{TSM}{name}/{name}_{date}.pth'
    for frames, name, date in (
        (8, 'tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_sthv2-rgb', '20230317-be0fc26e'),
        (16, 'tsm_imagenet-pretrained-r50_8xb16-1x1x16-50e_sthv2-rgb', '20230317-ec6696ad'),
    )
}
IMAGENET = 'torchvision://resnet50'


class Start(NamedTuple):
    """What a training starts from.

    Attributes:
        model: 'r50' or 'r18'.
        load_from: Checkpoint of a recogniser.
        pretrained: Weights of the backbone.
        message: Why.
    """

    model: str
    load_from: str | None
    pretrained: str | None
    message: str

    @property
    def from_scratch(self) -> bool:
        """Whether all weights are random."""
        return self.load_from is None and self.pretrained is None


def choose_start(model: str, checkpoint: str | None, frames: int) -> Start:
    """Choose the model and its first weights.

    Args:
        model: 'r50', 'r18', or 'auto': TSM-R50 from Something-Something V2 or ImageNet, else TSM-R18 from scratch.
        checkpoint: Path or URL of a checkpoint to start from.
        frames: Number of frames.

    Raises:
        FileNotFoundError: If the checkpoint does not exist or cannot be downloaded.
        ValueError: If it is none, or of another model.
    """
    if checkpoint is not None:
        return _from_checkpoint(model, checkpoint)
    if model == 'r18':
        return Start('r18', None, None, 'TSM-R18 at 112 pixels, from scratch')
    something = SOMETHING[16 if frames >= 16 else 8]
    error = find_weights(something, timeout=5)
    if error is None:
        return Start(
            'r50', something, None, "TSM-R50 at 224 pixels, from MMAction2's checkpoint of Something-Something V2"
        )
    if find_weights(IMAGENET, timeout=5) is None:
        return Start(
            'r50', None, IMAGENET, f'TSM-R50 at 224 pixels, from ImageNet, as {something} cannot be had ({error})'
        )
    if model == 'r50':
        raise FileNotFoundError(
            f'--model r50: neither {something} nor {IMAGENET} can be downloaded ({error}); give a file with '
            '--checkpoint'
        )
    return Start(
        'r18',
        None,
        None,
        f'TSM-R18 at 112 pixels, from scratch, as no pretrained weights can be downloaded ({error}). Accuracy '
        f'will be much lower than with them: get {something} and give it with --checkpoint',
    )


def _from_checkpoint(model: str, checkpoint: str) -> Start:
    if '://' in checkpoint:
        error = find_weights(checkpoint)
        if error is not None:
            raise FileNotFoundError(f'--checkpoint {checkpoint} cannot be downloaded: {error}') from error
        found = 'r50' if model == 'auto' else model
    else:
        content = load_file(checkpoint)
        keys = [key.removeprefix('backbone.') for key in content.get('state_dict', content)]
        kinds = dict(r50='layer1.0.conv3.', r18='layer1.0.conv2.')
        found = next((kind for kind, start in kinds.items() if any(key.startswith(start) for key in keys)), '')
        if not found:
            raise ValueError(
                f'--checkpoint {checkpoint} is of no ResNet: not one key starts with backbone.layer1.0.conv2, the '
                f'first is {min(keys, default=None)!r}'
            )
        if model not in ('auto', found):
            raise ValueError(f'--checkpoint {checkpoint} is of TSM-{found.upper()}, not of --model {model}')
    return Start(found, checkpoint, None, f'TSM-{found.upper()}, from {checkpoint}')
