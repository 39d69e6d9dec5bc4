"""Draw the regions of a model on videos or on clips of a dataset."""

from dyreg_mmaction.cli.regions import main

if __name__ == '__main__':
    main()
