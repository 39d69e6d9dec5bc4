"""Detection of compilers and tracers, which require plain operations.

Five files (``linear``, ``messages``, ``recurrence``, ``shift``, ``models/node_rnn``) therefore have an implementation
for eager mode and one of plain operations. A ``torch.library.custom_op`` with ``register_fake`` and
``register_autograd`` cannot replace both. Tried with PyTorch 2.13:

- ``torch.compile`` accepts it, but does not fuse it with the operations around it.
- ``torch.export.load`` of a saved program raises "We ran into an error when deserializing the saved file" in a process
  that has not imported this package.
- ``torch.onnx.export`` raises "No ONNX function found" for it. A ``custom_translation_table``, or a decomposition for
  ``run_decompositions``, would again be a second implementation, and only in our exporter, not in a user's.
"""

import torch


def is_traced() -> bool:
    """Return whether a compiler (torch.compile, torch.export) or the TorchScript tracer (ONNX export) is active."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
