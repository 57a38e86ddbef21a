//! Prepared statements: queries with parameters, parsed once, whose plan is remembered.
//!
//! ```text
//! from:$1 after:$2 "annual report"
//! ```
//!
//! A term whose value is `$` and a number is filled in when the statement is executed; the numbers are 1 to as many as there
//! are. What always holds: a value fills in a value, whatever is in it, and never becomes an operator, a field or a bracket;
//! the id is a hash of the text, and the text is in the store, so any process over the store knows a statement by its id; an
//! answer is that of the query with the values in it.

use crate::engine::Inner;
use crate::error::QueryError;
use crate::filter::resolve;
use crate::lang::{Field, MAX_BYTES, Near, Node, Term, parse, value_of};
use crate::model::{SearchAnswer, SearchRequest};
use crate::plan::Remembered;
use crate::{dates, docs, search};
use jiff::tz::TimeZone;
use postlode_format::id::{Id, to_hex};
use quick_cache::sync::Cache;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Most parameters of a statement.
pub const MAX_PARAMETERS: usize = 100;
/// Statements that are kept in memory, and most that a store has.
const KEPT: usize = 1_024;
const MOST: usize = 2_000;
/// Where they are in the store.
const SPACE: &str = "statements";

/// What a parameter fills in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its number, from 1.
    pub n: usize,
    /// The fields whose values it is; `text` for words anywhere.
    pub fields: Vec<String>,
}

/// A statement, as whoever prepared it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Its id: a hash of the text, 32 hex digits.
    pub id: String,
    /// The text.
    pub q: String,
    /// What its parameters fill in, in order.
    pub params: Vec<Parameter>,
}

/// What is asked of a statement: as a [`SearchRequest`], with values in the place of the query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExecuteRequest {
    /// A value for each parameter: a string, a number, or `{"phrase": string}` as in a tree.
    pub params: Vec<Value>,
    /// All else; its query is empty.
    pub search: SearchRequest,
}

impl<'de> Deserialize<'de> for ExecuteRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = serde_json::Map::deserialize(deserializer)?;
        if fields.contains_key("q") {
            return Err(D::Error::custom("unknown field `q`: the statement has the query"));
        }
        let params = fields.remove("params").unwrap_or_else(|| Value::Array(Vec::new()));
        let params = Vec::deserialize(params).map_err(D::Error::custom)?;
        let search = SearchRequest::deserialize(Value::Object(fields)).map_err(D::Error::custom)?;
        Ok(Self { params, search })
    }
}

/// A statement, ready to be executed.
pub struct Prepared {
    told: Statement,
    tree: Node,
    plan: Arc<Mutex<Option<Remembered>>>,
}

/// Statements that were used lately.
pub struct Statements {
    kept: Cache<Id, Arc<Prepared>>,
}

impl Statements {
    pub fn new() -> Self {
        Self { kept: Cache::new(KEPT) }
    }
}

/// The number of a parameter, if a value is one.
fn number(term: &Term) -> Option<usize> {
    let digits = term.value.strip_prefix('$').filter(|_| !term.quoted)?;
    let plain = !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain && !digits.starts_with('0'))
}

/// Shows every term.
fn each<'n>(node: &'n Node, show: &mut dyn FnMut(&'n Term)) {
    match node {
        Node::And(parts) | Node::Or(parts) => parts.iter().for_each(|part| each(part, show)),
        Node::Not(inner) => each(inner, show),
        Node::Near(near) => near.either.iter().for_each(show),
        Node::Term(term) => show(term),
    }
}

/// The id of a text.
fn id_of(text: &str) -> Id {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"postlode statement 1\0");
    hasher.update(text.as_bytes());
    hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
}

impl Prepared {
    /// Reads a statement.
    ///
    /// # Errors
    /// A text that is no query, or numbers with gaps between them.
    pub fn new(text: &str) -> Result<Self, QueryError> {
        let tree = parse(text)?;
        let mut fields: Vec<Vec<String>> = Vec::new();
        let mut wrong = None;
        each(&tree, &mut |term| {
            let Some(n) = number(term) else { return };
            if n > MAX_PARAMETERS {
                wrong = Some(format!("${n}: a statement has at most {MAX_PARAMETERS} parameters"));
                return;
            }
            if fields.len() < n {
                fields.resize(n, Vec::new());
            }
            let name = if term.field == Field::Any { "text" } else { term.field.name() };
            if let Some(of) = fields.get_mut(n.saturating_sub(1)).filter(|of| !of.iter().any(|f| f == name)) {
                of.push(name.to_owned());
            }
        });
        if let Some(n) = fields.iter().position(Vec::is_empty) {
            let n = n.saturating_add(1);
            wrong = Some(format!("there is no ${n}, but one with a higher number"));
        }
        if let Some(why) = wrong {
            return Err(QueryError::Parameter { parameter: "q", why });
        }
        // What no value can make right is refused now, where somebody can do something about it.
        let some = |term: &Term| match number(term) {
            Some(_) => Ok(Term { value: "x".to_owned(), ..term.clone() }),
            None => {
                resolve(&Node::Term(term.clone()), &TimeZone::UTC).map(|_| term.clone()).map_err(Into::into)
            }
        };
        let mut near = Vec::new();
        nears(&filled(&tree, &some)?, &mut near);
        for near in near {
            resolve(&Node::Near(Box::new(near)), &TimeZone::UTC)?;
        }
        let params = fields.into_iter().zip(1..).map(|(fields, n)| Parameter { n, fields }).collect();
        let told = Statement { id: to_hex(&id_of(text)), q: text.to_owned(), params };
        Ok(Self { told, tree, plan: Arc::default() })
    }

