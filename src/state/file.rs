//! A state's file, and those beside it. What stands in them is no concern of this.

use super::open::no_link;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// What is in the file; nothing where there is none.
///
/// # Errors
/// What the system says.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    let file = no_link(OpenOptions::new().read(true), path);
    match file.and_then(|mut file| file.read_to_end(&mut content)) {
        Ok(_) => Ok(Some(content)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}

/// Writes the file, and keeps what stood there as the one before. When this returns, a crash of the process or the machine
/// does not undo it; before, the file holds what it held.
///
/// # Errors
/// What the system says; the file then holds what it held.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    keep(path, &previous(path))?;
    write_atomically(path, content)
}

/// Writes the file in place of a damaged one, which is kept as `.damaged`, or under the next number where that is there.
/// The one before it stays.
///
/// # Errors
/// As [`write()`].
pub fn mend(path: &Path, content: &[u8]) -> io::Result<()> {
    keep(path, &damaged(path))?;
    write_atomically(path, content)
}

/// Removes the file, the one before it, and what a death in the middle of a write left beside them.
///
/// # Errors
/// What the system says.
pub fn discard(path: &Path) -> io::Result<()> {
    remove_unfinished(path)?;
    // The previous one first: what is left after a death in between must not be what is outdated.
    for path in [previous(path), path.to_owned()] {
        remove(&path)?;
    }
    Ok(())
}

fn remove_unfinished(path: &Path) -> io::Result<()> {
    for path in [path, &previous(path), &damaged(path)] {
        remove(&beside(path, "new"))?;
    }
    Ok(())
}

/// Gives the file a name under which nobody looks for a state, so that nobody goes on with it, and removes the one before
/// it.
///
/// # Errors
/// What the system says; the file is then where it was.
pub fn retire(path: &Path) -> io::Result<()> {
    remove_unfinished(path)?;
    // The previous one first, as above.
    remove(&previous(path))?;
    fs::rename(path, retired(path))?;
    File::open(folder(path))?.sync_all()
}

/// Was the state moved away from here?
pub fn is_retired(path: &Path) -> bool {
    is_there(&retired(path))
}

/// Has something this name, whatever it is?
pub fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// `dev.json.moved` for `dev.json`: the state as it was when it was moved away.
pub fn retired(path: &Path) -> PathBuf {
    beside(path, "moved")
}

/// `dev.moved` for `dev.json`: where the state went.
pub fn tombstone(path: &Path) -> PathBuf {
    path.with_extension("moved")
}

/// Writes where the state goes.
///
/// # Errors
/// As [`write()`].
pub fn bury(path: &Path, content: &[u8]) -> io::Result<()> {
    write_atomically(&tombstone(path), content)
}

/// The state has come back: what was left here when it went is outdated.
///
/// # Errors
/// What the system says.
pub fn unretire(path: &Path) -> io::Result<()> {
    remove(&retired(path))?;
    remove(&tombstone(path))?;
    match File::open(folder(path)) {
        Ok(folder) => folder.sync_all(),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(why) => Err(why),
    }
}

/// Do both paths name one file, whether it is there or not? Links and `..` on the way to it count as what they lead to.
pub fn are_one(one: &Path, other: &Path) -> bool {
    one.file_name() == other.file_name() && resolved(folder(one)) == resolved(folder(other))
}

/// The folder without links and `..`, as far as it is there.
fn resolved(folder: &Path) -> PathBuf {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mut there = PathBuf::new();
    for part in whole.components() {
        match part {
            // What stands before it has no links any more.
            Component::ParentDir => {
                there.pop();
            }
            part => {
                there.push(part);
                there = there.canonicalize().unwrap_or(there);
            }
        }
    }
    there
}

/// `dev.json.prev` for `dev.json`: the state before.
pub fn previous(path: &Path) -> PathBuf {
    beside(path, "prev")
}

/// The first of `dev.json.damaged`, `dev.json.damaged.1` and so on that is free, for `dev.json`.
fn damaged(path: &Path) -> PathBuf {
    let first = beside(path, "damaged");
    let (mut name, mut count) = (first.clone(), 0_u32);
    while is_there(&name) {
        count += 1;
        name = beside(&first, &count.to_string());
    }
    name
}

fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

fn folder(path: &Path) -> &Path {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Keeps what stands at `from` also as `to`, at once and whole. Nothing is written where the file system knows links: the
/// file that follows takes the name `from`, not the content.
fn keep(from: &Path, to: &Path) -> io::Result<()> {
    let mut content = Vec::new();
    match no_link(OpenOptions::new().read(true), from) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(why),
        Ok(mut file) => {
            let between = beside(to, "new");
            // What a death in between left.
            let _ = fs::remove_file(&between);
            if fs::hard_link(from, &between).is_ok() {
                fs::rename(&between, to)?;
                // Where both were one file already, the rename leaves it.
                let _ = fs::remove_file(&between);
                return Ok(());
            }
            file.read_to_end(&mut content)?;
        }
    }
    write_atomically(to, &content)
}

/// Replaces a file's content so that a crash at any moment leaves either the old content or the new, whole. The file
/// is readable by its owner alone.
///
/// # Errors
/// What the system says; the old content is then untouched.
fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder(path);
    fs::create_dir_all(folder)?;
    // In the same folder, because a rename is atomic only within one file system. Under one name, so that what a death
    // leaves there is taken away by the next write: whoever writes has the lock.
    let between = beside(path, "new");
    remove(&between)?;
    let mut file = no_link(OpenOptions::new().write(true).create_new(true).mode(0o600), &between)?;
    let written = file
        // 0600 whatever the umask.
        .set_permissions(Permissions::from_mode(0o600))
        .and_then(|()| file.write_all(content))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&between, path));
    if let Err(why) = written {
        // A half of it is of use to nobody, least of all on a disk that is full.
        let _ = fs::remove_file(&between);
        return Err(why);
    }
    // The rename itself is durable only when the folder is.
    File::open(folder)?.sync_all()
}
