//! Emails that mean what an email means.

use crate::engine::Inner;
use crate::error::QueryError;
use crate::model::{MAX_LIMIT, SearchAnswer};
use crate::search::Run;
use postlode_format::id::Id;
use postlode_format::row::{ArchivedEmail, access};
use postlode_semantic::{Embed, Texts, texts};
use postlode_store::{StoreError, TextDoc};
use std::sync::Arc;

/// Passages that say what a long email is about.
const PASSAGES: usize = 16;

/// What an email means, as far as that can be told.
enum Meaning {
    Is(Vec<f32>),
    Unknown(String),
    /// Why nobody told.
    Failed(String),
}

/// The emails nearest to one in meaning, that one apart; `None` where there is none of that id, or it was deleted.
pub async fn similar(engine: &Arc<Inner>, id: Id, limit: usize) -> Result<Option<SearchAnswer>, QueryError> {
    if !(1..=MAX_LIMIT).contains(&limit) {
        let why = format!("{limit} is not from 1 to {MAX_LIMIT}");
        return Err(QueryError::Parameter { parameter: "limit", why });
    }
    let Some(found) = engine.found(id).await? else { return Ok(None) };
    let mut run = Run::new(engine, "", None)?;
    let Some(models) = engine.models.clone() else {
        return run.of_near(Vec::new(), "no vectors: nothing can be compared").await.map(Some);
    };
    let body = match engine.store.bodies(&[id]).await?.pop() {
        Some(Ok(Some(body))) => body,
        Some(Err(missing)) => return Err(StoreError::Missing(missing).into()),
        Some(Ok(None)) | None => return Ok(None),
    };
    let language = access::<ArchivedEmail>(&found.email)?.language.to_string();
    let doc = TextDoc { email: found.email.clone(), body };
    for semantic in run.answering(&models).await? {
        let model = Arc::clone(semantic.model());
        let (doc, language) = (doc.clone(), language.clone());
        let asked = engine.ask(&semantic, move || meaning(&doc, &*model, &language)).await;
        match asked.ok_or(QueryError::Internal("embedding"))? {
            Meaning::Is(vector) => {
                // Not turned: what says the same is the nearest, and is to be the first.
                run.semantic = Some(semantic);
                return run.similar(vector.into(), id, limit).await.map(Some);
            }
            Meaning::Unknown(why) => return run.of_near(Vec::new(), &why).await.map(Some),
            Meaning::Failed(error) => run.without(&semantic, &error),
        }
    }
    run.of_near(Vec::new(), "").await.map(Some)
}

/// The mean of its passages.
fn meaning(doc: &TextDoc, model: &dyn Embed, language: &str) -> Meaning {
    let texts = match texts(doc, model) {
        Texts::Some(texts) => texts,
        Texts::Nothing => return Meaning::Unknown("the email has no text to compare".to_owned()),
        Texts::Foreign => {
            let name = model.model().name;
            return Meaning::Unknown(format!(
                "the model {name} does not know the email's language, {language}"
            ));
        }
    };
    let texts: Vec<String> = texts.into_iter().take(PASSAGES).map(|text| text.embedded).collect();
    let vectors = match model.embed_now(&texts) {
        Ok(vectors) => vectors,
        Err(error) => return Meaning::Failed(error.to_string()),
    };
    let mut sum = vec![0.0f32; model.model().dimensions as usize];
    for vector in vectors.into_iter().flatten() {
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
    }
    if sum.iter().all(|value| *value == 0.0) {
        return Meaning::Unknown("the model knows no word of the email".to_owned());
    }
    Meaning::Is(sum)
}
