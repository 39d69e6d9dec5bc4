# 9 digits instead of 5.
_base_ = './r18_dyreg.py'

train_dataloader = dict(dataset=dict(num_digits=9))
val_dataloader = dict(dataset=dict(num_digits=9))
test_dataloader = val_dataloader
