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
const FILES: &[File] = &[];

/// The file of a path.
pub(super) fn file(path: &[String]) -> Option<Response> {
    let path = path.join("/");
    let file = FILES.iter().find(|file| file.path == path)?;
    let response = Response::new(200, file.content_type, file.octets.to_vec());
    Some(response.with("Cache-Control", "no-cache"))
}
