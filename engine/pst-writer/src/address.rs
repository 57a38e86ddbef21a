//! People and lists, and the binary ids that stand for them ([MS-OXCDATA] 2.2.5).

use crate::bytes::{push_u16, push_u32, utf16};
use crate::value::{Properties, Value};

/// A person or list: the name shown and the Internet address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// The display name.
    pub name: String,
    /// The SMTP address.
    pub address: String,
    /// The distinguished name by which an Exchange server knows it. With one, the address type is `EX` and the
    /// SMTP address stands beside it.
    pub exchange: Option<String>,
}

/// The properties that tell one party of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartyIds {
    pub(crate) name: u16,
    pub(crate) kind: u16,
    pub(crate) address: u16,
    pub(crate) smtp: u16,
    pub(crate) entry_id: u16,
    pub(crate) search_key: u16,
}

/// Who sent a message.
pub(crate) const SENDER: PartyIds = PartyIds {
    name: 0x0C1A,
    kind: 0x0C1E,
    address: 0x0C1F,
    smtp: 0x5D01,
    entry_id: 0x0C19,
    search_key: 0x0C1D,
};
/// On whose behalf.
pub(crate) const REPRESENTING: PartyIds = PartyIds {
    name: 0x0042,
    kind: 0x0064,
    address: 0x0065,
    smtp: 0x5D02,
    entry_id: 0x0041,
    search_key: 0x003B,
};
/// In a recipient table.
pub(crate) const RECIPIENT: PartyIds = PartyIds {
    name: 0x3001,
    kind: 0x3002,
    address: 0x3003,
    smtp: 0x39FE,
    entry_id: 0x0FFF,
    search_key: 0x300B,
};

impl Address {
    /// `name` at `address`.
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self { name: name.into(), address: address.into(), exchange: None }
    }

    /// The same, known to an Exchange server by the distinguished name `dn`.
    pub fn with_exchange(self, dn: impl Into<String>) -> Self {
        Self { exchange: Some(dn.into()), ..self }
    }

    /// The name, or the address of someone without one.
    pub fn shown(&self) -> &str {
        if self.name.is_empty() { &self.address } else { &self.name }
    }

    /// The id that stands for the address in properties such as lists of members.
    pub fn entry_id(&self) -> Vec<u8> {
        match &self.exchange {
            Some(dn) => exchange_entry_id(dn),
            None => self.one_off_entry_id(),
        }
    }

    /// The id of the address as one that is in no address book ([MS-OXCDATA] 2.2.5.1).
    pub fn one_off_entry_id(&self) -> Vec<u8> {
        const PROVIDER: [u8; 16] =
            [0x81, 0x2B, 0x1F, 0xA4, 0xBE, 0xA3, 0x10, 0x19, 0x9D, 0x6E, 0x00, 0xDD, 0x01, 0x0F, 0x54, 0x02];
        const UNICODE_NO_RICH_INFO: u16 = 0x9001;
        let mut out = vec![0; 4];
        out.extend_from_slice(&PROVIDER);
        push_u16(&mut out, 0);
        push_u16(&mut out, UNICODE_NO_RICH_INFO);
        for text in [self.shown(), "SMTP", self.address.as_str()] {
            out.extend_from_slice(&utf16(text));
            push_u16(&mut out, 0);
        }
        out
    }

    /// Sets name, address type, addresses, entry id and search key.
    pub(crate) fn set(&self, out: &mut Properties, ids: &PartyIds) {
        let (kind, address) = match &self.exchange {
            Some(dn) => ("EX", dn),
            None => ("SMTP", &self.address),
        };
        out.set_str(ids.name, self.shown());
        out.set_str(ids.kind, kind);
        out.set_str(ids.address, address.as_str());
        out.set_str(ids.smtp, self.address.as_str());
        out.set(ids.entry_id, Value::Binary(self.entry_id()));
        out.set(ids.search_key, Value::Binary(format!("{kind}:{}\0", address.to_uppercase()).into_bytes()));
    }
}

/// The id of a mail user of an Exchange server ([MS-OXCDATA] 2.2.5.2).
fn exchange_entry_id(dn: &str) -> Vec<u8> {
    const PROVIDER: [u8; 16] =
        [0xDC, 0xA7, 0x40, 0xC8, 0xC0, 0x42, 0x10, 0x1A, 0xB4, 0xB9, 0x08, 0x00, 0x2B, 0x2F, 0xE1, 0x82];
    let mut out = vec![0; 4];
    out.extend_from_slice(&PROVIDER);
    push_u32(&mut out, 1); // version
    push_u32(&mut out, 0); // a mail user
    out.extend_from_slice(dn.as_bytes());
    out.push(0);
    out
}

/// Entry ids one after the other, each on a multiple of four bytes ([MS-OXCDATA] 2.3.3): their count, their
/// length, and each with its own.
pub(crate) fn entry_list(addresses: &[Address]) -> Vec<u8> {
    let mut entries = Vec::new();
    for address in addresses {
        let id = address.entry_id();
        push_u32(&mut entries, id.len() as u32);
        entries.extend_from_slice(&id);
        entries.resize(entries.len().next_multiple_of(4), 0);
    }
    let mut out = Vec::with_capacity(entries.len() + 8);
    push_u32(&mut out, addresses.len() as u32);
    push_u32(&mut out, entries.len() as u32);
    out.extend_from_slice(&entries);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_address_has_its_smtp_address_beside_it() {
        let ada = Address::new("Ada", "ada@x.org").with_exchange("/o=X/cn=Recipients/cn=ada");
        let mut out = Properties::new();
        ada.set(&mut out, &SENDER);
        let text = |id| match out.get(id) {
            Some(Value::Str(text)) => text.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!([0x0C1E, 0x0C1F, 0x5D01].map(text), ["EX", "/o=X/cn=Recipients/cn=ada", "ada@x.org"]);
        let key = b"EX:/O=X/CN=RECIPIENTS/CN=ADA\0".to_vec();
        assert_eq!(out.get(0x0C1D), Some(&Value::Binary(key)));
        assert!(ada.entry_id().ends_with(b"\x01\0\0\0\0\0\0\0/o=X/cn=Recipients/cn=ada\0"));
    }

    #[test]
    fn listed_entry_ids_begin_at_multiples_of_four() {
        let list = entry_list(&[Address::new("", "a@x"), Address::new("B", "b@x")]);
        let len = |at: usize| u32::from_le_bytes(list[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!((len(0), len(4)), (2, list.len() - 8));
        let second = 12 + len(8).next_multiple_of(4);
        assert_eq!(list.len(), second + 4 + len(second).next_multiple_of(4));
        assert_eq!(list[second + 4..][..len(second)], Address::new("B", "b@x").entry_id());
    }
}
