# This is a generated file! Please edit source .ksy file and use kaitai-struct-compiler to rebuild

import kaitaistruct
from kaitaistruct import KaitaiStruct, KaitaiStream, BytesIO
from enum import Enum


if getattr(kaitaistruct, 'API_VERSION', (0, 9)) < (0, 9):
    raise Exception("Incompatible Kaitai Struct Python API: 0.9 or later is required, but you have %s" % (kaitaistruct.__version__))

class PostlodeSegment(KaitaiStruct):
    """An immutable file of sections, each a row of blocks that end with a CRC-32. SPEC.md says what the CRC of a block covers:
    its place too, so it cannot be told from the block alone, and is left to the reader.
    """

    class SegmentKind(Enum):
        mail = 0
        blobs = 1
        vectors = 2

    class PageKind(Enum):
        leaf = 1
        inner = 2

    class SectionKind(Enum):
        emails = 1
        ordinals = 2
        bodies = 3
        heap = 4
        primary = 5
        index = 6
        bloom = 7
        text = 8
        email_frames = 9
        dictionary = 10
        vectors = 11
        columns = 12
    def __init__(self, _io, _parent=None, _root=None):
        self._io = _io
        self._parent = _parent
        self._root = _root if _root else self
        self._read()

    def _read(self):
        self._raw_header = self._io.read_bytes(4096)
        _io__raw_header = KaitaiStream(BytesIO(self._raw_header))
        self.header = PostlodeSegment.PageHeader(_io__raw_header, self, self._root)

    class Location(KaitaiStruct):
        """The value of a primary tree's entry since version 3, where it is shorter than 20 bytes."""
        def __init__(self, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self._read()

        def _read(self):
            self.sizes = self._io.read_u1()
            self.offset = self._io.read_bytes((self.sizes & 15))
            self.len = self._io.read_bytes((self.sizes >> 4))
            self.seq = self._io.read_bytes_full()


    class PageTrailer(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self._read()

        def _read(self):
            self.magic = self._io.read_bytes(8)
            if not self.magic == b"\x50\x4C\x53\x45\x47\x45\x4E\x44":
                raise kaitaistruct.ValidationNotEqualError(b"\x50\x4C\x53\x45\x47\x45\x4E\x44", self.magic, self._io, u"/types/page_trailer/seq/0")
            self.version = self._io.read_u4le()
            self.crc = self._io.read_u4le()
            self.segment = self._io.read_u8le()
            self.salt = self._io.read_u8le()
            self.directory_at = self._io.read_u8le()
            self.directory_bytes = self._io.read_u8le()


    class TreePage(KaitaiStruct):
        """The payload of a block of a section of kind primary or index."""
        def __init__(self, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self._read()

        def _read(self):
            self.kind = KaitaiStream.resolve_enum(PostlodeSegment.PageKind, self._io.read_u1())
            self.reserved = self._io.read_bytes(1)
            if not self.reserved == b"\x00":
                raise kaitaistruct.ValidationNotEqualError(b"\x00", self.reserved, self._io, u"/types/tree_page/seq/1")
            self.num_entries = self._io.read_u2le()
            self.num_restarts = self._io.read_u2le()
            self.restarts_at = self._io.read_u2le()
            self.entries = []
            for i in range(self.num_entries):
                self.entries.append(PostlodeSegment.TreeEntry(self._io, self, self._root))



    class Section(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self._read()

        def _read(self):
            self.kind = KaitaiStream.resolve_enum(PostlodeSegment.SectionKind, self._io.read_u2le())
            self.index = self._io.read_u2le()
            self.offset = self._io.read_u8le()
            self.bytes = self._io.read_u8le()
            self.block_size = self._io.read_u4le()
            self.root = self._io.read_u4le()
            self.height = self._io.read_u1()
            self.entries = self._io.read_u8le()

        @property
        def num_blocks(self):
            if hasattr(self, '_m_num_blocks'):
                return self._m_num_blocks

            self._m_num_blocks = ((self.bytes + self.block_size) - 5) // (self.block_size - 4)
            return getattr(self, '_m_num_blocks', None)

        @property
        def blocks(self):
            if hasattr(self, '_m_blocks'):
                return self._m_blocks

            io = self._root._io
            _pos = io.pos()
            io.seek(self.offset)
            self._raw__m_blocks = []
            self._m_blocks = []
            for i in range(self.num_blocks):
                self._raw__m_blocks.append(io.read_bytes(self.block_size))
                _io__raw__m_blocks = KaitaiStream(BytesIO(self._raw__m_blocks[i]))
                self._m_blocks.append(PostlodeSegment.Block(self.block_size, _io__raw__m_blocks, self, self._root))

            io.seek(_pos)
            return getattr(self, '_m_blocks', None)


    class Varint(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self._read()

        def _read(self):
            self.groups = []
            i = 0
            while True:
                _ = self._io.read_u1()
                self.groups.append(_)
                if _ < 128:
                    break
                i += 1

        @property
        def value(self):
            if hasattr(self, '_m_value'):
                return self._m_value

            self._m_value = ((((self.groups[0] & 127) + (((self.groups[1] & 127) << 7) if len(self.groups) > 1 else 0)) + (((self.groups[2] & 127) << 14) if len(self.groups) > 2 else 0)) + (((self.groups[3] & 127) << 21) if len(self.groups) > 3 else 0))
            return getattr(self, '_m_value', None)


    class PageHeader(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self._read()

        def _read(self):
            self.magic = self._io.read_bytes(8)
            if not self.magic == b"\x50\x4C\x53\x45\x47\x4D\x4E\x54":
                raise kaitaistruct.ValidationNotEqualError(b"\x50\x4C\x53\x45\x47\x4D\x4E\x54", self.magic, self._io, u"/types/page_header/seq/0")
            self.version = self._io.read_u4le()
            self.crc = self._io.read_u4le()
            self.segment = self._io.read_u8le()
            self.salt = self._io.read_u8le()


    class Block(KaitaiStruct):
        def __init__(self, len, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self.len = len
            self._read()

        def _read(self):
            self.payload = self._io.read_bytes((self.len - 4))
            self.crc = self._io.read_u4le()


    class RowCount(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self._read()

        def _read(self):
            self.kind = self._io.read_u1()
            self.rows = self._io.read_u8le()


    class DirectoryRoot(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self._read()

        def _read(self):
            self.segment = self._io.read_u8le()
            self.salt = self._io.read_u8le()
            self.kind = KaitaiStream.resolve_enum(PostlodeSegment.SegmentKind, self._io.read_u1())
            self.low = self._io.read_u8le()
            self.high = self._io.read_u8le()
            self.sections = PostlodeSegment.List(self._io, self, self._root)
            self.rows = PostlodeSegment.List(self._io, self, self._root)
            self.min_date = self._io.read_s8le()
            self.max_date = self._io.read_s8le()
            self.max_seq = self._io.read_u8le()


    class Ordinal(KaitaiStruct):
        """A record of the section of kind ordinals."""
        def __init__(self, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self._read()

        def _read(self):
            self.date = self._io.read_s8le()
            self.email = self._io.read_bytes(16)
            self.seq = self._io.read_u8le()
            self.email_at = self._io.read_u8le()
            self.len_email = self._io.read_u4le()
            self.frame_at = self._io.read_u8le()
            self.len_frame = self._io.read_u4le()
            self.body_at = self._io.read_u4le()
            self.len_body = self._io.read_u4le()


    class TreeEntry(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self._read()

        def _read(self):
            self.shared = PostlodeSegment.Varint(self._io, self, self._root)
            self.len_rest = PostlodeSegment.Varint(self._io, self, self._root)
            self.len_value = PostlodeSegment.Varint(self._io, self, self._root)
            self.rest = self._io.read_bytes(self.len_rest.value)
            self.value = self._io.read_bytes(self.len_value.value)


    class List(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self._read()

        def _read(self):
            self.offset = self._io.read_s4le()
            self.len = self._io.read_u4le()


    class Directory(KaitaiStruct):
        """An rkyv record, whose root lies at its end and points back from where the pointers are."""
        def __init__(self, len, _io, _parent=None, _root=None):
            self._io = _io
            self._parent = _parent
            self._root = _root if _root else self
            self.len = len
            self._read()

        def _read(self):
            pass

        @property
        def root_at(self):
            if hasattr(self, '_m_root_at'):
                return self._m_root_at

            self._m_root_at = (self.len - 73)
            return getattr(self, '_m_root_at', None)

        @property
        def root(self):
            if hasattr(self, '_m_root'):
                return self._m_root

            _pos = self._io.pos()
            self._io.seek(self.root_at)
            self._m_root = PostlodeSegment.DirectoryRoot(self._io, self, self._root)
            self._io.seek(_pos)
            return getattr(self, '_m_root', None)

        @property
        def sections(self):
            if hasattr(self, '_m_sections'):
                return self._m_sections

            _pos = self._io.pos()
            self._io.seek(((self.root_at + 33) + self.root.sections.offset))
            self._m_sections = []
            for i in range(self.root.sections.len):
                self._m_sections.append(PostlodeSegment.Section(self._io, self, self._root))

            self._io.seek(_pos)
            return getattr(self, '_m_sections', None)

        @property
        def rows(self):
            if hasattr(self, '_m_rows'):
                return self._m_rows

            _pos = self._io.pos()
            self._io.seek(((self.root_at + 41) + self.root.rows.offset))
            self._m_rows = []
            for i in range(self.root.rows.len):
                self._m_rows.append(PostlodeSegment.RowCount(self._io, self, self._root))

            self._io.seek(_pos)
            return getattr(self, '_m_rows', None)


    @property
    def trailer(self):
        if hasattr(self, '_m_trailer'):
            return self._m_trailer

        _pos = self._io.pos()
        self._io.seek((self._io.size() - 4096))
        self._raw__m_trailer = self._io.read_bytes(4096)
        _io__raw__m_trailer = KaitaiStream(BytesIO(self._raw__m_trailer))
        self._m_trailer = PostlodeSegment.PageTrailer(_io__raw__m_trailer, self, self._root)
        self._io.seek(_pos)
        return getattr(self, '_m_trailer', None)

    @property
    def directory(self):
        """A directory of more than 64 sections would go on in a second block; none does."""
        if hasattr(self, '_m_directory'):
            return self._m_directory

        _pos = self._io.pos()
        self._io.seek(self.trailer.directory_at)
        self._raw__m_directory = self._io.read_bytes(self.trailer.directory_bytes)
        _io__raw__m_directory = KaitaiStream(BytesIO(self._raw__m_directory))
        self._m_directory = PostlodeSegment.Directory(self.trailer.directory_bytes, _io__raw__m_directory, self, self._root)
        self._io.seek(_pos)
        return getattr(self, '_m_directory', None)


