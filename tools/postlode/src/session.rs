//! The way to the store: through the process that holds it, or by opening it here.
//!
//! What always holds: a command asks a [`Client`] and does not know which way it goes.

use crate::embedding::EmbedSettings;
use crate::error::Failure;
use crate::hold::{self, Hold, Plan};
use crate::output::Console;
use crate::settings::Settings;
use postlode_server::Client;

/// The way of one command to the store.
pub struct Session {
    /// Whom to ask.
    pub client: Client,
    /// The store, where this process opened it.
    pub hold: Option<Hold>,
}

impl Session {
    /// For a command that only reads: through the writer if there is one, else a snapshot.
    pub async fn read(settings: &Settings) -> Result<Self, Failure> {
        if let Some(client) = Client::socket(&settings.data).await? {
            return Ok(Self { client, hold: None });
        }
        let hold = Hold::snapshot(&settings.data).await?;
        Ok(Self { client: hold.client(), hold: Some(hold) })
    }

    /// For a command that searches: as [`Session::read`], and for one by meaning with the better model at hand, where one
    /// answers.
    pub async fn search(settings: &Settings, by_meaning: bool) -> Result<Self, Failure> {
        let session = Self::read(settings).await?;
        let Some(hold) = session.hold.as_ref().filter(|_| by_meaning) else { return Ok(session) };
        let model = EmbedSettings::of_environment(&settings.file)?;
        if let Some(model) = model
            && !hold.store().active().await?.is_empty()
            && let Some(embedding) = hold.embedding(&model, Plan::default())
        {
            let embedding = embedding.of_search(&model);
            let found = tokio::task::spawn_blocking(move || embedding.find()).await;
            // The answer says that another model answered instead.
            match found {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!("{error}"),
                Err(error) => tracing::warn!("asking the model broke off: {error}"),
            }
        }
        Ok(session)
    }

    /// For a command that changes something: through the writer if there is one, else as the writer.
    pub async fn write(settings: &Settings, plan: Plan, console: &Console) -> Result<Self, Failure> {
        if let Some(client) = Client::socket(&settings.data).await? {
            return Ok(Self { client, hold: None });
        }
        match Hold::write(&settings.data, plan, console).await {
            Ok(hold) => Ok(Self { client: hold.client(), hold: Some(hold) }),
            // Another writer may have been on its way when we looked for its socket.
            Err(hold::OpenError::Locked(failure)) => match Client::socket(&settings.data).await? {
                Some(client) => Ok(Self { client, hold: None }),
                None => Err(failure),
            },
            Err(hold::OpenError::Other(failure)) => Err(failure),
        }
    }

    /// Seals and closes what was opened here.
    pub async fn close(self) -> Result<(), Failure> {
        match self.hold {
            Some(hold) => hold.close().await,
            None => Ok(()),
        }
    }
}
