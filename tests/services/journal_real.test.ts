/** The journal of a booted systemd: its own entries, those of units that fail, of its kernel buffer; as JSON of journalctl says the same. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { journalHost } from '../../src/host/journal/index.ts';
import { type DigestAnswer, logDigest } from '../../src/tools/log_digest.ts';
import { type LogAnswer, logQuery } from '../../src/tools/log_query.ts';
import { until } from '../docker/engine.ts';
import { fakeHost } from '../fakes/host.ts';
import { readAll } from '../host/journal_contract.ts';
import { ask, context } from '../tools/context.ts';
import { bootSystemd, lacking, type Systemd } from './systemd.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write(
    'SKIPPED tests/services/journal_real: needs DECKHAND_REAL=1, root, systemd-nspawn and debootstrap.\n',
  );
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

describe.skipIf(!real)('the journal of systemd 257', () => {
  let lab: Systemd;
  let host: ReturnType<typeof journalHost>;
  const ctx = () => context({}, { host: { ...fakeHost(), journal: host }, now: Date.now });
  const query = (args: object) => ask<LogAnswer>(logQuery, { source: ['journal:'], ...args }, ctx());

  beforeAll(async () => {
    lab = await bootSystemd();
    host = journalHost(lab.root, {
      exec: lab.exec,
      has: () => true,
      stream: lab.stream,
    });
    await lab.script(`set -e
cat >/run/systemd/system/j-fails.service <<'END'
[Service]
ExecStart=/bin/sh -c 'echo "one line"; echo "ERROR cannot open /srv/data: No such file"; exit 3'
END
systemctl daemon-reload
systemctl start j-fails || true
logger -t marked -p user.err "said by logger"
printf 'first\\nsecond\\n' | systemd-cat -t lines
printf 'MESSAGE=a\\nb\\n' | logger --journald || true
journalctl --sync`);
  }, 400_000);
  afterAll(async () => {
    await lab?.close();
    expect(lab?.left() ?? []).toEqual([]);
  }, 30_000);

  test('is there, and takes room', async () => {
    expect(host.available().value).toMatchObject({ manager: 'journald' });
    expect((await host.usage()).value).toBeGreaterThan(100_000);
  });

  test('entry for entry what journalctl says as JSON', async () => {
    const { lines } = await readAll(host);
    expect(lines.length).toBeGreaterThan(50);
    const last = lines.at(-1)?.cursor as string;
    const { out } = await lab.run(['journalctl', '-q', '--no-pager', '-a', '-o', 'json']);
    const said = out
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as Record<string, string>);
    const upTo = said.findIndex((e) => e.__CURSOR === last);
    expect(said.slice(0, upTo + 1).map((e) => [e.__CURSOR, e.MESSAGE, e.PRIORITY ?? null])).toEqual(
      lines.map((l) => [l.cursor, l.text, l.priority === null ? null : String(l.priority)]),
    );
  });

  test('a unit’s own lines and what systemd said of it, the kernel’s, an identifier’s', async () => {
    const unit = await until('its end is told', async () => {
      const { lines } = await readAll(host, { units: ['j-fails.service'] });
      return lines.some((l) => l.text.includes('Failed with result')) && lines;
    });
    expect(unit.map((l) => l.text)).toContain('one line');
    expect(unit.every((l) => l.unit === 'j-fails.service')).toBe(true);
    const answer = await query({ source: ['unit:j-fails'], first_error: true });
    expect(answer.data.lines.find((l) => !l.context)?.text).toContain('ERROR cannot open /srv/data');
    expect((await readAll(host, { identifiers: ['marked'] })).lines).toMatchObject([
      { text: 'said by logger', priority: 3 },
    ]);
    expect((await query({ source: ['journal:lines'], order: 'oldest' })).data.lines.map((l) => l.text)).toEqual([
      'first',
      'second',
    ]);
    expect((await readAll(host, { boot: 0, tail: 3 })).lines).toHaveLength(3);
  });

  test('pages back to the beginning give each entry once, and a digest tells the failure first', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    const untilNow = new Date().toISOString();
    for (let page = 0; page < 100; page++) {
      const { data }: { data: LogAnswer } = await query({
        limit: 40,
        group: false,
        until: untilNow,
        ...(cursor ? { cursor } : {}),
      });
      for (const l of data.lines.slice(0, 40)) for (let k = 0; k < (l.repeats ?? 1); k++) seen.push(l.text);
      cursor = data.next;
      if (cursor === null) break;
    }
    const { lines } = await readAll(host, { untilMs: Date.parse(untilNow) });
    expect(seen).toHaveLength(lines.length);
    const { data } = await ask<DigestAnswer>(logDigest, { source: ['journal:'], since: '10m' }, ctx());
    expect(data.lines.slice(0, 8).some((l) => /Failed with result|said by logger|cannot open/.test(l.pattern))).toBe(
      true,
    );
  });
});
