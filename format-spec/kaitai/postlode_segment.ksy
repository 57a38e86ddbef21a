meta:
  id: postlode_segment
  title: Segment of a Postlode store, versions 1 to 3
  file-extension: seg
  license: MIT OR Apache-2.0
  endian: le
doc: |
  An immutable file of sections, each a row of blocks that end with a CRC-32. SPEC.md says what the CRC of a block covers:
  its place too, so it cannot be told from the block alone, and is left to the reader.
seq:
  - id: header
    type: page_header
    size: 4096
instances:
  trailer:
    pos: _io.size - 4096
    size: 4096
    type: page_trailer
  directory:
    doc: A directory of more than 64 sections would go on in a second block; none does.
    pos: trailer.directory_at
    size: trailer.directory_bytes
    type: directory(trailer.directory_bytes)
types:
  page_header:
    seq:
      - id: magic
        contents: PLSEGMNT
      - id: version
        type: u4
      - id: crc
        type: u4
      - id: segment
        type: u8
      - id: salt
        type: u8
  page_trailer:
    seq:
      - id: magic
        contents: PLSEGEND
      - id: version
        type: u4
      - id: crc
        type: u4
      - id: segment
        type: u8
      - id: salt
        type: u8
      - id: directory_at
        type: u8
      - id: directory_bytes
        type: u8
  directory:
    doc: An rkyv record, whose root lies at its end and points back from where the pointers are.
    params:
      - id: len
        type: u8
    instances:
      root_at:
        value: len.as<s4> - 73
      root:
        pos: root_at
        type: directory_root
      sections:
        pos: root_at + 33 + root.sections.offset
        type: section
        repeat: expr
        repeat-expr: root.sections.len
      rows:
        pos: root_at + 41 + root.rows.offset
        type: row_count
        repeat: expr
        repeat-expr: root.rows.len
  directory_root:
    seq:
      - id: segment
        type: u8
      - id: salt
        type: u8
      - id: kind
        type: u1
        enum: segment_kind
      - id: low
        type: u8
      - id: high
        type: u8
      - id: sections
        type: list
      - id: rows
        type: list
      - id: min_date
        type: s8
      - id: max_date
        type: s8
      - id: max_seq
        type: u8
  list:
    seq:
      - id: offset
        type: s4
        doc: From where this field lies.
      - id: len
        type: u4
  row_count:
    seq:
      - id: kind
        type: u1
      - id: rows
        type: u8
  section:
    seq:
      - id: kind
        type: u2
        enum: section_kind
      - id: index
        type: u2
      - id: offset
        type: u8
      - id: bytes
        type: u8
      - id: block_size
        type: u4
      - id: root
        type: u4
      - id: height
        type: u1
      - id: entries
        type: u8
    instances:
      num_blocks:
        value: (bytes + block_size - 5) / (block_size - 4)
      blocks:
        io: _root._io
        pos: offset
        size: block_size
        type: block(block_size)
        repeat: expr
        repeat-expr: num_blocks
  block:
    params:
      - id: len
        type: u4
    seq:
      - id: payload
        size: len - 4
      - id: crc
        type: u4
  tree_page:
    doc: The payload of a block of a section of kind primary or index.
    seq:
      - id: kind
        type: u1
        enum: page_kind
      - id: reserved
        contents: [0]
      - id: num_entries
        type: u2
      - id: num_restarts
        type: u2
      - id: restarts_at
        type: u2
      - id: entries
        type: tree_entry
        repeat: expr
        repeat-expr: num_entries
  tree_entry:
    seq:
      - id: shared
        type: varint
        doc: Bytes of the key that are those of the key before.
      - id: len_rest
        type: varint
      - id: len_value
        type: varint
      - id: rest
        size: len_rest.value
      - id: value
        size: len_value.value
  varint:
    seq:
      - id: groups
        type: u1
        repeat: until
        repeat-until: _ < 128
    instances:
      value:
        value: >-
          (groups[0] & 127)
          + (groups.size > 1 ? (groups[1] & 127) << 7 : 0)
          + (groups.size > 2 ? (groups[2] & 127) << 14 : 0)
          + (groups.size > 3 ? (groups[3] & 127) << 21 : 0)
  ordinal:
    doc: A record of the section of kind ordinals.
    seq:
      - id: date
        type: s8
        doc: Microseconds since 1970-01-01T00:00:00Z.
      - id: email
        size: 16
      - id: seq
        type: u8
      - id: email_at
        type: u8
      - id: len_email
        type: u4
      - id: frame_at
        type: u8
      - id: len_frame
        type: u4
      - id: body_at
        type: u4
      - id: len_body
        type: u4
  location:
    doc: The value of a primary tree's entry since version 3, where it is shorter than 20 bytes.
    seq:
      - id: sizes
        type: u1
      - id: offset
        size: sizes & 15
      - id: len
        size: sizes >> 4
      - id: seq
        size-eos: true
enums:
  segment_kind:
    0: mail
    1: blobs
    2: vectors
  page_kind:
    1: leaf
    2: inner
  section_kind:
    1: emails
    2: ordinals
    3: bodies
    4: heap
    5: primary
    6: index
    7: bloom
    8: text
    9: email_frames
    10: dictionary
    11: vectors
    12: columns
