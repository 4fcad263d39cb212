/** The house's rules on imports, as a test. A folder or package not in its table is a design change: make it in review. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Who may import whom. Calls run down (edge → policy → tools → host); imports run in (to core); values meet in app.ts. */
const MAY: Record<string, { from: string[]; why: string }> = {
  core: { from: [], why: 'words that everyone shares; no I/O' },
  config: { from: ['core'], why: 'settings know nothing of who reads them' },
  store: { from: ['core'], why: 'SQL and files know no rules' },
  host: { from: ['core'], why: 'the machine knows no rules' },
  insight: { from: ['core'], why: 'pure: what the figures mean' },
  tools: { from: ['core', 'insight'], why: 'tools get the host as a value, and never hold the server' },
  policy: { from: ['core', 'store'], why: 'rules need their own records' },
  edge: { from: ['core', 'policy'], why: 'faces hold no rules and no SQL' },
  cli: {
    from: [
      ...['core', 'config', 'app.ts', 'front.ts', 'log.ts', 'policy', 'edge', 'setup'],
      ...['wiring_limits.ts', 'wiring_tailnet.ts'],
    ],
    why: 'a face too; it starts the others',
  },
  setup: {
    from: ['core', 'config', 'store', 'host'],
    why: 'Deckhand’s own place on a machine: versions and units, backups, entries in clients’ settings, the offer on a tailnet',
  },
  'log.ts': { from: ['core'], why: 'one way to write a line' },
  'sampler.ts': { from: ['core', 'policy'], why: 'samples; decides nothing' },
  'file_indexer.ts': { from: ['core', 'policy', 'store'], why: 'keeps an index; decides when' },
  'main.ts': { from: ['cli'], why: 'the entry' },
  'executable.ts': {
    from: ['cli', 'host'],
    why: 'the entry of the single executable, which also is its own child programs',
  },
  'front.ts': {
    from: ['core', 'config', 'store', 'host', 'policy'],
    why: 'the wiring of a first answer over stdio, before app.ts is loaded',
  },
  'app.ts': {
    from: [
      ...['core', 'config', 'store', 'host', 'insight', 'tools', 'policy', 'log.ts', 'sampler.ts', 'file_indexer.ts'],
      ...['wiring_approvals.ts', 'wiring_auth.ts', 'wiring_security.ts', 'tidying.ts'],
    ],
    why: 'the only wiring',
  },
  'wiring_security.ts': {
    from: ['config', 'policy', 'store'],
    why: 'the wiring of security events: app.ts is long enough',
  },
  'wiring_limits.ts': {
    from: ['core', 'config', 'host', 'edge'],
    why: 'the wiring of limits that instances share: loaded where limits.shared.url is set',
  },
  'wiring_approvals.ts': {
    from: ['core', 'config', 'store', 'host', 'policy'],
    why: 'the wiring of approvals, links and notices: app.ts is long enough',
  },
  'tidying.ts': { from: ['core'], why: 'clears away now and then; decides how often' },
  'wiring_tailnet.ts': {
    from: ['core', 'config', 'host', 'policy'],
    why: 'the wiring of who comes through the tailnet: loaded where tailnet.socket is set',
  },
  'wiring_auth.ts': {
    from: ['core', 'config', 'host', 'policy', 'wiring_tailnet.ts'],
    why: 'the wiring of who somebody is over HTTP: not loaded where nobody is asked elsewhere',
  },
};

