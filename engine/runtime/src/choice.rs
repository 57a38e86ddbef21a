//! Which runtime the program takes.

use crate::probe;

/// The environment variable that overrides the choice: `glommio` or `portable`.
pub const VARIABLE: &str = "POSTLODE_RUNTIME";

/// A runtime for the machine that this process is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// [`crate::glommio`].
    Glommio,
    /// [`crate::portable`].
    Portable,
}

impl Choice {
    /// As it is named in the environment and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Glommio => "glommio",
            Self::Portable => "portable",
        }
    }
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "glommio" => Ok(Self::Glommio),
            "portable" => Ok(Self::Portable),
            _ => Err(format!("no runtime is called {text:?}: there are glommio and portable")),
        }
    }
}

/// Chooses: what is forced, else what [`VARIABLE`] says, else glommio where io_uring can be used. Glommio is never
/// chosen where it cannot start. The message is for the operator, to be shown once: why it is portable although
/// nobody asked for that, or what was wrong with the variable.
#[must_use]
pub fn choose(forced: Option<Choice>) -> (Choice, Option<String>) {
    let variable = std::env::var_os(VARIABLE).map(|text| text.to_string_lossy().into_owned());
    decide(forced, variable.as_deref(), probe::io_uring)
}

fn decide(
    forced: Option<Choice>,
    variable: Option<&str>,
    probe: impl FnOnce() -> Result<(), String>,
) -> (Choice, Option<String>) {
    let asked = match (forced, variable) {
        (Some(choice), _) => Ok(Some(choice)),
        (None, None | Some("")) => Ok(None),
        (None, Some(text)) => text.parse().map(Some),
    };
    let (asked, complaint) = match asked {
        Ok(asked) => (asked, None),
        Err(complaint) => (None, Some(format!("{VARIABLE} is ignored: {complaint}"))),
    };
    if asked == Some(Choice::Portable) {
        return (Choice::Portable, None);
    }
    match probe() {
        Ok(()) => (Choice::Glommio, complaint),
        Err(reason) => {
            let reason = format!("running without io_uring, on the portable runtime: {reason}");
            (
                Choice::Portable,
                Some(complaint.map_or(reason.clone(), |complaint| format!("{complaint}; {reason}"))),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_last_is_heard_first() {
        use Choice::{Glommio, Portable};
        let able = || Ok(());
        let unable = || Err("because".to_owned());
        assert_eq!(decide(None, None, able), (Glommio, None));
        assert_eq!(decide(None, Some("portable"), || panic!("nothing to ask")), (Portable, None));
        assert_eq!(decide(Some(Glommio), Some("portable"), able), (Glommio, None));
        assert_eq!(decide(Some(Portable), Some("glommio"), able), (Portable, None));
        for (forced, variable) in [(None, None), (Some(Glommio), None), (None, Some("glommio"))] {
            let (choice, message) = decide(forced, variable, unable);
            assert!(choice == Portable && message.unwrap().contains("because"));
        }
        let (choice, message) = decide(None, Some("fast"), able);
        assert!(choice == Glommio && message.unwrap().contains("\"fast\""));
        assert_eq!("glommio".parse(), Ok(Glommio));
        assert_eq!(Portable.name().parse(), Ok(Portable));
    }
}
