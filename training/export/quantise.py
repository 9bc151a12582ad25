"""Static int8 quantisation after training, which keeps in fp32 the layers that it would damage most.

Quantisation is NNCF's (symmetric weights per channel, activations calibrated on real inputs, fast bias correction). For
networks made of depthwise convolutions that alone changes too many answers: a few layers have channels of very different
ranges. How much harm each does is measured, and the worst stay as they are (compare Wu et al., "Integer Quantization
for Deep Learning Inference", 2020, section 4.2, "partial quantization").
"""

import io
import logging
from collections.abc import Callable, Collection
from contextlib import redirect_stdout
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.export import openvino_program
from training.export.measure import agreement, answer

Say = Callable[[str], None]

_LAYERS = ("Convolution", "GroupConvolution", "MatMul")
# What joins branches stays in fp32 where answers have to be exact: sums of residuals accumulate rounding from end to end.
_JOINS = ("Add", "ReduceMean")
# Layers are judged in stretches of neighbours: each is compiled and run once, and fewer borders between int8 and fp32 are
# faster in the end.
_STRETCHES = 16
_RANKING_ITEMS = 16


def quantise(fp32: Path, calibration: NDArray[Any], bound: float, say: Say) -> Any:
    """Quantise a saved OpenVINO model, with as few layers in fp32 as let it agree with itself.

    Args:
        fp32: the saved model (.xml).
        calibration: real items as the model takes them.
        bound: share of other items whose first class should stay. Of the calibration items half as many may change, for they
            flatter what was made with them. That other items agree is for the caller to measure: the result may be
            worse there, or even here, when no layer can be quantised without harm.
    """
    original = openvino_program.read(fp32)
    expected = answer(openvino_program.compiled(original), calibration)

    def agrees(model: Any) -> bool:
        return agreement(expected, answer(openvino_program.compiled(model), calibration)).top1 >= (1 + bound) / 2

    quantised = _nncf(fp32, calibration)
    if agrees(quantised):
        return quantised
    _bypass_joins(quantised)
    layers = list(_layers(original))
    stretches = [
        [layers[index] for index in stretch] for stretch in np.array_split(np.arange(len(layers)), min(_STRETCHES, len(layers)))
    ]
    say(f"int8 changes too many answers; measuring which of {len(layers)} layers to keep in fp32")
    items, wanted = calibration[:_RANKING_ITEMS], expected[:_RANKING_ITEMS]
    damage = []
    for stretch in stretches:
        alone = _restored(quantised, original, set(layers).difference(stretch))
        damage.append(_divergence(wanted, answer(openvino_program.compiled(alone), items)))
    worst = [stretches[index] for index in np.argsort(damage, kind="stable")[::-1]]
    # With more than half in fp32 there is nothing to gain.
    fewest, most = 1, max(1, len(worst) // 2)
    while fewest < most:
        kept = (fewest + most) // 2
        if agrees(_restored(quantised, original, list(chain(*worst[:kept])))):
            most = kept
        else:
            fewest = kept + 1
    keep = list(chain(*worst[:fewest]))
    say(f"keeping {len(keep)} of {len(layers)} layers in fp32")
    # Without validation, which refuses a type that the network does not have.
    return _nncf(fp32, calibration, names=keep, types=list(_JOINS), validate=False)


def _nncf(fp32: Path, calibration: NDArray[Any], **ignored: Any) -> Any:
    # After openvino_program, which sees to it that NNCF's telemetry cannot be loaded either.
    import nncf  # noqa: PLC0415 - takes seconds, and models of features are not quantised
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix  # noqa: PLC0415 - the same
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet  # noqa: PLC0415 - the same

    nncf.set_log_level(logging.ERROR)
    parameters = AdvancedQuantizationParameters(
        # Weights of seven bits: with eight, CPUs without VNNI saturate sums of two products, and answer differently.
        overflow_fix=OverflowFix.ENABLE,
        # The mean of the samples' extremes, NNCF's default, clips pixels that are nearly black or white.
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
    )
    with redirect_stdout(io.StringIO()):
        quantised = nncf.quantize(
            openvino_program.with_batch(openvino_program.read(fp32), 1),
            nncf.Dataset([item[None] for item in calibration]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(calibration),
            ignored_scope=nncf.IgnoredScope(**ignored),
            advanced_parameters=parameters,
        )
    return openvino_program.with_batch(quantised, -1)


def _layers(model: Any) -> dict[str, Any]:
    return {
        operation.get_friendly_name(): operation
        for operation in model.get_ordered_ops()
        if operation.get_type_name() in _LAYERS
    }


def _bypass_joins(quantised: Any) -> None:
    for operation in quantised.get_ordered_ops():
        if operation.get_type_name() in _JOINS:
            for index, source in enumerate(operation.input_values()):
                if source.get_node().get_type_name() == "FakeQuantize":
                    operation.input(index).replace_source_output(source.get_node().input_value(0))


def _restored(quantised: Any, original: Any, names: Collection[str]) -> Any:
    """Return a copy of the quantised model in which the named layers calculate in fp32 again."""
    copy = quantised.clone()
    before = _layers(original)
    for name, layer in _layers(copy).items():
        if name not in names:
            continue
        for index, source in enumerate(layer.input_values()):
            if source.get_node().get_type_name() == "FakeQuantize":
                layer.input(index).replace_source_output(source.get_node().input_value(0))
            elif _is_constant(source):
                layer.input(index).replace_source_output(before[name].input_value(index))
        _restore_bias(layer, before[name])
    return copy


def _restore_bias(layer: Any, before: Any) -> None:
    """Undo the bias correction, which fits a quantised layer only."""
    corrected, uncorrected = _bias(layer), _bias(before)
    if corrected and uncorrected:
        corrected.replace_source_output(uncorrected.get_source_output())


def _bias(layer: Any) -> Any:
    """Return the input of the Add behind a layer where its constant arrives, or None."""
    consumers = list(layer.output(0).get_target_inputs())
    if len(consumers) != 1 or consumers[0].get_node().get_type_name() != "Add":
        return None
    inputs = consumers[0].get_node().inputs()
    return next((value for value in inputs if _is_constant(value.get_source_output())), None)


def _is_constant(output: Any) -> bool:
    """Say whether a value depends on nothing but constants."""
    node = output.get_node()
    if node.get_type_name() == "Parameter":
        return False
    return all(_is_constant(value) for value in node.input_values())


def _divergence(expected: NDArray[np.float32], answered: NDArray[np.float32]) -> float:
    """Return the mean Kullback-Leibler divergence in nats: smoother than a count of changed answers."""
    tiny = np.float32(1e-9)
    return float((expected * (np.log(expected + tiny) - np.log(answered + tiny))).sum(axis=1).mean())
