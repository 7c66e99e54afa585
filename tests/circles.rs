//! No two files of a crate use each other, neither directly nor through others. What is compiled for tests alone does not
//! count, nor that a `mod.rs` names its own parts. A name that it re-exports counts for the file where it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A crate's modules by path, as `crate::aws::clients`.
type Modules = BTreeMap<String, Module>;

#[derive(Default)]
struct Module {
    file: PathBuf,
    /// The paths that it names, re-exports aside.
    paths: Vec<String>,
    /// What it imports or re-exports: the path of each name.
    names: BTreeMap<String, String>,
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    let functions = fs::read_dir(root.join("functions")).expect("the folder functions");
    let functions = functions.map(|entry| entry.expect("an entry of functions").path().join("src"));
    for folder in functions.chain([root.join("src"), root.join("src/evaluate")]) {
        for file in ["lib.rs", "main.rs"].map(|name| folder.join(name)) {
            let mut modules = Modules::new();
            if file.exists() {
                read(&folder, "crate", file, &mut modules);
            }
            found.extend(circles(&modules));
        }
    }
    let files = format!("{found:#?}").replace(concat!(env!("CARGO_MANIFEST_DIR"), "/"), "");
    assert!(found.is_empty(), "these use each other: {files}");
}

/// The files of each circle.
fn circles(modules: &Modules) -> BTreeSet<Vec<PathBuf>> {
    let all: BTreeMap<&str, _> = modules.keys().map(|at| (at.as_str(), reached(modules, at))).collect();
    let circle = |at: &&str| {
        let back = all[at].iter().filter(|to| all[*to].contains(at));
        back.map(|to| modules[*to].file.clone()).collect::<Vec<_>>()
    };
    all.keys().map(circle).filter(|files| !files.is_empty()).collect()
}

/// The modules that one uses, and those that these use, and so on.
fn reached<'a>(modules: &'a Modules, from: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        let used = modules[at].paths.iter().map(|path| origin(modules, at, path));
        open.extend(used.filter(|used| *used != at && seen.insert(*used)));
    }
    seen
}

/// The module in which that is written which `path` names as seen from `at`; `at` itself if it is of another crate.
fn origin<'a>(modules: &'a Modules, at: &str, path: &str) -> &'a str {
    let (first, rest) = path.split_once("::").unwrap_or((path, ""));
    let child = format!("{at}::{first}");
    match (first, modules[at].names.get(first)) {
        ("crate", _) => origin(modules, "crate", rest),
        ("self", _) => origin(modules, at, rest),
        ("super", _) => origin(modules, at.rsplit_once("::").expect("a module above").0, rest),
        _ if modules.contains_key(&child) => origin(modules, &child, rest),
        (_, Some(path)) if path.split("::").next() != Some(first) => origin(modules, at, &format!("{path}::{rest}")),
        _ => modules.get_key_value(at).expect("a module of the crate").0,
    }
}

/// Reads a module and those that it declares.
fn read(folder: &Path, at: &str, file: PathBuf, modules: &mut Modules) {
    // Prose in a string may say `use ` or `mod ` too.
    let names = |(_, after): &(&str, &str)| after.chars().all(|c| c.is_alphanumeric() || "_:{},* \n".contains(c));
    let mut module = Module::default();
    for statement in shipped(&fs::read_to_string(&file).expect("a module's file")).split(';') {
        let (code, tree) = statement.rsplit_once("use ").filter(names).unwrap_or((statement, ""));
        let public = code.trim_end().ends_with("pub") || code.trim_end().ends_with(')');
        let re_exported = public && (file.ends_with("mod.rs") || file.ends_with("lib.rs"));
        for leaf in leaves(tree) {
            let path = leaf.split(" as ").next().unwrap_or_default();
            let name = leaf.trim_end_matches("::self").rsplit([':', ' ']).next();
            module.names.insert(name.expect("a name").to_owned(), path.to_owned());
            module.paths.extend((!re_exported).then(|| path.to_owned()));
        }
        let inline = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
        let inside = |path: &&str| matches!(path.split_once("::"), Some(("crate" | "self" | "super", _)));
        module.paths.extend(inline.filter(inside).map(str::to_owned));
        if let Some((_, name)) = statement.rsplit_once("mod ").filter(names) {
            let child = format!("{at}::{name}");
            let place = folder.join(child.replacen("crate::", "", 1).replace("::", "/"));
            let mut files = [place.with_extension("rs"), place.join("mod.rs")].into_iter();
            let file = files.find(|file| file.exists()).expect(&child);
            read(folder, &child, file, modules);
        }
    }
    modules.insert(at.to_owned(), Module { file, ..module });
}

/// The paths in a tree of imports.
fn leaves(tree: &str) -> Vec<String> {
    let Some((before, group)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let mut depth = 0;
    let parts = group.trim_end().trim_end_matches('}').split(|c: char| {
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
        let indent = line.find(|c| c != ' ');
        if line.contains("#[cfg(test)]") || line.contains("#[cfg(all(test,") {
            lines.find(|line| line.find(|c| c != ' ') == indent && line.ends_with([';', '}', ',']));
        } else {
            kept.extend([line.split("//").next().unwrap_or_default(), "\n"]);
        }
    }
    kept
}
