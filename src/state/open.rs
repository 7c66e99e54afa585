use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a file that must stand there itself. A symbolic link is refused, because whoever put it there would say what is
/// read and written. Never waits, not even for a pipe.
///
/// # Errors
/// It is a link, or what the system says.
pub fn no_link(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let opened = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    opened.map_err(|why| match why.raw_os_error() {
        Some(libc::ELOOP) => io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a symbolic link, which is not followed: remove it, or put the file itself there",
        ),
        _ => why,
    })
}
