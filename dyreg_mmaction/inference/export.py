"""A recogniser as one file that runs without MMAction2, ONNX or torch.export, and a JSON file on how to feed it."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from dyreg_mmaction.compat.mmaction_inferencer import class_names
from dyreg_mmaction.models.backbones import Plugged

TOLERANCE = 1e-4


class ClipClassifier(nn.Module):
    """A recogniser's backbone and head on clips in one layout, whatever the backbone takes.

    Args:
        recognizer (nn.Module): MMAction2's Recognizer2D or Recognizer3D, or one of ours.

    Shapes:
        normalised RGB clips (B, T, 3, H, W) -> logits (B, classes)
    """

    def __init__(self, recognizer: nn.Module) -> None:
        super().__init__()
        self.recognizer = recognizer

    def forward(self, clips: Tensor) -> Tensor:
        """The logits."""
        if 'Recognizer3D' in {cls.__name__ for cls in type(self.recognizer).__mro__}:
            clips = clips.transpose(1, 2).unsqueeze(1)  # (B,1,3,T,H,W)
        return self.recognizer.extract_feat(clips, stage='head')[0]  # type: ignore[operator]


def describe_input(cfg: Config, size: int | None = None, dataset_meta: dict | None = None) -> dict:
    """How clips are made of a video: frames, sizes and order of pixels, their mean and deviation, and the class names.

    Args:
        cfg (Config): Config of the recogniser.
        size (int, optional): Side of the crop; None: that of validation.
        dataset_meta (dict, optional): Of the checkpoint.

    Raises:
        ValueError: If the config's validation pipeline does not say it.
    """
    pipeline = cfg.val_dataloader.dataset.pipeline
    steps = {step['type']: step for part in pipeline for step in (part, *part.get('transforms', []))}  # WithBoxes
    sampling = steps.get('SampleFrames') or steps.get('UniformSample')
    if sampling is None or 'Resize' not in steps or 'CenterCrop' not in steps:
        raise ValueError(
            f'the validation pipeline has {", ".join(steps)}, but must have SampleFrames or UniformSample, Resize and '
            'CenterCrop to be written down for other programs'
        )
    preprocessor = cfg.model.data_preprocessor
    classes = class_names(cfg, dataset_meta)
    return dict(
        input='clips: float32 (batch, frames, 3, size, size), RGB, (pixel - mean) / std',
        output='logits: float32 (batch, classes)',
        frames=sampling.get('clip_len', 1) * (sampling.get('num_clips', 1) if 'SampleFrames' in steps else 1),
        sampling='the middle of each of so many equal parts of the video',
        short_side=max(steps['Resize']['scale']),
        size=size or int(np.max(steps['CenterCrop']['crop_size'])),
        mean=list(preprocessor.mean),
        std=list(preprocessor.std),
        classes=classes or [str(label) for label in range(cfg.model.cls_head.num_classes)],
    )


def export(recognizer: nn.Module, description: dict, path: str | Path) -> float:
    """Write a recogniser to ``path``, the description beside it, and compare the file's logits with the recogniser's.

    Args:
        recognizer (nn.Module): The recogniser, on the CPU.
        description (dict): From :func:`describe_input`.
        path (str | Path): '.onnx' for ONNX, '.pt2' for torch.export.

    Returns:
        float: Largest difference of logits, as a part of the largest logit.

    Raises:
        ValueError: If the ending is another one.
        RuntimeError: If the logits differ by more than 1e-4.
    """
    path = Path(path)
    if path.suffix not in ('.onnx', '.pt2'):
        raise ValueError(f'{path.name!r} must end in .onnx (ONNX) or .pt2 (torch.export)')
    model = ClipClassifier(_in_rows(recognizer))
    shape = (description['frames'], 3, description['size'], description['size'])
    clips = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    program = torch.export.export(model, (clips,), dynamic_shapes=({0: torch.export.Dim('batch')},))
    if path.suffix == '.pt2':
        torch.export.save(program, path)
    else:
        torch.onnx.export(
            program,
            (),
            path,
            dynamo=True,
            external_data=False,
            input_names=['clips'],
            output_names=['logits'],
            verbose=False,
        )
    path.with_suffix('.json').write_text(json.dumps(description, indent=1))
    difference = max(_difference(model, path, batch) for batch in (clips, clips[:1]))
    if not difference < TOLERANCE:
        raise RuntimeError(f"{path.name}'s logits differ from the model's by {difference:.1e} of the largest")
    return difference


def _in_rows(recognizer: nn.Module) -> nn.Module:
    """A copy in eval mode with no layout of its own, which would be exported with a fixed number of clips."""
    copied = copy.deepcopy(recognizer)
    copied.eval()
    for module in copied.modules():
        if isinstance(module, Plugged):
            module.channels_last = False
    for parameter in copied.parameters():
        parameter.data = parameter.data.contiguous()
    return copied


@torch.no_grad()
def _difference(model: nn.Module, path: Path, clips: Tensor) -> float:
    expected = model(clips)
    return ((run(path, clips) - expected).abs().max() / expected.abs().max()).item()


def run(path: Path, clips: Tensor) -> Tensor:
    """Logits of a file that :func:`export` has written."""
    if path.suffix == '.pt2':
        return torch.export.load(path).module()(clips)
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return torch.from_numpy(session.run(None, {'clips': clips.numpy()})[0])
