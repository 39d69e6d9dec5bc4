"""A table of the predictions of all videos."""

import csv
from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from dyreg_mmaction.files import atomic_write
from dyreg_mmaction.registry import METRICS

COLUMNS = ('path', 'class', 'predicted', 'score', 'score of class')


@METRICS.register_module()
class WritePredictions(BaseMetric):
    """Write a CSV file with one line per video: path, class, predicted class, and the scores of both classes.

    The pipeline must provide the path: ``PackActionInputs(meta_keys=('filename',))``.

    Args:
        out_file (str): The file.
        **kwargs: Arguments of :class:`BaseMetric`.
    """

    default_prefix = 'predictions'

    def __init__(self, out_file: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.out_file = out_file

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Store path, class, predicted class and their scores of each sample."""
        for sample in data_samples:
            scores, label = sample['pred_score'], int(sample['gt_label'])
            best = int(scores.argmax())
            truth = float(scores[label]) if label >= 0 else float('nan')
            self.results.append((sample['filename'], label, best, float(scores[best]), truth))

    def compute_metrics(self, results: list) -> dict:
        """Write the file; nothing is logged."""
        classes = (self.dataset_meta or {}).get('classes')
        with atomic_write(self.out_file) as part, part.open('w', encoding='utf-8', newline='') as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(COLUMNS)
            for path, label, best, *scores in results:
                names = (classes[index] if classes and index >= 0 else index for index in (label, best))
                writer.writerow((path, *names, *(f'{score:.4f}' for score in scores)))
        return {}
