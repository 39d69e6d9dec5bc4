"""Inferencers of MMAction2."""

import functools
from types import ModuleType
from typing import Any

from .on_import import on_import
from .replacing import is_original


@on_import('mmaction.apis.inferencers.actionrecog_inferencer')
def give_probabilities(inferencer: ModuleType) -> None:
    """With ``average_clips='score'`` inferencers return logits as scores. They now return probabilities."""
    stock = inferencer.ActionRecogInferencer.forward

    @functools.wraps(stock)
    def forward(self: Any, inputs: Any, **kwargs: Any) -> Any:
        samples = stock(self, inputs, **kwargs)
        head = getattr(self.model, 'cls_head', None)
        if getattr(head, 'average_clips', None) == 'score' and not getattr(head, 'multi_class', False):
            for sample in samples:
                sample.set_pred_score(sample.pred_score.softmax(-1))
        return samples

    inferencer.ActionRecogInferencer.forward = forward


def class_names(cfg: Any, dataset_meta: dict | None) -> list[str] | None:
    """Return the class names in ``dataset_meta`` of a checkpoint or in the dataset of a config, None if unknown."""
    from dyreg_mmaction.datasets.class_names import dataset_classes

    known = (dataset_meta or {}).get('classes')
    if known:
        return list(known)
    num_classes = (cfg.get('model', {}).get('cls_head') or {}).get('num_classes')
    return dataset_classes(cfg.get('test_dataloader', {}).get('dataset', {}), num_classes)


@on_import('mmaction.apis.inferencers.actionrecog_inferencer')
def name_classes(inferencer: ModuleType) -> None:
    """Class names are read from label files only, and only drawn. Results now also contain ``pred_names``."""
    cls = inferencer.ActionRecogInferencer
    stock_init, stock_load, stock_pred2dict = cls.__init__, cls._load_weights_to_model, cls.pred2dict

    @functools.wraps(stock_init)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        stock_init(self, *args, **kwargs)
        given = (getattr(self.visualizer, 'dataset_meta', None) or {}).get('classes')
        self.classes = given or class_names(self.cfg, getattr(self.model, 'dataset_meta', None))
        if self.visualizer is not None and self.classes:
            self.visualizer.dataset_meta = dict(classes=self.classes)

    @functools.wraps(stock_load)
    def load_weights_to_model(self: Any, model: Any, checkpoint: Any, cfg: Any) -> None:
        stock_load(self, model, checkpoint, cfg)
        model.dataset_meta = (checkpoint or {}).get('meta', {}).get('dataset_meta')

    @functools.wraps(stock_pred2dict)
    def pred2dict(self: Any, data_sample: Any) -> dict:
        result = stock_pred2dict(self, data_sample)
        if self.classes:
            result['pred_names'] = [self.classes[label] for label in result['pred_labels']]
        return result

    cls.__init__, cls._load_weights_to_model, cls.pred2dict = init, load_weights_to_model, pred2dict


@on_import('mmaction.apis.inferencers.mmaction2_inferencer')
def draw_all_videos(inferencer: ModuleType) -> None:
    """MMAction2Inferencer draws only the first of several videos. It now draws all, and returns ``rec_names``."""
    cls = inferencer.MMAction2Inferencer
    stock = cls.postprocess

    def visualize(self: Any, inputs: Any, preds: dict, **kwargs: Any) -> Any:
        return self.actionrecog_inferencer.visualize(inputs, [sample for (sample,) in preds['rec']], **kwargs)

    @functools.wraps(stock)
    def postprocess(
        self: Any, preds: dict, visualization: Any = None, print_result: bool = False, pred_out_file: str = ''
    ) -> dict:
        results = stock(self, preds, visualization)
        for result, samples in zip(results['predictions'], preds['rec'], strict=True):
            found = [self.actionrecog_inferencer.pred2dict(sample) for sample in samples]
            if 'pred_names' in found[0]:
                result['rec_names'] = [entry['pred_names'] for entry in found]
        written = dict(predictions=results['predictions'])
        if print_result:
            print(written)
        if pred_out_file:
            inferencer.mmengine.dump(written, pred_out_file)  # type: ignore[attr-defined]
        return results

    if is_original(cls.visualize, inferencer):
        cls.visualize = visualize
    cls.postprocess = postprocess
