"""Something-Something: conversion of its official files to MMAction2's lists, and TSM's test crops."""

from .tsm_crop import TSMCrop

__all__ = ['TSMCrop']
