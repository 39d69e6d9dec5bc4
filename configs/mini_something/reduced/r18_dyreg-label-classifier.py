# The options for training by the class label alone, and an auxiliary classifier of the nodes.
_base_ = './r18_dyreg-label.py'

model = dict(type='RegionRecognizer3D', node_classifier=dict(weight=1.0))
