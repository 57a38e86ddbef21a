//! `search`: hits, one a line or for people.

use super::{saved, tell_partial};
use crate::arguments::{Fusion, Group, Mode, Search, Sort};
use crate::error::{Failure, LOST};
use crate::hold::Plan;
use crate::output::{Cell, Console, Style, clean};
use crate::session::Session;
use crate::settings::Settings;
use crate::sizes;
use postlode_query::{
    Address, Explain, Facet, FacetCounts, Hit, MAX_LIMIT, Relation, SearchAnswer, SearchRequest,
};

/// Searches.
pub async fn run(search: Search, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let has_words = search.query.as_ref().is_none_or(|query| !query.trim().is_empty());
    let ranked = matches!(search.sort, None | Some(Sort::Relevance)) && has_words;
    if let Some(name) = &search.save {
        let session = Session::write(settings, Plan::of(&settings.file), console).await?;
        let done =
            saved::save(&session.client, name, &SearchRequest { explain: false, ..request_of(&search) })
                .await;
        let closed = session.close().await;
        done?;
        closed?;
    }
    let session = Session::search(settings, ranked && search.mode != Mode::Keyword).await?;
    let request = match &search.saved {
        Some(name) => saved::find(&session.client, name)
            .await
            .map(|saved| SearchRequest { explain: search.explain, ..saved }),
        None => Ok(request_of(&search)),
    };
    let found = match request {
        Ok(request) => pages(request, search.limit, &session, console).await,
        Err(failure) => Err(failure),
    };
    let closed = session.close().await;
    let lost = found?;
    closed?;
    Ok(if lost { LOST } else { 0 })
}

/// What is asked.
fn request_of(search: &Search) -> SearchRequest {
    SearchRequest {
        q: search.query.clone().unwrap_or_default(),
        mode: match search.mode {
            Mode::Keyword => postlode_query::Mode::Keyword,
            Mode::Semantic => postlode_query::Mode::Semantic,
            Mode::Hybrid => postlode_query::Mode::Hybrid,
        },
        sort: search.sort.map(|sort| match sort {
            Sort::Relevance => postlode_query::Sort::Relevance,
            Sort::Date => postlode_query::Sort::Date,
            Sort::Size => postlode_query::Sort::Size,
            Sort::Sender => postlode_query::Sort::Sender,
        }),
        group: match search.group {
            Group::None => postlode_query::Group::None,
            Group::Thread => postlode_query::Group::Thread,
            Group::Message => postlode_query::Group::Message,
            Group::Near => postlode_query::Group::Near,
        },
        fusion: match search.fusion {
            Fusion::Mix => postlode_query::Fusion::Mix,
            Fusion::Rrf => postlode_query::Fusion::Rrf,
        },
        recency: search.recency,
        tz: search.tz.clone(),
        facets: search.facets.clone(),
        explain: search.explain,
        ..SearchRequest::default()
    }
}

/// Asks page by page until there are as many hits as wanted; true where something was lost.
async fn pages(
    mut request: SearchRequest,
    limit: u64,
    session: &Session,
    console: &Console,
) -> Result<bool, Failure> {
    let mut left = limit;
    let mut shown = 0u64;
    let mut lost = false;
    let mut told = None;
    let grouped = request.group != postlode_query::Group::None;
    loop {
        request.limit = usize::try_from(left).unwrap_or(usize::MAX).min(MAX_LIMIT);
        let answer: SearchAnswer = session.client.post("/v1/search", &request).await?.json().await?;
        for hit in &answer.hits {
            if console.json { console.json(hit)? } else { show(hit, console)? }
        }
        shown = shown.saturating_add(answer.hits.len() as u64);
        left = left.saturating_sub(answer.hits.len() as u64);
        let first = request.cursor.is_none();
        if first {
            for (facet, counts) in answer.facets.iter().flatten() {
                if console.json {
                    console.json(&Counted { facet: *facet, counts })?
                } else {
                    tell(*facet, counts, console)?
                }
            }
            if let Some(explain) = &answer.explain {
                tell_explain(explain, console);
            }
        }
        // Later pages may lack something that the first did not need.
        if answer.partial != told {
            lost |= tell_partial(answer.partial.as_ref(), console);
            told.clone_from(&answer.partial);
        }
        request.cursor = answer.next_cursor;
        request.explain = false;
        request.facets = Vec::new();
        // A page of groups may be empty, and go on.
        if request.cursor.is_none() || left == 0 || (answer.hits.is_empty() && !grouped) {
            if !console.json {
                let more = if answer.total.relation == Relation::Gte { "at least " } else { "" };
                let (shown, all) = (sizes::number(shown), sizes::number(answer.total.value));
                let total = match grouped {
                    true => format!("{shown} groups of {more}{all} emails"),
                    false => format!("{shown} of {more}{all}"),
                };
                console.line(&console.styled(Style::Dim, &total))?;
            }
            console.flush()?;
            return Ok(lost);
        }
    }
}

