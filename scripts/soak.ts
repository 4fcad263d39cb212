/**
 * `npm run soak [name]`: the big numbers of what the tests run small. One table out; exit code 1 when one is not as it
 * should be. Each entry bounds itself in count and time.
 */
import { lacking as dockerLacking, startLab } from '../tests/docker/engine.ts';
import { listSoak } from '../tests/docker/list_soak.ts';
import { logSoak } from '../tests/docker/log_soak.ts';
import { type Killing, killedUpdate } from '../tests/docker/update_killed.ts';
import { many } from '../tests/e2e/many.ts';
import { workSoak } from '../tests/e2e/work_soak.ts';
import { imageSoak } from '../tests/image/soak.ts';
import { sweep } from '../tests/kill/kill.ts';
import { auditSoak } from '../tests/store/audit_soak.ts';

interface Row {
  what: string;
  seen: string | number;
  want: string;
  ok: boolean;
}

const SOAKS: Record<string, { about: string; run(): Promise<Row[]> }> = {
  many: {
    about: 'eight stdio processes and a server on one state, all calling for 20 s',
    async run() {
      const s = await many({ stdio: 8, ms: 20_000 });
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      return [
        row('calls', s.calls, 'many', s.calls > 100),
        row(
          'calls that failed',
          s.failed.length ? `${s.failed.length}: ${s.failed[0]}` : 0,
          '0',
          s.failed.length === 0,
        ),
        row('closing records of them', s.callRecords, String(s.calls), s.callRecords === s.calls),
        row('records in the audit', s.records, 'more', s.records > s.calls),
        row(
          'problems that verifying finds',
          s.problems.length ? JSON.stringify(s.problems[0]) : 0,
          '0',
          s.problems.length === 0,
        ),
        row('SQLITE_BUSY anywhere', s.busy, '0', s.busy === 0),
        row('processes that sample', s.samplers, '1', s.samplers === 1),
        row('ms a call, median / p99', `${s.p50Ms.toFixed(0)} / ${s.p99Ms.toFixed(0)}`, '-', true),
      ];
    },
  },
  kill: {
    about:
      'an approved change, its undo and a naive change, each killed at every call by which it writes (about 5 minutes)',
    async run() {
      const out: Row[] = [];
      for (const scene of ['change', 'undo', 'naive'] as const) {
        const { points, rows } = await sweep(scene);
        for (const r of rows)
          process.stderr.write(
            `${[scene, r.n, `${r.call} ${r.on}`, r.file, r.record, r.receipt, r.approval, r.after, ...r.wrong].join(' | ')}\n`,
          );
        const row = (what: string, seen: string | number, want: string, ok: boolean) =>
          out.push({ what: `${scene}: ${what}`, seen, want, ok });
        const bad = rows.filter((r) => r.wrong.length > 0);
        const not = rows.filter((r) => !r.killed).length;
        row('calls killed at', rows.length - not, `${points}`, points > 20 && not <= points / 20);
        if (scene === 'naive')
          row('of them left torn, without a way back or without a word', bad.length, 'some', bad.length > 0);
        else row('of them left wrong', bad[0] ? `${bad.length}: ${bad[0].wrong[0]}` : 0, '0', bad.length === 0);
        const kinds = new Set(rows.map((r) => `${r.file}, ${r.record}, ${r.receipt}, ${r.approval}`));
        row('different ends seen', kinds.size, 'several', kinds.size > 3);
      }
      return out;
    },
  },
  audit: {
    about:
      'thousands of random changes to an audit, each to be noticed; four writers beside which nothing may be (about a minute)',
    async run() {
      const seed = Date.now() % 2 ** 31;
      const s = await auditSoak({ flips: 6_000, lineChanges: 3_000, writers: 4, ms: 20_000, seed });
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const some = (list: string[]) => (list.length ? `${list.length}: ${list[0]}` : 0);
      return [
        row('bits flipped, each alone', s.flips, '6000', s.flips === 6_000),
        row('lines deleted, doubled, exchanged, replaced, moved, cut', s.lineChanges, '3000', s.lineChanges === 3_000),
        row('changes that were not noticed', some(s.missed), '0', s.missed.length === 0),
        row('flips for which another file was named', some(s.elsewhere), '0', s.elsewhere.length === 0),
        row('verified beside four writers', s.verifications, 'many', s.verifications > 10),
        row('false alarms', some(s.falseAlarms), '0', s.falseAlarms.length === 0),
        row('records written meanwhile', s.appended, 'many', s.appended > 1_000),
        row('lines that a search took for broken', s.corrupt, '0', s.corrupt === 0 && s.searches > 10),
      ];
    },
  },
  work: {
    about:
      '200 clients that leave at random moments of reads and changes, both eras, both transports (about 2 minutes)',
    async run() {
      const s = await workSoak({ rounds: 200, atOnce: 4 });
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const none = (what: string, found: readonly unknown[]) =>
        row(what, found.length ? `${found.length}: ${JSON.stringify(found[0])}` : 0, '0', found.length === 0);
      const ended = Object.entries(s.ended).map(([how, n]) => `${n} ${how}`);
      return [
        row('rounds', s.rounds, '200', s.rounds === 200),
        row('calls on record', ended.join(', '), '-', true),
        none('calls without exactly one closing record', s.records),
        row('intents without an outcome', s.intentsAlone, '0', s.intentsAlone === 0),
        none('handlers that never ended', s.handlers),
        none('changes stopped after their effect', s.torn),
        none('targets still locked', s.locked),
        row(
          'descriptors of the server, before and after',
          `${s.descriptors.before} / ${s.descriptors.after}`,
          'at most 2 more',
          s.descriptors.after <= s.descriptors.before + 2,
        ),
        none('problems that verifying finds', s.problems),
        none('processes that ended badly, or complained', s.exits),
        row('what the server complained of', s.errors.slice(0, 200) || 0, '0', s.errors === ''),
      ];
    },
  },
  'docker-log': {
    about: '200 MB of a container’s log on an engine of its own, through log_query and naively (about 3 minutes)',
    async run() {
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const missing = dockerLacking().join(', ');
      if (missing) return [row('SKIPPED, lacking', missing, '-', process.env.CI !== 'true')];
      const lab = await startLab('docker');
      try {
        const { newest, bounded, whole, naive } = await logSoak(lab, 2_000_000);
        const grown = (what: string, { growthMiB: n }: { growthMiB: number }) =>
          row(`MiB of memory more, ${what}`, n, '< 20', n < 20);
        const mb = (n: number) => (n / 1e6).toFixed(1);
        return [
          grown('the newest match', newest),
          grown('32 MiB read', bounded),
          grown('all read', whole),
          row('MiB of memory more, naively (control)', naive.growthMiB, '> 200', naive.growthMiB > 200),
          row('MB read: the newest match', mb(newest.bytesRead), '< 1', newest.bytesRead < 1e6),
          row('MB read: as far as a call goes', mb(bounded.bytesRead), '< 34', bounded.bytesRead < 34e6),
          row('MB read: all', mb(whole.bytesRead), mb(naive.bytesRead), whole.bytesRead === naive.bytesRead),
          row(
            'lines, matches',
            `${whole.lines}, ${whole.matched}`,
            '2000000, 1',
            whole.lines === 2e6 && whole.matched === 1,
          ),
          row('bytes of the answer', newest.answerBytes, '< 16384', newest.answerBytes < 16_384),
          row(
            's for all of it, ours / naive',
            `${(whole.ms / 1e3).toFixed(1)} / ${(naive.ms / 1e3).toFixed(1)}`,
            '-',
            true,
          ),
        ];
      } finally {
        await lab.close();
      }
    },
  },
  'docker-list': {
    about: 'a list of 100 containers, with and without stats, against plain HTTP to the same engine (about 2 minutes)',
    async run() {
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const missing = dockerLacking().join(', ');
      if (missing) return [row('SKIPPED, lacking', missing, '-', process.env.CI !== 'true')];
      const lab = await startLab('docker');
      try {
        const s = await listSoak(lab, 100);
        const cost = (what: string, [ours, raw]: [number, number], bound: boolean) =>
          row(
            `${what}: ms, ours / plain HTTP`,
            `${ours.toFixed(0)} / ${raw.toFixed(0)}`,
            bound ? '<= 1.5 times' : '-',
            !bound || ours <= 1.5 * raw,
          );
        // The second between two samples is in both, and would hide what is ours.
        const [ours, raw] = s.stats;
        return [
          row('containers measured', s.measured, '100', s.measured === 100),
          cost('list with stats', s.stats, true),
          cost('the same less the second between samples', [ours - 1_000, raw - 1_000], true),
          cost('list without stats', s.list, false),
        ];
      } finally {
        await lab.close();
      }
    },
  },
  'docker-update': {
    about:
      'an update of a container, its engine killed before, during and after each request to it, back soon or late (about half an hour)',
    async run() {
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const missing = dockerLacking().join(', ');
      if (missing) return [row('SKIPPED, lacking', missing, '-', process.env.CI !== 'true')];
      const lab = await startLab('docker');
      const ends = new Map<string, number>();
      const wrong: string[] = [];
      let killed = 0;
      try {
        await lab.registry();
        const { asked } = await killedUpdate(lab, 'clean', { at: null, when: 'before', back: 'soon' });
        // Looks while it settles are all alike.
        const first = asked.findIndex((a) => a.endsWith('/start')) + 3;
        const steps = asked.map((_, i) => i + 1).filter((n) => n <= first || n === asked.length);
        for (const at of steps)
          for (const when of ['before', 'during', 'after'] as Killing['when'][])
            for (const back of ['soon', 'late'] as const) {
              const k = await killedUpdate(lab, `${at} ${when} ${back}`, { at, when, back });
              process.stderr.write(`${[at, k.step, when, back, k.told, k.end, ...k.wrong].join(' | ')}\n`);
              if (k.step !== '-') killed++;
              ends.set(k.end, (ends.get(k.end) ?? 0) + 1);
              wrong.push(...k.wrong.map((w) => `${at} ${k.step} ${when} ${back}: ${w}`));
            }
        return [
          row('engines killed', killed, `${steps.length * 6}`, killed > steps.length * 5),
          row(
            'how it came to be right',
            [...ends].map(([end, n]) => `${n} ${end}`).join(', '),
            'none lost',
            !ends.has('LOST'),
          ),
          row('wrong afterwards', wrong[0] ? `${wrong.length}: ${wrong[0]}` : 0, '0', wrong.length === 0),
        ];
      } finally {
        await lab.close();
      }
    },
  },
  image: {
    about:
      'the image on an engine of its own: built, 50 stops under the load of 8 clients, 1,000 orphans (about 3 minutes)',
    async run() {
      const s = await imageSoak({ stops: 50, orphans: 1_000, clients: 8 });
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const missing = s.missing.join(', ');
      // Without an engine there is nothing to say, and CI must have one.
      if (missing) return [row('SKIPPED, lacking', missing, '-', process.env.CI !== 'true')];
      const ms = s.stops.map((stop) => stop.ms).sort((a, b) => a - b);
      const codes = s.stops.filter((stop) => stop.code !== 0).map((stop) => stop.code);
      const at = (share: number) => (ms[Math.ceil(ms.length * share) - 1] ?? 0).toFixed(0);
      return [
        row('calls answered', s.answered, 'many', s.answered > 1_000),
        row('calls that failed before the signal', s.failures[0] ?? 0, '0', s.failures.length === 0),
        row('stops by SIGTERM', s.stops.length, '50', s.stops.length === 50),
        row('ms to the end, median / largest', `${at(0.5)} / ${at(1)}`, '< 1000', Number(at(1)) < 1_000),
        row('stops with another exit code than 0', codes.join(' ') || 0, '0', codes.length === 0),
        row(`zombies after ${s.orphans} orphans`, s.zombies, '0', s.zombies === 0),
        row('left on the machine', s.left.join(' ') || 0, '0', s.left.length === 0),
      ];
    },
  },
};

async function main(): Promise<number> {
  const [wanted] = process.argv.slice(2);
  if (wanted !== undefined && !SOAKS[wanted]) {
    process.stderr.write(`No soak named ${wanted}. There is: ${Object.keys(SOAKS).join(', ')}.\n`);
    return 2;
  }
  const out: (Row & { soak: string })[] = [];
  for (const [name, soak] of Object.entries(SOAKS)) {
    if (wanted !== undefined && wanted !== name) continue;
    process.stderr.write(`${name}: ${soak.about} …\n`);
    for (const row of await soak.run()) out.push({ soak: name, ...row });
  }
  const rows = [
    ['soak', 'what', 'seen', 'wanted', ''],
    ...out.map((r) => [r.soak, r.what, String(r.seen), r.want, r.ok ? 'ok' : 'NOT OK']),
  ];
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...rows.map((r) => (r[i] ?? '').length)));
  for (const r of rows)
    process.stdout.write(
      `${r
        .map((c, i) => c.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    );
  const bad = out.filter((r) => !r.ok).length;
  process.stdout.write(`${out.length - bad} passed, ${bad} failed\n`);
  return bad === 0 ? 0 : 1;
}

process.exitCode = await main();
