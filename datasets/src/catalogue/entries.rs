//! The table of the named sets. A checksum that is not known is left out.

use super::{Entry, PublicFile, Sizes};

/// A gzip file of an IDX set, accepted unpacked as well.
macro_rules! idx {
    ($base:literal, $name:literal, $bytes:literal, $md5:literal, $sha256:literal) => {
        PublicFile {
            names: &[concat!($name, ".gz"), $name],
            address: concat!($base, $name, ".gz"),
            bytes: Some($bytes),
            sha256: Some($sha256),
            md5: Some($md5),
        }
    };
}

/// A batch inside the public CIFAR-10 archive.
macro_rules! batch {
    ($name:literal) => {
        PublicFile {
            names: &[$name, concat!($name, ".xz"), concat!($name, ".gz")],
            address: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            bytes: Some(170_052_171),
            sha256: Some("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
            md5: Some("c32a1d4ab5d03f1284b67883e8d87530"),
        }
    };
}

/// A file made from the images of the public MedNIST archive.
macro_rules! mednist {
    ($name:literal) => {
        PublicFile {
            names: &[concat!($name, ".gz"), $name],
            address: "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/MedNIST.tar.gz",
            bytes: None,
            sha256: None,
            md5: Some("0bc7306e7427e00ad1c5526a6677552d"),
        }
    };
}

pub(super) static ENTRIES: &[Entry] = &[
    Entry {
        name: "pneumoniamnist",
        description: "Chest X-rays of children, normal or pneumonia (MedMNIST v2). Embedded: needs no file.",
        classes: &["normal", "pneumonia"],
        shape: [1, 28, 28],
        sizes: Sizes { train: 4708, validation: Some(524), test: 624 },
        folders: &["pneumoniamnist", ""],
        files: &[PublicFile {
            names: &["pneumoniamnist.npz"],
            address: "https://zenodo.org/records/10519652/files/pneumoniamnist.npz",
            bytes: Some(4_170_669),
            sha256: Some("e1792d3f03751cb101e99f19a63b3c1941436c988665f47853417b05be250cd8"),
            md5: Some("28209eda62fecd6e6a2d98b1501bb15f"),
        }],
        licence: "CC BY 4.0",
        citation: "Yang et al., MedMNIST v2, Scientific Data 10, 41 (2023); images from Kermany et al., Cell 172 \
            (2018)",
        note: "Size and checksums are those of the public archive; the embedded copy is packed anew (see its \
            attribution).",
    },
    Entry {
        name: "mnist",
        description: "Handwritten digits.",
        classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        shape: [1, 28, 28],
        sizes: Sizes { train: 60_000, validation: None, test: 10_000 },
        folders: &["mnist", "MNIST/raw", ""],
        files: &[
            idx!(
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "train-images-idx3-ubyte",
                9_912_422,
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
            ),
            idx!(
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "train-labels-idx1-ubyte",
                28_881,
                "d53e105ee54ea40749a09fcbcd1e9432",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
            ),
            idx!(
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "t10k-images-idx3-ubyte",
                1_648_877,
                "9fb629c4189551a2d022fa330f9573f3",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
            ),
            idx!(
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "t10k-labels-idx1-ubyte",
                4_542,
                "ec29112dd5afa0611ce80d1b7f02629c",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
            ),
        ],
        licence: "CC BY-SA 3.0 as commonly stated; the authors' page names none",
        citation: "LeCun, Cortes, Burges, The MNIST database of handwritten digits (1998)",
        note: "",
    },
    Entry {
        name: "fashion-mnist",
        description: "Articles of clothing.",
        classes: &[
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ],
        shape: [1, 28, 28],
        sizes: Sizes { train: 60_000, validation: None, test: 10_000 },
        folders: &["fashion-mnist", "FashionMNIST/raw", ""],
        files: &[
            idx!(
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "train-images-idx3-ubyte",
                26_421_880,
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
            ),
            idx!(
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "train-labels-idx1-ubyte",
                29_515,
                "25c81989df183df01b3e8a0aad5dffbe",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
            ),
            idx!(
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "t10k-images-idx3-ubyte",
                4_422_102,
                "bef4ecab320f06d8554ea6380940ec79",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
            ),
            idx!(
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "t10k-labels-idx1-ubyte",
                5_148,
                "bb300cfdad3c16e7a12a480ee83cd310",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
            ),
        ],
        licence: "MIT",
        citation: "Xiao, Rasul, Vollgraf, Fashion-MNIST, arXiv 1708.07747 (2017)",
        note: "",
    },
    Entry {
        name: "cifar-10",
        description: "Small colour photographs of animals and vehicles.",
        classes: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
        shape: [3, 32, 32],
        sizes: Sizes { train: 50_000, validation: None, test: 10_000 },
        folders: &["cifar-10", "cifar-10/cifar-10-batches-bin", "cifar-10-batches-bin", ""],
        files: &[
            batch!("data_batch_1.bin"),
            batch!("data_batch_2.bin"),
            batch!("data_batch_3.bin"),
            batch!("data_batch_4.bin"),
            batch!("data_batch_5.bin"),
            batch!("test_batch.bin"),
        ],
        licence: "none stated by the authors; they ask to be cited",
        citation: "Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009)",
        note: "One archive holds all six files; size and checksums are the archive's. Unpack it below the data folder.",
    },
    Entry {
        name: "mednist",
        description: "Medical images of six kinds, reduced to 28 x 28.",
        classes: &["AbdomenCT", "BreastMRI", "CXR", "ChestCT", "Hand", "HeadCT"],
        shape: [1, 28, 28],
        sizes: Sizes { train: 52_954, validation: None, test: 6_000 },
        folders: &["mednist", ""],
        files: &[
            mednist!("train-images-28x28-idx3-ubyte"),
            mednist!("train-labels-idx1-ubyte"),
            mednist!("test-images-28x28-idx3-ubyte"),
            mednist!("test-labels-idx1-ubyte"),
        ],
        licence: "CC BY-SA 4.0",
        citation: "MedNIST, gathered from TCIA, the RSNA Bone Age Challenge and the NIH Chest X-ray set by B. J. \
            Erickson (Mayo Clinic)",
        note: "The public archive holds folders of 64 x 64 JPEG images; the 28 x 28 IDX files are derived from it and \
            not published. Without them, unpack the archive and use {\"folder\": {\"path\": \"MedNIST\", \
            \"shape\": [1, 28, 28]}}: the same images, split by seed.",
    },
];