/** Package → the only places that may import it, and what to do instead. */
const ONLY: Record<string, { where: RegExp; instead: string }> = {
  'node:child_process': {
    where: /^src\/host\/exec\.ts$/,
    instead: 'call exec() of src/host/exec.ts: fixed argv, clean environment, bounds',
  },
  systeminformation: {
    where: /^src\/host\/hardware\/child\.ts$/,
    instead: 'ask src/host/hardware/children.ts: it spawns shells, so it runs only in a process that can be killed',
  },
  'node:sqlite': { where: /^src\/store\/db(?:_copy)?\.ts$/, instead: 'add a method to a file in src/store' },
  'node:worker_threads': { where: /^src\/host\/worker\.ts$/, instead: 'ask src/host/worker.ts' },
  '@modelcontextprotocol/server': { where: /^src\/edge\//, instead: 'tools and rules know nothing of MCP' },
  '@modelcontextprotocol/server/stdio': { where: /^src\/edge\//, instead: 'tools and rules know nothing of MCP' },
  hono: { where: /^src\/edge\//, instead: 'HTTP is a face' },
  '@hono/node-server': { where: /^src\/edge\//, instead: 'HTTP is a face' },
  'node:http': {
    where:
      /^src\/(edge\/|host\/docker\/transport\.ts$|host\/tailnet\/local_api\.ts$|host\/net\/(?:probe_connect|measure)\.ts$|host\/notify\/post\.ts$)/,
    instead: 'HTTP is a face; engines are asked by src/host/docker/transport.ts, others by host.probes',
  },
  'node:https': {
    where: /^src\/(?:edge\/tls|host\/(?:docker\/transport|net\/measure|net\/https_json|notify\/post))\.ts$/,
    instead: 'ask src/host/docker/transport.ts, host.measure, or for JSON of an issuer host/net/https_json.ts',
  },
  nodemailer: { where: /^src\/host\/notify\/smtp\.ts$/, instead: 'hand a notice to host/notify: nothing else sends' },
  '@peculiar/x509': { where: /^src\/cli\/self_signed\.ts$/, instead: 'certificates are read by node:crypto' },
  jose: { where: /^src\/policy\/oauth\//, instead: 'tokens of issuers are judged in one place' },
  ioredis: { where: /^src\/edge\/limits_redis\.ts$/, instead: 'take a SharedStore' },
  'rate-limiter-flexible': {
    where: /^src\/edge\/limits_redis\.ts$/,
    instead: 'count with src/edge/limits_window.ts: its memory is bounded',
  },
  'dns-packet': { where: /^src\/host\/net\/probe_dns\.ts$/, instead: 'ask host.probes.dns' },
  dockerode: { where: /^src\/host\/docker\//, instead: 'ask the host for `docker`' },
  pino: { where: /^src\/log\.ts$/, instead: 'take a Log' },
  re2js: {
    where: /^src\/(insight\/log_match|host\/files\/content)\.ts$/,
    instead: 'ask expression() of src/insight/log_match.ts, or host.files.find: it is loaded on first use',
  },
  yaml: {
    where: /^src\/(?:config\/|host\/validate\/yaml\.ts$|setup\/clients\/yaml\.ts$)/,
    instead: 'settings come from config; of files, ask host.validate: what they can cost a parser, a child pays',
  },
  'smol-toml': {
    where: /^src\/(?:host\/validate\/child|setup\/clients\/toml)\.ts$/,
    instead: 'ask host.validate; a person’s own settings are read by setup/clients',
  },
  'jsonc-parser': { where: /^src\/setup\/clients\/jsonc\.ts$/, instead: 'settings of clients are edited in one place' },
  zod: {
    where: /^src\/(core|config|tools|policy|edge|cli|store|insight)\//,
    instead: 'the host gives records, not schemas',
  },
};

const files = globSync('src/**/*.ts', { cwd: root }).sort();
const read = (file: string) => readFileSync(join(root, file), 'utf8');
/** Static, type-only and dynamic imports alike. */
const importsOf = (text: string) =>
  [
    ...text.matchAll(
      /^\s*(?:import|export)\s[\w\s*{},$]*?\bfrom\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm,
    ),
  ].map((m) => (m[1] ?? m[2] ?? m[3]) as string);
const roomOf = (file: string) => relative('src', file).split('/')[0] as string;
const code = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');

test('there is a house to look at', () => {
  expect(files.length).toBeGreaterThan(20);
});

test('the product serves through its door: only tests may stand another server behind the HTTP face', () => {
  for (const file of files.filter((f) => f !== 'src/edge/http.ts'))
    expect(code(read(file)), `${file}: call createHttp`).not.toMatch(/import[^;]*\bmount\b[^;]*\/http\.ts/);
});

describe.each(files)('%s', (file) => {
  const text = read(file);
  const room = roomOf(file);

  test('lives in a room that the table knows, and imports only what it may', () => {
    const may = MAY[room];
    expect(may, `${room} is not in the import table`).toBeDefined();
    for (const spec of importsOf(text)) {
      if (spec.startsWith('.')) {
        const to = roomOf(join(dirname(file), spec));
        expect(
          to === room || may?.from.includes(to),
          `${file} may not import ${to} (${room}: ${may?.why}; allowed: ${may?.from.join(', ') || 'nothing'})`,
        ).toBe(true);
      } else {
        const guard =
          ONLY[spec] ??
          ONLY[
            spec
              .split('/')
              .slice(0, spec.startsWith('@') ? 2 : 1)
              .join('/')
          ];
        if (guard) expect(guard.where.test(file), `${file} imports ${spec}: ${guard.instead}`).toBe(true);
        else expect(spec.startsWith('node:'), `${file} imports ${spec}: give it a line in ONLY`).toBe(true);
      }
    }
  });

  test('says what it decides, reads no environment, prints nothing', () => {
    expect(
      text.startsWith('/**') || text.startsWith('#!'),
      'begin with what this file decides, and what it leaves to others',
    ).toBe(true);
    if (room !== 'config')
      expect(code(text), 'settings come from config, not the environment').not.toMatch(/process\.env/);
    expect(code(text), 'stdout belongs to the protocol').not.toMatch(/console\.(log|info|debug|warn|error)\(/);
    // Only a signal 0 (is it there?), our own children and ourselves go past the checks of signal.ts.
    if (file !== 'src/host/system/signal.ts')
      expect(code(text), 'ask host.signals: it knows whom a pid means now').not.toMatch(
        /process\.kill\((?!Number\(pid\), 0\)|-child\.pid|process\.pid)/,
      );
    if (room === 'tools' || room === 'insight' || room === 'core')
      expect(code(text), 'the time is ctx.now()').not.toMatch(/Date\.now\(\)|performance\.now\(\)|new Date\(\)/);
  });

  test('can be held in the head', () => {
    expect(text.split('\n').length, 'does this file hold two things?').toBeLessThanOrEqual(350);
    expect(file).not.toMatch(/utils|helpers|manager/i);
  });
});
