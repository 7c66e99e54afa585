//! What the documents say is what the code does: settings, flags, exit codes, links, and which room may use
//! which.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of `src/` that are packages of their own. Others use them by name; what such a room may use is in its
/// `Cargo.toml`, and no room is.
const PACKAGES: &[&str] = &["evaluate"];

/// Which rooms of `src/` each room may use. The table in `docs/architecture.md` says the same.
const MAY_USE: &[(&str, &[&str])] = &[
    ("evaluate", &[]),
    ("resource", &[]),
    ("config", &[]),
    ("local", &[]),
    ("net", &[]),
    ("artifact", &["resource"]),
    ("state", &["resource"]),
    ("aws", &["net", "resource", "state"]),
    ("engine", &["resource", "state"]),
    ("stack", &["artifact", "aws", "config", "engine", "resource"]),
    ("operate", &["aws", "engine", "evaluate", "net", "resource", "state"]),
    ("ui", &["engine", "resource"]),
    (
        "cli",
        &[
            "artifact", "aws", "config", "engine", "evaluate", "local", "operate", "resource", "stack", "state", "ui",
        ],
    ),
];

/// Past this a file no longer fits in a head. Tests beside the code do not count.
const MOST_LINES: usize = 500;

#[test]
fn nothing_is_left_to_be_written() {
    for file in documents() {
        let text = read(&file);
        for mark in ["TODO", "FIXME", "TBD"] {
            assert!(!text.contains(mark), "{} still says {mark}", file.display());
        }
    }
}

