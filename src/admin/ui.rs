//! The page: files that are in the binary.

use super::http::Response;

/// A file of the page.
struct File {
    /// Where it is asked for, without the first slash; the page itself is the empty path.
    path: &'static str,
    content_type: &'static str,
    octets: &'static [u8],
}

/// All files of the page, from `src/admin/ui/`.
const FILES: &[File] = &[
    file_of("", "text/html; charset=utf-8", include_bytes!("ui/index.html")),
    file_of("style.css", "text/css; charset=utf-8", include_bytes!("ui/style.css")),
    file_of("app.js", JAVASCRIPT, include_bytes!("ui/app.js")),
    file_of("api.js", JAVASCRIPT, include_bytes!("ui/api.js")),
    file_of("element.js", JAVASCRIPT, include_bytes!("ui/element.js")),
    file_of("pages.js", JAVASCRIPT, include_bytes!("ui/pages.js")),
];

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

const fn file_of(path: &'static str, content_type: &'static str, octets: &'static [u8]) -> File {
    File { path, content_type, octets }
}

/// The file of a path.
pub(super) fn file(path: &[String]) -> Option<Response> {
    let path = path.join("/");
    let file = FILES.iter().find(|file| file.path == path)?;
    let response = Response::new(200, file.content_type, file.octets.to_vec());
    Some(response.with("Cache-Control", "no-cache"))
}
