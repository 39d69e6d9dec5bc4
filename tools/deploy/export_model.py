"""Export a recognizer to an ONNX or torch.export file, and describe its input in a JSON file next to it."""

from dyreg_mmaction.cli.export import main

if __name__ == '__main__':
    main()
