//! No two files of a crate use each other, neither directly nor through others. Code for tests alone does not count, nor
//! does what a `mod.rs` or `lib.rs` re-exports: who imports that uses the file where it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A crate's modules by path, as `crate::aws::clients`.
type Modules = BTreeMap<String, Module>;

struct Module {
    file: String,
    /// Without imports and comments, and without what is compiled for tests alone.
    code: String,
    imports: Vec<Import>,
}

struct Import {
    public: bool,
    path: String,
    name: String,
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let functions = fs::read_dir(root().join("functions")).expect("the folder functions");
    let functions = functions.map(|entry| entry.expect("an entry of functions").file_name());
    let functions = functions.map(|name| format!("functions/{}/src", name.to_string_lossy()));
    let mut found = Vec::new();
    for folder in functions.chain(["src".to_owned()]) {
        for file in ["lib.rs", "main.rs"].map(|name| format!("{folder}/{name}")) {
            if root().join(&file).exists() {
                found.extend(circles(&modules(&folder, file)));
            }
        }
    }
    assert!(found.is_empty(), "these use each other:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_behind_re_exports_and_nested_imports() {
    let files = [
        (
            "crate",
            "lib.rs",
            "pub mod a;\npub mod b;\nmod c;\npub use b::{self as other, B};\n",
        ),
        (
            "crate::a",
            "a.rs",
            "pub(super) use crate::{\n    c::{self, C as D},\n    B,\n};\n",
        ),
        (
            "crate::b",
            "b.rs",
            "fn f(_: super::c::C) {}\n#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n",
        ),
        (
            "crate::c",
            "c.rs",
            "// use crate::a;\nfn f() {\n    use super::other::*;\n}\n",
        ),
    ];
    let module = |(path, file, text): (&str, &str, &str)| (path.to_owned(), Module::new(file.to_owned(), text));
    assert_eq!(circles(&files.into_iter().map(module).collect()), ["b.rs, c.rs"]);
}

impl Module {
    fn new(file: String, text: &str) -> Self {
        let (mut code, mut imports) = (String::new(), Vec::new());
        let shipped = shipped(text);
        let mut lines = shipped.lines();
        while let Some(line) = lines.next() {
            let begin = line.trim_start();
            let Some((visible, tree)) = begin.split_once("use ").filter(|(visible, _)| is_visibility(visible)) else {
                code.extend([line, "\n"]);
                continue;
            };
            let mut tree = tree.to_owned();
            while !tree.contains(';') {
                tree.push_str(lines.next().expect("the end of an import").trim());
            }
            let leaves = leaves(tree.trim().trim_end_matches(';'));
            imports.extend(leaves.iter().map(|leaf| Import::new(!visible.is_empty(), leaf)));
        }
        Self { file, code, imports }
    }
}

impl Import {
    fn new(public: bool, leaf: &str) -> Self {
        let (path, renamed) = leaf.split_once(" as ").unwrap_or((leaf, ""));
        let path = path.strip_suffix("::self").unwrap_or(path);
        let own = path.rsplit("::").next().unwrap_or(path);
        let name = if renamed.is_empty() { own } else { renamed };
        Self {
            public,
            path: path.to_owned(),
            name: name.to_owned(),
        }
    }
}

fn is_visibility(text: &str) -> bool {
    matches!(text.trim_end(), "" | "pub") || text.starts_with("pub(") && text.ends_with(") ")
}

/// The files of each circle.
fn circles(modules: &Modules) -> Vec<String> {
    let direct: BTreeMap<&str, BTreeSet<&str>> = modules.keys().map(|at| (at.as_str(), used(modules, at))).collect();
    let reached = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(at) = open.pop() {
            open.extend(direct[at].iter().filter(|next| seen.insert(**next)));
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = direct.keys().map(|at| (*at, reached(at))).collect();
    let circle = |at: &&str| {
        reached[at]
            .iter()
            .filter(|to| reached[*to].contains(at))
            .copied()
            .collect()
    };
    let found: BTreeSet<Vec<&str>> = reached.keys().map(circle).collect();
    let files = |circle: Vec<&str>| {
        circle
            .iter()
            .map(|at| modules[*at].file.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    found
        .into_iter()
        .filter(|circle| !circle.is_empty())
        .map(files)
        .collect()
}

/// The other modules that one uses, by import or by a path within its code.
fn used<'a>(modules: &'a Modules, at: &str) -> BTreeSet<&'a str> {
    let module = &modules[at];
    let re_exports = ["mod.rs", "lib.rs"].iter().any(|name| module.file.ends_with(name));
    let imported = module.imports.iter().filter(|import| !(import.public && re_exports));
    let paths = module
        .code
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let paths = paths
        .filter(|path| path.contains("::"))
        .chain(imported.map(|import| import.path.as_str()));
    let found = paths
        .filter(|path| is_inside(modules, at, path))
        .map(|path| origin(modules, at, path));
    found.filter(|found| *found != at).collect()
}

/// Whether a path leads into this crate, and not into another or to a type's own names.
fn is_inside(modules: &Modules, at: &str, path: &str) -> bool {
    let first = path.split("::").next().unwrap_or(path);
    matches!(first, "crate" | "self" | "super") || modules.contains_key(&format!("{at}::{first}"))
}

/// The module in which that is written which `path` names as seen from `at`.
fn origin<'a>(modules: &'a Modules, at: &str, path: &str) -> &'a str {
    let (first, rest) = path.split_once("::").unwrap_or((path, ""));
    let child = format!("{at}::{first}");
    let imported = |import: &&Import| import.name == first && is_inside(modules, at, &import.path);
    match first {
        "" => modules.get_key_value(at).expect("a module of the crate").0,
        "crate" => origin(modules, "crate", rest),
        "self" => origin(modules, at, rest),
        "super" => origin(modules, at.rsplit_once("::").expect("a module above").0, rest),
        _ if modules.contains_key(&child) => origin(modules, &child, rest),
        _ => match modules[at].imports.iter().find(imported) {
            Some(import) => origin(modules, at, format!("{}::{rest}", import.path).trim_end_matches("::")),
            None => origin(modules, at, ""),
        },
    }
}

