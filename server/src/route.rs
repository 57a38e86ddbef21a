//! All routes: how a path becomes one, which methods each takes, and what each is called in metrics.

use crate::app::Origin;
use crate::percent;
use crate::problem::{Problem, ProblemKind};
use postlode_format::id::{Id, from_hex};
use postlode_query::MAX_NAME;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/`
    Home,
    /// `/healthz`
    Healthz,
    /// `/readyz`
    Readyz,
    /// `/metrics`
    Metrics,
    /// `/v1/search`
    Search,
    /// `/v1/statements`
    Statements,
    /// `/v1/statements/{id}`
    Statement(Id),
    /// `/v1/statements/{id}/execute`
    Execute(Id),
    /// `/v1/emails/{id}`
    Email(Id),
    /// `/v1/emails/{id}/body`
    Body(Id),
    /// `/v1/emails/{id}/raw`
    Raw(Id),
    /// `/v1/emails/{id}/similar`
    Similar(Id),
    /// `/v1/emails/{id}/attachments/{n}`
    Attachment(Id, u32),
    /// `/v1/searches`
    Searches,
    /// `/v1/searches/{name}`
    SavedSearch(String),
    /// `/v1/holds`
    Holds,
    /// `/v1/holds/{name}`
    Hold(String),
    /// `/local/update`
    Update,
    /// `/local/load`
    Load,
    /// `/local/stats`
    Stats,
    /// `/local/failures`
    Failures,
    /// `/local/segments`
    Segments,
    /// `/local/verify`
    Verify,
    /// `/local/compact`
    Compact,
    /// `/local/seal`
    Seal,
    /// `/local/export`
    Export,
    /// `/local/record`
    Record,
    /// `/local/backup`
    Backup,
    /// `/local/inspect`
    Inspect,
    /// `/local/dump`
    Dump,
}

/// How routes that only read, and those that do something, are asked.
const READ: &str = "GET, HEAD";
const ACT: &str = "POST";

impl Route {
    /// The route of a path, for a caller from there.
    ///
    /// # Errors
    /// [`ProblemKind::NotFound`], or [`ProblemKind::BadRequest`] for malformed encoding.
    pub fn find(path: &str, origin: Origin) -> Result<Self, Problem> {
        let parts =
            path.strip_prefix('/').map(|rest| rest.split('/').map(|part| percent::decode(part, false)));
        let parts: Result<Vec<String>, _> = parts.into_iter().flatten().collect();
        let parts = parts
            .map_err(|error| Problem::new(ProblemKind::BadRequest, format!("malformed path: {error}")))?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let email = |id: &str| from_hex(id).ok_or_else(|| Problem::not_found("email with such an id"));
        let statement =
            |id: &str| from_hex(id).ok_or_else(|| Problem::not_found("prepared statement with such an id"));
        let found = match parts.as_slice() {
            [""] => Self::Home,
            ["healthz"] => Self::Healthz,
            ["readyz"] => Self::Readyz,
            ["metrics"] => Self::Metrics,
            ["v1", "search"] => Self::Search,
            ["v1", "statements"] => Self::Statements,
            ["v1", "statements", id] => Self::Statement(statement(id)?),
            ["v1", "statements", id, "execute"] => Self::Execute(statement(id)?),
            ["v1", "emails", id] => Self::Email(email(id)?),
            ["v1", "emails", id, "body"] => Self::Body(email(id)?),
            ["v1", "emails", id, "raw"] => Self::Raw(email(id)?),
            ["v1", "emails", id, "similar"] => Self::Similar(email(id)?),
            ["v1", "emails", id, "attachments", n] => Self::Attachment(email(id)?, number(n)?),
            ["v1", "searches"] => Self::Searches,
            ["v1", "searches", name] => Self::SavedSearch(name_of(name, "saved search")?),
            ["v1", "holds"] => Self::Holds,
            ["v1", "holds", name] => Self::Hold(name_of(name, "hold")?),
            ["local", name] if origin != Origin::Tcp => Self::local(name)?,
            _ => return Err(Problem::not_found("such route")),
        };
        Ok(found)
    }

    fn local(name: &str) -> Result<Self, Problem> {
        Ok(match name {
            "update" => Self::Update,
            "load" => Self::Load,
            "stats" => Self::Stats,
            "failures" => Self::Failures,
            "segments" => Self::Segments,
            "verify" => Self::Verify,
            "compact" => Self::Compact,
            "seal" => Self::Seal,
            "export" => Self::Export,
            "record" => Self::Record,
            "backup" => Self::Backup,
            "inspect" => Self::Inspect,
            "dump" => Self::Dump,
            _ => return Err(Problem::not_found("such route")),
        })
    }

    /// Methods it takes, as the `Allow` header lists them.
    #[must_use]
    pub fn allow(&self) -> &'static str {
        match self {
            Self::Search => "GET, HEAD, POST",
            Self::Statements | Self::Execute(_) => ACT,
            Self::Statement(_) => "GET, HEAD, DELETE",
            Self::Email(_) => "GET, HEAD, PATCH, DELETE",
            Self::SavedSearch(_) | Self::Hold(_) => "GET, HEAD, PUT, DELETE",
            Self::Update | Self::Load | Self::Verify | Self::Compact | Self::Seal | Self::Backup => ACT,
            _ => READ,
        }
    }

    /// May take as long as it takes, and is not turned away when the server is busy.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(
            self,
            Self::Update
                | Self::Load
                | Self::Stats
                | Self::Failures
                | Self::Segments
                | Self::Verify
                | Self::Compact
                | Self::Seal
                | Self::Export
                | Self::Record
                | Self::Backup
                | Self::Inspect
                | Self::Dump
        )
    }

    /// Its name in metrics: the path, with braces for what differs.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Healthz => "/healthz",
            Self::Readyz => "/readyz",
            Self::Metrics => "/metrics",
            Self::Search => "/v1/search",
            Self::Statements => "/v1/statements",
            Self::Statement(_) => "/v1/statements/{id}",
            Self::Execute(_) => "/v1/statements/{id}/execute",
            Self::Email(_) => "/v1/emails/{id}",
            Self::Body(_) => "/v1/emails/{id}/body",
            Self::Raw(_) => "/v1/emails/{id}/raw",
            Self::Similar(_) => "/v1/emails/{id}/similar",
            Self::Attachment(..) => "/v1/emails/{id}/attachments/{n}",
            Self::Searches => "/v1/searches",
            Self::SavedSearch(_) => "/v1/searches/{name}",
            Self::Holds => "/v1/holds",
            Self::Hold(_) => "/v1/holds/{name}",
            Self::Update => "/local/update",
            Self::Load => "/local/load",
            Self::Stats => "/local/stats",
            Self::Failures => "/local/failures",
            Self::Segments => "/local/segments",
            Self::Verify => "/local/verify",
            Self::Compact => "/local/compact",
            Self::Seal => "/local/seal",
            Self::Export => "/local/export",
            Self::Record => "/local/record",
            Self::Backup => "/local/backup",
            Self::Inspect => "/local/inspect",
            Self::Dump => "/local/dump",
        }
    }
}

/// A name that something may have.
fn name_of(text: &str, what: &str) -> Result<String, Problem> {
    // Blanks around a name are no part of it.
    let name = text.trim();
    let may_be = !name.is_empty() && name.len() <= MAX_NAME;
    may_be.then(|| name.to_owned()).ok_or_else(|| Problem::not_found(format_args!("{what} of such a name")))
}

/// A decimal number without sign or leading zeros.
fn number(text: &str) -> Result<u32, Problem> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    let number = if canonical { text.parse().ok() } else { None };
    number.ok_or_else(|| Problem::not_found("attachment with such a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, origin: Origin) -> Result<Route, ProblemKind> {
        Route::find(path, origin).map_err(|problem| problem.kind())
    }

    #[test]
    fn paths_lead_where_they_should() {
        let id = [0xab; 16];
        let hex = "ab".repeat(16);
        let tcp = |path: String| find(&path, Origin::Tcp);
        assert_eq!(tcp("/".into()), Ok(Route::Home));
        assert_eq!(tcp(format!("/v1/emails/{hex}")), Ok(Route::Email(id)));
        assert_eq!(tcp("/v1/statements".into()), Ok(Route::Statements));
        assert_eq!(tcp(format!("/v1/statements/{hex}")), Ok(Route::Statement(id)));
        assert_eq!(tcp(format!("/v1/statements/{hex}/execute")), Ok(Route::Execute(id)));
        assert_eq!(tcp(format!("/v1/emails/%61{}/raw", &hex[1..])), Ok(Route::Raw(id)));
        assert_eq!(tcp(format!("/v1/emails/{hex}/similar")), Ok(Route::Similar(id)));
        assert_eq!(tcp(format!("/v1/emails/{hex}/attachments/10")), Ok(Route::Attachment(id, 10)));
        for lost in [
            "",
            "*",
            "//",
            "/v1",
            "/v1/search/",
            "/v1//search",
            "/V1/search",
            "/v1/emails/x",
            "/v1/%2fsearch",
        ] {
            assert_eq!(tcp(lost.into()), Err(ProblemKind::NotFound), "{lost}");
        }
        for n in ["-1", "+1", "01", "", "4294967296", "x"] {
            assert_eq!(tcp(format!("/v1/emails/{hex}/attachments/{n}")), Err(ProblemKind::NotFound), "{n}");
        }
        assert_eq!(tcp("/v1/%zz".into()), Err(ProblemKind::BadRequest));
        assert_eq!(tcp("/v1/%ff".into()), Err(ProblemKind::BadRequest));
    }

    #[test]
    fn local_routes_are_not_there_over_tcp() {
        for name in [
            "update", "load", "stats", "failures", "segments", "verify", "compact", "seal", "export",
            "record", "backup", "inspect", "dump",
        ] {
            let path = format!("/local/{name}");
            assert_eq!(find(&path, Origin::Tcp), Err(ProblemKind::NotFound));
            let route = find(&path, Origin::Socket).unwrap();
            assert_eq!(find(&path, Origin::InProcess), Ok(route.clone()));
            assert_eq!(route.label(), path);
            assert!(route.is_local());
        }
    }
}
