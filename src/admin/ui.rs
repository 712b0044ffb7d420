//! The page: files that are in the binary.
//!
//! They are in `src/admin/ui/` as browsers read them; nothing is built. `app.js` says how they belong
//! together.

use super::http::Response;

/// A file of the page.
struct File {
    /// Where it is asked for, without the first slash; the page itself is the empty path.
    path: &'static str,
    content_type: &'static str,
    octets: &'static [u8],
}

/// Declares files: the type, and where they are below `src/admin/ui/`.
macro_rules! files {
    ($($content_type:literal: $($path:literal)*;)*) => {
        &[$($(File {
            path: $path,
            content_type: $content_type,
            octets: include_bytes!(concat!("ui/", $path)),
        },)*)*]
    };
}

/// All files of the page.
const FILES: &[File] = files! {
    "text/html; charset=utf-8": "index.html";
    "image/svg+xml": "icon.svg";
    "text/css; charset=utf-8": "style.css" "parts.css" "uplot/uPlot.min.css";
    "text/plain; charset=utf-8": "uplot/LICENSE";
    "text/javascript; charset=utf-8":
        "app.js" "api.js" "dom.js" "format.js"
        "parts/alarms.js" "parts/bindings.js" "parts/charts.js" "parts/drops.js"
        "parts/form.js" "parts/header.js" "parts/listing.js" "parts/messages.js" "parts/notices.js"
        "parts/section.js"
        "pages/channels.js" "pages/connections.js" "pages/consumers.js" "pages/definitions.js"
        "pages/exchange.js" "pages/exchanges.js" "pages/limits.js" "pages/login.js"
        "pages/overview.js" "pages/policies.js" "pages/queue.js" "pages/queue_actions.js"
        "pages/queues.js" "pages/users.js" "pages/vhosts.js" "uplot/uPlot.iife.min.js";
};

/// The file of a path.
pub(super) fn file(path: &[String]) -> Option<Response> {
    let path = match path.join("/") {
        root if root.is_empty() => "index.html".to_owned(),
        path => path,
    };
    let file = FILES.iter().find(|file| file.path == path)?;
    let response = Response::new(200, file.content_type, file.octets.to_vec());
    Some(response.with("Cache-Control", "no-cache"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_page_is_in_the_binary() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/ui");
        let mut found = BTreeSet::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_none_or(|extension| extension != "md") {
                    found.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let known: BTreeSet<_> = FILES.iter().map(|file| file.path.to_owned()).collect();
        assert_eq!(found, known);
        assert_eq!(FILES.len(), known.len());
    }

    #[test]
    fn names_get_onto_the_page_as_text_only() {
        let own = FILES.iter().filter(|file| !file.path.starts_with("uplot/"));
        for file in own.filter(|file| file.content_type.starts_with("text/")) {
            let text = std::str::from_utf8(file.octets).unwrap();
            let code: String =
                text.lines().filter(|line| !line.starts_with("//")).collect::<Vec<_>>().join("\n");
            for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!code.contains(word), "{} has {word}", file.path);
            }
            for word in ["http://", "https://", " style=", "javascript:"] {
                assert!(!code.contains(word), "{} has {word}", file.path);
            }
        }
    }

    #[test]
    fn the_page_itself_is_at_the_root() {
        assert!(file(&[String::new()]).is_some());
        assert!(file(&["app.js".to_owned()]).is_some());
        assert!(file(&["..".to_owned(), "ui.rs".to_owned()]).is_none());
    }
}
