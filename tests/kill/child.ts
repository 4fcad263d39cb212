/** One approved change in a process of its own, between two marks in its trace, to be killed at any call in between. */
import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openAudit } from '../../src/store/audit.ts';
import { openDb } from '../../src/store/db.ts';
import { openReceipts } from '../../src/store/receipts.ts';
import { openState } from '../../src/store/state.ts';
import { quiet } from '../fakes/policy.ts';
import { inline } from './files_inline.ts';
import { argsOf, CALL, type Kind, NEW, ofFiles, openAt, toolOf } from './place.ts';

const [kind, dir] = process.argv.slice(2) as [Kind | 'naive', string];
/** Seen in the trace, and nothing else. */
const mark = (name: string) => statSync(join(dir, `mark-${name}`), { throwIfNoEntry: false });

if (kind === 'naive') naive();
else {
  if (ofFiles(kind)) inline();
  const app = await openAt(dir, 'ask');
  mark('begin');
  const out = await app.door.run({
    id: CALL,
    face: 'mcp-stdio',
    tool: toolOf(kind),
    args: argsOf(kind, dir),
    principal: app.principals.stdio(),
    signal: new AbortController().signal,
  });
  await app.close();
  mark('end');
  if (out.status !== 'done') throw new Error(JSON.stringify(out));
}

/** The control: the effect first and in place, then what is needed to take it back, then a record of the outcome alone. */
function naive(): void {
  const state = openState(join(dir, 'state'));
  const db = openDb(state, quiet);
  const audit = openAudit(state, quiet);
  mark('begin');
  const path = join(dir, 'target');
  const was = readFileSync(path);
  const fd = openSync(path, 'w');
  writeSync(fd, NEW.subarray(0, NEW.length >> 1));
  writeSync(fd, NEW.subarray(NEW.length >> 1));
  closeSync(fd);
  openReceipts(state, db).put({
    principal: 'stdio:0',
    scopes: [],
    tool: 'fixture_file',
    risk: 'change',
    call: CALL,
    input: {},
    targets: [],
    summary: 'Replaced.',
    before: null,
    after: null,
    revert: { data: {}, blobs: { was } },
  });
  audit.append('call', { call: CALL, outcome: 'done' }, { durable: true });
  audit.close();
  db.close();
  mark('end');
}
