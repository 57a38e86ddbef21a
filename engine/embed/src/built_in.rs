//! The model that is part of the program: no download, no service.

use crate::error::EmbedError;
use crate::static_model::StaticModel;
use crate::{Embed, Model};
use std::sync::OnceLock;

/// What `tools/distill` made; see `table/README.md` for what of, and how.
static TABLE: &[u8] = include_bytes!("../table/static-en.table");

/// The built-in model. It is read when it is first needed.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuiltIn;

fn model() -> &'static Result<StaticModel, EmbedError> {
    static MODEL: OnceLock<Result<StaticModel, EmbedError>> = OnceLock::new();
    MODEL.get_or_init(|| StaticModel::parse(TABLE))
}

impl Embed for BuiltIn {
    fn model(&self) -> Model {
        match model() {
            Ok(model) => model.model(),
            Err(_) => Model { name: "none".to_owned(), version: 0, dimensions: 0 },
        }
    }

    fn knows(&self, language: &str) -> bool {
        model().as_ref().is_ok_and(|model| model.knows(language))
    }

    fn is_even(&self) -> bool {
        model().as_ref().is_ok_and(|model| model.is_even())
    }

    fn weight(&self) -> f32 {
        model().as_ref().map_or(0.0, |model| model.weight())
    }

    fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        model().as_ref().map_err(Clone::clone)?.embed(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: &str, b: &str) -> f32 {
        let vectors = BuiltIn.embed(&[a.to_owned(), b.to_owned()]).unwrap();
        let [Some(a), Some(b)] = vectors.as_slice() else { panic!("{vectors:?}") };
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn it_is_there_and_knows_what_words_have_to_do_with_each_other() {
        let Model { name, version, dimensions } = BuiltIn.model();
        assert_eq!((name.as_str(), version, dimensions), ("static-en", 1, 256));
        let question = "the computer does not start after the update";
        let answers = ["my laptop fails to boot since I upgraded it", "we paid the invoice of the supplier"];
        assert!(near(question, answers[0]) > near(question, answers[1]) + 0.1);
        assert!(near("salary and pension", "wages") > near("salary and pension", "kernel module"));
    }

    #[test]
    fn it_says_nothing_of_other_languages() {
        assert!(BuiltIn.knows("") && BuiltIn.knows("eng") && !BuiltIn.knows("deu"));
        let none = ["Где находится счёт?", "請求書はどこですか", "12 + !!", ""];
        let texts: Vec<String> = none.iter().map(ToString::to_string).collect();
        let vectors = BuiltIn.embed(&texts).unwrap();
        assert_eq!(vectors[..2], [None, None]);
        // Names in another script do not make a text one of another language.
        assert!(BuiltIn.embed(&["Minutes of the meeting with Иван".to_owned()]).unwrap()[0].is_some());
    }
}
