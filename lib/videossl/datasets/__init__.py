"""Datasets: each module names the videos of one source, with labels and splits (`videos`) and checks its layout."""
