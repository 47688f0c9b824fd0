"""Measurements of minutes to hours: quality on real photos, and speed against named peers."""
