//! The page that says what runs here, and the two that say how it is.

use crate::app::App;
use crate::problem::{Problem, ProblemKind};
use crate::reply::Reply;
use serde_json::json;
use std::time::Duration;

/// Time for the store to answer a question about itself.
const READY_WITHIN: Duration = Duration::from_secs(5);

const PAGE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Postlode</title></head>\n<body>\n",
    "<h1>Postlode ",
    env!("CARGO_PKG_VERSION"),
    "</h1>\n<p>A mail archive that answers queries over HTTP. Try:</p>\n<ul>\n",
    "<li><a href=\"/v1/search?q=&amp;limit=3\">/v1/search?q=&amp;limit=3</a>: the three newest mails</li>\n",
    "<li><a href=\"/v1/search?q=has:attachment%20after:2017-01-01\">",
    "/v1/search?q=has:attachment after:2017-01-01</a>: mails with attachments</li>\n",
    "<li><a href=\"/v1/search?q=%22release%20plan%22&amp;sort=date\">",
    "/v1/search?q=\"release plan\"&amp;sort=date</a>: a phrase, newest first</li>\n</ul>\n",
    "<p>A hit's <code>id</code> leads on: <code>/v1/emails/{id}</code>, <code>/body</code>, <code>/raw</code>, ",
    "<code>/attachments/{n}</code>. Numbers: <a href=\"/metrics\">/metrics</a>.</p>\n</body></html>\n",
);

/// `/`
pub(crate) fn page() -> Reply {
    Reply::text("text/html; charset=utf-8", PAGE)
}

/// `/healthz`: the process answers.
pub(crate) fn alive() -> Reply {
    Reply::text("application/json", json!({"status": "alive"}).to_string())
}

/// `/readyz`: every shard answers, and the server is not stopping.
pub(crate) async fn ready(app: &App) -> Result<Reply, Problem> {
    if app.is_draining() {
        return Err(Problem::new(ProblemKind::Unavailable, "the server is stopping"));
    }
    match tokio::time::timeout(READY_WITHIN, app.engine.store().stats()).await {
        Ok(stats) => {
            stats?;
            Ok(Reply::text("application/json", json!({"status": "ready"}).to_string()))
        }
        Err(_) => {
            let detail = format!("the store does not answer within {} seconds", READY_WITHIN.as_secs());
            Err(Problem::new(ProblemKind::Unavailable, detail))
        }
    }
}
