//! How the pixels of a run become numbers: as a trained teacher takes them, as the configuration
//! says, or by the statistics of the data set.

use beaa_datasets::Dataset;
use beaa_ir::{InputSpec, Model, load_model};

use crate::config::{Normalisation, TrainLiteral};
use crate::data::splits::input_values;
use crate::error::{Error, Problem, Result};

/// The input of the networks of a run, and a sentence about it where it is not the data set's.
/// `teacher` is the one that the caller distils from.
///
/// # Errors
/// [`Error::Config`] if the configured numbers are not one for each channel, or contradict the
/// teacher's; [`Error::Model`] if the teacher's file cannot be read.
pub(crate) fn input_spec(
    dataset: &Dataset,
    literal: &TrainLiteral,
    teacher: Option<&Model>,
) -> Result<(InputSpec, Option<String>)> {
    let shape = dataset.shape();
    let pixels = InputSpec::pixels(shape, dataset.mean().to_vec(), dataset.std().to_vec());
    let preprocessing = dataset.preprocessing().cloned();
    let of_data = InputSpec { values: input_values(dataset), preprocessing, ..pixels };
    let configured = literal.data.normalisation.as_ref().map(|n| configured(n, &of_data)).transpose()?;
    let of_teacher = match (&literal.teacher.model, teacher) {
        (Some(_), Some(teacher)) => Some(teacher.input().clone()),
        (Some(path), None) => Some(load_model(path)?.input().clone()),
        (None, _) => None,
    };
    // One for other images or columns is refused when it is taken.
    let columns = |input: &InputSpec| input.reals().map(|r| r.names.clone());
    let same_images = |input: &InputSpec| input.shape == shape && input.preprocessing == of_data.preprocessing;
    let of_teacher = of_teacher.filter(|input| same_images(input) && columns(input) == columns(&of_data));
    let words = |from: &str, input: &InputSpec| {
        let now = format!("mean {:?} and deviation {:?}", input.mean, input.std);
        let data = format!("the data set's are {:?} and {:?}", dataset.mean(), dataset.std());
        (*input != of_data).then(|| format!("pixels are taken with {now} {from} ({data})"))
    };
    match (of_teacher, configured) {
        (Some(teacher), Some(configured)) if !alike(&teacher, &configured) => Err(problem(format!(
            "mean {:?} and deviation {:?}; expected those of the teacher in teacher.model, {:?} and {:?}, or leave it \
             out",
            configured.mean, configured.std, teacher.mean, teacher.std
        ))),
        (Some(teacher), _) => {
            let note = words("of the teacher", &teacher);
            Ok((teacher, note))
        }
        (None, Some(configured)) => {
            let note = words("of the configuration", &configured);
            Ok((configured, note))
        }
        (None, None) => Ok((of_data, None)),
    }
}

/// Whether two inputs are the same, up to the rounding of other frameworks.
pub(crate) fn alike(a: &InputSpec, b: &InputSpec) -> bool {
    let close = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
    let same_images = a.shape == b.shape && a.preprocessing == b.preprocessing;
    same_images && a.values == b.values && close(&a.mean, &b.mean) && close(&a.std, &b.std)
}

fn configured(numbers: &Normalisation, of_data: &InputSpec) -> Result<InputSpec> {
    let channels = of_data.shape[0];
    let per_channel = |numbers: &[f32], what: &str| match numbers.len() {
        1 => Ok(vec![numbers[0]; channels]),
        n if n == channels => Ok(numbers.to_vec()),
        n => Err(problem(format!("{n} numbers under `{what}`; expected one, or {channels} for the channels"))),
    };
    let (mean, std) = (per_channel(&numbers.mean, "mean")?, per_channel(&numbers.std, "std")?);
    Ok(InputSpec { mean, std, ..of_data.clone() })
}

fn problem(message: String) -> Error {
    Error::Config { problems: vec![Problem { field: "data.normalisation".to_owned(), message }] }
}
