/** The changes of files that are killed: what stands there before, and what is asked for. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import type { HeldStage } from '../../src/host/files/stage.ts';
import { answer, type Request } from '../../src/host/files/thread.ts';
import { idOf } from '../../src/host/files/walk.ts';
import type { Work } from '../../src/host/files/work.ts';

export const SCENES = [
  'replace',
  'create',
  'move',
  'move-folder',
  'trash',
  'trash-folder',
  'restore',
  'remove',
  'upload',
  'upload-replace',
] as const;
export type FileScene = (typeof SCENES)[number];

export const TOKEN = 'abcdefghijklmnopqrstuvwx';
const bytes = (seed: string, n: number) => createHash('shake256', { outputLength: n }).update(seed).digest();
/** Of several writes each. */
export const CONTENT = { old: bytes('old', 2_500_000), new: bytes('new', 3_100_000) };
export const sha = (b: Uint8Array) => createHash('sha256').update(b).digest('hex');

export function prepare(root: string): void {
  fs.mkdirSync(join(root, 'd/sub'), { recursive: true });
  fs.mkdirSync(join(root, 'other'));
  fs.writeFileSync(join(root, 'f'), CONTENT.old);
  for (const name of ['x', 'sub/y', 'sub/z']) fs.writeFileSync(join(root, 'd', name), CONTENT.old.subarray(0, 1_000));
}

const RULES = { access: 'write', depth: 9, oneFilesystem: true, symlinks: 'refuse' } as const;

export function requestFor(root: string, path: string, work: object, nowMs = Date.now()): Request {
  const rules = { root: { path: root, ...RULES }, inner: [], ours: [], deny: [] };
  return { id: 1, nowMs, ...rules, ...work, path: Buffer.from(join(root, path)) } as unknown as Request;
}

/** As its answer says it; throws what it says went wrong. */
export async function answerOf<T>(request: Request): Promise<T> {
  const said = (await answer(request)) as { value?: T; error?: { code: string; message: string } };
  if (said.error) throw new Error(`${said.error.code}: ${said.error.message}`);
  return said.value as T;
}

export const id = (path: string) => idOf(fs.lstatSync(path, { bigint: true }));

/** In steps, as an upload comes: staged, filled, ready, put in its place. */
export async function upload(scene: 'upload' | 'upload-replace', root: string): Promise<void> {
  const rules = { root: { path: root, ...RULES }, inner: [], ours: [], deny: [] };
  const path = Buffer.from(join(root, scene === 'upload' ? 'new' : 'f'));
  const expected = scene === 'upload' ? { missing: true } : { sha256: sha(CONTENT.old) };
  const sizeBytes = CONTENT.new.length;
  const at = { ...rules, path, sizeBytes };
  const step = async <T>(step: object) => answerOf<T>({ id: 1, op: 'transfer', step } as never);
  const want = { expected, keepOwner: true, mode: null, temporary: '.deckhand-0123456789abcdef01234567' };
  const held = await step<HeldStage>({ do: 'stage', ...at, ...want });
  const from = new Uint8Array(new SharedArrayBuffer(1_000_000));
  for (let offset = 0; offset < sizeBytes; offset += from.length) {
    const piece = CONTENT.new.subarray(offset, offset + from.length);
    from.set(piece);
    await step({ do: 'append', fd: held.fd, from, length: piece.length, offset });
  }
  const ready = await step<HeldStage>({ do: 'ready', ...at, held });
  await step({ do: 'commit', held: ready });
  await step({ do: 'discard', held: { ...ready, done: true } });
}

export function requestOf(scene: Exclude<FileScene, 'upload' | 'upload-replace'>, root: string): Request {
  const is = (name: string) => id(join(root, name));
  const ask = (path: string, work: Omit<Work, 'path'> & object) => requestFor(root, path, work);
  const write = { op: 'write', bytes: CONTENT.new, keepOwner: true };
  const to = (name: string) => requestFor(root, name, {});
  switch (scene) {
    case 'replace':
      return ask('f', { ...write, expected: { sha256: sha(CONTENT.old) } } as never);
    case 'create':
      return ask('new', { ...write, expected: { missing: true } } as never);
    case 'move':
      return ask('f', { op: 'move', to: to('other/g'), is: is('f') } as never);
    case 'move-folder':
      return ask('d', { op: 'move', to: to('other/e'), is: is('d') } as never);
    case 'trash':
      return ask('f', { op: 'trash', is: is('f'), token: TOKEN } as never);
    case 'trash-folder':
      return ask('d', { op: 'trash', is: is('d'), token: TOKEN } as never);
    case 'restore':
      return ask('f', { op: 'restore', token: TOKEN } as never);
    case 'remove':
      return ask('d', { op: 'remove', is: is('d'), maxEntries: 99 } as never);
  }
}
