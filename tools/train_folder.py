"""Train, test and report on your own videos: see docs/guides/own_videos.md."""

from dyreg_mmaction.cli.folder import main

if __name__ == '__main__':
    main()
