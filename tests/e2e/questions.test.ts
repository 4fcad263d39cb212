/** The question to a client's user on the product's own processes: the official clients, and one that goes while it is asked. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as OldHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ERAS, type Era } from './product.ts';
import { overStdio, SCRIPT, type Server, type Stage, serve, stageAt, until } from './work_client.ts';
import { wordOf } from './work_tools.ts';

// Processes are started, and a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let at: Stage;
let server: Server;
beforeAll(async () => {
  at = stageAt({ DECKHAND_MODE: 'ask', DECKHAND_APPROVALS_CLIENT: 'change' });
  server = await serve(at);
});
afterAll(async () => {
  server.child.kill('SIGTERM');
  expect([await server.exit, server.err()]).toEqual([0, '']);
  at[Symbol.dispose]();
});

/** A client whose user always answers so, and what it was asked. */
async function connect(era: Era, over: 'stdio' | 'HTTP', decision: string | null) {
  const questions: string[] = [];
  const answer = (request: { params: { message: string } }) => {
    questions.push(request.params.message);
    return decision === null
      ? { action: 'accept' as const, content: {} }
      : { action: 'accept' as const, content: { decision } };
  };
  const how = { command: process.execPath, args: [SCRIPT, 'stdio'], env: at.env, stderr: 'ignore' as const };
  const url = new URL(`http://127.0.0.1:${server.port}/mcp`);
  const requestInit = { headers: { authorization: `Bearer ${server.token}` } };
  const capabilities = { elicitation: { form: {} } };
  if (era === 'sdk 1.x') {
    const client = new OldClient({ name: 'e2e', version: '1' }, { capabilities });
    client.setRequestHandler(ElicitRequestSchema, async (request) => answer(request));
    await client.connect((over === 'stdio' ? new OldStdio(how) : new OldHttp(url, { requestInit })) as never);
    return { client: client as unknown as Client, questions };
  }
  const mode = era === '2026-07-28' ? { pin: era } : 'legacy';
  const client = new Client({ name: 'e2e', version: '1' }, { capabilities, versionNegotiation: { mode } } as never);
  client.setRequestHandler('elicitation/create', async (request) => answer(request as never) as never);
  await client.connect(
    over === 'stdio' ? new StdioClientTransport(how) : new StreamableHTTPClientTransport(url, { requestInit }),
  );
  return { client, questions };
}

/** Each era and each transport once; all four where time is no matter. */
const all = process.env.DECKHAND_REAL === '1';
if (!all) process.stderr.write('SKIPPED two of four combinations in tests/e2e/questions: they need DECKHAND_REAL=1.\n');
const PAIRS = ERAS.flatMap((era) => (['stdio', 'HTTP'] as const).map((over) => ({ era, over })));

describe.each(PAIRS.filter(({ era, over }) => all || (era === '2025-11-25') === (over === 'stdio')))(
  'the official client of $era over $over',
  ({ era, over }) => {
    test('asks its user, once, and what it says holds', async () => {
      const names = ['yes', 'no', 'unread'].map((n) => `${n}-${over}-${era.replace(/\W/g, '-')}`);
      for (const [i, decision] of ['approve', 'deny', null].entries()) {
        const name = names[i] as string;
        const { client, questions } = await connect(era, over, decision);
        at.let('effect', name);
        at.let('verdict', name);
        const answer = await client.callTool({ name: 'work_change', arguments: { name } });
        const said = answer.isError ? 'refused' : (answer.structuredContent as { state: string }).state;
        expect([said, wordOf(at.stage, name)]).toEqual(
          [
            ['done', 'new'],
            ['refused', 'old'],
            ['pending', 'old'],
          ][i],
        );
        expect(questions).toEqual([expect.stringContaining(`Rename old to new (${name}).`)]);
        await client.close();
      }
    });
  },
);

test('over stdio: a client that goes while it is asked has said nothing', async () => {
  const client = await overStdio(at, '2025-11-25', { capabilities: { elicitation: {} } });
  const call = client.call('work_change', { name: 'gone' });
  await until(() => call.seen.some((m) => m.method === 'elicitation/create'), 'a question');
  at.let('effect', 'gone');
  call.leave();
  client.process.child.kill('SIGTERM');
  expect([await client.process.exit, client.process.err()]).toEqual([0, '']);
  expect(wordOf(at.stage, 'gone')).toBe('old');
  expect(at.records().filter((r) => r.event === 'call' && JSON.stringify(r.args).includes('gone'))).toMatchObject([
    { outcome: 'pending' },
  ]);
});
