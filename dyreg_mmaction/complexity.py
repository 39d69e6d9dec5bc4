"""The clip that a config's model takes, and the multiply-adds it costs, counted on tensors without data."""

from collections.abc import Iterator, Sequence

import torch
from mmaction.models import BaseRecognizer
from mmengine.config import Config
from mmengine.dataset import Compose
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from .models.regions import BoxRegions, use_boxes
from .registry import DATASETS, TRANSFORMS

aten = torch.ops.aten


def count(
    model: BaseRecognizer, input_shape: tuple[int, ...], modules: Sequence[nn.Module] = ()
) -> tuple[int, list[int]]:
    """Multiply-adds of a recogniser for one clip, and those of some of its modules.

    No arithmetic is done: shapes alone run through the model, in eval mode, with boxes for the nodes that want them.

    Raises:
        ValueError: If the model cannot run on such a clip.
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
                f'{type(model).__name__} does not run on a clip of shape {input_shape}: {error}; give the shape of a '
                'clip, (M, C, H, W) for 2D recognisers and (M, C, T, H, W) for 3D ones'
            ) from error
        finally:
            for module in training:
                module.training = True
            for hook in hooks:
                hook.remove()
    return counter.macs, list(spent.values())


def _boxes(model: nn.Module, input_shape: tuple[int, ...]) -> Tensor:
    """Boxes of as many nodes, frames and clips as any of the model's modules may ask for."""
    num_nodes = max((module.num_nodes for module in model.modules() if isinstance(module, BoxRegions)), default=0)
    clips = input_shape[0]  # (M,C,H,W) is one clip of M frames, or several; (M,C,T,H,W) is M of T
    return torch.zeros(clips, input_shape[2] if len(input_shape) == 5 else clips, num_nodes, 4)


class _Counter(FlopCounterMode):
    """torch's counter, with batch norms, and with the recurrent nets and the products that oneDNN takes on the CPU."""

    def __init__(self) -> None:
        norms = (aten.native_batch_norm, aten._native_batch_norm_legit_no_training)
        mapping: dict = {**dict.fromkeys(norms, _batch_norm), aten.mkldnn_rnn_layer: _fused_rnn}
        if torch.backends.mkldnn.is_available():
            mapping[torch.ops.mkldnn._linear_pointwise] = _linear
        super().__init__(display=False, custom_mapping=mapping)

    @property
    def macs(self) -> int:
        """So far; torch counts multiplications and additions one by one."""
        return self.get_total_flops() // 2


def _batch_norm(shape: torch.Size, *args: object, **kwargs: object) -> int:
    return 2 * 2 * shape.numel()


def _linear(shape: torch.Size, weight: torch.Size, *args: object, **kwargs: object) -> int:
    return 2 * shape.numel() * weight[0]


def _fused_rnn(shape: torch.Size, weight_ih: torch.Size, weight_hh: torch.Size, *args: object, **kwargs: object) -> int:
    return 2 * shape[:-1].numel() * (weight_ih.numel() + weight_hh.numel())


def clip_shape(cfg: Config) -> tuple[int, ...]:
    """Shape of one clip, one view of it, as the validation pipeline of a config makes it.

    Blank frames of a video that is long enough and 4:3 stand for the data; datasets that generate their frames do so.

    Raises:
        ValueError: If the config has no pipeline, or one that needs more than frames.
    """
    loader = next((cfg[name] for name in LOADERS if cfg.get(name)), None)
    if loader is None:
        raise ValueError(f'the config has none of {", ".join(LOADERS)}; give the shape of a clip')
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
            f'the pipeline of {dataset.get("type")} does not tell the shape of a clip ({error}); give it'
        ) from error


LOADERS = ('val_dataloader', 'test_dataloader', 'train_dataloader')


def _on_frames(pipeline: Sequence[dict]) -> Iterator[dict]:
    """The steps of a pipeline that concern frames: no boxes are loaded, nothing is packed."""
    for step in pipeline:
        if step['type'] in ('WithBoxes', 'WithNeighbours'):
            yield from _on_frames(step['transforms'])
        elif step['type'] not in ('LoadBoxes', 'LoadObjects') and not step['type'].startswith('Pack'):
            yield step


def _blank_video(sampling: list[dict]) -> dict:
    """What a decoder hands on, for the frames that ``sampling`` asks for."""
    size = (240, 320)
    video = dict(total_frames=300, start_index=0, avg_fps=30, modality='RGB', original_shape=size, img_shape=size)
    sample = _run([step for step in sampling if not step['type'].endswith('Init')], video)
    frames = torch.zeros(len(sample['frame_inds']), *size, 3, dtype=torch.uint8).numpy()
    return dict(sample, imgs=list(frames))


def _run(steps: list[dict], sample: dict) -> dict:
    return Compose([TRANSFORMS.build(step) for step in steps])(sample)
