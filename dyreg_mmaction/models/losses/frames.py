"""Conversion of a recognizer's input to the frames that region losses use."""

from torch import Tensor


def clip_frames(inputs: Tensor, num_clips: int) -> Tensor:
    """Return the frames of all clips of a batch, Tensor[B, T, C, H, W] in float32.

    Args:
        inputs (Tensor): (videos, clips * T, C, H, W) of a 2D recognizer, or (videos, clips, C, T, H, W) of a 3D one.
        num_clips (int): Number B of clips in the backbone.
    """
    if inputs.ndim == 6:
        return inputs.flatten(0, 1).transpose(1, 2).float()
    return inputs.flatten(0, 1).unflatten(0, (num_clips, -1)).float()
