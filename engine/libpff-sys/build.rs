//! Finds the system's libpff through pkg-config and says in one line what to install where it is missing.

use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    match pkg_config::Config::new().atleast_version("20180714").probe("libpff") {
        Ok(_) => ExitCode::SUCCESS,
        Err(pkg_config::Error::EnvNoPkgConfig(variable)) => fail(&format!("{variable} forbids pkg-config")),
        Err(error) => {
            let tool_missing = matches!(error, pkg_config::Error::Command { .. });
            fail(if tool_missing {
                "pkg-config is missing: install the Debian packages pkg-config and libpff-dev"
            } else {
                "libpff (20180714 or newer) is missing: install the Debian package libpff-dev"
            })
        }
    }
}

fn fail(why: &str) -> ExitCode {
    println!("cargo::error={why}");
    ExitCode::FAILURE
}
