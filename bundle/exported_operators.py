"""The operators that an exported program may call.

They are all that torch.export (2.13) makes of the networks that this project trains and imports: torchvision's classifiers,
EfficientNet-Lite and networks of rows. Each computes tensors or sizes from its arguments, and touches nothing else. `aten`
has others: `from_file` opens any file, and with `shared` creates it. Who exports a network that needs another operator adds
it here, after a look at what it does.
"""

_ATEN = """
_assert_tensor_metadata.default adaptive_avg_pool2d.default add.Tensor add_.Tensor alias.default avg_pool2d.default
batch_norm.default cat.default chunk.default clamp.default clamp_min.default clone.default contiguous.default
conv2d.default div.Tensor dropout.default dropout_.default einsum.default eq.Scalar exp.default expand.default
expand_as.default fill_.Tensor flatten.using_ints gelu.default hardsigmoid.default hardswish_.default
hardtanh.default hardtanh_.default index.Tensor layer_norm.default lift_fresh_copy.default
linalg_vector_norm.default linear.default masked_fill.Scalar matmul.default max_pool2d.default mean.dim mul.Tensor
ne.Scalar new_zeros.default pad.default permute.default relu.default relu_.default reshape.default roll.default
scaled_dot_product_attention.default select.int sigmoid.default silu.default silu_.default slice.Tensor softmax.int
squeeze.dim sub.Tensor swapaxes.default sym_size.int tanh.default to.dtype transpose.int unflatten.int
unsqueeze.default view.default zero_.default
"""
OPERATORS = frozenset(["_operator.mul", *(f"torch.ops.aten.{name}" for name in _ATEN.split())])
