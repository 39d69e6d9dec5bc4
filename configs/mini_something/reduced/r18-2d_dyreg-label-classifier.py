# The options for training by the class label alone, and an auxiliary classifier of the nodes. Each frame separately,
# see r18-2d.py.
_base_ = './r18_dyreg-label-classifier.py'

model = dict(backbone=dict(inflate=(0, 0, 0)))
