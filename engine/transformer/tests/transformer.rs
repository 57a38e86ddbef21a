//! A transformer that runs here gives what the book says, and says what is wrong with a folder.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "common/mod.rs"]
mod common;

use common::{by_the_book, cosine, library, mean, pieces, unit, weights, write};
use postlode_embed::{Embed, EmbedError};
use postlode_transformer::{Transformer, TransformerOptions};
use safetensors::Dtype;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const TEXTS: [&str; 6] = [
    "the mail server is down",
    "please restart the server .",
    "lunch at noon",
    "invoice for march attached , please query it",
    "mail",
    "the the the the the the the the the the the the the the the the the the the the",
];

fn options(folder: &Path) -> TransformerOptions {
    TransformerOptions {
        folder: folder.to_owned(),
        library: Some(library()),
        threads: 2,
        ..TransformerOptions::default()
    }
}

fn open(folder: &Path) -> Transformer {
    Transformer::open(options(folder)).unwrap()
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Weights of one byte are not those of the file, so vectors are near those of the book, not the same.
#[test]
fn vectors_are_those_of_the_book() {
    let folder = tempfile::tempdir().unwrap();
    let weights = weights();
    write(folder.path(), &weights);
    let model = open(folder.path());
    assert_eq!(model.model().dimensions as usize, common::HIDDEN);
    let vectors = model.embed(&owned(&TEXTS)).unwrap();
    let book: Vec<Vec<f32>> = TEXTS.iter().map(|text| mean(&by_the_book(&weights, &pieces(text)))).collect();
    for (text, (vector, book)) in TEXTS.iter().zip(vectors.iter().zip(&book)) {
        let vector = vector.as_ref().unwrap();
        let (like, length) = (cosine(vector, book), cosine(vector, vector));
        assert!(like > 0.995 && (length - 1.0).abs() < 1e-5, "{text}: {like}, {length}");
        // Whoever asks gets the vector that mail has: alone, it is computed without what fills rows.
        let asked = model.embed_query(text).unwrap().unwrap();
        let now = model.embed_now(&owned(&[text])).unwrap().remove(0).unwrap();
        assert!(cosine(&asked, book) > 0.995 && cosine(&now, book) > 0.995, "{text}");
    }
    // Those of other texts are not as near, so that the comparison says something.
    let others = book
        .iter()
        .enumerate()
        .flat_map(|(at, one)| book.iter().skip(at + 1).map(move |two| cosine(one, two)));
    assert!(others.fold(0f32, f32::max) < 0.98);
}

#[test]
fn the_first_piece_answers_where_the_folder_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let weights = weights();
    write(folder.path(), &weights);
    std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    let pooling =
        r#"{"word_embedding_dimension":32,"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false}"#;
    std::fs::write(folder.path().join("1_Pooling/config.json"), pooling).unwrap();
    let vector = open(folder.path()).embed_query(TEXTS[3]).unwrap().unwrap();
    let rows = by_the_book(&weights, &pieces(TEXTS[3]));
    assert!(cosine(&vector, &unit(rows[0].clone())) > 0.995);
    assert!(cosine(&vector, &mean(&rows)) < 0.98);
}

#[test]
fn a_text_of_nothing_or_of_unknown_words_has_no_vector() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &weights());
    let model = open(folder.path());
    let texts = owned(&["", " \n ", "mail", "зачем это", "quux mail", "mail", "quux mail server"]);
    let vectors = model.embed(&texts).unwrap();
    let there: Vec<bool> = vectors.iter().map(Option::is_some).collect();
    assert_eq!(there, [false, false, true, false, false, true, true]);
    assert_eq!(vectors[2], vectors[5]);
    assert_eq!(texts.iter().map(|text| model.says(text)).collect::<Vec<_>>(), there);
    assert_eq!(model.embed_query("").unwrap(), None);
    assert_eq!(model.embed_now(&texts).unwrap().iter().map(Option::is_some).collect::<Vec<_>>(), there);
    assert_eq!(model.embed(&[]).unwrap(), Vec::<Option<Vec<f32>>>::new());
}

