//! A network as an ONNX model for ONNX Runtime, with weights of one byte.
//!
//! Inputs: `pieces` (int64) and `mask` (int32), both texts by pieces, and `places` (int64), 0, 1, 2 ... . Output: `values`
//! (float), texts by pieces by values. Products of matrices, attention and norms are ONNX Runtime's own operators (the domain
//! com.microsoft), which do in one step what ONNX has several for.

mod graph;
mod message;
mod quantised;

pub use quantised::largest;

use crate::bert::{Activation, Layer, Linear, Network, Norm, Settings};
use graph::{Attribute, Graph};
use quantised::{columns, rows};

/// Inputs and output.
pub const PIECES: &str = "pieces";
pub const MASK: &str = "mask";
pub const PLACES: &str = "places";
pub const VALUES: &str = "values";

/// Writes it.
pub fn model(network: &Network, settings: &Settings) -> Vec<u8> {
    let mut writer = Writer { graph: Graph::default(), settings, largest: largest() };
    let mut x = writer.embedded(network);
    for (number, layer) in network.layers.iter().enumerate() {
        x = writer.layer(&format!("layer{number}"), x, layer);
    }
    let graph = writer.graph.node("", "Identity", &[&x], &[VALUES], &[]);
    graph.finish(settings.hidden)
}

struct Writer<'a> {
    graph: Graph,
    settings: &'a Settings,
    largest: f32,
}

impl Writer<'_> {
    fn node(
        &mut self,
        domain: &str,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[Attribute],
    ) {
        self.graph = std::mem::take(&mut self.graph).node(domain, operator, inputs, outputs, attributes);
    }

    fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        self.graph = std::mem::take(&mut self.graph).floats(name, shape, values);
    }

    fn bytes(&mut self, name: &str, shape: &[usize], values: &[u8]) {
        self.graph = std::mem::take(&mut self.graph).bytes(name, shape, values);
    }

    /// What a layer begins with: pieces and their places.
    fn embedded(&mut self, network: &Network) -> String {
        let &Settings { vocabulary, hidden, positions, epsilon, .. } = self.settings;
        let table = rows(&network.pieces, hidden);
        self.bytes("table", &[vocabulary, hidden], &table.bytes);
        self.floats("table.scales", &[vocabulary, 1], &table.scales);
        self.floats("table.places", &[positions, hidden], &network.places);
        self.node("", "Gather", &["table", PIECES], &["e.bytes"], &[]);
        self.node("", "Cast", &["e.bytes"], &["e.values"], &[Attribute::Int("to", graph::FLOAT)]);
        self.node("", "Gather", &["table.scales", PIECES], &["e.scales"], &[]);
        self.node("", "Mul", &["e.values", "e.scales"], &["e.pieces"], &[]);
        self.node("", "Gather", &["table.places", PLACES], &["e.places"], &[]);
        self.node("", "Add", &["e.pieces", "e.places"], &["e"], &[]);
        self.norm_weights("e.norm", &network.norm);
        let attributes = [Attribute::Float("epsilon", epsilon), Attribute::Int("axis", -1)];
        self.node(
            "",
            "LayerNormalization",
            &["e", "e.norm.scale", "e.norm.shift"],
            &["embedded"],
            &attributes,
        );
        "embedded".to_owned()
    }

    fn layer(&mut self, name: &str, x: String, layer: &Layer) -> String {
        let attended = self.attention(&format!("{name}.attention"), &x, &layer.attention);
        let attended = self.linear(&format!("{name}.attended"), &attended, &layer.attended);
        let x = self.added(&format!("{name}.between"), &x, &attended, &layer.attended_norm);
        let inner = self.linear(&format!("{name}.inner"), &x, &layer.inner);
        let active = format!("{name}.active");
        match self.settings.activation {
            Activation::Gelu => self.node(graph::OWN, "Gelu", &[&inner], &[&active], &[]),
            Activation::FastGelu => self.node(graph::OWN, "FastGelu", &[&inner], &[&active], &[]),
            Activation::Relu => self.node("", "Relu", &[&inner], &[&active], &[]),
        }
        let outer = self.linear(&format!("{name}.outer"), &active, &layer.outer);
        self.added(name, &x, &outer, &layer.outer_norm)
    }

    fn attention(&mut self, name: &str, x: &str, linear: &Linear) -> String {
        let [bytes, scale, zero] = ["x", "x.scale", "x.zero"].map(|part| format!("{name}.{part}"));
        self.node("", "DynamicQuantizeLinear", &[x], &[&bytes, &scale, &zero], &[]);
        self.weights(name, linear);
        let heads = Attribute::Int("num_heads", self.settings.heads as i64);
        let weights = ["bytes", "bias", "scales", "zeros"].map(|part| format!("{name}.{part}"));
        let [own, bias, scales, zeros] = weights.each_ref().map(String::as_str);
        self.node(
            graph::OWN,
            "QAttention",
            &[&bytes, own, bias, &scale, scales, MASK, &zero, zeros],
            &[name],
            &[heads],
        );
        name.to_owned()
    }

    fn linear(&mut self, name: &str, x: &str, linear: &Linear) -> String {
        self.weights(name, linear);
        let weights = ["bytes", "scales", "zeros", "bias"].map(|part| format!("{name}.{part}"));
        let [own, scales, zeros, bias] = weights.each_ref().map(String::as_str);
        self.node(graph::OWN, "DynamicQuantizeMatMul", &[x, own, scales, zeros, bias], &[name], &[]);
        name.to_owned()
    }

    fn weights(&mut self, name: &str, linear: &Linear) {
        let &Linear { inputs, outputs, .. } = linear;
        let quantised = columns(&linear.weights, outputs, self.largest);
        self.bytes(&format!("{name}.bytes"), &[inputs, outputs], &quantised.bytes);
        self.floats(&format!("{name}.scales"), &[outputs], &quantised.scales);
        self.bytes(&format!("{name}.zeros"), &[outputs], &vec![0; outputs]);
        self.floats(&format!("{name}.bias"), &[outputs], &linear.bias);
    }

    /// The sum of both, and its norm.
    fn added(&mut self, name: &str, x: &str, more: &str, norm: &Norm) -> String {
        self.norm_weights(name, norm);
        let (scale, shift) = (format!("{name}.scale"), format!("{name}.shift"));
        let epsilon = [Attribute::Float("epsilon", self.settings.epsilon)];
        self.node(graph::OWN, "SkipLayerNormalization", &[x, more, &scale, &shift], &[name], &epsilon);
        name.to_owned()
    }

    fn norm_weights(&mut self, name: &str, norm: &Norm) {
        self.floats(&format!("{name}.scale"), &[norm.scale.len()], &norm.scale);
        self.floats(&format!("{name}.shift"), &[norm.shift.len()], &norm.shift);
    }
}
