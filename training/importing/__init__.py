"""From a model that was made elsewhere to a bundle. Nothing is read that could run code: safetensors and ONNX, no pickle."""
