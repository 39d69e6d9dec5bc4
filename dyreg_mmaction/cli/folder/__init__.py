"""Steps of train_folder: weights, plan, config, runs and results."""
