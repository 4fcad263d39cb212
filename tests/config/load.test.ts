/** Where a value comes from, which one wins, and that nobody can change it afterwards. */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { settings } from '../../src/config/known.ts';
import { loadConfig, loadSettings } from '../../src/config/load.ts';
import { ConfigSchema } from '../../src/config/schema.ts';
import { settingsOf } from '../../src/config/settings.ts';
import { place, refusal } from './place.ts';

describe('the list of settings', () => {
  test('every setting has words, bounds and names that no other has', () => {
    const all = settings();
    expect(all.length).toBeGreaterThan(25);
    for (const s of all) {
      expect(s.description, s.path).toMatch(/^\S.*\.$/s);
      expect(s.expects, s.path).not.toMatch(/null|undefined|Infinity|9007199254740991/);
      expect(s.env).toMatch(/^DECKHAND_[A-Z_]+$/);
      expect(s.flag).toMatch(/^[a-z-]+$/);
    }
    const names = all.flatMap((s) => [s.env, s.flag, ...(s.secret ? [`${s.env}_FILE`, `${s.flag}-file`] : [])]);
    expect(new Set([...names, 'DECKHAND_CONFIG', 'DECKHAND_REAL', 'config']).size).toBe(names.length + 3);
  });

  test('names follow the path', () => {
    const byPath = new Map(settings().map((s) => [s.path, s]));
    expect(byPath.get('http.port')).toMatchObject({ env: 'DECKHAND_HTTP_PORT', flag: 'http-port' });
    expect(byPath.get('http.sessions.idleMinutes')).toMatchObject({
      env: 'DECKHAND_HTTP_SESSIONS_IDLE_MINUTES',
      flag: 'http-sessions-idle-minutes',
    });
  });

  test('every default passes its own check, and what is loaded is what the schema describes', async () => {
    const { config } = await place().load();
    expect(ConfigSchema.parse(config)).toEqual(config);
  });
});

describe('precedence', () => {
  const yaml = 'http:\n  port: 1001\n  sessions:\n    max: 11\n  allowedHosts: [file.example, b.example]\n';
  const env = {
    HOME: '/home/x',
    DECKHAND_HTTP_PORT: '1002',
    DECKHAND_HTTP_SESSIONS_MAX: '12',
    DECKHAND_HTTP_ALLOWED_HOSTS: 'env.example, c.example',
  };
  const flags = {
    'http-port': '1003',
    'http-sessions-max': '13',
    'http-allowed-hosts': ['flag.example', 'd.example,e.example'],
  };

  test.each([
    ['default', {}, undefined, 7070, 256, []],
    ['file', {}, yaml, 1001, 11, ['file.example', 'b.example']],
    ['env', { env }, yaml, 1002, 12, ['env.example', 'c.example']],
    ['env', { env }, undefined, 1002, 12, ['env.example', 'c.example']],
    ['flag', { env, flags }, yaml, 1003, 13, ['flag.example', 'd.example', 'e.example']],
    ['flag', { flags }, undefined, 1003, 13, ['flag.example', 'd.example', 'e.example']],
  ] as const)(
    '%s wins for numbers, nested settings and lists (which are replaced whole)',
    async (from, input, text, port, max, hosts) => {
      const { config, origins } = await place().load(input, text);
      expect(config.http.port).toBe(port);
      expect(config.http.sessions.max).toBe(max);
      expect(config.http.allowedHosts).toEqual(hosts);
      for (const path of ['http.port', 'http.sessions.max', 'http.allowedHosts'])
        expect(origins.get(path)?.from).toBe(from);
      // A neighbour stays as it was.
      expect(config.http.sessions.enabled).toBe(true);
    },
  );

  test('each origin names its place', async () => {
    const { dir, load } = place();
    const { origins, file } = await load(
      { env: { HOME: '/home/x', DECKHAND_MODE: 'full' }, flags: { 'log-level': 'debug' } },
      yaml,
    );
    expect(file).toBe(join(dir, 'config.yaml'));
    expect(origins.get('http.sessions.max')).toEqual({ from: 'file', where: `${dir}/config.yaml:4` });
    expect(origins.get('http.allowedHosts')).toEqual({ from: 'file', where: `${dir}/config.yaml:5` });
    expect(origins.get('mode')).toEqual({ from: 'env', where: 'DECKHAND_MODE' });
    expect(origins.get('log.level')).toEqual({ from: 'flag', where: '--log-level' });
    expect(origins.get('sampling.seconds')).toEqual({ from: 'default', where: '' });
    expect([...origins.keys()]).toEqual(settings().map((s) => s.path));
  });

  test('--config goes before DECKHAND_CONFIG, both before the standard file', async () => {
    const { write, load } = place();
    const a = write('mode: full\n', 'a.yaml');
    const b = write('mode: read-only\n', 'b.yaml');
    const standard = write('mode: ask\nlog: {level: warn}\n', 'c.yaml');
    expect((await load({ defaultFile: standard })).config.log.level).toBe('warn');
    expect((await load({ defaultFile: standard, env: { DECKHAND_CONFIG: b, HOME: '/h' } })).config).toMatchObject({
      mode: 'read-only',
      log: { level: 'info' },
    });
    expect((await load({ env: { DECKHAND_CONFIG: b, HOME: '/h' }, flags: { config: a } })).config.mode).toBe('full');
    expect((await load({ flags: { config: 'a.yaml' } })).file).toBe(a);
  });

  test('an empty variable is not set; words for yes and no are known', async () => {
    const { load } = place();
    const { config, origins } = await load({
      env: { HOME: '/h', DECKHAND_MODE: '', DECKHAND_HTTP_SESSIONS_ENABLED: 'off', DECKHAND_CONFIG: '' },
    });
    expect(config.mode).toBe('ask');
    expect(origins.get('mode')?.from).toBe('default');
    expect(config.http.sessions.enabled).toBe(false);
    expect((await load({ flags: { 'http-sessions-enabled': false } })).config.http.sessions.enabled).toBe(false);
    expect(
      (await load({ flags: { 'http-sessions-enabled': true } }, 'http: {sessions: {enabled: false}}')).config.http
        .sessions.enabled,
    ).toBe(true);
  });

  test('variables that others put there are left alone: Kubernetes, Docker links, our own tests', async () => {
    const env = {
      HOME: '/h',
      DECKHAND_SERVICE_HOST: '10.0.0.1',
      DECKHAND_SERVICE_PORT: '7070',
      DECKHAND_SERVICE_PORT_HTTP: '7070',
      DECKHAND_PORT: 'tcp://10.0.0.1:7070',
      DECKHAND_PORT_7070_TCP_ADDR: '10.0.0.1',
      DECKHAND_REAL: '1',
    };
    expect((await place().load({ env })).config.http.port).toBe(7070);
  });
});

