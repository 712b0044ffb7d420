//! The style as a test over the source: what a reader may rely on.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules in reading order: each uses only those before it.
const ORDER: &[&str] = &[
    "ids",
    "clock",
    "mutants",
    "secrets",
    "wire",
    "message",
    "store",
    "broker",
    "definitions",
    "connection",
    "client",
    "inspect",
    "config",
    "logging",
    "server",
    "perf",
    "admin",
    "completion",
    "main",
];

/// The only file with unsafe code.
const UNSAFE: &str = "src/store/mapping.rs";

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(root).unwrap().to_path_buf(), text));
            }
        }
    }
    files.sort();
    assert!(files.len() > 2, "no sources found");
    files
}

fn module(path: &Path) -> String {
    let first = path.components().nth(1).unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn each_module_uses_only_those_before_it() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let own = module(&path);
        if own == "lib" {
            continue;
        }
        let place = ORDER.iter().position(|name| *name == own);
        let place = place.unwrap_or_else(|| panic!("{own} is not in the order"));
        for (number, line) in text.lines().enumerate() {
            let used = line.split("crate::").skip(1).map(|rest| {
                rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap()
            });
            for name in used {
                if ORDER.iter().skip(place + 1).any(|later| *later == name) {
                    wrong.push(format!("{}:{}: uses {name}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        assert!(text.starts_with("//!"), "{} has no first sentence", path.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    let words =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), "unimplemented!("];
    for (path, text) in sources("src") {
        for word in words {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn unsafe_code_is_in_one_file() {
    for (path, text) in sources("src") {
        let used = text.lines().any(|line| line.contains("unsafe {") || line.contains("unsafe fn"));
        assert!(!used || path == Path::new(UNSAFE), "{} has unsafe code", path.display());
    }
}

#[test]
fn the_broker_knows_no_clock_thread_or_socket() {
    for (path, text) in sources("src") {
        if !["ids", "wire", "message", "broker"].contains(&module(&path).as_str()) {
            continue;
        }
        for word in ["std::net", "std::thread", "SystemTime", "Instant::now", "std::fs"] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn the_longest_files_are_known() {
    let mut lengths: Vec<_> = sources("src")
        .into_iter()
        .map(|(path, text)| {
            let code = text.split("#[cfg(test)]").next().unwrap().lines().count();
            (code, path)
        })
        .collect();
    lengths.sort_unstable();
    for (lines, path) in lengths.iter().rev().take(10) {
        println!("{lines:5} {}", path.display());
    }
    let (longest, path) = lengths.last().unwrap();
    assert!(*longest <= 400, "{} has {longest} lines", path.display());
}

#[test]
fn each_page_has_one_title() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages =
        vec![root.join("README.md"), root.join("ARCHITECTURE.md"), root.join("CHANGELOG.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    for page in pages {
        let text =
            fs::read_to_string(&page).unwrap_or_else(|_| panic!("{} is missing", page.display()));
        let mut fenced = false;
        let titles = text.lines().filter(|line| {
            fenced ^= line.starts_with("```");
            !fenced && line.starts_with("# ")
        });
        assert_eq!(titles.count(), 1, "{}", page.display());
    }
}
