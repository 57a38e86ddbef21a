//! `/local/export`: all hits of a query with text, headers and places, one a line.

use crate::app::App;
use crate::body;
use crate::lines::LineBuffer;
use crate::problem::Problem;
use crate::reply::Reply;
use postlode_query::Export;

/// Starts the export; a query that cannot be read is a problem, what fails later breaks the connection.
pub(crate) async fn answer(app: &App, q: &str, tz: Option<&str>, texts: bool) -> Result<Reply, Problem> {
    let export = app.engine.export(q, tz, texts).await?;
    let state = (Some(export), LineBuffer::default());
    Ok(Reply::lines(body::unfold(state, |(export, mut lines)| async move {
        let Some(mut export) = export else { return Ok(None) };
        let more = gather(&mut export, &mut lines).await?;
        if !more {
            lines.end(export.partial())?;
        }
        let chunk = lines.take();
        Ok(Some((chunk, (more.then_some(export), lines))))
    })))
}

/// Gathers lines for one chunk; false at the end.
async fn gather(export: &mut Export, lines: &mut LineBuffer) -> Result<bool, crate::body::BodyError> {
    while !lines.is_full() {
        match export.next().await? {
            Some(item) => lines.push(&item)?,
            None => return Ok(false),
        }
    }
    Ok(true)
}
