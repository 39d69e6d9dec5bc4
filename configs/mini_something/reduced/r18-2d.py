# A task that needs nodes: the same network without temporal kernels sees every frame separately, and the head averages
# over the frames, so only the nodes can relate them. The configs r18-2d_* add a module.
_base_ = './r18.py'

model = dict(backbone=dict(inflate=(0, 0, 0)))
