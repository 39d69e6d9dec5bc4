"""A recogniser as one file that runs without MMAction2, ONNX or torch.export, and a JSON file on how to feed it."""

import copy
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from mmaction.models.recognizers import Recognizer2D, Recognizer3D
from mmengine.utils import digit_version
from torch import Tensor, nn

from dyreg_mmaction.models.plugged import Plugged

TOLERANCE = 1e-4
ONNXSCRIPT = '0.7.1'  # earlier versions write a wrong GRU without a word


class ClipClassifier(nn.Module):
    """A recogniser's backbone and head on clips in one layout, whatever the backbone takes.

    Args:
        recognizer (nn.Module): MMAction2's Recognizer2D or Recognizer3D, or one of ours.

    Shapes:
        normalised RGB clips (B, T, 3, H, W) -> logits (B, classes)

    Raises:
        ValueError: If it is another recogniser, or one that needs more than clips.
    """

    def __init__(self, recognizer: nn.Module) -> None:
        super().__init__()
        if not isinstance(recognizer, Recognizer2D | Recognizer3D):
            raise ValueError(
                f'{type(recognizer).__name__} cannot be exported; only a Recognizer2D or Recognizer3D can, or a '
                'RegionRecognizer2D or RegionRecognizer3D'
            )
        if getattr(recognizer, 'takes_boxes', False):
            raise ValueError(
                'the nodes of this model take boxes beside the clips, and an exported file takes '
                'clips alone; export one whose regions come from the clip, such as DynamicRegions'
            )
        self.recognizer = recognizer

    def forward(self, clips: Tensor) -> Tensor:
        """The logits."""
        if isinstance(self.recognizer, Recognizer3D):
            clips = clips.transpose(1, 2).unsqueeze(1)  # (B,1,3,T,H,W)
        return self.recognizer(clips, stage='head')


def check_weights(model: nn.Module, checkpoint: Mapping) -> None:
    """See that a checkpoint has every weight of a model; MMEngine only logs it.

    Raises:
        ValueError: If one is missing or has another shape.
    """
    weights = {key.removeprefix('module.'): value for key, value in checkpoint.get('state_dict', checkpoint).items()}
    own = model.state_dict()
    wrong = [
        key
        for key, value in own.items()
        if not key.endswith('num_batches_tracked') and getattr(weights.get(key), 'shape', None) != value.shape
    ]
    if wrong:
        raise ValueError(
            f'{len(wrong)} of the {len(own)} weights of the {type(model).__name__} of the config (such as {wrong[0]!r})'
            ' are not in the checkpoint, or have another shape there; give a checkpoint of this config'
        )


def export(recognizer: nn.Module, description: dict, path: str | Path) -> float:
    """Write a recogniser to ``path``, the description beside it, and compare the file's logits with the recogniser's.

    Args:
        recognizer (nn.Module): The recogniser, on the CPU.
        description (dict): From :func:`.describe_input`.
        path (str | Path): '.onnx' for ONNX, '.pt2' for torch.export.

    Returns:
        float: Largest difference of logits, as a part of the largest logit.

    Raises:
        ValueError: If the ending is another one, or the recogniser cannot be exported.
        ImportError: If ONNX is asked for and onnxscript is missing or older than 0.7.1.
        RuntimeError: If the logits differ by more than 1e-4.
    """
    path = Path(path)
    if path.suffix not in ('.onnx', '.pt2'):
        raise ValueError(f'{path.name!r} must end in .onnx (ONNX) or .pt2 (torch.export)')
    if path.suffix == '.onnx':
        _check_onnxscript()
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


def quantize(path: str | Path, clips: Iterable[Tensor], out: str | Path) -> None:
    """Write an ONNX file of :func:`export` anew with convolutions in int8; the rest stays in float32.

    So does the first convolution, as OpenVINO (2026.4) computes that of I3D wrongly in int8.

    Args:
        path (str | Path): The file; its description is copied.
        clips (Iterable[Tensor]): Normalised clips (B, T, 3, H, W), from which the ranges of the maps are taken.
        out (str | Path): The file to write.
    """
    import onnx
    from onnxruntime import quantization

    first = next((node.name for node in onnx.load(path).graph.node if node.op_type == 'Conv'), None)

    class Reader(quantization.CalibrationDataReader):
        batches = iter(clips)

        def get_next(self) -> dict | None:
            batch = next(self.batches, None)
            return None if batch is None else {'clips': batch.numpy()}

    quantization.quantize_static(
        path,
        out,
        Reader(),
        op_types_to_quantize=['Conv'],
        nodes_to_exclude=[first] if first else None,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
    )
    Path(out).with_suffix('.json').write_text(Path(path).with_suffix('.json').read_text())


def _check_onnxscript() -> None:
    try:
        found = version('onnxscript')
    except PackageNotFoundError:
        found = 'none'
    if found == 'none' or digit_version(found) < digit_version(ONNXSCRIPT):
        raise ImportError(
            f'ONNX needs onnxscript {ONNXSCRIPT} or later, as earlier ones write a wrong GRU, and there is {found}; '
            "run pip install 'dyreg_mmaction[export]'"
        )


def _in_rows(recognizer: nn.Module) -> nn.Module:
    """A copy in eval mode with no layout of its own, which would be exported with a fixed number of clips."""
    copied = copy.deepcopy(recognizer)
    copied.eval()
    for module in copied.modules():
        if isinstance(module, Plugged):
            module._channels_last = False
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