describe('the flag for toolsets only narrows', () => {
  test('what nobody has bounded, it chooses', async () => {
    expect((await place().load({ flags: { toolsets: 'docker,system' } })).config.toolsets).toEqual([
      'docker',
      'system',
    ]);
  });
  test('within the bound of the file or the environment it chooses', async () => {
    expect((await place().load({ flags: { toolsets: ['logs'] } }, 'toolsets: [system, logs]')).config.toolsets).toEqual(
      ['logs'],
    );
    expect((await place().load({ flags: { toolsets: ['logs'] } }, 'toolsets: [all]')).config.toolsets).toEqual([
      'logs',
    ]);
  });
  test('beyond it is refused, and both places are named', async () => {
    const { dir, load } = place();
    const error = await refusal(load({ flags: { toolsets: 'all' } }, '\ntoolsets: [system, logs]'));
    expect(error.message).toBe(
      `--toolsets: all is more than ${dir}/config.yaml:2 allows (system, logs); a flag can only narrow toolsets.`,
    );
  });
});

describe('paths', () => {
  test.each([
    ['root', 0, { HOME: '/root', XDG_STATE_HOME: '/x' }, '/var/lib/deckhand'],
    ['a user', 1000, { HOME: '/home/u' }, '/home/u/.local/state/deckhand'],
    ['a user with XDG_STATE_HOME', 1000, { HOME: '/home/u', XDG_STATE_HOME: '/s' }, '/s/deckhand'],
    [
      'a relative XDG_STATE_HOME, which the specification says to ignore',
      1000,
      { HOME: '/home/u', XDG_STATE_HOME: 's' },
      '/home/u/.local/state/deckhand',
    ],
  ])('state.dir of %s', async (_, uid, env, expected) => {
    const { config } = await loadConfig({ env, runner: { uid, gid: uid }, defaultFile: '/nonexistent/x.yaml' });
    expect(config.state.dir).toBe(expected);
  });

  test('without a home there is no default, and the error says what to set', async () => {
    const error = await refusal(
      loadConfig({ env: {}, runner: { uid: 1000, gid: 1000 }, defaultFile: '/nonexistent/x.yaml' }),
    );
    expect(error.message).toBe(
      'state.dir: has no default here; set it in /nonexistent/x.yaml, DECKHAND_STATE_DIR or --state-dir.',
    );
  });

  test('relative ones count from the file, or from where the command was run; ~ is the home folder', async () => {
    const { dir, load, write } = place();
    mkdirSync(join(dir, 'sub'));
    const file = write('state: {dir: data}\n', 'sub/config.yaml');
    expect((await load({ configFile: file })).config.state.dir).toBe(join(dir, 'sub/data'));
    expect((await load({ env: { HOME: '/h', DECKHAND_STATE_DIR: './data' } })).config.state.dir).toBe(
      join(dir, 'data'),
    );
    expect((await load({ flags: { 'state-dir': '~/data' } })).config.state.dir).toBe('/home/x/data');
    expect((await load({}, 'host: {root: /host/}')).config.host.root).toBe('/host');
  });
});

