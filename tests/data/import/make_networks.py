"""Makes networks of supported mathematics as three libraries write them, each with what onnxruntime computes of it: the
truth that the import is tested against.

    pip install torch onnx onnxscript onnxruntime scikit-learn skl2onnx safetensors numpy
    python make_networks.py torch FOLDER
    python make_networks.py sklearn FOLDER
    pip install tensorflow-cpu tf2onnx onnxruntime safetensors             # in an environment of its own
    python make_networks.py keras FOLDER
    cargo run --release --example agreement -- FOLDER

FOLDER gets NAME.onnx, the networks' list in networks.json and the answers in answers.safetensors; a second run with
another library adds to it. `python make_networks.py select FOLDER OTHER` copies the networks named in SELECTED, which
the tests read."""

import json
import os
import pathlib
import sys

import numpy as np

SEED = 20261126
rng = np.random.default_rng(SEED)


def numbers(*shape, scale=0.5):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


class Folder:
    def __init__(self, path):
        from safetensors.numpy import load_file

        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        listed, answers = self.path / "networks.json", self.path / "answers.safetensors"
        self.networks = json.loads(listed.read_text()) if listed.exists() else []
        self.answers = load_file(answers) if answers.exists() else {}

    def add(self, name, exporter, images, shape=None, output=None, behind=None, channels_last=False):
        """Runs NAME.onnx on `images` (as the network takes them) with onnxruntime."""
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)
        session = onnxruntime.InferenceSession(str(self.path / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        given = session.get_inputs()[0]
        wanted = output or self.scores(session)
        fixed = isinstance(given.shape[0], int)
        parts = [images[k : k + 1] for k in range(len(images))] if fixed else [images]
        rows = [np.asarray(session.run([wanted], {given.name: part})[0], np.float32) for part in parts]
        scores = np.concatenate([r.reshape(len(p), -1) for r, p in zip(rows, parts)])
        # The model's images have their channels first.
        first = np.moveaxis(images, -1, 1) if channels_last else images
        self.answers[f"{name}.images"] = np.ascontiguousarray(first.reshape(len(images), -1), np.float32)
        self.answers[f"{name}.scores"] = np.ascontiguousarray(scores)
        self.networks = [n for n in self.networks if n["name"] != name]
        self.networks.append({"name": name, "exporter": exporter, "shape": shape, "output": output, "behind": behind})

    @staticmethod
    def scores(session):
        outputs = session.get_outputs()
        return next((o.name for o in outputs if "float" in o.type and "map" not in o.type), outputs[0].name)

    def save(self):
        from safetensors.numpy import save_file

        self.networks.sort(key=lambda n: n["name"])
        (self.path / "networks.json").write_text(json.dumps(self.networks, indent=1) + "\n")
        save_file(dict(sorted(self.answers.items())), self.path / "answers.safetensors")


def with_torch(folder):
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(SEED)

    class Quadratic(nn.Module):
        def __init__(self, *shape):
            super().__init__()
            self.a, self.b, self.c = (nn.Parameter(torch.randn(shape or (1,)) * 0.3) for _ in range(3))

        def forward(self, x):
            return self.a * x * x + self.b * x + self.c

    class Square(nn.Module):
        def forward(self, x):
            return x.square()

    class Of(nn.Module):
        """A network of modules and a function of them."""

        def __init__(self, forward, **modules):
            super().__init__()
            self.f = forward
            for name, module in modules.items():
                setattr(self, name, module if isinstance(module, nn.Module) else nn.Parameter(torch.tensor(module)))

        def forward(self, x):
            return self.f(self, x)

    def norm(channels, dims=2):
        n = (nn.BatchNorm1d if dims == 1 else nn.BatchNorm2d)(channels)
        with torch.no_grad():
            n.running_mean.normal_(0, 0.3), n.running_var.uniform_(0.5, 2), n.weight.normal_(1, 0.2), n.bias.normal_(0, 0.2)
        return n

    S, C, L = nn.Sequential, nn.Conv2d, nn.Linear
    image, signal = (1, 8, 8), (2, 32)
    nets = {}

    def net(name, module, shape=image, **more):
        nets[name] = (module, shape, more)

    net("cryptonets", S(C(1, 3, 3, stride=2, padding=1), Square(), nn.Flatten(), L(48, 12), Square(), L(12, 4)))
    net("quadratics", S(C(1, 3, 3), norm(3), Quadratic(3, 1, 1), nn.AvgPool2d(2), nn.Flatten(), L(27, 8), Quadratic(8), L(8, 4)))
    net("view", Of(lambda s, x: s.l(s.c(x).view(x.size(0), -1) ** 2), c=C(1, 3, 3), l=L(108, 4)))
    net("view_fixed_last", Of(lambda s, x: s.l(s.c(x).reshape(-1, 108)), c=C(1, 3, 3), l=L(108, 4)))
    net("residual", Of(lambda s, x: s.l((s.b(s.q(s.a(x))) + s.a(x)).flatten(1)), a=C(1, 4, 3, padding=1), q=Square(), b=C(4, 4, 3, padding=1), l=L(256, 3)))
    net("concat_channels", Of(lambda s, x: s.l(torch.cat([s.a(x), s.q(s.b(x))], 1).flatten(1)), a=C(1, 2, 3), b=C(1, 3, 3), q=Square(), l=L(180, 4)))
    net("dense_block", Of(lambda s, x: s.l(torch.cat([x, s.a(x), s.q(s.b(torch.cat([x, s.a(x)], 1)))], 1).mean((2, 3))), a=C(1, 2, 3, padding=1), b=C(3, 2, 3, padding=1), q=Square(), l=L(5, 4)))
    net("concat_rows", Of(lambda s, x: s.l(s.c(torch.cat([x, s.a(x)], 2)).flatten(1)), a=C(1, 1, 3, padding=1), c=C(1, 2, 3, stride=2), l=L(42, 4)))
    net("concat_vectors", Of(lambda s, x: s.l(torch.cat([s.a(x.flatten(1)), s.b(x.flatten(1)) ** 2], 1)), a=L(64, 5), b=L(64, 6), l=L(11, 4)))
    net("split_channels", Of(lambda s, x: s.l((s.c(x).split(2, 1)[0] + s.c(x).chunk(2, 1)[1]).flatten(1)), c=C(1, 4, 3), l=L(72, 4)))
    net("halves", Of(lambda s, x: s.l(s.c(x)[:, 1:3, 1:-1, ::2].flatten(1)), c=C(1, 4, 3), l=L(24, 4)))
    net("shuffle", Of(lambda s, x: s.l(s.d(s.c(x).view(-1, 2, 2, 6, 6).transpose(1, 2).reshape(-1, 4, 6, 6)).flatten(1)), c=C(1, 4, 3), d=C(4, 2, 3, groups=2), l=L(32, 4)))
    net("pixel_shuffle", Of(lambda s, x: s.l(F.pixel_shuffle(s.c(x), 2).flatten(1)), c=C(1, 4, 3), l=L(144, 4)))
    net("space_to_depth", Of(lambda s, x: s.l(s.c(F.pixel_unshuffle(x, 2)).flatten(1)), c=C(4, 4, 3), l=L(16, 4)))
    net("depthwise", S(C(2, 4, 3, groups=2, padding=2, dilation=2), norm(4), Square(), C(4, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), L(3, 4)), shape=(2, 8, 8))
    net("conv1d", S(nn.Conv1d(2, 4, 5, stride=2, padding=2), norm(4, 1), Square(), nn.AvgPool1d(2), nn.Flatten(), L(32, 3)), shape=signal)
    net("conv1d_mean", Of(lambda s, x: s.l(s.c(x).square().mean(-1)), c=nn.Conv1d(2, 4, 3, dilation=2), l=L(4, 3)), shape=signal)
    net("ecg", S(nn.Conv1d(1, 4, 7, padding="same"), norm(4, 1), Square(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), L(4, 2)), shape=(1, 48))
    net("sum_rows", Of(lambda s, x: s.l(s.c(x).sum((2, 3))), c=C(1, 5, 3), l=L(5, 4)))
    net("mean_channels", Of(lambda s, x: s.l(s.c(x).mean(1, keepdim=True).flatten(1)), c=C(1, 5, 3), l=L(36, 4)))
    net("sum_columns", Of(lambda s, x: s.l(s.c(x).sum(3).flatten(1)), c=C(1, 5, 3), l=L(30, 4)))
    net("bias_by_hand", Of(lambda s, x: s.l((s.c(x) * s.k - s.m).flatten(1)) / 3 + 1, c=C(1, 3, 3, bias=False), k=numbers(3, 1, 1), m=numbers(1, 3, 1, 1), l=L(108, 4)))
    net("normalised_inside", Of(lambda s, x: s.l(((x - s.m) / s.d).flatten(1)), m=numbers(3, 1, 1), d=np.abs(numbers(3, 1, 1)) + 0.5, l=L(192, 4)), shape=(3, 8, 8))
    net("norm_first", S(norm(3), C(3, 4, 3, padding=1), Square(), nn.Flatten(), norm(256, 1), L(256, 4)), shape=(3, 8, 8))
    net("einsum", Of(lambda s, x: torch.einsum("bi,oi->bo", s.c(x).flatten(1), s.w), c=C(1, 3, 3), w=numbers(4, 108)))
    net("mixer", Of(lambda s, x: s.l(s.b(s.a(x.flatten(2).transpose(1, 2)).transpose(1, 2)).square().flatten(1)), a=L(3, 4), b=L(64, 5), l=L(20, 4)), shape=(3, 8, 8))
    net("last_axis", Of(lambda s, x: s.l(s.a(x).square().flatten(1)), a=L(8, 3), l=L(24, 4)))
    net("channels_last_inside", Of(lambda s, x: s.l(s.a(s.c(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2).square().flatten(1)), c=C(1, 3, 3), a=L(3, 5), l=L(180, 4)))
    net("transposed_conv", Of(lambda s, x: s.l(s.t(s.c(x)).flatten(1)), c=C(1, 2, 3, stride=2), t=nn.ConvTranspose2d(2, 2, 3, stride=2), l=L(98, 4)))
    net("transposed_conv_same", S(C(1, 2, 3), nn.ConvTranspose2d(2, 2, 3, padding=1), Square(), nn.Flatten(), L(72, 4)))
    net("upsampled", S(C(1, 2, 3, stride=2), nn.Upsample(scale_factor=2), C(2, 2, 3), Square(), nn.Flatten(), L(32, 4)))
    net("zero_padded", S(nn.ZeroPad2d((1, 2, 0, 1)), C(1, 3, 3), Square(), nn.Flatten(), L(189, 4)))
    net("softmax", S(nn.Flatten(), L(64, 9), Square(), L(9, 4), nn.Softmax(1)), behind="softmax")
    net("log_softmax_exp", Of(lambda s, x: F.log_softmax(s.l(x.flatten(1)) / 2.5, -1).exp(), l=L(64, 4)), behind="softmax")
    net("argmax", Of(lambda s, x: s.l(x.flatten(1)).softmax(1).argmax(1), l=L(64, 4)), behind="class")
    net("sigmoid", Of(lambda s, x: torch.sigmoid(s.l(x.flatten(1).square())).squeeze(1), l=L(64, 1)), behind="sigmoid")
    net("two_step", Of(lambda s, x: s.l(s.c(x).flatten(2).flatten(1)), c=C(1, 3, 3), l=L(108, 4)))
    net("half_weights", Of(lambda s, x: F.linear(s.c(x).flatten(1), s.w.float(), s.v.float()), c=C(1, 3, 3), w=numbers(4, 108).astype(np.float16), v=numbers(4).astype(np.float16)))
    net("weight_norm", Of(lambda s, x: s.l(s.c(x).square().flatten(1)), c=nn.utils.parametrizations.weight_norm(C(1, 3, 3)), l=nn.utils.parametrizations.weight_norm(L(108, 4))))
    net("vector", S(L(30, 12), norm(12, 1), Square(), nn.Dropout(), L(12, 3)), shape=(30,), image=[1, 1, 30])

    for k, (name, (module, shape, more)) in enumerate(nets.items()):
        module = module.eval()
        x = torch.from_numpy(numbers(3, *shape, scale=1.0))
        for exporter in ("classic", "dynamo"):
            # One by each exporter in turn, unless all are asked for.
            if exporter != ("classic", "dynamo")[k % 2] and not os.environ.get("BOTH"):
                continue
            full = f"torch_{name}.{exporter}" if os.environ.get("BOTH") else f"torch_{name}"
            path = str(folder.path / f"{full}.onnx")
            try:
                if exporter == "classic":
                    torch.onnx.export(module, (x,), path, dynamo=False, opset_version=(13, 15, 17)[k % 3], input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})
                else:
                    torch.onnx.export(module, (x,), path, dynamo=True, external_data=False, dynamic_shapes=({0: torch.export.Dim("n")},), input_names=["x"], output_names=["y"], verbose=False)
                folder.add(full, f"PyTorch, {exporter}", x.numpy(), more.get("image"), None, more.get("behind"))
            except Exception as e:
                print("left out:", full, str(e).strip().splitlines()[0][:200])


def with_keras(folder):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf
    import tf2onnx
    from keras import layers as K

    keras.utils.set_random_seed(SEED)

    @keras.saving.register_keras_serializable()
    def quadratic(x):
        return 0.3 * x * x + 0.5 * x + 0.1

    square = keras.ops.square
    image, colour, signal = (8, 8, 1), (8, 8, 3), (32, 2)
    nets = {}

    def net(name, shape, build, **more):
        x = keras.Input(shape)
        nets[name] = (keras.Model(x, build(x)), shape, more)

    def chain(*parts):
        def build(x):
            for part in parts:
                x = part(x)
            return x

        return build

    def q(x):
        return K.Activation(quadratic)(x)

    D, C, F = K.Dense, K.Conv2D, K.Flatten
    net("cnn", image, chain(C(3, 3, strides=2, activation=square), F(), D(4)))
    net("cnn_colour", colour, chain(C(3, 3, padding="same", activation=quadratic), K.AveragePooling2D(2), C(4, 3), F(), D(8, activation=square), D(4)))
    net("mlp", image, chain(F(), D(10, activation=quadratic), D(4)))
    net("mlp_colour", colour, chain(F(), D(10, activation=square), D(4)))
    net("vector", (30,), chain(D(12, activation=quadratic), D(3)), image=[1, 1, 30])
    net("norm", colour, chain(C(4, 3, use_bias=False), K.BatchNormalization(), K.Activation(quadratic), F(), D(4)))
    net("norm_first", colour, chain(K.BatchNormalization(), C(4, 3, padding="same"), K.Activation(square), F(), D(4)))
    net("norm_dense", (20,), chain(D(8), K.BatchNormalization(), K.Activation(quadratic), D(4)), image=[1, 1, 20])
    net("global_pool", colour, chain(C(4, 3, activation=square), K.GlobalAveragePooling2D(), D(4)))
    net("global_pool_kept", colour, chain(C(4, 3, activation=square), K.GlobalAveragePooling2D(keepdims=True), C(4, 1), F()))
    net("rescaling", colour, chain(K.Rescaling(1 / 127.5, offset=-1), C(4, 3), F(), D(4)))
    net("softmax", colour, chain(C(4, 3, strides=2, activation=square), F(), D(4, activation="softmax")), behind="softmax")
    net("softmax_layer", image, chain(F(), D(4), K.Softmax()), behind="softmax")
    net("sigmoid", image, chain(C(3, 3, activation=square), F(), D(1, activation="sigmoid")), behind="sigmoid")
    net("residual", colour, lambda x: D(4)(F()(K.Add()([C(3, 3, padding="same", activation=quadratic)(x), x]))))
    net("residual_strided", colour, lambda x: D(4)(K.GlobalAveragePooling2D()(K.Add()([C(4, 3, padding="same", strides=2)(q(C(4, 3, padding="same")(x))), C(4, 1, strides=2)(x)]))))
    net("concatenate", colour, lambda x: D(4)(F()(K.Concatenate()([C(2, 3)(x), K.Activation(square)(C(3, 3)(x))]))))
    net("inception", colour, lambda x: D(4)(K.GlobalAveragePooling2D()(K.Concatenate()([C(2, 1)(x), C(2, 3, padding="same")(x), K.AveragePooling2D(1)(x)]))))
    net("depthwise", colour, chain(K.DepthwiseConv2D(3), C(4, 1, activation=square), F(), D(4)))
    net("separable", colour, chain(K.SeparableConv2D(4, 3, padding="same", activation=square), F(), D(4)))
    net("dilated", colour, chain(C(4, 3, dilation_rate=2, activation=square), F(), D(4)))
    net("zero_padding", colour, chain(K.ZeroPadding2D(((1, 0), (2, 1))), C(4, 3, strides=2, activation=square), F(), D(4)))
    net("cropping", colour, chain(C(4, 3), K.Cropping2D(1), F(), D(4)))
    net("conv1d", signal, chain(K.Conv1D(4, 5, strides=2, padding="same", activation=square), K.AveragePooling1D(2), F(), D(3)))
    net("conv1d_pool", signal, chain(K.Conv1D(4, 3, activation=quadratic), K.GlobalAveragePooling1D(), D(3)))
    net("conv1d_norm", (48, 1), chain(K.Conv1D(4, 7), K.BatchNormalization(), K.Activation(square), F(), D(2)))
    net("dense_on_pixels", colour, chain(D(4, activation=square), F(), D(4)))
    net("dense_on_steps", signal, chain(D(3, activation=quadratic), F(), D(4)))
    net("permute", colour, chain(K.Permute((3, 1, 2)), F(), D(4)))
    net("reshape", (64,), chain(K.Reshape((8, 8, 1)), C(3, 3, activation=square), F(), D(4)), image=[1, 8, 8])
    net("reshape_pooled", colour, chain(C(4, 3, strides=2), K.Reshape((9, 4)), K.Conv1D(3, 3), F(), D(4)))
    net("upsampling", image, chain(C(2, 3, strides=2), K.UpSampling2D(2), C(2, 3, activation=square), F(), D(4)))
    net("transposed_conv", image, chain(C(2, 3, strides=2), K.Conv2DTranspose(2, 3, strides=2), F(), D(4)))
    net("average_of_branches", image, lambda x: D(4)(F()(K.Average()([C(2, 3)(x), C(2, 3)(x)]))))
    net("dropout", image, chain(C(3, 3), K.Dropout(0.5), K.Activation(square), K.SpatialDropout2D(0.2), F(), D(4, activation="linear")))
    net("channels_first_input", (1, 8, 8), chain(K.Permute((2, 3, 1)), C(3, 3, activation=square), F(), D(4)), first=True)

    for k, (name, (model, shape, more)) in enumerate(nets.items()):
        for w in model.weights:
            # Statistics and biases as training would leave them, not as they start.
            if any(part in w.path for part in ("moving_mean", "bias", "beta")):
                w.assign(numbers(*w.shape, scale=0.3))
            if any(part in w.path for part in ("moving_variance", "gamma")):
                w.assign(np.abs(numbers(*w.shape, scale=0.3)) + 0.7)
        x = numbers(3, *shape, scale=1.0) + (100 if name == "rescaling" else 0)
        model(x)
        path = str(folder.path / f"keras_{name}.onnx")
        exporter = "Keras, tf2onnx" if k % 3 else "Keras, export"
        first = more.get("first")
        try:
            if k % 3:
                spec = (tf.TensorSpec((None, *shape), tf.float32, name="x"),)
                function = tf.function(lambda x: model(x, training=False), input_signature=spec)
                tf2onnx.convert.from_function(function, input_signature=spec, opset=(13, 15, 17)[k % 3], output_path=path, inputs_as_nchw=["x:0"] if name == "cnn_colour" else None)
            else:
                model.export(path, format="onnx", verbose=False)
            given = np.moveaxis(x, -1, 1) if name == "cnn_colour" and k % 3 else x
            last = given is x and len(shape) > 1 and not first
            folder.add(f"keras_{name}", exporter, np.ascontiguousarray(given), more.get("image"), None, more.get("behind"), last)
        except Exception as e:
            print("left out:", name, type(e).__name__, str(e).strip()[:200])


def with_sklearn(folder):
    import onnx
    from skl2onnx import to_onnx
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
    import warnings

    warnings.simplefilter("ignore")
    x = numbers(120, 12, scale=1.0)
    two = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(int)
    three = two + (x[:, 3] > 1)
    names = np.array(["healthy", "ill", "unsure"])
    real = x[:, 0] - 2 * x[:, 3] + 0.1
    mlp = dict(max_iter=30, random_state=0)

    def add(name, model, target, behind="softmax", opset=17, **options):
        model.fit(x, target)
        proto = to_onnx(model, x[:1], options=options or None, target_opset=opset)
        onnx.save(proto, folder.path / f"sklearn_{name}.onnx")
        try:
            folder.add(f"sklearn_{name}", "scikit-learn, skl2onnx", x[:5], [1, 1, 12], None, behind)
        except Exception as e:
            print("left out:", name, type(e).__name__, str(e).strip()[:300])

    def raw(model):
        return {id(model): {"zipmap": False}}

    def classifier(name, model, target, behind, **more):
        model.fit(x, target)
        proto = to_onnx(model, x[:1], options={id(model): {"zipmap": False, **more}}, target_opset=more.pop("opset", 17))
        onnx.save(proto, folder.path / f"sklearn_{name}.onnx")
        folder.add(f"sklearn_{name}", "scikit-learn, skl2onnx", x[:5], [1, 1, 12], None, behind)

    for act in ("identity", "relu"):
        classifier(f"mlp_{act}", MLPClassifier((8,), activation=act, **mlp), three, "softmax")
        classifier(f"mlp_{act}_two", MLPClassifier((8,), activation=act, **mlp), two, "pair")
        add(f"mlp_{act}_regressor", MLPRegressor(hidden_layer_sizes=(8,), activation=act, **mlp), real, None)
    classifier("mlp_deep", MLPClassifier((8, 6, 5), activation="identity", **mlp), three, "softmax")
    classifier("mlp_names", MLPClassifier((8,), activation="identity", **mlp), names[three], "softmax")
    classifier("mlp_names_two", MLPClassifier((8,), activation="identity", **mlp), names[two], "pair")
    classifier("logistic", LogisticRegression(), three, "softmax")
    classifier("logistic_two", LogisticRegression(), two, "sigmoid")
    classifier("logistic_raw", LogisticRegression(), three, None, raw_scores=True)
    classifier("logistic_scaled", make_pipeline(StandardScaler(), LogisticRegression()), three, "softmax")
    classifier("mlp_scaled", make_pipeline(StandardScaler(), MLPClassifier((8,), activation="identity", **mlp)), three, "softmax")
    classifier("mlp_min_max", make_pipeline(MinMaxScaler(), MLPClassifier((8,), activation="identity", **mlp)), three, "softmax")
    classifier("mlp_max_abs", make_pipeline(MaxAbsScaler(), MLPClassifier((8,), activation="identity", **mlp)), two, "pair")
    add("linear", LinearRegression(), real, None)
    add("linear_two", LinearRegression(), np.stack([real, real**2], 1), None)
    add("ridge", Ridge(), real, None)
    add("linear_scaled", make_pipeline(StandardScaler(), LinearRegression()), real, None)
    add("regressor_two", MLPRegressor(hidden_layer_sizes=(8,), activation="identity", **mlp), np.stack([real, real**2], 1), None)
    # As its users export it: with labels and the names of classes.
    for name, model, target, behind in [
        ("zipmap", MLPClassifier((8,), activation="identity", **mlp), names[three], "softmax"),
        ("zipmap_two", MLPClassifier((8,), activation="identity", **mlp), names[two], "pair"),
        ("zipmap_logistic", LogisticRegression(), names[three], "softmax"),
    ]:
        model.fit(x, target)
        plain = to_onnx(model, x[:1], options={id(model): {"zipmap": False}}, target_opset=17)
        onnx.save(plain, folder.path / f"sklearn_{name}.onnx")
        folder.add(f"sklearn_{name}", "scikit-learn, skl2onnx", x[:5], [1, 1, 12], None, behind)
        onnx.save(to_onnx(model, x[:1], target_opset=17), folder.path / f"sklearn_{name}.onnx")


def select(folder, other):
    import shutil

    chosen = Folder(other)
    for network in folder.networks:
        if network["name"] in SELECTED:
            shutil.copy(folder.path / f"{network['name']}.onnx", chosen.path)
            chosen.networks.append(network)
            for part in ("images", "scores"):
                chosen.answers[f"{network['name']}.{part}"] = folder.answers[f"{network['name']}.{part}"][:2]
    chosen.save()


SELECTED = """
    torch_view torch_residual torch_dense_block torch_split_channels torch_halves torch_pixel_shuffle torch_depthwise torch_conv1d torch_sum_columns
    torch_einsum torch_last_axis torch_transposed_conv torch_upsampled torch_argmax torch_half_weights torch_two_step torch_weight_norm torch_sigmoid
    keras_cnn keras_cnn_colour keras_mlp keras_norm_dense keras_global_pool keras_global_pool_kept keras_inception keras_residual_strided
    keras_softmax keras_sigmoid keras_zero_padding keras_cropping keras_conv1d keras_conv1d_pool keras_permute keras_dense_on_steps keras_vector
    sklearn_mlp_relu sklearn_mlp_names_two sklearn_mlp_scaled sklearn_zipmap sklearn_zipmap_two sklearn_zipmap_logistic sklearn_logistic_scaled
    sklearn_logistic_two sklearn_linear_scaled sklearn_regressor_two sklearn_mlp_deep
""".split()

if __name__ == "__main__":
    what, folder = sys.argv[1], Folder(sys.argv[2])
    if what == "select":
        select(folder, sys.argv[3])
    else:
        {"torch": with_torch, "keras": with_keras, "sklearn": with_sklearn}[what](folder)
        folder.save()
