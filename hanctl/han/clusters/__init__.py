"""The clusters the HAN layer serves by itself."""
