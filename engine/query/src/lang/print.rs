//! Writes a tree as a query that parses to it.

use super::{Field, Near, Node, Term};

/// The query of a tree.
#[must_use]
pub fn print(node: &Node) -> String {
    let mut out = String::new();
    match node {
        Node::And(parts) => sequence(parts, " ", &mut out),
        Node::Or(parts) => sequence(parts, " OR ", &mut out),
        other => operand(other, &mut out),
    }
    out
}

fn sequence(parts: &[Node], between: &str, out: &mut String) {
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            out.push_str(between);
        }
        operand(part, out);
    }
}

fn operand(node: &Node, out: &mut String) {
    match node {
        Node::Near(written) => near(written, out),
        // With a number behind it, it would be an operator.
        Node::Term(Term { field: Field::Any, value, quoted: false, .. }) if value == "AROUND" => {
            out.push_str("(AROUND)");
        }
        other => unary(other, out),
    }
}

fn near(Near { either: [left, right], apart }: &Near, out: &mut String) {
    term(left, out);
    out.push_str(" NEAR/");
    out.push_str(&apart.to_string());
    out.push(' ');
    term(right, out);
}

fn unary(node: &Node, out: &mut String) {
    match node {
        Node::And(parts) => group(parts, " ", out),
        Node::Or(parts) => group(parts, " OR ", out),
        Node::Not(inner) => {
            out.push('-');
            unary(inner, out);
        }
        Node::Term(written) => term(written, out),
        Node::Near(written) => {
            out.push('(');
            near(written, out);
            out.push(')');
        }
    }
}

fn group(parts: &[Node], between: &str, out: &mut String) {
    out.push('(');
    sequence(parts, between, out);
    out.push(')');
}

fn term(term: &Term, out: &mut String) {
    if term.field != Field::Any {
        out.push_str(term.field.name());
        out.push(':');
    }
    if !term.quoted {
        out.push_str(&term.value);
        return;
    }
    out.push('"');
    for c in term.value.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
