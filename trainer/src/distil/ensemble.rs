//! One teacher of several networks: the mean of their logits, which a student can learn from as
//! from any other network.

use beaa_ir::{Layer, LayerOp, Model, Provenance, Tensor};

use crate::error::{Error, Result};

/// One network of all layers of `models`, side by side, whose logits are the mean of theirs.
///
/// # Errors
/// [`Error::Data`] when one of them has other images or classes than the first, or does not end
/// with a linear layer.
///
/// # Panics
/// Without a model.
pub(crate) fn ensemble(models: Vec<Model>) -> Result<Model> {
    let count = models.len();
    assert!(count > 0, "an ensemble of no network");
    let mut models = models.into_iter().map(Model::into_literal).enumerate();
    let Some((_, mut whole)) = models.next() else { unreachable!("{count} models") };
    if count == 1 {
        return Ok(whole.try_into()?);
    }
    let (name, share) = (whole.name.clone(), 1.0 / count as f32);
    let mut layers = std::mem::take(&mut whole.layers);
    (whole.accuracy, whole.provenance) = (None, Provenance::default());
    let refused = |found: String, expected: &str| Error::Data {
        operation: "taking several networks for one teacher",
        found,
        expected: expected.to_owned(),
        remedy: "leave the network out of `teacher.also`",
    };
    let scale = |op: Option<&mut LayerOp>, name: &str| {
        let Some(LayerOp::Linear(linear)) = op else {
            return Err(refused(format!("`{name}`, which ends with no linear layer"), "logits that one computes"));
        };
        linear.weight = scaled(&linear.weight, share)?;
        linear.bias = linear.bias.as_ref().map(|bias| scaled(bias, share)).transpose()?;
        Ok(())
    };
    scale(layers.last_mut().map(|l| &mut l.op), &name)?;
    for (number, mut next) in models {
        if next.input != whole.input || next.classes != whole.classes || next.threshold != whole.threshold {
            return Err(refused(format!("`{}` for other images or classes", next.name), &format!("those of `{name}`")));
        }
        scale(next.layers.last_mut().map(|l| &mut l.op), &next.name)?;
        let renamed = |layer: &str| format!("{layer}.{number}");
        let sum = layers.last().map(|l| l.name.clone()).unwrap_or_else(|| unreachable!("it ends with a linear layer"));
        layers.push(Layer { name: renamed("branch"), op: LayerOp::Branch { from: "input".to_owned() } });
        for mut layer in next.layers {
            layer.name = renamed(&layer.name);
            match &mut layer.op {
                LayerOp::Add { with: other } | LayerOp::Branch { from: other } if other != "input" => {
                    *other = renamed(other);
                }
                _ => {}
            }
            layers.push(layer);
        }
        layers.push(Layer { name: renamed("mean"), op: LayerOp::Add { with: sum } });
    }
    whole.layers = layers;
    Ok(whole.try_into()?)
}

/// `factor` times `tensor`.
fn scaled(tensor: &Tensor, factor: f32) -> Result<Tensor> {
    Ok(Tensor::new(tensor.shape().to_vec(), tensor.data().iter().map(|v| v * factor).collect())?)
}
