/**
 * An ELF program without what only debuggers read: symbol tables and debug sections, a fifth of Node. They lie behind all that is loaded,
 * so the file is cut there and its table of sections left out, which no loader looks at. Not by `strip`: that is not everywhere, and its
 * versions write different bytes. It must come before Deckhand is put in: what is put in is loaded, and lies at the end.
 */
const LOAD = 1;

export function stripped(elf: Buffer): Buffer {
  if (elf.toString('latin1', 0, 4) !== '\x7fELF' || elf[4] !== 2 || elf[5] !== 1)
    throw new Error('this Node is no 64-bit little-endian ELF program');
  const headers = Number(elf.readBigUInt64LE(32));
  const size = elf.readUInt16LE(54);
  const count = elf.readUInt16LE(56);
  let end = headers + size * count;
  for (let i = 0; i < count; i++) {
    const at = headers + size * i;
    if (elf.readUInt32LE(at) !== LOAD) continue;
    end = Math.max(end, Number(elf.readBigUInt64LE(at + 8) + elf.readBigUInt64LE(at + 32)));
  }
  const cut = Buffer.from(elf.subarray(0, end));
  cut.writeBigUInt64LE(0n, 40); // where the sections' table is
  cut.writeUInt16LE(0, 60); // how many
  cut.writeUInt16LE(0, 62); // which of them has the names
  return cut;
}
