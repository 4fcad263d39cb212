/**
 * Text as SQLite's trigram tokenizer is given it and asked for it. Bytes are one character each, and all that is not printable ASCII is
 * a line end: whatever the encoding, a text of ASCII is found. What says nothing new is left out, which makes an index five times as
 * quick to fill. Pure.
 */

/** A piece of a file: where several texts of three lie in one, it is proposed. Smaller ones are more exact, and cost more. */
const PIECE = 128 * 1024;
/** No text that is looked for is longer: one over the border of two pieces lies wholly in the second. */
const OVERLAP = 1_024;
const MOST_ASKED = 24;

const OTHER = 10;
/** Each byte as the tokenizer folds it. */
const FOLDED = Uint8Array.from({ length: 256 }, (_, b) =>
  b < 0x20 || b > 0x7e ? OTHER : b >= 65 && b <= 90 ? b + 32 : b,
);
let met: Uint8Array | undefined;

/** The pieces of a text. In each, every three characters that stand together somewhere do so once. */
export function* pieces(bytes: Uint8Array): Generator<string> {
  for (let at = 0; at < bytes.length; at += PIECE)
    yield shortened(bytes.subarray(Math.max(0, at - OVERLAP), at + PIECE));
}

function shortened(bytes: Uint8Array): string {
  met ??= new Uint8Array(128 ** 3 / 8);
  met.fill(0);
  const out = Buffer.allocUnsafe(bytes.length * 2);
  let length = 0;
  /** Of `bytes`: what stands before it has been written. */
  let written = 0;
  for (let i = 2; i < bytes.length; i++) {
    const a = FOLDED[bytes[i - 2] as number] as number;
    const b = FOLDED[bytes[i - 1] as number] as number;
    const c = FOLDED[bytes[i] as number] as number;
    if (a === OTHER || b === OTHER || c === OTHER) continue;
    const code = (a << 14) | (b << 7) | c;
    const bit = 1 << (code & 7);
    if (((met[code >> 3] as number) & bit) !== 0) continue;
    met[code >> 3] = (met[code >> 3] as number) | bit;
    let from = i - 2;
    // It goes on with what was written last: no need to begin anew.
    if (written > from) from = written;
    else if (length > 0 && written < from) out[length++] = OTHER;
    for (; from <= i; from++) out[length++] = FOLDED[bytes[from] as number] as number;
    written = i + 1;
  }
  return out.toString('latin1', 0, length);
}

/** What a piece must hold to have the text in it, as FTS5 is asked; null: too little of it is ASCII. */
export function asked(text: string): string | null {
  const all = new Set<string>();
  for (const run of text.match(/[\x20-\x7e]{3,}/g) ?? [])
    for (let i = 0; i + 3 <= run.length; i++) all.add(run.slice(i, i + 3).toLowerCase());
  const some = [...all];
  const step = Math.max(1, some.length / MOST_ASKED);
  const chosen = Array.from(
    { length: Math.min(some.length, MOST_ASKED) },
    (_, i) => some[Math.floor(i * step)] as string,
  );
  return chosen.length === 0 ? null : chosen.map((t) => `"${t.replaceAll('"', '""')}"`).join(' AND ');
}

/** The longest part of a pattern's last name that stands there as it is written. */
export function literalOf(glob: string): string {
  const last = glob.split('/').at(-1) ?? '';
  // Behind a set or an escaped character nothing is as it is written.
  const plain = last.split(/[[\\]/)[0] as string;
  return plain.split(/[*?]+/).reduce((a, b) => (b.length > a.length ? b : a), '');
}
