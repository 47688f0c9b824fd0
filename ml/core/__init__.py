"""What every room stands on: errors, files, params, progress, the command line of a stage, devices."""
