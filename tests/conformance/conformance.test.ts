/**
 * The official conformance suite: (a) all that a revision requires, against the server that the suite expects, behind the product's own
 * HTTP stack; (b) what can be asked of Deckhand as it is, against `deckhand serve` itself. Both through a relay that adds the token.
 */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type HttpFace, mount } from '../../src/edge/http.ts';
import { byToken } from '../../src/policy/authenticate.ts';
import { overHttp, type Place, place, type Served, serve } from '../e2e/product.ts';
import { fixtureDoor, quiet, who } from '../edge/fixture-door.ts';
import { fixture } from './fixture.ts';
import { type Relay, relay } from './relay.ts';
import { held, type Ran, REVISIONS, type Revision, suite } from './suite.ts';

const TOKEN = 'a-token';

/** The suite gives an answer half a second, for one that must not come and for one that must: on a busy machine it is asked again. */
const PATIENT = { timeout: 90_000, retry: 2 };

async function fixtureFace(sessions: boolean): Promise<{ face: HttpFace; through: Relay }> {
  const { door } = fixtureDoor();
  const face = mount(
    {
      door,
      authenticate: byToken((secret) => (secret === TOKEN ? who('token:suite', ['system:read']) : null)),
      info: { hostname: 'box', kind: 'vm', version: '1' },
      live: () => true,
      ready: () => ({ ready: true, reasons: [] }),
      log: quiet,
      http: {
        host: '127.0.0.1',
        port: 0,
        allowedHosts: [],
        allowedOrigins: [],
        maxBodyBytes: 1_048_576,
        sessions: { enabled: sessions, max: 256, idleMinutes: 30 },
        connectionsPerAddress: 64,
        requestsPerMinutePerAddress: 100_000,
      },
    },
    fixture,
  );
  const { url } = await face.listen();
  return { face, through: await relay(url, TOKEN) };
}

/** Frozen by the suite when the revision came out. */
function requiredBy(revision: Revision): string[] {
  const file = new URL(
    `../../node_modules/@modelcontextprotocol/conformance/requirements/${revision}.yaml`,
    import.meta.url,
  );
  return (parse(readFileSync(file, 'utf8')) as { server: string[] }).server;
}

/** Name → whether it held, of those that were run. */
const verdicts = ({ checks }: Ran, names: Iterable<string>) =>
  Object.fromEntries([...names].map((name) => [name, held(checks.get(name) ?? [])]));
const allHeld = (names: Iterable<string>) => Object.fromEntries([...names].map((name) => [name, true]));

describe("what the suite expects, behind the product's HTTP stack", () => {
  let at: Awaited<ReturnType<typeof fixtureFace>>;
  beforeAll(async () => {
    at = await fixtureFace(true);
  });
  afterAll(async () => {
    await at.through[Symbol.asyncDispose]();
    await at.face.close();
  });

  test.each([
    ['2026-07-28', 37, ['json-schema-2020-12', 'http-header-validation']],
    ['2025-11-25', 30, ['json-schema-2020-12', 'server-session-lifecycle']],
  ] as const)('everything that %s requires: %d scenarios', PATIENT, async (revision, count, unscored) => {
    const ran = await suite(at.through.url, ['--requirements', revision]);
    const required = requiredBy(revision);
    expect(required).toHaveLength(count);
    expect(verdicts(ran, [...required, ...unscored])).toEqual(allHeld([...required, ...unscored]));
    // The suite's own judgement and its printed counts say the same.
    const passed = required.filter((name) =>
      new RegExp(`^✓ ${name}: [1-9]\\d* passed, 0 failed$`, 'm').test(ran.printed),
    );
    expect([ran.code, passed.length], ran.printed).toEqual([0, count]);
  });

  test(
    'a control: without sessions a 2025-era server cannot ask its client, and the suite notices',
    PATIENT,
    async () => {
      const { face, through } = await fixtureFace(false);
      const ran = await suite(through.url, ['--requirements', '2025-11-25']);
      await through[Symbol.asyncDispose]();
      await face.close();
      expect(ran.code).toBe(1);
      const fallen = requiredBy('2025-11-25').filter((name) => !held(ran.checks.get(name) ?? []));
      expect(fallen.sort()).toEqual([
        'elicitation-sep1034-defaults',
        'elicitation-sep1330-enums',
        'server-sse-multiple-streams',
        'tools-call-elicitation',
        'tools-call-sampling',
      ]);
    },
  );
});

/** What the suite asks its fixture for, by what the product has of the kind. A result is a result, whoever's it is. */
const OURS = {
  test_simple_text: { name: 'system_overview' },
  test_error_handling: { name: 'process_list', arguments: { limit: 'many' } },
  test_logging_tool: { name: 'system_metrics', arguments: { metrics: ['cpu'] } },
  test_streaming_elicitation: { name: 'system_overview' },
  test_simple_prompt: { name: 'check_host' },
  'test://static-text': { name: 'deckhand://system/overview' },
};

