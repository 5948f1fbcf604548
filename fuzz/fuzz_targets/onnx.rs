//! Files for the reader `onnx`.
#![no_main]

beaa_fuzz::target!("onnx");
