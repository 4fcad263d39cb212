/** The owner's commands: what is listed and shown, who decides, and the person at the terminal who is asked. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { detailsOf } from '../../src/cli/approval_text.ts';
import { approve, deny, list } from '../../src/cli/approvals.ts';
import { run as call } from '../../src/cli/call.ts';
import type { Run } from '../../src/cli/commands.ts';
import { openControl } from '../../src/edge/control.ts';
import type { Approval } from '../../src/policy/deciding.ts';
import { callOf, quiet, type Rig, rig, who } from '../fakes/policy.ts';
import { stage } from '../fakes/tools.ts';
import { runOf, screen } from './screen.ts';

beforeEach(() => stage.reset());

const me = who('cli:0', ['admin'], { kind: 'cli' });

function house(over: Parameters<typeof rig>[0] = {}) {
  const made = rig({ mode: 'ask', ...over });
  const dir = mkdtempSync(join(tmpdir(), 'dh-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const app = { door: made.door, deciding: made.deciding, state: { dir }, principals: { cli: () => me } };
  return { ...made, made, dir, app };
}
const asks = async (r: Rig, args: object = { to: 'new' }, over = {}) => {
  const out = await r.door.run(callOf('fixture_rename', args, over));
  return out.status === 'pending' ? String(out.data.handle) : 'none';
};
async function does(what: (r: Run) => Promise<number>, app: object, over: Partial<Run> = {}, tty = {}) {
  const io = screen(tty);
  const code = await what(runOf(io, app, over)).catch((thrown) => thrown);
  return { code, out: io.stdout, err: io.stderr };
}
/** A terminal whose person answers so, each time. */
function person(...answers: (string | null)[]) {
  const questions: string[] = [];
  return {
    questions,
    tty: {
      inTty: true,
      outTty: true,
      errTty: true,
      ask: async (question: string) => {
        questions.push(question);
        return answers.shift() ?? null;
      },
    },
  };
}

describe('approvals', () => {
  test('lists what waits; the rest on request; as JSON', async () => {
    const h = house();
    expect((await does(list, h.app)).err).toContain('Nothing waits for a decision.');
    expect((await does(list, h.app, { own: { all: true } })).err).toContain('Nothing was asked lately.');
    const first = await asks(h, { to: 'new' });
    const second = await asks(h, { to: 'nothing' });
    h.deciding.decide(first, { approver: 'cli:0', granted: false });
    const waiting = await does(list, h.app);
    expect(waiting.out).toContain(second);
    expect(waiting.out).not.toContain(first);
    expect(waiting.out).toMatch(/ID +STATE +LEFT +WHO +TOOL +RISK +WHAT/);
    expect((await does(list, h.app, { own: { all: true } })).out).toMatch(/refused +- +token:operator/);
    expect(JSON.parse((await does(list, h.app, { own: { json: true } })).out)).toMatchObject([
      { id: second, risk: 'destroy', arguments: { to: 'nothing' } },
    ]);
  });

  test('shows all there is to know of one', async () => {
    const h = house();
    const id = await asks(h, { to: 'new' }, { face: 'mcp-http', client: 'Claude\n1', address: '10.0.0.9' });
    const { out } = await does(list, h.app, { positionals: [id] });
    for (const part of [
      'Rename old to new.',
      'fixture_rename (change)',
      'path:/word',
      'token:operator over mcp-http from 10.0.0.9',
      'calls itself “Claude\\n1”',
      '│ to: "new"',
      '│ +new',
    ])
      expect(out.replace(/ {2,}/g, ' ')).toContain(part);
    const json = JSON.parse((await does(list, h.app, { positionals: [id], own: { json: true } })).out);
    expect(json).toMatchObject({ id, state: 'waiting', from: { selfReportedClient: 'Claude\\n1' }, decidedAt: null });
  });

  test('an id that is none has the ones that wait beside it', async () => {
    const h = house();
    const id = await asks(h);
    for (const wrong of ['a_aaaaaaaaaaaaaaaaaaaaaaaaaa', 'x', '../approvals'])
      expect((await does(list, h.app, { positionals: [wrong] })).code).toMatchObject({
        code: 'not_found',
        details: { candidates: [id] },
      });
    expect((await does(approve, house().app, { positionals: ['x'] })).code).toMatchObject({ code: 'not_found' });
  });

  test('no text in it moves the cursor or stands outside its bar', () => {
    const nasty = 'a\u001b[2J\u202e\nRISK none\r\u0007';
    const a: Approval = {
      id: 'a_x',
      principal: `token:${nasty}`,
      scopes: [],
      tool: 'fixture_rename',
      risk: 'destroy',
      origin: { client: nasty },
      inputHash: '',
      digest: '',
      shown: { [nasty]: nasty },
      targets: [{ kind: 'path', name: nasty }],
      summary: nasty,
      diff: nasty,
      state: 'refused',
      createdAtMs: 0,
      expiresAtMs: 1,
      approver: 'cli:0',
      decidedAtMs: 0,
      because: nasty,
    };
    const view = { width: 80, now: 5, paint: (_: string, text: string) => text };
    const text = detailsOf(a, view);
    expect(text).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    for (const line of text.split('\n').slice(1)) expect(line).toMatch(/^ {2}(\w| {2}│ )/);
    expect(detailsOf({ ...a, targets: [], shown: {}, diff: null }, view)).toContain('│ none');
    expect(detailsOf({ ...a, shown: 'cut text' }, view)).toContain('│ cut text');
  });
});

