"""Export of a recognizer to ONNX or torch.export, which run without MMAction2, and to a JSON description."""

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
ONNXSCRIPT = '0.7.1'  # earlier versions silently write a wrong GRU


class ClipClassifier(nn.Module):
    """Backbone and head of a recognizer with one input layout for all backbones.

    Args:
        recognizer (nn.Module): A Recognizer2D or Recognizer3D, or a subclass.

    Shapes:
        normalized RGB clips (B, T, 3, H, W) -> logits (B, classes)

    Raises:
        ValueError: If it is another recognizer, or needs boxes as additional input.
    """

    def __init__(self, recognizer: nn.Module) -> None:
        super().__init__()
        if not isinstance(recognizer, Recognizer2D | Recognizer3D):
            raise ValueError(
                f'{type(recognizer).__name__} cannot be exported; use a Recognizer2D, Recognizer3D, RegionRecognizer2D '
                'or RegionRecognizer3D'
            )
        if getattr(recognizer, 'takes_boxes', False):
            raise ValueError(
                'the nodes of this model take boxes as input, but an exported file has only clips as input; export a '
                'model with regions predicted from the clip, such as DynamicRegions'
            )
        self.recognizer = recognizer

    def forward(self, clips: Tensor) -> Tensor:
        """Return the logits."""
        if isinstance(self.recognizer, Recognizer3D):
            clips = clips.transpose(1, 2).unsqueeze(1)  # (B,1,3,T,H,W)
        return self.recognizer(clips, stage='head')


def check_weights(model: nn.Module, checkpoint: Mapping) -> None:
    """Check that a checkpoint has all weights of a model, because MMEngine only logs missing ones.

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
            ' are missing in the checkpoint or have another shape; use a checkpoint of this config'
        )


def export(recognizer: nn.Module, description: dict, path: str | Path) -> float:
    """Write a recognizer and its description to files, and compare the logits of the file with those of the recognizer.

    Args:
        recognizer (nn.Module): The recognizer, on the CPU.
        description (dict): From :func:`.describe_input`.
        path (str | Path): '.onnx' for ONNX, '.pt2' for torch.export.

    Returns:
        float: Largest difference of logits, as a fraction of the largest logit.

    Raises:
        ValueError: If the extension is unknown, or the recognizer cannot be exported.
        ImportError: If ONNX is requested and onnxscript is missing or older than 0.7.1.
        RuntimeError: If the logits differ by more than 1e-4.
    """
    path = Path(path)
    if path.suffix not in ('.onnx', '.pt2'):
        raise ValueError(f'{path.name!r} has an unknown extension; use .onnx (ONNX) or .pt2 (torch.export)')
    if path.suffix == '.onnx':
        _check_onnxscript()
    model = ClipClassifier(_contiguous_copy(recognizer))
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
    """Quantize the convolutions of an ONNX file of :func:`export` to int8; other operations stay in float32.

    The first convolution also stays in float32, because OpenVINO (2026.4) computes that of I3D incorrectly in int8.

    Args:
        path (str | Path): The file; its description is copied.
        clips (Iterable[Tensor]): Normalized clips (B, T, 3, H, W) for the calibration of value ranges.
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
            f'ONNX export needs onnxscript {ONNXSCRIPT} or later because earlier ones write a wrong GRU, but found '
            f"{found}; run pip install 'dyreg_mmaction[export]'"
        )


def _contiguous_copy(recognizer: nn.Module) -> nn.Module:
    """Return a copy in eval mode without channels last, which would be exported with a fixed number of clips."""
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
    """Return the logits of a file written by :func:`export`."""
    if path.suffix == '.pt2':
        return torch.export.load(path).module()(clips)
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return torch.from_numpy(session.run(None, {'clips': clips.numpy()})[0])
