//! MIME structure: a message's body cut into its leaves.
//!
//! mail-parser is not asked to do this: its tree of messages inside messages is dropped recursively, so that a few
//! megabytes of nested headers overflow the stack, and a boundary that never comes is searched to the end of the
//! message once for each part. What always holds here: depth and number of parts are bounded, each byte is looked at
//! once a level, and nothing is copied.

use super::head::{self, About};
use super::limits::{MAX_MIME_DEPTH, MAX_NAME, MAX_PARTS};
use memchr::memmem;

/// A part that has no parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Leaf<'m> {
    pub(super) about: About,
    /// Its body, as it travels.
    pub(super) content: &'m [u8],
    /// One of several forms of the same content.
    pub(super) in_alternative: bool,
    /// Belongs to the part before it rather than standing for itself.
    pub(super) in_related: bool,
}

/// The leaves of a message, and what was not looked into.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leaves<'m> {
    pub(super) all: Vec<Leaf<'m>>,
    /// There were more parts.
    pub(super) more: bool,
    /// Some parts are nested too deeply, and are leaves here.
    pub(super) too_deep: bool,
    visited: usize,
}

#[derive(Clone, Copy, Default)]
struct Context {
    in_alternative: bool,
    in_related: bool,
    depth: usize,
}

/// Cuts a message's body into leaves. A leaf without a declared type has the one that its place gives it.
pub(super) fn leaves(about: About, body: &[u8]) -> Leaves<'_> {
    let mut leaves = Leaves::default();
    walk(about, body, Context::default(), &mut leaves);
    leaves
}

fn walk<'m>(mut about: About, body: &'m [u8], context: Context, out: &mut Leaves<'m>) {
    out.visited = out.visited.saturating_add(1);
    if out.visited > MAX_PARTS {
        out.more = true;
        return;
    }
    let Context { in_alternative, in_related, depth } = context;
    if about.kind.is_empty() {
        about.kind = "text/plain".to_owned();
    }
    if about.kind.starts_with("multipart/") {
        let parts = match &about.boundary {
            Some(boundary) if depth < MAX_MIME_DEPTH => cut(body, boundary),
            Some(_) => {
                out.too_deep = true;
                out.all.push(Leaf { about, content: body, in_alternative, in_related });
                return;
            }
            None => Vec::new(),
        };
        if !parts.is_empty() {
            let related = about.kind == "multipart/related";
            for (n, part) in parts.into_iter().enumerate() {
                let (block, content) = head::split(part);
                let mut inner = About::parse(block);
                if inner.kind.is_empty() && about.kind == "multipart/digest" {
                    inner.kind = "message/rfc822".to_owned();
                }
                let context = Context {
                    in_alternative: in_alternative || about.kind == "multipart/alternative",
                    in_related: in_related || (related && n > 0),
                    depth: depth.saturating_add(1),
                };
                walk(inner, content, context, out);
            }
            return;
        }
        // A multipart without parts is what is left of a broken message: text, as far as one can tell.
        about.kind = "text/plain".to_owned();
    }
    out.all.push(Leaf { about, content: body, in_alternative, in_related });
}

/// The parts between the delimiter lines of a boundary. A part that is not closed runs to the end.
fn cut<'m>(body: &'m [u8], boundary: &str) -> Vec<&'m [u8]> {
    let mut parts = Vec::new();
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut start = None;
    for at in memmem::find_iter(body, &delimiter) {
        let (before, rest) = body.split_at(at);
        if !(before.is_empty() || before.ends_with(b"\n")) {
            continue;
        }
        let rest = rest.get(delimiter.len()..).unwrap_or_default();
        let Some((closes, length)) = rest_of_delimiter(rest) else { continue };
        if let Some(start) = start {
            // The line end before the delimiter belongs to it.
            let part = body.get(start..at).unwrap_or_default();
            let part = part.strip_suffix(b"\n").unwrap_or(part);
            parts.push(part.strip_suffix(b"\r").unwrap_or(part));
        }
        if closes {
            return parts;
        }
        if parts.len() > MAX_PARTS {
            return parts;
        }
        start = Some(at.saturating_add(delimiter.len()).saturating_add(length));
    }
    parts.extend(start.and_then(|start| body.get(start..)));
    parts
}

