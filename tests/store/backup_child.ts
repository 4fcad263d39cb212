/** Writes into a state folder until it is killed: audit with short segments and little room, receipts with contents, kept results, tokens. */
import { openAudit } from '../../src/store/audit.ts';
import { openDb } from '../../src/store/db.ts';
import { openKept } from '../../src/store/kept.ts';
import { newOwner } from '../../src/store/owner.ts';
import { openReceipts } from '../../src/store/receipts.ts';
import { openState } from '../../src/store/state.ts';
import { openTokens } from '../../src/store/tokens.ts';

/** `pauseMs` between two rounds; without it as fast as it goes: ten thousand contents a minute, which no backup is made for. */
const [, , dir = '', few = '', pauseMs = ''] = process.argv;
const quiet = () => {};
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
const state = openState(dir);
const db = openDb(state, log);
const self = newOwner();
const audit = openAudit(state, log, {
  self,
  segmentBytes: 30_000,
  checkpoint: 20,
  retention: { bytes: few ? 200_000 : 50_000_000, every: 2 },
});
const receipts = openReceipts(state, db, { self });
const kept = openKept(db);
const tokens = openTokens(state, log);

const parent = process.ppid;
// Whoever started it may be killed: nobody else would end it.
for (let i = 0; process.ppid === parent; i++) {
  const call = `${process.pid}-${i}`;
  audit.append('intent', { call, tool: 'file_write', args: { text: 'x'.repeat(300) } }, { durable: true });
  const id = receipts.prepare({
    principal: 'cli:0',
    scopes: [],
    tool: 'file_write',
    risk: 'change',
    call,
    input: { path: `/tmp/${call}` },
    targets: [],
    summary: call,
    before: { i },
    revert: { data: {}, blobs: { old: Buffer.from(`old ${call} ${'y'.repeat(i % 5_000)}`) } },
  });
  receipts.finish(id, { summary: call, before: { i }, after: { i } });
  audit.append('call', { call, tool: 'file_write', outcome: 'done' });
  kept.put({ principal: 'p', scopes: [], tool: 't', data: { rows: [i] }, foreignPaths: [], lists: ['rows'] });
  if (i % 50 === 10) tokens.add({ name: `t${process.pid}`, role: 'viewer' });
  if (i % 50 === 40) tokens.revoke(`t${process.pid}`);
  if (i === 20) process.stdout.write('ready\n');
  if (pauseMs || i % 10 === 0) await new Promise((done) => setTimeout(done, Number(pauseMs || 1)));
}
