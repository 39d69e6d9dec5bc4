# Options for regions that only the class label supervises, with little data: docs/research/class_label.md. There,
# node_classifier=dict(weight=1.0) in the recognizer has a larger effect, with and without them. Configs take them with
# _base_.pop(...), so that they are not variables of the config themselves.
label_plugin = dict(position_gradient=False)
label_regions = dict(
    type='DynamicRegions',
    standardize=True,
    zero_init='weight',
    feature_norm='batch',
    recurrent=False,
    predict_size=False,
    half_size=0.2,
)
