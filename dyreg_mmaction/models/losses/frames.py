"""Frames of clips, as a recogniser takes them and as region losses do."""

from torch import Tensor


def clip_frames(inputs: Tensor, num_clips: int) -> Tensor:
    """Frames of all clips of a batch, Tensor[B, T, C, H, W] in float32, from what a recogniser takes.

    Args:
        inputs (Tensor): (videos, clips * T, C, H, W) of a 2D recogniser, (videos, clips, C, T, H, W) of a 3D one.
        num_clips (int): Number B of clips that the backbone has made of them.
    """
    if inputs.ndim == 6:
        return inputs.flatten(0, 1).transpose(1, 2).float()
    return inputs.flatten(0, 1).unflatten(0, (num_clips, -1)).float()