    /// The tree with these values in it.
    ///
    /// # Errors
    /// Values that are too many, too few, or that their fields cannot have.
    pub fn bind(&self, values: &[Value], tz: Option<&str>) -> Result<Node, QueryError> {
        let wrong = |why: String| QueryError::Parameter { parameter: "params", why };
        let wanted = self.told.params.len();
        if values.len() != wanted {
            return Err(wrong(format!("{} given, and the statement has {wanted}", values.len())));
        }
        // As long as a query may be, before anything is copied or looked at.
        let long = |value: &Value| match value {
            Value::String(text) => text.len(),
            Value::Object(object) => object.values().filter_map(Value::as_str).map(str::len).sum(),
            _ => 0,
        };
        let mut bytes = self.told.q.len();
        each(&self.tree, &mut |term| {
            let value = number(term).and_then(|n| n.checked_sub(1)).and_then(|n| values.get(n));
            bytes = bytes.saturating_add(value.map_or(0, long));
        });
        if bytes > MAX_BYTES {
            return Err(wrong(format!(
                "with them in it the query is too long ({bytes} bytes, at most {MAX_BYTES})"
            )));
        }
        let zone = dates::zone(tz)?;
        let known: RefCell<HashMap<(usize, Field), Term>> = RefCell::default();
        let fill = |term: &Term| -> Result<Term, QueryError> {
            let Some(n) = number(term) else { return Ok(term.clone()) };
            if let Some(filled) = known.borrow().get(&(n, term.field)) {
                return Ok(filled.clone());
            }
            let value = n.checked_sub(1).and_then(|n| values.get(n)).unwrap_or(&Value::Null);
            let filled = value_of(term.field, value).map_err(|why| wrong(format!("${n}: {why}")))?;
            let alone = Node::Term(filled.clone());
            resolve(&alone, &zone).map_err(|error| wrong(format!("${n}: {}", error.message)))?;
            known.borrow_mut().insert((n, term.field), filled.clone());
            Ok(filled)
        };
        filled(&self.tree, &fill)
    }
}

/// What is to be near one another.
fn nears(node: &Node, out: &mut Vec<Near>) {
    match node {
        Node::And(parts) | Node::Or(parts) => parts.iter().for_each(|part| nears(part, out)),
        Node::Not(inner) => nears(inner, out),
        Node::Near(near) => out.push((**near).clone()),
        Node::Term(_) => {}
    }
}

/// A tree in which terms are others.
fn filled(node: &Node, fill: &dyn Fn(&Term) -> Result<Term, QueryError>) -> Result<Node, QueryError> {
    let all = |parts: &[Node]| parts.iter().map(|part| filled(part, fill)).collect::<Result<Vec<_>, _>>();
    Ok(match node {
        Node::And(parts) => Node::And(all(parts)?),
        Node::Or(parts) => Node::Or(all(parts)?),
        Node::Not(inner) => Node::Not(Box::new(filled(inner, fill)?)),
        Node::Term(term) => Node::Term(fill(term)?),
        Node::Near(near) => {
            let [left, right] = &near.either;
            Node::Near(Box::new(Near { either: [fill(left)?, fill(right)?], apart: near.apart }))
        }
    })
}

/// Prepares a statement, and keeps its text in the store.
///
/// # Errors
/// As [`Prepared::new`]; where the store cannot be written, and does not have it already.
pub async fn prepare(engine: &Arc<Inner>, text: &str) -> Result<Statement, QueryError> {
    let id = id_of(text);
    if let Some(known) = find(engine, id).await? {
        return Ok(known.told.clone());
    }
    let prepared = Prepared::new(text)?;
    if docs::count(engine, SPACE).await? >= MOST {
        let why = format!("the store has {MOST} prepared statements already: DELETE those that nobody uses");
        return Err(QueryError::Parameter { parameter: "q", why });
    }
    put(engine, id, Some(text)).await?;
    let told = prepared.told.clone();
    engine.statements.kept.insert(id, Arc::new(prepared));
    Ok(told)
}

/// Keeps a text in the store, or that there is none any more.
async fn put(engine: &Inner, id: Id, text: Option<&str>) -> Result<(), QueryError> {
    let json = text.map(|text| serde_json::json!({ "q": text }).to_string());
    docs::put(engine, SPACE, &to_hex(&id), json).await
}