/// Vocabularies have the letters of many scripts, so that a mail in Russian had a vector that said nothing.
#[test]
fn words_that_are_spelt_are_not_known() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &weights());
    let mut words = common::WORDS;
    words[20..].copy_from_slice(&["##и", "м", "##р", "x"]);
    std::fs::write(folder.path().join("vocab.txt"), words.join("\n")).unwrap();
    let model = open(folder.path());
    let texts = owned(&["мир", "мир мир mail", "мир mail server is down", "x mail", "x", "mails", "servers"]);
    let there: Vec<bool> = model.embed(&texts).unwrap().iter().map(Option::is_some).collect();
    assert_eq!(there, [false, false, true, true, true, true, true]);
}

/// Files of other programs: other types of numbers, a name before each tensor, another activation, one kind of text.
#[test]
fn models_of_other_programs_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let weights = weights();
    write(folder.path(), &weights);
    let book = open(folder.path()).embed_query(TEXTS[3]).unwrap().unwrap();
    for (kind, near) in [(Dtype::F16, 0.9999), (Dtype::BF16, 0.999)] {
        common::write_as(folder.path(), &weights, kind, "bert.");
        let own = open(folder.path()).embed_query(TEXTS[3]).unwrap().unwrap();
        assert!(cosine(&own, &book) > near, "{kind:?}: {}", cosine(&own, &book));
    }
    let config = common::config();
    for (activation, other) in [("relu", 0.9999), ("gelu_new", 1.1)] {
        std::fs::write(
            folder.path().join("config.json"),
            config.replace("\"gelu\"", &format!("\"{activation}\"")),
        )
        .unwrap();
        let own = open(folder.path()).embed_query(TEXTS[3]).unwrap().unwrap();
        let alike = cosine(&own, &book);
        assert!(alike > 0.9 && alike < other, "{activation}: {alike}");
    }
    std::fs::write(folder.path().join("config.json"), config.replace("_size\":2}", "_size\":1}")).unwrap();
    let mut one = weights.clone();
    let kinds = one.get_mut("embeddings.token_type_embeddings.weight").unwrap();
    (kinds.0, kinds.1) = (vec![1, common::HIDDEN], kinds.1[..common::HIDDEN].to_vec());
    write(folder.path(), &one);
    std::fs::write(folder.path().join("config.json"), config.replace("_size\":2}", "_size\":1}")).unwrap();
    let own = open(folder.path()).embed_query(TEXTS[3]).unwrap().unwrap();
    assert!(cosine(&own, &book) > 0.9999);
    // Fewer pieces than there are places: the rest of a text is not looked at.
    std::fs::write(folder.path().join("sentence_bert_config.json"), r#"{"max_seq_length":5}"#).unwrap();
    let short = open(folder.path());
    let [own, all] = ["invoice for march", TEXTS[3]].map(|text| short.embed_query(text).unwrap().unwrap());
    assert!(cosine(&own, &all) > 0.9999 && cosine(&own, &book) < 0.99);
    let prefix = TransformerOptions { text_prefix: "mail : the server".to_owned(), ..options(folder.path()) };
    let prefix = Transformer::open(prefix).err().unwrap().to_string();
    assert!(prefix.contains("takes 5 pieces"), "{prefix}");
}

/// A text of ten megabytes costs what its first pieces do, and many texts of all lengths come back in their order.
#[test]
fn texts_of_any_length_and_any_number() {
    let folder = tempfile::tempdir().unwrap();
    let weights = weights();
    write(folder.path(), &weights);
    let model = open(folder.path());
    let long = "server ".repeat(10 << 20);
    let vector = model.embed(&[long]).unwrap().remove(0).unwrap();
    // All that the model takes, of which two are the marks.
    let book = mean(&by_the_book(&weights, &pieces(&vec!["server"; common::POSITIONS - 2].join(" "))));
    assert!(cosine(&vector, &book) > 0.995);
    let texts: Vec<String> = (0..500).map(|at| format!("{}mail", "lunch ".repeat(at * 7 % 61))).collect();
    let vectors = model.embed(&texts).unwrap();
    for (text, vector) in texts.iter().zip(vectors) {
        let alone = model.embed_query(text).unwrap().unwrap();
        assert!(cosine(&alone, &vector.unwrap()) > 0.995, "{text}");
    }
}

