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
/// [`Error::Data`] if the images are not of the model's shape or not of its kind of numbers,
/// [`Error::NoDevice`] if there is no such device.
pub fn predict(model: &Model, images: &Images, device: DeviceKind) -> Result<ImageMajor<f32>> {
    let images = &*images.preprocessed(model.input().preprocessing.as_ref())?;
    if images.shape() != model.input().shape {
        return Err(Error::Data {
            operation: "predicting",
            found: format!("images of {:?}", images.shape()),
            expected: format!("{:?} (channels, rows, columns), as `{}` wants", model.input().shape, model.name()),
            remedy: "use the data set that the model was trained on",
        });
    }
    let (takes, are) = (model.input().values.are_pixels(), images.reals().is_none());
    if takes != are {
        let kind = |pixels: bool| if pixels { "8-bit pixels" } else { "real numbers" };
        return Err(Error::Data {
            operation: "predicting",
            found: kind(are).to_owned(),
            expected: format!("{}, as `{}` wants", kind(takes), model.name()),
            remedy: "use the data set that the model was trained on",
        });
    }
    let device = device::open(device)?;
    let network = Network::new(model, &device, false)?;
    Ok(answers(&network, model, images, &device)?.logits)
}
