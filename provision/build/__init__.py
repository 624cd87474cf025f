"""Builds from source: git without a clone, Go without an installer, images without Docker."""
