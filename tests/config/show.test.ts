/** What a person reads of the settings: where values come from, never a secret; and the pages made from the schema. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { surroundings } from '../../src/config/env.ts';
import { parseFlags } from '../../src/config/flags.ts';
import { settings } from '../../src/config/known.ts';
import { configurationPage, exampleFile } from '../../src/config/pages.ts';
import type { Setting } from '../../src/config/settings.ts';
import { configRows, printConfig, settingsHelp, valueText } from '../../src/config/show.ts';
import { upTo } from '../counts.ts';
import { place } from './place.ts';

test('a line for each setting, with its origin', async () => {
  const { dir, load } = place();
  const loaded = await load(
    { env: { HOME: '/h', DECKHAND_HTTP_PORT: '7071' }, flags: { mode: 'full' } },
    '\nredact:\n  values: [hunter2hunter2]\ntoolsets: [system, logs]\n',
  );
  const lines = printConfig(loaded).split('\n');
  expect(lines[0]).toBe(`# file: ${dir}/config.yaml`);
  expect(lines).toContain('http.port = 7071 (env DECKHAND_HTTP_PORT)');
  expect(lines).toContain('mode = full (flag --mode)');
  expect(lines).toContain('log.level = info (default)');
  expect(lines).toContain(`toolsets = [system, logs] (file ${dir}/config.yaml:4)`);
  expect(lines).toContain(`redact.values = [set] (file ${dir}/config.yaml:3)`);
  // Head, end, and a line for each of the two default roots.
  expect(lines).toHaveLength(settings().length + 2 + 2);
  expect(printConfig(await load())).toContain('redact.values = [not set] (default)');
});

/** Any value that a setting takes. */
function any(s: Setting): fc.Arbitrary<unknown> {
  const text = fc.stringMatching(/^[A-Za-z0-9./ é"'#:-]{6,20}$/);
  if (s.kind === 'integer') {
    const [, least, most] = /from (\d+) to (\d+)/.exec(s.expects) as unknown as [string, string, string];
    return fc.integer({ min: Number(least), max: Math.min(Number(most), 2 ** 31) });
  }
  if (s.kind === 'boolean') return fc.boolean();
  if (s.kind === 'choice') return fc.constantFrom(...s.choices);
  if (s.kind === 'choices') return fc.array(fc.constantFrom(...s.choices), { minLength: 1, maxLength: 5 });
  if (s.path === 'redact.values')
    return fc.array(fc.stringMatching(/^SECRET[ -~]{4,30}$/), { minLength: 1, maxLength: 5 });
  if (s.path === 'http.url') return fc.webUrl({ validSchemes: ['http', 'https'] }).filter((u) => !u.endsWith('/'));
  if (s.path === 'http.allowedOrigins')
    return fc.array(
      fc.domain().map((d) => `https://${d}`),
      { maxLength: 3 },
    );
  if (s.path === 'http.allowedHosts') return fc.array(fc.domain(), { maxLength: 3 });
  if (s.path === 'approvals.rules')
    return fc.array(
      fc.record(
        {
          decide: fc.constantFrom('ask', 'deny'),
          tool: fc.stringMatching(/^[a-z*][a-z_*]{2,10}$/),
          target: fc.stringMatching(/^unit:[ -~]{1,20}$/),
        },
        { requiredKeys: ['decide'] },
      ),
      { maxLength: 4 },
    );
  const endpoint = fc.constantFrom('unix:///run/docker.sock', 'tcp://192.0.2.1:2376', 'ssh://me@host.example');
  if (s.path === 'docker.endpoint') return endpoint;
  if (/^(?:docker\.certPath|http\.tls\..*|limits\.shared\.passwordFile)$/.test(s.path))
    return fc.stringMatching(/^\/[a-z]{1,20}$/);
  if (s.path === 'docker.mountRoots') return fc.array(fc.stringMatching(/^\/[a-z]{1,20}$/), { maxLength: 3 });
  if (s.path === 'docker.allow' || s.path === 'docker.protect')
    return fc.array(fc.stringMatching(/^[a-z0-9*][a-z0-9*._-]{0,15}$/), { maxLength: 3 });
  if (s.path === 'services.allow' || s.path === 'services.protect')
    return fc.array(fc.stringMatching(/^[a-zA-Z0-9*][a-z0-9*:_@\\.-]{0,15}(?:\*|\.service|\.timer)$/), {
      maxLength: 3,
    });
  if (s.path === 'docker.engines')
    return fc.uniqueArray(fc.record({ name: fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/), endpoint }), {
      maxLength: 3,
      selector: (e) => e.name,
    });
  if (s.path === 'files.roots')
    return fc.uniqueArray(
      fc.record({
        path: fc.stringMatching(/^(\/[a-z .]{0,9}[a-z]){1,3}$/),
        access: fc.constantFrom('read', 'write'),
        depth: fc.nat(200),
        oneFilesystem: fc.boolean(),
        symlinks: fc.constantFrom('refuse', 'inside'),
      }),
      { maxLength: 3, selector: (r) => r.path },
    );
  if (s.path === 'peers')
    return fc.uniqueArray(
      fc.record({
        name: fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/),
        url: fc.constantFrom('https://nas.example', 'https://10.0.0.2:7070'),
        plain: fc.constant(false),
        tokenFile: fc.stringMatching(/^\/[a-z]{1,20}$/),
      }),
      { maxLength: 3, selector: (p) => p.name },
    );
  if (s.path === 'net.allow' || s.path === 'net.deny')
    return fc.array(fc.constantFrom('192.168.1.0/24', 'fd00::/8', '10.0.0.1', '::1'), { maxLength: 3 });
  if (s.path === 'files.deny') return fc.array(fc.stringMatching(/^\/?[a-z*][a-z*.]{0,9}$/), { maxLength: 3 });
  if (s.path === 'processes.protect')
    return fc.array(fc.stringMatching(/^[a-zA-Z0-9 ()_:.-]{1,15}\*?$/), { maxLength: 3 });
  if (s.path in WRITTEN) return WRITTEN[s.path] as fc.Arbitrary<unknown>;
  if (s.path.startsWith('tools.')) return fc.array(fc.stringMatching(/^[a-z][a-z_]{2,10}$/), { maxLength: 3 });
  return s.folder ? text.map((t) => `/${t}`) : fc.stringMatching(/^[a-z0-9.]{1,20}$/);
}

