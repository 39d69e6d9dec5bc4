"""Input shape of a config's model and its number of multiply-adds, computed with fake tensors."""

from collections.abc import Iterator, Sequence

import torch
from mmaction.models import BaseRecognizer
from mmengine.config import Config
from mmengine.dataset import Compose
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from .models.finding import box_sources
from .models.regions import use_boxes
from .registry import DATASETS, TRANSFORMS

aten = torch.ops.aten


def count(
    model: BaseRecognizer, input_shape: tuple[int, ...], modules: Sequence[nn.Module] = ()
) -> tuple[int, list[int]]:
    """Count the multiply-adds of a recognizer for one clip.

    The model runs in eval mode on fake tensors, which have a shape but no data. Nodes that need boxes get boxes.

    Args:
        model (BaseRecognizer): The model.
        input_shape (tuple[int, ...]): (M, C, H, W) for 2D recognizers, (M, C, T, H, W) for 3D recognizers.
        modules (Sequence[nn.Module]): Sub-modules to count separately.

    Returns:
        tuple[int, list[int]]: Multiply-adds of the model and of each sub-module.

    Raises:
        ValueError: If the model cannot run on this shape.
    """
    spent = dict.fromkeys(modules, 0)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), _Counter() as counter:
        hooks = [
            hook
            for module in modules
            for hook in (
                module.register_forward_pre_hook(lambda m, _: spent.update({m: spent[m] - counter.macs})),
                module.register_forward_hook(lambda m, *_: spent.update({m: spent[m] + counter.macs})),
            )
        ]
        training = [module for module in model.modules() if module.training]
        try:
            for module in training:
                module.training = False
            with use_boxes(_boxes(model, input_shape)):
                model.extract_feat(torch.empty(1, *input_shape), stage='head')
        except Exception as error:
            raise ValueError(
                f'{type(model).__name__} does not run on a clip of shape {input_shape}: {error}; pass the shape of a '
                'clip, (M, C, H, W) for 2D recognizers or (M, C, T, H, W) for 3D recognizers'
            ) from error
        finally:
            for module in training:
                module.training = True
            for hook in hooks:
                hook.remove()
    return counter.macs, list(spent.values())


def _boxes(model: nn.Module, input_shape: tuple[int, ...]) -> Tensor:
    """Return boxes with the largest numbers of clips, frames and nodes that any module uses."""
    num_nodes = max((source.num_nodes for source in box_sources(model)), default=0)
    clips = input_shape[0]  # (M,C,H,W): M frames of one or more clips; (M,C,T,H,W): M clips of T frames
    return torch.zeros(clips, input_shape[2] if len(input_shape) == 5 else clips, num_nodes, 4)


class _Counter(FlopCounterMode):
    """PyTorch's counter extended by batch norms and by oneDNN's recurrent and linear layers."""

    def __init__(self) -> None:
        norms = (aten.native_batch_norm, aten._native_batch_norm_legit_no_training)
        mapping: dict = {**dict.fromkeys(norms, _batch_norm), aten.mkldnn_rnn_layer: _fused_rnn}
        if torch.backends.mkldnn.is_available():
            mapping[torch.ops.mkldnn._linear_pointwise] = _linear
        super().__init__(display=False, custom_mapping=mapping)

    @property
    def macs(self) -> int:
        """Multiply-adds counted so far. PyTorch counts multiplications and additions separately."""
        return self.get_total_flops() // 2


def _batch_norm(shape: torch.Size, *args: object, **kwargs: object) -> int:
    return 2 * 2 * shape.numel()


def _linear(shape: torch.Size, weight: torch.Size, *args: object, **kwargs: object) -> int:
    return 2 * shape.numel() * weight[0]


def _fused_rnn(shape: torch.Size, weight_ih: torch.Size, weight_hh: torch.Size, *args: object, **kwargs: object) -> int:
    return 2 * shape[:-1].numel() * (weight_ih.numel() + weight_hh.numel())


def clip_shape(cfg: Config) -> tuple[int, ...]:
    """Return the shape of one view of a clip, as the validation pipeline of a config produces it.

    The pipeline runs on blank frames of a 4:3 video of 300 frames, or on a sample of a dataset that generates frames.

    Raises:
        ValueError: If the config has no pipeline, or the pipeline needs more than frames.
    """
    loader = next((cfg[name] for name in LOADERS if cfg.get(name)), None)
    if loader is None:
        raise ValueError(f'the config has none of {", ".join(LOADERS)}; pass the shape of a clip')
    dataset = loader.dataset
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset.dataset
    steps = list(_on_frames(dataset.get('pipeline', [])))
    decode = next((i for i, step in enumerate(steps) if step['type'].endswith('Decode')), None)
    try:
        if decode is None:
            sample = DATASETS.build({**dataset, 'pipeline': []})[0]
        else:
            sample = _blank_video(steps[:decode])
            steps = steps[decode + 1 :]
        sample = _run(steps, sample)
        frames, per_view = sample['imgs'], sample['num_clips'] * sample['clip_len']
        return (per_view if frames.ndim == 4 else 1, *frames.shape[1:])
    except Exception as error:
        raise ValueError(
            f'the pipeline of {dataset.get("type")} does not determine the shape of a clip ({error}); pass the shape'
        ) from error


LOADERS = ('val_dataloader', 'test_dataloader', 'train_dataloader')


def _on_frames(pipeline: Sequence[dict]) -> Iterator[dict]:
    """Yield the transforms of a pipeline that process frames, without loading boxes and packing."""
    for step in pipeline:
        if step['type'] in ('WithBoxes', 'WithNeighbours'):
            yield from _on_frames(step['transforms'])
        elif step['type'] not in ('LoadBoxes', 'LoadObjects') and not step['type'].startswith('Pack'):
            yield step


def _blank_video(sampling: list[dict]) -> dict:
    """Return the output of a decoder with the frames that ``sampling`` selects, all blank."""
    size = (240, 320)
    video = dict(total_frames=300, start_index=0, avg_fps=30, modality='RGB', original_shape=size, img_shape=size)
    sample = _run([step for step in sampling if not step['type'].endswith('Init')], video)
    frames = torch.zeros(len(sample['frame_inds']), *size, 3, dtype=torch.uint8).numpy()
    return dict(sample, imgs=list(frames))


def _run(steps: list[dict], sample: dict) -> dict:
    return Compose([TRANSFORMS.build(step) for step in steps])(sample)
