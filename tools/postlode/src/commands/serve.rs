//! `serve`: HTTP until somebody says stop.

use crate::arguments::Serve;
use crate::embedding::EmbedSettings;
use crate::error::Failure;
use crate::hold::{Hold, Plan};
use crate::output::Console;
use crate::session::Session;
use crate::settings::Settings;
use postlode_server::{Shutdown, serve_tcp};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;

/// The port where none was said.
const PORT: u16 = 8700;

/// Serves.
pub async fn run(serve: Serve, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let listen =
        serve.listen.or(settings.file.listen).unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    if !listen.ip().is_loopback() {
        return Err(Failure::Usage(format!(
            "{listen} can be reached from other machines, and there are no users yet to keep them apart: listen on 127.0.0.1 or [::1]"
        )));
    }
    let signals = Shutdown::on_signals().map_err(|error| Failure::Done(format!("no signals: {error}")))?;
    // Before the store is opened: recovery may take a while, and a port that is taken is known at once.
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::Done(format!("cannot listen on {listen}: {error}; choose another with --listen"))
    })?;
    let address = listener.local_addr().map_err(|error| Failure::Done(format!("cannot listen: {error}")))?;
    let embed = EmbedSettings::resolve(&serve.embed, &settings.file)?;
    let plan = Plan {
        shards: serve.shards.or(settings.file.shards),
        memory: serve.memory.or(settings.file.memory),
        codes: serve.vector_codes.or(settings.file.vector_codes).unwrap_or_default(),
        loading: false,
        better: embed.is_some(),
    };
    let mut hold = if serve.follow {
        Hold::follow(&settings.data, plan, console).await?
    } else {
        let session = Session::write(settings, plan, console).await?;
        session.hold.ok_or_else(|| {
            Failure::Unusable(format!(
                "another process holds the store in {} and answers on its socket: stop it, search through it, or serve beside it with --follow",
                settings.data.display()
            ))
        })?
    };
    if let Some(embedding) = embed.and_then(|model| hold.embedding(&model, plan)) {
        hold.embed(embedding)?;
    }
    if console.json {
        console.json(&json!({ "address": format!("http://{address}") }))?;
    } else {
        let how = if serve.follow { "following" } else { "serving" };
        console.line(&format!("{how} {} on http://{address}", settings.data.display()))?;
    }
    console.flush()?;
    let loader = hold.loader();
    let stop = signals.clone();
    // Loads end first, so that their answers can end too.
    let loads = tokio::spawn(async move {
        stop.triggered().await;
        if let Some(loader) = loader {
            loader.stop();
        }
    });
    let served = serve_tcp(hold.app(), listener, signals).await;
    loads.abort();
    if !console.json && !serve.follow {
        console.note("stopping: sealing the store");
    }
    hold.close().await?;
    served.map_err(|error| Failure::Done(error.to_string()))?;
    Ok(0)
}
