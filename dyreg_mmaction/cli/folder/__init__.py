"""What train_folder does between the checked videos and the report: weights, plan, config, runs."""
