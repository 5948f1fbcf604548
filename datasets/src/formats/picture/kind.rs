//! What a file is: by its first bytes, and only where they say nothing by the ending of its name.

use std::path::Path;

/// So many bytes of a file decide.
pub(crate) const START: usize = 512;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PNG, whatever it is called.
    Png,
    /// JPEG, whatever it is called.
    Jpeg,
    /// A picture or a volume of another format, which this names.
    OtherPicture(&'static str),
    /// No known content, but the ending of a picture.
    CalledPicture,
    /// No picture, by content and by name.
    NoPicture,
}

/// Endings that say that a file is a picture.
const ENDINGS: [&str; 46] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "jif", "jfi", "bmp", "dib", "tif", "tiff", "gif", "webp", "heic",
    "heif", "avif", "jp2", "j2k", "jpx", "jpf", "jxl", "jls", "dcm", "dicom", "ima", "nii", "mha", "mhd", "nrrd",
    "svg", "psd", "pgm", "ppm", "pnm", "pbm", "pam", "tga", "exr", "hdr", "ico", "dng", "cr2", "nef", "arw", "svs",
];

impl Kind {
    /// The kind of the file at `path`, which starts with `start`.
    pub(crate) fn of(path: &Path, start: &[u8]) -> Self {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if start.starts_with(b"\x89PNG\r\n\x1a\n") {
            return Self::Png;
        }
        if start.starts_with(&[0xff, 0xd8, 0xff]) {
            return Self::Jpeg;
        }
        if let Some(name) = other_picture(start) {
            return Self::OtherPicture(name);
        }
        // Volumes and old DICOM files have no bytes of their own at the start.
        match extension.as_str() {
            "dcm" | "dicom" if !start.is_empty() => Self::OtherPicture("DICOM"),
            "gz" if path.to_string_lossy().to_ascii_lowercase().ends_with(".nii.gz") => Self::OtherPicture("NIfTI"),
            "tga" if !start.is_empty() => Self::OtherPicture("TGA"),
            extension if ENDINGS.contains(&extension) => Self::CalledPicture,
            _ => Self::NoPicture,
        }
    }
}

/// The name of another format of pictures.
fn other_picture(start: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, bytes: &[u8]| start.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
    // The size of the header that follows that of the file: letters alone start texts, too.
    let bitmap = at(0, b"BM") && start.get(14..18).is_some_and(|size| size[1..] == [0; 3] && size[0] >= 12);
    let netpbm = matches!(start, [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', rest @ ..]
        if rest.iter().take_while(|&&byte| byte != b'\n').all(|byte| byte.is_ascii()));
    let brand = |brands: &[&[u8; 4]]| at(4, b"ftyp") && brands.iter().any(|brand| at(8, *brand));
    Some(match start {
        _ if bitmap => "BMP",
        _ if netpbm => "PNM",
        _ if at(128, b"DICM") => "DICOM",
        _ if at(344, b"n+1\0") || at(344, b"ni1\0") || at(4, b"n+2\0") => "NIfTI",
        _ if at(0, b"GIF87a") || at(0, b"GIF89a") => "GIF",
        _ if at(0, b"RIFF") && at(8, b"WEBP") => "WebP",
        _ if at(0, b"II*\0") || at(0, b"MM\0*") || at(0, b"II+\0") || at(0, b"MM\0+") => "TIFF",
        _ if brand(&[b"avif", b"avis"]) => "AVIF",
        _ if brand(&[b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"]) => "HEIC",
        _ if at(4, b"jP  ") || at(0, &[0xff, 0x4f, 0xff, 0x51]) => "JPEG 2000",
        _ if at(4, b"JXL ") || at(0, &[0xff, 0x0a]) => "JPEG XL",
        _ if at(0, b"8BPS") => "PSD",
        _ if at(0, b"NRRD0") => "NRRD",
        _ if at(0, &[0x76, 0x2f, 0x31, 0x01]) => "OpenEXR",
        _ if at(0, b"#?RADIANCE") => "Radiance HDR",
        _ if at(0, b"qoif") => "QOI",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_the_name() {
        let dicom = [&[0; 128][..], b"DICM"].concat();
        let bitmap = [&b"BM"[..], &[0; 12], &[40, 0, 0, 0]].concat();
        for (name, start, kind) in [
            ("a.txt", &b"\x89PNG\r\n\x1a\n"[..], Kind::Png),
            ("A.PNG", &[0xff, 0xd8, 0xff, 0xe0], Kind::Jpeg),
            ("noending", &bitmap, Kind::OtherPicture("BMP")),
            ("notes", b"BMI of the patients, in kg per square metre", Kind::NoPicture),
            ("a.png", &dicom, Kind::OtherPicture("DICOM")),
            ("a.png", b"II*\0", Kind::OtherPicture("TIFF")),
            ("a.webp", b"RIFF\x01\x02\x03\x04WEBPVP8 ", Kind::OtherPicture("WebP")),
            ("a.heic", b"\0\0\0\x18ftypheic", Kind::OtherPicture("HEIC")),
            ("OLD.DCM", b"\x08\0\x05\0", Kind::OtherPicture("DICOM")),
            ("a.nii.gz", &[0x1f, 0x8b], Kind::OtherPicture("NIfTI")),
            ("a.JFIF", b"not a picture", Kind::CalledPicture),
            ("a.png", b"", Kind::CalledPicture),
            ("labels.csv", b"", Kind::NoPicture),
            ("README", b"text", Kind::NoPicture),
        ] {
            assert_eq!(Kind::of(Path::new(name), start), kind, "{name}");
        }
    }
}
