"""The figures of the pipeline, measured on the real stack: ``python -m benchmarks``."""
