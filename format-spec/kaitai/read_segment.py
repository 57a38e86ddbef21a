"""Reads a segment by postlode_segment.ksy alone, and says what is in it, line by line.

usage: read_segment.py FILE

Exits 1 where a checksum is wrong. Needs the kaitaistruct package (Debian: python3-kaitaistruct).
"""

import struct
import sys
import zlib

from kaitaistruct import BytesIO, KaitaiStream
from postlode_segment import PostlodeSegment


def joined(section):
    """A section's content: its blocks without their checksums and the padding of the last."""
    return b"".join(block.payload for block in section.blocks)[: section.bytes]


def check_block(segment, number, index, block):
    place = struct.pack("<QQHI", segment.header.segment, segment.header.salt, number, index)
    if zlib.crc32(place + block.payload) != block.crc:
        sys.exit(f"section {number}, block {index}: its checksum is wrong")


def entries(section):
    """Keys and values of a tree, in order: leaves lie first, and in order."""
    for block in section.blocks:
        page = PostlodeSegment.TreePage.from_bytes(block.payload)
        if page.kind != PostlodeSegment.PageKind.leaf:
            continue
        key = b""
        for entry in page.entries:
            key = key[: entry.shared.value] + entry.rest
            yield key, entry.value


def location(value):
    if len(value) == 20:
        return struct.unpack("<QIQ", value)
    short = PostlodeSegment.Location.from_bytes(value)
    return tuple(int.from_bytes(part, "little") for part in (short.offset, short.len, short.seq))


def check_page(name, page):
    if zlib.crc32(page[8:12] + page[16:]) != struct.unpack("<I", page[12:16])[0]:
        sys.exit(f"the {name}: its checksum is wrong")


def main(path):
    with open(path, "rb") as file:
        content = file.read()
    check_page("header", content[:4096])
    check_page("trailer", content[-4096:])
    segment = PostlodeSegment.from_bytes(content)
    at = segment.trailer.directory_at
    check_block(segment, 0xFFFF, 0, PostlodeSegment.Block(4096, KaitaiStream(BytesIO(content[at : at + 4096]))))
    kinds = PostlodeSegment.SectionKind
    print("version", segment.header.version)
    for row in segment.directory.rows:
        print("rows", row.kind, row.rows)
    for number, section in enumerate(segment.directory.sections):
        print("section", section.kind.value, section.index, section.bytes, section.entries)
        for index, block in enumerate(section.blocks):
            check_block(segment, number, index, block)
        if section.kind == kinds.ordinals:
            content = joined(section)
            for at in range(0, len(content), 64):
                ordinal = PostlodeSegment.Ordinal.from_bytes(content[at : at + 64])
                print("email", ordinal.date, ordinal.email.hex(), ordinal.seq, ordinal.len_email, ordinal.len_body)
        if section.kind == kinds.primary:
            for key, value in entries(section):
                print("row", key.hex(), *location(value))
        if section.kind == kinds.index:
            for key, _ in entries(section):
                print("key", section.index, key.hex())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
