//! Tags that the settings ask for, held against the strictest rule of all services that take them; and the tags of
//! others that are left alone.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory as Category;
use std::collections::BTreeMap;
use thiserror::Error;

/// A tag that AWS would refuse, or a pattern of tags that hides our own.
#[derive(Debug, Error)]
#[error("{key}: {value} cannot be used: {why}")]
pub struct TagError {
    /// The key or the table in `fraudctl.toml`.
    key: String,
    /// The tag or pattern, as people read it.
    value: String,
    /// What is wrong, and what is allowed.
    why: String,
}

/// The keys that the stack sets by itself. The first three may be set to something else.
pub const OWN_TAGS: [&str; 6] = [
    "Environment",
    "Project",
    "CostCenter",
    "fraudctl:env",
    "fraudctl:address",
    "fraudctl:region",
];

/// How many tags one resource may have: "Tag naming limits and requirements", Tagging AWS Resources User Guide. Some
/// services take more.
const MOST: usize = 50;
/// The longest key and the longest value.
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;
/// What may be in a tag beside letters, digits and blanks: the pattern of IAM, Lambda, CloudWatch Logs and SSM.
const SIGNS: &str = "_.:/=+-@";
/// The same for people.
const ALLOWED: &str =
    "AWS takes keys of 1 to 128 and values of up to 256 letters, digits, blanks inside, and _ . : / = + - @";

/// The tags of one table of the file.
pub(super) fn check(section: &str, tags: &BTreeMap<String, String>) -> Result<(), TagError> {
    for (key, value) in tags {
        if let Err(why) = refused_key(key).and_then(|()| refused_value(value)) {
            let tag = format!("{} = {}", shown(key), shown(value));
            return Err(refuse(section, tag, format!("{why}. {ALLOWED}")));
        }
    }
    Ok(())
}

/// All tags of an environment: those of the file together with the stack's.
pub(super) fn check_together(tags: &BTreeMap<String, String>) -> Result<(), TagError> {
    let mut seen: BTreeMap<String, &str> = OWN_TAGS.map(|key| (folded(key), key)).into();
    for key in tags.keys() {
        let before = seen.insert(folded(key), key).filter(|before| before != key);
        if let Some(before) = before {
            let of = if OWN_TAGS.contains(&before) {
                ", which fraudctl sets"
            } else {
                ""
            };
            let why = format!(
                "it differs in case only from {before}{of}. IAM takes keys that do for one and the same: use one spelling"
            );
            return Err(refuse("tags", shown(key), why));
        }
    }
    if seen.len() > MOST {
        let why = format!("{} with the {} that fraudctl sets", seen.len(), OWN_TAGS.len());
        let tags = format!("{} tags", tags.len());
        return Err(refuse("tags", tags, format!("{why}. AWS takes {MOST} on one resource")));
    }
    Ok(())
}

/// Why this cannot be a tag's key, if it cannot.
///
/// # Errors
/// The reason.
pub fn refused_key(key: &str) -> Result<(), String> {
    text("the key", key, LONGEST_KEY)?;
    if key.is_empty() {
        return Err("the key is empty".to_owned());
    }
    if folded(key).starts_with("fraudctl:") {
        return Err("keys that begin with `fraudctl:` are those by which fraudctl knows its own".to_owned());
    }
    Ok(())
}

/// Why this cannot be a tag's value, if it cannot.
///
/// # Errors
/// The reason.
pub fn refused_value(value: &str) -> Result<(), String> {
    text("the value", value, LONGEST_VALUE)
}

fn text(what: &str, text: &str, longest: usize) -> Result<(), String> {
    let mut bad: Vec<String> = text
        .chars()
        .filter(|c| !allowed(*c))
        .map(|c| format!("{c:?}"))
        .collect();
    bad.dedup();
    if !bad.is_empty() {
        bad.truncate(5);
        return Err(format!("{what} has {} in it", bad.join(", ")));
    }
    if text.trim() != text {
        return Err(format!("{what} begins or ends with a blank"));
    }
    // Services that count in UTF-16 are the stricter ones.
    let length = text.encode_utf16().count();
    if length > longest {
        return Err(format!("{what} has {length} characters, more than {longest}"));
    }
    if folded(text).starts_with("aws:") {
        return Err(format!("{what} begins with `aws:`, which is for AWS itself"));
    }
    Ok(())
}

