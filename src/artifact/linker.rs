//! What links the functions for Lambda.

use super::error::ArtifactError;
use super::flavor::Arch;
use super::toolchain::Toolchain;

/// A way to link for Lambda, the earlier the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linker {
    /// The one that the user has set for the target in the environment.
    Configured,
    /// `cargo zigbuild`: for any processor, against whatever glibc is asked for.
    Zig,
    /// This machine's own compiler, for its own processor and against its own glibc.
    Host,
    /// A cross compiler, by its name.
    Gcc(&'static str),
}

impl Arch {
    /// The variable by which cargo is told the linker for this processor.
    pub(super) const fn linker_variable(self) -> &'static str {
        match self {
            Self::Arm64 => "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
            Self::X86_64 => "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER",
        }
    }

    const fn cross_gcc(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-linux-gnu-gcc",
            Self::X86_64 => "x86_64-linux-gnu-gcc",
        }
    }

    const fn debian_package(self) -> &'static str {
        match self {
            Self::Arm64 => "gcc-aarch64-linux-gnu",
            Self::X86_64 => "gcc-x86-64-linux-gnu",
        }
    }
}

/// The linker for a processor. `configured` says whether the user has set one, `finds` whether a
/// program is at hand. Refuses with the one command to run if the standard library or every linker
/// is missing.
pub(super) fn choose(
    arch: Arch,
    toolchain: &Toolchain,
    configured: bool,
    finds: impl Fn(&str) -> bool,
) -> Result<Linker, ArtifactError> {
    let own = Arch::host().filter(|own| *own != arch);
    if !toolchain.has_target(arch.triple()) {
        let command = format!("rustup target add {}", arch.triple());
        let advice = if finds("rustup") {
            format!("Run: {command}")
        } else {
            format!("This Rust is not rustup's: install https://rustup.rs, then run: {command}")
        };
        return Err(ArtifactError::MissingTarget { arch, advice, own });
    }
    if configured {
        Ok(Linker::Configured)
    } else if finds("cargo-zigbuild") {
        Ok(Linker::Zig)
    } else if toolchain.host() == Some(arch.triple()) {
        Ok(Linker::Host)
    } else if finds(arch.cross_gcc()) {
        Ok(Linker::Gcc(arch.cross_gcc()))
    } else {
        Err(ArtifactError::MissingLinker {
            arch,
            debian_package: arch.debian_package(),
            own,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::error::INSTALL_ZIG;
    use super::*;

    /// A toolchain that runs on x86_64 and has the standard libraries of `targets`.
    fn toolchain(targets: &[&str]) -> (tempfile::TempDir, Toolchain) {
        let scratch = tempfile::tempdir().unwrap();
        for target in targets {
            let library = scratch.path().join("lib/rustlib").join(target).join("lib");
            fs::create_dir_all(library).unwrap();
        }
        let toolchain = Toolchain {
            version: "rustc 1.95.0\nhost: x86_64-unknown-linux-gnu".to_owned(),
            sysroot: scratch.path().to_path_buf(),
        };
        (scratch, toolchain)
    }

    #[test]
    fn zig_comes_before_the_hosts_own_compiler_and_that_before_a_cross_compiler() {
        let (_scratch, toolchain) = toolchain(&Arch::ALL.map(Arch::triple));
        let cases: [(Arch, bool, &[&str], Linker); 5] = [
            (Arch::Arm64, true, &["cargo-zigbuild"], Linker::Configured),
            (
                Arch::Arm64,
                false,
                &["cargo-zigbuild", "aarch64-linux-gnu-gcc"],
                Linker::Zig,
            ),
            (Arch::X86_64, false, &["cargo-zigbuild"], Linker::Zig),
            (Arch::X86_64, false, &["x86_64-linux-gnu-gcc"], Linker::Host),
            (
                Arch::Arm64,
                false,
                &["aarch64-linux-gnu-gcc"],
                Linker::Gcc("aarch64-linux-gnu-gcc"),
            ),
        ];
        for (arch, configured, programs, expected) in cases {
            let linker = choose(arch, &toolchain, configured, |program| programs.contains(&program));
            assert_eq!(linker.unwrap(), expected, "{arch} with {programs:?}");
        }
    }

    #[test]
    fn a_missing_target_is_refused_with_the_one_command_that_brings_it() {
        let (_scratch, toolchain) = toolchain(&["x86_64-unknown-linux-gnu"]);
        let refuse = |rustup: bool| {
            choose(Arch::Arm64, &toolchain, false, |program| rustup && program == "rustup")
                .unwrap_err()
                .to_string()
        };
        for message in [refuse(true), refuse(false)] {
            assert!(
                message.contains("un: rustup target add aarch64-unknown-linux-gnu"),
                "{message}"
            );
        }
        assert!(refuse(false).contains("https://rustup.rs"));
    }

    #[test]
    fn a_missing_linker_is_refused_with_the_one_command_that_brings_it() {
        let (_scratch, toolchain) = toolchain(&Arch::ALL.map(Arch::triple));
        let error = choose(Arch::Arm64, &toolchain, false, |_| false).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(&format!("Run: {INSTALL_ZIG}\n")), "{message}");
        assert!(message.contains("apt-get install gcc-aarch64-linux-gnu"), "{message}");
        if Arch::host() == Some(Arch::X86_64) {
            assert!(message.contains("--arch x86_64"), "{message}");
        }
    }

    #[test]
    fn the_command_is_one_line_that_needs_no_permission_of_the_system_and_the_one_in_the_readme() {
        // Debian 12 and others refuse every pip but that of a virtual environment.
        let (environment, rest) = INSTALL_ZIG.split_once(" && ").unwrap();
        let folder = environment.strip_prefix("python3 -m venv ").unwrap();
        assert!(rest.starts_with(&format!("{folder}/bin/pip install ")), "{rest}");
        assert!(!INSTALL_ZIG.contains(['\n', '\r']) && !INSTALL_ZIG.contains("sudo"));
        let readme = include_str!("../../README.md");
        assert!(
            readme.lines().any(|line| line == INSTALL_ZIG),
            "README.md names another"
        );
    }
}
