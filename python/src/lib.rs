//! The Python module `beaa._beaa`: the library `beaa` as classes whose numbers are NumPy arrays.
//! `beaa/` has what is better said in Python; `beaa/_beaa.pyi` has the docs and types of all that
//! is here.

mod answers;
mod arrays;
mod ciphertexts;
mod client;
mod compile;
mod errors;
mod model;
mod program;
mod receipts;
mod server;
mod shards;
mod verify;
mod work;

use pyo3::prelude::*;

/// What of the package is written in Rust.
#[pymodule(name = "_beaa")]
mod module {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::{forbid_core_dumps, limit_memory};
    #[pymodule_export]
    use crate::answers::{Answers, Outside, Shared};
    #[pymodule_export]
    use crate::ciphertexts::{EncryptedImages, EncryptedResults, EvaluationKey, Receipt};
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::compile::compile;
    #[pymodule_export]
    use crate::model::{Model, import_onnx};
    #[pymodule_export]
    use crate::program::{Program, Signature};
    #[pymodule_export]
    use crate::server::Server;
    #[pymodule_export]
    use crate::shards::{Shard, ShardAnswer};
    #[pymodule_export]
    use crate::verify::verify;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// Forbids core dumps of this process, which would hold the keys of its clients.
#[pyfunction]
fn forbid_core_dumps() -> PyResult<()> {
    Ok(beaa::forbid_core_dumps()?)
}

/// Sets the bytes of memory that one piece of work of this process may take.
#[pyfunction]
fn limit_memory(bytes: u64) {
    beaa::limit_memory(bytes);
}
