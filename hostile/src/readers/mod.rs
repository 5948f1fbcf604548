//! Every reader of files that may come from anybody: what a command does with such a file, as far
//! as it is cheap.

mod ckks;
mod compiling;
mod data;
mod import;
mod models;
mod texts;
#[cfg(feature = "tfhe")]
mod tfhe;
mod training;

use anyhow::Result;

use crate::mutate::Structure;
use crate::reader::{Good, Reader};
use crate::scratch::Scratch;

/// A reader of files that lie in its folder of fuzz/seeds.
const fn reader(
    name: &'static str,
    structure: Structure,
    inputs: u32,
    read: fn(&Scratch, &[u8]) -> Result<()>,
) -> Reader {
    let checked = matches!(structure, Structure::Container);
    Reader { name, structure, checked, good: Good::Files(&[]), read, inputs }
}

/// All of them.
pub const READERS: &[Reader] = &[
    reader("program", Structure::Container, 8000, ckks::program),
    reader("program-run", Structure::Container, 400, ckks::program_run),
    reader("signature", Structure::Container, 6000, ckks::signature),
    reader("secret-key", Structure::Container, 2500, ckks::secret_key),
    Reader {
        good: Good::Made(ckks::protected_keys),
        ..reader("protected-key", Structure::Container, 2500, ckks::protected_key)
    },
    reader("evaluation-key", Structure::Container, 1000, ckks::evaluation_key),
    reader("images", Structure::Container, 1000, ckks::images),
    reader("answers", Structure::Container, 1500, ckks::answers),
    reader("receipt", Structure::Container, 4000, ckks::receipt),
    #[cfg(feature = "tfhe")]
    reader("tfhe-program", Structure::Container, 8000, tfhe::program),
    #[cfg(feature = "tfhe")]
    reader("tfhe-signature", Structure::Container, 5000, tfhe::signature),
    #[cfg(feature = "tfhe")]
    reader("tfhe-secret-key", Structure::Container, 2500, tfhe::secret_key),
    #[cfg(feature = "tfhe")]
    reader("tfhe-images", Structure::Container, 3000, tfhe::images),
    #[cfg(feature = "tfhe")]
    reader("tfhe-answers", Structure::Container, 2000, tfhe::answers),
    #[cfg(feature = "tfhe")]
    reader("tfhe-receipt", Structure::Container, 2000, tfhe::receipt),
    #[cfg(feature = "tfhe")]
    Reader {
        good: Good::Made(tfhe::evaluation_keys),
        ..reader("tfhe-evaluation-key", Structure::Container, 40, tfhe::evaluation_key)
    },
    Reader {
        checked: true,
        good: Good::Files(&[("tests/data/v1/model.safetensors", ""), ("tests/data/v2/model.safetensors", "")]),
        ..reader("model", Structure::Safetensors, 10_000, models::model)
    },
    reader("model-compile", Structure::Safetensors, 400, compiling::ckks),
    #[cfg(feature = "tfhe")]
    reader("model-compile-tfhe", Structure::Safetensors, 300, compiling::tfhe),
    reader("training", Structure::Json, 1000, training::configuration),
    reader("checkpoint-state", Structure::Json, 1000, training::state),
    reader("checkpoint-optimiser", Structure::Bytes, 500, training::optimiser),
    reader("checkpoint-teacher", Structure::Safetensors, 500, training::teacher),
    reader("checkpoint-student", Structure::Safetensors, 500, training::student),
    Reader {
        good: Good::Files(&[
            ("tests/data/import", "onnx"),
            ("tests/data/import/networks", "onnx"),
            ("tests/data/import/operators", "onnx"),
        ]),
        ..reader("onnx", Structure::Protobuf, 10_000, import::onnx)
    },
    reader("state-dictionary", Structure::Safetensors, 5000, import::state_dictionary),
    reader("architecture", Structure::Json, 5000, import::architecture),
    Reader {
        good: Good::Files(&[("configs", "json")]),
        ..reader("configuration", Structure::Json, 6000, texts::configuration)
    },
    Reader {
        good: Good::Files(&[("configs/experiments", "json")]),
        ..reader("matrix", Structure::Json, 1500, texts::matrix)
    },
    reader("results", Structure::JsonLines, 3000, texts::results),
    reader("metrics", Structure::JsonLines, 3000, texts::metrics),
    reader("rates", Structure::Json, 4000, texts::rates),
    reader("labels", Structure::Json, 4000, texts::labels),
    reader("shard", Structure::Json, 4000, texts::shard),
    reader("data-set", Structure::Json, 2500, data::description),
    reader("class-names", Structure::Bytes, 1000, data::class_names),
    reader("idx-images", Structure::Gzip, 4000, data::idx_images),
    reader("idx-labels", Structure::Gzip, 2000, data::idx_labels),
    reader("cifar", Structure::Gzip, 1500, data::cifar),
    reader("medmnist", Structure::Zip, 3000, data::medmnist),
    reader("npy", Structure::Bytes, 4000, data::npy),
    reader("npz", Structure::Zip, 3000, data::npz),
    reader("csv", Structure::Bytes, 5000, data::csv),
    reader("rows", Structure::Gzip, 3000, data::rows),
    reader("png", Structure::Png, 4000, data::png),
    Reader {
        good: Good::Files(&[("tests/data/pictures", "jpg")]),
        ..reader("jpeg", Structure::Bytes, 4000, data::jpeg)
    },
    reader("folder", Structure::Png, 1000, data::folder),
];
