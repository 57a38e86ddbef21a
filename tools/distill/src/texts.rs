//! Training texts: the paragraphs of man pages, HTML and plain text in unpacked packages.

use flate2::read::GzDecoder;
use html5gum::{Token, Tokenizer};
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Paragraphs of one package, so that no large one drowns the others.
const MOST_OF_ONE: usize = 14_000;
/// Characters of a paragraph.
const SHORTEST: usize = 120;
const LONGEST: usize = 2_000;

/// A paragraph, and what stands near it.
#[derive(Debug, Clone, Default)]
pub struct Paragraph {
    /// Its text.
    pub text: String,
    /// The heading that it stands under, or empty.
    pub heading: String,
    /// The paragraph behind it, or empty.
    pub next: String,
}

/// The paragraphs of all packages, each once, in the order of the files' names.
pub fn paragraphs(folder: &Path) -> std::io::Result<Vec<Paragraph>> {
    let mut packages: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    packages.sort();
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    for package in packages.iter().filter(|path| path.is_dir()) {
        let mut files = Vec::new();
        walk(package, &mut files)?;
        files.sort();
        let mut own: Vec<Paragraph> = Vec::new();
        for file in files {
            let first = own.len();
            for (heading, paragraph) in read(&file) {
                let even = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
                let text = even(&paragraph);
                if (SHORTEST..=LONGEST).contains(&text.len()) && is_prose(&text) && seen.insert(text.clone())
                {
                    if let Some(last) = own.get_mut(first..).and_then(<[Paragraph]>::last_mut) {
                        last.next.clone_from(&text);
                    }
                    own.push(Paragraph { text, heading: even(&heading), next: String::new() });
                }
            }
        }
        // Evenly over the package, which is in the order of its files.
        let taken = own.len().min(MOST_OF_ONE);
        println!("  {}: {taken} of {} paragraphs", package.display(), own.len());
        all.extend((0..taken).map(|at| own[at * own.len() / taken].clone()));
    }
    Ok(all)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Sentences rather than tables and programs: mostly letters and blanks, words of a language.
fn is_prose(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic() || *c == ' ').count();
    let ascii = text.chars().filter(char::is_ascii).count();
    let all = text.chars().count();
    letters * 100 >= all * 85 && ascii * 100 >= all * 97 && is_english(text)
}

/// Packages have their manuals in many languages.
fn is_english(text: &str) -> bool {
    const WORDS: [&str; 24] = [
        "the", "of", "to", "and", "a", "is", "in", "that", "for", "be", "it", "this", "with", "as", "are",
        "by", "or", "if", "not", "you", "on", "an", "from", "can",
    ];
    let (mut all, mut known) = (0, 0);
    for word in text.split_whitespace() {
        let word = word.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase();
        all += 1;
        known += usize::from(WORDS.contains(&word.as_str()));
    }
    known * 100 >= all * 12
}

/// Paragraphs, each after its heading.
fn read(path: &Path) -> Vec<(String, String)> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Ok(mut bytes) = std::fs::read(path) else { return Vec::new() };
    let name = match name.strip_suffix(".gz") {
        Some(inner) => {
            let mut plain = Vec::new();
            if GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).is_err() {
                return Vec::new();
            }
            bytes = plain;
            inner
        }
        None => &name,
    };
    let text = String::from_utf8_lossy(&bytes);
    let is_man = path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("man"))
        && name.rsplit('.').next().is_some_and(|end| end.starts_with(|c: char| c.is_ascii_digit()));
    match name.rsplit('.').next() {
        // Mallard, of which GNOME makes its help, has the same names of blocks.
        Some("html" | "htm" | "xhtml" | "page") => html(&text),
        Some("txt" | "rst" | "pod") => without_heading(text.split("\n\n").map(str::to_owned)),
        _ if is_man => without_heading(man(&text).into_iter()),
        _ => Vec::new(),
    }
}

