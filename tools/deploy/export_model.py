"""Write a recognizer as one ONNX or torch.export file, with a JSON file beside it that says how to feed it."""

from dyreg_mmaction.cli.export import main

if __name__ == '__main__':
    main()