#[test]
fn other_files_other_prefixes_other_versions() {
    let folder = tempfile::tempdir().unwrap();
    let mut weights = weights();
    write(folder.path(), &weights);
    let of = |options: TransformerOptions| Transformer::open(options).unwrap().model();
    let first = of(options(folder.path()));
    assert_eq!(first, of(options(folder.path())));
    assert_eq!(first.name, folder.path().file_name().unwrap().to_string_lossy());
    let long = TransformerOptions { name: "m".repeat(201), ..options(folder.path()) };
    let long = Transformer::open(long).err().unwrap().to_string();
    assert!(long.contains("its name has 201 bytes"), "{long}");
    let named = of(TransformerOptions { name: "tiny".to_owned(), ..options(folder.path()) });
    assert_eq!((named.name.as_str(), named.version), ("tiny", first.version));
    let passages = of(TransformerOptions { text_prefix: "mail: ".to_owned(), ..options(folder.path()) });
    assert_ne!(passages.version, first.version);
    weights.get_mut("encoder.layer.1.output.LayerNorm.bias").unwrap().1[5] += 0.01;
    write(folder.path(), &weights);
    assert_ne!(of(options(folder.path())).version, first.version);
}

#[test]
fn a_prefix_is_part_of_what_is_embedded() {
    let folder = tempfile::tempdir().unwrap();
    let weights = weights();
    write(folder.path(), &weights);
    let prefixes = TransformerOptions {
        text_prefix: "mail : ".to_owned(),
        query_prefix: "query : ".to_owned(),
        ..options(folder.path())
    };
    let model = Transformer::open(prefixes).unwrap();
    let of = |text: &str| mean(&by_the_book(&weights, &pieces(text)));
    let passage = model.embed(&owned(&["lunch at noon"])).unwrap().remove(0).unwrap();
    let asked = model.embed_query("lunch at noon").unwrap().unwrap();
    assert!(cosine(&passage, &of("mail : lunch at noon")) > 0.995);
    assert!(cosine(&asked, &of("query : lunch at noon")) > 0.995);
    assert!(cosine(&passage, &of("query : lunch at noon")) < 0.99);
    // A prefix alone says nothing.
    assert_eq!(model.embed(&owned(&[""])).unwrap(), [None]);
}

#[test]
fn who_does_not_want_to_wait_does_not() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &weights());
    let stop = Arc::new(AtomicBool::new(false));
    let model =
        Transformer::open(TransformerOptions { stop: Arc::clone(&stop), ..options(folder.path()) }).unwrap();
    stop.store(true, Ordering::Relaxed);
    assert_eq!(model.embed(&owned(&TEXTS)), Err(EmbedError::Stopped));
    stop.store(false, Ordering::Relaxed);
    assert!(model.embed(&owned(&TEXTS)).is_ok());
}

