//! The word pieces of engine/embed against those of the reference implementation, on any text.
//!
//!     MODEL_DIR=… TEXTS=… cargo test --release --manifest-path tools/distill/Cargo.toml

use postlode_embed::{Tokenizer, Vocabulary};

#[test]
fn pieces_are_those_of_the_reference() {
    let model =
        std::path::PathBuf::from(std::env::var_os("MODEL_DIR").expect("MODEL_DIR is the model's folder"));
    let texts = std::env::var_os("TEXTS").expect("TEXTS is a file of texts, one a line");
    let vocabulary = Vocabulary::parse(&std::fs::read_to_string(model.join("vocab.txt")).unwrap()).unwrap();
    let mut reference = tokenizers::Tokenizer::from_file(model.join("tokenizer.json")).unwrap();
    reference.with_padding(None);
    reference.with_truncation(None).unwrap();
    let mut own = Tokenizer::new(&vocabulary);
    let (mut compared, mut other, mut pieces) = (0, 0, Vec::new());
    for line in std::fs::read_to_string(texts).unwrap().lines() {
        own.tokens(line, usize::MAX, &mut pieces);
        let theirs = reference.encode_fast(line, false).unwrap();
        compared += 1;
        if pieces != theirs.get_ids() {
            other += 1;
            if other <= 5 {
                let at = pieces.iter().zip(theirs.get_ids()).position(|(a, b)| a != b);
                println!("{line:?}: {at:?}");
            }
        }
    }
    println!("{compared} compared, {other} are others");
    assert!(compared > 0 && other == 0, "{other} of {compared}");
}
