# The options for training by the class label alone, and the motion warm start. Each frame separately, see r18-2d.py.
_base_ = './r18_dyreg-label-motion-stays.py'

model = dict(backbone=dict(inflate=(0, 0, 0)))
