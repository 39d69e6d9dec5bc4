"""Draw where the nodes of a model look: on videos, or over a dataset."""

from dyreg_mmaction.cli.regions import main

if __name__ == '__main__':
    main()