/** Settings that take little more than what is written here. */
const WRITTEN: Record<string, fc.Arbitrary<unknown>> = {
  'tailnet.socket': fc.stringMatching(/^\/run\/[a-z ]{0,9}[a-z]$/),
  'tailnet.localApi': fc.stringMatching(/^\/run\/[a-z ]{0,9}[a-z]$/),
  'tailnet.capability': fc.stringMatching(/^[a-z]{1,9}\.com\/cap\/[a-z]{1,9}$/),
  'backup.dir': fc.stringMatching(/^\/mnt\/[a-z ]{0,9}[a-z]$/),
  'tailnet.service': fc.stringMatching(/^svc:[a-z][a-z0-9]{0,9}$/),
  'auth.resource': fc.constantFrom('https://host.example/mcp', 'https://host.example:8443'),
  // Maps with defaults read back with them.
  'auth.issuers': fc.constant([]),
  'auth.scopes': fc.constantFrom(['system:read'], ['system:read', 'logs:read']),
  'notify.channels': fc.constant([]),
  'http.trustedProxies': fc.constantFrom([], ['127.0.0.1', '10.0.0.0/8']),
  'limits.shared.url': fc.constantFrom('redis://127.0.0.1:6379', 'unix:/run/valkey.sock'),
  roles: fc.constantFrom([], [{ name: 'deploy', scopes: ['viewer'], allow: ['container:web-*'], deny: [] }]),
  principals: fc.constantFrom([], [{ who: 'tailnet:alice@example.com', roles: ['viewer'], allow: [], deny: [] }]),
};

test('any config that is accepted is printed without its secrets, and what is printed reads back as the same values', async () => {
  const { load, write } = place();
  const wish = fc.record(Object.fromEntries(settings().map((s) => [s.path, any(s)])), {
    requiredKeys: ['redact.values'],
  });
  await fc.assert(
    fc.asyncProperty(wish, async (given) => {
      const nested: Record<string, unknown> = {};
      for (const [path, value] of Object.entries(given)) {
        const keys = path.split('.');
        let at = nested;
        for (const key of keys.slice(0, -1)) {
          at[key] ??= {};
          at = at[key] as Record<string, unknown>;
        }
        at[keys.at(-1) as string] = value;
      }
      const audit = nested.audit as { segmentBytes?: number; keepBytes?: number } | undefined;
      fc.pre((audit?.keepBytes ?? 268_435_456) >= 2 * (audit?.segmentBytes ?? 8_388_608));
      const loaded = await load({ configFile: write(JSON.stringify(nested)) });
      const printed = printConfig(loaded);
      expect(printed).not.toContain('SECRET');
      for (const row of configRows(loaded)) {
        if (row.path === 'redact.values') expect(row.value).toBe('[set]');
        else if (row.from === 'file' && !row.path.endsWith('dir') && row.path !== 'host.root')
          expect(parse(row.value)).toEqual(given[row.path]);
      }
    }),
    { numRuns: upTo(150, 20) },
  );
});

