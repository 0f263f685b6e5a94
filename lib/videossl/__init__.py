"""videossl: self-supervised learning from video, from raw files to a report."""
