//! Trees as JSON: the form for programs, which need not quote and escape.
//!
//! ```text
//! tree  = {"and": [tree, …]} | {"or": [tree, …]} | {"not": tree}
//!       | {"near": [term, term], "apart": number} | term
//! term  = {FIELD: value}                          a field's name, or "text" for words anywhere
//! value = string | number | {"phrase": string}
//! ```
//!
//! A string is what would stand behind the field without quotes, and one that cannot (of several words, say) is a phrase; a
//! phrase is what would stand in quotes. `{"and": []}` finds everything. What always holds: what is written here is read as
//! the same tree, which is that of the text that [`print`](super::print) writes.

use super::{APART, Field, MAX_APART, MAX_DEPTH, MAX_TERMS, Near, Node, Term, parse, print, suggest};
use serde_json::{Map, Value, json};

/// The name of [`Field::Any`].
const ANYWHERE: &str = "text";

/// Writes a tree.
#[must_use]
pub fn to_json(node: &Node) -> Value {
    match node {
        Node::And(parts) => json!({ "and": parts.iter().map(to_json).collect::<Vec<_>>() }),
        Node::Or(parts) => json!({ "or": parts.iter().map(to_json).collect::<Vec<_>>() }),
        Node::Not(inner) => json!({ "not": to_json(inner) }),
        Node::Term(written) => term_to_json(written),
        Node::Near(near) => {
            json!({ "near": near.either.each_ref().map(term_to_json), "apart": near.apart })
        }
    }
}

fn term_to_json(term: &Term) -> Value {
    let name = if term.field == Field::Any { ANYWHERE } else { term.field.name() };
    let value = if term.quoted { json!({ "phrase": term.value }) } else { json!(term.value) };
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// Reads a tree.
///
/// # Errors
/// What is wrong, and where in the JSON.
pub fn from_json(value: &Value) -> Result<Node, String> {
    let mut reader = Reader { terms: 0 };
    if value == &json!({ "and": [] }) {
        return Ok(Node::And(Vec::new()));
    }
    reader.node(value, &Place::Top)
}

/// Where in the JSON something is.
enum Place<'p> {
    Top,
    In(&'p Place<'p>, &'p str),
    At(&'p Place<'p>, usize),
}

impl Place<'_> {
    fn depth(&self) -> usize {
        match self {
            Self::Top => 0,
            Self::In(outer, _) | Self::At(outer, _) => outer.depth().saturating_add(1),
        }
    }

    fn path(&self) -> String {
        match self {
            Self::Top => "q".to_owned(),
            Self::In(outer, name) => format!("{}.{name}", outer.path()),
            Self::At(outer, n) => format!("{}[{n}]", outer.path()),
        }
    }

    fn wrong<T>(&self, why: impl std::fmt::Display) -> Result<T, String> {
        Err(format!("{}: {why}", self.path()))
    }
}

struct Reader {
    terms: usize,
}

impl Reader {
    fn node(&mut self, value: &Value, place: &Place) -> Result<Node, String> {
        // A group is a list of lists, and a list in an object is two steps.
        if place.depth() > MAX_DEPTH.saturating_add(2).saturating_mul(4) {
            return place.wrong(format!("the query is nested too deeply (at most {MAX_DEPTH} levels)"));
        }
        let Value::Object(object) = value else {
            return place.wrong("write an object as {\"and\": […]} or {\"from\": \"alice@example.com\"}");
        };
        if let Some(near) = object.get("near") {
            return self.near(near, object, place);
        }
        let mut members = object.iter();
        let (Some((name, value)), None) = (members.next(), members.next()) else {
            return place.wrong("one name is wanted, as in {\"from\": \"alice@example.com\"}");
        };
        let inside = Place::In(place, name);
        match name.as_str() {
            "and" => self.nodes(value, &inside, Node::And),
            "or" => self.nodes(value, &inside, Node::Or),
            "not" => Ok(Node::Not(Box::new(self.node(value, &inside)?))),
            _ => self.term(name, value, place).map(Node::Term),
        }
    }

    fn nodes(&mut self, value: &Value, place: &Place, join: fn(Vec<Node>) -> Node) -> Result<Node, String> {
        let Value::Array(parts) = value else { return place.wrong("a list is wanted") };
        let nodes = parts.iter().enumerate().map(|(n, part)| self.node(part, &Place::At(place, n)));
        let mut nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        match nodes.len() {
            0 => place.wrong("there is nothing in the list"),
            1 => Ok(nodes.pop().unwrap_or(Node::And(Vec::new()))),
            _ => Ok(join(nodes)),
        }
    }

    fn near(&mut self, both: &Value, object: &Map<String, Value>, place: &Place) -> Result<Node, String> {
        let apart = match object.get("apart") {
            None => Some(APART),
            Some(apart) => apart.as_u64().and_then(|apart| u32::try_from(apart).ok()),
        };
        let Some(apart) = apart.filter(|apart| (1..=MAX_APART).contains(apart)) else {
            return place.wrong(format!("apart is a number from 1 to {MAX_APART}"));
        };
        if let Some(other) = object.keys().find(|name| !["near", "apart"].contains(&name.as_str())) {
            return place.wrong(format!("{other} does not stand beside near"));
        }
        let inside = Place::In(place, "near");
        let Some([left, right]) = both.as_array().map(Vec::as_slice) else {
            return inside.wrong("a list of two terms is wanted");
        };
        let (left, right) =
            (self.node(left, &Place::At(&inside, 0))?, self.node(right, &Place::At(&inside, 1))?);
        match (left, right) {
            (Node::Term(left), Node::Term(right)) if left.field == right.field => {
                Ok(Node::Near(Box::new(Near { either: [left, right], apart })))
            }
            _ => inside.wrong("two terms of one field are wanted"),
        }
    }

    fn term(&mut self, name: &str, value: &Value, place: &Place) -> Result<Term, String> {
        self.terms = self.terms.saturating_add(1);
        if self.terms > MAX_TERMS {
            return place.wrong(format!("the query has too many terms (at most {MAX_TERMS})"));
        }
        let field = if name.eq_ignore_ascii_case(ANYWHERE) { Some(Field::Any) } else { Field::of_name(name) };
        let Some(field) = field else {
            let meant =
                suggest::field(name).map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
            return place.wrong(format!("there is no field {name:?}{meant}"));
        };
        let inside = Place::In(place, name);
        value_of(field, value).or_else(|why| inside.wrong(why))
    }
}

/// The term of a field and a value.
///
/// # Errors
/// What a value may be.
pub fn value_of(field: Field, value: &Value) -> Result<Term, String> {
    let wrong = || "a string is wanted, or {\"phrase\": \"…\"}".to_owned();
    let (value, quoted) = match value {
        Value::String(text) => (text.clone(), false),
        Value::Number(number) => (number.to_string(), false),
        Value::Object(object) if object.len() == 1 => match object.get("phrase") {
            Some(Value::String(text)) => (text.clone(), true),
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    let term = Term { field, value, quoted, at: 0 };
    let node = Node::Term(term.clone());
    let stands = quoted || parse(&print(&node)).is_ok_and(|read| read == node);
    Ok(Term { quoted: !stands || quoted, ..term })
}