/// The paths in a tree of imports.
fn leaves(tree: &str) -> Vec<String> {
    let Some((before, group)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let mut depth = 0;
    let parts = group[..group.rfind('}').expect("the end of a group")].split(|c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    parts.flat_map(|part| leaves(&format!("{before}{part}"))).collect()
}

/// The code without comments and without what stands under `#[cfg(test)]`, as the code is formatted.
fn shipped(text: &str) -> String {
    let mut lines = text.lines();
    let mut kept = String::new();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let last = |line: &&str| line.find(|c| c != ' ') == Some(indent) && line.ends_with([';', '}', ',']);
        if line.trim() == "#[cfg(test)]" {
            lines.find(last);
        } else {
            kept.extend([line.split("//").next().unwrap_or_default(), "\n"]);
        }
    }
    kept
}

/// The modules of the crate that begins with this file.
fn modules(folder: &str, file: String) -> Modules {
    let mut found = Modules::new();
    let mut open = vec![("crate".to_owned(), file)];
    while let Some((path, file)) = open.pop() {
        let module = Module::new(file.clone(), &fs::read_to_string(root().join(&file)).expect(&file));
        let declared = module
            .code
            .lines()
            .filter_map(|line| line.trim().strip_suffix(';')?.split_once("mod "));
        for (_, name) in declared.filter(|(visible, _)| is_visibility(visible)) {
            let child = format!("{path}::{name}");
            let place = child.replacen("crate", folder, 1).replace("::", "/");
            let files = [format!("{place}.rs"), format!("{place}/mod.rs")];
            let file = files.into_iter().find(|file| root().join(file).exists());
            open.push((child.clone(), file.unwrap_or_else(|| panic!("{child} has no file"))));
        }
        found.insert(path, module);
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
