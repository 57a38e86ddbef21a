//! Vectors like those of mail, or of mails: files of vectors, questions and their true nearest, for `bench vectors` and others.

use clap::Parser;
use postlode_benches::BenchError;
use postlode_benches::vectors::{VectorArguments, Vectors};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Makes vectors.
#[derive(Parser)]
struct Arguments {
    /// Folder for base.fvecs, query.fvecs and truth.ivecs.
    out: PathBuf,
    /// Which.
    #[command(flatten)]
    vectors: VectorArguments,
}

fn main() -> Result<(), BenchError> {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.out).map_err(BenchError::io(arguments.out.display().to_string()))?;
    let Vectors { base, queries, truth } = arguments.vectors.vectors()?;
    let bits = |rows: &[Vec<f32>]| -> Vec<Vec<u32>> {
        rows.iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect()
    };
    write(&arguments.out.join("base.fvecs"), &bits(&base))?;
    write(&arguments.out.join("query.fvecs"), &bits(&queries))?;
    write(&arguments.out.join("truth.ivecs"), &truth)
}

fn write(path: &Path, rows: &[Vec<u32>]) -> Result<(), BenchError> {
    let wrong = || BenchError::io(path.display().to_string());
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).map_err(wrong())?);
    for row in rows {
        let words = [row.len() as u32].into_iter().chain(row.iter().copied());
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        out.write_all(&bytes).map_err(wrong())?;
    }
    out.flush().map_err(wrong())
}
