//! Writes the seeds of all targets to `fuzz/corpus/NAME/`, for cargo-fuzz to start from.

use postlode_fuzz::TARGETS;
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    for target in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        std::fs::create_dir_all(&folder)?;
        let seeds = (target.seeds)()?;
        for (n, bytes) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{n:03}")), bytes)?;
        }
        println!("{}: {} seeds", folder.display(), seeds.len());
    }
    Ok(())
}
