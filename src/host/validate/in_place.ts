/**
 * `nginx -t` and `docker compose config`, which load modules and read other files, and so are asked only about a file in its place, after
 * its change was approved. Decides how, and which of their words are passed on: only those about the file itself.
 */
import { realpathSync } from 'node:fs';
import { toOpsError } from '../../core/errors.ts';
import type { Verdict } from '../../core/validate.ts';
import type { Exec, ExecResult } from '../exec.ts';
import { PLACES, type Place } from './known.ts';

const TIMEOUT_MS = 12_000;
const MAX_BYTES = 8 * 1024 * 1024;

export interface PlaceOptions {
  exec: Exec;
  /** Of nginx; absent: where it looks itself. */
  nginxFolder?: string;
  timeoutMs?: number;
}

export async function askInPlace(place: Place, path: string, o: PlaceOptions, signal?: AbortSignal): Promise<Verdict> {
  const by = PLACES[place];
  const timeoutMs = o.timeoutMs ?? TIMEOUT_MS;
  const run = (binary: 'nginx' | 'docker', args: string[]) =>
    o.exec({ binary, args, timeoutMs, maxBytes: MAX_BYTES, ...(signal ? { signal } : {}) });
  try {
    const said =
      place === 'nginx'
        ? // -T names each file that it reads.
          nginx(
            await run('nginx', [
              '-T',
              '-q',
              ...(o.nginxFolder === undefined ? [] : ['-c', `${o.nginxFolder}/nginx.conf`]),
            ]),
            path,
          )
        : compose(await run('docker', ['compose', '-f', path, 'config', '--quiet']), path);
    return { by, ...said };
  } catch (thrown) {
    if (signal?.aborted) throw thrown;
    const error = toOpsError(thrown);
    if (error.code === 'timeout') return { by, ...unknown(`it did not answer within ${timeoutMs / 1_000} s`) };
    if (error.code === 'unavailable') return { by, ...unknown('it is not installed, or cannot be started') };
    return { by, ...unknown(error.code === 'limit' ? 'it says too much' : 'it could not be asked') };
  }
}

type Said = Omit<Verdict, 'by'>;
const unknown = (why: string): Said => ({ result: 'unknown', why, line: null });
const ok: Said = { result: 'ok', why: null, line: null };
const failed = (why: string, line: number | null): Said => ({ result: 'failed', why, line });

/** nginx names files as it came to them, through links. */
function same(named: string, path: string): boolean {
  if (named === path) return true;
  try {
    return realpathSync(named) === path;
  } catch {
    return false;
  }
}

/** As it says it before it has read where its log is, and after. */
const COMPLAINT = /^(?:nginx: |\d{4}\/\d\d\/\d\d [\d:]{8} )\[(?:emerg|crit)\] (?:\d+#\d+: )?(.*)$/;

function nginx({ code, stdout, stderr }: ExecResult, path: string): Said {
  if (code === 0) {
    const read = [...stdout.matchAll(/^# configuration file (\/.*):$/gm)].some(([, named]) =>
      same(named as string, path),
    );
    return read ? ok : unknown('nginx does not read this file: nothing includes it');
  }
  const complaints = stderr.split('\n').flatMap((line) => COMPLAINT.exec(line)?.[1] ?? []);
  for (const complaint of complaints) {
    const [, why, file, line] = /^(.*) in (\/.*):(\d+)$/.exec(complaint) ?? [];
    // Why a file could not be opened is that file's matter.
    if (why !== undefined && same(file as string, path))
      return failed(why.replace(/ \(\d+: [^)]*\)/g, ''), Number(line));
  }
  if (/\(13: Permission denied\)/.test(stderr)) return unknown('it needs rights that this service has not');
  const [, what] =
    /(cannot load certificate(?: key)?|host not found|bind\(\)|open\(\)|mkdir\(\))/.exec(complaints[0] ?? '') ?? [];
  if (complaints.length > 0)
    return failed(`it fails elsewhere than in this file${what ? ` (${what})` : ''}; run nginx -t on the host`, null);
  return unknown('it failed without a word that could be passed on; run nginx -t on the host');
}

function compose({ code, stderr }: ExecResult, path: string): Said {
  if (code === 0) return ok;
  if (/is not a docker command|unknown shorthand flag|unknown command/.test(stderr))
    return unknown('docker has no compose here');
  const lines = stderr.split('\n').filter((line) => !/^time=|level=warn/.test(line) && line.trim() !== '');
  const last = (lines.at(-1) ?? '')
    .replace(/^(?:validating|parsing|failed to parse) /, '')
    .replaceAll(path, 'the file');
  // What it says of an env file or an included one quotes that.
  const others = /(?:^|[\s"'(=])\/\S/.test(last) || /env.?file|variable name|unexpected character|include/i.test(last);
  if (last === '' || others)
    return failed('it refuses the project, for what is in other files too; run it on the host', null);
  const [, n] = /line (\d+)/.exec(last) ?? [];
  return failed(last.replace(/^the file: /, ''), n === undefined ? null : Number(n));
}
