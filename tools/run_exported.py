"""Classes of a video, by a file of tools/export_model.py: python tools/run_exported.py model.onnx video.mp4.

Needs numpy, opencv-python and onnxruntime, and nothing else.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime


def load_clip(video: str, spec: dict) -> np.ndarray:
    """Normalised clip (1, frames, 3, size, size) of a video."""
    reader, frames = cv2.VideoCapture(video), []
    while (read := reader.read())[0]:
        frames.append(read[1])
    if not frames:
        raise SystemExit(f'{video!r} is no video that OpenCV can read')
    clip = []
    for part in range(spec['frames']):
        frame = frames[int((part + 0.5) * len(frames) / spec['frames'])]
        scale = spec['short_side'] / min(frame.shape[:2])
        frame = cv2.resize(frame, (int(frame.shape[1] * scale + 0.5), int(frame.shape[0] * scale + 0.5)))
        top, left = (frame.shape[0] - spec['size']) // 2, (frame.shape[1] - spec['size']) // 2
        clip.append(frame[top : top + spec['size'], left : left + spec['size'], ::-1])  # BGR -> RGB
    clip = (np.stack(clip) - np.float32(spec['mean'])) / np.float32(spec['std'])
    return clip.transpose(0, 3, 1, 2)[None].astype(np.float32)


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit('usage: python tools/run_exported.py MODEL.onnx VIDEO')
    model, video = sys.argv[1:]
    if not (Path(model).is_file() and Path(model).with_suffix('.json').is_file()):
        raise SystemExit(f'{model} and its .json must be there, side by side; tools/export_model.py writes both')
    spec = json.loads(Path(model).with_suffix('.json').read_text())
    logits = onnxruntime.InferenceSession(model).run(None, {'clips': load_clip(video, spec)})[0][0]
    scores = np.exp(logits - logits.max())
    scores /= scores.sum()
    for label in scores.argsort()[::-1][:5]:
        print(f'{scores[label]:.3f}  {spec["classes"][label]}')


if __name__ == '__main__':
    main()