/// A facet as a line of JSON, apart from hits by its first name.
#[derive(serde::Serialize)]
struct Counted<'a> {
    facet: Facet,
    #[serde(flatten)]
    counts: &'a FacetCounts,
}

fn tell(facet: Facet, counts: &FacetCounts, console: &Console) -> Result<(), Failure> {
    let left = counts.distinct.saturating_sub(counts.values.len() as u64);
    let rows: Vec<Vec<Cell>> = counts
        .values
        .iter()
        .map(|v| {
            let value = if v.value.is_empty() { "(none)".to_owned() } else { clean(&v.value) };
            vec![Cell::text_of(&value), Cell::count(v.count)]
        })
        .collect();
    console.table(&[facet.name(), "emails"], &rows)?;
    if left > 0 {
        console.line(&console.styled(Style::Dim, &format!("and {} more", sizes::number(left))))?;
    }
    console.line("")
}

fn tell_explain(explain: &Explain, console: &Console) {
    console.note(&format!("query:      {}", explain.query));
    console.note(&format!("driver:     {}", explain.driver));
    console.note(&format!("checked:    {}", explain.checked));
    console.note(&format!("sort:       {}", explain.sort));
    console.note(&format!(
        "read:       {} keys, {} text matches, {} candidates, {} matched",
        explain.keys, explain.text_matches, explain.candidates, explain.matched
    ));
    for (stage, micros) in &explain.micros {
        console.note(&format!("{stage:<12}{micros} us"));
    }
}

fn show(hit: &Hit, console: &Console) -> Result<(), Failure> {
    let date =
        hit.date.as_deref().map_or("(no date)", |date| date.get(..16).unwrap_or(date)).replace('T', " ");
    let from = hit.from.as_ref().map(name_of).unwrap_or_default();
    let subject = if hit.subject.trim().is_empty() { "(no subject)".to_owned() } else { clean(&hit.subject) };
    console.line(&format!("{date}  {from}  {}", console.styled(Style::Bold, &subject)))?;
    let about = format!("  {}  {}", clean(&hit.folder), clean(&hit.id));
    console.line(&console.styled(Style::Dim, &about))?;
    if let Some(group) = &hit.group {
        let others = format!("  and {} more of it", sizes::number(group.others));
        console.line(&console.styled(Style::Dim, &others))?;
    }
    if !hit.snippet.trim().is_empty() {
        console.line(&format!("  {}", marked(&hit.snippet, console)))?;
    }
    Ok(())
}

/// A name, else an address.
pub fn name_of(address: &Address) -> String {
    let name = clean(if address.name.trim().is_empty() { &address.address } else { &address.name });
    name.trim().to_owned()
}

/// A snippet, whose HTML is made plain and whose marks are shown where they can be.
fn marked(snippet: &str, console: &Console) -> String {
    let mut out = String::new();
    for (number, part) in snippet.split("<mark>").enumerate() {
        let (word, rest) =
            if number == 0 { ("", part) } else { part.split_once("</mark>").unwrap_or((part, "")) };
        if !word.is_empty() {
            out.push_str(&console.styled(Style::Mark, &unescape(word)));
        }
        out.push_str(&unescape(rest));
    }
    out.trim().to_owned()
}

fn unescape(html: &str) -> String {
    let text = html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    clean(&text.replace("&#x27;", "'").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippets_are_made_plain() {
        let console = Console::new(false);
        let snippet = "a &amp;lt; <mark>b&amp;c</mark> d &lt;i&gt;\n<mark>e</mark>";
        assert_eq!(marked(snippet, &console), "a &lt; b&c d <i> e");
    }
}
