"""Demo with a trained model of 1.7 MB: ``python -m dyreg_mmaction.demo [VIDEO]``.

mini_something.pth contains the weights in half precision, the config and the class names. It was trained with

    python tools/data/make_mini_something.py data/mini_something
    python tools/train.py configs/mini_something/reduced/r18_dyreg-motion-stays.py --seed 0

in 9 minutes on one CPU core. log.json is the training log. checkpoint.json contains the hash of the file and its
results on held-out clips.
"""

from pathlib import Path

CHECKPOINT = Path(__file__).with_name('mini_something.pth')
