//! Text to tree, by recursive descent of bounded depth.

use super::{APART, Field, MAX_APART, MAX_BYTES, MAX_DEPTH, MAX_TERMS, Near, Node, Term, suggest};
use crate::error::SyntaxError;

/// Reads a query. One without any condition is [`Node::And`] of nothing: everything.
///
/// # Errors
/// What is wrong, at which character, and what was perhaps meant.
pub fn parse(query: &str) -> Result<Node, SyntaxError> {
    if query.len() > MAX_BYTES {
        let message = format!("the query is too long ({} bytes, at most {MAX_BYTES})", query.len());
        return Err(SyntaxError { message, position: query.chars().count(), suggestion: None });
    }
    let mut parser = Parser { chars: query.chars().collect(), at: 0, terms: 0 };
    parser.blanks();
    if parser.peek().is_none() {
        return Ok(Node::And(Vec::new()));
    }
    let node = parser.all(Field::Any, 0)?;
    match parser.peek() {
        None => Ok(node),
        // The only thing that ends a sequence before the end of the text.
        Some(_) => Err(parser.error("there is no group to close here", None)),
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    terms: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.step();
        }
    }

    fn error(&self, message: &str, suggestion: Option<String>) -> SyntaxError {
        self.error_at(self.at, message, suggestion)
    }

    fn error_at(&self, at: usize, message: &str, suggestion: Option<String>) -> SyntaxError {
        let position = at.min(self.chars.len()).saturating_add(1);
        SyntaxError { message: message.to_owned(), position, suggestion }
    }

    /// Is this operator next? It is a whole word in capitals.
    fn operator(&self, name: &str) -> bool {
        let end = self.at.saturating_add(name.len());
        let here = self.chars.get(self.at..end).is_some_and(|c| c.iter().copied().eq(name.chars()));
        here && self.chars.get(end).is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')' | '"'))
    }

    fn take_operator(&mut self, name: &str) -> bool {
        let taken = self.operator(name);
        if taken {
            self.at = self.at.saturating_add(name.len());
            self.blanks();
        }
        taken
    }

    fn all(&mut self, field: Field, depth: usize) -> Result<Node, SyntaxError> {
        let mut parts = Vec::new();
        loop {
            parts.push(self.any(field, depth)?);
            self.blanks();
            let explicit = self.take_operator("AND");
            match self.peek() {
                None | Some(')') if explicit => {
                    return Err(self.error("AND needs something on both sides", None));
                }
                None | Some(')') => break,
                Some(_) => {}
            }
        }
        Ok(single_or(parts, Node::And))
    }

    fn any(&mut self, field: Field, depth: usize) -> Result<Node, SyntaxError> {
        let mut parts = vec![self.near(field, depth)?];
        self.blanks();
        while self.take_operator("OR") {
            if matches!(self.peek(), None | Some(')')) {
                return Err(self.error("OR needs something on both sides", None));
            }
            parts.push(self.near(field, depth)?);
            self.blanks();
        }
        Ok(single_or(parts, Node::Or))
    }

    fn near(&mut self, field: Field, depth: usize) -> Result<Node, SyntaxError> {
        let left = self.unary(field, depth)?;
        self.blanks();
        let at = self.at;
        let Some(apart) = self.apart()? else { return Ok(left) };
        if matches!(self.peek(), None | Some(')')) {
            return Err(self.error("NEAR needs something on both sides", None));
        }
        let right = self.unary(field, depth)?;
        self.blanks();
        let further = self.at;
        match (left, right) {
            (Node::Term(left), Node::Term(right)) if self.apart()?.is_none() => {
                if left.field != right.field {
                    let name = |field: Field| if field == Field::Any { Field::Subject } else { field }.name();
                    let field = if right.field == Field::Any { left.field } else { right.field };
                    let suggestion = Some(format!("{}:(… NEAR …)", name(field)));
                    return Err(self.error_at(
                        at,
                        "words are near in one field, and these are of two",
                        suggestion,
                    ));
                }
                Ok(Node::Near(Box::new(Near { either: [left, right], apart })))
            }
            (Node::Term(_), Node::Term(_)) => {
                Err(self.error_at(further, "NEAR is between two words or phrases, not three", None))
            }
            _ => Err(self.error_at(at, "NEAR is between two words or phrases alone", None)),
        }
    }

    /// How many words apart the next may be, if an operator says so.
    fn apart(&mut self) -> Result<Option<u32>, SyntaxError> {
        let at = self.at;
        if self.take_operator("NEAR") {
            return Ok(Some(APART));
        }
        let begins = |name: &str| {
            let end = at.saturating_add(name.len());
            let here = self.chars.get(at..end).is_some_and(|c| c.iter().copied().eq(name.chars()));
            here.then_some(end)
        };
        let digits_at = |at: usize| -> String {
            self.chars.get(at..).unwrap_or(&[]).iter().take_while(|c| c.is_ascii_digit()).collect()
        };
        let ends =
            |end: usize| self.chars.get(end).is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '"'));
        let (start, digits, end) = match (begins("NEAR/"), begins("AROUND")) {
            (Some(start), _) => {
                let digits = digits_at(start);
                let end = start.saturating_add(digits.len());
                (start, if ends(end) { digits } else { String::new() }, end)
            }
            // `AROUND 5` and `AROUND(5)` as others have it; anything else is a word.
            (None, Some(word)) => {
                let rest = self.chars.get(word..).unwrap_or(&[]);
                let blanks = rest.iter().take_while(|c| c.is_whitespace()).count();
                let open = rest.get(blanks) == Some(&'(');
                let start = word.saturating_add(blanks).saturating_add(usize::from(open));
                let digits = digits_at(start);
                let end = start.saturating_add(digits.len());
                let closed = self.chars.get(end) == Some(&')');
                let end = if open { end.saturating_add(1) } else { end };
                let more = self.chars.get(end..).is_some_and(|rest| rest.iter().any(|c| !c.is_whitespace()));
                let is_one =
                    !digits.is_empty() && (blanks > 0 || open) && open == closed && ends(end) && more;
                if !is_one {
                    return Ok(None);
                }
                (start, digits, end)
            }
            (None, None) => return Ok(None),
        };
        let apart = digits.parse().ok().filter(|apart| (1..=MAX_APART).contains(apart));
        let Some(apart) = apart else {
            let message = format!("words can be 1 to {MAX_APART} words apart");
            return Err(self.error_at(start, &message, Some(format!("NEAR/{APART}"))));
        };
        self.at = end;
        self.blanks();
        Ok(Some(apart))
    }

    fn unary(&mut self, field: Field, depth: usize) -> Result<Node, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(
                self.error(&format!("the query is nested too deeply (at most {MAX_DEPTH} levels)"), None)
            );
        }
        let deeper = depth.saturating_add(1);
        let with_number =
            self.chars.get(self.at..).unwrap_or(&[]).iter().take(5).copied().eq("NEAR/".chars());
        for name in ["OR", "AND", "NEAR"] {
            if self.operator(name) || (name == "NEAR" && with_number) {
                let message = format!("{name} needs something on both sides");
                return Err(self.error(&message, Some(format!("\"{name}\" for the word"))));
            }
        }
        match self.peek() {
            None => Err(self.error("something is missing here", None)),
            Some('(') => self.group(field, deeper),
            Some(')') => Err(self.error("there is nothing before this bracket", None)),
            Some('-') if self.negates() => {
                self.step();
                Ok(Node::Not(Box::new(self.unary(field, deeper)?)))
            }
            Some(_) if self.operator("NOT") => {
                self.take_operator("NOT");
                Ok(Node::Not(Box::new(self.unary(field, deeper)?)))
            }
            Some(_) => self.term(field, deeper),
        }
    }

    /// A minus negates what it touches; one that stands alone is only a dash.
    fn negates(&self) -> bool {
        let next = self.chars.get(self.at.saturating_add(1));
        next.is_some_and(|c| !c.is_whitespace() && *c != ')')
    }

    fn group(&mut self, field: Field, depth: usize) -> Result<Node, SyntaxError> {
        let open = self.at;
        self.step();
        self.blanks();
        if self.peek() == Some(')') {
            return Err(self.error("there is nothing in these brackets", None));
        }
        if self.peek().is_none() {
            return Err(self.error_at(open, "this bracket is never closed", Some(")".to_owned())));
        }
        let node = self.all(field, depth)?;
        if self.peek() != Some(')') {
            return Err(self.error_at(open, "this bracket is never closed", Some(")".to_owned())));
        }
        self.step();
        Ok(node)
    }

    fn term(&mut self, outer: Field, depth: usize) -> Result<Node, SyntaxError> {
        let (field, named) = match self.field_name()? {
            Some(field) => (field, true),
            None => (outer, false),
        };
        if named && self.peek() == Some('(') {
            return self.group(field, depth);
        }
        self.terms = self.terms.saturating_add(1);
        if self.terms > MAX_TERMS {
            return Err(self.error(&format!("the query has too many terms (at most {MAX_TERMS})"), None));
        }
        let at = self.at.saturating_add(1);
        let (value, quoted) =
            if self.peek() == Some('"') { (self.quoted()?, true) } else { (self.word(), false) };
        if quoted && matches!(self.peek(), Some('~' | '*')) {
            // Others mean by it what is read as something else here.
            let message = "a star or tilde stands behind one word, without quotes";
            return Err(self.error(message, Some(format!("word NEAR/{APART} word, or a blank between"))));
        }
        if named && value.is_empty() && !quoted {
            let message = format!("{}: needs a value", field.name());
            return Err(self.error(&message, example(field)));
        }
        Ok(Node::Term(Term { field, value, quoted, at }))
    }

    /// A field's name and its colon, if they are next.
    fn field_name(&mut self) -> Result<Option<Field>, SyntaxError> {
        let rest = self.chars.get(self.at..).unwrap_or(&[]);
        let letters = rest.iter().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).count();
        let starts_with_letter = rest.first().is_some_and(char::is_ascii_alphabetic);
        if !starts_with_letter || rest.get(letters) != Some(&':') {
            return Ok(None);
        }
        let name: String = rest.iter().take(letters).collect();
        let after: Vec<char> = rest.iter().skip(letters.saturating_add(1)).take(2).copied().collect();
        // People write "Meeting on: Monday" too.
        let blank = after.first().is_none_or(|c| c.is_whitespace() || *c == ')');
        let everyday = EVERYDAY.iter().any(|word| word.eq_ignore_ascii_case(&name));
        if let Some(field) = Field::of_name(&name).filter(|_| !(blank && everyday)) {
            self.at = self.at.saturating_add(letters).saturating_add(1);
            return Ok(Some(field));
        }
        // A link, or a colon at the end of a word, is text.
        let is_text = after.starts_with(&['/', '/']) || blank;
        if is_text {
            return Ok(None);
        }
        let suggestion =
            suggest::field(&name).map_or_else(|| format!("\"{name}:…\" in quotes"), |n| format!("{n}:"));
        Err(self.error(&format!("there is no field {name}:"), Some(suggestion)))
    }

    fn word(&mut self) -> String {
        let rest = self.chars.get(self.at..).unwrap_or(&[]);
        let ends = |c: &char| c.is_whitespace() || matches!(c, '"' | '(' | ')');
        let word: String = rest.iter().take_while(|c| !ends(c)).collect();
        self.at = self.at.saturating_add(word.chars().count());
        word
    }

    fn quoted(&mut self) -> Result<String, SyntaxError> {
        let open = self.at;
        self.step();
        let mut out = String::new();
        loop {
            let Some(c) = self.peek() else {
                return Err(self.error_at(open, "this quote is never closed", Some("\"".to_owned())));
            };
            self.step();
            match c {
                '"' => return Ok(out),
                '\\' if matches!(self.peek(), Some('"' | '\\')) => {
                    out.extend(self.peek());
                    self.step();
                }
                _ => out.push(c),
            }
        }
    }
}

/// Fields that are words of every day: with nothing behind the colon they are text.
const EVERYDAY: [&str; 9] =
    ["archive", "on", "type", "size", "lang", "language", "older", "newer", "participants"];

fn single_or(mut parts: Vec<Node>, several: impl FnOnce(Vec<Node>) -> Node) -> Node {
    match parts.len() {
        1 => parts.pop().unwrap_or(Node::And(Vec::new())),
        _ => several(parts),
    }
}

fn example(field: Field) -> Option<String> {
    let value = match field {
        Field::From | Field::To | Field::Cc | Field::Bcc | Field::Participants => "alice@example.com",
        Field::Folder => "Inbox",
        Field::Archive => "ann.pst",
        Field::Before | Field::After | Field::On => "2020-01-31",
        Field::OlderThan | Field::NewerThan => "7d",
        Field::Type => "pdf",
        Field::Lang => "en",
        Field::Has => "attachment",
        Field::Larger | Field::Smaller => "10M",
        Field::Subject | Field::Body => "\"some words\"",
        _ => return None,
    };
    Some(format!("{}:{value}", field.name()))
}
