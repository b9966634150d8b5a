"""Optical flow between the frames of a film."""