/// Removes a statement; false where nobody prepared it. Other processes over the store may know it for as long as they run.
///
/// # Errors
/// Where the store fails, or was opened for reading.
pub async fn remove(engine: &Arc<Inner>, id: Id) -> Result<bool, QueryError> {
    if find(engine, id).await?.is_none() {
        return Ok(false);
    }
    put(engine, id, None).await?;
    engine.statements.kept.remove(&id);
    Ok(true)
}

/// The statement of an id; `None` where nobody prepared it.
///
/// # Errors
/// Where the store fails.
pub async fn find(engine: &Arc<Inner>, id: Id) -> Result<Option<Arc<Prepared>>, QueryError> {
    #[derive(Deserialize)]
    struct Kept {
        q: String,
    }
    if let Some(known) = engine.statements.kept.get(&id) {
        return Ok(Some(known));
    }
    let Some(json) = docs::get(engine, SPACE, &to_hex(&id)).await? else { return Ok(None) };
    let kept = serde_json::from_str::<Kept>(&json).ok().filter(|kept| id_of(&kept.q) == id);
    let Some(kept) = kept else { return Ok(None) };
    let prepared = Arc::new(Prepared::new(&kept.q)?);
    engine.statements.kept.insert(id, Arc::clone(&prepared));
    Ok(Some(prepared))
}

impl Prepared {
    /// As whoever prepared it was told.
    #[must_use]
    pub fn told(&self) -> &Statement {
        &self.told
    }
}

/// Answers a statement.
///
/// # Errors
/// As of a search, and of [`Prepared::bind`].
pub async fn execute(
    engine: &Arc<Inner>,
    prepared: &Prepared,
    request: ExecuteRequest,
) -> Result<SearchAnswer, QueryError> {
    let ExecuteRequest { params, search } = request;
    let tree = prepared.bind(&params, search.tz.as_deref())?;
    search::of_tree(engine, &search, tree, Some(Arc::clone(&prepared.plan))).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::print;
    use serde_json::json;

    fn bound(text: &str, values: &[Value]) -> Result<String, String> {
        let prepared = Prepared::new(text).map_err(|error| error.to_string())?;
        prepared.bind(values, None).map(|tree| print(&tree)).map_err(|error| error.to_string())
    }

    #[test]
    fn values_fill_in_values() {
        let text = "from:$1 after:$2 ($3 OR subject:(\"x\" NEAR $3)) -$1";
        let prepared = Prepared::new(text).unwrap();
        let fields: Vec<_> = prepared.told.params.iter().map(|p| (p.n, p.fields.join(" "))).collect();
        assert_eq!(
            fields,
            [(1, "from text".to_owned()), (2, "after".to_owned()), (3, "text subject".to_owned())]
        );
        assert_eq!(
            bound(text, &[json!("a@b.c"), json!("2020"), json!("tax")]).unwrap(),
            "from:a@b.c after:2020 (tax OR subject:\"x\" NEAR/10 subject:tax) -a@b.c"
        );
        assert_eq!(bound("larger:$1", &[json!(1000)]).unwrap(), "larger:1000");
        assert_eq!(bound("$1", &[json!({ "phrase": "a b" })]).unwrap(), "\"a b\"");
        // In quotes, and within words, it is text.
        assert_eq!(Prepared::new("\"$1\" a$1 $1x $01").unwrap().told.params.len(), 0);
    }

    #[test]
    fn no_value_becomes_anything_else() {
        for value in ["x OR from:y", "\" OR \"", "-x", "NEAR", ") x (", "from:y", "AROUND", "$2"] {
            let text = bound("subject:$1 from:z", &[json!(value)]).unwrap();
            let Node::And(parts) = parse(&text).unwrap() else { panic!("{text}") };
            assert_eq!(parts.len(), 2, "{text}");
            let Node::Term(term) = &parts[0] else { panic!("{text}") };
            assert_eq!((term.field, term.value.as_str()), (Field::Subject, value));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_its_number() {
        let error = |text: &str, values: &[Value]| bound(text, values).unwrap_err();
        assert_eq!(error("from:$1", &[]), "params: 0 given, and the statement has 1");
        assert!(
            error("$1 after:$2", &[json!("x"), json!("someday")])
                .contains("$2: after: \"someday\" is no date")
        );
        assert!(error("$1", &[json!(["x"])]).starts_with("params: $1: "));
        assert!(error("from:$1", &[json!("&&")]).starts_with("params: $1: "));
        assert!(error("$1 $3", &[]).contains("there is no $2"));
        assert!(error("$101", &[]).contains("at most 100"));
        for never in ["after:someday from:$1", "from:($1 NEAR $2)", "subject:($1 NEAR bud*)", "$1 from:&&"] {
            assert!(Prepared::new(never).is_err(), "{never}");
        }
        // One value many times is as long as it is often.
        let often = ["$1"; 1_000].join(" ");
        assert!(error(&often, &[json!("word ".repeat(20))]).contains("too long"));
        assert!(bound(&often, &[json!("word")]).is_ok());
    }
}
