//! The file that a command writes its result into.

use super::exit::Exit;
use clap::Args;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// May what stands there be lost?
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct TargetArgs {
    /// Write over the file where it exists
    #[arg(long)]
    force: bool,
}

impl TargetArgs {
    /// Refuses a file that could not be written, before the work that makes what is written. `flag` is the flag that
    /// names it.
    pub fn check(self, flag: &str, file: &Path) -> Result<(), Exit> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(Exit::usage(format!("{flag}: there is no folder {}", folder.display())));
        }
        if self.force || !file.exists() || is_no_file(file) {
            Ok(())
        } else {
            Err(stands(flag, file))
        }
    }

    /// Opens it for writing, empty: without `--force` only where nothing stands, also when it came to stand there
    /// meanwhile.
    pub fn create(self, flag: &str, file: &Path) -> Result<File, Exit> {
        let mut options = File::options();
        if self.force || is_no_file(file) {
            options.create(true).truncate(true);
        } else {
            options.create_new(true);
        }
        options.write(true).open(file).map_err(|why| match why.kind() {
            ErrorKind::AlreadyExists => stands(flag, file),
            _ => cannot_write(file, &why),
        })
    }
}

/// What goes there is kept by nobody, or read by somebody: a terminal, a pipe, `/dev/null`.
fn is_no_file(file: &Path) -> bool {
    file.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir())
}

fn stands(flag: &str, file: &Path) -> Exit {
    Exit::failed(format!(
        "{flag}: {} exists, and nothing was written; name another file, or say --force",
        file.display()
    ))
}

/// What is said when writing fails.
pub fn cannot_write(file: &Path, why: &io::Error) -> Exit {
    Exit::failed(format!("cannot write {}: {why}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn what_stands_is_kept_unless_it_may_be_lost() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data.csv");
        let (keep, force) = (TargetArgs::default(), TargetArgs { force: true });
        keep.check("--out", &file).unwrap();
        keep.create("--out", &file).unwrap().write_all(b"mine").unwrap();
        for refusal in [keep.check("--out", &file), keep.create("--out", &file).map(drop)] {
            let said = refusal.unwrap_err().message;
            assert!(said.contains("--out:") && said.contains("data.csv exists"), "{said}");
        }
        assert_eq!(fs::read(&file).unwrap(), b"mine");
        force.check("--out", &file).unwrap();
        force.create("--out", &file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"");
    }

    #[test]
    fn what_keeps_nothing_may_be_written_to_ever_again() {
        let null = Path::new("/dev/null");
        TargetArgs::default().check("--svg", null).unwrap();
        TargetArgs::default()
            .create("--svg", null)
            .unwrap()
            .write_all(b"x")
            .unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_before_the_work() {
        let said = TargetArgs::default()
            .check("--out", Path::new("/nowhere/x"))
            .unwrap_err();
        assert!(said.message.contains("there is no folder /nowhere"), "{}", said.message);
    }
}
