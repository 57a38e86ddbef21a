//! The tokens of RTF: groups, control words, hex escapes, and bytes of text.

/// A token. Text comes byte by byte, because its encoding depends on the words before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    /// A control word and its number.
    Word(&'a [u8], Option<i32>),
    /// A control symbol, as `~` or `*`.
    Symbol(u8),
    /// A byte of text, plain or as `\'hh`.
    Byte(u8),
    /// `\bin`: so many bytes that are no text, already passed over.
    Binary,
}

/// Longest control word; RTF allows 32 letters.
const MAX_WORD: usize = 32;

pub(super) struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    pub(super) fn new(rtf: &'a [u8]) -> Self {
        Self { rest: rtf }
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// What follows a backslash.
    fn control(&mut self) -> Option<Token<'a>> {
        let first = *self.rest.first()?;
        if !first.is_ascii_alphabetic() {
            self.skip(1);
            return Some(match first {
                b'\'' => match (digit(self.rest.first()), digit(self.rest.get(1))) {
                    (Some(high), Some(low)) => {
                        self.skip(2);
                        Token::Byte((high << 4) | low)
                    }
                    _ => Token::Symbol(b'\''),
                },
                b'\\' | b'{' | b'}' => Token::Byte(first),
                // A backslash at the end of a line is a paragraph.
                b'\r' | b'\n' => Token::Word(b"par", None),
                other => Token::Symbol(other),
            });
        }
        let length = self.rest.iter().take(MAX_WORD).take_while(|b| b.is_ascii_alphabetic()).count();
        let (word, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let number = self.number();
        if self.rest.first() == Some(&b' ') {
            self.skip(1);
        }
        if word == b"bin" {
            self.skip(usize::try_from(number.unwrap_or(0)).unwrap_or(0));
            return Some(Token::Binary);
        }
        Some(Token::Word(word, number))
    }

    fn number(&mut self) -> Option<i32> {
        let sign = usize::from(self.rest.first() == Some(&b'-'));
        let digits = self.rest.iter().skip(sign).take(10).take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let end = sign.saturating_add(digits);
        let text = core::str::from_utf8(self.rest.get(..end)?).ok()?;
        self.skip(end);
        Some(text.parse().unwrap_or(0))
    }
}

fn digit(byte: Option<&u8>) -> Option<u8> {
    u8::try_from(char::from(*byte?).to_digit(16)?).ok()
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = *self.rest.first()?;
            self.skip(1);
            return match byte {
                b'{' => Some(Token::Open),
                b'}' => Some(Token::Close),
                b'\\' => self.control(),
                b'\r' | b'\n' | 0 => continue,
                other => Some(Token::Byte(other)),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_are_told_apart() {
        let tokens: Vec<Token<'_>> = Tokens::new(b"{\\rtf1\\b a\\'e4\\-12\\u-10?\\bin3 }}}\\\n}").collect();
        assert_eq!(
            tokens,
            [
                Token::Open,
                Token::Word(b"rtf", Some(1)),
                Token::Word(b"b", None),
                Token::Byte(b'a'),
                Token::Byte(0xe4),
                Token::Symbol(b'-'),
                Token::Byte(b'1'),
                Token::Byte(b'2'),
                Token::Word(b"u", Some(-10)),
                Token::Byte(b'?'),
                Token::Binary,
                Token::Word(b"par", None),
                Token::Close,
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_tokens(bytes: Vec<u8>) {
            prop_assert!(Tokens::new(&bytes).count() <= bytes.len());
        }
    }
}
