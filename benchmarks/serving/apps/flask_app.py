"""Flask, as most tutorials have it: a form field, the model at module level, one photo at a time; run by gunicorn."""

from flask import Flask, Response, jsonify, request

from benchmarks.serving.apps.pipeline import open_pipeline, top

app = Flask(__name__)
pipeline = open_pipeline()


@app.post("/predict")
def predict() -> Response:
    pixels = pipeline.decode(request.files["file"].read())
    return jsonify(predictions=top(pipeline.predict([pixels])[0]))
