/** A folder as a table, a path's facts in two lines. Decides wording only. */
import { type Column, table } from '../core/table.ts';
import { bytes } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import type { FileListAnswer, FileRow } from './file_list.ts';

const COLUMNS: Column[] = [{ head: 'SIZE', align: 'right' }, { head: 'MODIFIED (UTC)' }, { head: 'NAME' }];
const SIGN: Partial<Record<NonNullable<FileRow['kind']>, string>> = {
  directory: '/',
  symlink: ' (link)',
  fifo: ' (fifo)',
  socket: ' (socket)',
  'character-device': ' (device)',
  'block-device': ' (device)',
};

export function fileListText(o: FileListAnswer, view: View): string {
  const lines: string[] = [];
  if (o.roots) {
    lines.push(view.paint('bold', 'folders that may be used'));
    const rows = o.roots.map((r) => [r.path, r.access, r.depth, r.symlinks, r.oneFilesystem ? 'one' : 'any']);
    const heads = ['PATH', 'ACCESS', 'DEPTH', 'LINKS', 'FILE SYSTEMS'].map((head) => ({ head }));
    if (rows.length > 0) lines.push(table(heads, rows, view));
  }
  if (o.about) lines.push(view.paint('bold', aboutText(o)), ...more(o));
  if (o.entries.length > 0 || o.about?.kind === 'directory') {
    const { entries, matched, bytes: sum } = o.total;
    const kinds = Object.entries(o.byKind).map(([kind, n]) => `${n} ${kind}`);
    const of = matched === entries ? `${entries} entries` : `${matched} of ${entries} entries`;
    lines.push(`${of}${kinds.length > 0 ? ` (${kinds.join(', ')})` : ''}, ${bytes(sum)} in files, by ${o.sort}`);
    if (o.entries.length > 0) lines.push(table(COLUMNS, o.entries.map(row), view));
  }
  lines.push(...o.unknown.map((u) => `not known: ${u.what} (${u.why})`));
  return lines.join('\n');
}

function row(r: FileRow): string[] {
  const size = r.sizeBytes === null ? '-' : bytes(r.sizeBytes);
  const modified = r.modified === null ? '-' : `${r.modified.slice(0, 10)} ${r.modified.slice(11, 16)}`;
  const as = r.uri ? ` (${r.uri})` : '';
  return [size, modified, `${r.name}${(r.kind && SIGN[r.kind]) ?? ''}${r.denied ? ' (denied)' : ''}${as}`];
}

function aboutText({ about: a }: FileListAnswer): string {
  if (!a) return '';
  const type = a.kind === 'file' ? (a.type ?? 'file of unknown type') : a.kind;
  const size = a.kind === 'file' ? `, ${bytes(a.sizeBytes)}${sparse(a)}` : '';
  return `${type}${a.encoding && a.encoding !== 'utf-8' ? `, ${a.encoding}` : ''}${size}, ${a.rwx} ${a.mode} ${a.owner}:${a.group}, modified ${a.modified ?? '?'}`;
}

const sparse = (a: NonNullable<FileListAnswer['about']>): string =>
  a.sizeBytes > 1_048_576 && a.allocatedBytes < a.sizeBytes / 2 ? ` (${bytes(a.allocatedBytes)} on the disk)` : '';

function more({ about: a }: FileListAnswer): string[] {
  if (a?.kind === 'directory' || !a) return [];
  const said = [`changed ${a.changed ?? '?'}, accessed ${a.accessed ?? '?'}${a.links > 1 ? `, ${a.links} links` : ''}`];
  if (a.sha256) said.push(`sha256 ${a.sha256}`);
  return said;
}
