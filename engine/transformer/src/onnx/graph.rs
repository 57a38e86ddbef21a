//! The messages of an ONNX model (onnx.proto of version 8 of its representation).

use super::message::Message;
use super::{MASK, PIECES, PLACES, VALUES};

/// ONNX Runtime's own operators.
pub const OWN: &str = "com.microsoft";
/// Types of values (`TensorProto.DataType`).
pub const FLOAT: i64 = 1;
const INT8: i64 = 3;
const INT32: i64 = 6;
const INT64: i64 = 7;
/// Of the representation, and of both sets of operators.
const REPRESENTATION: u64 = 8;
const OPERATORS: u64 = 17;
const OWN_OPERATORS: u64 = 1;

/// What a node is told.
pub enum Attribute {
    Int(&'static str, i64),
    Float(&'static str, f32),
}

/// A graph that grows node by node.
#[derive(Default)]
pub struct Graph(Message);

impl Graph {
    /// A step.
    pub fn node(
        self,
        domain: &str,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[Attribute],
    ) -> Self {
        let node = Message::default()
            .texts(1, inputs.iter().copied())
            .texts(2, outputs.iter().copied())
            .texts(4, [operator])
            .texts(7, [domain]);
        let node = attributes.iter().fold(node, |node, attribute| node.message(5, &attribute.message()));
        Self(self.0.message(1, &node))
    }

    /// A tensor of numbers of four bytes.
    pub fn floats(self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, shape, FLOAT, &bytes)
    }

    /// A tensor of numbers of one byte, with a sign.
    pub fn bytes(self, name: &str, shape: &[usize], values: &[u8]) -> Self {
        self.tensor(name, shape, INT8, values)
    }

    fn tensor(self, name: &str, shape: &[usize], kind: i64, bytes: &[u8]) -> Self {
        let tensor = shape.iter().fold(Message::default(), |tensor, size| tensor.number(1, *size as u64));
        Self(self.0.message(5, &tensor.number(2, kind as u64).texts(8, [name]).bytes(9, bytes)))
    }

    /// The model of it.
    pub fn finish(self, hidden: usize) -> Vec<u8> {
        let (texts, pieces) = (Size::Any("texts"), Size::Any("pieces_of_a_text"));
        let graph = self
            .0
            .texts(2, ["bert"])
            .message(11, &value(PIECES, INT64, &[&texts, &pieces]))
            .message(11, &value(MASK, INT32, &[&texts, &pieces]))
            .message(11, &value(PLACES, INT64, &[&pieces]))
            .message(12, &value(VALUES, FLOAT, &[&texts, &pieces, &Size::Is(hidden)]));
        Message::default()
            .number(1, REPRESENTATION)
            .texts(2, ["postlode"])
            .message(7, &graph)
            .message(8, &Message::default().texts(1, [""]).number(2, OPERATORS))
            .message(8, &Message::default().texts(1, [OWN]).number(2, OWN_OPERATORS))
            .finish()
    }
}

impl Attribute {
    fn message(&self) -> Message {
        match self {
            Self::Float(name, value) => Message::default().texts(1, [*name]).float(2, *value).number(20, 1),
            // Numbers below zero are written as their two's complement.
            Self::Int(name, value) => {
                Message::default().texts(1, [*name]).number(3, *value as u64).number(20, 2)
            }
        }
    }
}

enum Size {
    Any(&'static str),
    Is(usize),
}

/// An input or output.
fn value(name: &str, kind: i64, shape: &[&Size]) -> Message {
    let shape = shape.iter().fold(Message::default(), |shape, size| {
        let size = match size {
            Size::Any(name) => Message::default().texts(2, [*name]),
            Size::Is(size) => Message::default().number(1, *size as u64),
        };
        shape.message(1, &size)
    });
    let tensor = Message::default().number(1, kind as u64).message(2, &shape);
    Message::default().texts(1, [name]).message(2, &Message::default().message(1, &tensor))
}
