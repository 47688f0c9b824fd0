"""From similarities to groups: clusterings of one block, and the calibration of scores."""
