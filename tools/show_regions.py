"""Draw the regions of a trained model over clips of its validation set, as one picture."""

import argparse
from pathlib import Path

import cv2
import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate

from dyreg_mmaction import record_regions
from dyreg_mmaction.engine.launch import check_data
from dyreg_mmaction.registry import DATASETS
from dyreg_mmaction.visualization import contact_sheet, draw_regions


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('out', help='picture to write, such as regions.png')
    parser.add_argument('--num', type=int, default=6, help='number of clips, spread over the set')
    parser.add_argument('--after', help='path of the plugin to show (default: the first)')
    parser.add_argument('--device', default='cuda:0' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='settings to override, as key=value')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    check_data(cfg, 'val_dataloader')
    model = init_recognizer(cfg, args.checkpoint, device=args.device)
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    names = dataset.metainfo.get('classes')
    rows, titles = [], []
    for i in range(min(args.num, len(dataset))):
        # + i: not always the class of the first
        sample = dataset[(i * len(dataset) // args.num + i) % len(dataset)]
        with record_regions(model) as record, torch.no_grad():
            result = model.val_step(pseudo_collate([sample]))[0]
        if args.after is not None and args.after not in record:
            raise ValueError(f'--after {args.after} is no plugin of this model; it has {list(record)}')
        inputs = sample['inputs']  # (T,C,H,W), or (1,C,T,H,W) for 3D recognisers
        frames = inputs[0].transpose(0, 1) if inputs.ndim == 5 else inputs
        after = args.after or next(iter(record))
        rows.append(draw_regions(frames.permute(0, 2, 3, 1).numpy(), record[after][-1]))
        truth, guess = (names[i] if names else i for i in (result.gt_label.item(), result.pred_label.item()))
        titles.append(f'{truth}' if truth == guess else f'{truth}  (predicted: {guess})')
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(args.out, contact_sheet(rows, titles)[..., ::-1])
    print(f'regions of {after} over {len(rows)} clips: {args.out}')


if __name__ == '__main__':
    main()