/// Those of man pages are all alike.
fn without_heading(paragraphs: impl Iterator<Item = String>) -> Vec<(String, String)> {
    paragraphs.map(|text| (String::new(), text)).collect()
}

fn is_heading(name: &[u8]) -> bool {
    matches!(name, b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"dt")
}

/// Text between tags that begin a block; no programs, menus and scripts.
fn html(text: &str) -> Vec<(String, String)> {
    let (mut out, mut current, mut hidden) = (Vec::new(), String::new(), 0usize);
    let mut heading = String::new();
    for token in Tokenizer::new(text) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => match tag.name.as_slice() {
                b"script" | b"style" | b"pre" | b"nav" | b"head" if !tag.self_closing => hidden += 1,
                name if is_block(name) => out.push((heading.clone(), std::mem::take(&mut current))),
                _ => {}
            },
            Token::EndTag(tag) => match tag.name.as_slice() {
                b"script" | b"style" | b"pre" | b"nav" | b"head" => hidden = hidden.saturating_sub(1),
                name if is_heading(name) => {
                    heading.clone_from(&current);
                    out.push((String::new(), std::mem::take(&mut current)));
                }
                name if is_block(name) => out.push((heading.clone(), std::mem::take(&mut current))),
                _ => {}
            },
            Token::String(text) if hidden == 0 => current.push_str(&String::from_utf8_lossy(&text)),
            _ => {}
        }
    }
    out.push((heading, current));
    out
}

fn is_block(name: &[u8]) -> bool {
    matches!(
        name,
        b"p" | b"div"
            | b"li"
            | b"td"
            | b"th"
            | b"dd"
            | b"dt"
            | b"h1"
            | b"h2"
            | b"h3"
            | b"h4"
            | b"h5"
            | b"h6"
            | b"tr"
            | b"table"
            | b"ul"
            | b"ol"
            | b"dl"
            | b"section"
            | b"br"
            | b"blockquote"
            | b"body"
    )
}

/// roff without its requests and escapes: enough for the words.
fn man(text: &str) -> Vec<String> {
    let (mut out, mut current, mut verbatim) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        let Some(request) = line.strip_prefix(['.', '\'']) else {
            if !verbatim {
                current.push_str(&plain(line));
                current.push(' ');
            }
            continue;
        };
        let (name, rest) = request.split_once(char::is_whitespace).unwrap_or((request, ""));
        match name {
            "nf" | "EX" => verbatim = true,
            "fi" | "EE" => verbatim = false,
            "B" | "I" | "BR" | "IR" | "RB" | "RI" | "BI" | "IB" | "SM" | "SB" | "Nm" | "Ar" | "Fl" => {
                current.push_str(&plain(&rest.replace('"', "")));
                current.push(' ');
            }
            "PP" | "P" | "LP" | "TP" | "IP" | "SH" | "SS" | "HP" | "TQ" | "Pp" | "It" | "Sh" | "RS"
            | "RE" => {
                out.push(std::mem::take(&mut current));
            }
            _ => {}
        }
    }
    out.push(current);
    out
}

fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('-') => out.push('-'),
            Some('f') => match rest.next() {
                Some('(') => drop(rest.by_ref().take(2).count()),
                Some('[') => drop(rest.by_ref().take_while(|c| *c != ']').count()),
                _ => {}
            },
            Some('(') => match (rest.next(), rest.next()) {
                (Some('a'), Some('q')) | (Some('c'), Some('q')) => out.push('\''),
                (Some('e'), Some('m')) => out.push_str(" - "),
                _ => {}
            },
            Some('[') => drop(rest.by_ref().take_while(|c| *c != ']').count()),
            Some('*') => drop(rest.next()),
            Some('"') => break,
            Some('e' | '\\') => out.push('\\'),
            Some(' ' | '~' | '0') => out.push(' '),
            _ => {}
        }
    }
    out
}
