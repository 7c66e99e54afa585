use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where states are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket on S3.
    Bucket {
        /// Its name.
        name: String,
        /// What every key begins with, without a slash at either end; may be empty.
        prefix: String,
    },
}

/// Why something names no place for states.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} names no place for the state: {why}; it is a folder, or s3://BUCKET/PREFIX")]
pub struct LocationError {
    text: String,
    why: String,
}

/// How a bucket is named.
const SCHEME: &str = "s3://";
/// The longest key that S3 takes is 1024 bytes; this leaves room for the file's name. User guide, "Naming Amazon S3
/// objects".
const LONGEST_PREFIX: usize = 900;

impl Location {
    /// Reads what a flag or a setting says of where this environment's state is.
    ///
    /// # Errors
    /// As [`Location::parse`], or it is the name of the state itself and not of what it is in.
    pub fn of_env(given: &Path, env: &str) -> Result<Self, LocationError> {
        let location = Self::parse(given)?;
        let file = format!("{env}.json");
        let within = match &location {
            Self::Folder(folder) if folder.file_name() == Some(OsStr::new(&file)) => {
                let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
                parent.unwrap_or(Path::new(".")).display().to_string()
            }
            Self::Bucket { name, prefix } if prefix.rsplit('/').next() == Some(file.as_str()) => {
                let above = prefix.rsplit_once('/').map_or("", |(above, _)| above);
                format!("{SCHEME}{name}/{above}").trim_end_matches('/').to_owned()
            }
            _ => return Ok(location),
        };
        Err(LocationError {
            text: given.display().to_string(),
            why: format!("{file} is what the state in it is called; name {within:?}"),
        })
    }

    /// Reads what a flag or a setting says.
    ///
    /// # Errors
    /// It is neither a folder nor a bucket that can exist.
    pub fn parse(given: &Path) -> Result<Self, LocationError> {
        let folder = || Ok(Self::Folder(given.to_owned()));
        let Some(text) = given.to_str() else { return folder() };
        let wrong = |why: &str| {
            Err(LocationError {
                text: text.to_owned(),
                why: why.to_owned(),
            })
        };
        if text.is_empty() {
            return wrong("it is empty");
        }
        if text.starts_with('~') {
            return wrong("a `~` that no shell has replaced is the name of no home; write the whole path");
        }
        let Some(rest) = text.strip_prefix(SCHEME) else {
            let lower = text.to_ascii_lowercase();
            let begins = ["s3:", "arn:"].iter().any(|scheme| lower.starts_with(scheme));
            return match begins || lower.contains("://") {
                true => wrong("it is no URL of a bucket"),
                false => folder(),
            };
        };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if let Some(why) = wrong_name(name) {
            return wrong(why);
        }
        if rest.ends_with('/') {
            return wrong("it ends with a slash");
        }
        match wrong_prefix(prefix) {
            Some(why) => wrong(why),
            None => Ok(Self::Bucket {
                name: name.to_owned(),
                prefix: prefix.to_owned(),
            }),
        }
    }
}

/// What is wrong with the name of a bucket: user guide, "General purpose bucket naming rules".
fn wrong_name(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let of_plain = |part: &str| part.chars().all(|c| plain(c) || c == '-');
    if name.is_empty() {
        return Some("the bucket is missing");
    }
    if !(3..=63).contains(&name.len()) {
        return Some("a bucket's name has 3 to 63 characters");
    }
    if !name.split('.').all(of_plain) {
        return Some("a bucket's name has only lower-case letters, digits, dots and hyphens");
    }
    if !name.starts_with(plain) || !name.ends_with(plain) || name.contains("..") {
        return Some("a bucket's name begins and ends with a letter or digit, and has no two dots in a row");
    }
    if name.parse::<std::net::Ipv4Addr>().is_ok() {
        return Some("a bucket's name does not look like an IP address");
    }
    let begins = ["xn--", "sthree-", "amzn-s3-demo-"];
    let ends = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    let reserved = begins.iter().any(|part| name.starts_with(part)) || ends.iter().any(|part| name.ends_with(part));
    reserved.then_some("AWS keeps such names for other uses; a state needs a general purpose bucket")
}

