"""Steps of the command ``folder``: weights, plan, config, runs and results."""
