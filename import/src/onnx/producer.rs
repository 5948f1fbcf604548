//! Which exporter wrote a file: remedies are in its words.

/// The exporters that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Producer {
    PyTorch,
    /// Through tf2onnx, or by Keras itself.
    Keras,
    /// Through skl2onnx.
    ScikitLearn,
    Other,
}

impl Producer {
    /// From what a file says of its producer.
    pub(crate) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|w| name.contains(w));
        match () {
            () if has(&["pytorch", "torch"]) => Self::PyTorch,
            () if has(&["tf2onnx", "keras", "tensorflow"]) => Self::Keras,
            () if has(&["skl2onnx", "onnxmltools"]) => Self::ScikitLearn,
            () => Self::Other,
        }
    }

    /// What to train in place of an activation that has no counterpart.
    pub(crate) fn quadratic(self) -> &'static str {
        match self {
            Self::PyTorch | Self::Other => "train with a quadratic `a*x**2 + b*x + c` in its place",
            Self::Keras => {
                "train with a quadratic in its place: `activation=lambda x: a * x * x + b * x + c`, or an own layer"
            }
            Self::ScikitLearn => {
                "train with activation='relu' and distil a student, or build the network with quadratics in PyTorch or \
                 Keras: MLPClassifier has none"
            }
        }
    }

    /// How to export a network as it is used, not as it is trained.
    pub(crate) fn inference(self) -> &'static str {
        match self {
            Self::PyTorch | Self::Other => "call model.eval() before the export",
            Self::Keras => "export the model for inference: build it with training=False",
            Self::ScikitLearn => "export the fitted model again",
        }
    }

    /// How to give an average pooling a counterpart.
    pub(crate) fn uncounted_padding(self) -> &'static str {
        match self {
            Self::Keras => {
                "use padding='valid' in AveragePooling2D: with 'same' the mean at the edge is of fewer pixels"
            }
            _ => "use count_include_pad=True, or a pooling without padding",
        }
    }

    /// How to choose another version of the operators.
    pub(crate) fn later_operators(self) -> &'static str {
        match self {
            Self::PyTorch | Self::Other => "export with a later opset_version",
            Self::Keras => "export with a later operator set: `python -m tf2onnx.convert --opset 15`",
            Self::ScikitLearn => "export with a later operator set: `to_onnx(..., target_opset=15)`",
        }
    }

    /// How to export a network of one input.
    pub(crate) fn one_input(self) -> &'static str {
        match self {
            Self::PyTorch | Self::Other => "export a module whose forward takes one tensor",
            Self::Keras => "export a model with one Input",
            Self::ScikitLearn => {
                "export with one tensor for all columns: `initial_types=[('x', FloatTensorType([None, n]))]`"
            }
        }
    }

    /// How to export in single precision.
    pub(crate) fn single_precision(self) -> &'static str {
        match self {
            Self::PyTorch | Self::Other => "export in float32, with the normalisation left out",
            Self::Keras => "export with an Input of dtype float32, the Rescaling layer left out",
            Self::ScikitLearn => "export with `initial_types=[('x', FloatTensorType([None, n]))]`",
        }
    }
}
