/**
 * The least-privilege recipe: that its files hold the rules of the code's own table and nothing more, that each profile lets by what it is
 * for, and that a refusal on the way is told as that. Against an engine that answers anything; the real one is in socket_proxy_real.
 */
import { describe, expect, test } from 'vitest';
import { PROFILES, type Profile, profileOf, ruleOf } from '../../scripts/socket_proxy.ts';
import { isImageRef } from '../../src/core/docker_refs.ts';
import { OpsError } from '../../src/core/errors.ts';
import { ALLOWED, allowedRequest } from '../../src/host/docker/allowed.ts';
import { upTo } from '../counts.ts';
import { asked } from '../tools/docker_asked.ts';
import { corpus } from './hostile_refs.ts';
import { adapterTo, engineThat, json, scripted } from './scripted.ts';
import { AS_GOOD_AS_ROOT, ask, FORBIDDEN, RECIPES, recipe, rulesIn, socketProxy, verdict } from './socket_proxy.ts';

const LINES = Object.keys(ALLOWED);
const EXAMPLE: Record<string, string[]> = {
  container: ['web', 'a'.repeat(64), 'shop-db_1.x'],
  object: ['front', 'b'.repeat(64)],
  image: [
    'nginx',
    'nginx:1.27',
    'registry.example:5000/team/app:2',
    'localhost/x',
    `app@sha256:${'a'.repeat(64)}`,
    `sha256:${'f'.repeat(64)}`,
  ],
};
const filled = (line: string): string[] => {
  const path = line.split(' ')[1] ?? '';
  const kind = /\{(\w+)\}/.exec(path)?.[1];
  return kind === undefined ? [path] : (EXAMPLE[kind] ?? []).map((name) => path.replace(`{${kind}}`, name));
};

describe.each(RECIPES)('%s', (file) => {
  test('no port is published, the network is for the two alone, the image has a version', () => {
    const { services, networks } = recipe(file);
    for (const profile of PROFILES) {
      const s = services[`engine-${profile}`];
      expect(s?.ports).toBeUndefined();
      expect(s?.image).toMatch(/^wollomatic\/socket-proxy:1\.13\.\d+$/);
      expect(s?.networks ? networks?.engine?.internal : s?.network_mode === 'none').toBe(true);
      expect(
        s?.command.some((c) => c.startsWith('-allowfrom=')),
        'only where there is TCP',
      ).toBe(!!s?.networks);
    }
  });

  test('each profile lets by its lines of the table, and no other', () => {
    PROFILES.forEach((profile, at) => {
      const rules = rulesIn(file, profile);
      for (const line of LINES) {
        const within = PROFILES.indexOf(profileOf(line)) <= at;
        for (const path of filled(line))
          for (const version of ['', '/v1.45', '/v1.41'])
            expect(verdict(rules, line.split(' ')[0] ?? '', version + path) === 200, `${profile}: ${line}`).toBe(
              within,
            );
      }
      for (const [method, path] of FORBIDDEN)
        for (const version of ['', '/v1.45'])
          expect(
            verdict(rules, method, decodeURIComponent(version + path.split('?')[0])),
            `${method} ${path}`,
          ).not.toBe(200);
      for (const [method, path] of AS_GOOD_AS_ROOT)
        expect(verdict(rules, method, `/v1.45${path.split('?')[0]}`) === 200, path).toBe(profile === 'change');
    });
  });

  test('of thousands of hostile references the rules let by those that the table does', () => {
    const rules = rulesIn(file, 'change');
    const seen = { yes: 0, no: 0 };
    for (const line of LINES) {
      const [method = '', path = ''] = line.split(' ');
      const kind = /\{\w+\}/.exec(path)?.[0];
      if (kind === undefined) continue;
      // The length of an image is not in the rules (below).
      for (const ref of corpus.filter((r) => r.length <= 255)) {
        const tried = path.replace(kind, () => ref);
        let allowed = true;
        try {
          allowedRequest(method, tried, []);
        } catch {
          allowed = false;
        }
        seen[allowed ? 'yes' : 'no']++;
        expect(verdict(rules, method, tried) === 200, `${method} ${tried}`).toBe(allowed);
      }
    }
    expect(seen.yes).toBeGreaterThan(upTo(1_000, 200));
    expect(seen.no).toBeGreaterThan(upTo(20_000, 4_000));
  });
});

test('a rule has no alternative at its outermost level: the proxy would hold only its ends (control)', () => {
  for (const line of LINES) {
    let depth = 0;
    for (const c of ruleOf(line).path.replaceAll(/\\.|\[[^\]]*\]/g, '_')) {
      if (c === '(') depth++;
      if (c === ')') depth--;
      expect(c === '|' && depth === 0, line).toBe(false);
    }
  }
  const naive = new RegExp(`^${'/version|/info'}$`);
  expect(naive.test('/version/../containers/web/export')).toBe(true);
});

test('the pattern of images is the grammar, but for the length', () => {
  const rule = new RegExp(`^${ruleOf('DELETE /images/{image}').path}$`);
  const long = `${'a/'.repeat(130)}b`;
  expect([rule.test(`/images/${long}`), isImageRef(long)]).toEqual([true, false]);
});

