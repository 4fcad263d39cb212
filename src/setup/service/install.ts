/**
 * `service install` and `service upgrade`: which version comes from where, and whether it may take the place of the one that is there. How
 * it is brought up is steps.ts's and switch.ts's.
 */
import { OpsError } from '../../core/errors.ts';
import { textOf } from './files.ts';
import { addressOf } from './health.ts';
import type { Machine } from './machine.ts';
import { missingFor, powersGiven } from './powers.ts';
import {
  byVersion,
  currentVersion,
  folderOf,
  type Installed,
  readInstalled,
  type Wanted,
  writeInstalled,
} from './record.ts';
import { adopt, fetchTarball, publishedSum, SUMS } from './release.ts';
import { applySteps, planFor, type Step } from './steps.ts';
import { guard, locked, prune, recover, type Say, switchVersion, targetOf } from './switch.ts';
import { running } from './up.ts';

export interface InstallOptions {
  /** The release that this process runs from. */
  own: string;
  allow: readonly string[] | null;
  listen: string | null;
  /** By config.yaml; throws where it cannot be read. */
  config(): Promise<{ text: string; set: boolean }>;
  dry: boolean;
  start: boolean;
  say: Say;
}

export interface Done {
  record: Installed | null;
  steps: { name: string; text: string; needed: boolean }[];
  changed: number;
  folder: string;
  address: string;
  first: boolean;
}

export async function install(m: Machine, o: InstallOptions): Promise<Done> {
  guard(m, 'install');
  if (textOf(`${o.own}/${SUMS}`) === null)
    throw new OpsError('unavailable', `What runs here (${o.own}) is no release: there is no ${SUMS} beside it.`, {
      hint: 'Unpack a release tarball and run its install.sh; from a checkout `npm run release` makes one.',
    });
  return locked(m, async () => {
    const own = adopt(m.place, o.own);
    const config = await o.config();
    const there = o.dry ? readInstalled(m.place) : await recover(m, config.text, o.say);
    const current = there ? currentVersion(m.place) : null;
    if (current !== null && byVersion(own.version, current) < 0)
      throw new OpsError('conflict', `Version ${current} is installed, and this is ${own.version}.`, {
        hint: `Back to the version before: sudo deckhand service rollback. On purpose: sudo deckhand service upgrade --from FILE --downgrade`,
      });
    const wanted = wantedOf(o, own.version, there, own.needed ? o.own : folderOf(m.place, own.version), config);
    const missing = missingFor(wanted.powers, m.groupThere);
    if (missing.some((x) => x.startsWith('docker')))
      throw new OpsError('unavailable', `${missing[0]}.`, { hint: 'Or install without --allow docker.' });
    const bring: Step = {
      name: 'version',
      text: `${own.version} into ${m.place.versions}`,
      needed: own.needed,
      run: own.keep,
    };
    if (o.dry) return planned(m, o, bring, wanted, config.text, there);

    let changed = await applySteps(m, [bring], o.say.step);
    const target = targetOf(wanted, config.text);
    const folder = folderOf(m.place, own.version);
    if (there && current !== null && current !== own.version && o.start) {
      const record = await switchVersion(m, {
        from: { ...there, version: current },
        to: wanted,
        config: config.text,
        say: o.say,
      });
      return { record, steps: [], changed: changed + 1, folder, address: textFor(wanted, config.text), first: false };
    }
    const plan = await planFor(m, target, { start: o.start });
    try {
      changed += await applySteps(m, plan, o.say.step);
    } catch (thrown) {
      // Other powers, or another address, with which it does not come up: what was good before is put back.
      if (
        there &&
        current === own.version &&
        JSON.stringify([there.powers, there.listen]) !== JSON.stringify([wanted.powers, wanted.listen])
      ) {
        o.say.line('Back to the powers and the address of before.');
        await applySteps(m, await planFor(m, targetOf(there, config.text), { start: o.start }), o.say.step);
      }
      throw thrown;
    }
    const record: Installed = {
      ...wanted,
      previous: there?.previous ?? null,
      at: changed || !there ? new Date(m.now()).toISOString() : there.at,
      pending: null,
      copies: there?.copies ?? [],
    };
    if (changed || JSON.stringify(record) !== JSON.stringify(there)) writeInstalled(m.place, record);
    prune(m, record);
    return {
      record,
      steps: [bring, ...plan],
      changed,
      folder,
      address: textFor(wanted, config.text),
      first: there === null,
    };
  });
}

