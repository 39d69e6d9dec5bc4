"""Train a recogniser: MMAction2's tools/train.py, with this package registered and on machines without a GPU too."""

from dyreg_mmaction.cli.train import main

if __name__ == '__main__':
    main()
