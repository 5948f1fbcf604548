//! What to train on a folder of the user's own images: size, colour, network and passes follow from
//! what is in it, and every choice is told. A network whose encrypted cost would be out of bounds
//! is refused.

use std::path::Path;

use anyhow::{Context as _, Result};
use beaa_base::words::count;
use beaa_datasets::{FolderFiles, HoldOut, SourceSpec, Survey, survey};
use beaa_evaluation::bad_input;
use serde_json::{Value, json};

/// Sides up to this are kept; what is larger is reduced.
const MAX_SIDE: usize = 40;
/// The networks need this much.
const MIN_SIDE: usize = 8;
/// Sides that larger images are reduced to: as in MNIST and CIFAR-10, which the networks come from.
const GREY_SIDE: usize = 28;
const COLOUR_SIDE: usize = 32;
/// The deeper network needs so many training images, and sides of so many pixels.
const DEEP_MIN_IMAGES: usize = 2000;
const DEEP_MIN_SIDE: usize = 24;
/// Multiplications of ciphertexts by weights for one batch, at most.
const MAX_PRODUCTS: usize = 10_000_000;

/// A configuration as an experiment file has it, and why.
pub struct AutoConfig {
    /// For [`crate::experiment::Experiment::parse`].
    pub configuration: Value,
    /// What was found and chosen, line by line.
    pub messages: Vec<String>,
}

/// Looks at the images in `folder` and chooses what to train on them.
///
/// # Errors
/// If the folder holds no classes of images, or only images too large for an encrypted network.
pub fn choose(folder: &Path, seed: u64) -> Result<AutoConfig> {
    let looking = || format!("looking at {}", folder.display());
    let found = survey(folder).with_context(looking)?;
    let path = folder.canonicalize().with_context(looking)?;
    let name = file_safe_name(&path);
    let (shape, mut messages) = shape(&found);
    let images = found.images();
    let (network, products, words) = network(shape, images);
    if products > MAX_PRODUCTS {
        return Err(bad_input(format!(
            "choosing a network: {products} products, expected at most {MAX_PRODUCTS}; use smaller images"
        )));
    }
    messages.push(format!("network: {words}; {products} products for one encrypted batch"));
    let epochs = epochs(images);
    // Several steps in an epoch, however few the images.
    let batch = (images / 10).clamp(2, 64);
    messages
        .push(format!("training: {} each for teacher and student, {batch} images per step", count(epochs, "epoch")));
    messages.push(splits(&found, seed));
    messages.push("normalisation: mean and deviation of the training images, per channel".to_owned());
    let hold_out = HoldOut { seed, ..HoldOut::default() };
    let source =
        SourceSpec::Folder { name: Some(name.clone()), files: FolderFiles { path, shape: Some(shape) }, hold_out };
    let optimiser = |rate: f64| json!({ "learning_rate": rate, "weight_decay": 0.01 });
    let configuration = json!({
        "description": messages,
        "name": name,
        "seed": seed,
        "data": { "source": source },
        "network": network,
        "augmentation": { "shift": shape[1].min(shape[2]) / 14, "rotate": 10, "scale": 0.1 },
        "teacher": { "epochs": epochs, "batch": batch, "optimiser": optimiser(0.002) },
        "student": { "activation": "element", "epochs": epochs, "batch": batch, "optimiser": optimiser(0.001) },
    });
    Ok(AutoConfig { configuration, messages })
}

/// The folder's name, as far as it can name files.
fn file_safe_name(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let safe: String = name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    if safe.trim_matches(['.', '-']).is_empty() { "own-images".to_owned() } else { safe }
}

/// Channels, height and width for all, and the reasons.
fn shape(found: &Survey) -> ([usize; 3], Vec<String>) {
    let classes: Vec<String> = found.classes.iter().map(|(name, n)| format!("{name} ({n})")).collect();
    let images = found.images();
    let mut messages = vec![format!(
        "{} of {}: {}",
        count(images, "training image"),
        count(classes.len(), "class"),
        classes.join(", ")
    )];
    let channels = if found.colour > 0 { 3 } else { 1 };
    messages.push(match found.colour {
        0 => "all grey: one channel".to_owned(),
        n if n == images => "all in colour: three channels".to_owned(),
        n => format!("{n} in colour, {} grey: three channels for all", images - n),
    });
    // A survey of no image is refused.
    let ([height, width], most) = found.sizes[0];
    let kept = |side: usize| (MIN_SIDE..=MAX_SIDE).contains(&side);
    let small = if channels == 3 { COLOUR_SIDE } else { GREY_SIDE };
    let size = match (kept(height) && kept(width), height.max(width) > MAX_SIDE) {
        (true, _) => [height, width],
        (false, true) => [small, small],
        (false, false) => [height.max(MIN_SIDE), width.max(MIN_SIDE)],
    };
    let text = |[h, w]: [usize; 2]| format!("{h} x {w}");
    messages.push(match (size == [height, width], found.sizes.len()) {
        (true, 1) => format!("all of {}: kept", text(size)),
        (true, _) => format!("{most} of {images} are of {}: the others are stretched to it", text(size)),
        (false, 1) => format!("all of {}: stretched to {}", text([height, width]), text(size)),
        (false, n) => {
            format!("{n} sizes, {} the most common: all are stretched to {}", text([height, width]), text(size))
        }
    });
    ([channels, size[0], size[1]], messages)
}