/// Is this a letter, a digit, the blank or one of the signs? AWS's patterns take other separators too, which nobody sees.
fn allowed(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == ' ' || SIGNS.contains(c);
    }
    matches!(
        CodePointMapData::<Category>::new().get(c),
        Category::UppercaseLetter
            | Category::LowercaseLetter
            | Category::TitlecaseLetter
            | Category::ModifierLetter
            | Category::OtherLetter
            | Category::DecimalNumber
            | Category::LetterNumber
            | Category::OtherNumber
    )
}

/// Without regard to case, also of letters with two lower-case forms.
fn folded(text: &str) -> String {
    let upper = text.chars().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).collect()
}

/// Quoted, with what cannot be seen escaped, and not longer than a line.
fn shown(text: &str) -> String {
    match text.char_indices().nth(60) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
    }
}

fn refuse(key: &str, value: String, why: String) -> TagError {
    TagError {
        key: key.to_owned(),
        value,
        why,
    }
}

/// Patterns for the keys of tags that others put on our resources. A `*` stands for any text; everything else stands for
/// itself, in this very case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagPatterns(Vec<String>);

impl TagPatterns {
    /// The patterns of an environment whose settings ask for these tags. None of them may match a tag that the stack sets:
    /// neither what tells whose a resource is nor what the settings ask for could be kept then.
    pub(super) fn new(patterns: Vec<String>, tags: &BTreeMap<String, String>) -> Result<Self, TagError> {
        for pattern in &patterns {
            let refused = |why: String| refuse("ignore_tags", shown(pattern), why);
            text("it", &pattern.replace('*', "x"), LONGEST_KEY).map_err(|why| {
                let hint = "A pattern is a tag's key, in which `*` stands for any text. Tags of AWS itself are passed over anyway";
                refused(format!("{why}. {hint}"))
            })?;
            if pattern.is_empty() {
                return Err(refused("an empty pattern matches no tag".to_owned()));
            }
            let mut ours = OWN_TAGS.into_iter().chain(tags.keys().map(String::as_str));
            if let Some(key) = ours.find(|key| matches(pattern, key)) {
                let why = format!("it matches {key}, which fraudctl sets and keeps. Name the tags of others alone");
                return Err(refused(why));
            }
        }
        Ok(Self(patterns))
    }

    /// Is the tag of this key left alone?
    pub fn matches(&self, key: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, key))
    }
}

