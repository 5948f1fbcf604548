//! Walks a program step by step on either backend, keeping every value: at parameters that no
//! command would accept.

use beaa_ckks::{Batch, EvaluationKey, Parameters, ParametersLiteral, SecretKey, SecretRng};
use beaa_ckks::{CiphertextId, Decryptor, Encoding, Encryptor};
use beaa_ir::ckks::{Program, StepOp, ValueId};
use beaa_ir::images::ImageMajor;
use beaa_runtime::backend::{Backend, Sequence, arrange};
use beaa_runtime::ckks::{CkksBackend, CkksValue};
use beaa_runtime::plaintext::{PlaintextBackend, PlaintextValue};

/// Every value of the program in clear.
pub(crate) fn in_clear(program: &Program, images: &ImageMajor<f32>) -> Vec<PlaintextValue> {
    let backend = PlaintextBackend::new(&program.signature().parameters.moduli);
    let images = program.signature().reads.of(images).unwrap();
    let first = backend.input(program.values()[0], &images).unwrap();
    values(&backend, program, first)
}

/// Every value of the program encrypted, then decrypted: `[value][element][image]`. INSECURE, by
/// seed.
pub(crate) fn encrypted(program: &Program, images: &ImageMajor<f32>, seed: u64) -> Vec<Vec<Vec<f64>>> {
    let signature = program.signature();
    let set = &signature.parameters;
    let literal = ParametersLiteral {
        degree: set.degree,
        moduli: set.moduli.clone(),
        special: set.special.clone(),
        security: set.security,
    };
    let p = Parameters::without_security(literal).unwrap();
    let mut rng = SecretRng::insecure(seed, "random models");
    let secret = SecretKey::generate(&p, &mut rng);
    let key = EvaluationKey::generate(&secret, &mut rng);
    let encryptor = Encryptor::new(&p, &secret).unwrap();
    let decryptor = Decryptor::new(&p, &secret).unwrap();
    let (n, limbs, scale) = (p.degree(), signature.input_limbs, signature.input_scale);
    let images = signature.reads.of(images).unwrap();
    let batch = Batch::build(&p, limbs, 2, program.values()[0].len, |i, out| {
        let mut rng = SecretRng::insecure(seed.wrapping_mul(1_000_003).wrapping_add(i as u64), "images");
        let slots: Vec<f64> = images.rows().map(|image| f64::from(image[i])).collect();
        let id = CiphertextId { seed: [seed as u8; 32], index: i as u64 };
        let (b, a) = out.split_at_mut(limbs * n);
        encryptor.encrypt(&slots, Encoding { scale, limbs }, id, &mut rng, b)?;
        a.copy_from_slice(&id.expand_a(&p, limbs)?);
        Ok(())
    });
    let first = CkksValue::new(batch.unwrap(), scale);
    let open = |v: &CkksValue<'_>| {
        let batch = v.batch().unwrap();
        let slots = |i| decryptor.decrypt(&batch, i, v.scale()).unwrap();
        (0..batch.len()).map(|i| slots(i)[..images.images()].to_vec()).collect()
    };
    values(&CkksBackend::new(&p, &key).unwrap(), program, first).iter().map(open).collect()
}

fn values<B: Backend>(backend: &B, program: &Program, first: B::Value) -> Vec<B::Value> {
    let mut all = vec![first];
    for (i, step) in program.steps().iter().enumerate() {
        let next = match &step.op {
            StepOp::Linear { .. } | StepOp::Square { .. } | StepOp::ScaleUp { .. } => {
                let steps = std::slice::from_ref(step);
                let mut ids: Vec<_> = step.op.inputs().collect();
                ids.sort_unstable();
                ids.dedup();
                let inputs: Vec<(ValueId, &B::Value)> = ids.into_iter().map(|id| (id, &all[id])).collect();
                let weights = arrange(i, steps, |t| backend.arrange(t)).unwrap();
                backend.fused(&Sequence::new(i, steps, &weights, &inputs).unwrap()).map(|done| done.value)
            }
            StepOp::Relinearise { input } => backend.key_switch(&all[*input], true, 0).map(|done| done.value),
            StepOp::Rescale { input } => backend.key_switch(&all[*input], false, 1).map(|done| done.value),
            StepOp::DropLimbs { input, limbs } => backend.drop_limbs(&all[*input], *limbs),
        };
        all.push(next.unwrap());
    }
    all
}
