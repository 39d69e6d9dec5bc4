"""Test a recognizer, on GPUs or CPUs. The options are those of MMAction2's tools/test.py, and --fuse."""

from dyreg_mmaction.cli.test import main

if __name__ == '__main__':
    main()