fn matches(pattern: &str, key: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == key;
    };
    let Some(mut key) = key.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*');
    let last = parts.next_back().unwrap_or_default();
    for part in parts {
        // The earliest place leaves the most for what follows.
        let Some((_, after)) = key.split_once(part) else {
            return false;
        };
        key = after;
    }
    key.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(keys: &[&str]) -> BTreeMap<String, String> {
        keys.iter().map(|key| ((*key).to_owned(), "v".to_owned())).collect()
    }

    #[test]
    fn what_every_service_takes_is_taken() {
        for key in [
            "Owner",
            "cost:centre/2 @ home",
            "Größe",
            "日本",
            "x",
            "٣",
            "½",
            &"k".repeat(128),
        ] {
            assert_eq!(refused_key(key), Ok(()), "{key:?}");
        }
        for value in ["", "R+D = 1_2.3:/-@", "Ünïcode", "fraudctl:x", &"v".repeat(256), "𠀀"] {
            assert_eq!(refused_value(value), Ok(()), "{value:?}");
        }
    }

    #[test]
    fn what_one_service_refuses_is_refused_with_the_reason() {
        for (key, why) in [
            ("", "empty"),
            ("a&b", "'&'"),
            ("a\tb", "'\\t'"),
            ("a\u{a0}b", "'\\u{a0}'"),
            ("a\u{200b}", "'\\u{200b}'"),
            ("e\u{301}", "'\\u{301}'"),
            ("Ⓐ", "'Ⓐ'"),
            ("🙂", "'🙂'"),
            ("a*", "'*'"),
            (" a", "blank"),
            ("a ", "blank"),
            ("aws:x", "`aws:`"),
            ("AwS:x", "`aws:`"),
            ("FraudCtl:env", "`fraudctl:`"),
            (&"k".repeat(129), "129 characters, more than 128"),
            (&"𠀀".repeat(65), "130 characters"),
        ] {
            let told = refused_key(key).unwrap_err();
            assert!(told.contains(why), "{key:?}: {told}");
        }
        for (value, why) in [
            ("R&D (Fraud), EMEA", "'&', '(', ')', ','"),
            ("<b>", "'<', '>'"),
            ("a\nb", "'\\n'"),
            ("#1", "'#'"),
            (" ", "blank"),
            ("Aws:x", "`aws:`"),
            (&"v".repeat(257), "257 characters"),
        ] {
            let told = refused_value(value).unwrap_err();
            assert!(told.contains(why), "{value:?}: {told}");
        }
    }

    #[test]
    fn keys_that_differ_in_case_only_are_refused_and_ours_may_be_set_as_they_are_written() {
        assert!(check_together(&tags(&["Environment", "Project", "CostCenter", "Owner"])).is_ok());
        for keys in [
            &["environment"][..],
            &["COSTCENTER"],
            &["Owner", "owner"],
            &["ſtage", "Stage"],
        ] {
            let why = check_together(&tags(keys)).unwrap_err().to_string();
            assert!(why.contains("case only"), "{keys:?}: {why}");
        }
    }

    #[test]
    fn fifty_tags_are_taken_with_ours_and_not_one_more() {
        let many = |count: usize| {
            let keys = (0..count).map(|number| (format!("k{number}"), String::new()));
            keys.chain([("Project".to_owned(), "p".to_owned())]).collect()
        };
        assert!(check_together(&many(44)).is_ok());
        let why = check_together(&many(45)).unwrap_err().to_string();
        assert!(why.contains("51 with the 6") && why.contains("50 on one"), "{why}");
    }

    #[test]
    fn a_star_stands_for_any_text_and_all_else_for_itself() {
        for (pattern, key) in [
            ("AutoTag_*", "AutoTag_Creator"),
            ("AutoTag_*", "AutoTag_"),
            ("*creator", "Auto:creator"),
            ("a*b*c", "a-b-b-c"),
            ("a**c", "abc"),
            ("*b*", "abc"),
            ("Creator", "Creator"),
            ("a.c", "a.c"),
        ] {
            assert!(matches(pattern, key), "{pattern} {key}");
        }
        for (pattern, key) in [
            ("AutoTag_*", "autotag_x"),
            ("Creator", "Creators"),
            ("a*a", "a"),
            ("a*b*b", "ab"),
            ("a.c", "abc"),
            ("*b", "bc"),
        ] {
            assert!(!matches(pattern, key), "{pattern} {key}");
        }
    }

    #[test]
    fn a_pattern_that_would_hide_what_we_set_is_refused() {
        let new = |pattern: &str| TagPatterns::new(vec![pattern.to_owned()], &tags(&["Owner"]));
        for (pattern, key) in [
            ("*", "Environment"),
            ("fraudctl:*", "fraudctl:env"),
            ("Project", "Project"),
            ("*address", "fraudctl:address"),
            ("Own*", "Owner"),
        ] {
            let why = new(pattern).unwrap_err().to_string();
            assert!(why.contains("ignore_tags") && why.contains(key), "{why}");
        }
        for pattern in ["", "a&b", " x"] {
            assert!(new(pattern).is_err(), "{pattern:?}");
        }
        let theirs = new("AutoTag_*").unwrap();
        assert!(theirs.matches("AutoTag_Creator") && !theirs.matches("Owner"));
        assert!(new("owner").is_ok(), "another key than Owner but for IAM");
    }
}