const anything = engineThat((req, res) => {
  if (req.url?.includes('/logs') || req.url?.includes('/images/create')) return void res.end();
  json(res, req.url?.includes('json?') ? [] : { Id: 'a'.repeat(64), read: '2026-11-20T12:00:00Z' });
});

describe.each(PROFILES)('the profile %s in front of an engine', (profile) => {
  test('nothing of what is forbidden reaches it; without the proxy all of it does (control)', async () => {
    await using engine = await scripted(anything);
    await using proxy = await socketProxy(rulesIn('socket-proxy.yaml', profile), engine.socket);
    const attacks = profile === 'change' ? FORBIDDEN : [...FORBIDDEN, ...AS_GOOD_AS_ROOT];
    for (const [method, path, body] of attacks)
      expect([403, 405], `${method} ${path}`).toContain((await ask(proxy.socket, method, path, body)).status);
    expect(engine.asked).toEqual([]);
    for (const [method, path, body] of attacks) await ask(engine.socket, method, path, body);
    expect(engine.asked).toHaveLength(attacks.length);
  });

  test('what the adapter asks is let by, as far as the profile goes', async () => {
    await using engine = await scripted(anything);
    await using proxy = await socketProxy(rulesIn('socket-proxy.yaml', profile), engine.socket);
    const { docker } = adapterTo(proxy.socket);
    const { containers, images, engines, changes } = docker;
    const works: Record<Profile, (() => Promise<unknown>)[]> = {
      look: [
        () => engines.status().then(({ engines: [e] }) => expect(e?.answers).toBe(true)),
        () => engines.info(),
        () => engines.usage(),
        () => containers.list({ all: true }),
        () => containers.inspect('web', { size: true }),
        () => containers.samples(['a'.repeat(64)]),
        () => containers.logs('web', { maxBytes: 100 }).next(),
        () => containers.events('web', { sinceMs: 0, most: 1 }),
        () => images.list(),
        () => images.inspect('team/app:1'),
        () => images.remoteDigest('registry.example:5000/team/app:1'),
        () => docker.stacks.list(),
      ],
      control: [
        () => changes.start('web'),
        () => changes.stop('web', { graceS: 1 }),
        () => changes.restart('web', { graceS: 1 }),
        () => changes.pause('web'),
        () => changes.unpause('web'),
        () => changes.kill('web', { signalName: 'SIGHUP' }),
      ],
      change: [
        () => changes.rename('web', 'other'),
        () => changes.restartPolicy('web', { name: 'no', maximumRetries: 0 }),
        () => changes.remove('web', { force: true, volumes: false }),
        () => images.pull('team/app:1', {}),
        () => images.remove('team/app:1'),
        () => images.pruneDangling(),
      ],
    };
    for (const p of PROFILES)
      for (const work of works[p]) {
        const before = proxy.refused.length;
        const error: unknown = await work().then(
          () => null,
          (thrown: unknown) => thrown,
        );
        if (PROFILES.indexOf(p) <= PROFILES.indexOf(profile)) {
          expect(error, String(work)).toBeNull();
          expect(proxy.refused.slice(before), String(work)).toEqual([]);
        } else {
          expect(error, String(work)).toBeInstanceOf(OpsError);
          expect(error).toMatchObject({
            code: 'permission',
            message: expect.stringMatching(
              /^A proxy in front of the engine refuses (?:POST|DELETE) \/\S+ \(40[35]\)\.$/,
            ),
            details: { hint: expect.stringContaining('add one') },
          });
        }
      }
    docker.close();
  });
});

test.each([
  ['Forbidden\n', 403],
  ['Method Not Allowed\n', 405],
  ['<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n', 403],
])('docker_system says that a proxy refuses, which request, and what to do (%j)', async (text, status) => {
  const no = (rest: Parameters<typeof scripted>[0], what: RegExp): Parameters<typeof scripted>[0] => {
    return (req, res) => (what.test(req.url ?? '') ? void res.writeHead(status).end(text) : rest(req, res));
  };
  await using engine = await scripted(no(anything, /./));
  const { docker } = adapterTo(engine.socket);
  const all = await asked<{ engines: { why: string; hint: string }[] }>(docker, 'docker_system');
  expect(all.data.engines[0]).toMatchObject({
    answers: false,
    why: `A proxy in front of the engine refuses GET /version (${status}).`,
    hint: expect.stringContaining('socket-proxy.md'),
  });
  engine.answer = no(anything, /system\/df/);
  const part = await asked<{ engines: unknown[]; unknown: { what: string; why: string }[] }>(docker, 'docker_system');
  expect(part.data.engines[0]).toMatchObject({ answers: true });
  expect(part.data.unknown).toContainEqual({
    what: 'disk use, networks and volumes',
    why: `A proxy in front of the engine refuses GET /system/df (${status}).`,
  });
  docker.close();
});

test('a no in the engine’s own words stays the engine’s', async () => {
  await using engine = await scripted(
    engineThat((_, res) => json(res, { message: 'authorization denied by plugin opa: no' }, 403)),
  );
  const { docker } = adapterTo(engine.socket);
  await expect(docker.containers.inspect('web')).rejects.toMatchObject({
    code: 'permission',
    message: 'The engine said: authorization denied by plugin opa: no',
    details: { hint: expect.stringContaining('refuses GET /containers/{container}/json') },
  });
  docker.close();
});
