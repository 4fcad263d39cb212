/** The official inspector's command line, as somebody who tries Deckhand out would use it: it lists and calls over both transports. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launcher, type Place, place, type Served, serve } from '../e2e/product.ts';

const inspector = fileURLToPath(
  new URL('../../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url),
);

let at: Place;
let served: Served;
beforeAll(async () => {
  at = place();
  served = await serve(at);
});
afterAll(async () => {
  await served?.stop();
  at[Symbol.dispose]();
});

const TARGETS = {
  stdio: () => [
    ...Object.entries(at.env).flatMap(([name, value]) => ['-e', `${name}=${value}`]),
    '--',
    process.execPath,
    launcher,
    'stdio',
  ],
  HTTP: () => ['--transport', 'http', '--server-url', served.url, '--header', `Authorization: Bearer ${served.token}`],
};

function inspect(args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [inspector, '--cli', '--format', 'json', ...args], {
    env: at.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (d) => {
    out += d;
  });
  child.stderr.on('data', (d) => {
    err += d;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}

interface Listed {
  result: { tools: { name: string; description: string; inputSchema: object; outputSchema: object }[] };
}
interface Called {
  result: {
    isError?: boolean;
    content: { type: string; text: string }[];
    structuredContent: { host: { hostname: string } };
  };
}

describe.each(['stdio', 'HTTP'] as const)('over %s', (transport) => {
  test.concurrent.each(['legacy', 'modern'])('a client of the %s era', { timeout: 60_000 }, async (era) => {
    const target = ['--protocol-era', era, ...TARGETS[transport]()];

    // `--strict`: it judges the schemas, too, and exits with 6 when a client of some model could not take one.
    const list = await inspect(['--method', 'tools/list', '--strict', ...target]);
    expect([list.code, list.err.match(/^Error.*/m)?.[0]], list.err).toEqual([0, undefined]);
    const { tools } = (JSON.parse(list.out) as Listed).result;
    expect(tools.map((t) => t.name)).toEqual(expect.arrayContaining(['system_overview', 'process_list']));
    for (const tool of tools)
      expect(tool).toMatchObject({ description: expect.any(String), inputSchema: { type: 'object' } });
    expect(list.err, 'what models read takes no excuse').not.toContain('Path: inputSchema');

    const call = await inspect(['--method', 'tools/call', '--tool-name', 'system_overview', ...target]);
    expect(call.code, call.err).toBe(0);
    const { result } = JSON.parse(call.out) as Called;
    expect(result.isError ?? false).toBe(false);
    expect(result.structuredContent.host.hostname.length).toBeGreaterThan(0);
    expect(result.content[0]?.text).toContain('memory');
  });
});

test('a control: a wrong token is no list, and the inspector says what the server said', async () => {
  const header = ['--header', 'Authorization: Bearer dh_wrong', '--stored-auth-only'];
  const refused = await inspect([
    '--method',
    'tools/list',
    '--transport',
    'http',
    '--server-url',
    served.url,
    ...header,
  ]);
  expect([refused.code, refused.out]).toEqual([3, '']);
  expect(JSON.parse(refused.err)).toMatchObject({
    error: { code: 'auth_required', message: expect.stringContaining('deckhand token add') },
  });
});
