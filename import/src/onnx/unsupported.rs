//! Operators that have no counterpart in a model, and what to train or export in their stead.

use super::producer::Producer;

/// What to do about operators for which there is more to say than that they are not known.
pub(crate) fn unsupported_hint(operator: &str, producer: Producer) -> Option<&'static str> {
    Some(match operator {
        "Sigmoid" | "Tanh" | "HardSigmoid" | "HardSwish" | "LeakyRelu" | "PRelu" | "Elu" | "Selu" | "Celu" | "Gelu"
        | "Mish" | "Softplus" | "Softsign" | "Clip" | "Erf" | "Exp" | "Log" | "ThresholdedRelu" | "Swish" => {
            producer.quadratic()
        }
        "MaxPool" | "GlobalMaxPool" | "LpPool" | "GlobalLpPool" => "train with average pooling in its place",
        "LayerNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "LpNormalization"
        | "MeanVarianceNormalization"
        | "LRN"
        | "RMSNormalization" => "train with batch normalisation in its place: its statistics are constants",
        "LSTM" | "GRU" | "RNN" | "Loop" | "If" | "Scan" | "Attention" => "use a network without loops and conditions",
        "QuantizeLinear"
        | "DequantizeLinear"
        | "DynamicQuantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger" => "export the network in float32; the compiler chooses integer weights itself",
        _ => return None,
    })
}
