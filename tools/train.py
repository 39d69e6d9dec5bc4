"""Train a recognizer, on GPUs or CPUs. The options are those of MMAction2's tools/train.py."""

from dyreg_mmaction.cli.train import main

if __name__ == '__main__':
    main()
