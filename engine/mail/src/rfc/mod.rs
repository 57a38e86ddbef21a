//! Mail as it travels, RFC 5322 and MIME: `.eml` files, and `.mbox` files full of it.
