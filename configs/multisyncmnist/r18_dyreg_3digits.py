# 3 digits instead of 5.
_base_ = './r18_dyreg.py'

train_dataloader = dict(dataset=dict(num_digits=3))
val_dataloader = dict(dataset=dict(num_digits=3))
test_dataloader = val_dataloader
