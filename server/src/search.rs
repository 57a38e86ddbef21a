//! `/v1/search`: the same request as parameters and as JSON.

use crate::app::App;
use crate::body::Body;
use crate::params::{self, Params};
use crate::problem::Problem;
use crate::reply::Reply;
use hyper::Method;
use hyper::http::request::Parts;
use postlode_query::{Facet, SearchRequest};

/// Answers both.
pub(crate) async fn answer(app: &App, parts: &Parts, body: Body) -> Result<Reply, Problem> {
    let mut params = Params::parse(parts.uri.query())?;
    let request = if parts.method == Method::POST {
        params.finish()?;
        params::json(&parts.headers, body, app.limits.body_timeout).await?
    } else {
        let request = from_params(&mut params)?;
        params.finish()?;
        request
    };
    let answer = app.engine.search(request).await?;
    Reply::json(&answer)
}

fn from_params(params: &mut Params) -> Result<SearchRequest, Problem> {
    let defaults = SearchRequest::default();
    Ok(SearchRequest {
        q: params.take("q").unwrap_or_default(),
        mode: params.take_word("mode")?.unwrap_or_default(),
        limit: params.take_as("limit", "a number")?.unwrap_or(defaults.limit),
        cursor: params.take("cursor"),
        sort: params.take_word("sort")?,
        group: params.take_word("group")?.unwrap_or_default(),
        fusion: params.take_word("fusion")?.unwrap_or_default(),
        recency: params.take_as("recency", "a number from 0 to 1")?.unwrap_or_default(),
        tz: params.take("tz"),
        facets: facets(params.take("facets").as_deref())?,
        snippets: params.take_as("snippets", "true or false")?.unwrap_or(defaults.snippets),
        explain: params.take_as("explain", "true or false")?.unwrap_or_default(),
    })
}

/// Names with commas between.
fn facets(names: Option<&str>) -> Result<Vec<Facet>, Problem> {
    let names = names.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| Facet::from_name(name).map_err(|why| Problem::parameter("facets", why))).collect()
}
