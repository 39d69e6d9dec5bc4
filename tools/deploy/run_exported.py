"""Print the classes of a video predicted by a model exported with tools/deploy/export_model.py.

    python tools/deploy/run_exported.py model.onnx video.mp4

Requires numpy, opencv-python and, for .onnx, onnxruntime or, for .pt2, PyTorch.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np


def positions(total: int, spec: dict) -> np.ndarray:
    """Return the frame indices of a clip from a video of ``total`` frames."""
    frames, i = spec['frames'], np.arange(spec['frames'])
    if spec['sampling'] == 'middles':
        return ((i + 0.5) * total / frames).astype(int)
    if spec['sampling'] == 'uniform':
        length = (total - 1) / frames
        return np.round(i * length).astype(int) + int(length / 2)
    return (max(total - (frames - 1) * spec['interval'] - 1, 0) // 2 + i * spec['interval']) % total


def load_clip(video: str, spec: dict) -> np.ndarray:
    """Load a normalized clip (1, frames, 3, size, size) from a video."""
    reader, total = cv2.VideoCapture(video), 0
    while reader.grab():
        total += 1
    if not total:
        raise SystemExit(f'OpenCV cannot read {video!r}; pass a video file')
    reader, wanted, frames = cv2.VideoCapture(video), positions(total, spec), {}
    for index in range(max(wanted) + 1):
        if reader.grab() and index in wanted:
            frames[index] = crop(reader.retrieve()[1], spec)
    clip = (np.stack([frames[index] for index in wanted]) - np.float32(spec['mean'])) / np.float32(spec['std'])
    return clip.transpose(0, 3, 1, 2)[None].astype(np.float32)


def crop(frame: np.ndarray, spec: dict) -> np.ndarray:
    """Resize a BGR frame, crop its center and convert it to the channel order of the model."""
    scale = spec['short_side'] / min(frame.shape[:2])
    frame = cv2.resize(frame, (int(frame.shape[1] * scale + 0.5), int(frame.shape[0] * scale + 0.5)))
    top, left = (frame.shape[0] - spec['size']) // 2, (frame.shape[1] - spec['size']) // 2
    frame = frame[top : top + spec['size'], left : left + spec['size']]
    return frame if 'BGR' in spec['input'] else frame[..., ::-1]


def run(model: str, clips: np.ndarray) -> np.ndarray:
    """Return the logits of clips."""
    if model.endswith('.pt2'):
        import torch

        return torch.export.load(model).module()(torch.from_numpy(clips)).detach().numpy()
    import onnxruntime

    return onnxruntime.InferenceSession(model).run(None, {'clips': clips})[0]


def main() -> None:
    """Run the exported model on the video of the command line."""
    if len(sys.argv) != 3:
        raise SystemExit('usage: python tools/deploy/run_exported.py MODEL.onnx|MODEL.pt2 VIDEO')
    model, video = sys.argv[1:]
    if not (Path(model).is_file() and Path(model).with_suffix('.json').is_file()):
        raise SystemExit(f'{model} or its .json file does not exist; write both with tools/deploy/export_model.py')
    spec = json.loads(Path(model).with_suffix('.json').read_text())
    (logits,) = run(model, load_clip(video, spec))
    scores = np.exp(logits - logits.max())
    scores /= scores.sum()
    for label in scores.argsort()[::-1][:5]:
        print(f'{scores[label]:.3f}  {spec["classes"][label]}')


if __name__ == '__main__':
    main()
