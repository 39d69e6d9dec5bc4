"""Exported models in other runtimes, for benchmark.py."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from dyreg_mmaction.inference.export import ClipClassifier, export, quantize


def exported_cases(model: nn.Module, clips: Tensor, threads: int) -> dict[str, Callable[[], np.ndarray]]:
    """Run clips (B, T, 3, H, W) in ONNX Runtime and, if it is installed, OpenVINO, in several precisions.

    Names of cases contain the maximum relative difference of the logits to those in float32.
    """
    with TemporaryDirectory() as folder:
        file, rounded = Path(folder) / 'model.onnx', Path(folder) / 'model.int8.onnx'
        export(model, dict(frames=clips.shape[1], size=clips.shape[-1]), file)
        quantize(file, [clips], rounded)
        cases = {
            'ONNX Runtime, float32': onnx_runtime(file, clips, threads),
            'ONNX Runtime, int8': onnx_runtime(rounded, clips, threads),
        }
        if find_spec('openvino'):
            cases['OpenVINO, float32'] = openvino(file, clips, threads, 'f32')
            cases['OpenVINO, bfloat16'] = openvino(file, clips, threads, 'bf16')
            cases['OpenVINO, int8'] = openvino(rounded, clips, threads, 'f32')
        else:
            print('OpenVINO is not installed and skipped; run `pip install dyreg_mmaction[openvino]`')
    with torch.no_grad():
        expected = ClipClassifier(model)(clips).numpy()
    return {
        f'{name}, off by {np.abs(run() - expected).max() / np.abs(expected).max():.0e}': run
        for name, run in cases.items()
    }


def onnx_runtime(file: Path, clips: Tensor, threads: int) -> Callable[[], np.ndarray]:
    """Return a function that runs ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options, providers=['CPUExecutionProvider'])
    return lambda: session.run(None, {'clips': clips.numpy()})[0]


def openvino(file: Path, clips: Tensor, threads: int, precision: str) -> Callable[[], np.ndarray]:
    """Return a function that runs OpenVINO."""
    from openvino import Core

    hints = {'INFERENCE_PRECISION_HINT': precision, 'INFERENCE_NUM_THREADS': threads}
    model = Core().compile_model(file, 'CPU', hints)
    return lambda: model(clips.numpy())[0]
