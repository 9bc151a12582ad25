"""The registry: `experiments/<name>/<run_id>/` as trained, `production/<name>/<version>/` as promoted."""
