//! The three machines that a store's test runs on: the portable runtime, glommio, and a simulated one, whose disk is
//! reached through its runtime. A scenario that is written once holds on all three.

#![allow(clippy::disallowed_methods, reason = "it looks at real disks from outside")]

use super::*;
use postlode_runtime::glommio::GlommioSpawner;
use postlode_runtime::portable::PortableSpawner;
use postlode_runtime::sim::{Sim, SimOptions};
use postlode_runtime::{CpuPool, Runtime};
use std::fs;
use std::path::{Path, PathBuf};

pub enum Machine {
    Portable(PathBuf),
    Glommio(PathBuf),
    Simulated(Sim),
}

impl Machine {
    /// Plays the scenario on each machine, with an empty folder.
    pub fn each(scenario: impl Fn(&Machine)) {
        let dir = tempfile::tempdir().unwrap();
        // Missing folders: that the store makes its own is a part of each scenario.
        for machine in [
            Machine::Portable(dir.path().join("portable")),
            Machine::Glommio(dir.path().join("glommio")),
            Machine::Simulated(Sim::new(7, SimOptions::default())),
        ] {
            scenario(&machine);
        }
    }

    pub fn open(&self, options: StoreOptions) -> Result<Store, StoreError> {
        let cpu = || CpuPool::new(1).unwrap();
        match self {
            Machine::Portable(root) => {
                self.wait(Store::open(PortableSpawner::new(root.clone(), cpu()), options))
            }
            Machine::Glommio(root) => {
                self.wait(Store::open(GlommioSpawner::new(root.clone(), cpu()), options))
            }
            Machine::Simulated(sim) => self.wait(Store::open(sim.spawner(), options)),
        }
    }

    /// Waits for a future; a simulated machine runs meanwhile.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        match self {
            Machine::Portable(_) | Machine::Glommio(_) => futures_lite::future::block_on(future),
            Machine::Simulated(sim) => sim.run(future),
        }
    }

    /// Lets time pass.
    pub fn pause(&self, time: std::time::Duration) {
        match self {
            Machine::Portable(_) | Machine::Glommio(_) => std::thread::sleep(time),
            Machine::Simulated(sim) => {
                let runtime = sim.runtime();
                sim.run(async move { runtime.sleep(time).await });
            }
        }
    }

    pub fn path(&self, file: &Path) -> Option<PathBuf> {
        match self {
            Machine::Portable(root) | Machine::Glommio(root) => Some(root.join(file)),
            Machine::Simulated(_) => None,
        }
    }

    fn simulated(&self) -> &Sim {
        let Machine::Simulated(sim) = self else { panic!("a machine with a real disk") };
        sim
    }

    /// The files of a folder in the order of their names; none where there is no folder.
    pub fn files(&self, folder: &str) -> Vec<PathBuf> {
        let folder = Path::new(folder);
        let mut files: Vec<PathBuf> = match self.path(folder) {
            Some(path) => match fs::read_dir(path) {
                Ok(entries) => entries.map(|e| folder.join(e.unwrap().file_name())).collect(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                Err(error) => panic!("{error}"),
            },
            None => {
                let runtime = self.simulated().runtime();
                let entries = self.wait(runtime.list(folder)).unwrap_or_default();
                entries.into_iter().map(|entry| folder.join(entry.name)).collect()
            }
        };
        files.sort();
        files
    }

    pub fn read(&self, file: &Path) -> Vec<u8> {
        match self.path(file) {
            Some(path) => fs::read(path).unwrap(),
            None => self.wait(self.simulated().runtime().read_all(file, u64::MAX)).unwrap(),
        }
    }

    /// Puts a file there, in place of one that may be there.
    pub fn write(&self, file: &Path, bytes: &[u8]) {
        match self.path(file) {
            Some(path) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            None => {
                let runtime = self.simulated().runtime();
                self.wait(async {
                    runtime.create_dir_all(file.parent().unwrap()).await.unwrap();
                    // It may not be there.
                    drop(runtime.remove(file).await);
                    runtime.publish(file, bytes.to_vec()).await.unwrap();
                });
            }
        }
    }

    pub fn remove(&self, file: &Path) {
        match self.path(file) {
            Some(path) => fs::remove_file(path).unwrap(),
            None => self.wait(self.simulated().runtime().remove(file)).unwrap(),
        }
    }

    /// Turns one bit of a file.
    pub fn flip(&self, file: &Path, at: u64) {
        let mut bytes = self.read(file);
        bytes[usize::try_from(at).unwrap()] ^= 0x10;
        self.write(file, &bytes);
    }
}