describe('approve and deny', () => {
  test('through the state where no server runs', async () => {
    const h = house();
    const id = await asks(h);
    const { code, err } = await does(approve, h.app, { positionals: [id] });
    expect(code).toBe(0);
    expect(err).toMatch(/^Approved for token:operator, once, within [\d a-z]+: Rename old to new\./);
    expect(h.deciding.get(id)).toMatchObject({ state: 'granted', approver: 'cli:0' });
    expect((await does(approve, h.app, { positionals: [id] })).code).toMatchObject({ code: 'conflict' });
  });

  test('through the server where one runs', async () => {
    const h = house();
    const id = await asks(h);
    const control = await openControl({
      path: join(h.dir, 'control.sock'),
      deciding: h.deciding,
      approver: 'cli:42',
      lease: () => ({ sure: true, [Symbol.dispose]: () => {} }),
      log: quiet,
    });
    // Only the server's own hands are left.
    const app = { ...h.app, deciding: {} };
    expect((await does(list, app)).out).toContain(id);
    const { code, err } = await does(deny, app, { positionals: [id], own: { because: 'later' } });
    expect(code).toBe(0);
    expect(err).toContain('cannot ask for the same again');
    expect(h.deciding.get(id)).toMatchObject({ state: 'refused', approver: 'cli:42', because: 'later' });
    await control?.close();
  });

  test('a person is shown what it is and asked; --yes is not', async () => {
    const h = house();
    const id = await asks(h);
    for (const answer of ['', 'n', 'yes please', null]) {
      const p = person(answer);
      const { code, err } = await does(approve, h.app, { positionals: [id] }, p.tty);
      expect([code, h.deciding.get(id)?.state]).toEqual([0, 'waiting']);
      expect(err).toContain('│ to: "new"');
      expect(err).toContain('it still waits');
    }
    const p = person();
    await does(approve, h.app, { positionals: [id], own: { yes: true } }, p.tty);
    expect(p.questions).toEqual([]);
    expect(h.deciding.get(id)?.state).toBe('granted');
    const other = await asks(h, { to: 'other' });
    const q = person(' Y ');
    await does(approve, h.app, { positionals: [other] }, q.tty);
    expect(h.deciding.get(other)?.state).toBe('granted');
  });

  test('nobody approves a call of their own, and is told what to do instead', async () => {
    const h = house();
    const id = await asks(h, { to: 'new' }, { principal: me });
    expect((await does(approve, h.app, { positionals: [id] })).code).toMatchObject({
      code: 'permission',
      details: { hint: expect.stringContaining('on a terminal') },
    });
    expect(h.deciding.get(id)?.state).toBe('waiting');
  });
});

