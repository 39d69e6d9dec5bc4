# The same with 3 digits.
_base_ = './rstg_all-temp.py'

train_dataloader = dict(dataset=dict(num_digits=3))
val_dataloader = dict(dataset=dict(num_digits=3))
test_dataloader = dict(dataset=dict(num_digits=3))