/// What is wrong is said with the name of the file, in one line.
#[test]
fn a_folder_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let refused = |part: &str| {
        let error = Transformer::open(options(folder.path())).err().unwrap().to_string();
        assert!(
            error.contains(part) && error.contains(&folder.path().display().to_string()),
            "{part}: {error}"
        );
        assert!(!error.contains('\n'), "{error}");
    };
    refused("no config.json");
    write(folder.path(), &weights());
    let whole = std::fs::read(at("model.safetensors")).unwrap();
    let config = common::config();
    for (from, to, part) in [
        (r#""bert""#, r#""mpnet""#, "\"mpnet\""),
        ("\"hidden_size\":32", "\"hidden_size\":18446744073709551615", "hidden_size is"),
        ("\"hidden_size\":32", "\"hidden_size\":-1", "config.json"),
        ("\"hidden_size\":32", "\"hidden_size\":64", "its shape is"),
        ("\"num_hidden_layers\":2", "\"num_hidden_layers\":3", "encoder.layer.2"),
        ("\"num_hidden_layers\":2", "\"num_hidden_layers\":0", "num_hidden_layers is 0"),
        ("\"num_attention_heads\":2", "\"num_attention_heads\":32", "num_attention_heads is 32"),
        ("\"type_vocab_size\":2", "\"type_vocab_size\":3", "token_type_embeddings"),
        ("\"layer_norm_eps\":1e-12", "\"layer_norm_eps\":-1", "layer_norm_eps"),
        (r#""gelu""#, r#""swish""#, "swish"),
        ("\"vocab_size\":24", "\"vocab_size\":23", "24 pieces"),
        ("{", "", "config.json"),
    ] {
        std::fs::write(at("config.json"), config.replacen(from, to, 1)).unwrap();
        refused(part);
    }
    std::fs::write(at("config.json"), &config).unwrap();
    for (name, text, part) in [
        ("tokenizer_config.json", r#"{"do_lower_case":false}"#, "capitals"),
        ("tokenizer_config.json", r#"{"strip_accents":false}"#, "accents"),
        ("tokenizer_config.json", r#"{"tokenize_chinese_chars":false}"#, "ideographs"),
        ("modules.json", r#"[{"type":"sentence_transformers.models.Dense"}]"#, "Dense"),
        (
            "modules.json",
            r#"[{"type":"sentence_transformers.models.WeightedLayerPooling"}]"#,
            "WeightedLayer",
        ),
        ("modules.json", r#"[{"type":"a.Pooling","path":"2_Pooling"}]"#, "no 2_Pooling/config.json"),
        ("modules.json", r#"[{"type":"a.Pooling","path":"../../etc"}]"#, "is no folder of it"),
        ("sentence_bert_config.json", r#"{"max_seq_length":2}"#, "2 pieces"),
        ("vocab.txt", "[PAD]\n[UNK]\n[CLS]", "[SEP]"),
        ("vocab.txt", "a\nb", "[UNK]"),
    ] {
        let before = std::fs::read(at(name)).ok();
        std::fs::write(at(name), text).unwrap();
        refused(part);
        match before {
            Some(before) => std::fs::write(at(name), before).unwrap(),
            None => std::fs::remove_file(at(name)).unwrap(),
        }
    }
    // Weights that end early, that are none, that are no numbers.
    for cut in [0, 7, 8, 100, whole.len() - 1] {
        std::fs::write(at("model.safetensors"), &whole[..cut]).unwrap();
        refused("model.safetensors");
    }
    std::fs::write(at("model.safetensors"), [0xff; 4_096]).unwrap();
    refused("model.safetensors");
    let mut broken = weights();
    broken.get_mut("embeddings.word_embeddings.weight").unwrap().1[3] = f32::NAN;
    write(folder.path(), &broken);
    refused("no numbers");
    std::fs::remove_file(at("model.safetensors")).unwrap();
    refused("no model.safetensors");
    std::fs::create_dir(at("model.safetensors")).unwrap();
    refused("model.safetensors is no file");
}

/// Each test is a process of its own under nextest; in one process the library may be there already, and says so.
#[test]
fn a_library_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &weights());
    for (library, part) in
        [(folder.path().join("none.so"), "none.so"), (folder.path().join("vocab.txt"), "vocab.txt")]
    {
        let options = TransformerOptions { library: Some(library), ..options(folder.path()) };
        let error = Transformer::open(options).err().unwrap();
        assert!(matches!(error, EmbedError::Runtime(_)) && error.to_string().contains(part), "{error}");
    }
    assert!(Transformer::open(options(folder.path())).is_ok());
}
