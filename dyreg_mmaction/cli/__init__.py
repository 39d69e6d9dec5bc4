"""Command-line tools and their parts: config files, options, checks, processes and launching."""
