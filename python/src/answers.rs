//! Decrypted answers: classes, and outputs only where they are asked for by name.

use beaa::{Classes, ImageMajor, Reason};
use numpy::{IntoPyArray, PyArray1, PyArray2};
use pyo3::prelude::*;

use crate::arrays::array;
use crate::errors::refusal;

/// An image whose answer is worth nothing.
#[pyclass(frozen, module = "beaa", get_all)]
#[derive(Clone)]
pub(crate) struct Outside {
    image: usize,
    output: usize,
    found: f64,
    reason: String,
}

#[pymethods]
impl Outside {
    fn __repr__(&self) -> String {
        format!("<beaa.Outside image {}, output {}: {}>", self.image, self.output, self.reason)
    }
}

/// Decrypted answers, in the order in which the images were sent.
#[pyclass(frozen, module = "beaa")]
pub(crate) struct Answers {
    inner: beaa::Answers,
    classes: Classes,
}

/// Decrypted answers that others may see: the noise of encryption is hidden.
#[pyclass(frozen, module = "beaa")]
pub(crate) struct Shared {
    inner: beaa::Shared,
    classes: Classes,
}

impl Answers {
    pub(crate) fn new(inner: beaa::Answers, classes: Classes) -> Self {
        Self { inner, classes }
    }
}

impl Shared {
    pub(crate) fn new(inner: beaa::Shared, classes: Classes) -> Self {
        Self { inner, classes }
    }
}

#[pymethods]
impl Answers {
    /// The class of each image; refused where an answer is worth nothing.
    #[getter]
    fn classes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let found = self.inner.classes(&self.classes);
        let all: Option<Vec<i64>> = found.into_iter().map(|class| class.map(|c| c as i64)).collect();
        all.map(|classes| classes.into_pyarray(py)).ok_or_else(|| outside(py, self.inner.outside().len()))
    }

    /// The class of each image, masked where its answer is worth nothing.
    #[getter]
    fn masked_classes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        masked(py, &self.inner.classes(&self.classes))
    }

    /// The name of each image's class; none where its answer is worth nothing.
    #[getter]
    fn names(&self) -> Vec<Option<String>> {
        names(&self.inner.classes(&self.classes), &self.classes)
    }

    #[getter]
    fn outside(&self) -> Vec<Outside> {
        self.inner.outside().iter().map(described).collect()
    }

    #[getter]
    fn error(&self) -> f64 {
        self.inner.error()
    }

    /// The outputs, `rounded` to what their error leaves or `raw`; no numbers for images outside.
    fn logits<'py>(&self, py: Python<'py>, how: &str) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let logits = match how {
            "rounded" => self.inner.rounded(),
            "raw" => self.inner.exact().clone(),
            other => {
                let found = format!("`{other}`");
                let said =
                    ["reading logits", &found, "`rounded` or `raw`", "see docs/security.md for what raw ones tell"];
                return Err(refusal(py, "OptionError", said));
            }
        };
        array(py, blanked(logits, &self.inner.inside())?)
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<()> {
        let remedy = "pickle answers.masked_classes, answers.names or answers.logits(\"rounded\")";
        let found = "answers with all digits, which hold some of the secret key";
        Err(refusal(py, "SecretError", ["pickling", found, "what may leave this process", remedy]))
    }

    fn __len__(&self) -> usize {
        self.inner.images()
    }

    fn __repr__(&self) -> String {
        format!("<beaa.Answers to {} images, {} outside>", self.inner.images(), self.inner.outside().len())
    }
}

#[pymethods]
impl Shared {
    #[getter]
    fn masked_classes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        masked(py, &self.found())
    }

    #[getter]
    fn names(&self) -> Vec<Option<String>> {
        names(&self.found(), &self.classes)
    }

    /// The outputs with noise; no numbers for images outside.
    #[getter]
    fn logits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        array(py, blanked(self.inner.logits.clone(), &self.inside())?)
    }

    #[getter]
    fn noise(&self) -> f64 {
        self.inner.noise
    }

    #[getter]
    fn outside(&self) -> Vec<Outside> {
        self.inner.outside.iter().map(described).collect()
    }

    fn __len__(&self) -> usize {
        self.inner.logits.images()
    }
}

impl Shared {
    fn inside(&self) -> Vec<bool> {
        let mut inside = vec![true; self.inner.logits.images()];
        self.inner.outside.iter().for_each(|o| inside[o.image] = false);
        inside
    }

    fn found(&self) -> Vec<Option<usize>> {
        let found = self.classes.of(&self.inner.logits).into_iter().zip(self.inside());
        found.map(|(class, inside)| class.filter(|_| inside)).collect()
    }
}

/// Without the value, which may have been made to tell the key: whoever wants it asks by name.
fn described(outside: &beaa::Outside) -> Outside {
    let beaa::Outside { image, output, found, reason } = *outside;
    let reason = match reason {
        Reason::Range(promised) => format!("it is not from {} to {}", promised.min, promised.max),
        Reason::NoNumber => "it is no number".to_owned(),
        Reason::Copy => "the same image in another slot has another answer".to_owned(),
    };
    Outside { image, output, found, reason }
}

fn names(found: &[Option<usize>], classes: &Classes) -> Vec<Option<String>> {
    found.iter().map(|class| class.map(|c| classes.word(c))).collect()
}

fn masked<'py>(py: Python<'py>, found: &[Option<usize>]) -> PyResult<Bound<'py, PyAny>> {
    let mask: Vec<bool> = found.iter().map(Option::is_none).collect();
    // What a mask hides is any number; this one is no class.
    let classes: Vec<i64> = found.iter().map(|class| class.map_or(-1, |c| c as i64)).collect();
    let module = py.import("numpy.ma")?;
    module.call_method1("MaskedArray", (classes.into_pyarray(py), mask.into_pyarray(py)))
}

/// The rows, without numbers where an image is not inside.
fn blanked(logits: ImageMajor<f64>, inside: &[bool]) -> PyResult<ImageMajor<f64>> {
    use crate::errors::OrRaise;
    let (images, elements) = (logits.images(), logits.elements());
    let mut numbers = logits.into_data();
    for (row, _) in numbers.chunks_mut(elements.max(1)).zip(inside).filter(|(_, inside)| !**inside) {
        row.fill(f64::NAN);
    }
    ImageMajor::new(images, elements, numbers).map_err(beaa::Error::from).or_raise()
}

fn outside(py: Python<'_>, count: usize) -> PyErr {
    let found = format!("{count} answers outside of what the program promises");
    let remedy = "look at answers.outside and take answers.masked_classes; encrypt only images like those that the \
                  network was trained on";
    refusal(py, "OutsideError", ["reading classes", &found, "none", remedy])
}
