//! Ids of the properties that the Email model looks at, [MS-OXPROPS].

#![allow(missing_docs, reason = "the names are those of the specification")]

pub const IMPORTANCE: u16 = 0x0017;
pub const MESSAGE_CLASS: u16 = 0x001a;
pub const SENSITIVITY: u16 = 0x0036;
pub const SUBJECT: u16 = 0x0037;
pub const CLIENT_SUBMIT_TIME: u16 = 0x0039;
pub const SENT_REPRESENTING_NAME: u16 = 0x0042;
pub const SENT_REPRESENTING_ADDRESS_TYPE: u16 = 0x0064;
pub const SENT_REPRESENTING_EMAIL_ADDRESS: u16 = 0x0065;
pub const CONVERSATION_INDEX: u16 = 0x0071;
pub const TRANSPORT_MESSAGE_HEADERS: u16 = 0x007d;
pub const SENDER_NAME: u16 = 0x0c1a;
pub const SENDER_ADDRESS_TYPE: u16 = 0x0c1e;
pub const SENDER_EMAIL_ADDRESS: u16 = 0x0c1f;
pub const DISPLAY_BCC: u16 = 0x0e02;
pub const DISPLAY_CC: u16 = 0x0e03;
pub const DISPLAY_TO: u16 = 0x0e04;
pub const MESSAGE_DELIVERY_TIME: u16 = 0x0e06;
pub const MESSAGE_FLAGS: u16 = 0x0e07;
pub const MESSAGE_SIZE: u16 = 0x0e08;
/// A table, not a property, in the source; here the id under which its rows are kept.
pub const MESSAGE_RECIPIENTS: u16 = 0x0e12;
/// As [`MESSAGE_RECIPIENTS`].
pub const MESSAGE_ATTACHMENTS: u16 = 0x0e13;
pub const BODY: u16 = 0x1000;
pub const RTF_COMPRESSED: u16 = 0x1009;
pub const HTML: u16 = 0x1013;
pub const INTERNET_MESSAGE_ID: u16 = 0x1035;
pub const INTERNET_REFERENCES: u16 = 0x1039;
pub const IN_REPLY_TO_ID: u16 = 0x1042;
pub const FLAG_STATUS: u16 = 0x1090;
pub const DISPLAY_NAME: u16 = 0x3001;
pub const ATTACH_FILENAME: u16 = 0x3704;
pub const ATTACH_LONG_FILENAME: u16 = 0x3707;
pub const ATTACH_PATHNAME: u16 = 0x3708;
pub const ATTACH_LONG_PATHNAME: u16 = 0x370d;
pub const ATTACH_MIME_TAG: u16 = 0x370e;
pub const ATTACH_CONTENT_ID: u16 = 0x3712;
pub const ATTACH_FLAGS: u16 = 0x3714;
pub const INTERNET_CODEPAGE: u16 = 0x3fde;
pub const MESSAGE_CODEPAGE: u16 = 0x3ffd;
pub const SENDER_SMTP_ADDRESS: u16 = 0x5d01;
pub const SENT_REPRESENTING_SMTP_ADDRESS: u16 = 0x5d02;
pub const ATTACHMENT_HIDDEN: u16 = 0x7ffe;
