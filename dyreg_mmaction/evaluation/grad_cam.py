"""Grad-CAM: positions whose features increase the score of a class."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from .closed_scores import head_outputs, one_batch
from .explanation import Explanation


def grad_cam(model: nn.Module, clip: Tensor | Mapping[str, Any], explanation: Explanation) -> np.ndarray:
    r"""Compute Grad-CAM of the backbone's output for the explained class with captum's ``LayerGradCam``.

    .. math::
        relu \sum_c w_c z_c(p), \quad w_c = mean_p \frac{\partial y}{\partial z_c(p)}

    where z is the backbone's map (one per frame for 2D backbones) and y is the head's output.

    Args:
        model (nn.Module): The recognizer, in eval mode.
        clip (Tensor | Mapping): The clip, see :func:`.explain`.
        explanation (Explanation): The explanation of the clip.

    Returns:
        ndarray[V, T', H', W']: Heat maps in 0..1; the maximum of each view is 1.

    Raises:
        ImportError: If captum is not installed.
        ValueError: If the backbone does not process all views of the clip in one forward.

    Source: Grad-CAM (Selvaraju et al., ICCV 2017).
    """
    try:
        from captum.attr import LayerGradCam
    except ImportError as error:
        raise ImportError("Grad-CAM needs captum; run pip install 'dyreg_mmaction[explain]'") from error
    recognizer = cast(Any, model)
    if (recognizer.test_cfg or {}).get('max_testing_views'):
        raise ValueError('Grad-CAM needs all views of a clip in one forward; remove max_testing_views from test_cfg')
    inputs, sample = one_batch(recognizer, clip)
    with torch.enable_grad():
        cam = LayerGradCam(lambda x: head_outputs(recognizer, x, [sample]), recognizer.backbone)
        maps = cam.attribute(inputs, target=explanation.target, relu_attributions=True)
    heat = maps[0] if isinstance(maps, tuple) else maps  # (V*T,1,H',W') or (V,1,T',H',W')
    views = len(next(iter(explanation.regions.values())).center)
    heat = heat.detach().float().cpu().reshape(views, -1, *heat.shape[-2:])
    return (heat / heat.amax((1, 2, 3), keepdim=True).clamp(min=torch.finfo().tiny)).numpy()
