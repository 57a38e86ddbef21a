//! Folders as queries name them.
//!
//! What always holds: names are compared folded, and whole: `Inbox` is not in `Inbox2`.

use postlode_format::index::fold;

/// A folder as a query names it: a whole path, a path's beginning, or any one name in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderPattern {
    /// Folded, with a slash before and none behind.
    path: String,
    /// The name, where it is a single one.
    name: Option<String>,
}

impl FolderPattern {
    /// Reads one; `None` where it names nothing.
    #[must_use]
    pub fn new(value: &str) -> Option<Self> {
        let folded = fold(value);
        let bare = folded.trim_matches('/');
        if bare.is_empty() {
            return None;
        }
        let name = (!bare.contains('/')).then(|| bare.to_owned());
        Some(Self { path: format!("/{bare}"), name })
    }

    /// Does it name this folder? `folder` is folded.
    #[must_use]
    pub fn matches(&self, folder: &str) -> bool {
        let begins = match folder.strip_prefix(self.path.as_str()) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        };
        begins || self.name.as_ref().is_some_and(|name| folder.split('/').any(|part| part == name))
    }
}
