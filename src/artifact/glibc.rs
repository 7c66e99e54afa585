//! Whether a binary runs on the C library that Lambda has.

use std::path::Path;

use super::error::ArtifactError;

/// The C library of Amazon Linux 2023, below Lambda's `provided.al2023`.
/// See <https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html>.
const FLOOR: Version = Version(2, 34);

/// [`FLOOR`], as `cargo zigbuild` wants it behind a target.
pub(super) const FLOOR_SUFFIX: &str = ".2.34";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// An error if the binary, read from `path`, asks for a newer C library than Lambda has: there it
/// would end before its first instruction, with a message of the loader.
pub(super) fn check(path: &Path, binary: &[u8]) -> Result<(), ArtifactError> {
    match newest(binary) {
        Some(found) if found > FLOOR => Err(ArtifactError::GlibcTooNew {
            path: path.to_path_buf(),
            found: found.to_string(),
            floor: FLOOR.to_string(),
        }),
        _ => Ok(()),
    }
}

/// The newest version of glibc that a binary names.
///
/// The dynamic linker reads the names from the section `.gnu.version_r`, where they are strings
/// that end in a zero byte. Looking at all such strings of the file is simpler than reading its
/// tables, and errs on the safe side only.
fn newest(binary: &[u8]) -> Option<Version> {
    binary
        .split(|byte| *byte == 0)
        .filter_map(|string| string.strip_prefix(b"GLIBC_"))
        .filter_map(|version| parse(std::str::from_utf8(version).ok()?))
        .max()
}

fn parse(version: &str) -> Option<Version> {
    // Compact relative relocations have a name of their own and came with 2.36.
    if version == "ABI_DT_RELR" {
        return Some(Version(2, 36));
    }
    let mut parts = version.split('.').map(str::parse::<u32>);
    Some(Version(parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::error::INSTALL_ZIG;
    use super::*;

    const NAMES: &[u8] = b"\x7fELF\0libc.so.6\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_PRIVATE\0xGLIBC_9.9\0";

    #[test]
    fn the_newest_version_is_found_among_the_names() {
        assert_eq!(newest(NAMES), Some(Version(2, 34)));
        assert_eq!(newest(b"\x7fELF\0statically linked\0"), None);
        assert!(Version(2, 4) < Version(2, 34), "versions are numbers and not text");
    }

    #[test]
    fn a_binary_for_a_newer_library_is_refused_with_both_versions() {
        let path = Path::new("target/bootstrap");
        check(path, NAMES).unwrap();
        for newer in ["GLIBC_2.39", "GLIBC_ABI_DT_RELR"] {
            let binary = [NAMES, newer.as_bytes(), b"\0"].concat();
            let error = check(path, &binary).unwrap_err().to_string();
            assert!(error.contains("target/bootstrap needs glibc 2.3"), "{error}");
            assert!(error.contains("has 2.34"), "{error}");
            assert!(error.contains(INSTALL_ZIG), "{error}");
        }
    }

    #[test]
    fn the_floor_is_the_same_in_both_spellings() {
        assert_eq!(FLOOR_SUFFIX, format!(".{FLOOR}"));
    }
}
