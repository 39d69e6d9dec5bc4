"""What only command lines use: configs and their options, checks before a run, processes, launching."""
