//! The dictionary before a stream, as text: enough of it to tell what the parser would unpack.
//!
//! What always holds: a dictionary that could be read in two ways is not understood, and what is not understood counts
//! as dangerous.

/// What a dictionary says of how its stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Flate,
    /// Several filters, another one, or none that can be told.
    Other,
}

/// A dictionary that was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) packing: Packing,
    /// It has the keys of an object stream or of a cross-reference stream.
    pub(super) special: bool,
    pub(super) xref: bool,
}

/// Largest number of objects in a stream, and of what makes the rows of a predictor.
const LARGEST: u64 = 1 << 20;

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    ArrayOpen,
    ArrayClose,
    Name(Vec<u8>),
    Text,
    Other(Vec<u8>),
}

/// Reads a dictionary that is the whole of `bytes`. `None`: it is not understood.
pub(super) fn head(bytes: &[u8]) -> Option<Head> {
    let tokens = tokens(bytes)?;
    let mut head = Head { packing: Packing::Plain, special: false, xref: false };
    let (mut depth, mut filters) = (0_u32, 0_u32);
    for (at, token) in tokens.iter().enumerate() {
        let next = |ahead: usize| tokens.get(at.saturating_add(ahead));
        match token {
            Token::Open => depth = depth.checked_add(1)?,
            Token::Close => {
                depth = depth.checked_sub(1)?;
                // One dictionary, and nothing after it.
                if depth == 0 && at.checked_add(1)? != tokens.len() {
                    return None;
                }
            }
            _ if depth == 0 => return None,
            Token::Name(name) => match name.as_slice() {
                b"First" => head.special = true,
                b"W" => (head.special, head.xref) = (true, true),
                b"Filter" | b"F" if depth == 1 => {
                    filters = filters.checked_add(1)?;
                    let flate = |token: Option<&Token>| matches!(token, Some(Token::Name(name)) if name == b"FlateDecode" || name == b"Fl");
                    let single = flate(next(1))
                        || next(1) == Some(&Token::ArrayOpen)
                            && flate(next(2))
                            && next(3) == Some(&Token::ArrayClose);
                    head.packing = if single && filters == 1 { Packing::Flate } else { Packing::Other };
                }
                b"DecodeParms" | b"DP" => {
                    let direct = next(1) == Some(&Token::Open)
                        || next(1) == Some(&Token::ArrayOpen) && next(2) == Some(&Token::Open);
                    if !direct {
                        head.packing = Packing::Other;
                        filters = filters.checked_add(1)?;
                    }
                }
                b"Columns" | b"Colors" | b"BitsPerComponent" | b"N" => {
                    let number = match next(1) {
                        Some(Token::Other(digits)) => {
                            core::str::from_utf8(digits).ok()?.parse::<u64>().ok()?
                        }
                        _ => return None,
                    };
                    // A reference is two numbers and a letter.
                    if number > LARGEST || matches!(next(2), Some(Token::Other(_))) {
                        return None;
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
    (depth == 0 && !tokens.is_empty()).then_some(head)
}

fn tokens(bytes: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = bytes.trim_ascii();
    while let Some((first, after)) = rest.split_first() {
        let (token, left) = match first {
            0 | 9 | 10 | 12 | 13 | 32 => {
                rest = after;
                continue;
            }
            b'<' if after.first() == Some(&b'<') => (Token::Open, after.get(1..)?),
            b'>' if after.first() == Some(&b'>') => (Token::Close, after.get(1..)?),
            b'<' => {
                let end = after.iter().position(|b| *b == b'>')?;
                let (digits, left) = after.split_at_checked(end)?;
                if !digits.iter().all(|b| b.is_ascii_hexdigit() || b.is_ascii_whitespace()) {
                    return None;
                }
                (Token::Text, left.get(1..)?)
            }
            b'[' => (Token::ArrayOpen, after),
            b']' => (Token::ArrayClose, after),
            b'(' => (Token::Text, string(after)?),
            b'/' => {
                let (name, left) = regular(after);
                (Token::Name(unescaped(name)), left)
            }
            // Comments, and what closes what was not opened.
            b'%' | b'>' | b')' | b'{' | b'}' => return None,
            _ => {
                let (word, left) = regular(rest);
                (Token::Other(word.to_vec()), left)
            }
        };
        tokens.push(token);
        rest = left;
    }
    Some(tokens)
}

/// What follows a string. One with escapes is not understood.
fn string(bytes: &[u8]) -> Option<&[u8]> {
    let mut depth = 1_u32;
    for (at, b) in bytes.iter().enumerate() {
        match b {
            b'\\' => return None,
            b'(' => depth = depth.checked_add(1)?,
            b')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return bytes.get(at.checked_add(1)?..);
        }
    }
    None
}

fn regular(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|b| matches!(b, 0 | 9 | 10 | 12 | 13 | 32) || b"()<>[]{}/%".contains(b));
    bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or((bytes, &[]))
}

/// A name with its `#` escapes resolved.
pub(super) fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let escape = after.get(..2).filter(|_| *first == b'#');
        let code = escape.and_then(|hex| core::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(code) => {
                out.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<(Packing, bool)> {
        head(text.as_bytes()).map(|head| (head.packing, head.special))
    }

    #[test]
    fn plain_dictionaries_are_understood() {
        assert_eq!(of("<</Length 5>>"), Some((Packing::Plain, false)));
        assert_eq!(of(" << /Length 5 0 R /Filter /FlateDecode >> "), Some((Packing::Flate, false)));
        assert_eq!(of("<</Filter[/Fl]/Type/ObjStm/N 1/First 5>>"), Some((Packing::Flate, true)));
        assert_eq!(of("<</F#69rst 5/Filter/Fl>>"), Some((Packing::Flate, true)));
        let xref =
            "<</Type/XRef/W[1 2 1]/ID[<ab><cd>]/DecodeParms<</Columns 4/Predictor 12>>/Filter/FlateDecode>>";
        assert!(head(xref.as_bytes()).is_some_and(|head| head.xref && head.packing == Packing::Flate));
    }

    #[test]
    fn what_is_packed_in_another_way_is_told() {
        for text in [
            "<</First 1/Filter[/Fl/Fl]>>",
            "<</First 1/Filter 5 0 R>>",
            "<</First 1/Filter/LZWDecode>>",
            "<</First 1/Filter/Fl/Filter/LZWDecode>>",
            "<</First 1/Filter/Fl/DecodeParms 5 0 R>>",
        ] {
            assert_eq!(of(text), Some((Packing::Other, true)), "{text}");
        }
    }

    #[test]
    fn what_reads_in_two_ways_is_not_understood() {
        for text in [
            "",
            "<</First 1",
            "/First 1>>",
            "<</First 1>> <<>>",
            "<</First 1 %>>\n>>",
            "<</X (a\\)b)>>",
            "<</X a) >>",
            "<</Columns 99999999999 /First 1>>",
            "<</Columns 5 0 R>>",
            "<</X <zz>>>",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