describe('deckhand call', () => {
  const rename = (
    h: ReturnType<typeof house>,
    p: ReturnType<typeof person> | null,
    to = 'new',
    over: Partial<Run> = {},
  ) => does(call, h.app, { positionals: ['fixture_rename'], rest: ['--to', to], ...over }, p?.tty ?? {});

  test.each(['new', 'nothing'])('asks the person at the terminal (%s), and does it on a yes', async (to) => {
    const h = house();
    const p = person('y');
    const { code, out, err } = await rename(h, p, to);
    expect(code).toBe(0);
    expect(err).toContain(`│ to: "${to}"`);
    expect(p.questions).toEqual(['Do it now? [y/N] ']);
    expect(out).toContain('done: Renamed');
    expect(h.records.find((x) => x.event === 'intent')?.fields.approval).toMatch(/ by tty:0$/);
  });

  test.each(['', 'n', 'no', 'yess', null])('%j is a no', async (answer) => {
    const h = house();
    const { code, err } = await rename(h, person(answer));
    expect(code).toBe(3);
    expect(err).toContain('you said no');
    expect(stage.applied).toBe(0);
    expect(h.records.find((x) => x.fields.state === 'refused')?.fields.approver).toBe('tty:0');
    // Asked again at once: nobody else is bothered by it.
    expect((await rename(h, person('y'))).code).toBe(0);
  });

  test('a signal at the question is a no', async () => {
    const h = house();
    const stop = new AbortController();
    const p = person();
    p.tty.ask = async () => {
      stop.abort('SIGINT');
      return null;
    };
    expect((await rename(h, p, 'new', { signal: stop.signal })).code).toBe(130);
    expect(stage.applied).toBe(0);
  });

  test('asks nobody where nobody sits, and waits for the owner', async () => {
    for (const tty of [{}, { inTty: true }, { outTty: true, errTty: true }]) {
      const h = house();
      const { code, out } = await does(call, h.app, { positionals: ['fixture_rename'], rest: ['--to', 'new'] }, tty);
      expect(code).toBe(9);
      expect(out).toContain('deckhand approve a_');
    }
  });

  test('a state that moves is another question, three times at most', async () => {
    const h = house();
    const p = person('y', 'y', 'y', 'y');
    const { ask } = p.tty;
    let n = 0;
    p.tty.ask = async (question) => {
      stage.state = `moved ${++n}`;
      return ask(question);
    };
    const { code, err } = await rename(h, p);
    expect(code).toBe(9);
    expect(p.questions).toHaveLength(3);
    for (const part of ['old to new', 'moved 1 to new', 'moved 2 to new']) expect(err).toContain(`Rename ${part}`);
    expect(stage.applied).toBe(0);
  });

  test('a state that moves under the lock is asked about, too', async () => {
    const h = house();
    const { acquire } = h.policy.locks;
    let once = true;
    h.policy.locks.acquire = (key) => {
      if (once) stage.state = 'moved';
      once = false;
      return acquire(key);
    };
    const p = person('y', 'y');
    expect((await rename(h, p)).code).toBe(0);
    expect(p.questions).toHaveLength(2);
    expect(stage).toMatchObject({ applied: 1, state: 'new' });
  });

  test('a dry run asks nothing', async () => {
    const h = house();
    const p = person();
    await does(call, h.app, { positionals: ['fixture_rename'], rest: ['--to', 'new', '--dry-run'] }, p.tty);
    expect(p.questions).toEqual([]);
  });
});