describe('secrets', () => {
  test.each(['file', 'env', 'flag'])('their own file, named by the %s', async (by) => {
    const { dir, load, write } = place();
    write('first-secret\nsecond-secret\r\n\n', 'secrets');
    const { config, origins } =
      by === 'file'
        ? await load({}, '\nredact:\n  values_file: secrets\n')
        : by === 'env'
          ? await load({ env: { HOME: '/h', DECKHAND_REDACT_VALUES_FILE: `${dir}/secrets` } })
          : await load({ flags: { 'redact-values-file': 'secrets' } });
    expect(config.redact.values).toEqual(['first-secret', 'second-secret']);
    const where = { file: `${dir}/config.yaml:3`, env: 'DECKHAND_REDACT_VALUES_FILE', flag: '--redact-values-file' }[
      by
    ];
    expect(origins.get('redact.values')).toEqual({ from: by, where });
  });

  test('are refused where others can see them, and never repeated', async () => {
    const error = await refusal(
      place().load(
        {
          env: { HOME: '/h', DECKHAND_REDACT_VALUES: 'hunter2hunter2' },
          flags: { 'redact-values': ['hunter3hunter3'] },
        },
        'redact: {values: hunter4}',
      ),
    );
    expect(error.message).toContain('DECKHAND_REDACT_VALUES_FILE');
    expect(error.message).toContain('--redact-values-file');
    expect(JSON.stringify([error.message, error.details])).not.toMatch(/hunter\d/);
  });

  test('both ways at once, a missing and an open file are refused', async () => {
    const { dir, load, write } = place();
    write('first-secret\n', 'secrets');
    const both = await refusal(load({}, 'redact:\n  values: [abcdefgh]\n  values_file: secrets\n'));
    expect(both.message).toBe(`${dir}/config.yaml:3: redact.values and redact.values_file are both given; use one.`);
    const missing = await refusal(load({}, 'redact:\n  values_file: nowhere\n'));
    expect(missing.message).toBe(
      `${dir}/config.yaml:2: the secret file ${dir}/nowhere does not exist. Check the path.`,
    );
    chmodSync(join(dir, 'secrets'), 0o666);
    const open = await refusal(load({}, 'redact:\n  values_file: secrets\n'));
    expect(open.message).toContain('can be changed by everybody');
  });

  test('a single one, in a schema that has it', async () => {
    const { dir, write, runner } = place();
    write('s3cret-value\n', 'key');
    const known = settingsOf(
      z.strictObject({
        auth: z.strictObject({
          key: z.string().min(8).max(99).nullable().default(null).meta({ description: 'Key.', secret: true }),
        }),
      }),
    );
    const loaded = await loadSettings(known, {
      env: { DECKHAND_AUTH_KEY_FILE: 'key' },
      cwd: dir,
      runner,
      defaultFile: `${dir}/none`,
    });
    expect(loaded.config).toEqual({ auth: { key: 's3cret-value' } });
  });
});

describe('lists of maps', () => {
  const known = settingsOf(
    z.strictObject({
      rules: z
        .array(z.strictObject({ tool: z.string(), risk: z.enum(['change', 'destroy']) }))
        .max(9)
        .default([])
        .meta({ description: 'Rules.' }),
    }),
  );
  const load = (yaml: string, more: object = {}) => {
    const { write, dir, runner } = place();
    return { dir, loading: loadSettings(known, { env: {}, cwd: dir, runner, configFile: write(yaml), ...more }) };
  };
  test('come from the file', async () => {
    expect((await load('rules:\n  - tool: a\n    risk: change\n').loading).config).toEqual({
      rules: [{ tool: 'a', risk: 'change' }],
    });
  });
  test('and from nowhere else', async () => {
    const error = await refusal(load('', { env: { DECKHAND_RULES: 'a' } }).loading);
    expect(error.message).toBe('DECKHAND_RULES: rules is a list of maps; those are set in the file only.');
  });
  test('a fault within names the line of the part', async () => {
    const { dir, loading } = load('rules:\n  - tool: a\n    risk: change\n  - tool: b\n    risk: other\n    tool: c\n');
    const error = await refusal(loading);
    expect(error.message.split('\n')).toEqual([
      '2 problems in the configuration:',
      `${dir}/config.yaml:5: rules[1].risk is "other"; expected one of change, destroy.`,
      `${dir}/config.yaml:6: rules.tool stands on line 4 already.`,
    ]);
  });
});

test('the config is frozen to its last list', async () => {
  const { config } = await place().load({}, 'toolsets: [system]\n');
  const seen: object[] = [];
  const look = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return;
    seen.push(value);
    expect(Object.isFrozen(value)).toBe(true);
    Object.values(value).forEach(look);
  };
  look(config);
  expect(seen.length).toBeGreaterThan(12);
  expect(() => (config.toolsets as string[]).push('all')).toThrow(TypeError);
  // A shared default that one load could change would change the next.
  const again = await place().load();
  expect(again.config.tools.deny).toEqual([]);
});
