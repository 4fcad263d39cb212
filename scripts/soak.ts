/**
 * `npm run soak [name]`: the big numbers of what the tests run small. One table out; exit code 1 when one is not as it
 * should be. Each entry bounds itself in count and time.
 */
import { createMiner } from '../src/insight/log_mine.ts';
import { countsSoak } from '../tests/counts_soak.ts';
import { lacking as dockerLacking, startLab } from '../tests/docker/engine.ts';
import { listSoak } from '../tests/docker/list_soak.ts';
import { logSoak } from '../tests/docker/log_soak.ts';
import { type Killing, killedUpdate } from '../tests/docker/update_killed.ts';
import { many } from '../tests/e2e/many.ts';
import { workSoak } from '../tests/e2e/work_soak.ts';
import { diskSoak } from '../tests/host/disk_soak.ts';
import { indexSoak } from '../tests/host/files_index_soak.ts';
import { race } from '../tests/host/files_race.ts';
import { searchSoak } from '../tests/host/files_search_soak.ts';
import { lackingForJournal } from '../tests/host/journal_lab.ts';
import { journalSoak } from '../tests/host/journal_soak.ts';
import { imageSoak } from '../tests/image/soak.ts';
import { corpus, groupingAccuracy, plainMask } from '../tests/insight/log_corpus.ts';
import { samples } from '../tests/insight/log_samples.ts';
import { fileSweep } from '../tests/kill/files.ts';
import { SCENES } from '../tests/kill/files_scenes.ts';
import { sweep } from '../tests/kill/kill.ts';
import { lacking as limitsLacking } from '../tests/limits/lab.ts';
import { attacked, median as middle } from '../tests/limits/soak.ts';
import { lacking as namespacesLacking } from '../tests/net/namespace.ts';
import { socketsSoak } from '../tests/net/sockets_soak.ts';
import { sweep as netSweep } from '../tests/net/sweep_soak.ts';
import { timing } from '../tests/net/timing_soak.ts';
import { compare } from '../tests/policy/access_cases.ts';
import { lacking as debianLacking } from '../tests/shipping/debian.ts';
import { installSoak } from '../tests/shipping/install_soak.ts';
import { fromClone, fromRelease } from '../tests/shipping/newcomer.ts';
import { auditSoak } from '../tests/store/audit_soak.ts';
import { backupSoak } from '../tests/store/backup_soak.ts';
import { roundtrip } from '../tests/tools/file_roundtrip.ts';
import { filesSoak } from '../tests/tools/files_soak.ts';
import { type Trial, trial } from '../tests/tools/log_digest_seed.ts';
import { transferSoak } from '../tests/transfers/soak.ts';

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
  newcomer: {
    about:
      'the lines that README and guide tell a newcomer to type, without caches: a clone, and a release on a bare Debian',
    async run() {
      const missing = debianLacking();
      if (missing.length > 0) throw new Error(`missing here: ${missing.join(', ')}`);
      const rows: Row[] = [];
      for (const path of [fromClone, fromRelease]) {
        const { steps } = await path({ ms: 300_000 });
        const all = steps.reduce((sum, s) => sum + s.ms, 0);
        for (const s of steps) rows.push({ what: s.what, seen: `${(s.ms / 1000).toFixed(1)} s`, want: '-', ok: true });
        rows.push({ what: 'all of it', seen: `${(all / 1000).toFixed(1)} s`, want: 'under 120 s', ok: all < 120_000 });
      }
      return rows;
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
  'files-read': {
    about:
      'a log of 2 GiB read from its end and searched, /usr by name and content, beside tail, grep, find and rg (about 2 minutes)',
    async run() {
      const s = await filesSoak({ bytes: 2 * 1024 ** 3, rounds: 3, usr: '/usr' });
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const cost = (what: string, { oursMs, theirsMs }: { oursMs: number; theirsMs: number }, most: number) =>
        row(
          `${what}: ms, ours / theirs`,
          `${oursMs.toFixed(1)} / ${theirsMs.toFixed(1)}`,
          `<= ${most} times`,
          oursMs <= most * theirsMs,
        );
      const same = (a: string[], b: string[]) => JSON.stringify(a.toSorted()) === JSON.stringify(b.toSorted());
      return [
        row(
          'last 200 lines: ms, ours / tail',
          `${s.tail.oursMs.toFixed(1)} / ${s.tail.theirsMs.toFixed(1)}`,
          '<= 5',
          s.tail.oursMs <= 5,
        ),
        cost('a line near the end, grep -inF', s.rare, 1.5),
        row('found at line', s.foundAt ?? '-', String(s.line), s.foundAt === s.line),
        cost('nothing found, grep -iF', s.none, 1.5),
        row('ms to a line in the middle', s.lineMs.toFixed(0), '-', true),
        row(
          'MiB of memory, before / most / after',
          `${s.rss.before} / ${s.rss.peak} / ${s.rss.after}`,
          '< 32 more',
          s.rss.peak - s.rss.before < 32,
        ),
        cost('names in /usr, find', s.name, 1.5),
        row('names found, ours / find', `${s.name.ours} / ${s.name.theirs}`, '-', s.name.ours > 0),
        ...(s.content === null
          ? [row('SKIPPED, lacking', 'rg', '-', process.env.CI !== 'true')]
          : [
              cost('content of /usr, with rg beside rg', s.content, 1.3),
              row(
                'files found, ours / rg --text',
                `${s.content.ours.length} / ${s.content.theirs.length}`,
                'fewer: no programs',
                s.content.ours.length > 0 && s.content.ours.every((f) => s.content?.theirs.includes(f)),
              ),
              row(
                'the same without rg',
                s.alone.files.length,
                String(s.content.ours.length),
                !s.alone.through || same(s.alone.files, s.content.ours),
              ),
            ]),
        row('s for the content without rg', (s.alone.ms / 1e3).toFixed(1), '< 20', s.alone.ms < 20_000),
      ];
    },
  },
  'files-race': {
    about:
      'links swapped under 100,000 reads and 200,000 lists, finds and searches, and under a naive reader (5 to 10 minutes)',
    async run() {
      const s = await race(50_000);
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      return [
        row('rounds, each of two reads, a list, a find and two searches', s.rounds, '50000', s.rounds >= 50_000),
        row('answers with what lies inside', s.inside, 'many', s.inside > 10_000),
        row('refused', s.refused, 'some', s.refused > 0),
        row('answers with anything from outside', s.leaked, '0', s.leaked === 0),
        row('the same, naively (control)', s.naive, '>= 10', s.naive >= 10),
        row(
          'descriptors, before and after',
          `${s.descriptors.before} / ${s.descriptors.after}`,
          'no more',
          s.descriptors.after <= s.descriptors.before,
        ),
      ];
    },
  },
  'files-kill': {
    about:
      'each change of a file, and one written in place, killed at every call by which it changes the file system (about a minute)',
    async run() {
      const out: Row[] = [];
      for (const scene of [...SCENES, 'naive'] as const) {
        const rows = await fileSweep(scene);
        for (const r of rows) process.stderr.write(`${[scene, `${r.call} ${r.on}`, r.end, ...r.wrong].join(' | ')}\n`);
        const bad = rows.flatMap((r) => r.wrong.map((w) => `${r.call} ${r.on}: ${w}`));
        const killed = rows.filter((r) => r.killed).length;
        const row = (what: string, seen: string | number, want: string, ok: boolean) =>
          out.push({ what: `${scene}: ${what}`, seen, want, ok });
        row('calls killed at', killed, String(rows.length), killed === rows.length && killed > 0);
        row('ends seen', [...new Set(rows.map((r) => r.end))].join(', '), '-', true);
        if (scene === 'naive') row('of them torn', bad.length, 'some', bad.length > 0);
        else row('of them left wrong', bad[0] ? `${bad.length}: ${bad[0]}` : 0, '0', bad.length === 0);
      }
      return out;
    },
  },
  'files-transfer': {
    about:
      '1 GiB down and up over HTTP, beside a bare node:http stream; interrupted, wrong, and slow (about 3 minutes)',
    async run() {
      const s = await transferSoak({ bytes: 1024 ** 3, rounds: 3, slowSeconds: 36 });
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const speed = (what: string, { ours, bare }: { ours: number; bare: number }) =>
        row(`MiB/s ${what}, ours / bare`, `${ours} / ${bare}`, 'at least half', ours >= bare / 2);
      return [
        speed('down', s.down),
        speed('up', s.up),
        row(
          'MiB of memory more, down / up',
          `${s.growthMiB.down} / ${s.growthMiB.up}`,
          '< 64',
          Math.max(s.growthMiB.down, s.growthMiB.up) < 64,
        ),
        row('resumed down, from byte', `${s.resumed.down}, ${s.resumed.downFrom}`, 'true', s.resumed.down),
        row('resumed up, from byte', `${s.resumed.up}, ${s.resumed.upFrom}`, 'true', s.resumed.up),
        row('a wrong hash', s.wrongHash.status, '400', s.wrongHash.status === 400),
        row('left behind by it', s.wrongHash.left.join(' ') || 0, '0', s.wrongHash.left.length === 0),
        row('a byte a second, seconds', `${s.slow.seconds}, ${s.slow.done ? 'done' : 'cut off'}`, 'done', s.slow.done),
      ];
    },
  },
  'files-edit-kill': {
    about:
      'file_edit, file_write and file_upload through the door, and their undo, each killed at every call on file, receipt and audit, and at every third on the database (about 20 minutes)',
    async run() {
      const out: Row[] = [];
      for (const scene of ['edit', 'write', 'create', 'upload', 'unedit', 'uncreate', 'unupload'] as const) {
        const { points, rows } = await sweep(scene, undefined, 3);
        for (const r of rows)
          process.stderr.write(
            `${[scene, r.n, `${r.call} ${r.on}`, r.file, r.record, r.receipt, r.approval, r.after, ...r.wrong].join(' | ')}\n`,
          );
        const row = (what: string, seen: string | number, want: string, ok: boolean) =>
          out.push({ what: `${scene}: ${what}`, seen, want, ok });
        const bad = rows.filter((r) => r.wrong.length > 0);
        const not = rows.filter((r) => !r.killed).length;
        row('calls killed at', rows.length - not, `${points}`, points > 20 && not <= points / 20);
        row('of them left wrong', bad[0] ? `${bad.length}: ${bad[0].wrong[0]}` : 0, '0', bad.length === 0);
        const files = new Set(rows.map((r) => r.file));
        row('files left', [...files].sort().join(', '), 'new, old', files.size === 2 && !files.has('torn'));
      }
      return out;
    },
  },
  counts: {
    about: 'all cases of the tests that try only some of them outside of CI (tests/counts.ts)',
    async run() {
      const s = countsSoak();
      return [
        { what: 'files of tests', seen: s.files, want: 'many', ok: s.files > 10 },
        { what: 'tests that failed', seen: s.failed[0] ?? 0, want: '0', ok: s.passed > 0 && s.failed.length === 0 },
        { what: 'tests that held', seen: s.passed, want: '-', ok: true },
      ];
    },
  },
  'files-edit-bytes': {
    about:
      '1,000 generated files: each read, one line edited by what was read, every other byte compared, undone (about 2 minutes)',
    async run() {
      const s = await roundtrip(1_000);
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      return [
        row('files edited', s.edited, '1000', s.edited === 1_000),
        row('of them by their text', s.byText, 'many', s.byText > 300),
        row('edits refused', s.refused[0] ?? 0, '0', s.refused.length === 0),
        row('other bytes changed, or not undone', s.wrong[0] ?? 0, '0', s.wrong.length === 0),
        row('harmed by the naive way (control)', s.naiveWrong, 'many', s.naiveWrong > 300),
      ];
    },
  },
  'files-index': {
    about:
      '50,000 files searched with an index beside none, 200 searches compared, and what has just changed (about 8 minutes)',
    async run() {
      const s = await indexSoak(1_000);
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const mb = (n: number) => `${(n / 1e6).toFixed(1)} MB`;
      const rounds = `${(s.buildMs / 1e3).toFixed(1)} s, ${(s.roundMs / 1e3).toFixed(1)} s`;
      const still = `${s.stillMs.most.toFixed(0)} / ${s.stillMs.p99.toFixed(0)} ms`;
      const [first] = s.different;
      return [
        row('files, their texts, the index', `${s.files}, ${mb(s.textBytes)}, ${mb(s.indexBytes)}`, '-', true),
        row('the first round, one without news', rounds, '-', true),
        row('the loop stood still meanwhile, longest / p99', still, '-', true),
        ...s.rows.map((r) => {
          const seen = `${r.withMs.toFixed(0)} ms, without ${r.withoutMs.toFixed(0)} ms (${r.hits})`;
          const rare = /nowhere|rare/.test(r.what);
          return row(r.what, seen, rare ? 'quicker' : '-', !rare || r.withMs < r.withoutMs);
        }),
        row('searches compared', s.queries, '200', s.queries === 200),
        row('of them not equal', first ? `${s.different.length}: ${first}` : 0, '0', !first),
        row('just written, found', `${s.fresh.found} of ${s.fresh.asked}`, '-', true),
        row('of these, said to be complete', s.fresh.complete, '<= found', s.fresh.complete <= s.fresh.found),
      ];
    },
  },
  'files-search': {
    about: '/usr by name and by content, beside find, grep and rg where it is (about 5 minutes)',
    async run() {
      return (await searchSoak('/usr')).map(({ what, ours, others, stopped }) => {
        const seen = [`ours ${ours.ms.toFixed(0)} ms (${ours.hits})`];
        for (const o of others)
          seen.push(`${o.name} ${o.ms.toFixed(0)} ms (${o.hits}): ${(ours.ms / o.ms).toFixed(1)} times`);
        const name = what.startsWith('by name');
        const ok = stopped === null && (!name || ours.ms <= 3 * (others[0]?.ms ?? 0));
        return { what, seen: seen.join(', '), want: name ? '<= 3 times' : '-', ok };
      });
    },
  },
  backup: {
    about:
      '60 backups beside four writers, of which one is killed now and then; each verified and restored (about two minutes)',
    async run() {
      const s = await backupSoak({ writers: 4, backups: 60 });
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      return [
        row('not of one moment, or not restored', s.wrong.slice(0, 3).join('; ') || 0, '0', s.wrong.length === 0),
        row('MiB of one', (s.bytes / 1024 / 1024).toFixed(1), '–', true),
        row('ms for one, verified: median, worst', `${s.middleMs.toFixed(0)}, ${s.worstMs.toFixed(0)}`, '–', true),
      ];
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
  journal: {
    about:
      'a journal of 1,000,000 lines and a file of 500 MB: the last hour filtered and as patterns, beside grep (about 3 minutes)',
    async run() {
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const missing = lackingForJournal().join(', ');
      if (missing) return [row('SKIPPED, lacking', missing, '-', process.env.CI !== 'true')];
      const s = await journalSoak({ lines: 1_000_000, fileBytes: 500_000_000 });
      return [
        row('lines of the journal, MB of the file', `${s.lines}, ${(s.fileBytes / 1e6).toFixed(0)}`, '-', true),
        ...s.asked.flatMap(({ what, ours, grepMs, grepMatched }) => [
          row(
            `${what}: ms, ours / grep`,
            grepMs === null ? ours.ms : `${ours.ms} / ${grepMs} = ${(ours.ms / grepMs).toFixed(1)}`,
            grepMs === null ? '< 10000' : '<= 10 times',
            grepMs === null ? ours.ms < 10_000 : ours.ms <= 10 * grepMs,
          ),
          row(
            `${what}: entries, ${grepMs === null ? 'patterns' : 'matches'}`,
            `${ours.entries}, ${ours.patterns || ours.matched}${grepMatched === null ? '' : ` (grep ${grepMatched})`}${ours.missing ? `; ${ours.missing}` : ''}`,
            '-',
            ours.entries > 0,
          ),
          row(`${what}: MiB of our process at most`, ours.peakMiB, '< 400', ours.peakMiB < 400),
          row(`${what}: bytes of the answer`, ours.answerBytes, '< 16384', ours.answerBytes < 16_384),
        ]),
      ];
    },
  },
  digest: {
    about: 'one new error among 50,000 lines for 100 seeds; grouping on generated and on public logs (about 5 minutes)',
    async run() {
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const trials: Trial[] = [];
      for (let seed = 1; seed <= 100; seed++) trials.push(await trial(seed));
      const most = (of: (t: Trial) => number) => Math.max(...trials.map(of));
      const found = trials.filter((t) => t.found && t.flagged).length;
      const accuracy = Array.from({ length: 10 }, (_, i) => {
        const all = corpus(100 + i, { templates: 500, lines: 50_000 });
        const miner = createMiner();
        const ids = all.map(({ text }) => miner.push({ text, atMs: 0, level: null, before: false }));
        const { patternOf } = miner.end();
        const truth = all.map((l) => l.of);
        return [
          groupingAccuracy(ids.map(patternOf), truth),
          groupingAccuracy(
            all.map((l) => plainMask(l.text)),
            truth,
          ),
        ];
      });
      const least = Math.min(...accuracy.map(([ours = 0]) => ours));
      const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length;
      const folder = process.env.DECKHAND_LOGHUB;
      if (!folder)
        process.stderr.write('SKIPPED digest on public samples: DECKHAND_LOGHUB names no folder with Loghub’s.\n');
      const known = folder ? samples(folder) : [];
      return [
        row('new errors told, and called new', found, '100', found === 100),
        row('place in the answer, at worst', most((t) => t.place) + 1, '<= 5', most((t) => t.place) < 5),
        row(
          'tokens, patterns, at most',
          `${most((t) => t.tokens)}, ${most((t) => t.patterns)}`,
          '<= 1500, 30',
          most((t) => t.tokens) <= 1_500 && most((t) => t.patterns) <= 30,
        ),
        row(
          'ms for 100,000 lines, median / most',
          `${trials.map((t) => t.ms).sort((a, b) => a - b)[50]} / ${most((t) => t.ms)}`,
          '-',
          true,
        ),
        row('grouping accuracy, 10 corpora of 500 templates, least', least.toFixed(4), '>= 0.98', least >= 0.98),
        row('the same by a plain mask, mean', mean(accuracy.map(([, plain = 0]) => plain)).toFixed(3), 'less', true),
        ...known.map((k) =>
          row(`Loghub ${k.name}: ours / plain mask`, `${k.ours.toFixed(3)} / ${k.plain.toFixed(3)}`, '-', true),
        ),
        ...(known.length > 0
          ? [
              row(
                `Loghub, mean of ${known.length}: ours / plain mask`,
                `${mean(known.map((k) => k.ours)).toFixed(3)} / ${mean(known.map((k) => k.plain)).toFixed(3)}`,
                'ours >= 0.85',
                mean(known.map((k) => k.ours)) >= 0.85,
              ),
            ]
          : [row('Loghub', 'SKIPPED: DECKHAND_LOGHUB', '-', true)]),
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
  limits: {
    about:
      'a real server attacked in a namespace: slow clients, connections, guesses, a flood from 50 addresses, heavy calls; a calm client beside each (about 20 minutes)',
    async run() {
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const missing = limitsLacking().join(', ');
      if (missing) return [row('SKIPPED, lacking', missing, '-', process.env.CI !== 'true')];
      const out: Row[] = [];
      for (const attack of ['slow', 'connections', 'guesses', 'flood', 'heavy']) {
        const s = await attacked(attack, { runs: 5, runMs: 20_000, slow: 200, connections: 10_000, perSecond: 1_000 });
        const say = (what: string, seen: string | number, want: string, ok: boolean) =>
          out.push(row(`${attack}: ${what}`, seen, want, ok));
        const [quiet, under] = [middle(s.quietMs), middle(s.underMs)];
        say(
          'ms of the calm client, p99 quiet / under attack',
          `${quiet.toFixed(1)} / ${under.toFixed(1)} = ${(under / quiet).toFixed(1)}`,
          attack === 'heavy' ? '-' : '<= 3 times',
          attack === 'heavy' || under <= 3 * quiet,
        );
        say('what it did not get', s.calmRefused || 0, `0 of ${s.calls}`, s.calmRefused === '');
        const { start, most, after } = s.rssMiB;
        say('MiB of the server, start / most / after', `${start} / ${most} / ${after}`, '< 96 more', most < start + 96);
        for (const [outcome, { recorded, seen }] of Object.entries(s.refused))
          say(`refused (${outcome}), on record / seen`, `${recorded} / ${seen}`, 'the same', recorded === seen);
        say('records of that, connections at most', `${s.records}, ${s.most}`, '-', true);
        const [error] = Object.entries(s.errors);
        say('without any answer', error ? `${error[1]} × ${error[0]}` : 0, '-', true);
        say('ms the loop stood still, p50 / p99 / most', `${s.loop.p50} / ${s.loop.p99} / ${s.loop.max}`, '-', true);
      }
      return out;
    },
  },
  policy: {
    about: '10,000 random policies and calls, beside a second reading of docs/policy.md',
    async run() {
      const { yes, no } = compare(10_000, Date.now() % 2 ** 31);
      const row = (what: string, seen: number) => ({ what, seen, want: '> 500', ok: seen > 500 });
      return [row('let through by both', yes), row('refused by both', no)];
    },
  },
  'net-sweep': {
    about: 'a scripted model that tries to make a scanner of net_probe, counted on the other machine (about a minute)',
    async run() {
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const missing = namespacesLacking().join(', ');
      if (missing) return [row('SKIPPED, lacking', missing, '-', process.env.CI !== 'true')];
      const [tool, naive] = [await netSweep('tool'), await netSweep('naive')];
      const figure = 60 * Object.keys(tool.told).length;
      const told = Object.entries(tool.told).map(([what, s]) =>
        row(what, `${s.told} probed, ${s.refused} calls refused`, '-', true),
      );
      return [
        ...told,
        row(
          'packets that arrived, of all attacks',
          tool.arrived,
          `<= ${figure}`,
          tool.arrived > 0 && tool.arrived <= figure,
        ),
        row('packets to loopback', tool.loopback, '0', tool.loopback === 0),
        row('naive sweep of 254 ports: packets that arrived', naive.arrived, '> 60', naive.arrived > 60),
      ];
    },
  },
  'net-probe': {
    about: 'probes beside dig, curl, openssl and ping, 20 times in turns (a few seconds)',
    async run() {
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const missing = namespacesLacking().join(', ');
      if (missing) return [row('SKIPPED, lacking', missing, '-', process.env.CI !== 'true')];
      return Object.entries(await timing()).map(([what, { ours, theirs }]) => {
        const most = Math.max(1, theirs * 0.15);
        // A program that has to start is slower than one that runs: only being slower than it is a fault of ours.
        return row(
          `${what}: ms, ours / theirs`,
          `${ours.toFixed(2)} / ${theirs.toFixed(2)}`,
          `<= ${(theirs + most).toFixed(2)}`,
          ours <= theirs + most,
        );
      });
    },
  },
  'net-sockets': {
    about: '10,000 TCP sockets in a namespace of their own, read beside `ss`, 20 times in turns (about half a minute)',
    async run() {
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const missing = namespacesLacking().join(', ');
      if (missing) return [row('SKIPPED, lacking', missing, '-', process.env.CI !== 'true')];
      const { matched, ms } = await socketsSoak(5_000, 20);
      const beside = (what: string, ours: number, theirs: number) =>
        row(
          `${what}: ms, ours / theirs`,
          `${ours.toFixed(1)} / ${theirs.toFixed(1)}`,
          '<= 2 times',
          ours <= 2 * theirs,
        );
      return [
        row('sockets', matched, '10001', matched === 10_001),
        beside('sockets read, `ss -tan`', ms.read, ms.ss),
        beside('net_connections by state, `ss -tan`', ms.byState, ms.ss),
        beside('net_connections by peer, `ss -tan`', ms.byPeer, ms.ss),
        beside('net_connections by process, `ss -tanp`', ms.byProcess, ms.ssWithProcesses),
      ];
    },
  },
  'disk-full': {
    about:
      'the walk of diagnose disk_full beside `du -x`: /usr, and 200,000 files of which 100,000 lie in one folder (half a minute)',
    async run() {
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      return diskSoak({ folders: 200, each: 500, flat: 100_000 }).flatMap((s) => [
        row(`${s.where}: bytes and inodes as du counts`, `${s.entries} inodes`, 'the same', s.same),
        row(`${s.where}: ms, du -x`, `${s.ms.toFixed(0)}, ${s.duMs.toFixed(0)}`, '<= 2 times', s.ms <= 2 * s.duMs),
        row(`${s.where}: MiB that three walks left`, s.grewMiB.toFixed(0), '< 64', s.grewMiB < 64),
      ]);
    },
  },
  install: {
    about:
      'install.sh, five upgrades and five rollbacks under 20 calls a second, on Debian 12 and 13, by nspawn and LXC (about 10 minutes)',
    async run() {
      const row = (what: string, seen: string | number, want: string, ok: boolean) => ({ what, seen, want, ok });
      const missing = debianLacking().join(', ');
      if (missing) return [row('SKIPPED, lacking', missing, '-', process.env.CI !== 'true')];
      return (await installSoak(5)).flatMap(({ where, life, left, installMs, exposure }) => {
        const errors = Object.entries(life.seen.errors);
        return [
          row(`${where}: s to install`, (installMs / 1000).toFixed(1), '-', true),
          row(`${where}: exposure`, exposure, '2.0 at most', exposure <= 2),
          // It would have thrown: another process has to answer.
          row(`${where}: stopped processes replaced by the watchdog`, 1, '1', true),
          row(
            `${where}: upgrades / rollbacks`,
            `${life.upgrades} / ${life.rollbacks}`,
            '5 / 5',
            life.upgrades === 5 && life.rollbacks === 5,
          ),
          row(
            `${where}: calls / answered`,
            `${life.seen.calls} / ${life.seen.answered}`,
            'equal',
            life.seen.calls === life.seen.answered && life.seen.calls > 200,
          ),
          row(`${where}: errors`, errors.length ? JSON.stringify(life.seen.errors) : 0, '0', errors.length === 0),
          row(`${where}: slowest call, ms`, life.seen.slowestMs, '-', true),
          row(
            `${where}: a version that cannot read the store`,
            life.unreadable[0] ?? 0,
            '0',
            life.unreadable.length === 0,
          ),
          row(`${where}: status differs`, life.statuses[0] ?? 0, '0', life.statuses.length === 0),
          row(`${where}: left by the uninstall`, left.join(' ') || 0, '0', left.length === 0),
        ];
      });
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
