"""Measurements, which take minutes to hours: quality on real photos, and speed against named peers."""
