# The task of ../reduced with the network of ../small_classifier: do two digits of three classes on random walks move in
# sync? Six frames of 64 x 64; a CNN of two blocks, four nodes, and an auxiliary classifier of the nodes.
_base_ = '../small_classifier/cnn.py'

digits = dict(
    digit_classes=(0, 1, 7),
    none_prob=0.5,
    num_frames=6,
    walk='random',
    max_step=20,
    canvas_size=128,
    frame_size=64,
)
train_dataloader = dict(dataset=digits)
val_dataloader = dict(batch_size=50, dataset=digits)
test_dataloader = val_dataloader

model = dict(neck=dict(feature_size=16, num_segments=6, plugin=dict(num_nodes=4)))
