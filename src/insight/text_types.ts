/**
 * What a file is, by its first bytes and never by its name: a table of the kinds that lie on servers. Pure. A library of thousands of
 * signatures would tell more of pictures and films, and little more of a host.
 */
import { latin1, type Sniffed, sniffText } from './text_encoding.ts';

export interface ContentType {
  /** As a person says it: `text`, `ELF`, `gzip` … */
  type: string;
  /** Null: no text. */
  text: Sniffed | null;
  /** In plain words, where there is more to say. */
  detail: string | null;
}

/** Enough for every signature below (a tar's stands at 257, an ISO image's is not worth 32 KiB). */
export const SNIFF_BYTES = 4_096;

/** Offset, the bytes there (latin1), what it is. The longer of two that begin alike stands first. */
const SIGNATURES: readonly (readonly [number, string, string])[] = [
  [0, '\x7fELF', 'ELF'],
  [0, '\x1f\x8b', 'gzip'],
  [0, '\x28\xb5\x2f\xfd', 'zstd'],
  [0, '\xfd7zXZ\0', 'xz'],
  [0, 'BZh', 'bzip2'],
  [0, '\x04\x22\x4d\x18', 'lz4'],
  [0, '7z\xbc\xaf\x27\x1c', '7z'],
  [0, 'Rar!\x1a\x07', 'rar'],
  [0, 'PK\x03\x04', 'zip'],
  [0, 'PK\x05\x06', 'zip'],
  [0, '!<arch>\ndebian', 'Debian package'],
  [0, '!<arch>\n', 'ar archive'],
  [0, '\xed\xab\xee\xdb', 'RPM package'],
  [257, 'ustar', 'tar'],
  [0, '070701', 'cpio'],
  [0, 'hsqs', 'squashfs'],
  [0, 'QFI\xfb', 'qcow2 disk image'],
  [0, 'KDMV', 'VMDK disk image'],
  [0, 'LUKS\xba\xbe', 'LUKS volume'],
  [0, 'SQLite format 3\0', 'SQLite database'],
  [0, 'LPKSHHRH', 'systemd journal'],
  [0, 'RRD\0', 'RRD database'],
  [0, 'REDIS0', 'Redis dump'],
  [0, 'PGDMP', 'PostgreSQL dump'],
  [0, '\x89PNG\r\n\x1a\n', 'PNG'],
  [0, '\xff\xd8\xff', 'JPEG'],
  [0, 'GIF8', 'GIF'],
  [0, 'BM', 'BMP'],
  [0, '\0\0\x01\0', 'icon'],
  [0, '%PDF-', 'PDF'],
  [0, 'OggS', 'Ogg'],
  [0, 'fLaC', 'FLAC'],
  [0, 'ID3', 'MP3'],
  [4, 'ftyp', 'MP4'],
  [0, '\x1aE\xdf\xa3', 'Matroska'],
  [0, 'wOF2', 'font'],
  [0, 'wOFF', 'font'],
  [0, 'OTTO', 'font'],
  [0, '\0\x01\0\0\0', 'font'],
  [0, '\0asm', 'WebAssembly'],
  [0, '\xca\xfe\xba\xbe', 'Java class'],
  [0, 'MZ', 'Windows program'],
  [0, '\xd4\xc3\xb2\xa1', 'packet capture'],
  [0, '\n\r\r\n', 'packet capture'],
  [0, 'd8:announce', 'torrent'],
  [0, '\xde\x12\x04\x95', 'gettext catalogue'],
  [0, '\x95\x04\x12\xde', 'gettext catalogue'],
  [0, 'TZif', 'time zone'],
  [0, '\x1a\x01', 'terminfo'],
  [0, '\x1e\x02', 'terminfo'],
];
/** So short that text begins so too: only where it is none. */
const SHORT = new Set([
  'bzip2',
  'BMP',
  'MP3',
  'Windows program',
  'cpio',
  'tar',
  'GIF',
  'font',
  'Redis dump',
  'torrent',
]);

export function contentType(head: Uint8Array, sizeBytes: number): ContentType {
  if (head.length === 0)
    return sizeBytes === 0
      ? { type: 'empty', text: { encoding: 'utf-8', bom: 0 }, detail: null }
      : { type: 'unknown', text: null, detail: 'nothing of it could be read' };
  const begin = latin1(head.subarray(0, 320));
  const text = sniffText(head, head.length >= sizeBytes);
  const found = SIGNATURES.find(([at, bytes]) => begin.startsWith(bytes, at))?.[2];
  if (found && !(text && SHORT.has(found))) return { type: found, text: null, detail: detailOf(found, head, begin) };
  if (text) return { type: 'text', text, detail: textDetail(begin, text) };
  if (/^RIFF.{4}/s.test(begin)) return { type: begin.slice(8, 12).trim() || 'RIFF', text: null, detail: null };
  if (head.every((b) => b === 0)) return { type: 'zeros', text: null, detail: 'it begins with nothing but NUL' };
  return { type: 'data', text: null, detail: null };
}

const MACHINES: Record<number, string> = {
  3: 'x86',
  40: 'ARM',
  62: 'x86-64',
  183: 'AArch64',
  243: 'RISC-V',
  21: 'PPC64',
};
const ELF_KINDS = ['', 'object', 'program', 'shared object or program', 'core dump'];

function detailOf(type: string, head: Uint8Array, begin: string): string | null {
  const u16 = (at: number) => (head[at] ?? 0) | ((head[at + 1] ?? 0) << 8);
  const u32be = (at: number) =>
    (((head[at] ?? 0) << 24) | ((head[at + 1] ?? 0) << 16) | ((head[at + 2] ?? 0) << 8) | (head[at + 3] ?? 0)) >>> 0;
  if (type === 'ELF' && head.length >= 20)
    return [head[4] === 1 ? '32-bit' : '64-bit', MACHINES[u16(18)], ELF_KINDS[u16(16)]].filter(Boolean).join(' ');
  if (type === 'PNG' && head.length >= 24) return `${u32be(16)}×${u32be(20)}`;
  if (type === 'PDF') return /^%PDF-(\d\.\d)/.exec(begin)?.[1] ?? null;
  if (type === 'Java class') return `version ${((head[6] ?? 0) << 8) | (head[7] ?? 0)}`;
  return null;
}

function textDetail(begin: string, { bom }: Sniffed): string | null {
  const line = begin.slice(bom === 3 ? 3 : 0, 200);
  const script = /^#! ?(?:\S*\/)?(?:env (?:-S )?)?([\w.+-]{1,30})/.exec(line);
  if (script?.[1]) return `${script[1]} script`;
  if (/^<\?xml\b/.test(line)) return 'XML';
  if (/^(?:<!doctype html|<html)/i.test(line)) return 'HTML';
  if (/^-----BEGIN [A-Z0-9 ]{1,40}-----/.test(line))
    return `PEM ${/BEGIN ([A-Z0-9 ]+)-/.exec(line)?.[1]?.toLowerCase()}`;
  return null;
}
