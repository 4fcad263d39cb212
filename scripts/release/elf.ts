/**
 * An ELF program (Node) made into another: `stripped` takes out what only debuggers read, `injected` puts the blob of a single executable
 * in, as Node looks for it: a note in memory, and a mark that there is one. Node's documentation names a tool for that (postject), which
 * is as old as half of this and no longer needed for so little; Node 26 can do it alone (`--build-sea`), but only for itself, and its
 * Linux builds want libatomic.so.1, which a bare Debian does not have.
 */
const [LOAD, NOTE, PHDR] = [1, 4, 6];
const HEADER = 56;
/** The largest page that Linux has on these architectures. */
const PAGE = 0x10000;
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:';
const NAME = 'NODE_SEA_BLOB';

interface Segment {
  type: number;
  offset: number;
  address: number;
  fileSize: number;
  memorySize: number;
}

function segments(elf: Buffer): { table: number; all: Segment[] } {
  if (elf.toString('latin1', 0, 4) !== '\x7fELF' || elf[4] !== 2 || elf[5] !== 1 || elf.readUInt16LE(54) !== HEADER)
    throw new Error('this Node is no 64-bit little-endian ELF program');
  const table = Number(elf.readBigUInt64LE(32));
  const all = Array.from({ length: elf.readUInt16LE(56) }, (_, i) => {
    const at = table + HEADER * i;
    const [offset, address, , fileSize, memorySize] = [8, 16, 24, 32, 40].map((n) =>
      Number(elf.readBigUInt64LE(at + n)),
    );
    return { type: elf.readUInt32LE(at), offset, address, fileSize, memorySize } as Segment;
  });
  return { table, all };
}

/**
 * Without symbols and debug sections, a fifth of Node. They lie behind all that is loaded, so the file is cut there and its table of
 * sections left out, which no loader looks at. Not by `strip`: that is not everywhere, and its versions write different bytes.
 */
export function stripped(elf: Buffer): Buffer {
  const { table, all } = segments(elf);
  const ends = all.filter((s) => s.type === LOAD).map((s) => s.offset + s.fileSize);
  const cut = Buffer.from(elf.subarray(0, Math.max(table + HEADER * all.length, ...ends)));
  cut.writeBigUInt64LE(0n, 40); // where the sections' table is
  cut.writeUInt16LE(0, 60); // how many
  cut.writeUInt16LE(0, 62); // which of them has the names
  return cut;
}

/** At the end of the file: a longer table of segments, and the note with the blob, in one segment more that is loaded. */
export function injected(elf: Buffer, blob: Buffer): Buffer {
  const { table, all } = segments(elf);
  const loads = all.filter((s) => s.type === LOAD);
  const first = loads[0];
  if (!first) throw new Error('this Node has nothing that is loaded');
  // As far from its place in the file as the rest: kernels before 5.18 look for the table in memory by that distance.
  const distance = first.address - first.offset;
  const end = Math.max(...loads.map((s) => s.address + s.memorySize));
  const offset = Math.ceil(Math.max(elf.length, end - distance) / PAGE) * PAGE;
  const count = all.length + 2;
  const name = Buffer.alloc(Math.ceil((NAME.length + 1) / 4) * 4);
  name.write(NAME, 'latin1');
  const note = Buffer.alloc(12);
  note.writeUInt32LE(NAME.length + 1, 0);
  note.writeUInt32LE(blob.length, 4);
  const noteAt = Math.ceil((HEADER * count) / 16) * 16;
  const noteSize = note.length + name.length + blob.length;

  const headers = Buffer.alloc(noteAt);
  elf.copy(headers, 0, table, table + HEADER * all.length);
  const put = (index: number, type: number, from: number, size: number, align: number) => {
    const at = HEADER * index;
    headers.writeUInt32LE(type, at);
    headers.writeUInt32LE(4, at + 4); // to be read
    const fields = [from, from + distance, from + distance, size, size, align];
    for (const [i, value] of fields.entries()) headers.writeBigUInt64LE(BigInt(value), at + 8 + 8 * i);
  };
  for (const [i, { type }] of all.entries()) if (type === PHDR) put(i, PHDR, offset, HEADER * count, 8);
  put(all.length, LOAD, offset, noteAt + noteSize, PAGE);
  put(all.length + 1, NOTE, offset + noteAt, noteSize, 4);

  const program = Buffer.from(elf);
  program.writeBigUInt64LE(BigInt(offset), 32);
  program.writeUInt16LE(count, 56);
  const fuse = program.indexOf(`${FUSE}0`, 0, 'latin1');
  if (fuse < 0 || program.indexOf(`${FUSE}0`, fuse + 1, 'latin1') >= 0)
    throw new Error('this Node cannot be made into a single executable: it has no such mark, or several');
  program[fuse + FUSE.length] = 0x31;
  return Buffer.concat([program, Buffer.alloc(offset - program.length), headers, note, name, blob]);
}
