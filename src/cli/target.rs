//! The file that a command writes its result into.

use super::exit::Exit;
use clap::Args;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// May what stands there be lost?
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct TargetArgs {
    /// Write over the file where it exists
    #[arg(long)]
    force: bool,
}

/// A file that gets its name when all of it is written: neither half a file nor the loss of what stood there is left when
/// that fails.
pub struct Target {
    flag: &'static str,
    path: PathBuf,
    force: bool,
    open: Open,
}

enum Open {
    Beside(NamedTempFile),
    /// What is no file is written to as it is: a terminal, a pipe, `/dev/null`.
    Straight(File),
}

impl TargetArgs {
    /// Refuses a file that could not be written, before the work that makes what is written. `flag` is the flag that
    /// names it.
    pub fn check(self, flag: &str, path: &Path) -> Result<(), Exit> {
        let folder = folder(path);
        if !folder.is_dir() {
            return Err(Exit::usage(format!("{flag}: there is no folder {}", folder.display())));
        }
        if path.is_dir() {
            return Err(Exit::usage(format!(
                "{flag}: {} is a folder; name a file",
                path.display()
            )));
        }
        // A link that leads nowhere is there, too.
        if self.force || is_no_file(path) || fs::symlink_metadata(path).is_err() {
            Ok(())
        } else {
            Err(stands(flag, path))
        }
    }

    /// Begins to write it.
    pub fn create(self, flag: &'static str, path: &Path) -> Result<Target, Exit> {
        self.check(flag, path)?;
        let open = if is_no_file(path) {
            File::options().write(true).open(path).map(Open::Straight)
        } else {
            // As any new file: what the umask leaves of it.
            let mut beside = tempfile::Builder::new();
            let beside = beside.permissions(Permissions::from_mode(0o666));
            beside.tempfile_in(folder(path)).map(Open::Beside)
        };
        Ok(Target {
            flag,
            path: path.to_owned(),
            force: self.force,
            open: open.map_err(|why| cannot_write(path, &why))?,
        })
    }

    /// Writes all of it at once.
    pub fn write(self, flag: &'static str, path: &Path, content: &str) -> Result<(), Exit> {
        let mut target = self.create(flag, path)?;
        target
            .write_all(content.as_bytes())
            .map_err(|why| cannot_write(path, &why))?;
        target.finish()
    }
}

impl Target {
    /// Gives it its name: without `--force` only where nothing stands, also when it came to stand there meanwhile.
    pub fn finish(self) -> Result<(), Exit> {
        let Open::Beside(beside) = self.open else {
            return Ok(());
        };
        let done = if self.force {
            // What a link leads to is meant, not the link.
            beside.persist(self.path.canonicalize().unwrap_or_else(|_| self.path.clone()))
        } else {
            beside.persist_noclobber(&self.path)
        };
        done.map(drop).map_err(|why| match why.error.kind() {
            ErrorKind::AlreadyExists => stands(self.flag, &self.path),
            _ => cannot_write(&self.path, &why.error),
        })
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.open {
            Open::Beside(file) => file.write(bytes),
            Open::Straight(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.open {
            Open::Beside(file) => file.flush(),
            Open::Straight(file) => file.flush(),
        }
    }
}

fn folder(path: &Path) -> &Path {
    let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn is_no_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|there| !there.is_file())
}

fn stands(flag: &str, path: &Path) -> Exit {
    Exit::failed(format!(
        "{flag}: {} exists, and nothing was written; name another file, or say --force",
        path.display()
    ))
}

fn cannot_write(path: &Path, why: &io::Error) -> Exit {
    Exit::failed(format!("cannot write {}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const KEEP: TargetArgs = TargetArgs { force: false };
    const FORCE: TargetArgs = TargetArgs { force: true };

    #[test]
    fn what_stands_is_kept_unless_it_may_be_lost() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data.csv");
        KEEP.write("--out", &file, "mine").unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o600, 0o600);
        for refusal in [KEEP.check("--out", &file), KEEP.write("--out", &file, "theirs")] {
            let said = refusal.unwrap_err().message;
            assert!(said.contains("--out:") && said.contains("data.csv exists"), "{said}");
        }
        assert_eq!(fs::read(&file).unwrap(), b"mine");
        FORCE.write("--out", &file, "new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_not_finished_leaves_nothing_and_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data.csv");
        fs::write(&file, "mine").unwrap();
        let mut target = FORCE.create("--out", &file).unwrap();
        target.write_all(b"half").unwrap();
        drop(target);
        assert_eq!(fs::read(&file).unwrap(), b"mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // What came to stand there meanwhile is kept.
        let late = folder.path().join("late");
        let target = KEEP.create("--out", &late).unwrap();
        fs::write(&late, "theirs").unwrap();
        target.finish().unwrap_err();
        assert_eq!(fs::read(&late).unwrap(), b"theirs");
    }

    #[test]
    fn a_link_is_followed_where_what_it_leads_to_may_be_lost() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        symlink(&file, &link).unwrap();
        KEEP.check("--svg", &link).unwrap_err();
        fs::write(&file, "old").unwrap();
        FORCE.write("--svg", &link, "new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(link.is_symlink());
    }

    #[test]
    fn what_keeps_nothing_may_be_written_to_ever_again() {
        KEEP.write("--svg", Path::new("/dev/null"), "x").unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_or_not_a_file_is_told_before_the_work() {
        let said = FORCE.check("--out", Path::new("/")).unwrap_err().message;
        assert!(said.contains("/ is a folder"), "{said}");
        let said = KEEP.check("--out", Path::new("/nowhere/x")).unwrap_err().message;
        assert!(said.contains("there is no folder /nowhere"), "{said}");
    }
}
