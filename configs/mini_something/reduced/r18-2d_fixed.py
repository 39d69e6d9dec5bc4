# Fixed: averages over the cells of a 3 x 3 grid. Each frame separately, see r18-2d.py.
_base_ = './r18_fixed.py'

model = dict(backbone=dict(inflate=(0, 0, 0)))