/// Whether a delimiter closes the multipart, and how much is left of its line; `None` where it is longer text.
fn rest_of_delimiter(rest: &[u8]) -> Option<(bool, usize)> {
    let (closes, tail) = match rest.strip_prefix(b"--") {
        Some(tail) => (true, tail),
        None => (false, rest),
    };
    let blanks = tail.iter().take(MAX_NAME).take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
    let length = rest.len().saturating_sub(tail.len()).saturating_add(blanks);
    match rest.get(length) {
        None => Some((closes, length)),
        Some(b'\n') => Some((closes, length.saturating_add(1))),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(message: &str) -> Vec<(String, String)> {
        let (block, body) = head::split(message.as_bytes());
        let found = leaves(About::parse(block), body);
        let text = |l: &Leaf<'_>| String::from_utf8_lossy(l.content).into_owned();
        found.all.iter().map(|l| (l.about.kind.clone(), text(l))).collect()
    }

    #[test]
    fn parts_end_before_their_delimiter() {
        let parts = cut(b"preamble\r\n--a \r\none\r\n\r\n--ab\r\n--a\ntwo\n--a--\nepilogue\n--a\n", "a");
        assert_eq!(parts, [&b"one\r\n\r\n--ab"[..], b"two"]);
        assert_eq!(cut(b"--a\nnot closed\n", "a"), [&b"not closed\n"[..]]);
        assert_eq!(cut(b"--a\n--a\n--a--", "a"), [&b""[..], b""]);
        assert!(cut(b"x --a\n", "a").is_empty());
    }

    #[test]
    fn leaves_are_in_order_and_know_their_place() {
        let message = "Content-Type: multipart/mixed; boundary=m\n\n--m\n\
            Content-Type: multipart/alternative; boundary=n\n\n--n\n\nplain\n--n\nContent-Type: multipart/related; boundary=r\n\n\
            --r\nContent-Type: text/html\n\n<p>\n--r\nContent-Type: image/gif\n\nGIF\n--r--\n--n--\n\
            --m\nContent-Type: application/pdf\n\nPDF\n--m--\n";
        let (block, body) = head::split(message.as_bytes());
        let found = leaves(About::parse(block), body);
        let seen: Vec<_> =
            found.all.iter().map(|l| (l.about.kind.as_str(), l.in_alternative, l.in_related)).collect();
        assert_eq!(
            seen,
            [
                ("text/plain", true, false),
                ("text/html", true, false),
                ("image/gif", true, true),
                ("application/pdf", false, false)
            ]
        );
    }

    #[test]
    fn broken_structure_is_text() {
        let text = |kind: &str| kinds(&format!("Content-Type: {kind}\n\nbody\n"));
        for kind in ["multipart/mixed", "multipart/mixed; boundary=\"\"", "multipart/mixed; boundary=x"] {
            assert_eq!(text(kind), [("text/plain".to_owned(), "body\n".to_owned())], "{kind}");
        }
        let digest = "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: a\n\nb\n--d--\n";
        assert_eq!(kinds(digest), [("message/rfc822".to_owned(), "Subject: a\n\nb".to_owned())]);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let mut deep = String::new();
        for n in 0..200 {
            deep.push_str(&format!("Content-Type: multipart/mixed; boundary=b{n}x\n\n--b{n}x\n"));
        }
        let (block, body) = head::split(deep.as_bytes());
        let found = leaves(About::parse(block), body);
        assert!(found.too_deep && found.all.len() == 1);
        let wide = "--a\n\n".repeat(MAX_PARTS * 3);
        let about = About::parse(b"Content-Type: multipart/mixed; boundary=a\n");
        let found = leaves(about, wide.as_bytes());
        assert!(found.more && found.all.len() < MAX_PARTS);
    }

    proptest! {
        #[test]
        fn any_structure_is_cut(body in "(--[ab]{1,2}(--)?[ \r]?\n|Content-Type: multipart/[a-z]{5}; boundary=[ab]\n\n|[a-z\n]{0,5}){0,30}") {
            let about = About::parse(b"Content-Type: multipart/mixed; boundary=a\n");
            let found = leaves(about, body.as_bytes());
            prop_assert!(found.all.iter().map(|l| l.content.len()).sum::<usize>() <= body.len());
        }
    }
}