function wantedOf(
  o: InstallOptions,
  version: string,
  there: Installed | null,
  folder: string,
  config: { text: string; set: boolean },
): Wanted {
  const powers = o.allow === null ? (there?.powers ?? []) : powersGiven(o.allow, folder);
  const listen = o.listen === null ? (there?.listen ?? null) : o.listen === 'config' ? null : textOfAddress(o.listen);
  if (listen !== null && config.set && listen !== textOfAddress(config.text))
    throw new OpsError('conflict', `--listen ${listen}, and the config says ${config.text} (http.host, http.port).`, {
      hint: 'Say it in one place: --listen config takes what stands in the config.',
    });
  return { version, powers, listen };
}

const textOfAddress = (text: string): string => {
  const { host, port } = addressOf(text);
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
};

const textFor = (wanted: Wanted, config: string): string => textOfAddress(wanted.listen ?? config);

/** What would be done. Where the version is not in its place yet, its units are read from where it lies. */
async function planned(
  m: Machine,
  o: InstallOptions,
  bring: Step,
  wanted: Wanted,
  config: string,
  there: Installed | null,
): Promise<Done> {
  const target = targetOf(wanted, config);
  const folder = bring.needed ? o.own : folderOf(m.place, wanted.version);
  const steps = [bring, ...(await planFor(m, target, { start: o.start, folder }))];
  return {
    record: there,
    steps,
    changed: steps.filter((s) => s.needed).length,
    folder,
    address: textFor(wanted, config),
    first: there === null,
  };
}

export interface UpgradeOptions {
  from: string;
  sha256: string | undefined;
  downgrade: boolean;
  dry: boolean;
  config(): Promise<{ text: string; set: boolean }>;
  say: Say;
}

export type Upgraded = { changed: boolean; version: string; from: string; dry: boolean };

export async function upgrade(m: Machine, o: UpgradeOptions): Promise<Upgraded> {
  guard(m, 'upgrade --from FILE');
  return locked(m, async () => {
    const config = await o.config();
    const there = o.dry ? readInstalled(m.place) : await recover(m, config.text, o.say);
    const current = currentVersion(m.place);
    if (!there || current === null)
      throw new OpsError('not_found', 'Nothing is installed here yet.', {
        hint: 'Run install.sh of the release: sudo sh install.sh --from FILE',
      });
    const sum = publishedSum(o.from, o.sha256);
    const fetched = await fetchTarball(m.place, o.from, { sha256: sum, dry: o.dry });
    try {
      if (sum === null)
        throw new OpsError(
          'validation',
          `Nothing says what the SHA-256 of ${o.from} must be; it is ${fetched.sha256}.`,
          {
            hint: `Put ${SUMS} of the release beside it, or say what was published: --sha256 HEX. Nothing was changed.`,
          },
        );
      const order = byVersion(fetched.version, current);
      const answer: Upgraded = { changed: false, version: fetched.version, from: current, dry: o.dry };
      if (order === 0) return answer;
      if (order < 0 && !o.downgrade)
        throw new OpsError(
          'conflict',
          `Version ${current} is installed, and this is ${fetched.version}, which is older.`,
          {
            hint: 'Back to the version before: sudo deckhand service rollback. On purpose: --downgrade.',
          },
        );
      if (o.dry) return { ...answer, changed: true };
      o.say.step({ name: 'version', text: `${fetched.version} into ${m.place.versions}` });
      m.before('keep the version');
      fetched.keep();
      try {
        await fits(m, fetched.version, current);
      } catch (thrown) {
        prune(m, { version: current, previous: there.previous });
        throw thrown;
      }
      await switchVersion(m, {
        from: { ...there, version: current },
        to: { ...there, version: fetched.version },
        config: config.text,
        say: o.say,
      });
      return { ...answer, changed: true };
    } finally {
      fetched.drop();
    }
  });
}

/** It starts at all on this machine, and takes the settings: found before anything is stopped. */
async function fits(m: Machine, version: string, current: string): Promise<void> {
  const folder = folderOf(m.place, version);
  const { code, stdout, stderr } = await m
    .program(folder, ['version'])
    .catch((error: Error) => ({ code: null, stdout: '', stderr: error.message }));
  if (code !== 0 || !stdout.includes(version))
    throw new OpsError(
      'unavailable',
      `Version ${version} does not start here: ${(stderr || stdout).trim().slice(0, 400) || `exit code ${code}`}`,
      {
        hint: 'The service was not touched.',
      },
    );
  const config = await m.program(folder, ['config']);
  // Settings that are only good inside the service (credentials) are good for neither.
  if (config.code === 0 || (await m.program(folderOf(m.place, current), ['config'])).code !== 0) return;
  throw new OpsError(
    'validation',
    `Version ${version} does not take this host’s settings: ${config.stderr.trim().slice(0, 800)}`,
    {
      hint: 'Mend the config first. The service was not touched.',
    },
  );
}

export const runningVersion = async (m: Machine): Promise<string | null> => (await running(m)).version;
