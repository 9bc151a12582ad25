"""What a trained run is worth: figures, report and the parts of its model card that are measured.

`measure.evaluate` measures and writes, `record.read_evaluation` reads what was written, `report.add_latency` completes it.
"""
