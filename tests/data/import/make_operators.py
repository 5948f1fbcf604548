"""Makes small ONNX graphs of operators that PyTorch's exporters do not write in this way, and the answers of ONNX's own
reference evaluator, which are the truth that the import is tested against.

    pip install onnx safetensors numpy
    python tests/data/import/make_operators.py tests/data/import/operators

The files of that folder were made by the versions that `versions.json` names."""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import save_file

folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "operators")
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(20240310)
answers = {}


def numbers(*shape):
    return (rng.standard_normal(shape) / 2).astype(np.float32)


def whole(*values):
    return np.array(values, dtype=np.int64)


def make(name, image, nodes, constants, opset=21, batch="batch"):
    """`nodes` are `(operator, inputs, output, attributes)`; the graph reads `x` and gives `y`."""
    made = [helper.make_node(op, inputs, [output], name=f"n{k}", **attributes) for k, (op, inputs, output, attributes) in enumerate(nodes)]
    graph = helper.make_graph(
        made, name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *image])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    onnx.save(model, folder / f"{name}.onnx")
    x = numbers(3 if batch == "batch" else batch, *image)
    y = ReferenceEvaluator(model).run(None, {"x": x})[0]
    answers[f"{name}.images"] = x
    answers[f"{name}.scores"] = np.ascontiguousarray(y.reshape(len(x), -1))


for mode in ["SAME_UPPER", "SAME_LOWER"]:
    make(f"auto_pad_{mode.lower()}", (1, 7, 6), [("Conv", ["x", "w", "b"], "y", {"auto_pad": mode, "strides": [2, 2]})],
         {"w": numbers(2, 1, 3, 2), "b": numbers(2)})
make("valid", (1, 7, 6), [("Conv", ["x", "w"], "y", {"auto_pad": "VALID", "strides": [2, 1]})], {"w": numbers(2, 1, 3, 2)})
make("uneven_pads", (2, 6, 5), [("Conv", ["x", "w"], "y", {"pads": [2, 0, 1, 3], "strides": [2, 2]})], {"w": numbers(3, 2, 3, 3)})
make("uneven_pads_dilated", (2, 7, 7), [("Conv", ["x", "w"], "y", {"pads": [3, 0, 1, 2], "dilations": [2, 2], "group": 2})],
     {"w": numbers(2, 1, 3, 3)})
make("pad_then_pool", (2, 5, 6), [("Pad", ["x", "p"], "a", {}), ("AveragePool", ["a"], "y", {"kernel_shape": [3, 2], "strides": [2, 2]})],
     {"p": whole(0, 0, 1, 0, 0, 0, 0, 2)})
make("pad_then_square", (2, 3, 3), [("Pad", ["x", "p", "", "axes"], "a", {}), ("Add", ["a", "one"], "b", {}), ("Mul", ["b", "b"], "y", {})],
     {"p": whole(1, 2, 0, 1), "axes": whole(-1, 2), "one": numbers(1)})
make("ceil_without_rest", (1, 6, 6), [("AveragePool", ["x"], "y", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1})], {})
make("old_mean", (3, 4, 5), [("ReduceMean", ["x"], "a", {"axes": [-1, -2], "keepdims": 1}), ("Squeeze", ["a"], "b", {"axes": [2, 3]}),
     ("Gemm", ["b", "w", "c"], "y", {"alpha": 0.5, "beta": 2.0})], {"w": numbers(3, 2), "c": numbers(2)}, opset=11)
make("mean_squeezed", (3, 4, 5), [("GlobalAveragePool", ["x"], "a", {}), ("Squeeze", ["a", "axes"], "b", {}), ("MatMul", ["b", "w"], "y", {})],
     {"axes": whole(3, 2), "w": numbers(3, 2)})
make("square_of_square", (1, 2, 3), [("Mul", ["x", "x"], "a", {}), ("Pow", ["a", "two"], "y", {})], {"two": np.array(2.0, np.float32)})
make("quadratic_of_quadratic", (2, 2, 2), [("Mul", ["x", "x"], "a", {}), ("Sub", ["a", "k"], "b", {}), ("Mul", ["b", "b"], "c", {}),
     ("Mul", ["b", "k"], "d", {}), ("Sub", ["k", "d"], "e", {}), ("Add", ["c", "e"], "y", {})], {"k": numbers(1, 2, 1, 1)})
make("constant_minus", (2, 2, 3), [("Sub", ["k", "x"], "a", {}), ("Neg", ["a"], "b", {}), ("Div", ["b", "d"], "c", {}), ("Mul", ["c", "a"], "y", {})],
     {"k": numbers(3), "d": numbers(2, 1, 1)})
make("twice", (1, 2, 2), [("Conv", ["x", "w"], "a", {}), ("Add", ["a", "a"], "b", {}), ("Add", ["b", "k"], "c", {}), ("Mul", ["a", "c"], "y", {})],
     {"w": numbers(2, 1, 1, 1), "k": numbers(2, 2, 2)})
make("shared_bias", (1, 2, 2), [("Conv", ["x", "w"], "a", {}), ("Identity", ["a"], "i", {}), ("Add", ["i", "k"], "b", {}), ("Relu", ["a"], "c", {}),
     ("Add", ["b", "c"], "y", {})], {"w": numbers(2, 1, 1, 1), "k": numbers(2, 1, 1)})
make("from_the_image", (2, 3, 3), [("Conv", ["x", "w"], "a", {"pads": [1, 1, 1, 1]}), ("Sub", ["x", "a"], "b", {}), ("Conv", ["b", "v"], "c", {}),
     ("Sum", ["c", "x", "b"], "y", {})], {"w": numbers(2, 2, 3, 3), "v": numbers(2, 2, 1, 1)})
make("to_a_vector_and_back", (12,), [("Reshape", ["x", "map"], "a", {}), ("Conv", ["a", "w"], "b", {}), ("Shape", ["b"], "s", {"start": 0, "end": 1}),
     ("Concat", ["s", "rest"], "t", {"axis": 0}), ("Reshape", ["b", "t"], "c", {}), ("MatMul", ["c", "v"], "y", {})],
     {"map": whole(-1, 1, 3, 4), "w": numbers(2, 1, 2, 2), "rest": whole(-1), "v": numbers(12, 3)})
make("vector", (6,), [("Mul", ["x", "k"], "a", {}), ("Mul", ["a", "x"], "b", {}), ("Gemm", ["b", "w"], "y", {"transB": 1})],
     {"k": numbers(6), "w": numbers(2, 6)})
make("fixed_batch", (1, 2, 3), [("Reshape", ["x", "s"], "a", {}), ("MatMul", ["a", "w"], "b", {}), ("Softmax", ["b"], "unused", {}), ("Mul", ["b", "k"], "y", {})], {"s": whole(2, 6), "w": numbers(6, 2), "k": np.array([[2.0]], np.float32)}, batch=2)
make("weights_computed", (1, 2, 2), [("Transpose", ["w"], "a", {"perm": [3, 2, 1, 0]}), ("Mul", ["a", "k"], "b", {}), ("Conv", ["x", "b"], "y", {})],
     {"w": numbers(2, 1, 1, 3), "k": numbers(3, 1, 1, 1)})
make("branches_of_padding", (1, 3, 3), [("Pad", ["x", "p"], "a", {}), ("Relu", ["a"], "b", {}), ("Add", ["a", "k"], "c", {}), ("Add", ["b", "c"], "y", {})],
     {"p": whole(0, 0, 1, 1, 0, 0, 1, 1), "k": numbers(1)})
save_file(answers, folder / "answers.safetensors")
