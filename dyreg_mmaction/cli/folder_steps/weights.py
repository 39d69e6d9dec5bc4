"""Choose the model and its initial weights."""

from typing import NamedTuple

from dyreg_mmaction.checkpoints import load_file

from ..named_files import find_weights

TSM = 'https://download.openmmlab.com/mmaction/v1.0/recognition/tsm/'
SOMETHING = {  # MMAction2's TSM-R50 on Something-Something V2 by clip length
    frames: f'{TSM}{name}/{name}_{date}.pth'
    for frames, name, date in (
        (8, 'tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_sthv2-rgb', '20230317-be0fc26e'),
        (16, 'tsm_imagenet-pretrained-r50_8xb16-1x1x16-50e_sthv2-rgb', '20230317-ec6696ad'),
    )
}
IMAGENET = 'torchvision://resnet50'


class Start(NamedTuple):
    """Model and initial weights.

    Attributes:
        model (str): 'r50' or 'r18'.
        load_from (str, optional): Checkpoint of a recognizer.
        pretrained (str, optional): Weights of the backbone.
        message (str): Explanation of the choice.
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
    """Choose the model and its initial weights.

    Args:
        model (str): 'r50', 'r18', or 'auto': TSM-R50 from Something-Something V2 or ImageNet if it can be downloaded,
            else TSM-R18 from scratch.
        checkpoint (str, optional): Path or URL of a checkpoint to start from.
        frames (int): Clip length.

    Returns:
        Start: The choice.

    Raises:
        FileNotFoundError: If the checkpoint does not exist or cannot be downloaded.
        ValueError: If it is not a checkpoint, or of another model.
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
            'r50',
            None,
            IMAGENET,
            f'TSM-R50 at 224 pixels, from ImageNet, because {something} cannot be downloaded ({error})',
        )
    if model == 'r50':
        raise FileNotFoundError(
            f'--model r50: neither {something} nor {IMAGENET} can be downloaded ({error}); pass a file with '
            '--checkpoint'
        )
    return Start(
        'r18',
        None,
        None,
        f'TSM-R18 at 112 pixels, from scratch, because no pretrained weights can be downloaded ({error}). Accuracy '
        f'will be much lower: download {something} elsewhere and pass it with --checkpoint',
    )


def _from_checkpoint(model: str, checkpoint: str) -> Start:
    if '://' in checkpoint:
        error = find_weights(checkpoint)
        if error is not None:
            raise FileNotFoundError(f'--checkpoint {checkpoint} cannot be downloaded ({error}); pass a file') from error
        found = 'r50' if model == 'auto' else model
    else:
        content = load_file(checkpoint)
        keys = [key.removeprefix('backbone.') for key in content.get('state_dict', content)]
        kinds = dict(r50='layer1.0.conv3.', r18='layer1.0.conv2.')
        found = next((kind for kind, start in kinds.items() if any(key.startswith(start) for key in keys)), '')
        if not found:
            raise ValueError(
                f'--checkpoint {checkpoint} is not of a ResNet: no key starts with backbone.layer1.0.conv2 (the first '
                f'is {min(keys, default=None)!r}); pass a checkpoint of TSM-R50 or TSM-R18'
            )
        if model not in ('auto', found):
            raise ValueError(
                f'--checkpoint {checkpoint} is of TSM-{found.upper()}, not of --model {model}; pass --model {found}'
            )
    return Start(found, checkpoint, None, f'TSM-{found.upper()}, from {checkpoint}')