/// What is wrong with a prefix. Characters that need care somewhere are not taken.
fn wrong_prefix(prefix: &str) -> Option<&'static str> {
    if prefix.is_empty() {
        return None;
    }
    if prefix.len() > LONGEST_PREFIX {
        return Some("the prefix is longer than 900 characters");
    }
    if prefix.split('/').any(str::is_empty) {
        return Some("the prefix has two slashes in a row, or begins with one");
    }
    if prefix.split('/').any(|part| matches!(part, "." | "..")) {
        return Some("the prefix has a part that is `.` or `..`");
    }
    let safe = |c: char| c.is_ascii_alphanumeric() || "/!-_.*'()".contains(c);
    (!prefix.chars().all(safe)).then_some("the prefix has only letters, digits and /!-_.*'()")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    fn parse(text: &str) -> Result<Location, LocationError> {
        Location::parse(Path::new(text))
    }

    #[test]
    fn buckets_are_told_from_folders() {
        let bucket = |name: &str, prefix: &str| Location::Bucket {
            name: name.into(),
            prefix: prefix.into(),
        };
        assert_eq!(parse("s3://my-bucket/fraud/eu"), Ok(bucket("my-bucket", "fraud/eu")));
        assert_eq!(parse("s3://my.bucket"), Ok(bucket("my.bucket", "")));
        for folder in ["state", "/abs/state", "../up", "./~", "my state", "s3", "x/s3"] {
            assert_eq!(parse(folder), Ok(Location::Folder(folder.into())));
        }
        let bytes = Path::new(std::ffi::OsStr::from_bytes(b"\xff"));
        assert_eq!(Location::parse(bytes), Ok(Location::Folder(bytes.to_owned())));
    }

    #[test]
    fn what_can_be_no_bucket_is_refused_with_the_reason() {
        let long = format!("s3://{}", "b".repeat(64));
        let deep = format!("s3://bucket/{}", "p".repeat(901));
        for (text, why) in [
            ("", "empty"),
            ("~/state", "no shell has replaced"),
            ("~", "no shell has replaced"),
            ("s3://", "missing"),
            ("s3:///prefix", "missing"),
            ("s3:/bucket", "no URL"),
            ("S3://bucket", "no URL"),
            ("arn:aws:s3:::bucket/prefix", "no URL"),
            ("ARN:aws:s3:::bucket", "no URL"),
            ("https://bucket.s3.amazonaws.com", "no URL"),
            ("s3://ab", "3 to 63"),
            (&long, "3 to 63"),
            ("s3://My-bucket", "lower-case"),
            ("s3://my_bucket", "lower-case"),
            ("s3://bücket", "lower-case"),
            ("s3://-bucket", "begins and ends"),
            ("s3://bucket-", "begins and ends"),
            ("s3://my..bucket", "two dots"),
            ("s3://192.168.1.1", "IP address"),
            ("s3://xn--bucket", "other uses"),
            ("s3://bucket--usw2-az1--x-s3", "other uses"),
            ("s3://bucket/", "ends with a slash"),
            ("s3://bucket/prefix/", "ends with a slash"),
            ("s3://bucket//prefix", "two slashes"),
            ("s3://bucket/a/../b", "`..`"),
            ("s3://bucket/..", "`..`"),
            ("s3://bucket/a b", "letters, digits"),
            ("s3://bucket/a?b", "letters, digits"),
            (&deep, "900"),
        ] {
            let said = parse(text).expect_err(text).to_string();
            assert!(said.contains(why), "{text}: {said}");
            assert!(said.contains("s3://BUCKET/PREFIX"), "{said}");
        }
    }

    #[test]
    fn the_name_of_the_state_itself_is_refused_with_the_place_that_it_is_in() {
        let of_env = |text: &str| Location::of_env(Path::new(text), "dev");
        for (text, within) in [
            ("state/dev.json", "\"state\""),
            ("state/dev.json/", "\"state\""),
            ("/abs/my state/dev.json", "\"/abs/my state\""),
            ("dev.json", "\".\""),
            ("s3://bucket/dev.json", "\"s3://bucket\""),
            ("s3://bucket/a/b/dev.json", "\"s3://bucket/a/b\""),
        ] {
            let said = of_env(text).expect_err(text).to_string();
            let name = format!("name {within};");
            assert!(said.contains(&name) && said.contains(text), "{text}: {said}");
        }
        for place in [
            "state",
            "dev",
            "state/prod.json",
            "state/mydev.json",
            "dev.json/state",
            "s3://bucket/x-dev.json",
            "s3://bucket/dev.json/x",
            "s3://dev.json",
        ] {
            assert_eq!(of_env(place), parse(place), "{place}");
        }
        assert!(
            of_env("s3://bucket/")
                .unwrap_err()
                .to_string()
                .contains("ends with a slash")
        );
    }
}
