//! Pages of B+trees, and trees of any keys.

use bytes::Bytes;
use postlode_format::FormatError;
use postlode_format::btree::{Child, MAX_HEIGHT, Page, TreeBuilder};
use postlode_format::limits::MAX_TREE_KEY;
use std::collections::BTreeMap;

/// Payload of the smallest block: a page's largest size there.
const PAGE_BYTES: usize = 4092;

/// Reads the bytes as a page, and builds a tree from them as keys.
pub fn target(data: &[u8]) {
    let data = data.get(..data.len().min(crate::MAX_INPUT)).unwrap_or_default();
    page(data);
    tree(data);
}

fn page(data: &[u8]) {
    let Ok(page) = Page::parse(Bytes::copy_from_slice(data)) else { return };
    for key in [&b""[..], b"\xff", data.get(8..24).unwrap_or_default()] {
        drop(page.get(key));
        for (low, high, descending) in [(key, &b""[..], false), (&b""[..], key, true)] {
            let mut last: Option<Vec<u8>> = None;
            let shown = page.visit(low, high, descending, &mut |key, value| {
                assert!(key >= low && (high.is_empty() || key < high), "a key that was not asked for");
                let ordered =
                    last.as_deref().is_none_or(|last| if descending { key < last } else { key > last });
                assert!(ordered, "keys out of order");
                last = Some(key.to_vec());
                page.slice(value).len() <= page.used()
            });
            drop(shown);
        }
        if let Ok(at) = page.lower_bound(key) {
            assert!(at <= page.len(), "position {at} of {}", page.len());
        }
    }
    let Ok(entries) = page.entries() else { return };
    assert_eq!(entries.len(), page.len());
    for (key, value) in entries.iter().take(200) {
        assert!(key.len() <= MAX_TREE_KEY, "a key of {} bytes", key.len());
        // Restart points may lie in a page like this, so a key may not be found, but no other value may be.
        if let Ok(Some(found)) = page.get(key) {
            drop((found, page.lower_bound(key)));
        }
        if !page.is_leaf() {
            drop(Child::decode(value));
        }
    }
}

/// Keys cut from the bytes: a length, then so many bytes. Values are what follows.
fn keys(data: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut rest = data;
    while let Some((&len, tail)) = rest.split_first() {
        let (key, tail) = tail.split_at(tail.len().min(usize::from(len)));
        let value = tail.get(..tail.len().min(usize::from(len % 7))).unwrap_or_default();
        out.insert(key.to_vec(), value.to_vec());
        rest = tail;
    }
    out
}

fn tree(data: &[u8]) {
    let keys = keys(data);
    let mut pages: Vec<Bytes> = Vec::new();
    let mut builder = TreeBuilder::new(PAGE_BYTES, |page: &[u8]| {
        assert!(page.len() <= PAGE_BYTES, "a page of {} bytes", page.len());
        pages.push(Bytes::copy_from_slice(page));
        Ok(())
    });
    let built: Result<_, FormatError> =
        keys.iter().try_for_each(|(key, value)| builder.push(key, value)).and_then(|()| builder.finish());
    let built = match built {
        Ok(built) => built,
        Err(error) => return assert_eq!(error.to_string(), "", "a tree of sorted keys was refused"),
    };
    assert_eq!((built.entries, built.pages as usize), (keys.len() as u64, pages.len()));
    assert!(built.height <= MAX_HEIGHT);
    let mut found = Vec::new();
    let mut below = 0;
    for page in pages {
        let page = match Page::parse(page) {
            Ok(page) => page,
            Err(error) => return assert_eq!(error.to_string(), "", "a page that was just built is refused"),
        };
        let entries = page.entries().unwrap_or_default();
        assert_eq!(entries.len(), page.len(), "a page that was just built cannot be read");
        for (at, (key, value)) in entries.iter().enumerate() {
            assert_eq!(page.get(key), Ok(Some(value.clone())), "a key is not found in its page");
            assert_eq!(page.lower_bound(key), Ok(at), "a key is found at another place");
        }
        if page.is_leaf() {
            found.extend(entries.into_iter().map(|(key, value)| (key, value.to_vec())));
            below = found.len() as u64;
        } else if built.height == 2 {
            let children = entries.iter().filter_map(|(_, value)| Child::decode(value).ok());
            assert_eq!(children.map(|c| c.below).sum::<u64>(), below, "the root counts other entries");
        }
    }
    assert!(found.into_iter().eq(keys), "the leaves hold other entries");
}