#[test]
fn every_room_uses_only_those_below_it() {
    let mut wrong = Vec::new();
    for file in sources("src") {
        let Some(room) = room(&file) else { continue };
        let allowed = MAY_USE
            .iter()
            .find(|(name, _)| *name == room)
            .map(|(_, allowed)| *allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("the room src/{room} has no row in MAY_USE"));
        for (number, line) in read(&file).lines().enumerate() {
            for used in used_rooms(&room, line) {
                if used != room && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{}:{}: {room} may not use {used}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "see docs/architecture.md:\n{}", wrong.join("\n"));
}

#[test]
fn the_rooms_in_the_code_are_those_in_the_table_and_in_the_architecture() {
    for package in PACKAGES {
        let manifest = read(format!("src/{package}/Cargo.toml"));
        let names_a_room = |line: &str| line.starts_with("fraudctl") || line.contains("path = ");
        let library = r#"path = "lib.rs""#;
        let wrong = manifest.lines().find(|line| names_a_room(line) && *line != library);
        assert_eq!(wrong, None, "src/{package}/Cargo.toml");
    }
    let mut rooms: BTreeSet<String> = read("src/lib.rs")
        .lines()
        .filter_map(|line| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned()))
        .collect();
    rooms.extend(PACKAGES.iter().map(|package| (*package).to_owned()));
    let listed: BTreeSet<String> = MAY_USE.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, listed);
    let architecture = read("docs/architecture.md");
    for (room, allowed) in MAY_USE {
        let row = architecture
            .lines()
            .find(|line| line.starts_with(&format!("| `{room}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/architecture.md has no row for the room {room}"));
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        let names: Vec<String> = allowed.iter().map(|name| format!("`{name}`")).collect();
        let expected = match (*room, allowed.is_empty()) {
            ("cli", _) => "all".to_owned(),
            (_, true) => "nothing".to_owned(),
            _ => names.join(", "),
        };
        assert_eq!(cell, expected, "docs/architecture.md, row of {room}");
    }
}

#[test]
fn no_file_is_longer_than_fits_in_a_head() {
    let mut wrong = Vec::new();
    for file in sources("src").into_iter().chain(sources("functions")) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Compiled for tests alone.
        if name.ends_with("_tests.rs") || name == "fake.rs" {
            continue;
        }
        let text = read(&file);
        let lines: Vec<&str> = text.lines().collect();
        let tests = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests {");
        let length = lines.windows(2).position(tests).unwrap_or(lines.len());
        if length > MOST_LINES {
            wrong.push(format!("{}: {length} lines without its tests", file.display()));
        }
    }
    assert!(wrong.is_empty(), "more than {MOST_LINES} lines:\n{}", wrong.join("\n"));
}

#[test]
fn every_setting_is_documented_and_in_the_example() {
    let code = read("src/config.rs");
    let (readme, commands, example) = (read("README.md"), read("docs/commands.md"), read("fraudctl.toml"));
    let mut keys = BTreeSet::new();
    for name in ["File", "Section", "FunctionSection"] {
        let found = fields(&code, name);
        assert!(!found.is_empty(), "src/config.rs has no struct {name}");
        keys.extend(found);
    }
    for key in &keys {
        let said = commands.contains(&format!("`{key}`"))
            && (key == "env"
                || readme.contains(&format!("`{key}`"))
                || readme.contains(&format!(".{key}`"))
                || is_table(key));
        assert!(said, "the setting {key} is missing in README.md or docs/commands.md");
        let shown = example.contains(&format!("#{key} = ")) || example.contains(&format!("#[{key}"));
        assert!(shown, "the setting {key} is missing in fraudctl.toml");
    }
    for line in example.lines() {
        assert!(
            line.is_empty() || line.starts_with('#'),
            "fraudctl.toml sets something: {line}"
        );
    }
}

#[test]
fn every_exit_code_is_documented() {
    let commands = read("docs/commands.md");
    let readme = read("README.md");
    let mut seen = 0;
    for line in read("src/cli/exit.rs").lines() {
        let Some((name, code)) = line
            .strip_prefix("pub const ")
            .and_then(|rest| rest.split_once(": u8 = "))
        else {
            continue;
        };
        let code = code.trim_end_matches(';');
        assert!(
            commands.contains(&format!("| {code} | `{name}` |")),
            "docs/commands.md has no row for exit code {code}, {name}"
        );
        assert!(
            readme.contains(&format!("| {code} |")),
            "README.md has no row for exit code {code}"
        );
        seen += 1;
    }
    assert!(seen >= 7, "only {seen} exit codes were found in src/cli/exit.rs");
}

#[test]
fn every_flag_and_every_variable_is_documented() {
    let commands = read("docs/commands.md");
    let mut seen = 0;
    for file in sources("src/cli") {
        let text = read(&file);
        for (at, _) in text.match_indices("#[arg(") {
            let (attribute, rest) = text[at..].split_once(")]").expect("an attribute has an end");
            if !attribute.contains("long") {
                continue;
            }
            let field = rest
                .trim_start()
                .trim_start_matches("pub ")
                .split(':')
                .next()
                .unwrap_or_default();
            let flag = quoted_after(attribute, "long = ").map_or_else(|| field.replace('_', "-"), str::to_owned);
            let place = format!("{}:{}", file.display(), text[..at].lines().count() + 1);
            assert!(
                commands.contains(&format!("--{flag}")),
                "{place}: --{flag} is missing in docs/commands.md"
            );
            if let Some(variable) = quoted_after(attribute, "env = ") {
                assert!(
                    commands.contains(&format!("`{variable}`")),
                    "{place}: {variable} is missing in docs/commands.md"
                );
            }
            seen += 1;
        }
    }
    assert!(seen >= 15, "only {seen} flags were found in src/cli");
}

#[test]
fn every_key_of_the_json_documents_is_documented() {
    let code = read("src/cli/json.rs");
    let commands = read("docs/commands.md");
    for name in ["Diff", "Changed", "Field", "Applied", "Counts", "Step"] {
        let found = fields(&code, name);
        assert!(!found.is_empty(), "src/cli/json.rs has no struct {name}");
        for key in found {
            let said = commands.contains(&format!("\"{key}\"")) || commands.contains(&format!("[].{key}`"));
            assert!(said, "the key {key} of {name} is missing in docs/commands.md");
        }
    }
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let mut wrong = Vec::new();
    for document in documents() {
        let text = without_code(&read(&document));
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or_default();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target
                .split_once('#')
                .map_or((target, None), |(path, anchor)| (path, Some(anchor)));
            let folder = document.parent().unwrap_or(Path::new(""));
            let file = if path.is_empty() {
                document.clone()
            } else {
                folder.join(path)
            };
            let there = root().join(&file).exists();
            let found = there && anchor.is_none_or(|anchor| headings(&read(&file)).contains(anchor));
            if !found {
                wrong.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn every_document_in_docs_is_reached_from_the_readme() {
    let readme = read("README.md");
    for document in documents().into_iter().filter(|document| document.starts_with("docs")) {
        let link = format!("({}", document.display());
        assert!(readme.contains(&link), "README.md does not link {}", document.display());
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(root().join(path)).unwrap_or_else(|why| panic!("cannot read {}: {why}", path.display()))
}

/// Every Rust file below a folder of the project, relative to the project, in order.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from(folder)];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(root().join(&folder));
        for entry in entries.unwrap_or_else(|why| panic!("cannot read {}: {why}", folder.display())) {
            let path = folder.join(entry.expect("an entry of a folder").file_name());
            if root().join(&path).is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "there are no sources");
    found
}

/// Every Markdown document that the links are checked of, relative to the project.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("README.md"), PathBuf::from("state/README.md")];
    for entry in fs::read_dir(root().join("docs")).expect("the folder docs") {
        let name = entry.expect("an entry of docs").file_name();
        if name.to_string_lossy().ends_with(".md") {
            found.push(Path::new("docs").join(name));
        }
    }
    found.sort();
    found
}

/// The room that a file below `src/` is in; nothing for `lib.rs` and `main.rs`, which may use all.
fn room(file: &Path) -> Option<String> {
    let name = file.components().nth(1)?.as_os_str().to_string_lossy().into_owned();
    match name.as_str() {
        "lib.rs" | "main.rs" => None,
        _ => Some(name.trim_end_matches(".rs").to_owned()),
    }
}

/// The rooms that a line of a file in `room` names: with `crate::`, or a package by its name. Comments use nothing.
fn used_rooms(room: &str, line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    // Within a package `crate` is the package.
    if PACKAGES.contains(&room) {
        return Vec::new();
    }
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        // `use crate::{engine::Plan, ui}` names several.
        let group = rest
            .strip_prefix('{')
            .map(|group| group.split('}').next().unwrap_or_default());
        let names = group.map_or_else(|| vec![rest], |group| group.split(',').map(str::trim).collect());
        rooms.extend(names.into_iter().map(|name| {
            name.chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect::<String>()
        }));
    }
    for package in PACKAGES {
        let names = code.match_indices(package).filter(|(at, _)| {
            let before = code[..*at].chars().next_back();
            let inside = before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
            !inside && code[at + package.len()..].starts_with("::")
        });
        rooms.extend(names.map(|_| (*package).to_owned()));
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

/// The names of a struct's fields, as the code is formatted.
fn fields(code: &str, name: &str) -> Vec<String> {
    let begins = |line: &str| {
        let declared = line
            .trim_start_matches("pub ")
            .strip_prefix("struct ")
            .and_then(|rest| rest.strip_prefix(name));
        declared.is_some_and(|rest| rest.starts_with([' ', '<']) && rest.ends_with('{'))
    };
    let inside = code
        .lines()
        .skip_while(|line| !begins(line))
        .skip(1)
        .take_while(|line| *line != "}");
    inside
        .filter_map(|line| {
            let line = line.trim().trim_start_matches("pub ");
            let (field, _) = line.split_once(": ").filter(|_| line.ends_with(','))?;
            field
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_')
                .then(|| field.to_owned())
        })
        .collect()
}

/// Settings that are tables of others; the README lists what is in them.
fn is_table(key: &str) -> bool {
    matches!(key, "processor" | "analyzer")
}

fn quoted_after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.split_once(name)?.1.strip_prefix('"')?;
    rest.split_once('"').map(|(value, _)| value)
}

/// A document without its blocks of code.
fn without_code(text: &str) -> String {
    let mut code = false;
    let kept = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    kept.collect::<Vec<_>>().join("\n")
}

/// The anchors of a document's headings.
fn headings(text: &str) -> BTreeSet<String> {
    let text = without_code(text);
    let titles = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| line.trim_start_matches('#').trim());
    titles
        .map(|title| {
            let kept = title
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
                .collect::<String>();
            kept.replace(' ', "-")
        })
        .collect()
}