/// The layers as a configuration has them, products of a forward pass, and a name.
fn network(shape: [usize; 3], images: usize) -> (Value, usize, &'static str) {
    let [channels, height, width] = shape;
    if channels == 3 && images >= DEEP_MIN_IMAGES && height.min(width) >= DEEP_MIN_SIDE {
        let mut layers = Vec::new();
        let (mut inputs, mut h, mut w, mut products) = (channels, height, width, 0);
        for out in [16, 32, 32] {
            layers.push(json!({ "conv2d": { "out": out, "kernel": 3, "padding": 1 } }));
            layers.extend([json!("activation"), json!({ "avg_pool": { "kernel": 2 } })]);
            products += out * h * w * inputs * 9;
            (inputs, h, w) = (out, h / 2, w / 2);
        }
        layers.extend([json!("flatten"), json!({ "linear": { "out": 64 } }), json!("activation")]);
        layers.push(json!({ "linear": { "out": "classes" } }));
        let words = "three convolutions with pooling and two linear layers, since there are many images in colour";
        return (layers.into(), products + inputs * h * w * 64, words);
    }
    let layers = json!([
        { "conv2d": { "out": 5, "kernel": 5, "stride": 2, "padding": 1 } },
        "activation",
        "flatten",
        { "linear": { "out": 100 } },
        "activation",
        { "linear": { "out": "classes" } },
    ]);
    let after = |side: usize| side.saturating_sub(3) / 2 + 1;
    let elements = 5 * after(height) * after(width);
    (layers, elements * 25 * channels + elements * 100, "that of CryptoNets, one convolution and two linear layers")
}

/// Fewer passes over more images.
fn epochs(images: usize) -> usize {
    match images {
        0..2_000 => 30,
        2_000..20_000 => 15,
        _ => 8,
    }
}

fn splits(found: &Survey, seed: u64) -> String {
    let of = |in_folder: bool| {
        if in_folder { "the folder's own".to_owned() } else { format!("a tenth, drawn with seed {seed}") }
    };
    format!("validation: {}; test: {}", of(found.validation), of(found.test))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sizes: &[([usize; 2], usize)], colour: usize) -> Survey {
        let images = sizes.iter().map(|s| s.1).sum::<usize>();
        let classes = vec![("a".to_owned(), 1), ("b".to_owned(), images - 1)];
        Survey { classes, sizes: sizes.to_vec(), colour, validation: false, test: true }
    }

    #[test]
    fn shapes_follow_the_images() {
        for (sizes, colour, expected, words) in [
            (&[([28, 28], 10)][..], 0, [1, 28, 28], "kept"),
            (&[([30, 36], 9), ([9, 9], 1)], 0, [1, 30, 36], "9 of 10"),
            (&[([64, 48], 10)], 10, [3, 32, 32], "stretched to 32 x 32"),
            (&[([64, 48], 6), ([100, 100], 4)], 0, [1, 28, 28], "2 sizes"),
            (&[([4, 12], 10)], 3, [3, 8, 12], "3 in colour, 7 grey"),
        ] {
            let (shape, messages) = shape(&found(sizes, colour));
            assert_eq!(shape, expected, "{messages:?}");
            assert!(messages.iter().any(|s| s.contains(words)), "{messages:?}");
        }
    }

    #[test]
    fn networks_are_within_bounds_and_read() {
        for shape in [[1, 28, 28], [3, 32, 32], [3, MAX_SIDE, MAX_SIDE], [1, MIN_SIDE, MIN_SIDE]] {
            for images in [10, 100_000] {
                let (layers, products, words) = network(shape, images);
                assert!((1..MAX_PRODUCTS).contains(&products), "{words}: {products}");
                let text = json!({ "network": layers }).to_string();
                crate::experiment::Experiment::parse(&text, &Default::default()).unwrap();
            }
        }
        // As CryptoNets counts them: 845 elements from windows of 25, then 845 x 100.
        assert_eq!(network([1, 28, 28], 10).1, 845 * 25 + 845 * 100);
    }

    #[test]
    fn names_can_name_files() {
        assert_eq!(file_safe_name(Path::new("/a/my cats")), "my-cats");
        assert_eq!(file_safe_name(Path::new("/")), "own-images");
    }
}