test('values in a line cannot be misread, nor move the cursor', () => {
  expect(
    ['true', '7', '', 'a b', 'a:', '-x', '[x]', '\u001b[31m\u009b\u202e', 'read-only', '127.0.0.1'].map(valueText),
  ).toEqual([
    '"true"',
    '"7"',
    '""',
    '"a b"',
    '"a:"',
    '"-x"',
    '"[x]"',
    '"\\u001b[31m\\u009b\\u202e"',
    'read-only',
    '127.0.0.1',
  ]);
});

test('the help has every flag, and each is one that the parser takes', () => {
  const help = settingsHelp();
  for (const s of settings().filter((x) => x.kind !== 'objects'))
    expect(help).toContain(s.secret ? `--${s.flag}-file FILE\n` : s.flag);
  const flags = [...help.matchAll(/^ {2}--(\[no-\])?([a-z-]+)( [A-Z,]+)?$/gm)];
  expect(flags).toHaveLength(settings().filter((s) => s.kind !== 'objects').length + 1);
  expect(help).toContain('  approvals.rules\n      In the file only.');
  for (const [, no, name, value] of flags)
    expect(Object.keys(parseFlags([no ? `--no-${name}` : value ? `--${name}=x` : `--${name}`]).settings)).toEqual([
      name,
    ]);
  for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
});

test('the example file loads as it is, and with every line taken out of its comment is the default', async () => {
  const { load } = place();
  const example = exampleFile();
  expect((await load({}, example)).config).toEqual((await load()).config);
  const open = example.replace(/^( *)#(?! )/gm, '$1');
  const loaded = await load({}, open);
  const plain = await load({ runner: { uid: 0, gid: 0 } });
  expect(loaded.config).toEqual(plain.config);
  for (const [path, origin] of loaded.origins) expect([path, origin.from]).toEqual([path, 'file']);
  // Taking out one line alone must do as well: that is how people use it.
  for (const [line] of example.matchAll(/^ *#(?! ).*$/gm)) {
    const one = await load({}, example.replace(line, line.replace('#', '')));
    expect([...one.origins.values()].filter((o) => o.from === 'file')).toHaveLength(1);
  }
});

test('the reference names every setting in each of its forms', () => {
  const page = configurationPage();
  for (const s of settings()) {
    expect(page).toContain(`\`${s.path}\``);
    const one = s.kind === 'objects';
    expect(page).toContain(one ? 'file only' : s.secret ? `\`${s.env}_FILE\`` : `\`${s.env}\``);
    expect(page).toContain(one ? 'file only' : s.secret ? `\`--${s.flag}-file\`` : `\`--${s.flag}\``);
    expect(page).toContain(s.description.replaceAll('|', '\\|'));
  }
});

test('surroundings: only what is there and meant for us', () => {
  expect(surroundings({})).toEqual({
    home: null,
    stateHome: null,
    sshConnection: null,
    sudoUid: null,
    noColor: false,
    term: null,
    notifySocket: null,
    watchdogMs: null,
    listenFds: 0,
    credentialsDirectory: null,
  });
  expect(
    surroundings({
      HOME: 'relative',
      NO_COLOR: '1',
      WATCHDOG_USEC: '30000000',
      LISTEN_FDS: '1',
      LISTEN_PID: String(process.pid),
      SUDO_UID: '1000',
      CREDENTIALS_DIRECTORY: '/run/c',
    }),
  ).toMatchObject({
    home: null,
    noColor: true,
    watchdogMs: 30_000,
    listenFds: 1,
    sudoUid: 1000,
    credentialsDirectory: '/run/c',
  });
  // Meant for the process that started us.
  expect(surroundings({ LISTEN_FDS: '1', LISTEN_PID: '1', WATCHDOG_USEC: '5', WATCHDOG_PID: '1' })).toMatchObject({
    listenFds: 0,
    watchdogMs: null,
  });
});
