//! Restores an optimiser from the record of a checkpoint. Burn trusts a record: it panics on one
//! that is not of the network, and starts anew without a word where a part is missing. So a record
//! is compared first with the one that a single step leaves.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Bytes, Tensor};
use burn_pack::{Reader, Scalar};

use crate::model::network::Network;

/// What a record has, and what it should have.
type Difference = (String, String);

/// Gives `fresh`, an optimiser of `network` before its first step, the state in `record`.
///
/// # Errors
/// What in the record no optimiser of this network writes, or what it lacks, and what should be
/// there.
pub(crate) fn restored(
    fresh: ModuleOptimizer,
    network: &Network,
    record: Vec<u8>,
) -> Result<ModuleOptimizer, Difference> {
    let unreadable = |e: &dyn std::fmt::Debug| (format!("{e:?}"), "a record of Burn's optimisers".to_owned());
    let mut expected = fresh.clone();
    expected.step(0.0, network.clone(), zero_gradients(network));
    let expected = expected.into_bytes().map_err(|e| unreadable(&e))?;
    let mut expected = entries(expected).map_err(|e| unreadable(&e))?;
    let record = Bytes::from_bytes_vec(record);
    let found = entries(record.clone()).map_err(|e| unreadable(&e))?;
    // Parameters without a gradient so far have no state.
    let known: BTreeSet<&str> = found.keys().map(|name| parameter(name)).collect();
    expected.retain(|name, _| known.contains(parameter(name)));
    let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    for name in names {
        let [is, should] = [&found, &expected].map(|all| all.get(name).map_or("nothing", String::as_str));
        if is != should {
            return Err((format!("{is} for `{name}`"), should.to_owned()));
        }
    }
    fresh.from_bytes(record).map_err(|e| unreadable(&e))
}

/// The name of each tensor and number in a record, and what is known of it but its value; of ranks
/// that too.
fn entries(record: Bytes) -> Result<BTreeMap<String, String>, burn_pack::Error> {
    let reader = Reader::from_bytes(record)?;
    let scalars = reader.scalars().iter().map(|(name, value)| {
        let kind = match value {
            rank if name.ends_with(".__rank") => format!("{rank:?}"),
            Scalar::Int(_) => "a signed number".to_owned(),
            Scalar::UInt(_) => "a number".to_owned(),
            Scalar::Float(_) => "a fraction".to_owned(),
            Scalar::Bool(_) => "yes or no".to_owned(),
        };
        (name.clone(), kind)
    });
    let mut entries: BTreeMap<String, String> = scalars.collect();
    for tensor in reader.into_tensors()? {
        let (shape, bytes) = (tensor.shape.to_vec(), tensor.byte_len());
        let kind = format!("{:?} {shape:?} in {bytes} bytes of parameter {:?}", tensor.dtype, tensor.param_id);
        // A number of the same name would make it two things.
        entries.entry(tensor.name).and_modify(|both| both.push_str(" and a tensor")).or_insert(kind);
    }
    Ok(entries)
}

/// The parameter to which an entry belongs.
fn parameter(name: &str) -> &str {
    name.split_once('.').map_or(name, |(id, _)| id)
}

/// A gradient of zeros for every parameter that learns.
fn zero_gradients(network: &Network) -> GradientsParams {
    struct Zeros(GradientsParams);
    impl ModuleVisitor for Zeros {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0.register(param.id, param.val().inner().zeros_like());
            }
        }
    }
    let mut zeros = Zeros(GradientsParams::new());
    network.visit(&mut zeros);
    zeros.0
}
