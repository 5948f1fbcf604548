//! Logits of a model by Burn, batch by batch: those of [`beaa_ir::evaluate`], up to rounding.

use beaa_datasets::Images;
use beaa_ir::Model;
use beaa_ir::images::ImageMajor;

use crate::config::DeviceKind;
use crate::device;
use crate::error::{Error, Result};
use crate::model::network::Network;
use crate::train::evaluate::answers;

/// Computes the logits of every image, in order.
///
/// # Errors
/// [`Error::Data`] if the images are not of the model's shape, [`Error::NoDevice`] if there is no
/// such device.
pub fn predict(model: &Model, images: &Images, device: DeviceKind) -> Result<ImageMajor<f32>> {
    if images.shape() != model.input().shape {
        return Err(Error::Data {
            operation: "predicting",
            found: format!("images of {:?}", images.shape()),
            expected: format!("{:?} (channels, rows, columns), as `{}` wants", model.input().shape, model.name()),
            remedy: "use the data set that the model was trained on",
        });
    }
    let device = device::open(device)?;
    let network = Network::new(model, &device, false)?;
    Ok(answers(&network, model, images, &device)?.logits)
}
