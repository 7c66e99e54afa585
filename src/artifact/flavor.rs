//! What is built: which functions, for which processor, how.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The functions, by the name of their package, their binary and their zip file.
pub const FUNCTIONS: [&str; 2] = ["transaction-processor", "pattern-analyzer"];

/// A processor that Lambda offers, spelled as AWS spells it: `arm64`, `x86_64`.
///
/// See <https://docs.aws.amazon.com/lambda/latest/dg/foundation-arch.html>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arch {
    /// 64-bit ARM, AWS Graviton: the cheaper one, and the default.
    #[default]
    #[serde(rename = "arm64")]
    Arm64,
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
}

impl Arch {
    /// Every processor that Lambda offers.
    pub const ALL: [Self; 2] = [Self::Arm64, Self::X86_64];

    /// AWS's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// Rust's target: Linux with glibc, as Lambda's `provided.al2023` has it.
    #[must_use]
    pub const fn triple(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }

    /// This machine's own processor, or `None` if Lambda does not offer it.
    #[must_use]
    pub fn host() -> Option<Self> {
        match std::env::consts::ARCH {
            "aarch64" => Some(Self::Arm64),
            "x86_64" => Some(Self::X86_64),
            _ => None,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|arch| arch.as_str() == text)
            .ok_or_else(|| UnknownArch(text.to_owned()))
    }
}

/// A name that is none of Lambda's processors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a processor that Lambda offers: say arm64 or x86_64")]
pub struct UnknownArch(pub String);

/// For whom the functions are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// For a local AWS, which runs functions as plain processes: this machine's own processor and
    /// cargo's `dev` profile, so that every compiled dependency is shared with the tests. Stripped
    /// if `strip` is at hand, and packed for speed. Not reproducible in another directory.
    Local,
    /// For Lambda: cargo's `lambda` profile, as small as it gets, linked against a glibc no newer
    /// than that of Amazon Linux 2023, without the paths of this machine. Flags from cargo's
    /// configuration files do not take part (`RUSTFLAGS` does); minutes when cold.
    Aws(Arch),
}

impl Flavor {
    /// A short name, also of the directory below `target/fraudctl/` that holds the result.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Aws(arch) => arch.as_str(),
        }
    }

    /// The processor that the result runs on; `None` if it is one that Lambda does not offer.
    #[must_use]
    pub fn arch(self) -> Option<Arch> {
        match self {
            Self::Local => Arch::host(),
            Self::Aws(arch) => Some(arch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_architecture_reads_back_from_how_it_is_written() {
        for arch in Arch::ALL {
            assert_eq!(arch.to_string().parse::<Arch>(), Ok(arch));
            let json = serde_json::to_string(&arch).unwrap();
            assert_eq!(json, format!("\"{arch}\""));
            assert_eq!(serde_json::from_str::<Arch>(&json).unwrap(), arch);
        }
    }

    #[test]
    fn an_unknown_architecture_is_refused_with_the_known_ones() {
        let error = "aarch64".parse::<Arch>().unwrap_err().to_string();
        assert!(error.contains("`aarch64`"), "{error}");
        assert!(error.contains("arm64 or x86_64"), "{error}");
    }
}
