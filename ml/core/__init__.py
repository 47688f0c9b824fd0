"""What every room uses: errors, files, params, progress, devices, a stage's command line."""
