//! The client's subcommands for look-up programs. Must never write pixels, and keys only with mode 0600.

use anyhow::{Context as _, Result};
use beaa_ir::tfhe::load_signature;
use beaa_lab::files;
use beaa_runtime::tfhe::{self, ClientKey, EncryptedOutput, KeyPair};
use serde_json::json;

use crate::commands::labels::Labels;
use crate::commands::{decrypt, encrypt, keygen};
use crate::context::Context;
use crate::progress::Work;

pub(crate) fn keygen(arguments: &keygen::Arguments, context: &Context) -> Result<()> {
    let doing = || format!("reading program {}", arguments.program.display());
    let interface = load_signature(&arguments.program).with_context(doing)?;
    let (secret, evaluation) = arguments.places()?;
    let KeyPair { client, server } = tfhe::keygen(&interface.signature.parameters, arguments.seed)?;
    client.save(&secret).with_context(|| format!("writing {}", secret.display()))?;
    server.save(&evaluation).with_context(|| format!("writing {}", evaluation.display()))?;
    arguments.print(client.id(), server.bytes(), context)
}

pub(crate) fn encrypt(arguments: &encrypt::Arguments, context: &Context) -> Result<()> {
    let doing = || format!("reading program {}", arguments.program.display());
    let interface = load_signature(&arguments.program).with_context(doing)?;
    let key = ClientKey::load(&arguments.key).with_context(|| format!("reading key {}", arguments.key.display()))?;
    let signature = &interface.signature;
    // One image unless more are asked for: each takes seconds.
    let most = arguments.part.limit.unwrap_or(1).max(arguments.images.len());
    let (images, data_set) = encrypt::images(arguments, signature.input.shape, most, context)?;
    let pixels: Vec<&[u8]> = (0..images.len()).filter_map(|i| images.image(i)).collect();
    let encrypted =
        tfhe::encrypt(signature, &interface.program, &key, &pixels, arguments.seed, &Work::new(&context.console))?;
    files::parent(&arguments.out)?;
    let size = encrypted.save(&arguments.out).with_context(|| format!("writing {}", arguments.out.display()))?;
    if let Some(path) = &arguments.labels {
        let labels = Labels { data_set, split: arguments.part.split.clone(), labels: images.labels().to_vec() };
        files::write_json(path, &labels)?;
    }
    let result = json!({
        "file": arguments.out, "images": images.len(), "bytes": size,
        "bytes_per_image": size as f64 / images.len() as f64, "insecure_seed": arguments.seed,
    });
    context.print(&result, || {
        let each = files::bytes(size as f64 / images.len() as f64);
        format!(
            "{} images: {}, {} ({each} for each)\n",
            images.len(),
            arguments.out.display(),
            files::bytes(size as f64)
        )
    })
}

/// The outputs of each image.
pub(crate) fn decrypt(arguments: &decrypt::Arguments, context: &Context) -> Result<Vec<Vec<f64>>> {
    let doing = || format!("reading program {}", arguments.program.display());
    let interface = load_signature(&arguments.program).with_context(doing)?;
    let key = ClientKey::load(&arguments.key).with_context(|| format!("reading key {}", arguments.key.display()))?;
    let output =
        EncryptedOutput::load(&arguments.input).with_context(|| format!("reading {}", arguments.input.display()))?;
    if arguments.share.is_some() {
        context.console.note("results are exact integers without any noise of the encryption: nothing is to be hidden");
    }
    let integers = tfhe::decrypt(&interface.signature, &interface.program, &key, &output)?;
    Ok(integers.iter().map(|i| interface.signature.logits(i)).collect())
}
