/**
 * The audit's key: a file of the state folder, or a credential `audit.key` that systemd passed to the service, which whoever reads the
 * folder (a backup, say) does not have. Decides that one chain has one key: beside a credential the folder keeps only the mark of it,
 * and another key than that is refused, not taken.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OpsError } from '../core/errors.ts';
import { checkLine, macOf } from './audit_chain.ts';
import { BUSY_MS } from './db.ts';
import { exclusively } from './leases.ts';
import type { StateDir } from './state.ts';
import { writeWhole } from './write_whole.ts';

const NAME = 'audit.key';
/** Where those of the service are: also for the command line, while the service runs. */
const SERVICE = '/run/credentials/deckhand.service';
const KEY = /^[0-9a-f]{64}$/;
const MARK = /^credential ([0-9a-f]{64})$/;

const badKey = (path: string, what: string, hint: string) =>
  new OpsError('unavailable', `The audit's key ${path} ${what}.`, { hint });

/** Tells keys apart, and says nothing of them. */
const markOf = (key: Uint8Array) => createHash('sha256').update('deckhand audit key').update(key).digest('hex');

/** Reads the key. Throws ENOENT when there is none. */
export function readKey(path: string, credentials: string | null = null): Buffer {
  if (statSync(path).mode & 0o077)
    throw badKey(path, 'is open to others, who could then forge the audit', `Run: chmod 600 ${path}`);
  const text = readFileSync(path, 'utf8').trim();
  const mark = MARK.exec(text)?.[1];
  if (mark !== undefined) return byMark(path, mark, credentials);
  if (!KEY.test(text))
    throw badKey(
      path,
      'is damaged',
      'Put it back from a backup, or move it and the audit folder away: a new chain begins.',
    );
  return Buffer.from(text, 'hex');
}

function byMark(path: string, mark: string, credentials: string | null): Buffer {
  const key = passedKey(credentials ?? SERVICE);
  if (!key)
    throw badKey(
      path,
      `is a credential of the service (LoadCredential=${NAME}), and it is not here`,
      'It is there while deckhand.service runs: `systemctl start deckhand`. Where LoadCredential= was lost, put it back (docs/systemd.md).',
    );
  if (markOf(key) !== mark)
    throw badKey(
      path,
      `is the mark of another credential ${NAME} than the one that was passed: this audit was written with another key`,
      'Pass the old one again; or move audit.key and the folder audit away: a new chain begins with this key.',
    );
  return key;
}

/** Null when none was passed. Its mode is systemd's: in root's own folder, and for this service alone. */
function passedKey(credentials: string): Buffer | null {
  const path = join(credentials, NAME);
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw badKey(
      path,
      `cannot be read (${code})`,
      'Only root and the user of the service may: run this as one of them.',
    );
  }
  if (!KEY.test(text))
    throw badKey(
      path,
      'is no key: 64 hex digits are expected',
      'Make one: openssl rand -hex 32 > /etc/deckhand/audit.key',
    );
  return Buffer.from(text, 'hex');
}

/** Eight processes may start at once: all of them get the key of the one that came first. `lost`: records are there, their key was not. */
export function haveKey(state: StateDir): { key: Buffer; lost: boolean } {
  const passed = state.credentials === null ? null : passedKey(state.credentials);
  if (existsSync(state.auditKey)) return { key: agreed(state, passed), lost: false };
  return exclusively(join(state.leases, 'audit-key'), BUSY_MS, () => {
    if (existsSync(state.auditKey)) return { key: agreed(state, passed), lost: false };
    const index = join(state.audit, 'index.jsonl');
    const chain = existsSync(index);
    // The file was taken away for the credential, as it should be; if that is the same key.
    if (passed && chain && !fits(index, passed)) throw another(state);
    writeWhole(state.auditKey, passed ? `credential ${markOf(passed)}\n` : `${randomBytes(32).toString('hex')}\n`);
    return { key: readKey(state.auditKey, state.credentials), lost: chain && !passed };
  });
}

function agreed(state: StateDir, passed: Buffer | null): Buffer {
  const key = readKey(state.auditKey, state.credentials);
  if (passed && !timingSafeEqual(passed, key)) throw another(state);
  return key;
}

/** Whether the chain begins as this key would have begun it. */
function fits(index: string, key: Buffer): boolean {
  const [first = ''] = readFileSync(index, 'utf8').split('\n', 1);
  return first === '' || checkLine(first, macOf(key)).genuine;
}

const another = (state: StateDir) =>
  new OpsError(
    'conflict',
    `A credential ${NAME} was passed, and the audit in ${state.audit} was written with another key.`,
    {
      hint: `One chain has one key. To keep this audit, make its key the credential: \`install -m 600 ${state.auditKey} /etc/deckhand/audit.key\`, restart, and then remove the file in the state folder. To begin a new one, move ${state.auditKey} and ${state.audit} away.`,
    },
  );
