"""Predict the classes of videos, whole or window by window, with a trained model."""

from dyreg_mmaction.cli.predict import main

if __name__ == '__main__':
    main()
