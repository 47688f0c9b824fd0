"""The desk: one web application to release models, annotate pairs and correct groups."""
