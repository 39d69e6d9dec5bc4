"""Test a recogniser: MMAction2's tools/test.py, with this package registered and on machines without a GPU too."""

from dyreg_mmaction.cli.test import main

if __name__ == '__main__':
    main()
