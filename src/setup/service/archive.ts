/**
 * A release tarball, read as if an attacker had packed it: plain files and folders below one folder, and nothing else. Decides what may be
 * in an archive and how large it may be; whether it is the release that it says, release.ts. It is read once, from its first byte to its
 * last, so that what was checked is what was unpacked.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { OpsError } from '../../core/errors.ts';

export interface ArchiveFile {
  /** Below the archive's one folder. */
  path: string;
  executable: boolean;
  size: number;
}

export interface Sink {
  /** Before any file: the archive's one folder. */
  begin(folder: string): void;
  file(file: ArchiveFile): { write(part: Buffer): void; end(): void };
}

const BLOCK = 512;
const MOST_FILES = 20_000;
const MOST_BYTES = 1024 ** 3;
const MOST_HEADER = 64 * 1024;
/** What our own paths are made of: no control characters, nothing that a shell or a terminal reads otherwise. */
const PART = /^[\w.@+~-]{1,120}$/;

export function refuse(message: string): OpsError {
  return new OpsError('validation', `This is no release of Deckhand: ${message}`, {
    hint: 'Fetch it anew, and compare its SHA-256 with the one that was published beside it. Nothing was changed.',
  });
}

/** Gives the SHA-256 of the whole file, as it was read. */
export async function readArchive(path: string, sink: Sink): Promise<string> {
  const hash = createHash('sha256');
  const source = createReadStream(path, { highWaterMark: 256 * 1024 });
  source.on('data', (part) => hash.update(part));
  const gunzip = createGunzip();
  source.on('error', (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  try {
    await parse(gunzip, sink);
    return hash.digest('hex');
  } catch (error) {
    const code = String((error as { code?: unknown }).code ?? '');
    if (/^Z_|ERR_/.test(code) && !(error instanceof OpsError))
      throw refuse(`it cannot be unpacked (${(error as Error).message}).`);
    throw error;
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

interface Open {
  left: number;
  padding: number;
  out: ReturnType<Sink['file']>;
}

async function parse(stream: AsyncIterable<Buffer>, sink: Sink): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  let top: string | null = null;
  let open: Open | null = null;
  let total = 0;
  let files = 0;
  let ended = false;
  const seen = new Set<string>();

  const header = (block: Buffer): void => {
    if (block.every((b) => b === 0)) {
      ended = true;
      return;
    }
    if (ended) throw refuse('something stands behind its end.');
    const entry = headerOf(block);
    total += entry.size;
    if (total > MOST_BYTES || ++files > MOST_FILES) throw refuse('it is larger than any release.');
    const parts = entry.name.replace(/\/$/, '').split('/');
    const wrong = parts.find((p) => !PART.test(p) || p === '.' || p === '..');
    if (wrong !== undefined)
      throw refuse(`a path in it leads elsewhere, or is none of ours: ${JSON.stringify(entry.name.slice(0, 200))}.`);
    if (entry.type !== '0' && entry.type !== '5')
      throw refuse(
        `${JSON.stringify(entry.name)} is ${KINDS[entry.type] ?? `of kind ${JSON.stringify(entry.type)}`}; a release holds plain files only.`,
      );
    const [first = '', ...below] = parts;
    if (top === null) {
      top = first;
      sink.begin(first);
    }
    if (first !== top) throw refuse(`it holds more than one folder: ${top} and ${first}.`);
    if (entry.type === '5') {
      if (entry.size !== 0) throw refuse(`the folder ${JSON.stringify(entry.name)} has a content.`);
      return;
    }
    if (below.length === 0) throw refuse(`${JSON.stringify(entry.name)} lies beside its folder.`);
    const path = below.join('/');
    if (seen.has(path)) throw refuse(`${path} is in it twice.`);
    seen.add(path);
    const out = sink.file({ path, executable: (entry.mode & 0o100) !== 0, size: entry.size });
    open = { left: entry.size, padding: (BLOCK - (entry.size % BLOCK)) % BLOCK, out };
    if (entry.size === 0) close();
  };
  const close = () => {
    open?.out.end();
    open = null;
  };

  for await (const chunk of stream) {
    let at = 0;
    const data = rest.length ? Buffer.concat([rest, chunk]) : chunk;
    for (;;) {
      if (open !== null) {
        const now: Open = open;
        const take = Math.min(now.left, data.length - at);
        if (take > 0) now.out.write(data.subarray(at, at + take));
        now.left -= take;
        at += take;
        if (now.left > 0) break;
        if (data.length - at < now.padding) break;
        at += now.padding;
        close();
      }
      if (data.length - at < BLOCK) break;
      header(data.subarray(at, at + BLOCK));
      at += BLOCK;
    }
    rest = Buffer.from(data.subarray(at));
    if (rest.length > MOST_HEADER) throw refuse('it cannot be understood.');
  }
  if (open !== null || !ended || top === null) throw refuse('its end is missing.');
}

const KINDS: Record<string, string> = {
  '1': 'a link to another file',
  '2': 'a symbolic link',
  '3': 'a device',
  '4': 'a device',
  '6': 'a FIFO',
};

function headerOf(block: Buffer): { name: string; size: number; mode: number; type: string } {
  const text = (at: number, length: number) => {
    const part = block.subarray(at, at + length);
    const end = part.indexOf(0);
    return part.subarray(0, end < 0 ? length : end).toString('utf8');
  };
  const octal = (at: number, length: number) => {
    const digits = text(at, length).trim();
    if (!/^[0-7]{1,11}$/.test(digits)) throw refuse('a header in it is damaged.');
    return Number.parseInt(digits, 8);
  };
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : (block[i] as number);
  if (sum !== octal(148, 8) || text(257, 5) !== 'ustar') throw refuse('a header in it is damaged.');
  const prefix = text(345, 155);
  const type = String.fromCharCode(block[156] as number).replace('\0', '0');
  return {
    name: prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`,
    size: octal(124, 12),
    mode: octal(100, 8),
    type,
  };
}
