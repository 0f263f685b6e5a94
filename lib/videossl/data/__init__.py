"""Datasets, the index, decoding, the HDF5 cache and clip sampling. Knows nothing of training."""
