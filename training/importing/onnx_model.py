"""An ONNX model as something to export: run by OpenVINO, checked against ONNX's own evaluator.

The evaluator (onnx.reference) is numpy code that follows the specification operator by operator, slowly. So it answers the
golden set, and OpenVINO's fp32 program stands for it on the samples.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import save_file

from training.export import openvino_program
from training.export.measure import Predict
from training.export.model import WEIGHTS_FILE, Exportable, ExportError, check_normalisation
from training.export.programs import OPENVINO_FP32, Say, Written, written_openvino
from training.importing.onnx_file import OnnxFile

openvino = openvino_program.openvino

_ONE_BY_ONE = 1e-4
_CHECKED_BATCH = 3


@dataclass(frozen=True, kw_only=True)
class OnnxToExport(Exportable):
    """A classifier of photos in ONNX.

    Attributes:
        file: what was read.
        answers_are_stated: a person says what the answers are, so they are not questioned.
        reverse_channels: the model takes blue, green, red. mean and std stay in the order of the photo: red, green, blue.
    """

    file: OnnxFile
    reverse_channels: bool = False
    answers_are_stated: bool = False

    @property
    def standing_for_reference(self) -> str:
        return OPENVINO_FP32

    def reference(self) -> Predict:
        """Raises ExportError where the evaluator lacks an operator, or the answers are not one number for each class."""
        check_normalisation(self)
        file = self.file
        try:
            evaluator = ReferenceEvaluator(file.model)
        except (NotImplementedError, RuntimeError, TypeError) as error:
            raise ExportError(f"ONNX's own evaluator cannot run the model: {error}") from None
        mean = (np.array(self.mean, np.float64) * 255).astype(np.float32)
        std = (np.array(self.std, np.float64) * 255).astype(np.float32)

        def predict(batch: NDArray[Any]) -> NDArray[np.float32]:
            items = (batch.astype(np.float32) - mean) / std
            if self.reverse_channels:
                items = items[..., ::-1]
            if file.layout == "NCHW":
                items = items.transpose(0, 3, 1, 2)
            items = np.resize(np.ascontiguousarray(items), (file.batch or len(batch), *items.shape[1:]))
            try:
                answered: Any = evaluator.run(None, {file.input: items})
            except Exception as error:  # whatever an operator makes of what it gets
                raise ExportError(f"ONNX's own evaluator cannot run the model: {error}") from None
            return self._probabilities(np.asarray(answered[0], np.float32)[: len(batch)])

        return predict

    def _probabilities(self, answers: NDArray[np.float32]) -> NDArray[np.float32]:
        if answers.size != len(answers) * len(self.classes):
            shape = "x".join(map(str, answers.shape[1:]))
            raise ExportError(f"the model answers {shape} numbers for a photo, and there are {len(self.classes)} labels")
        answers = answers.reshape(len(answers), -1)
        sum_to_one = answers.min() >= 0 and np.allclose(answers.sum(axis=1), 1, atol=1e-3)
        if self.file.answers == "probabilities":
            if not sum_to_one:
                raise ExportError("the answers do not sum to one, so they are no probabilities of one class each")
            return answers
        if sum_to_one and not self.answers_are_stated:
            raise ExportError(
                "the answers sum to one although the model does not end in a softmax: say with --answers whether they are "
                "logits or probabilities"
            )
        answers = np.exp(answers - answers.max(axis=1, keepdims=True))
        return answers / answers.sum(axis=1, keepdims=True)

    def write(self, root: Path, say: Say) -> dict[str, Written]:
        say("writing the weights as safetensors")
        save_file(_weights(self.file.model.graph), root / WEIGHTS_FILE)
        say("converting to OpenVINO")
        converted = openvino_program.save(self._converted(), self.name, root / "openvino" / "fp32.xml")
        program = written_openvino(converted, "fp32")
        self._check_batches(program.predict)
        return {OPENVINO_FP32: program}

    def _converted(self) -> Any:
        file = self.file
        try:
            model = openvino.Core().read_model(with_any_batch(file).SerializeToString())
            side = file.crop
            model.reshape([-1, 3, side, side] if file.layout == "NCHW" else [-1, side, side, 3])
        except RuntimeError as error:
            raise ExportError(f"OpenVINO cannot convert the model: {_first_line(error)}") from None
        served = openvino.preprocess.PrePostProcessor(model)
        served.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
        served.input().model().set_layout(openvino.Layout(file.layout))
        steps = served.input().preprocess().convert_element_type(openvino.Type.f32)
        steps.mean([value * 255 for value in self.mean]).scale([value * 255 for value in self.std])
        if self.reverse_channels:
            steps.reverse_channels()
        model = served.build()
        operators = openvino.opset13
        answers = model.get_results()[0].input_value(0)
        # The batch stays what it is; whatever else there is becomes one dimension: some models answer classes x 1 x 1.
        answers = operators.reshape(answers, np.array([0, -1], np.int64), special_zero=True).output(0)
        if file.answers == "logits":
            answers = operators.softmax(answers, axis=1).output(0)
        return openvino.Model([operators.result(answers)], model.get_parameters())

    def _check_batches(self, predict: Predict) -> None:
        items = np.random.default_rng(0).integers(0, 256, (_CHECKED_BATCH, *self.input.shape), dtype=np.uint8)
        problem = f"it answers differently in a batch of {_CHECKED_BATCH}"
        try:
            together, single = predict(items), np.concatenate([predict(item[None]) for item in items])
            if together.shape == single.shape and np.abs(together - single).max() <= _ONE_BY_ONE:
                return
        except RuntimeError as error:
            problem = _first_line(error)
        raise ExportError(
            f"the model is made for batches of {self.file.batch or 'one size'} only: {problem}; export it with a batch "
            "dimension of any size"
        )


def with_any_batch(file: OnnxFile) -> onnx.ModelProto:
    """Return a copy of a model in which neither the input nor a Reshape says how large the batch is."""
    model = onnx.ModelProto()
    model.CopyFrom(file.model)
    if file.batch is None:
        return model
    graph = model.graph
    for value in (*graph.input, *graph.output):
        if value.name == file.input or value in graph.output:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {
        node.output[0]: attribute.t
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] in constants:
            _keep_batch(constants[node.input[1]], file.batch)
    return model


def _keep_batch(target: onnx.TensorProto, batch: int) -> None:
    """Let the shape that a Reshape makes begin with 0, which stands for the size that is there."""
    shape = numpy_helper.to_array(target).copy()
    if shape.ndim == 1 and len(shape) and shape[0] == batch:
        shape[0] = 0
        target.CopyFrom(numpy_helper.from_array(shape, target.name))


def _weights(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    tensors |= {
        node.output[0]: attribute.t
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    return {name: np.ascontiguousarray(numpy_helper.to_array(tensor)) for name, tensor in sorted(tensors.items())}


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
