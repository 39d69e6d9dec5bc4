"""Commands, and what only they use: reading configs, their options and checks, processes, launching."""
