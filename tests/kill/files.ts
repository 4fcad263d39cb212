/**
 * Kills a change of a file at every call by which it touches the file system, and judges what is left: the old or the new, whole, and a
 * way on from there. The control is a file that is written in place.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Trashed } from '../../src/core/files.ts';
import { answerOf, CONTENT, type FileScene, prepare, requestFor, requestOf, sha, TOKEN } from './files_scenes.ts';
import { type Point, pointsOf } from './kill.ts';

export interface FileRow extends Point {
  killed: boolean;
  end: string;
  wrong: string[];
}

const CALLS =
  'write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,mkdir,mkdirat,fchmod,fchown,ftruncate';
const child = fileURLToPath(new URL('files_child.ts', import.meta.url));
const DAY = 86_400_000;

export async function fileSweep(scene: FileScene | 'naive', most = Number.POSITIVE_INFINITY): Promise<FileRow[]> {
  const top = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-fkill-')));
  try {
    const place = async (name: string) => {
      const dir = join(top, name);
      prepare(join(dir, 'root'));
      if (scene === 'restore') await answerOf(requestOf('trash', join(dir, 'root')));
      return dir;
    };
    const counted = await place('counted');
    const clean = traced(scene, counted, []);
    if (clean.status !== 0) throw new Error(`the traced run without a kill failed: ${clean.stderr}`);
    const points = pointsOf(clean.lines);
    const step = Math.max(1, points.length / most);
    const rows: FileRow[] = [];
    for (let n = 0; n < points.length; n += step) {
      const point = points[Math.floor(n)] as Point;
      const dir = await place(`at-${Math.floor(n)}`);
      const run = traced(scene, dir, ['-e', `inject=${point.call}:signal=SIGKILL:when=${point.nth}`]);
      const killed = run.signal === 'SIGKILL' || run.status === 137;
      const wrong: string[] = [];
      const end = await judge(scene, join(dir, 'root'), wrong).catch((e) => `threw ${wrong.push(String(e))}`);
      rows.push({ ...point, killed, end, wrong });
      fs.rmSync(dir, { recursive: true, force: true });
    }
    return rows;
  } finally {
    fs.rmSync(top, { recursive: true, force: true });
  }
}

function traced(scene: string, dir: string, inject: string[]) {
  const log = `${dir}.trace`;
  // Without -f: the thread of the change alone. What cp does to the temporary file cannot be seen by anybody.
  const strace = ['-qq', '-y', '-s', '0', '-o', log, '-e', `trace=${CALLS},statx`, ...inject];
  const { status, signal, stderr } = spawnSync('strace', [...strace, process.execPath, child, scene, dir], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  const lines = fs.readFileSync(log, 'utf8').split('\n');
  fs.rmSync(log);
  return { status, signal, stderr, lines };
}

const is = (path: string): 'old' | 'new' | 'none' | 'torn' => {
  const found = fs.existsSync(path) ? fs.readFileSync(path) : null;
  return !found ? 'none' : found.equals(CONTENT.old) ? 'old' : found.equals(CONTENT.new) ? 'new' : 'torn';
};
/** All of the folder, or nothing of it. */
const tree = (path: string): 'whole' | 'none' | 'torn' => {
  if (!fs.existsSync(path)) return 'none';
  const all = fs.readdirSync(path, { recursive: true }).sort().join();
  return all === 'sub,sub/y,sub/z,x' ? 'whole' : 'torn';
};

async function judge(scene: FileScene | 'naive', root: string, wrong: string[]): Promise<string> {
  const at = (name: string) => join(root, name);
  const want = (ok: boolean, what: string) => ok || wrong.push(what);
  const write = (path: string, expected: object) =>
    answerOf(requestFor(root, path, { op: 'write', bytes: CONTENT.new, expected, keepOwner: true }));
  const trashed = (path: string) => answerOf<Trashed | null>(requestFor(root, path, { op: 'trashed', token: TOKEN }));
  let end: string;
  switch (scene) {
    case 'naive':
    case 'replace':
    case 'upload-replace':
      end = is(at('f'));
      want(end === 'old' || end === 'new', 'the file is torn');
      if (scene !== 'naive') await write('f', { sha256: sha(end === 'old' ? CONTENT.old : CONTENT.new) });
      break;
    case 'create':
    case 'upload':
      end = is(at('new'));
      want(end === 'none' || end === 'new', 'the file is torn');
      // Also where a second name was left: the next write goes on.
      await write('new', end === 'none' ? { missing: true } : { sha256: sha(CONTENT.new) });
      want(fs.statSync(at('new')).nlink === 1, 'has a second name');
      break;
    case 'move': {
      end = `${is(at('f'))} ${is(at('other/g'))}`;
      want(['old none', 'old old', 'none old'].includes(end), 'the file is lost, or torn');
      if (end !== 'none old') await answerOf(requestOf('move', root));
      want(is(at('f')) === 'none' && is(at('other/g')) === 'old', 'the same move again did not end it');
      want(fs.statSync(at('other/g')).nlink === 1, 'has a second name');
      break;
    }
    case 'move-folder':
      end = `${tree(at('d'))} ${tree(at('other/e'))}`;
      want(['whole none', 'none whole'].includes(end), 'the folder is lost, or torn');
      break;
    case 'trash':
    case 'trash-folder': {
      const [name, look] = scene === 'trash' ? (['f', is] as const) : (['d', tree] as const);
      const before = look(at(name));
      const found = await trashed(name);
      end = `${before}${found ? ', in the trash' : ''}`;
      want((before !== 'none') !== (found !== null), 'it is in both places, or in none');
      if (found) await answerOf(requestFor(root, name, { op: 'restore', token: TOKEN }));
      want(['old', 'whole'].includes(look(at(name))), 'it is lost, or torn');
      break;
    }
    case 'restore': {
      const before = is(at('f'));
      const found = await trashed('f');
      end = `${before}${found ? ', in the trash' : ''}`;
      want(before === 'old' || found !== null, 'it is lost');
      if (found) await answerOf(requestOf('restore', root));
      want(is(at('f')) === 'old' && fs.statSync(at('f')).nlink === 1, 'the same restore again did not end it');
      break;
    }
    case 'remove':
      end = tree(at('d'));
      want(end !== 'torn', 'the folder is half gone');
      break;
  }
  if (scene === 'naive') return end;
  // Another day: nothing of the dead process is left.
  const later = Date.now() + 30 * DAY;
  for (const folder of ['', 'other']) {
    const bytes = Buffer.from('x');
    const work = { op: 'write', bytes, expected: { missing: true }, keepOwner: true };
    await answerOf(requestFor(root, join(folder, 'later'), work, later));
  }
  await answerOf(requestFor(root, '', { op: 'emptyTrash', olderThanMs: 7 * DAY }, later));
  const left = (fs.readdirSync(root, { recursive: true }) as string[]).filter((p) =>
    /\.deckhand-(?!trash-\d+$)/.test(p),
  );
  want(left.length === 0, `left behind: ${left[0]}`);
  return end;
}