/** By revision: how many checks of each must hold. None may fail or be called wrong. */
const HOLDS: Record<Revision, Record<string, number>> = {
  '2026-07-28': {
    // Its two other checks want a tool that needs sampling, and two are skipped: our lists do not change while we run.
    'server-stateless': 26,
    'http-header-validation': 14,
    'dns-rebinding-protection': 2,
    'server-sse-multiple-streams': 1,
    caching: 8,
    'tools-list': 4,
    'resources-list': 2,
    'prompts-list': 2,
    'sep-2164-resource-not-found': 4,
    'input-required-result-unsupported-methods': 2,
    'tools-call-simple-text': 2,
    'tools-call-error': 2,
    'resources-read-text': 2,
    'prompts-get-simple': 2,
  },
  '2025-11-25': {
    'server-initialize': 3,
    'server-session-lifecycle': 3,
    'dns-rebinding-protection': 2,
    'server-sse-multiple-streams': 1,
    ping: 2,
    'tools-list': 3,
    'resources-list': 2,
    'prompts-list': 2,
    'tools-call-simple-text': 2,
    'tools-call-error': 2,
    'resources-read-text': 2,
    'prompts-get-simple': 2,
  },
};

/** What Deckhand has nothing of, so that these fail, and must: one that begins to hold belongs above. */
const HAS_NOT = {
  'answers that are images, sound or resources': [
    'tools-call-image',
    'tools-call-audio',
    'tools-call-embedded-resource',
    'tools-call-mixed-content',
    'resources-read-binary',
    'prompts-get-embedded-resource',
    'prompts-get-with-image',
  ],
  'a tool that asks its client': [
    'server-stateless:sep-2575-server-rejects-undeclared-capability',
    'server-stateless:sep-2575-missing-capability-http-400',
    'tools-call-sampling',
    'tools-call-elicitation',
    'elicitation-sep1034-defaults',
    'elicitation-sep1330-enums',
    'input-required-result-basic-elicitation',
    'input-required-result-basic-sampling',
    'input-required-result-basic-list-roots',
    'input-required-result-request-state',
    'input-required-result-multiple-input-requests',
    'input-required-result-multi-round',
    'input-required-result-non-tool-request',
    'input-required-result-result-type',
    'input-required-result-tampered-state',
    'input-required-result-capability-check',
    'input-required-result-missing-input-response',
    'input-required-result-ignore-extra-params',
  ],
  'log messages, completion and subscriptions (not among its capabilities)': [
    'logging-set-level',
    'tools-call-with-logging',
    'completion-complete',
    'resources-subscribe',
    'resources-unsubscribe',
  ],
  'a tool with this very progress, schema or headers; a prompt with arguments; a template with this URI': [
    'tools-call-with-progress',
    'json-schema-2020-12',
    'http-custom-header-server-validation',
    'prompts-get-with-args',
    'resources-templates-read',
  ],
};

/** They call a tool that Deckhand does not have, and an error is right, or nothing is tested. */
const SAY_NOTHING = ['input-required-result-validate-input', 'server-sse-polling'];

describe('deckhand serve itself', () => {
  let at: Place;
  let served: Served;
  let through: Relay;
  beforeAll(async () => {
    at = place();
    served = await serve(at);
    // The first answers measure; the suite would not wait for them.
    const client = await overHttp('2026-07-28', served.url, served.token);
    await client.callTool({ name: 'system_overview', arguments: {} });
    await client.close();
    through = await relay(served.url, served.token, OURS);
  });
  afterAll(async () => {
    await through?.[Symbol.asyncDispose]();
    await served?.stop();
    at[Symbol.dispose]();
  });

  test.each(REVISIONS)('all that needs no fixture, of %s', PATIENT, async (revision) => {
    const excused = Object.values(HAS_NOT).flat();
    const ran = await suite(through.url, ['--suite', 'all', '--spec-version', revision], excused);
    expect(ran.code, ran.printed).toBe(0);
    const wholly = excused.filter((name) => !name.includes(':'));
    const rest = [...ran.checks.keys()].filter((name) => !wholly.includes(name) && !SAY_NOTHING.includes(name));
    const counts = rest.map((name) => {
      const judged = (ran.checks.get(name) ?? []).filter((c) => !excused.includes(`${name}:${c.id}`));
      return [name, held(judged) ? judged.filter((c) => c.status === 'SUCCESS').length : JSON.stringify(judged)];
    });
    // Also a scenario that is new in the suite shows here, and wants its place.
    expect(Object.fromEntries(counts)).toEqual(HOLDS[revision]);
  });

  test('what was renamed was asked for', () => {
    expect([...through.renamed.keys()].sort()).toEqual(Object.keys(OURS).sort());
  });
});
