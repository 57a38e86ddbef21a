//! The quoting of mbox: what a mailbox did to the lines of a message, undone.
//!
//! A line of a body that begins with `From ` would end the message, so mailboxes put a `>` before it; those of the
//! mboxrd kind also before lines that have such marks already. One mark of each such line is taken away for reading;
//! the bytes of the file are what is kept as the original. In a mailbox of the mboxo kind a line that was written with
//! one mark loses it in the text; in its header a message has no such lines, and none is touched there.

use super::head;
use memchr::memmem;
use std::borrow::Cow;

/// A message of an mbox file without the marks.
pub(super) fn unquoted(message: &[u8]) -> Cow<'_, [u8]> {
    let (_, body) = head::split(message);
    let start = message.len().saturating_sub(body.len());
    let mut out = Vec::new();
    let mut copied = 0usize;
    for at in memmem::find_iter(body, b">From ") {
        let before = body.get(..at).unwrap_or_default();
        // A run of marks is looked at once: only its last one is followed by `From`.
        let marks = before.iter().rev().take_while(|b| **b == b'>').count();
        let first = at.saturating_sub(marks);
        if first > 0 && before.get(first.saturating_sub(1)) != Some(&b'\n') {
            continue;
        }
        out.extend_from_slice(message.get(copied..start.saturating_add(first)).unwrap_or_default());
        copied = start.saturating_add(first).saturating_add(1);
    }
    if copied == 0 {
        return Cow::Borrowed(message);
    }
    out.extend_from_slice(message.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_mark_of_each_quoted_line_goes() {
        let message =
            b"Subject: a\n>From header\n\n>From b\n> From c\nx >From d\n>>>From e\n>Fromage\n>From ";
        let wanted = b"Subject: a\n>From header\n\nFrom b\n> From c\nx >From d\n>>From e\n>Fromage\nFrom ";
        assert_eq!(&*unquoted(message), wanted);
        assert!(matches!(unquoted(b"Subject: a\n\nb\n"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn quoting_comes_back(body in "((>{0,3}From |>|[a-z ]{0,3})[a-z]{0,3}\n){0,9}") {
            let quoted: String = body
                .split_inclusive('\n')
                .map(|line| if line.trim_start_matches('>').starts_with("From ") { format!(">{line}") } else { line.to_owned() })
                .collect();
            let message = format!("Subject: a\n\n{quoted}");
            let wanted = format!("Subject: a\n\n{body}");
            prop_assert_eq!(&*unquoted(message.as_bytes()), wanted.as_bytes());
        }
    }
}
